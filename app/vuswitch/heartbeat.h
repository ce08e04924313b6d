/* SPDX-License-Identifier: BSD-3-Clause */
/* heartbeat.h: tells the service manager that the switch still moves (sd_watchdog_enabled(3)).
 *
 * A beat is sent when control has turned its loop and every lcore has passed a quiescent state since the one before: a service
 * manager that hears none for as long as it allows ends the switch, and starts it anew. Nothing happens where none has asked.
 *
 * Context: control.
 */
#ifndef VUS_HEARTBEAT_H
#define VUS_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "rcu.h"
#include "role.h"

struct heartbeat {
	struct loop *loop;
	struct loop_timer timer;
	struct rcu_wait wait; /* for all lcores */
	uint64_t period_ns;   /* three of them are as long as the manager allows; 0: nobody has asked */
	uint64_t since;	      /* the wait began */
	bool waits;
	bool told;	      /* that it has taken long */
};

/* `loop` outlives it. */
void heartbeat_start(struct heartbeat *heartbeat, struct loop *loop) RUNS_ON(control_thread);
/* No beat is sent any more. A wait that is under way may end later: *heartbeat stays until the loop has ended. */
void heartbeat_stop(struct heartbeat *heartbeat) RUNS_ON(control_thread);

#endif
