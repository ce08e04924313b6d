/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "disposal.h"
#include "lcore_bell.h"
#include "lcore_private.h"
#include "lcore_readers.h"
#include "log.h"

/* --- poll sets --------------------------------------------------------------------------------------------------- */

static struct poll_set *set_alloc(uint16_t n)
{
	struct poll_set *set = malloc(sizeof(*set) + n * sizeof(set->queue[0]));

	if (set != NULL)
		set->n = n;
	return set;
}

static void set_publish(struct lcore *lc, struct poll_set *set) RUNS_ON(control_thread)
{
	const struct poll_set *before = rcu_own(&lc->set);

	set->generation = before->generation + 1;
	rcu_set(&lc->set, set);
	doorbell_ring(&lc->bell);
	rcu_free_in(&lc->scope, (void *)(uintptr_t)before);
}

/* A place for a queue that joins. False: all are taken. */
static bool place_take(struct lcore *lc, struct port_rxq *q) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < LCORE_QUEUES_MAX / 64; i++) {
		if (~lc->places[i] == 0)
			continue;
		q->slot = (uint16_t)(64 * i + (unsigned int)__builtin_ctzll(~lc->places[i]));
		lc->places[i] |= UINT64_C(1) << q->slot % 64;
		if (++lc->joined == 0)
			lc->joined = 1;
		q->joined = lc->joined;
		return true;
	}
	return false;
}

static void place_give_back(struct lcore *lc, const struct port_rxq *q) RUNS_ON(control_thread)
{
	lc->places[q->slot / 64] &= ~(UINT64_C(1) << q->slot % 64);
}

/* --- what its queues ring ---------------------------------------------------------------------------------------- */

/* A change of an lcore's set of kick descriptors. */
struct wake_change {
	struct disposal_job job;
	struct port_rxq *q; /* control's: the one that is added, as long as that is so */
	struct lcore *lc;
	int set, change, error;
	struct epoll_event event;
};

static void wake_run(struct disposal_job *job)
{
	struct wake_change *wake = container_of(job, struct wake_change, job);

	wake->error = epoll_ctl(wake->set, wake->change, job->fd, &wake->event) != 0 ? errno : 0;
}

/* The queue may be cold already, and its guest's kick would wake no lcore: it is looked at once, and is not cold from now on. */
static void watch_failed(struct lcore *lc, struct port_rxq *q, int error) RUNS_ON(control_thread)
{
	static struct log_limit limit OWNED_BY(control_thread);

	log_limited(&limit, LOG_WARN, q->port->name,
		    "queue %u: the kernel does not tell us of its kicks (%s): an lcore looks at it each millisecond", q->index,
		    strerror(error));
	atomic_store_explicit(&q->unwatched, true, memory_order_relaxed);
	bell_mark(lc, q->slot);
	doorbell_ring(&lc->bell);
}

static void wake_done(struct disposal_job *job)
{
	struct wake_change *wake = container_of(job, struct wake_change, job);

	role_assert_control();
	if (wake->q != NULL)
		wake->q->waking = NULL;
	if (wake->q != NULL && wake->error != 0)
		watch_failed(wake->lc, wake->q, wake->error);
	free(wake);
}

/* The change for a queue's descriptor, made ready: making it cannot fail. False: no memory. Edge-triggered: a descriptor that
 * was written wakes once and needs no reading, so a guest that kicks without end keeps its own lcore awake and does nothing else.
 *
 * Nobody reads it either, so the kernel tells an lcore, once the descriptor is in its set, of every kick that came before: it
 * does not matter how long it takes to get there, nor whether the lcore sleeps by then. */
static bool wake_prepare(struct wake_change **wake, struct lcore *lc, struct port_rxq *q, int change)
{
	*wake = NULL;
	if (q->wake_fd < 0)
		return true;
	*wake = malloc(sizeof(**wake));
	if (*wake == NULL)
		return false;
	**wake = (struct wake_change){
		.job = {
			.run = wake_run,
			.done = wake_done,
			.what = "epoll_ctl() of a kick descriptor",
			.ordered = true,
			.brief = true,
			.fd = q->wake_fd,
		},
		.lc = lc,
		.set = lc->epoll_fd,
		.change = change,
		.event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = bell_tag(q->slot, q->joined)}},
	};
	return true;
}

/* epoll_ctl() waits for whoever writes to the descriptor, which takes as long as that wakes waiters (X5). Its close() comes
 * after, by the account's order. */
static void wake_commit(struct wake_change *wake, const struct port_rxq *q) RUNS_ON(control_thread)
{
	if (wake == NULL)
		return;
	if (q->account != NULL) {
		disposal_start(q->account, &wake->job);
		return;
	}
	wake_run(&wake->job);
	wake_done(&wake->job);
}

static void wake_add(struct wake_change *wake, struct port_rxq *q) RUNS_ON(control_thread)
{
	atomic_store_explicit(&q->unwatched, false, memory_order_relaxed);
	if (wake != NULL)
		wake->q = q;
	if (wake != NULL && q->account != NULL)
		q->waking = &wake->job;
	wake_commit(wake, q);
}

