/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore.h: the threads that move frames: poll sets, the loop, sleeping, and where the time goes.
 *
 * Each EAL worker runs lcore_main(): an endless round over those of its receive queues in which something goes on. Its poll
 * set, all of them, is an immutable array published by RCU; the control thread makes a new one whenever a queue appears, goes
 * or moves. What is quiet is looked at less and less, and then not at all until it rings (lcore_tiers.h).
 *
 * Idle. After a while without a frame, which is a millisecond where frames have come that often lately and some
 * microseconds where they have not (lcore_vigil()), an lcore arms the queues that it still looks at, looks once more, goes
 * offline for RCU and sleeps on all queues' descriptors (epoll, edge-triggered: nothing has to be read) and on its own
 * doorbell, which the control thread rings when the set has changed. A queue that cannot wake its lcore limits the sleep to a
 * millisecond, and one that is held to its time. Frames whose time was known keep no lcore awake. busy_poll turns sleeping off.
 *
 * Load. Each queue counts the cycles its bursts took; once an interval control takes them (lcores_measure()), and from them
 * follows which queues should move to another lcore (balance.h).
 *
 * Context: lcore_main() is the worker; everything else is the control thread's, but any thread may read counters.
 * Units: TSC cycles for time, unless a name says ns.
 */
#ifndef VUS_LCORE_H
#define VUS_LCORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "balance.h"
#include "histogram.h"
#include "port.h"
#include "punt.h"
#include "rcu.h"
#include "role.h"

/* The set is [n] queues; a queue is in one set only. */
struct poll_set {
	uint16_t n;
	uint32_t generation; /* one more than the set before it */
	struct port_rxq *queue[];
};

/* Written by the lcore; anyone reads. Cycles are TSC ticks. */
struct lcore_counters {
	_Atomic uint64_t frames;
	_Atomic uint64_t loops;
	_Atomic uint64_t busy;	  /* cycles of rounds that moved a frame */
	_Atomic uint64_t idle;	  /* cycles of rounds that found nothing */
	_Atomic uint64_t asleep;  /* cycles spent waiting in the kernel */
	_Atomic uint64_t sleeps;
	_Atomic uint64_t rings;	  /* kicks of queues that were not polled */
	_Atomic uint64_t longest; /* longest round, since the last reset */
	_Atomic uint64_t reset;	  /* bumped by control: forget `longest` */
	struct histogram wakes;	  /* ns from the ring of its doorbell until it runs */
	struct histogram starts;  /* ns from when a kick has woken it until it has moved the first frames */
};

struct lcore;

/* One for each EAL worker. Takes all memory lcores will ever need. 0 or -errno with a line in `fail` (no worker lcore). */
int lcores_create(bool busy_poll, struct doorbell *reports_bell, struct fail *fail)
	RUNS_ON(control_thread);
void lcores_destroy(void) RUNS_ON(control_thread);

/* Starts the loops / ends them and waits for it (they end within a round, or within a wake-up). */
int lcores_start(void) RUNS_ON(control_thread);
void lcores_stop(void) RUNS_ON(control_thread);

unsigned int lcores_n(void);
struct lcore *lcore_at(unsigned int i); /* 0 to lcores_n() - 1 */

/* A queue joins the poll set of the lcore with the fewest queues, of those on the node of its memory, or leaves its set.
 * After leaving, the caller waits for the lcores (rcu.h) before the queue may go or join another set: for those of its port's
 * scope, if the port stays. 0 or -ENOMEM. */
int lcores_add_queue(struct port_rxq *q) RUNS_ON(control_thread);
int lcores_remove_queue(struct port_rxq *q) RUNS_ON(control_thread);
/* A queue leaves its set and joins that of another lcore the next time it is added, for which the caller waits as above.
 * 0, -ENOMEM, or -ENOENT: it is in no set. */
int lcores_move_queue(struct port_rxq *q, unsigned int to) RUNS_ON(control_thread);
/* What its port's policy says of it has changed: it is looked at again, held or not. */
void lcores_look_at(struct port_rxq *q) RUNS_ON(control_thread);
/* Whether a queue that is polled should be so by another lcore, *to, now that the node of its memory is known. */
bool lcores_nearer(const struct port_rxq *q, unsigned int *to) RUNS_ON(control_thread);

/* Takes what lcores reported, lcore by lcore: the number written to `reports`, at most `max`. */
unsigned int lcores_take_reports(struct report *reports, unsigned int max) RUNS_ON(control_thread);
uint64_t lcores_reports_lost(void) RUNS_ON(control_thread);
/* The oldest frame that an lcore has for control (punt.h), valid until lcore_punt_done(); NULL: none. */
const struct punt *lcore_punt_next(struct lcore *lcore) RUNS_ON(control_thread);
void lcore_punt_done(struct lcore *lcore) RUNS_ON(control_thread);

/* Seconds since the start, for aging; control advances it once a second. */
void lcores_set_epoch(uint16_t epoch) RUNS_ON(control_thread);

/* --- load: lcore_load.c --- */

/* A move that would even out the load. */
struct lcores_move {
	struct port_rxq *queue;
	struct balance_move gain;
};
/* Takes what each queue in a poll set has cost since the last call. Once an interval. */
void lcores_measure(void) RUNS_ON(control_thread);
/* What should move, best first: their number, at most `max`. */
unsigned int lcores_plan(struct lcores_move *moves, unsigned int max) RUNS_ON(control_thread);
/* The sum over the queues it polls, in millionths of its time (balance.h). */
uint32_t lcore_load(const struct lcore *lcore) RUNS_ON(control_thread);

/* --- to look at --- */
unsigned int lcore_id(const struct lcore *lcore);  /* EAL's number */
int lcore_cpu(const struct lcore *lcore);	   /* first CPU it may run on */
int lcore_node(const struct lcore *lcore) RUNS_ON(control_thread); /* NUMA node of that, or NODE_UNKNOWN */
/* The queue's memory lies on another node than the lcore. */
bool lcore_crosses(const struct lcore *lcore, const struct port_rxq *q) RUNS_ON(control_thread);
const struct lcore_counters *lcore_counters(const struct lcore *lcore);
const struct poll_set *lcore_poll_set(const struct lcore *lcore) RUNS_ON(control_thread);
void lcore_reset_longest(struct lcore *lcore) RUNS_ON(control_thread);
/* Wakes it up for nothing, if it sleeps: how long that takes is in its counters then. */
void lcore_try_waking(struct lcore *lcore) RUNS_ON(control_thread);
uint64_t lcore_cycles_per_second(void);

#endif
