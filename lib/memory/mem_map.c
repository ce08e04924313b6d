/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct mem_map *map_alloc(uint32_t n)
{
	/* One more, empty: the map of no regions has a first one to look at, too. */
	struct mem_map *map = malloc(sizeof(*map) + (n + 1) * sizeof(map->region[0]));

	if (map == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	map->n = n;
	map->generation = 0;
	map->base = 0;
	map->touch = NULL;
	map->region[n] = (struct mem_region){0};
	return map;
}

/* The last byte of a range of this size is at most the last address there is. */
static bool range_fits(uint64_t start, uint64_t size)
{
	return size > 0 && start <= UINT64_MAX - (size - 1);
}

static bool ranges_meet(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b ? b - a < a_size : a - b < b_size;
}

static int region_check(const struct mem_map *old, const struct mem_region *region)
{
	if (!range_fits(region->gpa, region->size) || !range_fits(region->uva, region->size))
		return EINVAL;
	if (old == NULL)
		return 0;
	for (uint32_t i = 0; i < old->n; i++) {
		const struct mem_region *other = &old->region[i];

		if (ranges_meet(region->gpa, region->size, other->gpa, other->size) ||
		    ranges_meet(region->uva, region->size, other->uva, other->size))
			return EEXIST;
	}
	return old->n >= MEM_SLOTS_MAX ? ENOSPC : 0;
}

struct mem_map *mem_map_with(const struct mem_map *old, const struct mem_region *region)
{
	uint32_t n = old == NULL ? 0 : old->n, at = 0;
	struct mem_map *map;

	errno = region_check(old, region);
	if (errno != 0)
		return NULL;
	map = map_alloc(n + 1);
	if (map == NULL)
		return NULL;
	while (at < n && old->region[at].gpa < region->gpa)
		at++;
	if (at > 0)
		memcpy(map->region, old->region, at * sizeof(map->region[0]));
	map->region[at] = *region;
	if (at < n)
		memcpy(&map->region[at + 1], &old->region[at], (n - at) * sizeof(map->region[0]));
	map->base = map->region[0].gpa;
	return map;
}

struct mem_map *mem_map_without(const struct mem_map *old, uint32_t index)
{
	struct mem_map *map = map_alloc(old->n - 1);

	if (map == NULL)
		return NULL;
	memcpy(map->region, old->region, index * sizeof(map->region[0]));
	memcpy(&map->region[index], &old->region[index + 1],
	       (old->n - index - 1) * sizeof(map->region[0]));
	if (map->n > 0)
		map->base = map->region[0].gpa;
	return map;
}

struct mem_map *mem_map_of(const struct mem_region *regions, uint32_t n)
{
	struct mem_map *map = map_alloc(0);

	for (uint32_t i = 0; i < n && map != NULL; i++) {
		struct mem_map *more = mem_map_with(map, &regions[i]);

		mem_map_free(map);
		map = more;
	}
	return map;
}

void mem_map_free(struct mem_map *map)
{
	int saved = errno;

	free(map);
	errno = saved;
}

int mem_map_find(const struct mem_map *map, uint64_t gpa, uint64_t size, uint64_t uva)
{
	uint32_t i;

	if (map == NULL)
		return -ENOENT;
	i = mem_map_index_of(map, gpa);
	if (i == map->n || map->region[i].gpa != gpa || map->region[i].size != size ||
	    map->region[i].uva != uva)
		return -ENOENT;
	return (int)i;
}

void *mem_map_uva(const struct mem_map *map, uint64_t uva, uint64_t len)
{
	if (map == NULL)
		return NULL;
	for (uint32_t i = 0; i < map->n; i++) {
		const struct mem_region *region = &map->region[i];
		uint64_t offset = uva - region->uva;

		if (offset < region->size && len <= region->size - offset)
			return region->host + offset;
	}
	return NULL;
}

int mem_map_spans(const struct mem_map *map, struct mem_hint *hint, uint64_t gpa, uint32_t len,
		  struct mem_span *spans, uint32_t max)
{
	uint32_t n = 0;

	/* What follows the last address is not the first. */
	if (len > 0 && gpa > UINT64_MAX - (len - 1))
		return -EFAULT;
	while (len > 0) {
		uint64_t avail;
		uint8_t *at = mem_map_at(map, hint, gpa, &avail);
		uint32_t part;

		if (at == NULL)
			return -EFAULT;
		if (n == max)
			return -E2BIG;
		part = avail < len ? (uint32_t)avail : len;
		spans[n++] = (struct mem_span){.at = at, .len = part};
		gpa += part;
		len -= part;
	}
	return (int)n;
}
