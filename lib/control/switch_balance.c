/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_balance.c: queues move to lcores that have less to do.
 *
 * A queue moves as it comes and goes: it leaves one poll set, the lcores of its bridge pass, it joins the other. No lcore polls
 * it in between, so nothing is taken from it out of order, and what waits there waits some microseconds longer.
 */
#include <string.h>

#include "log.h"
#include "switch_private.h"

static int move(struct vus_switch *sw, const struct lcores_move *what) RUNS_ON(control_thread)
{
	const struct balance_move *gain = &what->gain;
	struct port *port = what->queue->port;
	int error = switch_port_move_queue(sw->port[port->id], what->queue, gain->to);

	if (error != 0)
		return error;
	sw->moves++;
	log_info("vuswitch",
		 "queue %u of %s moves from lcore %u (busy %u %%) to lcore %u%s: the busier of them will be "
		 "at %u %%",
		 what->queue->index, port->name, lcore_id(lcore_at(gain->from)), gain->before / BALANCE_PERCENT,
		 lcore_id(lcore_at(gain->to)), gain->home ? ", nearer to its memory" : "", gain->after / BALANCE_PERCENT);
	return 0;
}

bool switch_rebalances(const struct vus_switch *sw)
{
	return sw->config.options.rebalance;
}

uint64_t switch_moves_n(const struct vus_switch *sw)
{
	return sw->moves;
}

unsigned int switch_rebalance(struct vus_switch *sw, struct lcores_move *moves, unsigned int max,
			      bool now)
{
	unsigned int n = lcores_plan(moves, max);

	for (unsigned int i = 0; now && i < n; i++)
		if (move(sw, &moves[i]) != 0)
			return i;
	return n;
}

void switch_balance_tick(struct vus_switch *sw)
{
	struct lcores_move moves[BALANCE_MOVES];

	lcores_measure();
	if (!switch_rebalances(sw) || lcores_plan(moves, 1) == 0) {
		sw->uneven_for = 0;
		return;
	}
	if (++sw->uneven_for < BALANCE_PATIENCE)
		return;
	sw->uneven_for = 0;
	switch_rebalance(sw, moves, BALANCE_MOVES, true); /* without memory: another time */
}
