/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation against an oracle that asks every region for every byte's end: random maps, random ranges, the edges of
 * the address space, 509 slots, regions that adjoin, and what a map refuses (T1 to T3, T6, T7, T11). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "mem_map.h"

enum { SPANS_MAX = 64 };

static uint64_t dice_state = 99;

static uint64_t dice64(void)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return dice_state >> 33 | (dice_state ^ dice_state >> 7) << 31;
}

static uint64_t dice(uint64_t below)
{
	return dice64() % below;
}

/* --- the oracle -------------------------------------------------------------------------------------------------- */

/* The region with a byte, found the slow way. */
static const struct mem_region *region_of(const struct mem_map *map, uint64_t gpa)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (gpa >= map->region[i].gpa &&
		    gpa - map->region[i].gpa < map->region[i].size)
			return &map->region[i];
	return NULL;
}

static void scribble(struct mem_hint *hint)
{
	for (unsigned int i = 0; i < MEM_HINTS; i++)
		hint->region[i] = (uint16_t)dice64();
}

/* Checks one range: all of it or none, each piece where it belongs. */
static void check_range(const struct mem_map *map, struct mem_hint *hint, uint64_t gpa, uint32_t len,
			uint32_t max)
{
	struct mem_span spans[SPANS_MAX + 1];
	uint64_t at = gpa, left = len;
	uint32_t pieces = 0;
	int must = 0, n;

	memset(spans, 0, sizeof(spans));
	while (left > 0 && must == 0) {
		const struct mem_region *region = region_of(map, at);
		uint64_t part;

		if (region == NULL || (at < gpa && at != gpa)) {
			must = -EFAULT;
			break;
		}
		part = region->size - (at - region->gpa);
		at += part < left ? part : left;
		left -= part < left ? part : left;
		pieces++;
	}
	if (must == 0)
		must = pieces > max ? -E2BIG : (int)pieces;
	n = mem_map_spans(map, hint, gpa, len, spans, max);
	/* Which of two things is wrong first does not matter. */
	if (n != must && !(n < 0 && must < 0))
		fail_msg("[%#lx, +%u): %d, not %d", (unsigned long)gpa, len, n, must);
	assert_null(spans[max].at);
	at = gpa;
	for (int i = 0; i < n; i++) {
		const struct mem_region *region = region_of(map, at);

		assert_ptr_equal(spans[i].at, region->host + (at - region->gpa));
		assert_true(spans[i].len <= region->size - (at - region->gpa));
		at += spans[i].len;
	}
	if (n >= 0)
		assert_int_equal(at - gpa, len);
}

/* A range of one byte, one that ends with its region, and one that does not; coming from any region, or from none. */
static void check_near(const struct mem_map *map, struct mem_hint *hint, uint64_t gpa,
		       const struct mem_region *region)
{
	const struct mem_region *from = &map->region[dice(map->n + 1)], *near = from;
	uint64_t left = region == NULL ? 1 : region->size - (gpa - region->gpa);

	if (region == NULL || left > UINT32_MAX) {
		assert_true((mem_map_near(map, hint, &near, gpa, 1) == NULL) == (region == NULL));
		return;
	}
	assert_ptr_equal(mem_map_near(map, hint, &near, gpa, 1), region->host + (gpa - region->gpa));
	assert_ptr_equal(near, region);
	near = from;
	assert_ptr_equal(mem_map_near(map, hint, &near, gpa, (uint32_t)left),
			 region->host + (gpa - region->gpa));
	if (left < UINT32_MAX)
		assert_null(mem_map_near(map, hint, &near, gpa, (uint32_t)left + 1));
}

static void check_point(const struct mem_map *map, struct mem_hint *hint, uint64_t gpa)
{
	const struct mem_region *region = region_of(map, gpa);
	uint64_t avail = 0;
	uint8_t *at = mem_map_at(map, hint, gpa, &avail);

	assert_int_equal(mem_map_index_of(map, gpa),
			 region == NULL ? map->n : (uint32_t)(region - map->region));
	check_near(map, hint, gpa, region);
	if (region == NULL) {
		assert_null(at);
		return;
	}
	assert_ptr_equal(at, region->host + (gpa - region->gpa));
	assert_int_equal(avail, region->size - (gpa - region->gpa));
}

