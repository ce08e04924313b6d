/* SPDX-License-Identifier: BSD-3-Clause */
#include "socket_read.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

ssize_t socket_read(int fd, void *bytes, size_t len, int *fds, unsigned int *n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(SOCKET_READ_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = bytes, .iov_len = len};
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got;

	do {
		got = recvmsg(fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c != NULL; c = CMSG_NXTHDR(&hdr, c)) {
		size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + *n, CMSG_DATA(c), came * sizeof(int));
		*n += (unsigned int)came;
	}
	/* The process has no descriptors left, and the kernel has let go of some. */
	return (hdr.msg_flags & MSG_CTRUNC) != 0 ? -EMSGSIZE : got;
}
