/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_socket.h"

_Static_assert(offsetof(struct fg_msg, u64) == FG_HEADER_SIZE, "the header is 12 bytes");

static const char *const names[FG_REQUEST_MAX] = {
	[FG_NONE] = "NONE",
	[FG_GET_FEATURES] = "GET_FEATURES",
	[FG_SET_FEATURES] = "SET_FEATURES",
	[FG_SET_OWNER] = "SET_OWNER",
	[FG_RESET_OWNER] = "RESET_OWNER",
	[FG_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[FG_SET_LOG_BASE] = "SET_LOG_BASE",
	[FG_SET_LOG_FD] = "SET_LOG_FD",
	[FG_SET_VRING_NUM] = "SET_VRING_NUM",
	[FG_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[FG_SET_VRING_BASE] = "SET_VRING_BASE",
	[FG_GET_VRING_BASE] = "GET_VRING_BASE",
	[FG_SET_VRING_KICK] = "SET_VRING_KICK",
	[FG_SET_VRING_CALL] = "SET_VRING_CALL",
	[FG_SET_VRING_ERR] = "SET_VRING_ERR",
	[FG_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[FG_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[FG_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[FG_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[FG_SEND_RARP] = "SEND_RARP",
	[FG_NET_SET_MTU] = "NET_SET_MTU",
	[FG_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[FG_IOTLB_MSG] = "IOTLB_MSG",
	[FG_SET_VRING_ENDIAN] = "SET_VRING_ENDIAN",
	[FG_GET_CONFIG] = "GET_CONFIG",
	[FG_SET_CONFIG] = "SET_CONFIG",
	[FG_POSTCOPY_ADVISE] = "POSTCOPY_ADVISE",
	[FG_POSTCOPY_LISTEN] = "POSTCOPY_LISTEN",
	[FG_POSTCOPY_END] = "POSTCOPY_END",
	[FG_GET_INFLIGHT_FD] = "GET_INFLIGHT_FD",
	[FG_SET_INFLIGHT_FD] = "SET_INFLIGHT_FD",
	[FG_RESET_DEVICE] = "RESET_DEVICE",
	[FG_VRING_KICK] = "VRING_KICK",
	[FG_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
	[FG_ADD_MEM_REG] = "ADD_MEM_REG",
	[FG_REM_MEM_REG] = "REM_MEM_REG",
	[FG_SET_STATUS] = "SET_STATUS",
	[FG_GET_STATUS] = "GET_STATUS",
};

int fg_wire_connect(const char *path, int ms)
{
	int64_t deadline = fg_deadline(ms);

	for (;;) {
		int sock = fg_socket_connect(path, 0);

		if (sock >= 0 || fg_left_ms(deadline) == 0)
			return sock;
		fg_sleep_us(5000);
	}
}

int fg_wire_listen(const char *path)
{
	unlink(path);
	return fg_socket_listen(path, 0, 4);
}

int fg_wire_accept(int listener, int ms)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int sock;

	if (poll(&p, 1, ms) != 1)
		return -ETIMEDOUT;
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return sock < 0 ? -errno : sock;
}

static _Thread_local int fuse = -1;

void fg_wire_fuse(int messages)
{
	fuse = messages;
}

int fg_wire_send_raw(int sock, const void *data, size_t len, const int *fds, unsigned int n_fds)
{
	struct pollfd p = {.fd = sock, .events = POLLOUT};
	ssize_t n;

	if (fuse == 0) {
		shutdown(sock, SHUT_RDWR);
		return -ECONNRESET;
	}
	fuse -= fuse > 0;
	if (poll(&p, 1, FG_WAIT_MS) != 1)
		return -ETIMEDOUT;
	n = fg_socket_send(sock, data, len, fds, n_fds);
	if (n < 0)
		return n == -EPIPE ? -ECONNRESET : (int)n;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

int fg_wire_send(int sock, const struct fg_msg *msg, const int *fds, unsigned int n_fds)
{
	size_t payload = msg->size < FG_PAYLOAD_MAX ? msg->size : FG_PAYLOAD_MAX;

	return fg_wire_send_raw(sock, msg, FG_HEADER_SIZE + payload, fds, n_fds);
}

/* Reads @len bytes; a descriptor among them goes to *@fd. */
static int read_exactly(int sock, void *to, size_t len, int *fd, int64_t deadline)
{
	uint8_t *at = to;

	while (len > 0) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
		struct iovec iov = {.iov_base = at, .iov_len = len};
		struct msghdr h = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		struct pollfd p = {.fd = sock, .events = POLLIN};
		struct cmsghdr *c;
		ssize_t n;

		if (poll(&p, 1, fg_left_ms(deadline)) != 1)
			return -ETIMEDOUT;
		n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR)
				continue;
			return errno == EPIPE ? -ECONNRESET : -errno;
		}
		c = CMSG_FIRSTHDR(&h);
		if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
			int got;

			memcpy(&got, CMSG_DATA(c), sizeof(got));
			if (fd != NULL)
				*fd = got;
			else
				close(got);
		}
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fg_wire_recv(int sock, struct fg_msg *msg, int *fd, int ms)
{
	int64_t deadline = fg_deadline(ms);
	int err;

	if (fd != NULL)
		*fd = -1;
	memset(msg, 0, sizeof(*msg));
	err = read_exactly(sock, msg, FG_HEADER_SIZE, fd, deadline);
	if (err < 0)
		return err;
	if (msg->size > FG_PAYLOAD_MAX)
		return -EPROTO;
	return read_exactly(sock, msg->raw, msg->size, fd, deadline);
}

bool fg_wire_closed(int sock, int ms)
{
	int64_t deadline = fg_deadline(ms);
	char sink[4096];

	for (;;) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, fg_left_ms(deadline)) != 1)
			return false;
		n = recv(sock, sink, sizeof(sink), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
	}
}

const char *fg_wire_name(uint32_t request)
{
	return request < FG_REQUEST_MAX && names[request] != NULL ? names[request] : "(unknown)";
}
