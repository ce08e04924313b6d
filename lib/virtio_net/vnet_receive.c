/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_receive.c: a burst out of a guest's transmit queue, and its chains back to the guest. */
#include <linux/virtio_net.h>

#include "frame_ref.h"
#include "mem_touch.h"
#include "port_drops.h"
#include "share.h"
#include "vnet.h"
#include "vnet_aside.h"
#include "vnet_private.h"
#include "vnet_window.h"
#include "vus_limits.h"

/* The way of a burst out of a guest's ring, from the outside in:
 *
 *	vnet_receive()  opens the view and chooses the format
 *	receive_as()    reads how many chains there are, takes those that were found, counts
 *	find_singles()  chains of one descriptor, for as long as they are that
 *	find_chain()    one chain of any number of descriptors
 *	read_heads()    header and head of each frame, once, into our own memory
 *	vnet_complete() gives the chains back, interrupts
 */

/* Takes bytes off the front of a list of spans, into `to`, and leaves the list at what follows. The caller knows that
 * there are that many. */
static void spans_take(struct mem_span **spans, uint8_t *to, uint32_t n)
{
	while (n > 0) {
		struct mem_span *span = *spans;
		uint32_t part = span->len < n ? span->len : n;

		mem_fetch_named(span->at, part);
		memcpy(to, span->at, part);
		mem_fetch_read(to, span->at, part);
		to += part;
		n -= part;
		span->at += part;
		span->len -= part;
		if (span->len == 0)
			(*spans)++;
	}
}

/* Header and head split anywhere over any number of descriptors. */
static void frame_gather(struct frame *frame, struct mem_span *spans, uint32_t n_spans,
			 uint32_t header_len)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	struct mem_span *at = spans;

	spans_take(&at, (uint8_t *)&header, header_len);
	frame->offload = header.hdr;
	frame->head_len = frame->len < FRAME_HEAD ? (uint16_t)frame->len : FRAME_HEAD;
	spans_take(&at, frame->head, frame->head_len);
	frame->body = at;
	frame->body_spans =
		frame->len > frame->head_len ? (uint16_t)(n_spans - (uint32_t)(at - spans)) : 0;
}

/* The common layout: header and frame in one piece. */
static inline void frame_snapshot(struct frame *frame, struct mem_span *span, uint32_t header_len)
{
	const uint8_t *at = span->at + header_len;
	uint32_t len = frame->len;
	uint8_t *head = frame->head;

	mem_fetch_named(span->at, header_len + (len < FRAME_HEAD ? len : FRAME_HEAD));
	memcpy(&frame->offload, span->at, sizeof(frame->offload));
	mem_fetch_read(&frame->offload, span->at, sizeof(frame->offload));
	if (len > FRAME_HEAD) {
		memcpy(head, at, FRAME_HEAD);
		mem_fetch_read(head, at, FRAME_HEAD);
		frame->head_len = FRAME_HEAD;
		*span = (struct mem_span){.at = span->at + header_len + FRAME_HEAD,
					  .len = len - FRAME_HEAD};
	} else {
		mem_copy_short(head, at, len);
		mem_fetch_read(head, at, len);
		frame->head_len = (uint16_t)len;
		frame->body_spans = 0;
	}
}

/* A burst being taken from a ring: how much of it has been found so far. */
struct finding {
	uint16_t heads[BURST_MAX];
	uint16_t n;	/* chains available */
	uint16_t chains;
	uint32_t slots, spans, cost;
	uint64_t bytes;
	uint16_t too_short, too_long; /* chains that hold no frame */
	/* What ended the last run: its first descriptor, where it stands, and what is wrong with it. */
	struct virtq_desc desc;
	uint16_t place;
	int error;
	/* Within an allowance: how many slots the first i + 1 chains take. */
	uint32_t slots_to[BURST_MAX];
};

/* Whether a chain is as long as a header and a frame can be. */
static inline bool frame_fits(uint64_t len, uint32_t header_len)
{
	return len - header_len - FRAME_LEN_MIN <= FRAME_LEN_MAX - FRAME_LEN_MIN;
}

/* A frame of the burst, not read yet. */
static inline void frame_found(struct frame *frame, struct mem_span *spans, uint16_t n, uint32_t len)
{
	frame->len = len;
	frame->body = spans;
	frame->body_spans = n;
}

