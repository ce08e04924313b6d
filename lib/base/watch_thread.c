/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch_thread.h"

#include <poll.h>
#include <signal.h>

#include "thread_kind.h"

static void sleep_until_rung(struct watch_thread *watch)
{
	struct pollfd bell = {.fd = watch->bell.fd, .events = POLLIN};

	doorbell_arm(&watch->bell);
	if (!watch->look() && !atomic_load(&watch->end))
		poll(&bell, 1, -1);
	doorbell_disarm(&watch->bell);
}

static void *run(void *arg)
{
	struct watch_thread *watch = arg;
	unsigned int quiet = 0;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	thread_begins(THREAD_WATCH);
	while (!atomic_load(&watch->end)) {
		quiet = watch->look() ? 0 : quiet + 1;
		if (quiet > watch->vigil) {
			sleep_until_rung(watch);
			quiet = 0;
		}
		poll(NULL, 0, watch->period_ms);
	}
	return NULL;
}

int watch_thread_start(struct watch_thread *watch)
{
	int error = doorbell_init(&watch->bell);

	atomic_store(&watch->end, false);
	if (error == 0)
		error = -pthread_create(&watch->thread, NULL, run, watch);
	watch->running = error == 0;
	if (error == 0)
		pthread_setname_np(watch->thread, watch->name);
	else
		doorbell_fini(&watch->bell);
	return error;
}

void watch_thread_stop(struct watch_thread *watch)
{
	if (!watch->running)
		return;
	atomic_store(&watch->end, true);
	doorbell_ring(&watch->bell);
	pthread_join(watch->thread, NULL);
	doorbell_fini(&watch->bell);
	watch->running = false;
}
