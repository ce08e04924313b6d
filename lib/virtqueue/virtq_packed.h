/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_packed.h: the packed ring format (virtio 1.2, 2.8) as a constant `struct virtq_format`.
 *
 * There is one ring: the driver writes a chain's descriptors and marks them available, the device writes an element into
 * the first of them and marks it used. A place in the ring is an index and the wrap counter of its lap in bit 15, as
 * GET_VRING_BASE and the event offsets have it. Chains are returned in the order they came, each with an element of its
 * own; the elements of a burst are written backwards in effect: the first of them is marked last, and with it the guest
 * sees all.
 *
 * An element overwrites the descriptor it stands in. So what a burst returns is listed in the queue's record
 * (virtq_record.h) before the first element is written: a process that dies in between leaves enough for the next one
 * to write them again.
 *
 * Context: the lcore that has the queue's position (RCU reader).
 */
#ifndef VUS_VIRTQ_PACKED_H
#define VUS_VIRTQ_PACKED_H

#include "virtq_format.h"

enum { PACKED_WRAP = 0x8000 };

static inline uint16_t packed_index(uint16_t place)
{
	return place & (PACKED_WRAP - 1);
}

/* The place n slots further; n is at most the size of the ring. */
static inline uint16_t packed_next(uint16_t place, uint32_t n, uint16_t size)
{
	uint32_t index = packed_index(place) + n;

	return index < size ? (uint16_t)(place + n)
			    : (uint16_t)((place ^ PACKED_WRAP) + n - size);
}

/* How far `to` is behind `from`, in slots; the places of two laps are a circle. */
static inline uint32_t packed_distance(uint16_t from, uint16_t to, uint16_t size)
{
	uint32_t a = packed_index(from) + (from & PACKED_WRAP ? 0u : size);
	uint32_t b = packed_index(to) + (to & PACKED_WRAP ? 0u : size);

	return b >= a ? b - a : b + 2u * size - a;
}

/* Len, id and flags are one load. Pairs with the driver's release of the flags; then the address. */
static inline struct virtq_desc packed_desc_load(const struct vring_packed_desc *at)
{
	uint64_t high = guest_load64_acquire((const uint64_t *)(const void *)at + 1);

	return (struct virtq_desc){
		.addr = guest_load64((const uint64_t *)(const void *)at),
		.len = (uint32_t)high,
		.next = (uint16_t)(high >> 32),
		.flags = (uint16_t)(high >> 48),
	};
}

static inline struct vring_packed_desc *packed_ring(const struct virtq_conf *conf)
{
	return (struct vring_packed_desc *)(void *)conf->desc;
}

static inline bool packed_flag(uint16_t flags, unsigned int bit)
{
	return (flags >> bit) & 1;
}

/* Whether these are the flags of a descriptor that the driver has made available in the lap of `place` and that has not
 * been used since. */
static inline bool packed_is_available(uint16_t flags, uint16_t place)
{
	bool wrap = (place & PACKED_WRAP) != 0;

	return packed_flag(flags, VRING_PACKED_DESC_F_AVAIL) == wrap &&
	       packed_flag(flags, VRING_PACKED_DESC_F_USED) != wrap;
}

/* virtq_packed.c */
int packed_begin(const struct virtq_view *view, bool from_guest);

static inline int packed_available(const struct virtq_view *view, uint32_t at, uint16_t max)
{
	uint16_t size = view->conf->size, place;

	if (at >= size)
		return 0;
	place = packed_next(view->dp->last_avail, at, size);
	/* Whether to look there at all: packed_load() reads the descriptor and decides. */
	if (!packed_is_available(guest_load16_again(&packed_ring(view->conf)[packed_index(place)].flags),
				 place))
		return 0;
	return max < size - at ? max : (int)(size - at);
}