/* One that is not in the set yet need not be taken out. */
static void wake_remove(struct wake_change *wake, struct port_rxq *q) RUNS_ON(control_thread)
{
	struct disposal_job *waking = q->waking;

	q->waking = NULL;
	if (waking != NULL)
		container_of(waking, struct wake_change, job)->q = NULL;
	if (waking != NULL && disposal_cancel(waking)) {
		free(container_of(waking, struct wake_change, job));
		free(wake);
	} else {
		wake_commit(wake, q);
	}
}

/* --- queues ------------------------------------------------------------------------------------------------------ */

/* Where a queue goes of whose load nothing is known. */
static unsigned int first_lcore_of(const struct port_rxq *q) RUNS_ON(control_thread)
{
	uint16_t queues[LCORES_MAX];

	for (unsigned int i = 0; i < lcores.n; i++)
		queues[i] = rcu_own(&lcores.lcore[i].set)->n;
	return place_choose(&lcores.place, queues, q->node);
}

bool lcores_nearer(const struct port_rxq *q, unsigned int *to)
{
	*to = first_lcore_of(q);
	return q->lcore >= 0 &&
	       place_price(&lcores.place, q->node, *to) < place_price(&lcores.place, q->node, (unsigned int)q->lcore);
}

int lcores_add_queue(struct port_rxq *q)
{
	unsigned int index = q->lcore_next > 0 ? q->lcore_next - 1 : first_lcore_of(q);
	struct lcore *lc = &lcores.lcore[index];
	const struct poll_set *before = rcu_own(&lc->set);
	struct poll_set *set = set_alloc((uint16_t)(before->n + 1));
	struct wake_change *wake;

	if (set == NULL || port_rxq_room(q) != 0 || !place_take(lc, q)) {
		free(set);
		return -ENOMEM;
	}
	if (!wake_prepare(&wake, lc, q, EPOLL_CTL_ADD)) {
		place_give_back(lc, q);
		free(set);
		return -ENOMEM;
	}
	memcpy(set->queue, before->queue, before->n * sizeof(set->queue[0]));
	set->queue[before->n] = q;
	q->lcore = (int)index;
	q->lcore_next = 0;
	atomic_store_explicit(&q->withdrawn, false, memory_order_relaxed);
	wake_add(wake, q);
	lcore_reads(q->port->bridge, index);
	set_publish(lc, set);
	return 0;
}

/* The queue stays in the poll set for now, and its ring and memory do not stay with it. */
static void words_give_up(struct lcore *lc, struct port_rxq *q) RUNS_ON(control_thread)
{
	atomic_store_explicit(&q->withdrawn, true, memory_order_relaxed);
	/* Pairs with lcore_round_over(): whoever sees this sees `withdrawn`, too; and before the ring is withdrawn. */
	atomic_fetch_add_explicit(&lc->rung.given_up, 1, memory_order_release);
	/* It may run again without having left: cold, it would not be armed. */
	bell_mark(lc, q->slot);
	doorbell_ring(&lc->bell);
}

int lcores_remove_queue(struct port_rxq *q)
{
	struct lcore *lc;
	const struct poll_set *before;
	struct wake_change *wake;
	struct poll_set *set;
	uint16_t n = 0;

	if (q->lcore < 0)
		return 0;
	lc = &lcores.lcore[q->lcore];
	before = rcu_own(&lc->set);
	set = set_alloc(before->n);
	if (set == NULL || !wake_prepare(&wake, lc, q, EPOLL_CTL_DEL)) {
		free(set);
		words_give_up(lc, q);
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < before->n; i++)
		if (before->queue[i] != q)
			set->queue[n++] = before->queue[i];
	set->n = n;
	wake_remove(wake, q);
	set_publish(lc, set);
	place_give_back(lc, q);
	lcore_reads_less(q->port->bridge, (unsigned int)q->lcore);
	q->lcore = -1;
	return 0;
}

void lcores_look_at(struct port_rxq *q)
{
	struct lcore *lc;

	if (q->lcore < 0)
		return;
	lc = &lcores.lcore[q->lcore];
	bell_mark(lc, q->slot);
	doorbell_ring(&lc->bell);
}

int lcores_move_queue(struct port_rxq *q, unsigned int to)
{
	int error = q->lcore >= 0 ? lcores_remove_queue(q) : -ENOENT;

	if (error != 0)
		return error;
	q->lcore_next = to + 1;
	q->moves++;
	balance_moved(balance_load_of(q));
	return 0;
}

/* --- what goes to and comes from the lcores ---------------------------------------------------------------------- */

void lcores_set_epoch(uint16_t epoch)
{
	atomic_store_explicit(&lcores.epoch, epoch, memory_order_relaxed);
}

unsigned int lcores_take_reports(struct report *reports, unsigned int max) ROLE_UNCHECKED
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < lcores.n && n < max; i++)
		n += report_drain(lcores.lcore[i].ctx.reports, reports + n, max - n);
	return n;
}

uint64_t lcores_reports_lost(void) ROLE_UNCHECKED
{
	uint64_t lost = 0;

	for (unsigned int i = 0; i < lcores.n; i++)
		lost += report_lost_n(lcores.lcore[i].ctx.reports);
	return lost;
}

const struct punt *lcore_punt_next(struct lcore *lcore) ROLE_UNCHECKED
{
	return punt_next(lcore->ctx.punts);
}

void lcore_punt_done(struct lcore *lcore) ROLE_UNCHECKED
{
	punt_done(lcore->ctx.punts);
}
