/* SPDX-License-Identifier: BSD-3-Clause */
/* turn.h: a test in the control thread lets its loop turn until something has happened, ten seconds at most. */
#ifndef TURN_H
#define TURN_H

#include "cases.h"
#include "clock.h"
#include "loop.h"

#define TURN_UNTIL(loop, condition)                                                                                    \
	do {                                                                                                           \
		uint64_t turn_end = clock_ns() + 10 * NS_PER_S;                                                        \
                                                                                                                       \
		role_assert_control();                                                                                 \
		while (!(condition)) {                                                                                 \
			assert_true(clock_ns() < turn_end);                                                            \
			loop_turn(loop, NS_PER_MS);                                                                    \
		}                                                                                                      \
	} while (0)

#endif
