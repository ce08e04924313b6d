/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_held.h: the queues of an lcore that are held (lcore_tiers.h), as a heap: the one whose time comes first is at hand, and
 * one that joins or leaves takes as many steps as their number has bits. There may be hundreds of VMs with a limit.
 *
 * Context: the lcore.
 * Units: TSC ticks.
 */
#ifndef VUS_LCORE_HELD_H
#define VUS_LCORE_HELD_H

#include "lcore_tiers.h"

/* The queue of a place that is in no tier is held until then; its place knows where it stands. */
void lcore_held_join(struct lcore_tiers *tiers, uint16_t slot, uint64_t until);
/* One that is held is no longer. */
void lcore_held_leave(struct lcore_tiers *tiers, uint16_t slot);

#endif
