/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_fast: a driver of a ring with the least work that one can get by with: every chain is one descriptor, everything
 * comes back in the order it went out, and nothing is kept of it but counts. For programs that measure: what a
 * generator spends on a frame is missing from what it can send.
 *
 * Chain number n always uses slot n of the ring, whose size is a power of two. Counts run freely.
 * Context: one thread for each ring. Inline, for its cost is the point.
 */
#ifndef FG_FAST_H
#define FG_FAST_H

#include <errno.h>

#include "fg_vring.h"

struct fg_fast {
	struct fg_vring v;
	uint32_t mask, posted, shown, taken;
	uint64_t held, *held_at; /* packed: the first descriptor that is not shown yet */
};

/* The ring is empty and stands at its beginning. No interrupts. */
static inline void fg_fast_open(struct fg_fast *f, struct fg_vring v)
{
	*f = (struct fg_fast){.v = v, .mask = v.num - 1u};
	fg_want_no_interrupt(&f->v);
	for (uint16_t i = 0; !v.packed && i < v.num; i++)
		v.avail->ring[i] = i;
}

static inline uint16_t fg_fast_place(const struct fg_fast *f, uint32_t count)
{
	return (uint16_t)((count & f->mask) | (count & (f->mask + 1) ? 0 : FG_WRAP));
}

/* Chains that can be posted. */
static inline uint32_t fg_fast_room(const struct fg_fast *f)
{
	return f->mask + 1 - (f->posted - f->taken);
}

/* Posts one chain; fg_fast_show() shows it. */
static inline void fg_fast_post(struct fg_fast *f, uint64_t gpa, uint32_t len, uint16_t flags)
{
	uint32_t slot = f->posted & f->mask;
	uint64_t *at = (uint64_t *)(void *)&f->v.desc[slot];

	at[0] = gpa;
	if (!f->v.packed) {
		at[1] = (uint64_t)flags << 32 | len;
	} else {
		uint64_t high = (uint64_t)(flags | fg_available(fg_fast_place(f, f->posted))) << 48 |
				(uint64_t)slot << 32 | len;

		if (f->posted == f->shown) {
			f->held = high;
			f->held_at = &at[1];
		} else {
			at[1] = high;
		}
	}
	f->posted++;
}

/* Posts `n` chains whose descriptors are there from the lap before: split rings only, of which a device changes none. */
static inline void fg_fast_post_again(struct fg_fast *f, uint32_t n)
{
	f->posted += n;
}

static inline void fg_fast_show(struct fg_fast *f)
{
	if (f->shown == f->posted)
		return;
	if (f->v.packed)
		__atomic_store_n(f->held_at, f->held, __ATOMIC_RELEASE);
	else
		fg_split_show(&f->v, (uint16_t)f->posted);
	f->shown = f->posted;
}

/* How many have come back that are not taken; the caller adds those it takes to `taken`. -EPROTO: one came back that was
 * not due. In a packed ring an element may stand for all that went out before it: IN_ORDER (2.8.9). */
static inline int fg_fast_look(const struct fg_fast *f)
{
	uint32_t n = 0, out = f->shown - f->taken;

	if (!f->v.packed) {
		n = (uint16_t)(fg_split_used_idx(&f->v) - (uint16_t)f->taken);
		if (n > out)
			return -EPROTO;
		for (uint32_t i = f->taken; i != f->taken + n; i++)
			if (f->v.used->ring[i & f->mask].id != (i & f->mask))
				return -EPROTO;
		return (int)n;
	}
	while (n < out) {
		uint16_t place = fg_fast_place(f, f->taken + n);
		uint32_t id, more;

		if (!fg_packed_is_used(&f->v, place))
			break;
		id = fg_packed_at(&f->v, place)->id;
		more = ((id - (f->taken + n)) & f->mask) + 1;
		if (id > f->mask || more > out - n)
			return -EPROTO;
		n += more;
	}
	return (int)n;
}

/* Bytes that the device wrote for the next chain to be taken. */
static inline uint32_t fg_fast_len(const struct fg_fast *f)
{
	uint32_t slot = f->taken & f->mask;

	return f->v.packed ? fg_packed_at(&f->v, (uint16_t)slot)->len : f->v.used->ring[slot].len;
}

#endif
