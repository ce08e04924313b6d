/* SPDX-License-Identifier: BSD-3-Clause */
/* burst_turn.h: lcores take turns, a burst each, at what several of them write: a guest's receive queue, a lane's ring.
 *
 * Context: lcores, which wait here for one another and for nobody else; control never takes a turn.
 */
#ifndef VUS_BURST_TURN_H
#define VUS_BURST_TURN_H

#include <stdatomic.h>
#include <stdbool.h>

struct burst_turn {
	atomic_flag taken;
};

/* Context: control, before any lcore knows of it. */
static inline void burst_turn_init(struct burst_turn *turn)
{
	atomic_flag_clear(&turn->taken);
}

/* Returns: false: another lcore has it. */
static inline bool burst_turn_try(struct burst_turn *turn)
{
	/* Pairs with burst_turn_leave(): what it is about is as the lcore before us left it. */
	return !atomic_flag_test_and_set_explicit(&turn->taken, memory_order_acquire);
}

static inline void burst_turn_take(struct burst_turn *turn)
{
	while (!burst_turn_try(turn))
		__builtin_ia32_pause();
}

static inline void burst_turn_leave(struct burst_turn *turn)
{
	/* Pairs with burst_turn_try(). */
	atomic_flag_clear_explicit(&turn->taken, memory_order_release);
}

#endif
