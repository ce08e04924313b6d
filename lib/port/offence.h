/* SPDX-License-Identifier: BSD-3-Clause */
/* offence.h: a frame that a port should not have sent, as an lcore shows it to control, which writes it into the log.
 *
 * A port has one place for one frame: an lcore takes it if it is free, copies the head, and reports; control reads and frees it.
 * What comes meanwhile is counted as dropped and not shown, and so is what comes faster than OFFENCES_RATE.
 *
 * Context: any lcore fills, control takes; neither waits.
 * Units: bytes.
 */
#ifndef VUS_OFFENCE_H
#define VUS_OFFENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "rate.h"
#include "role.h"

struct lcore_ctx;
struct port;

struct offence {
	struct rate rate;
	_Atomic bool taken; /* from an lcore's filling it on until control has read it */
	_Atomic bool told;  /* control knows, or will, that the port is to be closed (offence_closes()) */
	uint16_t why;	    /* enum rx_drop */
	uint16_t head_len;
	uint32_t len;
	uint8_t head[FRAME_HEAD];
};

/* Shows control a frame of the port that is dropped, if there is room and time. */
void offence_post(struct lcore_ctx *ctx, struct port *port, uint16_t why, const struct frame *frame) RUNS_ON(lcore_thread);
/* Tells control once, until offence_reset(), that the port is to be closed. */
void offence_closes(struct lcore_ctx *ctx, struct port *port) RUNS_ON(lcore_thread);

/* Of a REPORT_OFFENCE: the frame, in *frame, until offence_done(). Returns: why it was dropped, enum rx_drop. */
uint16_t offence_take(struct port *port, struct frame *frame) RUNS_ON(control_thread);
void offence_done(struct port *port) RUNS_ON(control_thread);
/* The port may be told of again: it is open, or no lcore has it. */
void offence_reset(struct port *port) RUNS_ON(control_thread);

#endif
