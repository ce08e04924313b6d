/* SPDX-License-Identifier: BSD-3-Clause */
#include "rcu.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

#include "role.h"

static struct rte_rcu_qsbr *qsbr;

/* Waits in the order of their tokens, oldest first. Writer only. */
static struct rcu_wait *oldest, **newest = &oldest;

int rcu_init(unsigned int readers_max)
{
	size_t size = rte_rcu_qsbr_get_memsize(readers_max);

	if (qsbr != NULL)
		return 0;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (qsbr == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(qsbr, readers_max) != 0) {
		free(qsbr);
		qsbr = NULL;
		return -EINVAL;
	}
	for (unsigned int i = 0; i < readers_max; i++)
		rte_rcu_qsbr_thread_register(qsbr, i);
	return 0;
}

void rcu_fini(void)
{
	free(qsbr);
	qsbr = NULL;
	oldest = NULL;
	newest = &oldest;
}

void rcu_online(unsigned int reader)
{
	rte_rcu_qsbr_thread_online(qsbr, reader);
}

void rcu_quiescent(unsigned int reader)
{
	rte_rcu_qsbr_quiescent(qsbr, reader);
}

void rcu_offline(unsigned int reader)
{
	rte_rcu_qsbr_thread_offline(qsbr, reader);
}

void rcu_wait_start(struct rcu_wait *wait, void (*done)(struct rcu_wait *wait))
{
	wait->done = done;
	wait->next = NULL;
	wait->token = rte_rcu_qsbr_start(qsbr);
	*newest = wait;
	newest = &wait->next;
}

bool rcu_poll(void)
{
	while (oldest != NULL && rte_rcu_qsbr_check(qsbr, oldest->token, false) == 1) {
		struct rcu_wait *wait = oldest;

		oldest = wait->next;
		if (oldest == NULL)
			newest = &oldest;
		/* The wait is its owner's again: it may free it or start it anew. */
		wait->done(wait);
	}
	return oldest != NULL;
}

struct deferred_free {
	struct rcu_wait wait; /* first, so that the two pointers are one */
	void *object;
};

static void free_now(struct rcu_wait *wait)
{
	struct deferred_free *deferred = (struct deferred_free *)wait;

	free(deferred->object);
	free(deferred);
}

void rcu_free(void *object)
{
	struct deferred_free *deferred;

	if (object == NULL)
		return;
	deferred = malloc(sizeof(*deferred));
	if (deferred == NULL) {
		rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
		free(object);
		return;
	}
	deferred->object = object;
	rcu_wait_start(&deferred->wait, free_now);
}
