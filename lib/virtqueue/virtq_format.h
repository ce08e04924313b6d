/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_format.h: what a ring format is: the constant table that a burst body is compiled with.
 *
 * A `struct virtq_format` is only ever a compile-time constant: the body that takes it is inlined into one function per
 * format (virtq_split.h, virtq_packed.h), and the compiler turns its members into direct code. All functions run on the
 * lcore that holds the queue's position, with a geometry and a map loaded for this burst.
 *
 * A chain is found by peek (what does the ring say at this place) and, once it is certain to be used, taken: one that
 * turned out not to be needed has not been taken. Places are counted in slots: what a chain occupies in the ring that
 * says which are available. In a split ring each has one; in a packed ring as many as it has descriptors.
 */
#ifndef VUS_VIRTQ_FORMAT_H
#define VUS_VIRTQ_FORMAT_H

#include "mem_guest.h"
#include "mem_log.h"
#include "virtq.h"

/* peek: there is no chain (yet). */
enum { VIRTQ_NONE = 1 };

/* One descriptor chain, resolved to our addresses. */
struct virtq_chain {
	uint16_t id;	/* what the guest will know it by; only ever given back, never used as an index */
	uint16_t slots; /* how far the next one is */
	uint32_t spans; /* pieces, in the caller's array */
	uint32_t cost;	/* pieces, and descriptors of length 0, which are none: what it took to resolve */
	uint64_t len;	/* bytes of all pieces */
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
	 * peek says VIRTQ_NONE); -VIRTQ_FAULT_AVAIL_INDEX if the guest's index makes no sense. */
	int (*available)(const struct virtq_view *view, uint32_t at, uint16_t max);
	/* Brings the descriptor `at` slots from the next chain into the cache. */
	void (*prefetch)(const struct virtq_view *view, uint32_t at);
	/* Resolves the chain `at` slots from the next one into `spans`, at a cost of at most `max`; all of it must be
	 * writable by the device, or none. 0, VIRTQ_NONE or -(enum virtq_fault). */
	int (*peek)(const struct virtq_view *view, uint32_t at, bool writable,
		    struct virtq_chain *chain, struct mem_span *spans, uint32_t max);
	/* The next chain is to be returned with `len` bytes written; the guest does not see it yet. At most
	 * VIRTQ_IN_HAND_MAX between one publish and the next. */
	void (*push)(const struct virtq_view *view, const struct virtq_chain *chain, uint32_t len);
	/* Forgets the last n pushes. */
	void (*unpush)(const struct virtq_view *view, uint16_t n);
	/* The next chains, of so many slots together, are taken; from here on they are in hand (virtq_record.h), and so
	 * is what was pushed. */
	void (*take)(const struct virtq_view *view, uint32_t slots);
	/* Whether so many more can be pushed before a publish. */
	bool (*room)(const struct virtq_view *view, uint16_t n);
	/* The guest sees everything pushed; true if it wants an interrupt for that. */
	bool (*publish)(const struct virtq_view *view);
	/* Asks for a kick at the next available entry, or says that none is needed. */
	void (*want_kicks)(const struct virtq_view *view, bool wanted);
};

/* --- walking a chain of several descriptors: virtq_walk.c ---------------------------------------------------------- */

/* A descriptor of either format, each field read once. */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* split; packed: the buffer id */
};

/* Where a walk is, and what it may cost. */
struct virtq_walk {
	const struct virtq_view *view;
	bool writable;
	struct virtq_chain *chain;
	struct mem_span *spans;
	uint32_t max;
};

/* One buffer more for the chain; the table an indirect descriptor names: 0 or -(enum virtq_fault). */
int virtq_walk_buffer(struct virtq_walk *walk, const struct virtq_desc *desc);
int virtq_walk_indirect(struct virtq_walk *walk, const struct virtq_desc *indirect);

#endif
