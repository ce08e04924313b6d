/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct stream_chunk {
	struct stream_chunk *next;
	size_t n, sent;
	int fd; /* goes with the first byte; -1: none */
	uint8_t bytes[];
};

static void socket_ready(struct loop_fd *source, uint32_t events);
static void stream_start(struct stream *stream, bool reads) RUNS_ON(control_thread);

void stream_init(struct stream *stream, struct loop *loop, const struct stream_kind *kind)
{
	*stream = (struct stream){.loop = loop, .kind = kind, .source = {.fd = -1, .ready = socket_ready}};
}

/* --- the job ------------------------------------------------------------------------------------------------------ */

/* Returns what send() does. */
static ssize_t send_chunk(int fd, struct stream_chunk *chunk)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = chunk->bytes + chunk->sent, .iov_len = chunk->n - chunk->sent};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (chunk->fd >= 0 && chunk->sent == 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &chunk->fd, sizeof(int));
	}
	return sendmsg(fd, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sends what is queued as far as the socket takes it. */
static int send_queued(struct stream_io *io)
{
	while (io->out != NULL) {
		struct stream_chunk *chunk = io->out;
		ssize_t n = send_chunk(io->job.fd, chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		chunk->sent += (size_t)n;
		io->sent += (size_t)n;
		if (chunk->sent < chunk->n)
			continue;
		io->out = chunk->next;
		if (io->out == NULL)
			io->out_tail = &io->out;
		chunk->next = io->done;
		io->done = chunk;
	}
	return 0;
}

/* Reads what is missing of a message. */
static int read_message(struct stream_io *io)
{
	for (;;) {
		size_t len = io->kind->missing(io->bytes, io->n);
		ssize_t n;

		if (len == 0)
			return 0;
		n = socket_read(io->job.fd, io->bytes + io->n, len, io->fd, &io->fds_n);
		if (n > 0)
			io->n += (size_t)n;
		if (io->fds_n > io->kind->fds_max)
			return -EMSGSIZE;
		if (n <= 0)
			return n == 0 ? -ECONNRESET : (int)n;
	}
}

static void stream_run(struct disposal_job *job)
{
	struct stream_io *io = container_of(job, struct stream_io, job);

	io->send_error = send_queued(io);
	if (io->reads)
		io->read_error = read_message(io);
}

/* --- control ------------------------------------------------------------------------------------------------------ */

static void free_chunks(struct disposal_account *account, struct stream_chunk *chunk) RUNS_ON(control_thread)
{
	while (chunk != NULL) {
		struct stream_chunk *next = chunk->next;

		disposal_close(account, chunk->fd);
		free(chunk);
		chunk = next;
	}
}

static void io_free(struct stream_io *io) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < io->fds_n; i++)
		disposal_close(io->account, io->fd[i]);
	free_chunks(io->account, io->out);
	free_chunks(io->account, io->done);
	disposal_account_release(io->account);
	free(io);
}

/* One event, then none until the next of these: what happens while a job is under way waits for its end. */
static void stream_watch(struct stream *stream) RUNS_ON(control_thread)
{
	const struct stream_io *io = stream->io;
	uint32_t in = stream->held ? 0 : EPOLLIN, out;

	if (stream->source.fd < 0 || stream->telling || io->busy)
		return;
	out = io->out != NULL ? EPOLLOUT : 0;
	loop_fd_change(stream->loop, &stream->source, in | out | EPOLLONESHOT);
}

/* What is to be done after a job, or after something was queued. */
static void stream_proceed(struct stream *stream) RUNS_ON(control_thread)
{
	if (stream->source.fd < 0 || stream->telling || stream->io->busy)
		return;
	if (stream->out != NULL && stream->io->out == NULL)
		stream_start(stream, !stream->held);
	else
		stream_watch(stream);
}

static void tell(struct stream *stream, int error) RUNS_ON(control_thread)
{
	stream->telling = true;
	stream->kind->came(stream, error);
	stream->telling = false;
	stream_proceed(stream);
}

