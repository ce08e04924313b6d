/* SPDX-License-Identifier: BSD-3-Clause */
/* place.h: on which NUMA nodes lcores are, what it costs to poll a queue from another node than that of its memory, and on which
 * lcore a queue begins: numbers in, an lcore out.
 *
 * A burst that crosses from one node to another takes longer, by PLACE_PRICE percent for each unit of the firmware's distance
 * beyond NODE_NEAR: a third for the usual 21. That is an estimate: no machine with two sockets was at hand to measure it.
 *
 * Context: any thread, on data of its own.
 * Units: prices are in percent of what a burst takes on the node of its memory.
 */
#ifndef VUS_PLACE_H
#define VUS_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "node.h"
#include "vus_limits.h"

enum { PLACE_PRICE = 3, PLACE_PRICE_UNKNOWN = 33, PLACE_PRICE_MAX = 200, PLACE_NODES = 16 };

struct place {
	unsigned int lcores;
	bool several;		  /* lcores are on more than one node */
	int8_t node[LCORES_MAX]; /* of each; NODE_UNKNOWN: none, or one beyond PLACE_NODES */
	uint8_t price[PLACE_NODES][PLACE_NODES]; /* from memory on the one to an lcore on the other */
};

/* An lcore more, on this node. */
void place_add(struct place *place, int node);
/* Two nodes lie this far from each other. */
void place_set_distance(struct place *place, int a, int b, unsigned int distance);

/* What it costs to poll a queue whose memory lies on `node` from there: 0 where that is not known, for then it is the same from
 * everywhere; as much as from another node where the lcore's is not. */
static inline uint32_t place_price(const struct place *place, int node, unsigned int lcore)
{
	int there = place->node[lcore];

	if (node < 0 || node >= PLACE_NODES)
		return 0;
	return there < 0 ? PLACE_PRICE_UNKNOWN : place->price[node][there];
}

/* Where a queue goes of which nothing is known but the node of its memory, or not even that: of those lcores from which it costs
 * least, the one with the fewest queues. */
unsigned int place_choose(const struct place *place, const uint16_t *queues, int node);

#endif
