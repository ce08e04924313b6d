/* SPDX-License-Identifier: BSD-3-Clause */
#include "socket_read.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What one message of a unix socket may carry (unix(7)). */
enum { FDS_A_MESSAGE = 253 };

ssize_t socket_read(int fd, void *bytes, size_t len, int *fds, unsigned int *n, unsigned int max,
		    struct disposal_account *account)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_A_MESSAGE * sizeof(int))];
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
		for (size_t i = 0; i < came; i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*n < max) {
				fds[(*n)++] = one;
				continue;
			}
			disposal_close(account, one);
			got = -EMSGSIZE;
		}
	}
	/* The process has no descriptors left, and the kernel has let go of some. */
	return (hdr.msg_flags & MSG_CTRUNC) != 0 ? -EMSGSIZE : got;
}
