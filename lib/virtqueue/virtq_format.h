/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_format.h: what a ring format is: the constant table that a burst body is compiled with.
 *
 * A `struct virtq_format` is only ever a compile-time constant: the body that takes it is inlined into one function per
 * format (virtq_split.h, virtq_packed.h), and the compiler turns its members into direct code.
 *
 * A chain is found (what does the ring say at this place), what it is returned with is staged and, once it is certain to
 * be used, it is taken: one that turned out not to be needed has not been taken. Nearly every chain is one descriptor in one
 * region: virtq_single() is the way for those, without a call or a branch that is not foreseen; chain() for all others.
 *
 * Distances are counted in slots: what a chain occupies in the ring that says which are available. In a split ring each has
 * one; in a packed ring as many as it has descriptors.
 *
 * Context: the lcore that has the queue's position, with a geometry and a map loaded for this burst (RCU reader).
 */
#ifndef VUS_VIRTQ_FORMAT_H
#define VUS_VIRTQ_FORMAT_H

#include "mem_guest.h"
#include "mem_log.h"
#include "virtq.h"

/* load: there is no chain (yet). */
enum { VIRTQ_NONE = 1 };

/* One descriptor chain, resolved to our addresses. */
struct virtq_chain {
	uint16_t id;	/* what the guest will know it by; only ever given back, never used as an index */
	uint16_t slots; /* how far the next one is */
	uint16_t spans; /* pieces, in the caller's array */
	uint16_t cost;	/* pieces, and descriptors of length 0, which are none: what it took to resolve */
	uint64_t len;	/* bytes of all pieces */
};

/* A descriptor of either format, each field read once. */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* split; packed: the buffer id */
};

/* What a burst works with: loaded once at its head. */
struct virtq_view {
	struct virtq_dp *dp;
	const struct virtq_conf *conf;
	const struct mem_map *map;
	const struct mem_log *log; /* NULL: no migration is under way */
};

struct virtq_format {
	/* The first thing done to a ring that was started: finds its place. Chains of a from_guest ring that the
	 * process before us had in hand when it died are pushed, to be published: they may have been delivered, and
	 * must not be again. Their number or -(enum virtq_fault). */
	int (*begin)(const struct virtq_view *view, bool from_guest);
	/* Whether there are chains `at` slots from the next one on: their number, at most `max`, or a bound of it (then
	 * load says VIRTQ_NONE); -VIRTQ_FAULT_AVAIL_INDEX if the guest's index makes no sense. */
	int (*available)(const struct virtq_view *view, uint32_t at, uint16_t max);
	/* The heads of the next n chains, for place(); their descriptors are on their way into the cache. */
	void (*look)(const struct virtq_view *view, uint16_t n, uint16_t *heads);
	/* Where the first descriptor of a chain stands: the `nth` of those that look() found, `at` slots from the next. */
	uint16_t (*place)(const struct virtq_view *view, const uint16_t *heads, uint16_t nth,
			  uint32_t at);
	/* The same for any chain, without look(). */
	uint16_t (*head)(const struct virtq_view *view, uint32_t at);
	/* Reads it: 0, VIRTQ_NONE or -(enum virtq_fault). */
	int (*load)(const struct virtq_view *view, uint16_t place, struct virtq_desc *desc);
	/* What the guest knows a chain by that is one descriptor. */
	uint16_t (*id)(uint16_t place, const struct virtq_desc *desc);
	/* Resolves the chain that begins with `desc`, `at` slots from the next one, into `spans`, at a cost of at most
	 * `max`; all of it must be writable by the device, or none. The general way, for what virtq_single() is not: 0,
	 * VIRTQ_NONE (not yet) or -(enum virtq_fault). */
	int (*chain)(const struct virtq_view *view, uint32_t at, uint16_t place,
		     struct virtq_desc desc, bool writable, struct virtq_chain *chain,
		     struct mem_span *spans, uint32_t max);
	/* A chain is to be returned with `len` bytes written, as the `nth` of those that the next take() pushes. */
	void (*stage)(const struct virtq_view *view, uint16_t nth, uint16_t id, uint16_t slots,
		      uint32_t len);
	/* The next n chains, of so many slots together, are taken, and what was staged for them is pushed: from here on
	 * they are in hand (virtq_record.h), and the guest does not see it yet. At most VIRTQ_IN_HAND_MAX are pushed and
	 * not published at any time. */
	void (*take)(const struct virtq_view *view, uint32_t slots, uint16_t n);
	/* Whether so many more can be pushed before a publish. */
	bool (*room)(const struct virtq_view *view, uint16_t n);
	/* The guest sees everything pushed but the last `keep`; true if it wants an interrupt for that. */
	bool (*publish)(const struct virtq_view *view, uint16_t keep);
	/* Requests a kick at the next available entry, or says that none is needed. */
	void (*want_kicks)(const struct virtq_view *view, bool wanted);
};

/* Whether a descriptor is all of its chain and lies in one region, as nearly every one does: then *span is it. *near as for
 * mem_map_near(). */
static inline bool virtq_single(const struct virtq_view *view, const struct virtq_desc *desc,
				bool writable, const struct mem_region **near, struct mem_span *span)
{
	uint32_t flags = desc->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE);
	uint8_t *at;

	if (__builtin_expect(flags != (writable ? VRING_DESC_F_WRITE : 0) || desc->len == 0, 0))
		return false;
	at = mem_map_near(view->map, &view->dp->hint, near, desc->addr, desc->len);
	if (__builtin_expect(at == NULL, 0))
		return false;
	*span = (struct mem_span){.at = at, .len = desc->len};
	return true;
}

/* --- walking a chain of several descriptors: virtq_walk.c ---------------------------------------------------------- */

/* Where a walk is, and what it may cost. */
struct virtq_walk {
	const struct virtq_view *view;
	bool writable;
	struct virtq_chain *chain;
	struct mem_span *spans;
	uint32_t max;
};

/* One buffer more for the chain; the table an indirect descriptor names: 0 or -(enum virtq_fault), or VIRTQ_NONE for a table in a
 * page that is not to be touched yet (mem_touch.h). */
int virtq_walk_buffer(struct virtq_walk *walk, const struct virtq_desc *desc);
int virtq_walk_indirect(struct virtq_walk *walk, const struct virtq_desc *indirect);

#endif
