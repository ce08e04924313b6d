/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_split.h: the split ring format (virtio 1.2, 2.7) as a constant `struct virtq_format`.
 *
 * Context: the lcore that has the queue's position (RCU reader).
 */
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
		/* Pairs with the driver's release of avail->idx: the entries before it are complete. It moves on, and each
		 * value replaces the one before. */
		uint16_t seen = guest_load16_acquire_again(&view->conf->avail->idx);

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

static inline void split_look(const struct virtq_view *view, uint16_t n, uint16_t *heads)
{
	const struct vring_desc *desc = view->conf->desc;
	const uint16_t *ring = view->conf->avail->ring;
	uint32_t mask = view->conf->size - 1u, at = view->dp->last_avail, used = view->dp->last_used;

	/* Lines of the used ring that are written soon. */
	for (uint32_t i = 0; i < n; i += 64 / sizeof(struct vring_used_elem))
		__builtin_prefetch(&view->conf->used->ring[(used + i) & mask], 1);
	for (uint32_t i = 0; i < n; i++, at++) {
		uint32_t head = guest_load16(&ring[at & mask]);

		heads[i] = (uint16_t)head;
		__builtin_prefetch(&desc[head & mask]);
	}
}

static inline uint16_t split_place(const struct virtq_view *view VUS_UNUSED, const uint16_t *heads,
				   uint16_t nth, uint32_t at VUS_UNUSED)
{
	return heads[nth];
}

static inline int split_load(const struct virtq_view *view, uint16_t head, struct virtq_desc *desc)
{
	if (__builtin_expect(head >= view->conf->size, 0))
		return -VIRTQ_FAULT_HEAD;
	mem_fetch_named(&view->conf->desc[head], sizeof(struct vring_desc));
	*desc = split_desc_load(&view->conf->desc[head]);
	return 0;
}

static inline uint16_t split_id(uint16_t head, const struct virtq_desc *desc VUS_UNUSED)
{
	return head;
}

/* virtq_split.c */
int split_chain(const struct virtq_view *view, uint32_t at, uint16_t head, struct virtq_desc desc,
		bool writable, struct virtq_chain *chain, struct mem_span *spans, uint32_t max);

static inline void split_stage(const struct virtq_view *view, uint16_t nth, uint16_t id,
			       uint16_t slots VUS_UNUSED, uint32_t len)
{
	const struct virtq_conf *conf = view->conf;
	uint16_t entry = (uint16_t)(view->dp->last_used + nth) & (conf->size - 1);

	guest_store64((uint64_t *)(void *)&conf->used->ring[entry], (uint64_t)len << 32 | id);
}

static inline void split_take(const struct virtq_view *view, uint32_t slots, uint16_t n)
{
	struct virtq_dp *dp = view->dp;

	dp->last_avail = (uint16_t)(dp->last_avail + slots);
	dp->last_used = (uint16_t)(dp->last_used + n);
	virtq_record_place(dp->record, dp->published, dp->last_avail);
}

static inline bool split_room(const struct virtq_view *view, uint16_t n)
{
	(void)view, (void)n;
	return true;
}

/* virtio 1.2, 2.7.7.2: whether the step from `old` to `new` passes the index at which the driver wants an interrupt. */
static inline bool split_passes(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* What the driver wants is asked anew with each publish. */
static inline bool split_wants_interrupt(const struct virtq_view *view)
{
	struct virtq_dp *dp = view->dp;
	uint16_t old = dp->signalled;
	bool valid = dp->signalled_valid;

	dp->signalled = dp->published;
	dp->signalled_valid = true;
	if (!view->conf->event_idx)
		return !valid || (guest_load16_again(&view->conf->avail->flags) &
				  VRING_AVAIL_F_NO_INTERRUPT) == 0;
	return !valid || split_passes(guest_load16_again(view->conf->used_event), dp->published, old);
}

/* Tells a migration that the used ring has changed: entries from index `from` on, and what stands around them. */
void split_log_used(const struct virtq_view *view, uint16_t from);

static inline bool split_publish(const struct virtq_view *view, uint16_t keep)
{
	struct virtq_dp *dp = view->dp;
	uint16_t before = dp->published, end = (uint16_t)(dp->last_used - keep);

	if (end == before)
		return false;
	if (__builtin_expect(keep > 0, 0))
		virtq_record_part(dp->record, before, dp->last_avail, end);
	dp->published = end;
	/* Pairs with the driver's acquire of used->idx: data and entries before it are complete. */
	guest_store16_release(&view->conf->used->idx, dp->published);
	/* What is kept is in hand, and nothing else: the next guest at these addresses may well begin where this burst
	 * began. */
	virtq_record_place(dp->record, dp->published, dp->last_avail);
	if (__builtin_expect(view->log != NULL, 0))
		split_log_used(view, before);
	if (view->conf->call_fd < 0) {
		/* By the time the driver wants kicks again, the index may have come around to where it was. */
		dp->signalled_valid = false;
		return false;
	}
	/* Pairs with the driver's fence between used_event (or flags) and used->idx: the index before the look at what the
	 * driver wants. */
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
	/* Pairs with the driver's fence between avail->idx and its look at what we want; vnet_arm() looks again after it. */
	if (wanted)
		guest_fence();
}

static const struct virtq_format virtq_split = {
	.begin = split_begin,
	.available = split_available,
	.look = split_look,
	.place = split_place,
	.head = split_head,
	.load = split_load,
	.id = split_id,
	.chain = split_chain,
	.stage = split_stage,
	.take = split_take,
	.room = split_room,
	.publish = split_publish,
	.want_kicks = split_want_kicks,
};

#endif
