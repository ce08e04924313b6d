/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/epoll.h>

#include "lcore_private.h"

/* How long to sleep where a queue of the set cannot wake anybody, in milliseconds. */
enum { SLEEP_BLIND_MS = 1, SLEEP_EVENTS = 16 };

/* Whether the thread may sleep: nothing has come since the doorbell and the queues were armed. */
static bool nothing_to_do(struct lcore *lc, const struct poll_set *set) RUNS_ON(lcore_thread)
{
	bool waiting = false;

	/* Every queue is armed, even when an earlier one has work: disarming is symmetric and cheap. */
	for (uint16_t i = 0; i < set->n; i++)
		waiting |= set->queue[i]->port->ops->arm(set->queue[i]);
	return !waiting && rcu_get(&lc->set) == set && lc->ctx.errands == NULL &&
	       atomic_load(&lc->injections) == NULL && !atomic_load(&lcores.stop);
}

void lcore_disarm(const struct poll_set *set)
{
	for (uint16_t i = 0; i < set->n; i++)
		set->queue[i]->port->ops->disarm(set->queue[i]);
}

void lcore_sleep(struct lcore *lc)
{
	struct epoll_event events[SLEEP_EVENTS];
	const struct poll_set *set = rcu_get(&lc->set);

	doorbell_arm(&lc->bell);
	if (nothing_to_do(lc, set)) {
		int timeout_ms = set->all_wake ? -1 : SLEEP_BLIND_MS;

		/* From here to rcu_online() no published object may be touched: control does not wait for us. */
		rcu_offline(lc->ctx.index);
		epoll_wait(lc->epoll_fd, events, SLEEP_EVENTS, timeout_ms);
		rcu_online(lc->ctx.index);
		count(&lc->counters.sleeps, 1);
		set = rcu_get(&lc->set);
	}
	doorbell_disarm(&lc->bell);
	lcore_disarm(set);
}
