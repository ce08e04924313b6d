/* SPDX-License-Identifier: BSD-3-Clause */
/* port_terms.h: on which terms a port gives and takes frames now, as its driver's own deliver() would find them: for who asks
 * what would become of a frame without sending it.
 *
 * What deliver() finds in a guest's memory or in a device is no term: whether there is a buffer, and how long it is.
 *
 * Context: the control thread.
 * Units: bytes.
 */
#ifndef VUS_PORT_TERMS_H
#define VUS_PORT_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "frame_finish.h"
#include "port_counters.h"
#include "role.h"

struct port;

struct port_terms {
	enum tx_drop refuses;		 /* whatever the frame is; TX_DROPS: nothing is in the way */
	struct frame_capabilities takes; /* of frames that it takes */
	uint32_t asks; /* FRAME_CSUM | ...: what a frame that comes from it may leave to be done */
	bool mbufs;    /* a frame from it lies in mbufs, and its head is the first of them, */
	uint16_t room; /* so long at most; else FRAME_HEAD bytes are its head */
};

/* What becomes of a frame that is delivered. */
struct port_takes {
	enum tx_drop why;  /* TX_DROPS: it gets there, if there is a buffer */
	uint32_t frames;   /* as so many: one, or the pieces it is cut into */
	bool checksummed;  /* its checksum is finished first */
};

/* Of `frame`, which may be NULL: the terms are those of any. */
void port_terms_of(struct port *port, const struct frame *frame, struct port_terms *terms) RUNS_ON(control_thread);

/* The frame, a checked one (frame_offload.h), goes the way of a driver's deliver() as far as `terms` go; its bytes are read. */
struct port_takes port_terms_take(const struct port_terms *terms, struct frame *frame);

#endif
