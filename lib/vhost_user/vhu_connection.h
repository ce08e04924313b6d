/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_connection.h: one conversation with a front end: bytes and descriptors in, messages out of them, and replies.
 *
 * Nothing waits for the socket: a partial message is kept until the rest comes, one byte at a
 * time if need be, and a message that has begun must be complete within VHU_MESSAGE_DEADLINE. Descriptors that arrive
 * belong to the message being read and are closed with it unless its handler takes them. Replies that the peer does not
 * read are queued up to a bound; beyond it the conversation ends. The socket is read and written (stream.h), and what the peer
 * gave is closed, by threads that may be lost; while all that it may hold of them are, nothing more is read from it.
 *
 * Context: control thread, in its loop. `message` and `ended` of the events may close the connection; the struct itself must
 * outlive the callback. After `ended` the connection is closed already.
 */
#ifndef VUS_VHU_CONNECTION_H
#define VUS_VHU_CONNECTION_H

#include "clock.h"
#include "disposal.h"
#include "loop.h"
#include "role.h"
#include "stream.h"
#include "vhu_message.h"

#define VHU_MESSAGE_DEADLINE (5 * NS_PER_S)

enum {
	/* Replies a peer may leave unread beyond what the socket buffers: some hundred. */
	VHU_OUT_MAX = 8192,
};

struct vhu_connection;

struct vhu_connection_events {
	/* A message whose header is right (vhu_header_check()), complete with payload and descriptors. */
	void (*message)(struct vhu_connection *connection, struct vhu_message *msg);
	/* The peer left (orderly: between two messages) or broke the rules of the stream. */
	void (*ended)(struct vhu_connection *connection, const char *why, bool orderly);
};

struct vhu_connection {
	struct loop *loop;
	struct disposal_account *account; /* what the peer gave is closed there */
	const struct vhu_connection_events *events;
	struct stream stream;
	struct loop_timer deadline;
	bool suspended;
	bool spoken; /* a message came */
	struct vhu_message in;
};

/* Ownership: `account` is the caller's, and outlives the connection. */
void vhu_connection_init(struct vhu_connection *connection, struct loop *loop,
			 struct disposal_account *account, const struct vhu_connection_events *events);

/* Begins with a connected socket, which is the connection's from now on, on failure too. 0 or -errno. */
int vhu_connection_open(struct vhu_connection *connection, int fd) RUNS_ON(control_thread);
/* Ends it; no event. Harmless on a closed one. */
void vhu_connection_close(struct vhu_connection *connection) RUNS_ON(control_thread);

static inline bool vhu_connection_is_open(const struct vhu_connection *connection)
{
	return connection->stream.source.fd >= 0;
}

/* Whether the peer has said anything at all, even if it is still to be read. */
bool vhu_connection_has_spoken(const struct vhu_connection *connection);

/* No further message is read until resumed; that the peer leaves is still noticed. */
void vhu_connection_suspend(struct vhu_connection *connection) RUNS_ON(control_thread);
void vhu_connection_resume(struct vhu_connection *connection) RUNS_ON(control_thread);
/* The account has become full, and nothing more is read, or has room again. */
void vhu_connection_room_changed(struct vhu_connection *connection) RUNS_ON(control_thread);

/* Sends a header and header->size bytes. 0, or -errno if the connection has to end (-ENOBUFS: the peer does not read). */
int vhu_connection_send(struct vhu_connection *connection, const struct vhu_header *header,
			const void *payload) RUNS_ON(control_thread);

/* The same without a payload, and with a descriptor, which is closed then, on failure too. As above. */
int vhu_connection_send_fd(struct vhu_connection *connection, const struct vhu_header *header,
			   int fd) RUNS_ON(control_thread);

#endif
