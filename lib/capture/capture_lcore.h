/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_lcore.h: what an lcore does for captures: it copies the first bytes of a frame, with what became of it, into its ring.
 *
 * A frame from a port is copied as it came, before it is looked at; what becomes of it is known when its burst has been sent, so
 * that the ring holds back its record for as long. A frame to a port is copied when the port has had its turn, as it left; a
 * driver has said in frame.tx_drop which of them it dropped. A filter is run over the head.
 *
 * Context: an lcore, between two quiescent states; the points are those of a port's policy.
 */
#ifndef VUS_CAPTURE_LCORE_H
#define VUS_CAPTURE_LCORE_H

#include <stdint.h>

#include "capture.h"
#include "capture_points.h"
#include "frame.h"
#include "lcore_ctx.h"
#include "port_counters.h"
#include "role.h"

/* Frames of ctx->burst follow, from this port. */
void capture_from_begin(const struct capture_points *points, const struct lcore_ctx *ctx) RUNS_ON(lcore_thread);
/* One of them, as it came. */
void capture_from(const struct capture_points *points, struct lcore_ctx *ctx, const struct frame *frame) RUNS_ON(lcore_thread);
/* It was dropped. */
void capture_from_dropped(const struct capture_points *points, struct lcore_ctx *ctx, const struct frame *frame, enum rx_drop why)
	RUNS_ON(lcore_thread);
/* The last one was not looked at, and comes again. */
void capture_from_undo(const struct capture_points *points, const struct lcore_ctx *ctx, const struct frame *frame)
	RUNS_ON(lcore_thread);
/* What has become of them is known. */
void capture_from_end(const struct capture_points *points, const struct lcore_ctx *ctx) RUNS_ON(lcore_thread);

/* These frames are about to go to a port: none of them is dropped yet. Returns: the time, since 1970. */
uint64_t capture_to_begin(struct frame *const *frames, uint16_t n) RUNS_ON(lcore_thread);
/* They have gone there, or were dropped (frame.tx_drop). */
void capture_to(const struct capture_points *points, const struct lcore_ctx *ctx, struct frame *const *frames, uint16_t n,
		uint64_t time_ns) RUNS_ON(lcore_thread);

#endif
