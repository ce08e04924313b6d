/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_readers.h"

#include "bridge.h"
#include "lcore_private.h"

void lcore_reads(struct bridge *bridge, unsigned int lcore)
{
	if (bridge != NULL)
		bridge_readers(bridge)->queues[lcore]++;
}

void lcore_reads_less(struct bridge *bridge, unsigned int lcore)
{
	if (bridge == NULL)
		return;
	bridge_readers(bridge)->queues[lcore]--;
	bridge_readers(bridge)->left[lcore] = rcu_mark();
}

void lcore_is_to_send(struct bridge *bridge, unsigned int lcore)
{
	struct bridge_readers *known;

	if (bridge == NULL)
		return;
	known = bridge_readers(bridge);
	known->injected[lcore] = true;
	known->injects_end[lcore] = atomic_load_explicit(&lcores.lcore[lcore].injects.head, memory_order_relaxed);
}

/* Whether the lcore may be sending one of its frames. What it sends after it has passed, it sends to what is published then. */
static bool sends(struct bridge_readers *known, unsigned int lcore) RUNS_ON(control_thread)
{
	/* Pairs with slot_ring_done(): the frame has been delivered. */
	uint32_t sent = atomic_load_explicit(&lcores.lcore[lcore].injects.tail, memory_order_acquire);

	if (known->injected[lcore] && (int32_t)(known->injects_end[lcore] - sent) <= 0)
		known->injected[lcore] = false;
	return known->injected[lcore];
}

void lcores_that_read(struct bridge *bridge, struct rcu_readers *readers)
{
	struct bridge_readers *known = bridge_readers(bridge);

	for (unsigned int i = 0; i < lcores.n; i++)
		if (known->queues[i] > 0 || !rcu_has_passed(i, known->left[i]) || sends(known, i))
			rcu_readers_add(readers, i);
}

unsigned int lcore_near(struct bridge *bridge, unsigned int wanted)
{
	const struct bridge_readers *known = bridge != NULL ? bridge_readers(bridge) : NULL;

	for (unsigned int i = 0; known != NULL && i < lcores.n; i++)
		if (known->queues[(wanted + i) % lcores.n] > 0)
			return (wanted + i) % lcores.n;
	return wanted % lcores.n;
}