/* Descriptors stand one after the other, four to a cache line. */
static inline void packed_look(const struct virtq_view *view, uint16_t n,
			       uint16_t *heads VUS_UNUSED)
{
	const struct vring_packed_desc *ring = packed_ring(view->conf);
	uint16_t size = view->conf->size;

	for (uint32_t at = 0; at < n + 3u && at < size; at += 4)
		__builtin_prefetch(&ring[packed_index(packed_next(view->dp->last_avail, at, size))]);
}

static inline uint16_t packed_head(const struct virtq_view *view, uint32_t at)
{
	return packed_next(view->dp->last_avail, at, view->conf->size);
}

static inline uint16_t packed_place(const struct virtq_view *view,
				    const uint16_t *heads VUS_UNUSED, uint16_t nth VUS_UNUSED,
				    uint32_t at)
{
	return packed_head(view, at);
}

static inline int packed_load(const struct virtq_view *view, uint16_t place, struct virtq_desc *desc)
{
	mem_fetch_named(&packed_ring(view->conf)[packed_index(place)], sizeof(struct vring_packed_desc));
	*desc = packed_desc_load(&packed_ring(view->conf)[packed_index(place)]);
	return packed_is_available(desc->flags, place) ? 0 : VIRTQ_NONE;
}

static inline uint16_t packed_id(uint16_t place VUS_UNUSED, const struct virtq_desc *desc)
{
	return desc->next;
}

/* virtq_packed.c */
int packed_chain(const struct virtq_view *view, uint32_t first, uint16_t place,
		 struct virtq_desc desc, bool writable, struct virtq_chain *chain,
		 struct mem_span *spans, uint32_t max);

static inline void packed_stage(const struct virtq_view *view, uint16_t nth, uint16_t id,
				uint16_t slots, uint32_t len)
{
	struct virtq_dp *dp = view->dp;

	*virtq_record_at(dp->record, dp->list, (uint16_t)(dp->pushed + nth)) =
		(struct virtq_returned){.id = id, .slots = slots, .len = len};
}

static inline void packed_take(const struct virtq_view *view, uint32_t slots, uint16_t n)
{
	struct virtq_dp *dp = view->dp;

	dp->last_avail = packed_next(dp->last_avail, slots, view->conf->size);
	dp->pushed = (uint16_t)(dp->pushed + n);
	virtq_record_list(dp->record, dp->published, dp->last_chain, dp->last_id, dp->list,
			  dp->pushed);
}

static inline bool packed_room(const struct virtq_view *view, uint16_t n)
{
	return view->dp->pushed + n <= VIRTQ_IN_HAND_MAX;
}

/* Writes the elements of the first n that were pushed, beginning at `place`: where the next one will be, or -1 if what is
 * listed cannot be (it stands in memory that others of our user may write). */
static inline int packed_write_elements(const struct virtq_view *view, uint16_t place, uint16_t n)
{
	struct vring_packed_desc *ring = packed_ring(view->conf);
	uint16_t size = view->conf->size;
	uint64_t first = 0, *first_at = NULL;

	for (uint16_t i = 0; i < n; i++) {
		const struct virtq_returned *chain =
			virtq_record_at(view->dp->record, view->dp->list, i);
		uint64_t *at = (uint64_t *)(void *)&ring[packed_index(place)] + 1;
		uint16_t slots = chain->slots, flags = chain->len > 0 ? VRING_DESC_F_WRITE : 0;
		uint64_t element;

		if (place & PACKED_WRAP)
			flags |= 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED;
		element = (uint64_t)flags << 48 | (uint64_t)chain->id << 32 | chain->len;
		if (i == 0) {
			first_at = at;
			first = element;
		} else {
			guest_store64(at, element);
		}
		view->dp->last_chain = place;
		view->dp->last_id = chain->id;
		if (__builtin_expect(slots == 0 || slots > size, 0))
			return -1;
		place = packed_next(place, slots, size);
	}
	/* Pairs with the driver's acquire of the flags: data and the other elements are complete. */
	guest_store64_release(first_at, first);
	return place;
}

