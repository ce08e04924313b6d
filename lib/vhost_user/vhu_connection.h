/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_connection.h: one conversation with a front end: bytes and descriptors in, messages out of them, and replies.
 *
 * The socket is non-blocking and nothing waits for it: a partial message is kept until the rest comes, one byte at a
 * time if need be, and a message that has begun must be complete within VHU_MESSAGE_DEADLINE. Descriptors that arrive
 * belong to the message being read and are closed with it unless its handler takes them. Replies that the peer does not
 * read are queued up to a bound; beyond it the conversation ends. What the peer gave is closed by threads that may be lost
 * (disposal.h); while all that it may hold of them are, nothing more is read from it.
 *
 * Reading and sending wake who waits on the peer's end, and it may have put that into very many epoll sets (X5). What a call took
 * beyond the ordinary is charged to the meter, and nothing more is read until the owner has acted upon it.
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
#include "stall.h"
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
	struct loop_fd source; /* fd is -1 while there is no connection */
	struct loop_timer deadline;
	struct stall_meter *meter; /* the owner's, or NULL: it does not count */
	bool slowed;		   /* a call was charged, and vhu_connection_go_on() has not been called since */
	bool suspended;
	bool spoken;   /* a message came */
	uint32_t in_n; /* bytes of the message that have come, header included */
	struct vhu_message in;
	uint32_t out_n;
	uint8_t out[VHU_OUT_MAX];
};

/* Ownership: `account` is the caller's, and outlives the connection. */
void vhu_connection_init(struct vhu_connection *connection, struct loop *loop,
			 struct disposal_account *account, const struct vhu_connection_events *events);

/* Begins with a connected socket, which is the connection's from now on, on failure too. 0 or -errno. */
int vhu_connection_open(struct vhu_connection *connection, int fd) RUNS_ON(control_thread);
/* Ends it; no event. Harmless on a closed one. */
void vhu_connection_close(struct vhu_connection *connection) RUNS_ON(control_thread);

/* Whether the peer has said anything at all, even if it is still to be read. */
bool vhu_connection_has_spoken(const struct vhu_connection *connection);

/* No further message is read until resumed; that the peer leaves is still noticed. */
void vhu_connection_suspend(struct vhu_connection *connection) RUNS_ON(control_thread);
void vhu_connection_resume(struct vhu_connection *connection) RUNS_ON(control_thread);
/* The account has become full, and nothing more is read, or has room again. */
void vhu_connection_room_changed(struct vhu_connection *connection) RUNS_ON(control_thread);

/* What was charged to the meter has been looked at. */
void vhu_connection_go_on(struct vhu_connection *connection) RUNS_ON(control_thread);

/* Sends a header and header->size bytes. 0, or -errno if the connection has to end (-ENOBUFS: the peer does not read). */
int vhu_connection_send(struct vhu_connection *connection, const struct vhu_header *header,
			const void *payload) RUNS_ON(control_thread);

/* Sends a header without a payload, and a descriptor, which stays the caller's. As above. */
int vhu_connection_send_fd(struct vhu_connection *connection, const struct vhu_header *header,
			   int fd) RUNS_ON(control_thread);

#endif
