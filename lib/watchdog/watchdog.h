/* SPDX-License-Identifier: BSD-3-Clause */
/* watchdog.h: the watchdog that says whose memory holds an lcore, and for how long (X3).
 *
 * A thread of its own looks at each watched thread every few milliseconds while that one is awake, more often once it has found
 * one that is held. One that is still in the turn in which it was at the look before, and now and then any other, is asked where
 * it is. It is held by memory if it sleeps, and not in a system call: then it sleeps in a page fault. The page is the first one
 * of those that it noted (mem_note.h), in the order in which they are touched, that is absent from our page tables. The time goes
 * to the meter of the arena in which that page lies (mem_arena_charge()).
 *
 * A thread that runs is held, too, while it clears huge pages: in one turn all the while, and the first absent page is a huge
 * one. Those that a guest named for the first time an lcore does not meet (mem_touch.h).
 *
 * What is not proven is nobody's: a thread that is runnable and does not get its CPU does not sleep; one whose noted pages are
 * all there sleeps for another reason. To look into the page tables takes the lock of our address space. If that is held, the
 * proof comes late or not at all, and only this thread waits.
 *
 * Context: start and stop by one thread at the program's beginning and end; join, leave, awake and asleep by the thread that is
 * watched.
 */
#ifndef VUS_WATCHDOG_H
#define VUS_WATCHDOG_H

enum {
	/* Between two looks in the mean, for WATCHDOG_WARY of them after one that found a thread held. */
	WATCHDOG_MS = 4,
	WATCHDOG_WARY = 250,
	/* Else, and where few threads are awake: a look may be in the way of one that has its CPU. What it stands for is no
	 * longer than this, or than WATCHDOG_MS for each of them. */
	WATCHDOG_CALM_MS = 16,
	/* Looks in vain after which it sleeps: a second, or a quarter while it is wary. Threads that wake up now and then do not
	 * have to wake it as well. */
	WATCHDOG_VIGIL = 63,
	/* Threads that are watched at once. */
	WATCHDOG_THREADS_MAX = 128,
};

/* 0 or -errno. */
int watchdog_start(void);
/* After all watched threads have left. */
void watchdog_stop(void);

/* The calling thread is watched from now on, awake. Nothing happens if there are too many, or if the kernel does not say where a
 * thread is. */
void watchdog_join(void);
void watchdog_leave(void);

/* Around a sleep of its own: the watchdog sleeps when all have for WATCHDOG_VIGIL looks. */
void watchdog_asleep(void);
void watchdog_awake(void);

#endif
