/* SPDX-License-Identifier: BSD-3-Clause */
#include "place.h"

void place_add(struct place *place, int node)
{
	place->node[place->lcores] = node >= 0 && node < PLACE_NODES ? (int8_t)node : NODE_UNKNOWN;
	place->several |= place->lcores > 0 && place->node[place->lcores] != place->node[0];
	place->lcores++;
}

void place_set_distance(struct place *place, int a, int b, unsigned int distance)
{
	unsigned int price = distance > NODE_NEAR ? PLACE_PRICE * (distance - NODE_NEAR) : 0;

	if (a < 0 || a >= PLACE_NODES || b < 0 || b >= PLACE_NODES)
		return;
	place->price[a][b] = place->price[b][a] = price < PLACE_PRICE_MAX ? (uint8_t)price : PLACE_PRICE_MAX;
}

unsigned int place_choose(const struct place *place, const uint16_t *queues, int node)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < place->lcores; i++) {
		uint32_t price = place_price(place, node, i), least = place_price(place, node, best);

		if (price < least || (price == least && queues[i] < queues[best]))
			best = i;
	}
	return best;
}
