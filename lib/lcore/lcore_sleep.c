/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/epoll.h>

#include "clock.h"
#include "lcore_bell.h"
#include "lcore_private.h"
#include "watchdog.h"

enum {
	/* How long to sleep where a queue of the set cannot wake the lcore, or has never yet. */
	SLEEP_BLIND_NS = 1000000,
	SLEEP_EVENTS = 64,
	/* Turns of as many events that a wake-up takes; the bell hears of the rest. */
	SLEEP_TURNS = 16,
};

/* Whether nothing has come since the doorbell was armed, but for what queues have. */
static bool nothing_to_do(struct lcore *lc) RUNS_ON(lcore_thread)
{
	return rcu_get(&lc->set)->generation == lc->tiers.generation && !atomic_load(&lc->rung.any) &&
	       lc->ctx.work == NULL && !slot_ring_waiting(&lc->injects) && !atomic_load(&lcores.stop);
}

/* Queues that rang are received from in the next round. What has woken us once will again. */
static void take_events(struct lcore *lc, const struct epoll_event *events, int n) RUNS_ON(lcore_thread)
{
	for (int i = 0; i < n; i++) {
		uint64_t tag = events[i].data.u64;
		const struct lcore_place *place = &lc->tiers.place[(uint16_t)tag % LCORE_QUEUES_MAX];

		/* It may name a queue that has left meanwhile. */
		if (tag == BELL_OF_LCORE || place->tier == TIER_NONE || place->joined != tag >> 16)
			continue;
		if (!port_rxq_wakes(place->q))
			atomic_store_explicit(&place->q->woke, true, memory_order_relaxed);
		bell_mark(lc, (uint16_t)tag);
	}
}

/* For so long at most, or until the first queue that is held has its time. */
static int wait_until(struct lcore *lc, struct epoll_event *events, uint64_t ns) RUNS_ON(lcore_thread)
{
	uint64_t now = rte_rdtsc(), until = lc->tiers.held_until;
	struct timespec timeout;

	if (until != UINT64_MAX) {
		uint64_t held_ns = until > now ? (until - now) * 1000 / lcores.us : 0;

		if (held_ns < ns)
			ns = held_ns;
	}
	timeout = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
	return epoll_pwait2(lc->epoll_fd, events, SLEEP_EVENTS, ns == UINT64_MAX ? NULL : &timeout, NULL);
}

/* It runs again: since when it should, if that is known, and from when on it looks for what it was kicked for. A kick is a
 * guest's, and has no stamp; the doorbell has one. */
static void note_waking(struct lcore *lc, int events_n) RUNS_ON(lcore_thread)
{
	uint64_t rung = doorbell_rung(&lc->bell), now;

	if (rung != 0) {
		now = clock_ns();
		histogram_add(&lc->counters.wakes, now > rung ? now - rung : 0);
	}
	lc->rest.kicked = events_n > (rung != 0) ? rte_rdtsc() : 0;
}

void lcore_has_started(struct lcore *lc, uint64_t now)
{
	histogram_add(&lc->counters.starts, (now - lc->rest.kicked) * 1000 / lcores.us);
	lc->rest.kicked = 0;
}

static void wait_in_kernel(struct lcore *lc, bool all_wake) RUNS_ON(lcore_thread)
{
	struct epoll_event events[SLEEP_EVENTS];
	const struct poll_set *set;
	int n;

	/* From here to rcu_online() no published object may be touched: control does not wait for us. */
	rcu_offline(lc->ctx.index);
	watchdog_asleep();
	n = wait_until(lc, events, all_wake ? UINT64_MAX : SLEEP_BLIND_NS);
	note_waking(lc, n);
	watchdog_awake();
	rcu_online(lc->ctx.index);
	count(&lc->counters.sleeps, 1);
	set = rcu_get(&lc->set);
	if (set->generation != lc->tiers.generation)
		lcore_take_set(lc, set, rte_rdtsc());
	take_events(lc, events, n);
	for (int turn = 0; n == SLEEP_EVENTS && turn < SLEEP_TURNS; turn++) {
		n = epoll_wait(lc->epoll_fd, events, SLEEP_EVENTS, 0);
		take_events(lc, events, n);
	}
}

/* Whether the tiers are of the poll set as it is, and no word was given up. We have passed since the last round: what a set
 * before had may be gone, its queues and what words point to. What leaves from here on waits for us. */
static bool tiers_hold(struct lcore *lc) RUNS_ON(lcore_thread)
{
	/* Pairs with words_give_up(): queues that are withdrawn are seen to be. */
	return rcu_get(&lc->set)->generation == lc->tiers.generation &&
	       atomic_load_explicit(&lc->rung.given_up, memory_order_acquire) == lc->tiers.given_up;
}

/* A queue that is held, or will be, has its time so soon that it does not pay to sleep. */
static bool held_for_little(struct lcore *lc) RUNS_ON(lcore_thread)
{
	const struct lcore_tiers *tiers = &lc->tiers;
	uint64_t now = rte_rdtsc(), until = tiers->held_until;

	for (uint32_t i = 0; i < tiers->hot_n; i++) {
		const struct port_rxq *q = tiers->hot[i].q;

		if (q->pace.until > now && q->pace.until < until)
			until = q->pace.until;
	}
	return until != UINT64_MAX && until < now + SLEEP_LEAST_US * lcores.us;
}

bool lcore_sleep(struct lcore *lc)
{
	bool all_wake, sleeps;

	if (!tiers_hold(lc) || held_for_little(lc))
		return false;
	doorbell_arm(&lc->bell);
	sleeps = lcore_cool_all(lc, &all_wake) && nothing_to_do(lc);
	if (sleeps && lc->rest.bell_on)
		bell_listen(lc, false);
	if (sleeps)
		wait_in_kernel(lc, all_wake);
	doorbell_disarm(&lc->bell);
	lcore_warm_up(lc);
	return sleeps;
}