/* The simple case for as long as it holds: chains of one descriptor in one region that hold a frame. One step of everything
 * for each; what the frame begins with is on its way to us while the rest of the burst is still being found. */
static inline __attribute__((always_inline)) void
find_singles(const struct virtq_view *view, struct finding *found, struct burst *burst,
	     const struct virtq_format *format)
{
	uint32_t header_len = view->conf->header_len, first = found->chains, slots = found->slots;
	uint32_t n = found->n - first, room = BURST_SPANS - found->cost, i;
	const struct mem_region *near = view->map->region;
	struct mem_span *span = &burst->span[found->spans];
	struct frame *frame = &burst->frame[burst->n];
	uint64_t bytes = found->bytes;

	for (i = 0; i < n && i < room && bytes < BURST_BYTES; i++, span++, frame++) {
		uint16_t nth = (uint16_t)(first + i);
		uint16_t place = format->place(view, found->heads, nth, slots + i);
		struct virtq_desc desc;
		int error = format->load(view, place, &desc);

		if (__builtin_expect(error != 0 || !virtq_single(view, &desc, false, &near, span) ||
					     !frame_fits(desc.len, header_len),
				     0)) {
			found->desc = desc;
			found->place = place;
			found->error = error;
			break;
		}
		__builtin_prefetch(span->at);
		__builtin_prefetch(span->at + 64);
		format->stage(view, nth, format->id(place, &desc), 1, 0);
		frame_found(frame, span, 1, desc.len - header_len);
		bytes += desc.len;
	}
	burst->n = (uint16_t)(burst->n + i);
	found->chains = (uint16_t)(first + i);
	found->slots += i;
	found->spans += i;
	found->cost += i;
	found->bytes = bytes;
}

/* The chain that ended a run, in the general way; false if that ends the burst. */
static inline __attribute__((always_inline)) bool
find_chain(struct virtq *q, const struct virtq_view *opened, struct finding *found,
	   struct burst *burst, const struct virtq_format *format)
{
	const struct virtq_view here = *opened, *view = &here;
	struct mem_span *spans = &burst->span[found->spans];
	uint32_t header_len = view->conf->header_len, left;
	struct virtq_chain chain;
	int error = found->error;

	if (error == 0)
		error = format->chain(view, found->slots, found->place, found->desc, false, &chain,
				      spans, BURST_SPANS - found->cost);
	if (error != 0) {
		/* No room for this chain beside the others: it is the next burst's first. */
		if (error < 0 && (error != -VIRTQ_FAULT_PIECES || found->cost == 0))
			vnet_break(q, -error);
		return false;
	}
	format->stage(view, found->chains, chain.id, chain.slots, 0);
	if (frame_fits(chain.len, header_len))
		frame_found(&burst->frame[burst->n++], spans, chain.spans,
			    (uint32_t)chain.len - header_len);
	else
		(*(chain.len < header_len + FRAME_LEN_MIN ? &found->too_short : &found->too_long))++;
	found->chains++;
	found->slots += chain.slots;
	found->spans += chain.spans;
	found->cost += chain.cost;
	found->bytes += chain.len;
	/* Each chain takes a slot at least. Slots a lap on are those of this burst, which were read (V9). */
	left = view->conf->size - found->slots;
	if (found->n > found->chains + left)
		found->n = (uint16_t)(found->chains + left);
	return true;
}

/* Takes a frame out of the burst; those behind it move up. */
static __attribute__((noinline)) void burst_remove(struct burst *burst, uint16_t i)
{
	burst->n--;
	memmove(&burst->frame[i], &burst->frame[i + 1], (burst->n - i) * sizeof(burst->frame[0]));
}

/* A frame that needs offload: whether its guest may ask for that. Out of the way of the others. */
static __attribute__((noinline)) bool offload_agreed(struct frame *frame, const struct virtq_conf *conf)
{
	return frame_offload_check(frame, frame_offloads_from_guest(conf->features));
}

