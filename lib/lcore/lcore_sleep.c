/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/epoll.h>

#include "lcore_private.h"
#include "watchdog.h"

/* How long to sleep where a queue of the set cannot wake the lcore, or has never yet, in milliseconds. */
enum { SLEEP_BLIND_MS = 1, SLEEP_EVENTS = 16 };

static int timeout_of(const struct poll_set *set)
{
	bool all_wake = set->all_wake;

	for (uint16_t i = 0; i < set->n; i++)
		all_wake &= port_rxq_wakes(set->queue[i]);
	return all_wake ? -1 : SLEEP_BLIND_MS;
}

/* What has woken us once will again. An event names a queue that may have left meanwhile, so it is looked for and not
 * looked at. */
static void note_wakers(const struct poll_set *set, const struct epoll_event *events, int n)
{
	for (int event = 0; event < n; event++)
		for (uint16_t i = 0; i < set->n; i++)
			if (events[event].data.ptr == set->queue[i] &&
			    !port_rxq_wakes(set->queue[i]))
				atomic_store_explicit(&set->queue[i]->woke, true,
						      memory_order_relaxed);
}

/* Whether the thread may sleep: nothing has come since the doorbell and the queues were armed. */
static bool nothing_to_do(struct lcore *lc, const struct poll_set *set) RUNS_ON(lcore_thread)
{
	bool waiting = false;

	/* Every queue is armed, even when an earlier one has work: disarming is symmetric and cheap. */
	for (uint16_t i = 0; i < set->n; i++)
		waiting |= set->queue[i]->port->ops->arm(set->queue[i]);
	return !waiting && rcu_get(&lc->set) == set && lc->ctx.work == NULL &&
	       !slot_ring_waiting(&lc->injects) && !atomic_load(&lcores.stop);
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
		int timeout_ms = timeout_of(set), n;

		/* From here to rcu_online() no published object may be touched: control does not wait for us. */
		rcu_offline(lc->ctx.index);
		watchdog_asleep();
		n = epoll_wait(lc->epoll_fd, events, SLEEP_EVENTS, timeout_ms);
		watchdog_awake();
		rcu_online(lc->ctx.index);
		count(&lc->counters.sleeps, 1);
		set = rcu_get(&lc->set);
		note_wakers(set, events, n);
	}
	doorbell_disarm(&lc->bell);
	lcore_disarm(set);
}
