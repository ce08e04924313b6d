/* SPDX-License-Identifier: BSD-3-Clause */
/* watch_thread.h: a thread that looks at others every so often while they are busy, and sleeps while they are not.
 *
 * Those who are watched ring the doorbell after they have stored what the look is to see: that is one load while the thread is
 * awake. It blocks all signals.
 *
 * Context: one thread starts and stops it; `look` runs on the thread itself.
 * Returns: 0 or -errno.
 * Ownership: the struct is its owner's, and outlives the thread; `bell.fd` is -1 before it is started for the first time.
 */
#ifndef VUS_WATCH_THREAD_H
#define VUS_WATCH_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "doorbell.h"

struct watch_thread {
	bool (*look)(void);  /* at all of them, once: whether there will be something to see */
	int period_ms;	     /* between two looks; look() may change it */
	unsigned int vigil;  /* after more looks in vain than this, one after the other, the thread sleeps */
	const char *name;
	struct doorbell bell;
	pthread_t thread;
	bool running;
	atomic_bool end;
};

int watch_thread_start(struct watch_thread *watch);
/* Waits for it to end. One that is not running is fine. */
void watch_thread_stop(struct watch_thread *watch);

#endif
