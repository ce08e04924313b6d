/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_held.h"

static void held_set(struct lcore_tiers *tiers, uint32_t at, struct lcore_held held)
{
	tiers->held[at] = held;
	tiers->place[held.slot].at = (uint16_t)at;
}

/* Puts one in at `at`, or, where those above it have a later time, in place of one of them. */
static void held_rise(struct lcore_tiers *tiers, uint32_t at, struct lcore_held held)
{
	while (at > 0 && tiers->held[(at - 1) / 2].until > held.until) {
		held_set(tiers, at, tiers->held[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	held_set(tiers, at, held);
}

/* Likewise where those below it have an earlier one. */
static void held_sink(struct lcore_tiers *tiers, uint32_t at, struct lcore_held held)
{
	uint32_t below;

	while ((below = 2 * at + 1) < tiers->held_n) {
		if (below + 1 < tiers->held_n && tiers->held[below + 1].until < tiers->held[below].until)
			below++;
		if (tiers->held[below].until >= held.until)
			break;
		held_set(tiers, at, tiers->held[below]);
		at = below;
	}
	held_set(tiers, at, held);
}

void lcore_held_join(struct lcore_tiers *tiers, uint16_t slot, uint64_t until)
{
	held_rise(tiers, tiers->held_n++, (struct lcore_held){.until = until, .slot = slot});
	tiers->held_until = tiers->held[0].until;
}

void lcore_held_leave(struct lcore_tiers *tiers, uint16_t slot)
{
	uint32_t at = tiers->place[slot].at;
	struct lcore_held last = tiers->held[--tiers->held_n];

	if (at < tiers->held_n) {
		if (at > 0 && tiers->held[(at - 1) / 2].until > last.until)
			held_rise(tiers, at, last);
		else
			held_sink(tiers, at, last);
	}
	tiers->held_until = tiers->held_n > 0 ? tiers->held[0].until : UINT64_MAX;
}
