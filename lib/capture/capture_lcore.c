/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture_lcore.h"

#include "capture_private.h"
#include "clock.h"
#include "filter.h"
#include "pcapng.h"
#include "share.h"

/* Writes the first n bytes of the frame to `to`. */
static void copy_first(const struct frame *frame, uint8_t *to, uint32_t n)
{
	uint32_t some = n < frame->head_len ? n : frame->head_len;

	memcpy(to, frame->head, some);
	for (const struct mem_span *span = frame->body; n > some; span++) {
		to += some;
		n -= some;
		some = n < span->len ? n : span->len;
		memcpy(to, span->at, some);
		mem_fetch_body(span->at, some);
	}
}

/* What has become of the capture of a frame. */
enum taken { TAKEN, NO_MATCH, UNKNOWN, LOST };

static enum taken capture_take(struct capture *capture, const struct lcore_ctx *ctx, uint16_t interface,
			       const struct frame *frame, uint64_t time_ns, uint8_t direction, uint32_t reason,
			       struct capture_record **record)
{
	struct capture_lcore *mine = &capture->lcore[ctx->index];
	struct capture_counts *counts = &mine->count[interface];
	uint32_t n = frame->len < capture->options.snap ? frame->len : capture->options.snap;
	enum filter_verdict verdict = FILTER_MATCH;

	count(&counts->seen, 1);
	if (capture->filter != NULL)
		verdict = filter_run(capture->filter->insn, frame->head, frame->head_len, frame->len);
	if (verdict != FILTER_MATCH) {
		count(&counts->unknown, verdict == FILTER_UNKNOWN);
		return verdict == FILTER_UNKNOWN ? UNKNOWN : NO_MATCH;
	}
	count(&counts->accepted, 1);
	*record = capture_ring_claim(&mine->ring, n);
	if (*record == NULL) {
		count(&counts->lost, 1);
		return LOST;
	}
	(*record)->interface = interface;
	(*record)->direction = direction;
	(*record)->reason = reason;
	(*record)->n = n;
	(*record)->len = frame->len;
	(*record)->time_ns = time_ns;
	copy_first(frame, (*record)->bytes, n);
	return TAKEN;
}

/* 1 + the row of port_counter_table. */
static uint32_t rx_reason(enum rx_drop why)
{
	return 1 + (uint32_t)PORT_COUNTERS_ALONE + (uint32_t)why;
}

/* The same of frame.tx_drop. */
static uint32_t tx_reason(uint8_t tx_drop)
{
	return tx_drop != 0 ? (uint32_t)PORT_COUNTERS_ALONE + (uint32_t)RX_DROPS + tx_drop : 0;
}

static struct capture_ring *ring_of(const struct capture_points *points, unsigned int i, const struct lcore_ctx *ctx)
{
	return &points->at[i].capture->lcore[ctx->index].ring;
}

void capture_from_begin(const struct capture_points *points, const struct lcore_ctx *ctx)
{
	uint64_t now_ns = clock_since_1970_ns();

	for (unsigned int i = 0; i < points->n; i++) {
		ring_of(points, i, ctx)->held = true;
		ring_of(points, i, ctx)->time_ns = now_ns;
	}
}

/* Copies are work of the port that the frames came from, like those of a flood. */
static void charge(struct lcore_ctx *ctx, const struct capture *capture, const struct frame *frame)
{
	uint32_t n = frame->len < capture->options.snap ? frame->len : capture->options.snap;

	ctx->cost += share_cost(SHARE_COPY, 0, n);
}

void capture_from(const struct capture_points *points, struct lcore_ctx *ctx, const struct frame *frame)
{
	size_t i = (size_t)(frame - ctx->burst->frame);

	for (unsigned int p = 0; p < points->n; p++) {
		struct capture *capture = points->at[p].capture;
		struct capture_ring *ring = ring_of(points, p, ctx);
		struct capture_record *record;
		enum taken taken;

		if (!capture->options.from || capture->options.drops)
			continue;
		taken = capture_take(capture, ctx, points->at[p].interface, frame, ring->time_ns, PCAPNG_INBOUND, 0, &record);
		ring->taken[i] = (uint8_t)taken;
		if (taken == TAKEN) {
			ring->at[i] = (uint32_t)((uint8_t *)record - ring->bytes);
			charge(ctx, capture, frame);
		}
	}
}

void capture_from_dropped(const struct capture_points *points, struct lcore_ctx *ctx, const struct frame *frame, enum rx_drop why)
{
	size_t i = (size_t)(frame - ctx->burst->frame);

	for (unsigned int p = 0; p < points->n; p++) {
		struct capture *capture = points->at[p].capture;
		struct capture_ring *ring = ring_of(points, p, ctx);
		struct capture_record *record;

		if (!capture->options.from)
			continue;
		/* It was delivered to nobody, so its head is as it came. */
		if (!capture->options.drops) {
			if (ring->taken[i] == TAKEN)
				capture_ring_at(ring, ring->at[i])->reason = rx_reason(why);
		} else if (capture_take(capture, ctx, points->at[p].interface, frame, ring->time_ns, PCAPNG_INBOUND,
					rx_reason(why), &record) == TAKEN) {
			charge(ctx, capture, frame);
		}
	}
}

void capture_from_undo(const struct capture_points *points, const struct lcore_ctx *ctx, const struct frame *frame)
{
	size_t i = (size_t)(frame - ctx->burst->frame);

	for (unsigned int p = 0; p < points->n; p++) {
		struct capture *capture = points->at[p].capture;
		struct capture_ring *ring = ring_of(points, p, ctx);
		struct capture_counts *counts = &capture->lcore[ctx->index].count[points->at[p].interface];
		enum taken taken = (enum taken)ring->taken[i];

		if (!capture->options.from || capture->options.drops)
			continue;
		count(&counts->seen, UINT64_MAX);
		if (taken == UNKNOWN)
			count(&counts->unknown, UINT64_MAX);
		if (taken == TAKEN || taken == LOST)
			count(&counts->accepted, UINT64_MAX);
		if (taken == LOST)
			count(&counts->lost, UINT64_MAX);
		if (taken == TAKEN)
			capture_ring_at(ring, ring->at[i])->skip = true;
	}
}

void capture_from_end(const struct capture_points *points, const struct lcore_ctx *ctx)
{
	for (unsigned int i = 0; i < points->n; i++) {
		ring_of(points, i, ctx)->held = false;
		capture_ring_publish(ring_of(points, i, ctx));
	}
}

uint64_t capture_to_begin(struct frame *const *frames, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		frames[i]->tx_drop = 0;
	return clock_since_1970_ns();
}

void capture_to(const struct capture_points *points, const struct lcore_ctx *ctx, struct frame *const *frames, uint16_t n,
		uint64_t time_ns)
{
	for (unsigned int p = 0; p < points->n; p++) {
		struct capture *capture = points->at[p].capture;
		struct capture_record *record;

		if (!capture->options.to)
			continue;
		for (uint16_t i = 0; i < n; i++)
			if (!capture->options.drops || frames[i]->tx_drop != 0)
				capture_take(capture, ctx, points->at[p].interface, frames[i], time_ns, PCAPNG_OUTBOUND,
					     tx_reason(frames[i]->tx_drop), &record);
		capture_ring_publish(ring_of(points, p, ctx));
	}
}
