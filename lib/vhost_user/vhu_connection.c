/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "socket_read.h"

/* Messages handled in one turn of the loop: others want their turn too. */
enum { MESSAGES_A_TURN = 32 };

static void deadline_passed(struct loop_timer *timer);
static void socket_ready(struct loop_fd *source, uint32_t events);

void vhu_connection_init(struct vhu_connection *connection, struct loop *loop,
			 struct disposal_account *account, const struct vhu_connection_events *events)
{
	*connection = (struct vhu_connection){
		.loop = loop,
		.account = account,
		.events = events,
		.source = {.fd = -1, .ready = socket_ready},
		.deadline = {.fire = deadline_passed},
	};
}

int vhu_connection_open(struct vhu_connection *connection, int fd)
{
	int error;

	connection->source.fd = fd;
	connection->in_n = connection->out_n = 0;
	connection->in.fds.n = 0;
	connection->suspended = connection->slowed = connection->spoken = false;
	error = loop_fd_add(connection->loop, &connection->source, EPOLLIN);
	if (error != 0) {
		disposal_close(connection->account, fd);
		connection->source.fd = -1;
	}
	return error;
}

/* Those of the message that nobody has taken. */
static void close_fds(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	struct vhu_fds *fds = &connection->in.fds;

	for (unsigned int i = 0; i < fds->n; i++)
		disposal_close(connection->account, fds->fd[i]);
	fds->n = 0;
}

void vhu_connection_close(struct vhu_connection *connection)
{
	if (connection->source.fd < 0)
		return;
	loop_timer_stop(connection->loop, &connection->deadline);
	loop_fd_remove(connection->loop, &connection->source);
	/* Descriptors that were not read are in it. */
	disposal_close(connection->account, connection->source.fd);
	connection->source.fd = -1;
	close_fds(connection);
	connection->in_n = connection->out_n = 0;
}

/* Nothing is to be read. */
static bool is_held(const struct vhu_connection *connection) RUNS_ON(control_thread)
{
	return connection->suspended || connection->slowed || disposal_full(connection->account);
}

static void vhu_connection_watch(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	uint32_t in = is_held(connection) ? 0 : EPOLLIN;
	uint32_t out = connection->out_n > 0 ? EPOLLOUT : 0;

	if (connection->source.fd >= 0)
		loop_fd_change(connection->loop, &connection->source, in | out);
}

