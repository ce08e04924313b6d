/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_split.h: the split ring format (virtio 1.2, 2.7) as a constant `struct virtq_format`. */
#ifndef VUS_VIRTQ_SPLIT_H
#define VUS_VIRTQ_SPLIT_H

#include "virtq_format.h"

/* virtq_split.c */
int split_begin(const struct virtq_view *view, bool from_guest);

static inline struct virtq_desc split_desc_load(const struct vring_desc *at)
{
	/* A descriptor is 16 aligned bytes: two loads, each field once. */
	uint64_t low = guest_load64((const uint64_t *)(const void *)at);
	uint64_t high = guest_load64((const uint64_t *)(const void *)at + 1);

	return (struct virtq_desc){
		.addr = low,
		.len = (uint32_t)high,
		.flags = (uint16_t)(high >> 32),
		.next = (uint16_t)(high >> 48),
	};
}

static inline int split_available(const struct virtq_view *view, uint32_t at, uint16_t max)
{
	struct virtq_dp *dp = view->dp;
	uint16_t n = (uint16_t)(dp->avail_seen - dp->last_avail);

	if (n < at + max) {
		/* Pairs with the driver's release of avail->idx: the entries before it are complete. */
		uint16_t seen = guest_load16_acquire(&view->conf->avail->idx);

		n = (uint16_t)(seen - dp->last_avail);
		if (n > view->conf->size)
			return -VIRTQ_FAULT_AVAIL_INDEX;
		dp->avail_seen = seen;
	}
	n = n > at ? (uint16_t)(n - at) : 0;
	return n < max ? n : max;
}

static inline uint16_t split_head(const struct virtq_view *view, uint32_t at)
{
	uint16_t entry = (uint16_t)(view->dp->last_avail + at) & (view->conf->size - 1);

	return guest_load16(&view->conf->avail->ring[entry]);
}

static inline void split_prefetch(const struct virtq_view *view, uint32_t at)
{
	uint16_t head = split_head(view, at) & (view->conf->size - 1);

	__builtin_prefetch(&view->conf->desc[head]);
}

/* The general way, for every chain that is not one direct descriptor in one region: virtq_split.c. */
int split_peek_chain(const struct virtq_view *view, struct virtq_desc desc, bool writable,
		     struct virtq_chain *chain, struct mem_span *spans, uint32_t max);

static inline int split_peek(const struct virtq_view *view, uint32_t ahead, bool writable,
			     struct virtq_chain *chain, struct mem_span *spans, uint32_t max)
{
	const struct virtq_conf *conf = view->conf;
	uint16_t head = split_head(view, ahead);
	struct virtq_desc desc;
	uint64_t here;
	uint8_t *at;

	if (__builtin_expect(head >= conf->size, 0))
		return -VIRTQ_FAULT_HEAD;
	desc = split_desc_load(&conf->desc[head]);
	chain->id = head;
	chain->slots = 1;
	if (__builtin_expect((desc.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) != 0 ||
				     desc.len == 0,
			     0))
		return split_peek_chain(view, desc, writable, chain, spans, max);
	if (__builtin_expect(((desc.flags & VRING_DESC_F_WRITE) != 0) != writable, 0))
		return -VIRTQ_FAULT_DIRECTION;
	at = mem_map_at(view->map, &view->dp->hint, desc.addr, &here);
	if (__builtin_expect(at == NULL || here < desc.len, 0))
		return split_peek_chain(view, desc, writable, chain, spans, max);
	if (max == 0)
		return -VIRTQ_FAULT_PIECES;
	spans[0] = (struct mem_span){.at = at, .len = desc.len};
	chain->spans = 1;
	chain->cost = 1;
	chain->len = desc.len;
	return 0;
}

static inline void split_take(const struct virtq_view *view, uint32_t slots)
{
	struct virtq_dp *dp = view->dp;

	dp->last_avail = (uint16_t)(dp->last_avail + slots);
	virtq_record_place(dp->record, dp->published, dp->last_avail);
}

static inline void split_push(const struct virtq_view *view, const struct virtq_chain *chain,
			      uint32_t len)
{
	struct virtq_dp *dp = view->dp;
	struct vring_used_elem *at = &view->conf->used->ring[dp->last_used & (view->conf->size - 1)];

	guest_store64((uint64_t *)(void *)at, (uint64_t)len << 32 | chain->id);
	dp->last_used++;
}

static inline void split_unpush(const struct virtq_view *view, uint16_t n)
{
	view->dp->last_used = (uint16_t)(view->dp->last_used - n);
}

static inline bool split_room(const struct virtq_view *view, uint16_t n)
{
	(void)view, (void)n;
	return true;
}

/* virtio 1.2, 2.7.7.2: whether the step from `old` to `new` passes the index the driver asked to be told at. */
static inline bool split_passes(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static inline bool split_wants_interrupt(const struct virtq_view *view)
{
	struct virtq_dp *dp = view->dp;
	uint16_t old = dp->signalled;
	bool valid = dp->signalled_valid;

	dp->signalled = dp->published;
	dp->signalled_valid = true;
	if (!view->conf->event_idx)
		return !valid || (guest_load16(&view->conf->avail->flags) &
				  VRING_AVAIL_F_NO_INTERRUPT) == 0;
	return !valid || split_passes(guest_load16(view->conf->used_event), dp->published, old);
}

/* Tells a migration that the used ring has changed: entries from index `from` on, and what stands around them. */
void split_log_used(const struct virtq_view *view, uint16_t from);

static inline bool split_publish(const struct virtq_view *view)
{
	struct virtq_dp *dp = view->dp;
	uint16_t before;

	if (dp->last_used == dp->published)
		return false;
	before = dp->published;
	dp->published = dp->last_used;
	/* Pairs with the driver's acquire of used->idx: data and entries before it are complete. */
	guest_store16_release(&view->conf->used->idx, dp->published);
	/* Nothing is in hand: the next guest at these addresses may well begin where this burst began. */
	virtq_record_place(dp->record, dp->published, dp->last_avail);
	if (__builtin_expect(view->log != NULL, 0))
		split_log_used(view, before);
	if (view->conf->call_fd < 0) {
		/* By the time somebody listens again, the index may have come around to where it was. */
		dp->signalled_valid = false;
		return false;
	}
	/* The index before the look at what the driver wants; the driver does the reverse. */
	guest_fence();
	return split_wants_interrupt(view);
}

static inline void split_want_kicks(const struct virtq_view *view, bool wanted)
{
	struct virtq_dp *dp = view->dp;

	if (view->conf->event_idx) {
		/* A kick is due when the driver passes this entry. Not wanted: an entry it passed long ago. */
		if (wanted)
			guest_store16(view->conf->avail_event, dp->last_avail);
	} else if (dp->kicks_wanted != wanted || wanted) {
		guest_store16(&view->conf->used->flags, wanted ? 0 : VRING_USED_F_NO_NOTIFY);
	}
	dp->kicks_wanted = wanted;
	if (__builtin_expect(view->log != NULL, 0))
		split_log_used(view, dp->published);
	if (wanted)
		guest_fence();
}

static const struct virtq_format virtq_split = {
	.begin = split_begin,
	.available = split_available,
	.prefetch = split_prefetch,
	.peek = split_peek,
	.take = split_take,
	.push = split_push,
	.unpush = split_unpush,
	.room = split_room,
	.publish = split_publish,
	.want_kicks = split_want_kicks,
};

#endif
