/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_server.h: one listener at which a set of metrics is read, as HTTP/1.1: GET /metrics.
 *
 * HTTP is libmicrohttpd's, on a thread of ours for each listener. A request is answered with a set
 * that is no older than METRICS_FRESH_MS, or than METRICS_REST times what it cost control,
 * whichever is longer: so that readers, however many and however fast, take at most one part in
 * METRICS_REST of control's time. Otherwise the thread asks for a new one, and waits for it; the
 * text is written by the thread, once for all that read the same set.
 *
 * A reader that is slow, never reads, sends rubbish or nothing has one of METRICS_PLACES
 * connections: it is hung up on after METRICS_IDLE_S in which nothing went either way, and when all
 * places are about to be taken the one that has asked for nothing for longest is.
 *
 * Control waits neither for a reader nor for the thread. A reader can send descriptors whose
 * release takes as long as it likes (X1): then the thread is lost, and this listener with it, and
 * nothing else.
 *
 * Context: control thread, but for `ask`.
 * Ownership: the thread has a share of the server, and lets go of it some time after
 * metrics_server_end().
 */
#ifndef VUS_METRICS_SERVER_H
#define VUS_METRICS_SERVER_H

#include <sched.h>
#include <stdint.h>

#include "fail.h"
#include "metrics_listen.h"
#include "metrics_set.h"
#include "role.h"

enum {
	METRICS_FRESH_MS = 100,
	METRICS_REST = 20, /* of a CPU's time, whatever the clock says */
	METRICS_PLACES = 8,
	METRICS_IDLE_S = 10,
	METRICS_ANSWER_MS = 1000, /* a set that has not come by then: 503 */
};

struct metrics_server;

struct metrics_server_options {
	const char *path;     /* of a unix socket; NULL: `listen` */
	struct rights rights; /* of the path */
	const char *listen;   /* metrics_listen_parse() */
	cpu_set_t cpus;	      /* where the thread runs */
	/* A set is wanted: metrics_server_give() is to follow. Comes once for each set, and not
	 * after metrics_server_end(). Context: the server's thread. */
	void (*ask)(void *arg);
	void *arg;
};

/* 0 or -errno with one line in `fail`. */
int metrics_server_create(const struct metrics_server_options *options,
			  struct metrics_server **server, struct fail *fail)
	RUNS_ON(control_thread);
/* What was asked for, which is the server's from now on, and what it has cost; NULL: no memory. */
void metrics_server_give(struct metrics_server *server, struct metrics_set *set, uint64_t cost_ns)
	RUNS_ON(control_thread);
/* Nobody is answered any more. NULL is fine. */
void metrics_server_end(struct metrics_server *server) RUNS_ON(control_thread);

#endif
