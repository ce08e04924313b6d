/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <rte_cycles.h>

#include "lcore_private.h"

void lcores_measure(void)
{
	uint64_t now = rte_rdtsc(), whole = now - lcores.measured;

	if (lcores.measured == 0)
		whole = UINT64_MAX; /* the first time */
	lcores.measured = now;
	for (unsigned int i = 0; i < lcores.n; i++) {
		const struct poll_set *set = rcu_own(&lcores.lcore[i].set);

		for (uint16_t j = 0; j < set->n; j++)
			balance_measure(balance_load_of(set->queue[j]), counted(&set->queue[j]->cycles),
					whole);
	}
}

uint32_t lcore_load(const struct lcore *lcore)
{
	const struct poll_set *set = rcu_own(&lcore->set);
	uint32_t load = 0;

	for (uint16_t i = 0; i < set->n; i++)
		load += balance_load_of(set->queue[i])->share;
	return load;
}

/* Of every queue that is polled, in the order of the poll sets; `all` is what to free. */
struct known {
	struct balance_queue *facts;
	struct port_rxq **queue;
	unsigned int n;
	void *all;
};

static struct known take_stock(void) RUNS_ON(control_thread)
{
	struct known known = {0};
	unsigned int room = 0;

	for (unsigned int i = 0; i < lcores.n; i++)
		room += rcu_own(&lcores.lcore[i].set)->n;
	known.all = malloc(room * (sizeof(*known.facts) + sizeof(struct port_rxq *)));
	if (known.all == NULL)
		return known;
	known.queue = known.all;
	known.facts = (struct balance_queue *)(void *)(known.queue + room);
	for (unsigned int i = 0; i < lcores.n; i++) {
		const struct poll_set *set = rcu_own(&lcores.lcore[i].set);

		for (uint16_t j = 0; j < set->n; j++) {
			struct port_rxq *q = set->queue[j];

			known.queue[known.n] = q;
			known.facts[known.n++] = (struct balance_queue){
				.load = balance_weight(balance_load_of(q)),
				.lcore = (uint16_t)i,
				.backs_off = q->pinned || balance_backs_off(balance_load_of(q)),
				.node = (int8_t)q->node,
			};
		}
	}
	return known;
}

/* Without memory there is no plan, and another one soon. */
unsigned int lcores_plan(struct lcores_move *moves, unsigned int max)
{
	struct known known = take_stock();
	unsigned int n = 0;

	while (n < max && balance_foresee(known.facts, known.n, &lcores.place, &moves[n].gain)) {
		moves[n].queue = known.queue[moves[n].gain.queue];
		n++;
	}
	free(known.all);
	return n;
}
