/* SPDX-License-Identifier: BSD-3-Clause */
/* disposal.h: threads that may be lost, for system calls on what a peer owns.
 *
 * A descriptor that a peer hands over is a handle to the peer's object, and a system call on it may sleep for as long as the
 * peer likes: close() of a socket that lingers, or of a file whose FUSE server does not answer (X1). Such
 * a call is a job for one of these threads. If it does not come back, its thread is lost until it does, and so is a part of the
 * account that it is charged to: nobody else's.
 *
 * An account is what one port, with all its sessions, or one listener may hold: DISPOSAL_THREADS calls at a time, and one brief
 * one (below), so that a conversation goes on while others do not come back. More jobs wait in the account's queue, in the order
 * of their start. No other bound exists, so no account waits for another.
 * Threads are made on demand, are shared while they are idle, and end after DISPOSAL_IDLE_S of idleness.
 *
 * Context: control thread, unless said otherwise. run() of a job is on a disposal thread, which is neither control nor an lcore
 * (disposal_account_in_place() apart).
 * Units: nanoseconds of clock_ns().
 * Ownership: an account is counted by reference: it outlives its owner for as long as one of its calls does. A job is its
 * account's from disposal_start() until done() is entered; without done(), until run() is.
 */
#ifndef VUS_DISPOSAL_H
#define VUS_DISPOSAL_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

struct disposal;
struct disposal_account;

struct disposal_job {
	void (*run)(struct disposal_job *job);	/* on a disposal thread: may sleep, may never come back */
	void (*done)(struct disposal_job *job); /* on the loop's thread, when it has; or NULL */
	const char *what; /* for the log: "close() of a descriptor that its front end gave" */
	/* Jobs of one account about the same descriptor, ordered, run one after the other in the order of their start.
	 * The last one closes it: from its start on the number may be another descriptor's, which does not wait for it. */
	bool ordered, closes;
	/* A call of microseconds, unless the peer has prepared it to take a CPU for long (X5): its owner hears when those of
	 * DISPOSAL_BRIEF_MS or more have taken DISPOSAL_SLOW_MS of CPU time. Brief ones of an account are made one at a time;
	 * weighed ones are not. */
	bool brief, weighed;
	int fd;

	/* disposal.c's. */
	struct disposal_account *account;
	struct disposal_job *next;
	struct loop_call call;
};

/* What an account says of its calls, by the names of JSON, vusctl and the documentation (`scripts/lib/counters`).
 * ROW(name, help) */
#define CALLS_ROWS(ROW)                                                                          \
	ROW(running, "calls that are being made now")                                            \
	ROW(waiting, "calls that wait for one of these to come back")                            \
	ROW(lost, "of those being made: how many have not come back for more than a second")     \
	ROW(late, "calls since the start that had not come back after a second; some may have since") \
	ROW(done, "calls since the start that have come back")

#define CALLS_MEMBER(name, help) uint64_t name;
struct disposal_stats {
	CALLS_ROWS(CALLS_MEMBER)
	uint64_t longest_ns; /* how long the oldest of those running has been */
};

/* `name` is for the log, and copied. NULL and errno. */
struct disposal_account *disposal_account_create(struct loop *loop, const char *name)
	RUNS_ON(control_thread);
/* The owner leaves. NULL is fine. */
void disposal_account_put(struct disposal_account *account) RUNS_ON(control_thread);
/* Somebody else keeps it, and lets go of it. */
void disposal_account_hold(struct disposal_account *account) RUNS_ON(control_thread);
void disposal_account_release(struct disposal_account *account) RUNS_ON(control_thread);

/* `changed` is called from the loop when the account has become full, or has room again. */
void disposal_account_watch(struct disposal_account *account, void (*changed)(void *arg), void *arg)
	RUNS_ON(control_thread);

/* Brief or weighed calls that were none of microseconds. */
struct disposal_slow {
	const char *what; /* the last of them */
	uint64_t ns;	  /* of a CPU, all of them */
	bool closed;	  /* it was the last on its descriptor */
};

/* `slow` is called from the loop after the last of such calls. */
void disposal_account_watch_slow(struct disposal_account *account,
				 void (*slow)(void *arg, const struct disposal_slow *slow), void *arg)
	RUNS_ON(control_thread);

/* For a program that is its own peer, as a fuzzer is, so that no call sleeps: from now on disposal_start() makes the call itself,
 * on its thread, unless the job waits for one that a thread makes. done() comes from the loop all the same. */
void disposal_account_in_place(struct disposal_account *account, bool in_place) RUNS_ON(control_thread);

/* Never fails, never waits. */
void disposal_start(struct disposal_account *account, struct disposal_job *job)
	RUNS_ON(control_thread);
/* Takes back a job with a done() that has not been entered: true, and it is the caller's, as its call has not begun. */
bool disposal_cancel(struct disposal_job *job) RUNS_ON(control_thread);
/* close() there, after the jobs about this descriptor that were started before. -1 is fine. */
void disposal_close(struct disposal_account *account, int fd) RUNS_ON(control_thread);
/* The same, of our end of a connection: weighed. */
void disposal_close_socket(struct disposal_account *account, int fd) RUNS_ON(control_thread);

/* The quota is used up: all its calls are lost, or too many jobs wait. Nothing more is to be taken from this peer, until
 * `changed` is called. */
bool disposal_full(struct disposal_account *account) RUNS_ON(control_thread);
void disposal_account_stats(const struct disposal_account *account, struct disposal_stats *stats)
	RUNS_ON(control_thread);
/* "4 calls on what front ends gave have not come back, the longest for 12 s", or "". */
void disposal_account_describe(const struct disposal_account *account, char *text, size_t size)
	RUNS_ON(control_thread);

/* For the loop. The end waits for calls that are on their way, for no longer than DISPOSAL_END_MS, and leaves lost ones
 * behind, with a line that names their accounts: they touch nothing of the loop when they come back. */
struct disposal *disposal_create(struct loop *loop) RUNS_ON(control_thread); /* NULL and errno */
void disposal_destroy(struct disposal *disposal) RUNS_ON(control_thread);
/* Where threads run that are made from now on; before, where the control thread does. */
void disposal_place(struct disposal *disposal, const cpu_set_t *cpus) RUNS_ON(control_thread);

#endif
