/* SPDX-License-Identifier: BSD-3-Clause */
/* loop_private.h: the loop from inside; loop.c, loop_jobs.c and job_thread.c only.
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
struct job_thread;

enum { LOOP_EVENTS_MAX = 64 };

/* The queue of calls from other threads, and the threads with queues of jobs. */
struct loop_jobs {
	pthread_mutex_t lock; /* held for a few instructions; no lcore ever takes it */
	struct loop_call *calls, **calls_tail;
	struct loop_fd wakeup; /* an eventfd: calls are waiting */
	struct job_thread *helper;
	struct job_thread *devices; /* NULL: no device has wanted it */
	bool placed; /* they run on `cpus` */
	cpu_set_t cpus;
};

struct loop {
	int epoll_fd;
	bool stopping;
	uint64_t began_ns; /* the present turn, or the last one */
	struct histogram turns;
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
void loop_jobs_place(struct loop *loop, const cpu_set_t *cpus) RUNS_ON(control_thread);
/* Runs every job of the helper's and every call that waits, and ends the threads; a device thread that is busy stays behind. */
void loop_jobs_fini(struct loop *loop) RUNS_ON(control_thread);

#endif
