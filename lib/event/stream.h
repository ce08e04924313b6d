/* SPDX-License-Identifier: BSD-3-Clause */
/* stream.h: our end of a unix stream socket whose other end is a peer's, read and written by threads that may be lost.
 *
 * A call on our end does not block, and may take as long as the peer likes: each message that is sent wakes who waits on the
 * peer's end, each one that is read wakes them again, as there is room, and closing wakes them for each message that was not
 * read; the peer may have put its end into millions of places of epoll sets (X5). So the control thread makes none of
 * these calls. It waits for our end in its loop, which no peer can prolong, and has the rest done by jobs of an account
 * (disposal.h). There is one job of a stream at a time: it sends what is queued, then reads until a message is complete, or
 * nothing is there. Its owner hears of one that took too long as of any brief call (disposal_account_watch_slow()).
 *
 * Descriptors that come belong to the message whose bytes they come with: no byte beyond a message is read with it. All that
 * one message may carry are taken (socket_read.h).
 *
 * Context: control thread, in its loop, unless said otherwise. `came` may close the stream, and open it again; the struct must
 * outlive the callback.
 * Returns: 0 or -errno.
 * Ownership: a stream's socket is its own from stream_open() on, on failure too; `account` is the caller's until stream_close().
 */
#ifndef VUS_STREAM_H
#define VUS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disposal.h"
#include "loop.h"
#include "role.h"
#include "socket_read.h"

struct stream;
struct stream_chunk;

enum { STREAM_FDS_MAX = 32 };

struct stream_kind {
	size_t bytes_max;     /* of a message */
	unsigned int fds_max; /* with a message, STREAM_FDS_MAX at most; one that brings more ends the stream (-EMSGSIZE) */
	/* How many bytes are missing of a message that begins with these n, up to what is known of it so far; 0: it is complete.
	 * Context: a disposal thread; looks at nothing but the bytes. */
	size_t (*missing)(const uint8_t *bytes, size_t n);
	/* What came is in stream_bytes() and stream_fds(). 0: a message is complete, and is to be taken (stream_taken()).
	 * -EAGAIN: nothing more is there yet. Else the stream is broken and to be closed; -ECONNRESET: the peer has left. */
	void (*came)(struct stream *stream, int error);
};

/* What jobs work on; it outlives the stream while one is under way. */
struct stream_io {
	struct disposal_job job;
	struct disposal_account *account;
	struct stream *stream; /* control's; NULL: closed */
	bool busy;	       /* control's: the job is under way, and what follows is its */
	const struct stream_kind *kind;
	bool reads;
	int read_error, send_error;
	size_t sent;			     /* of what was queued: bytes */
	struct stream_chunk *out, **out_tail; /* to be sent */
	struct stream_chunk *done;	     /* were sent; a descriptor is to be closed yet */
	unsigned int fds_n;
	size_t n;
	int fd[STREAM_FDS_MAX + SOCKET_READ_FDS_MAX];
	uint8_t bytes[];
};

struct stream {
	struct loop *loop;
	const struct stream_kind *kind;
	struct loop_fd source; /* fd is -1 while it is closed */
	struct stream_io *io;
	bool held;    /* nothing is to be read; that the peer leaves is noticed */
	bool telling; /* inside of `came` */
	size_t queued; /* bytes that were not sent yet */
	struct stream_chunk *out, **out_tail;
};

void stream_init(struct stream *stream, struct loop *loop, const struct stream_kind *kind);
int stream_open(struct stream *stream, struct disposal_account *account, int fd) RUNS_ON(control_thread);
/* No event any more. What was not sent is not. Harmless on a closed one. */
void stream_close(struct stream *stream) RUNS_ON(control_thread);

/* Nothing is read while it is held; but a message may come once that was under way. */
void stream_hold(struct stream *stream, bool held) RUNS_ON(control_thread);

/* Queues bytes, and a descriptor that goes with the first of them (-1: none), which is closed then, on failure too. */
int stream_send(struct stream *stream, const void *head, size_t head_n, const void *rest, size_t rest_n, int fd)
	RUNS_ON(control_thread);

/* Inside of `came`. */
static inline uint8_t *stream_bytes(struct stream *stream, size_t *n)
{
	*n = stream->io->n;
	return stream->io->bytes;
}

static inline const int *stream_fds(struct stream *stream, unsigned int *n)
{
	*n = stream->io->fds_n;
	return stream->io->fd;
}

/* Inside of `came`: the message and its descriptors are the owner's. */
static inline void stream_taken(struct stream *stream)
{
	stream->io->n = 0;
	stream->io->fds_n = 0;
}

/* Whether the peer has sent anything that was not taken, even if it is still to be read. */
bool stream_has_bytes(const struct stream *stream);

#endif
