/* SPDX-License-Identifier: BSD-3-Clause */
#include "lane_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(LANE_FDS_MAX * sizeof(int))];
};

int lane_message_send(int socket, const struct lane_message *message, const int *fds,
		      unsigned int n, int flags)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	union fd_control control = {0};
	ssize_t sent;

	if (n > 0) {
		struct cmsghdr *cmsg;

		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	do {
		sent = sendmsg(socket, &hdr, flags | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static void collect(struct msghdr *hdr, int *fds, unsigned int *n)
{
	*n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + *n, CMSG_DATA(c), here * sizeof(int));
		*n += (unsigned int)here;
	}
}

int lane_message_receive(int socket, struct lane_message *message, int fds[LANE_FDS_MAX],
			 unsigned int *n, int flags)
{
	struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
	union fd_control control;
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;

	do {
		got = recvmsg(socket, &hdr, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	*n = 0;
	if (got <= 0)
		return got < 0 ? -errno : 0;
	collect(&hdr, fds, n);
	if (got == (ssize_t)sizeof(*message) && (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return 1;
	while (*n > 0)
		close(fds[--*n]);
	return -EBADMSG;
}
