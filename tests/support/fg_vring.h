/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_vring: a virtqueue in memory, split or packed, as a driver reads and writes it (virtio 1.2, sections 2.7 and 2.8).
 *
 * Every driver of the tests stands on this: fg_ring (chains of any shape, checked), the rings of the unit tests
 * (tests/unit/rig.h: scattered, and expected byte for byte), and fg_fast.h (one descriptor a chain, in order).
 *
 * Of a split ring a position is an index that runs freely; of a packed one it is a place: an index and, in bit 15, the
 * wrap counter of its lap.
 * Context: one thread for each ring.
 */
#ifndef FG_VRING_H
#define FG_VRING_H

#include <stdbool.h>
#include <stdint.h>

enum { FG_DESC_NEXT = 1, FG_DESC_WRITE = 2, FG_DESC_INDIRECT = 4, FG_DESC_AVAIL = 1 << 7, FG_DESC_USED = 1 << 15 };
enum { FG_NO_INTERRUPT = 1, FG_NO_NOTIFY = 1 };
enum { FG_EVENT_ENABLE, FG_EVENT_DISABLE, FG_EVENT_DESC }; /* packed: what an event structure asks for */
enum { FG_WRAP = 0x8000, FG_DESC_BOTH = FG_DESC_AVAIL | FG_DESC_USED };

struct fg_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct fg_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
};

struct fg_avail {
	uint16_t flags, idx, ring[];
};

struct fg_used_elem {
	uint32_t id, len;
};

struct fg_used {
	uint16_t flags, idx;
	struct fg_used_elem ring[];
};

/* Where it lies. Packed: `desc` is the ring, `avail` the driver's event structure, `used` the device's. */
struct fg_vring {
	struct fg_desc *desc;
	struct fg_avail *avail;
	struct fg_used *used;
	uint16_t num;
	bool packed;
};

/* --- packed: places ---------------------------------------------------------------------------------------------- */

static inline uint16_t fg_place_after(const struct fg_vring *v, uint16_t place, uint32_t n)
{
	uint32_t index = (place & 0x7fffu) + n;

	return index < v->num ? (uint16_t)(place + n) : (uint16_t)((place ^ FG_WRAP) + n - v->num);
}

/* How far it is from one to the other, of twice the ring. */
static inline uint32_t fg_place_distance(const struct fg_vring *v, uint16_t from, uint16_t to)
{
	uint32_t start = (from & 0x7fffu) + (from & FG_WRAP ? 0u : v->num);
	uint32_t end = (to & 0x7fffu) + (to & FG_WRAP ? 0u : v->num);

	return (end + 2u * v->num - start) % (2u * v->num);
}

static inline struct fg_packed_desc *fg_packed_at(const struct fg_vring *v, uint16_t place)
{
	return (struct fg_packed_desc *)(void *)v->desc + (place & 0x7fff);
}

/* The two bits of a descriptor that the driver has made available in this lap; that the device has returned. */
static inline uint16_t fg_available(uint16_t place)
{
	return place & FG_WRAP ? FG_DESC_AVAIL : FG_DESC_USED;
}

static inline uint16_t fg_returned(uint16_t place)
{
	return place & FG_WRAP ? FG_DESC_BOTH : 0;
}

/* Writes a descriptor: as the lap before left it, so that the device does not see it, or available. */
static inline void fg_packed_put(const struct fg_vring *v, uint16_t place, struct fg_packed_desc desc, bool hidden)
{
	desc.flags |= hidden ? fg_returned(place ^ FG_WRAP) : fg_available(place);
	*fg_packed_at(v, place) = desc;
}

/* Makes a hidden one available, and all that was written before. */
static inline void fg_packed_show(const struct fg_vring *v, uint16_t place)
{
	struct fg_packed_desc *desc = fg_packed_at(v, place);

	__atomic_store_n(&desc->flags, (uint16_t)((desc->flags & ~FG_DESC_BOTH) | fg_available(place)),
			 __ATOMIC_RELEASE);
}

static inline bool fg_packed_is_used(const struct fg_vring *v, uint16_t place)
{
	return (__atomic_load_n(&fg_packed_at(v, place)->flags, __ATOMIC_ACQUIRE) & FG_DESC_BOTH) == fg_returned(place);
}

/* --- split ------------------------------------------------------------------------------------------------------- */

static inline void fg_split_show(const struct fg_vring *v, uint16_t idx)
{
	__atomic_store_n(&v->avail->idx, idx, __ATOMIC_RELEASE);
}

static inline uint16_t fg_split_used_idx(const struct fg_vring *v)
{
	return __atomic_load_n(&v->used->idx, __ATOMIC_ACQUIRE);
}

/* The event words of EVENT_IDX lie behind the rings (2.7.6 and 2.7.8): the driver's and the device's. */
static inline uint16_t *fg_used_event(const struct fg_vring *v)
{
	return &v->avail->ring[v->num];
}

static inline uint16_t *fg_avail_event(const struct fg_vring *v)
{
	return (uint16_t *)&v->used->ring[v->num];
}

/* --- events, of both --------------------------------------------------------------------------------------------- */

/* Whether the device wants a kick for what was shown from `old` up to `now`. */
static inline bool fg_wants_kick(const struct fg_vring *v, bool event_idx, uint16_t old, uint16_t now)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* what was shown is out before we look (2.7.13.3.1) */
	if (v->packed) {
		uint32_t event = __atomic_load_n((const uint32_t *)(const void *)v->used, __ATOMIC_RELAXED);

		if ((event >> 16 & 3) == FG_EVENT_DESC)
			return fg_place_distance(v, old, (uint16_t)event) < fg_place_distance(v, old, now);
		return (event >> 16 & 3) != FG_EVENT_DISABLE;
	}
	if (event_idx) {
		uint16_t event = __atomic_load_n(fg_avail_event(v), __ATOMIC_RELAXED);

		return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
	}
	return !(__atomic_load_n(&v->used->flags, __ATOMIC_RELAXED) & FG_NO_NOTIFY);
}

/* The driver wants an interrupt for what comes back from this position on, and may look at the ring after this. */
static inline void fg_want_interrupt(const struct fg_vring *v, bool event_idx, uint16_t from)
{
	if (v->packed)
		__atomic_store_n((uint32_t *)(void *)v->avail, event_idx ? (uint32_t)FG_EVENT_DESC << 16 | from : 0,
				 __ATOMIC_RELEASE);
	else if (event_idx)
		__atomic_store_n(fg_used_event(v), from, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* None at all. */
static inline void fg_want_no_interrupt(const struct fg_vring *v)
{
	if (v->packed)
		*(uint32_t *)(void *)v->avail = (uint32_t)FG_EVENT_DISABLE << 16;
	else
		v->avail->flags = FG_NO_INTERRUPT;
}

#endif