/* What the driver wants is asked anew with each publish. */
static inline bool packed_wants_interrupt(const struct virtq_view *view)
{
	struct virtq_dp *dp = view->dp;
	uint32_t event = guest_load32_again((const uint32_t *)(const void *)view->conf->avail);
	uint16_t old = dp->signalled, size = view->conf->size;
	bool valid = dp->signalled_valid;

	dp->signalled = dp->published;
	dp->signalled_valid = true;
	if ((event >> 16 & 3) == VRING_PACKED_EVENT_FLAG_DISABLE)
		return !valid;
	if ((event >> 16 & 3) != VRING_PACKED_EVENT_FLAG_DESC || !view->conf->event_idx || !valid)
		return true;
	/* virtio 1.2, 2.8.10: whether the step passed the place at which the driver wants an interrupt. */
	return packed_distance(old, (uint16_t)event, size) <
	       packed_distance(old, dp->published, size);
}

/* Tells a migration that the ring has changed, in [from, to), and what we say of kicks. */
void packed_log_ring(const struct virtq_view *view, uint16_t from, uint16_t to);

static inline bool packed_publish(const struct virtq_view *view, uint16_t keep)
{
	struct virtq_dp *dp = view->dp;
	uint16_t before = dp->published, n = (uint16_t)(dp->pushed - keep);
	int after;

	if (n == 0)
		return false;
	/* Pairs with virtq_resume() of the process after us: the list before the elements that are written by it. */
	atomic_thread_fence(memory_order_release);
	after = packed_write_elements(view, before, n);
	dp->pushed = keep;
	dp->list = keep > 0 ? (uint16_t)((dp->list + n) % VIRTQ_IN_HAND_LIST) : 0;
	if (__builtin_expect(after < 0, 0))
		return false;
	dp->published = dp->last_used = (uint16_t)after;
	virtq_record_list(dp->record, dp->published, dp->last_chain, dp->last_id, dp->list, keep);
	if (__builtin_expect(view->log != NULL, 0))
		packed_log_ring(view, before, dp->published);
	if (view->conf->call_fd < 0) {
		/* By the time the driver wants kicks again, the place may have come around to where it was. */
		dp->signalled_valid = false;
		return false;
	}
	/* Pairs with the driver's fence between its event structure and its look at the flags: the elements before the look
	 * at what the driver wants. */
	guest_fence();
	return packed_wants_interrupt(view);
}

static inline void packed_want_kicks(const struct virtq_view *view, bool wanted)
{
	struct virtq_dp *dp = view->dp;
	uint32_t event = (uint32_t)VRING_PACKED_EVENT_FLAG_DISABLE << 16;

	if (!wanted && !dp->kicks_wanted)
		return;
	if (wanted)
		event = view->conf->event_idx
				? (uint32_t)VRING_PACKED_EVENT_FLAG_DESC << 16 | dp->last_avail
				: (uint32_t)VRING_PACKED_EVENT_FLAG_ENABLE << 16;
	guest_store32((uint32_t *)(void *)view->conf->used, event);
	dp->kicks_wanted = wanted;
	if (__builtin_expect(view->log != NULL, 0))
		packed_log_ring(view, dp->published, dp->published);
	/* Pairs with the driver's fence between the flags of what it made available and its look at what we want; vnet_arm()
	 * looks again after it. */
	if (wanted)
		guest_fence();
}

static const struct virtq_format virtq_packed = {
	.begin = packed_begin,
	.available = packed_available,
	.look = packed_look,
	.place = packed_place,
	.head = packed_head,
	.load = packed_load,
	.id = packed_id,
	.chain = packed_chain,
	.stage = packed_stage,
	.take = packed_take,
	.room = packed_room,
	.publish = packed_publish,
	.want_kicks = packed_want_kicks,
};

#endif
