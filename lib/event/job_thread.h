/* SPDX-License-Identifier: BSD-3-Clause */
/* job_thread.h: a thread that does jobs for the loop's thread, one after the other in the order of their start. Each job's end
 * comes back as a call of the loop (loop.h).
 *
 * The loop has two: the helper, and the device thread. They are apart because a device may keep its thread for seconds, or for
 * ever, and nothing else is to wait for that.
 *
 * Context: control thread; run() of a job is on the job thread.
 * Units: nanoseconds.
 * Ownership: a job is the thread's from its start until done() is entered.
 */
#ifndef VUS_JOB_THREAD_H
#define VUS_JOB_THREAD_H

#include <sched.h>
#include <stdbool.h>

#include "loop.h"
#include "role.h"

struct job_thread;

/* NULL and errno. `role` is the thread's for its life. */
struct job_thread *job_thread_create(struct loop *loop, enum role role) RUNS_ON(control_thread);
/* Never fails, never waits. */
void job_thread_start(struct job_thread *thread, struct loop_job *job) RUNS_ON(control_thread);
void job_thread_place(struct job_thread *thread, const cpu_set_t *cpus) RUNS_ON(control_thread);

/* Whether a job is running, or waits for one that is. */
bool job_thread_busy(struct job_thread *thread) RUNS_ON(control_thread);

/* Runs all that waits, and ends. NULL is fine. */
void job_thread_finish(struct job_thread *thread) RUNS_ON(control_thread);
/* Ends it without waiting for a job: one that is busy stays behind, with its jobs, and touches nothing of the loop when it comes
 * back. NULL is fine. */
void job_thread_leave(struct job_thread *thread) RUNS_ON(control_thread);

#endif
