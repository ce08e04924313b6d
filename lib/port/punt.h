/* SPDX-License-Identifier: BSD-3-Clause */
/* punt.h: frames that control has to see, handed over by an lcore through a small ring of its own.
 *
 * The lcore copies the frame, head and body, so that control never touches guest memory, and does not wait: what is too long,
 * beyond the port's rate or what the ring has room for is counted by name. The rate is the port's, over all lcores and queues:
 * control is one thread for all ports, and a guest that sends nothing but LACP must not keep it from the others.
 *
 * Accounting. A punt is one more destination of the frame, like a port of a flood: punt_post() accounts for each frame it is
 * given, punted or one punt_drop, and the bridge counts rx_ok, or one more of `copies` if the frame goes on to a port as well.
 *
 * Context: one lcore posts, control takes. The doorbell is that of reports: control wakes at most once in its pause.
 * Units: bytes.
 */
#ifndef VUS_PUNT_H
#define VUS_PUNT_H

#include <stdint.h>

#include "frame.h"
#include "lcore_ctx.h"
#include "role.h"
#include "vus_limits.h"

struct doorbell;
struct port;
struct punt_ring;

/* What control is to do with it: which handler it goes to (switch.h). */
enum punt_kind {
	PUNT_LACP,
	PUNT_LLDP,
	PUNT_IGMP,
	PUNT_MLD,
	PUNT_ARP,
	PUNT_KINDS,
};

struct punt {
	uint16_t port; /* id of the port it came from */
	uint16_t kind; /* enum punt_kind */
	uint16_t vlan; /* frame->vlan */
	uint16_t len;
	_Alignas(64) uint8_t bytes[CONTROL_FRAME_MAX]; /* the frame, whole: a checksum its sender left open is in it */
};

/* `bell` is shared by all rings of the process and outlives them.
 * Context: control.
 * Returns: NULL if there is no memory. */
struct punt_ring *punt_ring_create(struct doorbell *bell);
void punt_ring_destroy(struct punt_ring *ring);

/* Gives control a copy of a frame that came from `port`, or counts why not. The frame stays the caller's. */
void punt_post(struct lcore_ctx *ctx, struct port *port, enum punt_kind kind, const struct frame *frame)
	RUNS_ON(lcore_thread);

/* Returns: the oldest frame that waits, valid until punt_done(); NULL: none. Control counts what became of it. */
const struct punt *punt_next(struct punt_ring *ring) RUNS_ON(control_thread);
void punt_done(struct punt_ring *ring) RUNS_ON(control_thread);

#endif
