/* SPDX-License-Identifier: BSD-3-Clause */
#include "punt.h"

#include <stdlib.h>
#include <string.h>

#include "doorbell.h"
#include "frame_checksum.h"
#include "frame_offload.h"
#include "port.h"
#include "rate.h"
#include "slot_ring.h"

struct punt_ring {
	struct slot_ring slots;
	struct doorbell *bell;
};
WHOLE_LINES(struct punt_ring);

_Static_assert(sizeof(struct punt) % LINE_BYTES == 0, "a slot is whole lines");

struct punt_ring *punt_ring_create(struct doorbell *bell)
{
	struct punt_ring *ring = aligned_alloc(_Alignof(struct punt_ring), sizeof(*ring));

	if (ring == NULL)
		return NULL;
	ring->bell = bell;
	if (slot_ring_init(&ring->slots, CONTROL_FRAMES, sizeof(struct punt)) != 0) {
		free(ring);
		return NULL;
	}
	return ring;
}

void punt_ring_destroy(struct punt_ring *ring)
{
	if (ring == NULL)
		return;
	slot_ring_fini(&ring->slots);
	free(ring);
}

/* The sender left the checksum to be finished: control reads the frame as it would be on a wire. */
static void finish_checksum(struct punt *punt, const struct frame *frame)
{
	const struct frame whole = {.head = punt->bytes, .head_len = punt->len, .len = punt->len};
	uint32_t start = frame->offload.csum_start, field = start + frame->offload.csum_offset;
	uint16_t checksum = frame_checksum(&whole, start);

	memcpy(punt->bytes + field, &checksum, sizeof(checksum));
}

void punt_post(struct lcore_ctx *ctx, struct port *port, enum punt_kind kind, const struct frame *frame)
{
	struct port_counters *counters = port_counters_of(port, ctx);
	struct punt *punt;

	if (frame->len > sizeof(punt->bytes)) {
		count_drop(counters, PORT_DROP_PUNT + PUNT_DROP_LONG, 1, frame);
		return;
	}
	punt = slot_ring_claim(&ctx->punts->slots);
	if (punt == NULL) {
		count_drop(counters, PORT_DROP_PUNT + PUNT_DROP_FULL, 1, frame);
		return;
	}
	/* Last, because it takes from the port what the others would waste. */
	if (!rate_take(&port->punts, clock_ns(), CONTROL_FRAMES_RATE, CONTROL_FRAMES_BURST)) {
		count_drop(counters, PORT_DROP_PUNT + PUNT_DROP_RATE, 1, frame);
		return;
	}
	punt->port = port->id;
	punt->kind = (uint16_t)kind;
	punt->vlan = frame->vlan;
	punt->len = (uint16_t)frame->len;
	frame_copy(frame, punt->bytes);
	if (frame_needs_offload(frame))
		finish_checksum(punt, frame);
	slot_ring_commit(&ctx->punts->slots);
	doorbell_ring(ctx->punts->bell);
}

const struct punt *punt_next(struct punt_ring *ring)
{
	return slot_ring_next(&ring->slots);
}

void punt_done(struct punt_ring *ring)
{
	slot_ring_done(&ring->slots);
}
