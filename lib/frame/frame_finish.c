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
			const struct frame_capabilities *caps)
{
	finish->too_big = 0;
	finish->checksummed = finish->segmented = finish->segments = 0;
	finish->caps = caps;
	finish->frames = frames;
	finish->n = n;
	finish->next = 0;
	finish->cutting = false;
}

/* Whether the receiver can do what is asked. */
static bool takes(const struct frame_capabilities *caps, const struct frame *frame)
{
	struct frame_layers layers;

	if ((frame_offloads_needed(frame) & ~caps->offloads) != 0)
		return false;
	if (frame->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE && frame->len > caps->cut_max)
		return false;
	return !caps->plain || (frame_layers_find(frame, &layers) && layers.plain &&
				layers.l4 == frame->offload.csum_start);
}

/* The spans of the frame's bytes [from, to): their number. */
static uint16_t slice(const struct frame *frame, uint32_t from, uint32_t to, struct mem_span *spans)
{
	const struct mem_span head = {.at = frame->head, .len = frame->head_len};
	uint32_t at = 0;
	uint16_t n = 0;

	for (uint32_t i = 0; i <= frame->body_spans && at < to; i++) {
		const struct mem_span *span = i == 0 ? &head : &frame->body[i - 1];
		uint32_t begin = from > at ? from - at : 0;
		uint32_t end = to - at < span->len ? to - at : span->len;

		if (begin < end)
			spans[n++] = (struct mem_span){.at = span->at + begin, .len = end - begin};
		at += span->len;
	}
	return n;
}

/* The same frame with a head of its own, in which the checksum is finished; in a tunnel its field may lie behind the head,
 * then it is a span of its own. */
static void put_checksummed(struct frame_finish *finish, struct round *round,
			    struct frame *frame)
{
	uint32_t start = frame->offload.csum_start, field = start + frame->offload.csum_offset;
	uint32_t kept = frame->head_len < FRAME_HEAD ? frame->head_len : FRAME_HEAD;
	uint16_t *checksum = &finish->checksum[round->n], n = 0;
	struct mem_span *spans = &finish->span[round->spans];
	struct frame *own = &finish->own[round->n];
	bool in_head = field + sizeof(*checksum) <= kept;

	if (!in_head && field < kept)
		kept = field;
	*own = (struct frame){
		.head = finish->room[round->n].head,
		.head_len = (uint16_t)kept,
		.len = frame->len,
		.body = spans,
		.tag = frame->tag,
		.vlan = frame->vlan,
	};
	*checksum = frame_checksum(frame, start);
	memcpy(own->head, frame->head, kept);
	if (in_head) {
		memcpy(own->head + field, checksum, sizeof(*checksum));
		n = slice(frame, kept, frame->len, spans);
	} else {
		n = slice(frame, kept, field, spans);
		spans[n++] = (struct mem_span){.at = (uint8_t *)checksum, .len = sizeof(*checksum)};
		n = (uint16_t)(n + slice(frame, field + (uint32_t)sizeof(*checksum), frame->len,
					 spans + n));
	}
	own->body_spans = n;
	round->spans += n;
	finish->of[round->n] = frame;
	finish->out[round->n++] = own;
	finish->checksummed++;
}

/* As many pieces as the round has room for. */
static void put_pieces(struct frame_finish *finish, struct round *round)
{
	uint16_t len = finish->cut.whole->offload.hdr_len;
	/* With a tag of ours headers may be longer than a head that was received. */
	uint16_t before = len > FRAME_HEAD ? (uint16_t)(len - FRAME_HEAD) : 0;

	while (round->n < BURST_MAX && !frame_cut_ends(&finish->cut)) {
		struct frame *own = &finish->own[round->n];

		frame_cut_next(&finish->cut, own, finish->room[round->n].head - before,
			       &finish->span[round->spans]);
		round->spans += own->body_spans;
		finish->of[round->n] = finish->whole;
		finish->out[round->n++] = own;
		finish->segments++;
	}
	finish->cutting = !frame_cut_ends(&finish->cut);
	finish->segments -= !finish->cutting; /* one of them was there before */
}

static void frame_finish_put(struct frame_finish *finish, struct round *round, struct frame *frame)
{
	if (frame_wire_len(frame) + (finish->caps->inserts ? frame_inserted_len(frame) : 0) > finish->caps->len_max) {
		frame->tx_drop = finish->caps->too_big;
		finish->too_big++;
		finish->big = frame;
	} else if (!frame_needs_offload(frame) || takes(finish->caps, frame)) {
		finish->of[round->n] = frame;
		finish->out[round->n++] = frame;
	} else if (frame->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		put_checksummed(finish, round, frame);
	} else {
		finish->segmented++;
		finish->whole = frame;
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
		frame_finish_put(finish, &round, finish->frames[finish->next++]);
	return round.n;
}

void frame_finish_tell(const struct frame_finish *finish, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (finish->out[i] != finish->of[i] && finish->out[i]->tx_drop != 0)
			finish->of[i]->tx_drop = finish->out[i]->tx_drop;
}