/* --- random maps ------------------------------------------------------------------------------------------------- */

/* A map of up to `n` regions, many of which adjoin; where the dice overlap a region is refused, and must be. */
static struct mem_map *random_map(uint32_t n, unsigned int bits)
{
	struct mem_map *map = mem_map_of(NULL, 0);

	assert_non_null(map);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t size = dice(3) == 0 ? 1 + dice(5000) : (1 + dice(64)) << 12;
		struct mem_region region = {
			.gpa = dice(UINT64_C(1) << bits),
			.size = size,
			.uva = dice64() >> 1,
			.host = (uint8_t *)(uintptr_t)(0x100000000000 + (uint64_t)i * 0x10000000),
		};
		const struct mem_region *other =
			map->n > 0 ? &map->region[dice(map->n)] : NULL;
		bool overlap = false;
		struct mem_map *more;

		if (other != NULL && dice(2) == 0)
			region.gpa = dice(2) == 0 ? other->gpa + other->size : other->gpa - size;
		for (uint32_t r = 0; r < map->n; r++) {
			other = &map->region[r];
			overlap |= region.gpa <= other->gpa + (other->size - 1) &&
				   other->gpa <= region.gpa + (size - 1);
			overlap |= region.uva <= other->uva + (other->size - 1) &&
				   other->uva <= region.uva + (size - 1);
		}
		if (region.gpa + (size - 1) < region.gpa)
			continue;
		errno = 0;
		more = mem_map_with(map, &region);
		if (overlap) {
			assert_null(more);
			assert_int_equal(errno, EEXIST);
			continue;
		}
		assert_non_null(more);
		assert_int_equal(more->n, map->n + 1);
		mem_map_free(map);
		map = more;
	}
	for (uint32_t i = 1; i < map->n; i++)
		assert_true(map->region[i - 1].gpa < map->region[i].gpa);
	return map;
}

/* A point near an edge, or anywhere. */
static uint64_t random_point(const struct mem_map *map, unsigned int bits)
{
	const struct mem_region *region;

	if (map->n == 0 || dice(10) == 0)
		return dice(UINT64_C(1) << bits);
	region = &map->region[dice(map->n)];
	switch (dice(4)) {
	case 0:
		return region->gpa + dice(8) - 4;
	case 1:
		return region->gpa + region->size + dice(8) - 4;
	default:
		return region->gpa + dice(region->size);
	}
}

static void random_maps_and_ranges(void **state)
{
	static const unsigned int bits[] = {20, 32, 47, 63};

	for (unsigned int round = 0; round < 400; round++) {
		unsigned int b = bits[round % 4];
		struct mem_map *map = random_map((uint32_t)dice(round % 10 == 0 ? 200 : 20), b);
		struct mem_hint hint;

		scribble(&hint);
		for (int i = 0; i < 300; i++) {
			uint64_t gpa = random_point(map, b);
			uint32_t len = (uint32_t)(dice(3) == 0 ? dice64() : dice(20000));

			check_point(map, &hint, gpa);
			check_range(map, &hint, gpa, len, (uint32_t)dice(SPANS_MAX + 1));
			check_range(map, &hint, gpa, (uint32_t)dice(100), SPANS_MAX);
			if (dice(50) == 0)
				scribble(&hint); /* any value is valid */
		}
		mem_map_free(map);
	}
}

/* --- edges ------------------------------------------------------------------------------------------------------- */

static struct mem_map *with(struct mem_map *map, uint64_t gpa, uint64_t size, uint64_t uva)
{
	struct mem_region region = {.gpa = gpa, .size = size, .uva = uva,
				    .host = (uint8_t *)(uintptr_t)0x1000};
	struct mem_map *more = mem_map_with(map, &region);

	mem_map_free(map);
	return more;
}

static int refusal(const struct mem_map *map, uint64_t gpa, uint64_t size, uint64_t uva)
{
	struct mem_region region = {.gpa = gpa, .size = size, .uva = uva};
	struct mem_map *more;

	errno = 0;
	more = mem_map_with(map, &region);
	mem_map_free(more);
	return more == NULL ? errno : 0;
}

