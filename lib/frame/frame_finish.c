/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_finish.h"

#include <string.h>

#include "frame_checksum.h"

/* A round of output being filled. */
struct round {
	uint16_t n;
	uint32_t spans;
};

void frame_finish_begin(struct frame_finish *finish, struct frame *const *frames, uint16_t n,
			const struct frame_taker *taker)
{
	finish->too_big = 0;
	finish->checksummed = finish->segmented = finish->segments = 0;
	finish->taker = taker;
	finish->frames = frames;
	finish->n = n;
	finish->next = 0;
	finish->cutting = false;
}

/* Whether the receiver can do what is asked. */
static bool takes(const struct frame_taker *taker, const struct frame *frame)
{
	struct frame_layers layers;

	if ((frame_offload_asked(frame) & ~taker->offloads) != 0)
		return false;
	if (frame->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE && frame->len > taker->cut_max)
		return false;
	return !taker->plain || (frame_layers_find(frame, &layers) && layers.plain);
}

/* The same frame with a head of its own, in which the checksum is finished. */
static void put_checksummed(struct frame_finish *finish, struct round *round,
			    const struct frame *frame)
{
	const struct virtio_net_hdr *offload = &frame->offload;
	struct mem_span *spans = &finish->span[round->spans];
	struct frame *own = &finish->own[round->n];
	uint16_t kept = frame->head_len < FRAME_HEAD ? frame->head_len : FRAME_HEAD;

	*own = *frame;
	own->mbuf = NULL;
	own->offload = (struct virtio_net_hdr){0};
	own->head = finish->head[round->n];
	own->head_len = kept;
	memcpy(own->head, frame->head, kept);
	if (kept < frame->head_len) { /* a NIC's: all of its first buffer is head */
		spans[0] = (struct mem_span){.at = frame->head + kept,
					     .len = (uint32_t)frame->head_len - kept};
		for (uint16_t i = 0; i < frame->body_spans; i++)
			spans[i + 1] = frame->body[i];
		own->body = spans;
		own->body_spans = (uint16_t)(frame->body_spans + 1);
		round->spans += own->body_spans;
	}
	frame_checksum(own, offload->csum_start,
		       (uint32_t)offload->csum_start + offload->csum_offset);
	finish->out[round->n++] = own;
	finish->checksummed++;
}

/* As many pieces as the round has room for. */
static void put_pieces(struct frame_finish *finish, struct round *round)
{
	while (round->n < BURST_MAX && !frame_cut_ends(&finish->cut)) {
		struct frame *own = &finish->own[round->n];

		frame_cut_next(&finish->cut, own, finish->head[round->n],
			       &finish->span[round->spans]);
		round->spans += own->body_spans;
		finish->out[round->n++] = own;
		finish->segments++;
	}
	finish->cutting = !frame_cut_ends(&finish->cut);
	finish->segments -= !finish->cutting; /* one of them was there before */
}

static void put(struct frame_finish *finish, struct round *round, struct frame *frame)
{
	if (frame_wire_len(frame) > finish->taker->len_max) {
		finish->too_big++;
	} else if (!frame_asks(frame) || takes(finish->taker, frame)) {
		finish->out[round->n++] = frame;
	} else if (frame->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		put_checksummed(finish, round, frame);
	} else {
		finish->segmented++;
		frame_cut_begin(&finish->cut, frame);
		put_pieces(finish, round);
	}
}

uint16_t frame_finish_next(struct frame_finish *finish)
{
	struct round round = {0};

	if (finish->cutting)
		put_pieces(finish, &round);
	while (round.n < BURST_MAX && finish->next < finish->n)
		put(finish, &round, finish->frames[finish->next++]);
	return round.n;
}
