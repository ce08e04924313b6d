/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "container_of.h"
#include "lcore_bell.h"
#include "lcore_private.h"
#include "poke.h"
#include "thread_kind.h"
#include "watchdog.h"

struct lcores lcores;

/* Awake for longer than a wake-up and a few frames take: the bell listens, for two system calls. */
enum { BELL_AFTER_US = 50 };

/* --- the loop ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void run_work(struct lcore *lc) RUNS_ON(lcore_thread)
{
	struct lcore_work **at = &lc->ctx.work;

	while (*at != NULL) {
		struct lcore_work *work = *at, *next = work->next;

		if (work->run(work)) {
			work->started = false;
			*at = next;
		} else {
			at = &work->next;
		}
	}
}

/* Once over what may have frames, from the moment `at` on. 0: there was nothing to do; else how often there was, at least. */
static inline uint32_t lcore_round_over(struct lcore *lc, const struct poll_set *set, uint64_t at)
	RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	uint32_t movers = 0, others = 0, i = 0;

	if (__builtin_expect(set->generation != tiers->generation, 0))
		lcore_take_set(lc, set, at);
	/* Pairs with lcores_remove_queue(): seen before the ring is withdrawn, or control waits for this round. */
	if (__builtin_expect(atomic_load_explicit(&lc->rung.given_up, memory_order_acquire) != tiers->given_up, 0))
		lcore_give_up_words(lc, at);
	if (__builtin_expect(at >= tiers->held_until, 0))
		lcore_let_go(lc, at);
	while (i < tiers->hot_n) {
		struct lcore_hot *hot = &tiers->hot[i];

		if (lcore_poll(lc, hot->q, &at) > 0) {
			movers++;
			hot->moved = at;
			hot->cool_at = at + TIER_HOT_US * lcores.us;
		} else if (at > hot->cool_at && lcore_cool(lc, i, at)) {
			continue;
		}
		i++;
	}
	if (__builtin_expect(atomic_load_explicit(&lc->rung.any, memory_order_relaxed), 0))
		others = lcore_answer(lc, &at);
	/* A round in which queues were passed over for what they owe is not idle. */
	if (tiers->warm_n > 0 && ((movers + others == 0 && lc->ctx.share.least == 0) || at > tiers->scan_at))
		others += lcore_scan(lc, &at);
	if (__builtin_expect(slot_ring_waiting(&lc->injects), 0))
		lcore_send_injects(lc);
	if (__builtin_expect(lc->ctx.work != NULL, 0))
		run_work(lc);
	share_next(&lc->ctx.share, movers + (others > 0), tiers->hot_n);
	return movers + others;
}

static inline void account(struct lcore *lc, bool busy, uint64_t ticks) RUNS_ON(lcore_thread)
{
	struct lcore_counters *counters = &lc->counters;

	count(&counters->loops, 1);
	count(busy ? &counters->busy : &counters->idle, ticks);
	if (__builtin_expect(ticks > counted(&counters->longest), 0))
		atomic_store_explicit(&counters->longest, ticks, memory_order_relaxed);
	if (__builtin_expect(counted(&counters->reset) != lc->reset_seen, 0)) {
		lc->reset_seen = counted(&counters->reset);
		atomic_store_explicit(&counters->longest, 0, memory_order_relaxed);
	}
}

/* What it does between two rounds, of which the last one ended `now` and moved nothing: whether it has slept. */
static inline bool lcore_idle(struct lcore *lc, uint64_t now, uint64_t since) RUNS_ON(lcore_thread)
{
	/* If a kick woke it up, it was in vain. */
	lc->rest.kicked = 0;
	if (lcores.busy_poll || since <= VIGIL_LEAST_US * lcores.us || now < lc->rest.sleep_at ||
	    since <= lcore_vigil(&lc->rest))
		return false;
	if (lcore_sleep(lc))
		return true;
	/* Something is waiting. */
	lc->rest.sleep_at = now + VIGIL_LEAST_US * lcores.us;
	return false;
}

