/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "container_of.h"
#include "lcore_private.h"
#include "lcore_visit.h"
#include "watchdog.h"
#include "poke.h"

struct lcores lcores;

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

/* Once over the poll set, from the moment `at` on: the number of frames moved. */
static inline uint32_t lcore_round_over(struct lcore *lc, const struct poll_set *set, uint64_t at)
	RUNS_ON(lcore_thread)
{
	uint32_t frames = 0;
	uint64_t now;

	/* A queue may have been armed by the lcore it was with, and would have its driver kick for nothing until we
	 * sleep, which a busy lcore never does. */
	if (__builtin_expect(set->generation != lc->generation_seen, 0)) {
		lc->generation_seen = set->generation;
		lcore_disarm(set);
	}
	for (uint16_t i = 0; i < set->n; i++) {
		struct port_rxq *q = set->queue[i];
		uint16_t n = lcore_visit(&lc->ctx, q);

		if (n == 0)
			continue;
		count(&q->frames, n);
		count(&q->bursts, 1);
		now = rte_rdtsc();
		count(&q->cycles, now - at);
		at = now;
		frames += n;
	}
	if (__builtin_expect(slot_ring_waiting(&lc->injects), 0))
		lcore_send_injects(lc);
	if (__builtin_expect(lc->ctx.work != NULL, 0))
		run_work(lc);
	share_next(&lc->ctx.share, frames > 0);
	return frames;
}

static inline void account(struct lcore *lc, uint32_t frames, uint64_t ticks) RUNS_ON(lcore_thread)
{
	struct lcore_counters *counters = &lc->counters;

	count(&counters->loops, 1);
	count(frames > 0 ? &counters->busy : &counters->idle, ticks);
	if (frames > 0)
		count(&counters->frames, frames);
	if (__builtin_expect(ticks > counted(&counters->longest), 0))
		atomic_store_explicit(&counters->longest, ticks, memory_order_relaxed);
	if (__builtin_expect(counted(&counters->reset) != lc->reset_seen, 0)) {
		lc->reset_seen = counted(&counters->reset);
		atomic_store_explicit(&counters->longest, 0, memory_order_relaxed);
	}
}

static int lcore_main(void *arg)
{
	struct lcore *lc = arg;
	uint64_t before = rte_rdtsc(), moved = before;

	role_take(ROLE_LCORE);
	role_assert_lcore();
	poke_join();
	watchdog_join();
	rcu_online(lc->ctx.index);
	while (!atomic_load_explicit(&lcores.stop, memory_order_relaxed)) {
		uint32_t frames = lcore_round_over(lc, rcu_get(&lc->set), before);
		uint64_t now = rte_rdtsc();

		rcu_quiescent(lc->ctx.index);
		account(lc, frames, now - before);
		before = now;
		lc->ctx.epoch = atomic_load_explicit(&lcores.epoch, memory_order_relaxed);
		if (frames > 0) {
			moved = now;
		} else if (!lcores.busy_poll && now - moved > lcores.idle_limit) {
			lcore_sleep(lc);
			moved = rte_rdtsc();
			count(&lc->counters.asleep, moved - before);
			before = moved;
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
	struct epoll_event event = {.events = EPOLLIN};
	int error;

	lc->id = id;
	lc->ctx.index = index;
	lc->ctx.burst = aligned_alloc(64, (sizeof(*lc->ctx.burst) + 63) & ~(size_t)63);
	if (lc->ctx.burst != NULL)
		lc->ctx.burst->cost = 0;
	lc->ctx.reports = report_ring_create(index, reports);
	lc->ctx.punts = punt_ring_create(reports);
	lc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	error = doorbell_init(&lc->bell);
	if (nothing != NULL)
		nothing->all_wake = true;
	lc->scope.readers = lcore_readers_of_set;
	rcu_set(&lc->set, nothing);
	if (error == 0 && (lcore_injects_init(lc) != 0 || lc->ctx.burst == NULL ||
			   lc->ctx.reports == NULL || lc->ctx.punts == NULL || nothing == NULL))
		error = -ENOMEM;
	if (error == 0 && (lc->epoll_fd < 0 ||
			   epoll_ctl(lc->epoll_fd, EPOLL_CTL_ADD, lc->bell.fd, &event) != 0))
		error = -errno;
	return error;
}

static void lcore_fini(struct lcore *lc) ROLE_UNCHECKED
{
	lcore_injects_fini(lc);
	free((void *)(uintptr_t)rcu_own(&lc->set));
	report_ring_destroy(lc->ctx.reports);
	punt_ring_destroy(lc->ctx.punts);
	free(lc->ctx.burst);
	doorbell_fini(&lc->bell);
	if (lc->epoll_fd >= 0)
		close(lc->epoll_fd);
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
	if (error == 0) {
		lcores.lcore = aligned_alloc(64, n * sizeof(*lcores.lcore));
		error = lcores.lcore == NULL ? -ENOMEM : 0;
	}
	if (error != 0)
		return fail_set(fail, error, "lcores: %s", strerror(-error));
	memset(lcores.lcore, 0, n * sizeof(*lcores.lcore));
	lcores.busy_poll = busy_poll;
	lcores.hz = rte_get_tsc_hz();
	lcores.idle_limit = lcores.hz / 1000;
	atomic_store(&lcores.stop, false);
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
}

int lcores_start(void)
{
	for (unsigned int i = 0; i < lcores.n; i++) {
		int error = rte_eal_remote_launch(lcore_main, &lcores.lcore[i], lcores.lcore[i].id);

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

uint64_t lcore_cycles_per_second(void)
{
	return lcores.hz;
}