/* Reads header and head of the i-th frame. False: it asks for what was not agreed upon. */
static inline __attribute__((always_inline)) bool read_head(struct burst *burst, uint32_t i, const struct virtq_conf *conf)
{
	uint32_t header_len = conf->header_len;
	struct frame *frame = &burst->frame[i];
	/* Of this burst's own spans, which no other thread changes. */
	struct mem_span *spans = &burst->span[frame->body - burst->span];

	frame->head = burst->room[i].head;
	frame->mbuf = NULL;
	frame->valid = 0;
	frame->vlan = frame->mbuf_skip = 0;
	if (__builtin_expect(frame->body_spans == 1, 1))
		frame_snapshot(frame, spans, header_len);
	else
		frame_gather(frame, spans, frame->body_spans, header_len);
	if (__builtin_expect(frame_needs_offload(frame), 0))
		return offload_agreed(frame, conf);
	/* Nothing is asked, whatever else stands there. */
	frame->offload = (struct virtio_net_hdr){0};
	return true;
}

/* Reads header and head of each frame. */
static inline void read_heads(struct burst *burst, const struct virtq_conf *conf,
			      struct port_counters *counters)
{
	for (uint32_t i = 0; i < burst->n; i++) {
		if (__builtin_expect(!read_head(burst, i, conf), 0)) {
			count_rx_drop(counters, RX_DROP_OFFLOAD, 1, &burst->frame[i]);
			burst_remove(burst, (uint16_t)i--);
		}
	}
}

/* The same as far as the allowance goes; a frame that is dropped takes of it, too. The i-th chain holds the i-th frame: one
 * without a frame is the last. Chains beyond the allowance are not taken. */
static __attribute__((noinline)) void read_heads_within(struct burst *burst, struct finding *found,
	const struct virtq_conf *conf, struct port_counters *counters, struct frame_allowance *allowance)
{
	uint64_t refused[BURST_MAX / 64] = {0};
	uint16_t n;

	for (uint32_t i = 0; i < burst->n; i++) {
		if (read_head(burst, i, conf))
			continue;
		burst->frame[i].offload = (struct virtio_net_hdr){0};
		refused[i / 64] |= UINT64_C(1) << i % 64;
	}
	n = frame_allowance_take(allowance, burst->frame, burst->n);
	if (n < burst->n) {
		burst->n = found->chains = n;
		found->slots = n > 0 ? found->slots_to[n - 1] : 0;
		found->too_short = found->too_long = 0;
	}
	while (n-- > 0) {
		if ((refused[n / 64] >> n % 64 & 1) == 0)
			continue;
		count_rx_drop(counters, RX_DROP_OFFLOAD, 1, &burst->frame[n]);
		burst_remove(burst, n);
	}
}

static inline __attribute__((always_inline)) void
complete_as(struct virtq *q, struct burst *burst, const struct virtq_format *format)
	RUNS_ON(lcore_thread)
{
	/* The geometry of receive(): the ring may have been withdrawn since, but control waits for us to pass
	 * before it looks at the position, and must find every chain we took given back. */
	struct virtq_view view = {
		.dp = &q->dp,
		.conf = burst->source,
		.log = rcu_get(&q->memory->log),
	};
	uint16_t keep = vnet_window_open(q) ? vnet_window_keep(q) : 0;

	burst->refs = NULL;
	if (format->publish(&view, keep)) {
		count(&q->counters.interrupts, 1);
		vnet_interrupt(q, &view);
	}
}

/* Of one chain, or of a run of chains that take a slot each. */
static inline void note_slots(struct finding *found, uint16_t first, uint32_t before)
{
	uint32_t run = found->chains - first, more = run > 1 ? 1 : found->slots - before;

	for (uint16_t i = first; i < found->chains; i++)
		found->slots_to[i] = before + (uint32_t)(i + 1 - first) * more;
}

/* Finds chains, and a frame for each that has the length of one. `within` is a constant: a chain without a frame is the last. */
static inline __attribute__((always_inline)) void
find_chains(struct virtq *q, const struct virtq_view *view, struct finding *found, struct burst *burst,
	    const struct virtq_format *format, bool within)
{
	uint16_t first;
	uint32_t slots;

	for (;;) {
		first = found->chains;
		slots = found->slots;
		find_singles(view, found, burst, format);
		if (within)
			note_slots(found, first, slots);
		if (__builtin_expect(found->chains == found->n || found->bytes >= BURST_BYTES, 1))
			break;
		first = found->chains;
		slots = found->slots;
		if (!find_chain(q, view, found, burst, format))
			break;
		if (within)
			note_slots(found, first, slots);
		if (within && found->chains > burst->n)
			break;
	}
}

/* Finds chains, a frame for each that has the length of one, reads what they begin with, and takes them: with an allowance,
 * which is NULL as a constant else, those that it is enough for. */