/* T1, T2 */
static void ranges_that_wrap(void **state)
{
	assert_int_equal(refusal(NULL, 0x1000, 0, 0x1000), EINVAL);
	assert_int_equal(refusal(NULL, UINT64_MAX - 0xfff, 0x1000, 0), 0);
	assert_int_equal(refusal(NULL, UINT64_MAX - 0xfff, 0x1001, 0), EINVAL);
	assert_int_equal(refusal(NULL, 0, 0x1000, UINT64_MAX - 0xfff), 0);
	assert_int_equal(refusal(NULL, 0, 0x1001, UINT64_MAX - 0xfff), EINVAL);
	assert_int_equal(refusal(NULL, 1, UINT64_MAX, 0), 0);
	assert_int_equal(refusal(NULL, 2, UINT64_MAX, 0), EINVAL);
	assert_int_equal(refusal(NULL, UINT64_MAX - 0xfffff, 0x200000, 0), EINVAL);
}

/* T3 */
static void overlaps(void **state)
{
	struct mem_map *map = with(NULL, 0x10000, 0x10000, 0x910000);

	assert_int_equal(refusal(map, 0x10000, 0x10000, 0), EEXIST);
	assert_int_equal(refusal(map, 0x14000, 0x1000, 0), EEXIST);
	assert_int_equal(refusal(map, 0x1ffff, 1, 0), EEXIST);
	assert_int_equal(refusal(map, 0x20000, 1, 0), 0);
	assert_int_equal(refusal(map, 0xffff, 1, 0), 0);
	assert_int_equal(refusal(map, 0xffff, 2, 0), EEXIST);
	assert_int_equal(refusal(map, 0, UINT64_MAX, 0), EEXIST);
	assert_int_equal(refusal(map, 0x40000, 0x1000, 0x90ffff), EEXIST);
	assert_int_equal(refusal(map, 0x40000, 0x1000, 0x91ffff), EEXIST);
	assert_int_equal(refusal(map, 0x40000, 0x1000, 0x920000), 0);
	assert_int_equal(refusal(map, 0x40000, 0x1000, 0x90f000), 0);
	mem_map_free(map);
}

/* The last byte there is, and nothing after it: the first is not its neighbour. */
static void around_the_end_of_the_world(void **state)
{
	struct mem_map *map = with(NULL, UINT64_MAX - 0xfff, 0x1000, 0x100000);
	struct mem_span spans[4];
	struct mem_hint hint = {0};

	map = with(map, 0, 0x1000, 0x200000);
	assert_non_null(map);
	assert_int_equal(mem_map_spans(map, &hint, UINT64_MAX - 9, 10, spans, 4), 1);
	assert_int_equal(mem_map_spans(map, &hint, UINT64_MAX - 9, 11, spans, 4), -EFAULT);
	assert_int_equal(mem_map_spans(map, &hint, UINT64_MAX, 1, spans, 4), 1);
	assert_int_equal(mem_map_spans(map, &hint, UINT64_MAX, UINT32_MAX, spans, 4), -EFAULT);
	assert_int_equal(mem_map_spans(map, &hint, 0, 0x1000, spans, 4), 1);
	mem_map_free(map);
}

