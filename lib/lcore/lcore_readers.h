/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_readers.h: which lcores can hold what the ports of a bridge have published for them: rings, memory maps, dirty logs.
 * A wait that concerns one port is for these (rcu_scope): an lcore that another guest's memory keeps waiting does not delay it.
 *
 * An lcore reaches a port by polling one of its queues or one of another port of its bridge, or by sending a frame of
 * control's to it (lcore_inject.h). So it may hold a pointer if such a queue is in its poll set, if one was and the lcore has
 * not passed since, or if it may be sending such a frame just now.
 *
 * Context: control.
 */
#ifndef VUS_LCORE_READERS_H
#define VUS_LCORE_READERS_H

#include <stdint.h>

#include "rcu.h"
#include "role.h"

struct bridge;

/* A queue of one of its ports is about to be in the poll set of this lcore; is not any more. NULL: it is on no bridge. */
void lcore_reads(struct bridge *bridge, unsigned int lcore) RUNS_ON(control_thread);
void lcore_reads_less(struct bridge *bridge, unsigned int lcore) RUNS_ON(control_thread);

/* A frame for the bridge or one of its ports has been put into this lcore's ring. */
void lcore_is_to_send(struct bridge *bridge, unsigned int lcore) RUNS_ON(control_thread);

/* Sets their bits. */
void lcores_that_read(struct bridge *bridge, struct rcu_readers *readers) RUNS_ON(control_thread);

/* `wanted`, if it polls a queue of the bridge; else one that does; else `wanted`. */
unsigned int lcore_near(struct bridge *bridge, unsigned int wanted) RUNS_ON(control_thread);

#endif
