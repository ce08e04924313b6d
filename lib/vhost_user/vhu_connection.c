/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_connection.h"

#include <errno.h>
#include <string.h>

static void deadline_passed(struct loop_timer *timer);
static void bytes_came(struct stream *stream, int error);
static size_t missing(const uint8_t *bytes, size_t n);

static const struct stream_kind messages = {
	.bytes_max = sizeof(struct vhu_header) + sizeof(union vhu_payload),
	.fds_max = VHU_FDS_MAX,
	.missing = missing,
	.came = bytes_came,
};
_Static_assert((int)VHU_FDS_MAX <= (int)STREAM_FDS_MAX, "a stream takes all descriptors of a message");

void vhu_connection_init(struct vhu_connection *connection, struct loop *loop,
			 struct disposal_account *account, const struct vhu_connection_events *events)
{
	*connection = (struct vhu_connection){
		.loop = loop,
		.account = account,
		.events = events,
		.deadline = {.fire = deadline_passed},
	};
	stream_init(&connection->stream, loop, &messages);
}

int vhu_connection_open(struct vhu_connection *connection, int fd)
{
	connection->in.fds.n = 0;
	connection->suspended = connection->spoken = false;
	return stream_open(&connection->stream, connection->account, fd);
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
	if (!vhu_connection_is_open(connection))
		return;
	loop_timer_stop(connection->loop, &connection->deadline);
	stream_close(&connection->stream);
	close_fds(connection);
}

/* Whether something is to be read has changed, perhaps. */
static void vhu_connection_watch(struct vhu_connection *connection) RUNS_ON(control_thread)
{
	stream_hold(&connection->stream, connection->suspended || disposal_full(connection->account));
}

bool vhu_connection_has_spoken(const struct vhu_connection *connection)
{
	return connection->spoken || stream_has_bytes(&connection->stream);
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

int vhu_connection_send(struct vhu_connection *connection, const struct vhu_header *header,
			const void *payload)
{
	if (!vhu_connection_is_open(connection))
		return -ENOTCONN;
	if (connection->stream.queued + sizeof(*header) + header->size > VHU_OUT_MAX)
		return -ENOBUFS;
	return stream_send(&connection->stream, header, sizeof(*header), payload, header->size, -1);
}

int vhu_connection_send_fd(struct vhu_connection *connection, const struct vhu_header *header,
			   int fd)
{
	if (vhu_connection_is_open(connection))
		return stream_send(&connection->stream, header, sizeof(*header), NULL, 0, fd);
	disposal_close(connection->account, fd);
	return -ENOTCONN;
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

/* What is missing of the header, then of the payload; a header that cannot be is the end of it. */
static size_t missing(const uint8_t *bytes, size_t n)
{
	struct vhu_header header;

	if (n < sizeof(header))
		return sizeof(header) - n;
	memcpy(&header, bytes, sizeof(header));
	return vhu_header_check(&header) == VHU_OK ? sizeof(header) + header.size - n : 0;
}

static void end_for(struct vhu_connection *connection, int error, bool in_message) RUNS_ON(control_thread)
{
	if (error == -EMSGSIZE)
		vhu_connection_end(connection, "the front end sent more file descriptors than a message may carry",
				   false);
	else if (error == -ECONNRESET && !in_message)
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

static void take_message(struct vhu_connection *connection, const uint8_t *bytes, size_t n) RUNS_ON(control_thread)
{
	struct vhu_message *in = &connection->in;
	const int *fds = stream_fds(&connection->stream, &in->fds.n);

	memcpy(in->fds.fd, fds, in->fds.n * sizeof(*fds));
	memcpy(&in->header, bytes, sizeof(in->header));
	/* A handler never sees what a former message left behind. */
	memset(&in->payload, 0, sizeof(in->payload));
	memcpy(&in->payload, bytes + sizeof(in->header), n - sizeof(in->header));
	stream_taken(&connection->stream);
}

static void bytes_came(struct stream *stream, int error)
{
	struct vhu_connection *connection = container_of(stream, struct vhu_connection, stream);
	size_t n;
	const uint8_t *bytes = stream_bytes(stream, &n);

	role_assert_control();
	if (error == -EAGAIN && n > 0 && connection->deadline.due_ns == 0)
		loop_timer_start(connection->loop, &connection->deadline, VHU_MESSAGE_DEADLINE);
	if (error == -EAGAIN)
		return;
	if (error != 0) {
		end_for(connection, error, n > 0);
		return;
	}
	take_message(connection, bytes, n);
	if (!header_fine(connection))
		return;
	connection->spoken = true;
	loop_timer_stop(connection->loop, &connection->deadline);
	connection->events->message(connection, &connection->in);
	/* The socket may be gone, and what was not taken goes the same way. */
	close_fds(connection);
	if (vhu_connection_is_open(connection))
		vhu_connection_watch(connection);
}