/* What a thread does once, before it moves frames: of the process' own files in /proc, it opens what the watchdog reads. */
static int lcore_begin(void *arg VUS_UNUSED)
{
	role_take(ROLE_LCORE);
	/* What is held is let go in time: a sleep may else take 50 us longer than asked for. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	poke_join();
	watchdog_join();
	thread_begins(THREAD_LCORE);
	return 0;
}

static int lcore_main(void *arg)
{
	struct lcore *lc = arg;
	uint64_t before = rte_rdtsc(), moved = before;

	role_assert_lcore();
	rcu_online(lc->ctx.index);
	while (!atomic_load_explicit(&lcores.stop, memory_order_relaxed)) {
		uint32_t moves = lcore_round_over(lc, rcu_get(&lc->set), before);
		uint64_t now = rte_rdtsc();

		rcu_quiescent(lc->ctx.index);
		account(lc, moves > 0, now - before);
		before = now;
		lc->ctx.epoch = atomic_load_explicit(&lcores.epoch, memory_order_relaxed);
		if (__builtin_expect(!lc->rest.bell_on, 0) && lc->tiers.cold_n > 0 &&
		    now - lc->rest.woke > BELL_AFTER_US * lcores.us)
			bell_listen(lc, true);
		if (moves > 0) {
			if (lcore_was_foreseen(lc, moves))
				continue;
			lcore_note_gap(lc, now - moved, now);
			moved = now;
		} else if (lcore_idle(lc, now, now - moved)) {
			before = lc->rest.woke = rte_rdtsc();
			count(&lc->counters.asleep, before - now);
		}
	}
	rcu_offline(lc->ctx.index);
	watchdog_leave();
	poke_leave();
	return 0;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void lcore_readers_of_set(const struct rcu_scope *scope, struct rcu_readers *readers) ROLE_UNCHECKED
{
	rcu_readers_add(readers, container_of(scope, struct lcore, scope)->ctx.index);
}

static int lcore_init(struct lcore *lc, uint16_t index, unsigned int id, struct doorbell *reports)
	ROLE_UNCHECKED
{
	struct poll_set *nothing = calloc(1, sizeof(*nothing));
	struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = BELL_OF_LCORE}};
	int error;

	lc->id = id;
	lc->ctx.index = index;
	lc->ctx.burst = aligned_alloc(64, (sizeof(*lc->ctx.burst) + 63) & ~(size_t)63);
	if (lc->ctx.burst != NULL)
		lc->ctx.burst->cost = 0;
	lc->ctx.bound = SHARE_VISIT;
	tick_clock_init(&lc->ctx.clock, lcores.hz);
	share_begin(&lc->ctx.share, BURST_SHARED);
	lc->ctx.reports = report_ring_create(index, reports);
	lc->ctx.punts = punt_ring_create(reports);
	lc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	error = doorbell_init(&lc->bell);
	lc->scope.readers = lcore_readers_of_set;
	rcu_set(&lc->set, nothing);
	lc->rest = (struct lcore_rest){.soon = VIGIL_ALL, .later = VIGIL_ALL};
	if (error == 0 && (lcore_injects_init(lc) != 0 || lcore_tiers_init(&lc->tiers) != 0 || lc->ctx.burst == NULL ||
			   lc->ctx.reports == NULL || lc->ctx.punts == NULL || nothing == NULL))
		error = -ENOMEM;
	if (error == 0 && (lc->epoll_fd < 0 ||
			   epoll_ctl(lc->epoll_fd, EPOLL_CTL_ADD, lc->bell.fd, &event) != 0))
		error = -errno;
	return error == 0 ? bell_add(lc) : error;
}

static void lcore_fini(struct lcore *lc) ROLE_UNCHECKED
{
	lcore_injects_fini(lc);
	lcore_tiers_fini(&lc->tiers);
	free((void *)(uintptr_t)rcu_own(&lc->set));
	report_ring_destroy(lc->ctx.reports);
	punt_ring_destroy(lc->ctx.punts);
	free(lc->ctx.burst);
	doorbell_fini(&lc->bell);
	if (lc->epoll_fd >= 0)
		close(lc->epoll_fd);
}

/* On which node each lcore is, and how far that is from the others. */
static void find_places(void)
{
	unsigned int id;

	memset(&lcores.place, 0, sizeof(lcores.place));
	RTE_LCORE_FOREACH_WORKER(id)
	place_add(&lcores.place, (int)rte_lcore_to_socket_id(id));
	for (int a = 0; a < PLACE_NODES && nodes_several(); a++)
		for (int b = 0; b < a; b++)
			place_set_distance(&lcores.place, a, b, node_distance(a, b));
}

int lcores_create(bool busy_poll, struct doorbell *reports_bell, struct fail *fail)
{
	unsigned int id, n = rte_lcore_count() - 1;
	int error;

	if (n == 0)
		return fail_set(fail, -EINVAL,
				"no lcore is left to move frames: give EAL a second one, for example "
				"`-l 0-1`, or on a single CPU `--lcores '0@0,1@0'`");
	if (n > LCORES_MAX)
		return fail_set(fail, -E2BIG, "%u lcores are more than the %d this build knows: "
				"give EAL fewer with `-l`", n, LCORES_MAX);
	error = rcu_init(n);
	if (error == 0)
		error = bell_init();
	if (error == 0) {
		lcores.lcore = aligned_alloc(64, n * sizeof(*lcores.lcore));
		error = lcores.lcore == NULL ? -ENOMEM : 0;
	}
	if (error != 0)
		return fail_set(fail, error, "lcores: %s", strerror(-error));
	memset(lcores.lcore, 0, n * sizeof(*lcores.lcore));
	lcores.busy_poll = busy_poll;
	lcores.hz = rte_get_tsc_hz();
	lcores.us = lcores.hz / 1000000;
	atomic_store(&lcores.stop, false);
	find_places();
	RTE_LCORE_FOREACH_WORKER(id)
	{
		uint16_t index = (uint16_t)lcores.n;

		lcores.n++;
		error = lcore_init(&lcores.lcore[index], index, id, reports_bell);
		if (error != 0) {
			lcores_destroy();
			return fail_set(fail, error, "lcore %u: %s", id, strerror(-error));
		}
	}
	return 0;
}

void lcores_destroy(void)
{
	for (unsigned int i = 0; i < lcores.n; i++)
		lcore_fini(&lcores.lcore[i]);
	free(lcores.lcore);
	lcores.lcore = NULL;
	lcores.n = 0;
	bell_fini();
}

int lcores_start(void)
{
	int error = bell_start();

	if (error != 0)
		return error;
	for (unsigned int i = 0; i < lcores.n; i++) {
		error = rte_eal_remote_launch(lcore_begin, NULL, lcores.lcore[i].id);
		if (error == 0)
			error = rte_eal_wait_lcore(lcores.lcore[i].id);
		if (error != 0)
			return error;
	}
	for (unsigned int i = 0; i < lcores.n; i++) {
		error = rte_eal_remote_launch(lcore_main, &lcores.lcore[i], lcores.lcore[i].id);
		if (error != 0)
			return error;
	}
	return 0;
}

void lcores_stop(void)
{
	atomic_store(&lcores.stop, true);
	for (unsigned int i = 0; i < lcores.n; i++)
		doorbell_ring(&lcores.lcore[i].bell);
	rte_eal_mp_wait_lcore();
	bell_stop();
}

/* --- to look at -------------------------------------------------------------------------------------------------- */

unsigned int lcores_n(void)
{
	return lcores.n;
}

struct lcore *lcore_at(unsigned int i)
{
	return &lcores.lcore[i];
}

unsigned int lcore_id(const struct lcore *lcore)
{
	return lcore->id;
}

int lcore_cpu(const struct lcore *lcore)
{
	rte_cpuset_t cpus = rte_lcore_cpuset(lcore->id);

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			return cpu;
	return -1;
}

int lcore_node(const struct lcore *lcore)
{
	return lcores.place.node[lcore - lcores.lcore];
}

bool lcore_crosses(const struct lcore *lcore, const struct port_rxq *q)
{
	return nodes_several() && q->node != NODE_UNKNOWN && lcore_node(lcore) != NODE_UNKNOWN && q->node != lcore_node(lcore);
}

const struct lcore_counters *lcore_counters(const struct lcore *lcore)
{
	return &lcore->counters;
}

const struct poll_set *lcore_poll_set(const struct lcore *lcore)
{
	return rcu_own(&lcore->set);
}

void lcore_reset_longest(struct lcore *lcore)
{
	atomic_fetch_add(&lcore->counters.reset, 1);
}

void lcore_try_waking(struct lcore *lcore)
{
	doorbell_ring(&lcore->bell);
}

uint64_t lcore_cycles_per_second(void)
{
	return lcores.hz;
}