bool vhu_connection_has_spoken(const struct vhu_connection *connection)
{
	uint8_t byte;

	return connection->spoken || connection->in_n > 0 ||
	       recv(connection->source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void vhu_connection_suspend(struct vhu_connection *connection)
{
	connection->suspended = true;
	vhu_connection_watch(connection);
}

void vhu_connection_resume(struct vhu_connection *connection)
{
	connection->suspended = false;
	vhu_connection_watch(connection);
}

void vhu_connection_room_changed(struct vhu_connection *connection)
{
	vhu_connection_watch(connection);
}

void vhu_connection_go_on(struct vhu_connection *connection)
{
	connection->slowed = false;
	vhu_connection_watch(connection);
}

/* Each call that wakes who waits on the peer's end is between these two (X5). */
static uint64_t call_begins(const struct vhu_connection *connection)
{
	return connection->meter != NULL ? stall_call_begin() : 0;
}

static void call_ends(struct vhu_connection *connection, uint64_t begun) RUNS_ON(control_thread)
{
	if (connection->meter == NULL || !stall_call_end(connection->meter, begun))
		return;
	connection->slowed = true;
	vhu_connection_watch(connection);
}

/* Sends what is queued as far as the socket takes it. */
static int flush(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	while (connection->out_n > 0) {
		uint64_t begun = call_begins(connection);
		ssize_t n = send(connection->source.fd, connection->out, connection->out_n,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		int error = errno;

		call_ends(connection, begun);
		if (n < 0 && error == EINTR)
			continue;
		if (n < 0)
			return error == EAGAIN ? 0 : -error;
		connection->out_n -= (uint32_t)n;
		memmove(connection->out, connection->out + n, connection->out_n);
	}
	return 0;
}

int vhu_connection_send(struct vhu_connection *connection, const struct vhu_header *header,
			const void *payload)
{
	uint32_t queued = connection->out_n;
	int error;

	if (sizeof(*header) + header->size > sizeof(connection->out) - queued)
		return -ENOBUFS;
	memcpy(connection->out + queued, header, sizeof(*header));
	if (header->size > 0)
		memcpy(connection->out + queued + sizeof(*header), payload, header->size);
	connection->out_n += (uint32_t)sizeof(*header) + header->size;
	error = flush(connection);
	if (error == 0 && (queued > 0 || connection->out_n > 0))
		vhu_connection_watch(connection);
	return error;
}

int vhu_connection_send_fd(struct vhu_connection *connection, const struct vhu_header *header,
			   int fd)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(fd))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)header, .iov_len = sizeof(*header)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	uint64_t begun;
	ssize_t sent;
	int error;

	/* A well-behaved front end sends this when no reply is waiting to be sent. */
	if (connection->out_n > 0)
		return -ENOBUFS;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	begun = call_begins(connection);
	sent = sendmsg(connection->source.fd, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
	error = errno;
	call_ends(connection, begun);
	if (sent == (ssize_t)sizeof(*header))
		return 0;
	return error == EAGAIN ? -ENOBUFS : -error;
}

static void vhu_connection_end(struct vhu_connection *connection, const char *why, bool orderly)
	RUNS_ON(control_thread)
{
	vhu_connection_close(connection);
	connection->events->ended(connection, why, orderly);
}

static void deadline_passed(struct loop_timer *timer)
{
	struct vhu_connection *connection = container_of(timer, struct vhu_connection, deadline);

	role_assert_control();
	vhu_connection_end(connection, "the front end began a message and did not finish it within 5 s", false);
}

/* Where the next bytes of the message go, and how many are missing there. */
static void *missing(struct vhu_connection *connection, size_t *len)
{
	const size_t header = sizeof(struct vhu_header);
	size_t have = connection->in_n;

	if (have < header) {
		*len = header - have;
		return (uint8_t *)&connection->in.header + have;
	}
	*len = header + connection->in.header.size - have;
	return connection->in.payload.raw + (have - header);
}

/* Reads what is missing of the header or the payload: 1 something came, 0 nothing there, -errno; -ECONNRESET for the
 * end of the stream. */
static int vhu_connection_receive(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	struct vhu_fds *fds = &connection->in.fds;
	size_t len;
	void *at = missing(connection, &len);
	uint64_t begun = call_begins(connection);
	ssize_t n = socket_read(connection->source.fd, at, len, fds->fd, &fds->n, VHU_FDS_MAX, connection->account);

	call_ends(connection, begun);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n == 0 ? -ECONNRESET : (int)n;
	connection->in_n += (uint32_t)n;
	return 1;
}

static void end_for(struct vhu_connection *connection, int error) RUNS_ON(control_thread)
{
	if (error == -EMSGSIZE)
		vhu_connection_end(connection, "the front end sent more file descriptors than a message may carry",
				   false);
	else if (error == -ECONNRESET && connection->in_n == 0)
		vhu_connection_end(connection, "the front end closed the connection", true);
	else if (error == -ECONNRESET)
		vhu_connection_end(connection, "the front end closed the connection in the middle of a message",
				   false);
	else
		vhu_connection_end(connection, strerror(-error), false);
}

/* The header is complete, the payload perhaps not: false if the connection ended over it. */
static bool header_fine(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	enum vhu_error error = vhu_header_check(&connection->in.header);
	char why[128], number[24];

	if (error == VHU_OK)
		return true;
	strcpy(why, vhu_message_name(connection->in.header.request, number));
	strcat(why, ": ");
	strcat(why, vhu_error_text(error));
	vhu_connection_end(connection, why, false);
	return false;
}

/* Reads on; true if a message was handled and another may follow. */
static bool read_message(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	const uint32_t header = sizeof(struct vhu_header);
	int got;

	do {
		bool had_header = connection->in_n >= header;

		got = vhu_connection_receive(connection);
		if (got < 0)
			end_for(connection, got);
		if (got <= 0)
			return false;
		if (!had_header && connection->in_n >= header) {
			if (!header_fine(connection))
				return false;
			/* A handler never sees what a former message left behind. */
			memset(&connection->in.payload, 0, sizeof(connection->in.payload));
		}
	} while (connection->in_n < header || connection->in_n < header + connection->in.header.size);

	connection->in_n = 0;
	connection->spoken = true;
	loop_timer_stop(connection->loop, &connection->deadline);
	connection->events->message(connection, &connection->in);
	/* The socket may be gone, and what was not taken goes the same way. */
	close_fds(connection);
	return connection->source.fd >= 0 && !is_held(connection);
}

static void socket_ready(struct loop_fd *source, uint32_t events)
{
	struct vhu_connection *connection = container_of(source, struct vhu_connection, source);
	int left = MESSAGES_A_TURN, error = 0;

	role_assert_control();
	if ((events & EPOLLOUT) != 0) {
		error = flush(connection);
		vhu_connection_watch(connection);
	}
	if (error != 0) {
		end_for(connection, error);
		return;
	}
	if (is_held(connection)) {
		if ((events & (EPOLLHUP | EPOLLERR)) != 0)
			end_for(connection, -ECONNRESET);
		else
			vhu_connection_watch(connection);
		return;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	while (left > 0 && read_message(connection))
		left--;
	if (connection->source.fd < 0)
		return;
	if (connection->in_n == 0 && connection->in.fds.n == 0)
		loop_timer_stop(connection->loop, &connection->deadline);
	else if (connection->deadline.due_ns == 0)
		loop_timer_start(connection->loop, &connection->deadline, VHU_MESSAGE_DEADLINE);
}
