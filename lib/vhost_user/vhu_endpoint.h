/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_endpoint.h: how connected sockets come to be: we listen at a path, or we connect to one and retry.
 *
 * Server: the socket is made (vhu_socket.h), and removed at the end. Every connection is offered to the owner at once;
 * one it has no room for waits a second, connected, is offered again, and then closed and counted (vhu_waiting.h): a port
 * has one front end, and a storm of connections costs a bounded amount of work. Closing one may take as long as its peer likes
 * (disposal.h); while too many such calls are under way, none is accepted. When the process runs out of
 * descriptors, a spare one is given up to accept and close what waits, instead of being woken for ever.
 * When no front end has connected for a while after the start, one line says who may.
 * Client: tries whenever the owner has no front end, and keeps what the last try said; where a right is missing, which. While
 * nothing changes in the socket's folder (vhu_folder.h), it connects every VHU_SURE_MS only.
 *
 * A thread that may be lost makes the try (vhu_connect.h).
 *
 * Context: control thread; nothing blocks.
 */
#ifndef VUS_VHU_ENDPOINT_H
#define VUS_VHU_ENDPOINT_H

#include "disposal.h"
#include "fail.h"
#include "loop.h"
#include "role.h"
#include "vhu_connect.h"
#include "vhu_device.h"
#include "vhu_folder.h"
#include "vhu_hint.h"
#include "vhu_socket.h"
#include "vhu_waiting.h"

struct vhu_endpoint;

enum { VHU_BACKOFF_MS = 1000 };
/* Client: what has changed unseen is found out by then; and a socket that somebody has made is listened on. */
enum { VHU_SURE_MS = 10000 };

enum vhu_room {
	VHU_TAKEN,    /* the descriptor is the owner's now */
	VHU_SOON,     /* the one before is being cleared away */
	VHU_OCCUPIED, /* the owner has a front end */
};

struct vhu_endpoint_events {
	/* A front end is there. */
	enum vhu_room (*connected)(struct vhu_endpoint *endpoint, int fd);
	/* A call took long that connections cost which are not the owner's. */
	void (*slow)(struct vhu_endpoint *endpoint, const struct disposal_slow *slow);
};

struct vhu_endpoint {
	struct loop *loop;
	struct disposal_account *account; /* what connections cost that are not the owner's */
	const struct vhu_endpoint_events *events;
	enum vhu_mode mode;
	char *name; /* for log lines */
	char *path;
	struct loop_fd listener; /* server; fd -1: none */
	struct vhu_connect connect; /* client: the try that is under way */
	struct loop_timer timer; /* client: the next try; server: listening again */
	struct loop_timer alone; /* server: until a front end has connected for the first time */
	struct vhu_hint hint;	 /* why no front end is connected */
	int spare_fd;
	struct vhu_socket_file file; /* server: what we made */
	struct vhu_waiting waiting;  /* server */
	uint64_t refused;	     /* connections turned away */
	bool refusal_reported;	     /* since the present front end came */
	int last_error;	  /* client: errno of the last try */
	uint64_t last_try_ns;
	/* Client: the last try at which we did connect, and the folder then; the first try at which it was like this. */
	uint64_t connect_ns, changed_ns;
	struct vhu_folder folder;
	bool resting;
	bool held_down; /* ... and that was told (monitor.h) */
	bool searching; /* client: no front end at present */
};

/* Of the config: name, mode, socket and rights; texts are copied. 0 or -errno with a line in `fail`. */
int vhu_endpoint_open(struct vhu_endpoint *endpoint, struct loop *loop,
		      const struct vhu_config *config, const struct vhu_endpoint_events *events,
		      struct fail *fail) RUNS_ON(control_thread);
/* The owner has no front end (any more), and the next may come: a server lets in who waits, a client begins to try. */
void vhu_endpoint_next(struct vhu_endpoint *endpoint) RUNS_ON(control_thread);
/* No connection is accepted for so long from now, at least: a longer rest goes on. Listeners hear why. */
void vhu_endpoint_back_off(struct vhu_endpoint *endpoint, uint64_t ns, const char *why) RUNS_ON(control_thread);
/* Server: the socket file's rights, from now on. 0 or -errno with a line in `fail`. */
int vhu_endpoint_set_rights(struct vhu_endpoint *endpoint, const struct rights *rights, struct fail *fail)
	RUNS_ON(control_thread);
/* Stops, and removes the socket file if it is still ours. */
void vhu_endpoint_close(struct vhu_endpoint *endpoint) RUNS_ON(control_thread);

/* "waiting: ..." in plain words, while no front end is there. */
void vhu_endpoint_describe(const struct vhu_endpoint *endpoint, char *text, size_t size);

#endif
