/* SPDX-License-Identifier: BSD-3-Clause */
/* loop_private.h: the loop from inside; loop.c and loop_jobs.c only.
 *
 * Context: control thread.
 */
#ifndef VUS_LOOP_PRIVATE_H
#define VUS_LOOP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "loop.h"

struct disposal;

enum { LOOP_EVENTS_MAX = 64 };

/* The queue of calls from other threads and the helper thread with its queue of jobs. */
struct loop_jobs {
	pthread_mutex_t lock; /* held for a few instructions; no lcore ever takes it */
	pthread_cond_t more;
	pthread_t helper;
	bool helper_ends;
	struct loop_call *calls, **calls_tail;
	struct loop_job *jobs, **jobs_tail;
	struct loop_fd wakeup; /* an eventfd: calls are waiting */
};

struct loop {
	int epoll_fd;
	bool stopping;
	struct loop_timer *timers; /* the next that is due; the others are behind it (loop_timers.c) */
	/* The turn's events that are still to be handled, so that a removal can strike out later ones. */
	struct epoll_event *events;
	int events_at, events_n;
	struct loop_fd *behind; /* sources with a change that is not made yet */
	unsigned int rcu_looks; /* fruitless looks in a row: how long to sleep until the next */
	struct loop_jobs jobs;
	struct disposal *disposal; /* disposal.c */
};

/* For threads that we make: a signal is the control thread's. */
void loop_block_signals(void);

/* Fires those that are due. */
void loop_run_timers(struct loop *loop) RUNS_ON(control_thread);

int loop_jobs_init(struct loop *loop) RUNS_ON(control_thread);
/* Runs every job and call that waits, then ends the helper thread. */
void loop_jobs_fini(struct loop *loop) RUNS_ON(control_thread);

#endif
