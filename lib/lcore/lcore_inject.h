/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_inject.h: frames that control makes and an lcore sends: out of one port, or into a bridge.
 *
 * Delivering a frame writes guest memory, which control never does: it copies the frame into a ring, and the lcore delivers
 * it in its next round, asleep or not. Frames for one port, and into one bridge, go through one lcore (one that polls a queue of
 * the bridge, if there is such) and stay in order as long as queues stay where they are. Both ends
 * are bounded: a port, or a bridge, has a rate (vus_limits.h), the ring a size, a round what it takes of it.
 *
 * Context: control.
 * Returns: 0, or, counted at the port (inject_drop), or else at the bridge: -EMSGSIZE: longer than CONTROL_FRAME_MAX or shorter
 * than FRAME_LEN_MIN; -EAGAIN: beyond the rate; -ENOBUFS: the ring is full.
 * Units: bytes.
 */
#ifndef VUS_LCORE_INJECT_H
#define VUS_LCORE_INJECT_H

#include <stdint.h>

#include "role.h"

struct bridge;
struct port;

/* Out of a port of a bridge, whatever its destination: as a frame of the switch's own that is flooded there, so not out of one
 * that is closed, not in the frame's VLAN or a mirror's sink, and through its filter. On a vlan-aware bridge a frame without a
 * tag is in VLAN 1, and it leaves with a tag or without as the port sends its VLAN. */
int lcores_inject_port(struct port *to, const uint8_t *bytes, uint16_t len) RUNS_ON(control_thread);

/* Into a bridge: looked up like a frame that came from `from`, one of its ports; it does not come back there, and leaves by the
 * ports that such a frame may leave by. NULL: it came from the switch itself. Its source is not learned. */
int lcores_inject_bridge(struct bridge *bridge, struct port *from, const uint8_t *bytes, uint16_t len)
	RUNS_ON(control_thread);

/* Drops what still waits for a port (to it, or said to come from it), or a bridge, that goes. Before the wait for the lcores that
 * lets it go: what an lcore has taken already is covered by that. */
void lcores_forget_port(struct port *port) RUNS_ON(control_thread);
void lcores_forget_bridge(struct bridge *bridge) RUNS_ON(control_thread);

#endif
