/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_intr.h"

#include <pthread.h>
#include <stdbool.h>

#include <rte_alarm.h>

struct intr_call {
	pthread_mutex_t lock;
	pthread_cond_t came_back;
	bool done;
	void (*run)(void *arg);
	void *arg;
};

/* On EAL's interrupt thread. */
static void intr_fire(void *arg)
{
	struct intr_call *call = arg;

	call->run(call->arg);
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->came_back);
	pthread_mutex_unlock(&call->lock);
}

void ethdev_intr_call(void (*run)(void *arg), void *arg)
{
	struct intr_call call = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .came_back = PTHREAD_COND_INITIALIZER, .run = run, .arg = arg};

	if (rte_eal_alarm_set(1, intr_fire, &call) != 0) {
		run(arg);
		return;
	}
	pthread_mutex_lock(&call.lock);
	while (!call.done)
		pthread_cond_wait(&call.came_back, &call.lock);
	pthread_mutex_unlock(&call.lock);
	pthread_cond_destroy(&call.came_back);
	pthread_mutex_destroy(&call.lock);
}

static void nothing(void *arg)
{
	(void)arg;
}

void ethdev_intr_wait(void)
{
	ethdev_intr_call(nothing, NULL);
}
