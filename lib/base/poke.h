/* SPDX-License-Identifier: BSD-3-Clause */
/* poke.h: signals an eventfd that another process holds too, and does not wait for it.
 *
 * A write to an eventfd whose counter is full waits, unless O_NONBLOCK is set. That flag belongs to what the processes
 * share, so the peer that gave us the descriptor can clear it again, and fill the counter (L5); and there is no
 * write that does without: the kernel refuses RWF_NOWAIT for one. So the write is made, and a watchdog looks after the
 * threads that make it: one that has not come back from one within POKE_PATIENCE_MS or twice that is sent a signal whose
 * handler does nothing and which restarts nothing, and the write ends with EINTR.
 *
 * Context: any thread may poke(); one is watched between poke_join() and poke_leave(). poke_watch() and poke_unwatch()
 * are for the program's beginning and end, by one thread. A poke costs two stores and a fence beside its system call. The
 * watchdog sleeps while no thread pokes: the first poke after POKE_VIGIL looks without one writes to its doorbell as well.
 */
#ifndef VUS_POKE_H
#define VUS_POKE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	POKE_PATIENCE_MS = 1,
	POKE_VIGIL = 20,
	/* More than an honest peer's takes. */
	POKE_LONG_NS = 100000,
	/* For so long a thread knows its CPU time, without a system call. */
	POKE_KNOWN_NS = 250000,
	/* Threads that are watched at once: lcores, and some that poke once. */
	POKE_THREADS_MAX = 192,
};

/* Starts the watchdog; it takes SIGURG, which has no other use here. 0 or -errno. */
int poke_watch(void);
/* Ends it. After all watched threads have left. */
void poke_unwatch(void);

/* The calling thread is watched from now on. Nothing happens if there are too many: its writes may wait. */
void poke_join(void);
void poke_leave(void);

/* Signals `fd`: 0, also if it is signalled as much as can be, or is none (-1); -EINTR: the write waited, and was broken
 * off. */
int poke(int fd);
/* The same for a thread that is not watched: it is for the time of the write, and has SIGURG unblocked. */
int poke_once(int fd);
/* The same as poke(); *took_ns: how long the write took. Where that is more than POKE_LONG_NS, the time is taken off for which
 * the calling thread had no CPU during the write, or in the POKE_KNOWN_NS before it. */
int poke_timed(int fd, uint64_t *took_ns);

#endif