static inline __attribute__((always_inline)) uint16_t
receive_as(struct virtq *q, const struct virtq_view *opened, struct burst *burst, uint16_t max,
	   struct port_counters *counters, const struct virtq_format *format, struct frame_allowance *allowance)
	RUNS_ON(lcore_thread)
{
	const struct virtq_view here = *opened, *view = &here; /* its address is not passed on: it lives in registers */
	bool zero_copy = __builtin_expect(frame_ref_wanted(), 0) || vnet_window_open(q);
	int n = format->available(view, 0, zero_copy ? vnet_window_before(q, opened, max) : max);
	struct finding found;

	if (n <= 0) {
		if (n < 0)
			vnet_break(q, -n);
		return 0;
	}
	if (allowance != NULL) {
		n = frame_allowance_begin(allowance, (uint16_t)n);
		if (n == 0)
			return 0;
	}
	found.n = (uint16_t)n;
	found.chains = found.too_short = found.too_long = 0;
	found.slots = found.spans = found.cost = 0;
	found.bytes = 0;
	format->look(view, found.n, found.heads);
	find_chains(q, view, &found, burst, format, allowance != NULL);
	burst->source = view->conf;
	/* A page has to be cleared first: all of them stay in the ring, and are found again. */
	if (__builtin_expect(view->map->touch != NULL, 0) &&
	    mem_touch_ready(view->map->touch, burst->span, found.spans) < found.spans) {
		burst->n = 0;
		return 0;
	}
	if (allowance != NULL && found.chains > 0) {
		mem_note_spans(MEM_NOTE_FROM, burst->span, found.spans);
		read_heads_within(burst, &found, view->conf, counters, allowance);
	}
	if (__builtin_expect(found.chains > burst->n, 0)) {
		count_rx_drop(counters, RX_DROP_SHORT, found.too_short, NULL);
		count_rx_drop(counters, RX_DROP_LONG, found.too_long, NULL);
	}
	if (found.chains > 0) {
		if (allowance == NULL) {
			mem_note_spans(MEM_NOTE_FROM, burst->span, found.spans);
			read_heads(burst, view->conf, counters);
		}
		format->take(view, found.slots, found.chains);
		if (__builtin_expect(found.cost != found.chains, 0))
			burst->cost += (found.cost - found.chains) / SHARE_PIECES;
	}
	if (zero_copy)
		vnet_window_take(q, opened, burst, found.chains);
	count(&q->counters.frames, burst->n);
	if (burst->n == 0)
		complete_as(q, burst, format);
	return burst->n;
}

static inline __attribute__((always_inline)) uint16_t receive_from(struct virtq *q, struct burst *burst, uint16_t max,
	struct port_counters *counters, struct frame_allowance *allowance) RUNS_ON(lcore_thread)
{
	struct virtq_view view;
	uint16_t n;

	burst->n = 0;
	if (!vnet_view_open(q, &view, counters)) {
		if (vnet_window_open(q))
			vnet_window_forget(q);
		return 0;
	}
	n = view.conf->packed ? receive_as(q, &view, burst, max, counters, &virtq_packed, allowance)
			      : receive_as(q, &view, burst, max, counters, &virtq_split, allowance);
	if (n == 0)
		mem_note_close(MEM_NOTE_FROM);
	return n;
}

uint16_t vnet_receive(struct virtq *q, struct burst *burst, uint16_t max, struct port_counters *counters)
{
	return receive_from(q, burst, max, counters, NULL);
}

uint16_t vnet_receive_within(struct virtq *q, struct burst *burst, uint16_t max, struct port_counters *counters,
			     struct frame_allowance *allowance)
{
	uint16_t n = receive_from(q, burst, max, counters, allowance);

	/* No time says when a device has read what is in its window: such a queue is looked at all the time. */
	if (vnet_window_open(q))
		allowance->wait_ns = 0;
	return n;
}

void vnet_complete(struct virtq *q, struct burst *burst)
{
	const struct virtq_conf *conf = burst->source;

	if (conf->packed)
		complete_as(q, burst, &virtq_packed);
	else
		complete_as(q, burst, &virtq_split);
	if (__builtin_expect(q->dp.aside, 0))
		vnet_aside_over(q);
	mem_note_close(MEM_NOTE_FROM);
	mem_fetch_end();
}