/* T6, T11: 509 slots in any order, found, taken and given back; one more is refused. */
static void five_hundred_and_nine_slots(void **state)
{
	struct mem_map *map = NULL;
	struct mem_hint hint = {0};

	/* 509 is a prime: a step of 200 visits each once. */
	for (uint64_t i = 0; i < MEM_SLOTS_MAX; i++) {
		uint64_t slot = i * 200 % MEM_SLOTS_MAX;

		map = with(map, 0x7f0000000000 + (slot << 20), 1 << 20, slot << 22);
		assert_non_null(map);
	}
	assert_int_equal(map->n, MEM_SLOTS_MAX);
	assert_int_equal(refusal(map, 0, 0x1000, UINT64_C(1) << 40), ENOSPC);
	for (uint64_t i = 0; i < MEM_SLOTS_MAX; i++) {
		uint64_t gpa = 0x7f0000000000 + (i << 20);

		assert_int_equal(mem_map_find(map, gpa, 1 << 20, i << 22), i);
		assert_int_equal(mem_map_find(map, gpa, 1 << 19, i << 22), -ENOENT);
		assert_int_equal(mem_map_find(map, gpa + 1, 1 << 20, i << 22), -ENOENT);
		assert_int_equal(mem_map_find(map, gpa, 1 << 20, (i << 22) + 1), -ENOENT);
		check_point(map, &hint, gpa);
		check_point(map, &hint, gpa + (1 << 20) - 1);
		/* All of it adjoins: a range may cross as many as it likes. */
		check_range(map, &hint, gpa + 5, 40 << 20, SPANS_MAX);
	}
	while (map->n > 0) {
		uint32_t victim = (uint32_t)dice(map->n);
		struct mem_region gone = map->region[victim];
		struct mem_map *less = mem_map_without(map, victim);

		assert_non_null(less);
		assert_int_equal(less->n, map->n - 1);
		mem_map_free(map);
		map = less;
		check_point(map, &hint, gone.gpa);
		assert_int_equal(mem_map_find(map, gone.gpa, gone.size, gone.uva), -ENOENT);
	}
	mem_map_free(map);
}

static void nothing_at_all(void **state)
{
	struct mem_map *map = mem_map_of(NULL, 0);
	struct mem_span span;
	struct mem_hint hint = {.region = {7}};
	const struct mem_region *near = map->region;
	uint64_t avail;

	assert_int_equal(map->n, 0);
	assert_null(mem_map_near(map, &hint, &near, 0, 1));
	assert_null(mem_map_at(map, &hint, 0, &avail));
	assert_int_equal(mem_map_spans(map, &hint, 0, 1, &span, 1), -EFAULT);
	assert_int_equal(mem_map_spans(map, &hint, 0, 0, &span, 1), 0);
	assert_int_equal(mem_map_find(map, 0, 1, 0), -ENOENT);
	assert_int_equal(mem_map_find(NULL, 0, 1, 0), -ENOENT);
	assert_null(mem_map_uva(map, 0, 1));
	assert_null(mem_map_uva(NULL, 0, 1));
	mem_map_free(map);
	mem_map_free(NULL);
}

/* How rings are named: the front end's addresses, whole in one region even where another follows. */
static void front_end_addresses(void **state)
{
	struct mem_map *map = with(NULL, 0x900000, 0x2000, 0x10000);

	map = with(map, 0x100000, 0x1000, 0x12000);
	assert_ptr_equal(mem_map_uva(map, 0x10000, 0x2000), (void *)0x1000);
	assert_ptr_equal(mem_map_uva(map, 0x11fff, 1), (void *)0x2fff);
	assert_null(mem_map_uva(map, 0x11fff, 2));
	assert_null(mem_map_uva(map, 0x10000, 0x2001));
	assert_null(mem_map_uva(map, 0x10000, UINT64_MAX));
	assert_null(mem_map_uva(map, 0x11fff, UINT64_MAX));
	assert_null(mem_map_uva(map, 0xffff, 1));
	assert_ptr_equal(mem_map_uva(map, 0x12fff, 1), (void *)0x1fff);
	assert_null(mem_map_uva(map, 0x13000, 1));
	mem_map_free(map);
}

static void of_many_all_or_none(void **state)
{
	struct mem_region regions[3] = {
		{.gpa = 0x3000, .size = 0x1000, .uva = 0x13000},
		{.gpa = 0x1000, .size = 0x1000, .uva = 0x11000},
		{.gpa = 0x2000, .size = 0x1000, .uva = 0x12000},
	};
	struct mem_map *map = mem_map_of(regions, 3);

	assert_int_equal(map->n, 3);
	assert_int_equal(map->region[0].gpa, 0x1000);
	assert_int_equal(map->region[2].gpa, 0x3000);
	mem_map_free(map);
	regions[2].gpa = 0x1fff;
	assert_null(mem_map_of(regions, 3));
	assert_int_equal(errno, EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_maps_and_ranges),
		cmocka_unit_test(ranges_that_wrap),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(around_the_end_of_the_world),
		cmocka_unit_test(five_hundred_and_nine_slots),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(front_end_addresses),
		cmocka_unit_test(of_many_all_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