static void stream_done(struct disposal_job *job)
{
	struct stream_io *io = container_of(job, struct stream_io, job);
	struct stream *stream = io->stream;

	role_assert_control();
	io->busy = false;
	if (stream == NULL) {
		io_free(io);
		return;
	}
	free_chunks(io->account, io->done);
	io->done = NULL;
	stream->queued -= io->sent;
	if (io->send_error != 0)
		tell(stream, io->send_error);
	else if (io->reads)
		tell(stream, io->read_error);
	else
		stream_proceed(stream);
}

static void stream_start(struct stream *stream, bool reads)
{
	struct stream_io *io = stream->io;

	if (stream->out != NULL) {
		*io->out_tail = stream->out;
		io->out_tail = stream->out_tail;
		stream->out = NULL;
		stream->out_tail = &stream->out;
	}
	io->reads = reads;
	io->sent = 0;
	io->busy = true;
	io->job = (struct disposal_job){
		.run = stream_run,
		.done = stream_done,
		.what = "a call on its connection",
		.ordered = true,
		.brief = true,
		.fd = stream->source.fd,
	};
	disposal_start(io->account, &io->job);
}

static void socket_ready(struct loop_fd *source, uint32_t events)
{
	struct stream *stream = container_of(source, struct stream, source);

	role_assert_control();
	if (stream->io->busy)
		return;
	if (stream->held && (events & (EPOLLHUP | EPOLLERR)) != 0)
		tell(stream, -ECONNRESET);
	else
		stream_start(stream, !stream->held);
}

int stream_open(struct stream *stream, struct disposal_account *account, int fd)
{
	struct stream_io *io = calloc(1, sizeof(*io) + stream->kind->bytes_max);
	int error = io == NULL ? -ENOMEM : 0;

	stream->source.fd = fd;
	if (error == 0)
		error = loop_fd_add(stream->loop, &stream->source, EPOLLIN | EPOLLONESHOT);
	if (error != 0) {
		free(io);
		disposal_close_socket(account, fd);
		stream->source.fd = -1;
		return error;
	}
	io->account = account;
	disposal_account_hold(account);
	io->stream = stream;
	io->kind = stream->kind;
	io->out_tail = &io->out;
	stream->io = io;
	stream->held = false;
	stream->queued = 0;
	stream->out = NULL;
	stream->out_tail = &stream->out;
	return 0;
}

void stream_close(struct stream *stream)
{
	struct stream_io *io = stream->io;

	if (stream->source.fd < 0)
		return;
	loop_fd_remove(stream->loop, &stream->source);
	io->stream = NULL;
	stream->io = NULL;
	free_chunks(io->account, stream->out);
	stream->out = NULL;
	/* After the job that is under way. */
	disposal_close_socket(io->account, stream->source.fd);
	stream->source.fd = -1;
	if (!io->busy || disposal_cancel(&io->job))
		io_free(io);
}

void stream_hold(struct stream *stream, bool held)
{
	if (stream->held == held)
		return;
	stream->held = held;
	stream_watch(stream);
}

int stream_send(struct stream *stream, const void *head, size_t head_n, const void *rest, size_t rest_n, int fd)
{
	struct stream_chunk *chunk = malloc(sizeof(*chunk) + head_n + rest_n);

	if (chunk == NULL) {
		disposal_close(stream->io->account, fd);
		return -ENOMEM;
	}
	*chunk = (struct stream_chunk){.n = head_n + rest_n, .fd = fd};
	memcpy(chunk->bytes, head, head_n);
	if (rest_n > 0)
		memcpy(chunk->bytes + head_n, rest, rest_n);
	*stream->out_tail = chunk;
	stream->out_tail = &chunk->next;
	stream->queued += chunk->n;
	stream_proceed(stream);
	return 0;
}

bool stream_has_bytes(const struct stream *stream)
{
	int unread = 0;

	if (stream->source.fd < 0)
		return false;
	return stream->io->busy || stream->io->n > 0 || (ioctl(stream->source.fd, SIOCINQ, &unread) == 0 && unread > 0);
}
