/* SPDX-License-Identifier: BSD-3-Clause */
/* dice.h: a small generator that repeats: tests must not depend on the day. Each file has its own; a thread has its own
 * state.
 */
#ifndef DICE_H
#define DICE_H

#include <stdint.h>

static uint64_t dice_state = 5;

/* 31 bits. */
static inline uint32_t dice_of(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static inline uint32_t dice(uint32_t below)
{
	return dice_of(&dice_state) % below;
}

static inline void dice_seed(uint64_t seed)
{
	dice_state = seed * 2 + 1;
}

#endif
