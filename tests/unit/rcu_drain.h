/* SPDX-License-Identifier: BSD-3-Clause */
/* rcu_drain.h: waits until everything that waits for readers has run. The switch never waits like that.
 *
 * Context: the writer's thread; every reader passes or is offline.
 */
#ifndef RCU_DRAIN_H
#define RCU_DRAIN_H

#include <sched.h>

#include "rcu.h"

static inline void rcu_drain(void)
{
	while (rcu_poll())
		sched_yield();
}

#endif
