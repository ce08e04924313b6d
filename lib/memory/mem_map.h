/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_map.h: from guest-physical addresses to ours.
 *
 * A map is an immutable, sorted array of regions: a guest-physical range each, where the front end has it in its own
 * address space, and where we have it in ours. A change of the guest's memory is a new map, published in the device's
 * mem_table (rcu.h); the old one stays whole until every lcore has left it, and so do the mappings under it.
 *
 * Context: mem_map_with(), _without() and mem_map_free() on the thread that publishes (control); translation on any
 * thread that holds the map between two quiescent states. Nothing here touches guest memory, needs EAL or blocks.
 *
 * Translation takes whole ranges. A range may cross from one region to another that follows without a gap; a range
 * with any byte outside of every region has no translation at all. Guest-physical addresses are any 64-bit value
 * (virtio-user passes 47-bit virtual addresses). A caller that comes back to a place pays one comparison, however many
 * regions there are; one that comes to a new place, a binary search.
 */
#ifndef VUS_MEM_MAP_H
#define VUS_MEM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rcu.h"
#include "vus_limits.h"

struct mem_touch;

struct mem_region {
	uint64_t gpa;  /* guest-physical address of the first byte */
	uint64_t size; /* bytes; not 0 */
	uint64_t uva;  /* the front end's address of the first byte */
	uint8_t *host; /* ours */
};

struct mem_map {
	uint32_t n;
	uint16_t generation; /* of its device's memory: one more with each change; wraps */
	uint64_t base; /* where the first begins */
	struct mem_touch *touch; /* mem_touch.h; NULL: no region has huge pages */
	struct mem_region region[]; /* by ascending gpa, disjoint */
};

struct mem_log;

/* What a device's queues read: the map in force, or NULL while there is none, and the log of a migration that is under
 * way (mem_log.h), or NULL. */
struct mem_table {
	RCU_PTR(const struct mem_map) map;
	RCU_PTR(const struct mem_log) log;
};

/* A caller's memory of where it found what: the region of each of the last places it looked at, by their address. Any
 * value of any field is valid; all zero is a good beginning. One thread at a time. */
struct mem_hint {
	uint16_t region[MEM_HINTS];
};

/* A contiguous piece of guest memory at our address. */
struct mem_span {
	uint8_t *at;
	uint32_t len;
};

/* A new map: `old` (may be NULL) and one region more. NULL and errno: EINVAL for a size of 0 or a range that wraps on
 * either axis, EEXIST for an overlap in gpa or uva, ENOSPC beyond MEM_SLOTS_MAX, ENOMEM. */
struct mem_map *mem_map_with(const struct mem_map *old, const struct mem_region *region);
/* A new map: `old` without its region number `index`. NULL and errno ENOMEM. */
struct mem_map *mem_map_without(const struct mem_map *old, uint32_t index);
/* A new map of n regions in any order; errors as mem_map_with(). */
struct mem_map *mem_map_of(const struct mem_region *regions, uint32_t n);
/* For a map no reader can hold; else rcu_free(). */
void mem_map_free(struct mem_map *map);

/* The region that is exactly gpa, size and uva, or -ENOENT. */
int mem_map_find(const struct mem_map *map, uint64_t gpa, uint64_t size, uint64_t uva);

/* Our address of a range given in the front end's addresses, which must lie in one region; NULL if it does not.
 * This is how rings are named (SET_VRING_ADDR). */
void *mem_map_uva(const struct mem_map *map, uint64_t uva, uint64_t len);

/* The region that holds gpa: its index, or map->n. */
static inline uint32_t mem_map_index_of(const struct mem_map *map, uint64_t gpa)
{
	const struct mem_region *base = map->region;
	uint32_t n = map->n;

	if (n == 0)
		return 0;
	/* The last region that begins at or before gpa; the step is a conditional move, not a branch. */
	while (n > 1) {
		uint32_t half = n / 2;

		base = base[half].gpa <= gpa ? base + half : base;
		n -= half;
	}
	return gpa - base->gpa < base->size ? (uint32_t)(base - map->region) : map->n;
}

/* Where a hint for gpa is kept. Neighbouring 2 MiB pages have neighbouring hints, so that small regions in a row share
 * their cache lines; the fold keeps regions at large, regular distances (1 GiB DIMMs, say) apart. Pages are counted from
 * the first region: where addresses are a front end's own, they begin anywhere, and the end of one region would share a
 * hint with the beginning of the next. */
static inline uint32_t mem_hint_index(const struct mem_map *map, uint64_t gpa)
{
	uint64_t page = (gpa - map->base) >> 21;

	return (uint32_t)(page + (page >> 10) * 37) % MEM_HINTS;
}

/* The region that holds gpa by way of the hint, or NULL. */
static inline const struct mem_region *mem_map_region(const struct mem_map *map,
						      struct mem_hint *hint, uint64_t gpa)
{
	uint16_t *remembered = &hint->region[mem_hint_index(map, gpa)];
	const struct mem_region *region = &map->region[*remembered];

	if (__builtin_expect(*remembered >= map->n || gpa - region->gpa >= region->size, 0)) {
		uint32_t i = mem_map_index_of(map, gpa);

		if (i == map->n)
			return NULL;
		*remembered = (uint16_t)i;
		region = &map->region[i];
	}
	return region;
}

/* Our address of gpa, and in *avail how many bytes from there lie in the same region. NULL if gpa is nowhere. */
static inline uint8_t *mem_map_at(const struct mem_map *map, struct mem_hint *hint, uint64_t gpa,
				  uint64_t *avail)
{
	const struct mem_region *region = mem_map_region(map, hint, gpa);

	if (region == NULL)
		return NULL;
	*avail = region->size - (gpa - region->gpa);
	return region->host + (gpa - region->gpa);
}

/* The same for `len` bytes (not 0) that lie in one region, else NULL. *near is any region of the map, and becomes the one
 * that was found: who stays in a region pays two comparisons. */
static inline uint8_t *mem_map_near(const struct mem_map *map, struct mem_hint *hint,
				    const struct mem_region **near, uint64_t gpa, uint32_t len)
{
	const struct mem_region *region = *near;

	if (gpa - region->gpa >= region->size) {
		region = mem_map_region(map, hint, gpa);
		if (__builtin_expect(region == NULL, 0))
			return NULL;
		*near = region;
	}
	if (__builtin_expect(region->size - (gpa - region->gpa) < len, 0))
		return NULL;
	return region->host + (gpa - region->gpa);
}

/* The spans of [gpa, gpa + len), at most `max`: their number, or -EFAULT if any byte lies nowhere, or -E2BIG. */
int mem_map_spans(const struct mem_map *map, struct mem_hint *hint, uint64_t gpa, uint32_t len,
		  struct mem_span *spans, uint32_t max);

#endif
