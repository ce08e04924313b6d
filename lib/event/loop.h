/* SPDX-License-Identifier: BSD-3-Clause */
/* loop.h: the control thread's event loop: descriptors, timers, RCU continuations, calls from other threads, and jobs
 * that take too long to do here.
 *
 * No callback blocks: what depends on an lcore is an rcu_wait, what depends on a peer is a descriptor or a timer,
 * what is slow in the kernel (munmap of a large region), or on a disk, is a job. A close() that may never come back is for
 * disposal.h.
 *
 * The small structs are embedded in their owner, which gets itself back by container_of(); the loop keeps pointers to
 * them while they are active and allocates nothing.
 *
 * Context: one thread runs the loop, and everything below is called on it, except loop_call(), which any thread but an lcore
 * may use.
 * Units: nanoseconds of clock_ns().
 */
#ifndef VUS_LOOP_H
#define VUS_LOOP_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "container_of.h"
#include "histogram.h"
#include "role.h"

struct loop;

struct loop *loop_create(void); /* NULL and errno */
void loop_destroy(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop) RUNS_ON(control_thread);
/* Runs what is due within `timeout_ns` (0: only what is due already). For tests and shutdown. */
void loop_turn(struct loop *loop, uint64_t timeout_ns) RUNS_ON(control_thread);
/* Where the threads run that the loop has beside its own: those of jobs, and those of disposal.h. Before, where it runs. */
void loop_place_threads(struct loop *loop, const cpu_set_t *cpus) RUNS_ON(control_thread);
/* Returns: whether loop_place_threads() has said where, in `cpus`. */
bool loop_thread_cpus(const struct loop *loop, cpu_set_t *cpus) RUNS_ON(control_thread);
/* When the present turn began, with what came; what it had to wait for since is this turn's. */
uint64_t loop_turn_began(const struct loop *loop) RUNS_ON(control_thread);
/* How long turns took, without their sleep: as long as that whatever comes may have to wait. */
const struct histogram *loop_turns(const struct loop *loop) RUNS_ON(control_thread);
/* Lets loop_run() return after the present turn. */
void loop_stop(struct loop *loop) RUNS_ON(control_thread);

/* --- descriptors ------------------------------------------------------------------------------------------------ */

struct loop_fd {
	int fd; /* the owner's; must be removed before it is closed */
	void (*ready)(struct loop_fd *source, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP ... */
	uint32_t wanted;	/* of a change that is not made yet */
	struct loop_fd *behind; /* the next one of these */
};

/* Level-triggered. 0 or -errno. A source may be removed inside any callback, its own included; a source that was
 * removed is not called again, not even for an event of the same turn. */
int loop_fd_add(struct loop *loop, struct loop_fd *source, uint32_t events)
	RUNS_ON(control_thread);
/* A change that the kernel does not make now is tried again in each turn, a millisecond later at most. */
void loop_fd_change(struct loop *loop, struct loop_fd *source, uint32_t events)
	RUNS_ON(control_thread);
void loop_fd_remove(struct loop *loop, struct loop_fd *source) RUNS_ON(control_thread);

/* --- timers ----------------------------------------------------------------------------------------------------- */

struct loop_timer {
	void (*fire)(struct loop_timer *timer);
	uint64_t due_ns; /* 0: not running */
	/* The loop's: none of those behind one is due before it. */
	struct loop_timer *child, *next, *before;
};

/* Fires once, `delay_ns` from now; a running timer is moved. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns)
	RUNS_ON(control_thread);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer) RUNS_ON(control_thread);

/* --- calls from other threads ----------------------------------------------------------------------------------- */

struct loop_call {
	void (*run)(struct loop_call *call); /* on the loop's thread, in the order of posting */
	struct loop_call *next;
};

/* Context: any thread but an lcore.
 * Ownership: the call is the loop's until run() is entered. */
void loop_call(struct loop *loop, struct loop_call *call);

/* --- jobs ------------------------------------------------------------------------------------------------------- */

struct loop_job {
	void (*run)(struct loop_job *job);  /* on another thread, one job after the other */
	void (*done)(struct loop_job *job); /* then on the loop's thread */
	struct loop_call call;
	struct loop_job *next;
};

/* On the helper thread. */
void loop_job_start(struct loop *loop, struct loop_job *job) RUNS_ON(control_thread);

/* The same on the device thread, for what DPDK takes seconds for, or never comes back from. It is there from the first call of
 * loop_device_thread() that returned 0 (or -errno) until the end of the loop, which does not wait for it: a job that is under
 * way then stays behind, and so do those that wait. */
int loop_device_thread(struct loop *loop) RUNS_ON(control_thread);
void loop_device_job_start(struct loop *loop, struct loop_job *job) RUNS_ON(control_thread);
/* Whether one is under way. */
bool loop_devices_busy(const struct loop *loop) RUNS_ON(control_thread);

#endif
