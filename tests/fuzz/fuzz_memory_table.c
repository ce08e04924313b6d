/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory map against a model that is a heap of regions in the order in which they came, asked for every byte: tables that
 * grow, shrink and are made anew, ranges across, beside and beyond the regions, hints with anything in them (T1, T2, T3, T7,
 * T11). Addresses lie closely together at a few places of the address space, so that they meet; nothing is ever read there.
 */
#include "fuzz.h"

#include <errno.h>

#include "mem_map.h"

enum { OPS_MAX = 96, SPANS_MAX = 8, NEAR_BYTES = 1024 };

typedef unsigned __int128 wide;

static struct mem_region model[MEM_SLOTS_MAX + 1];
static uint32_t model_n;
static struct mem_map *map;
static struct mem_hint hint;
static uint32_t made; /* regions, for a host address that no other has */

/* --- addresses --------------------------------------------------------------------------------------------------- */

static uint64_t take_address(struct fuzz *in)
{
	static const uint64_t places[] = {0, 0xf0, 1u << 21, 0xfffffff0, 1ull << 32, 0x7ffffffff000, 1ull << 63,
					  UINT64_MAX - 0x1fff, UINT64_MAX - 0xff, UINT64_MAX - 0xf};
	unsigned int place = fuzz_below(in, 16);

	if (place == 15)
		return fuzz_uint64(in);
	return (place < 10 ? places[place] : 0x10000) + fuzz_uint8(in);
}

static uint64_t take_size(struct fuzz *in)
{
	static const uint64_t sizes[] = {0, 1, 1u << 21, 0xffffffff, 1ull << 32, 1ull << 40, 1ull << 63, UINT64_MAX};
	unsigned int kind = fuzz_below(in, 16);

	return kind < 8 ? sizes[kind] : kind == 15 ? fuzz_uint64(in) >> 1 : 1 + (uint64_t)fuzz_uint8(in);
}

/* An address at or near an end of a region that is there, or any. */
static uint64_t take_near(struct fuzz *in, bool uva)
{
	const struct mem_region *region;
	uint64_t start;

	if (model_n == 0 || fuzz_chance(in, 64))
		return take_address(in);
	region = &model[fuzz_uint16(in) % model_n];
	start = uva ? region->uva : region->gpa;
	switch (fuzz_below(in, 3)) {
	case 0:
		return start + (uint64_t)(int8_t)fuzz_uint8(in);
	case 1:
		return start + region->size + (uint64_t)(int8_t)fuzz_uint8(in);
	default:
		return start + fuzz_uint8(in) % (region->size > 0 ? region->size : 1);
	}
}

static struct mem_region take_region(struct fuzz *in)
{
	struct mem_region region = {.gpa = take_near(in, false), .size = take_size(in)};

	region.uva = fuzz_chance(in, 128) ? region.gpa + fuzz_uint8(in) : take_near(in, true);
	/* A pointer and a size never wrap: that is what a mapping is. Those that are longer than any lie at 1. */
	region.host = (uint8_t *)(region.size < 1ull << 40 ? ((uintptr_t)(made++ & 0xffff) + 1) << 44 : 1);
	return region;
}

/* --- the model --------------------------------------------------------------------------------------------------- */

static bool meet(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return (wide)a < (wide)b + b_size && (wide)b < (wide)a + a_size;
}

/* What adding it to the model would come to. */
static int model_error(const struct mem_region *region)
{
	const wide end = (wide)1 << 64;

	if (region->size == 0 || (wide)region->gpa + region->size > end || (wide)region->uva + region->size > end)
		return EINVAL;
	for (uint32_t i = 0; i < model_n; i++)
		if (meet(region->gpa, region->size, model[i].gpa, model[i].size) ||
		    meet(region->uva, region->size, model[i].uva, model[i].size))
			return EEXIST;
	return model_n == MEM_SLOTS_MAX ? ENOSPC : 0;
}

/* A byte's address in ours, or NULL. */
static uint8_t *model_byte(wide gpa)
{
	for (uint32_t i = 0; i < model_n; i++)
		if (gpa >= model[i].gpa && gpa < (wide)model[i].gpa + model[i].size)
			return model[i].host + (uint64_t)(gpa - model[i].gpa);
	return NULL;
}

/* How many bytes from there lie in the same region. */
static wide model_run(wide gpa)
{
	for (uint32_t i = 0; i < model_n; i++)
		if (gpa >= model[i].gpa && gpa < (wide)model[i].gpa + model[i].size)
			return (wide)model[i].gpa + model[i].size - gpa;
	return 0;
}

static void check_map(void)
{
	FUZZ_CHECK((map == NULL ? 0 : map->n) == model_n);
	for (uint32_t i = 0; i < model_n; i++) {
		const struct mem_region *at = &map->region[i];
		bool found = false;

		for (uint32_t j = 0; j < model_n; j++)
			found |= at->gpa == model[j].gpa && at->size == model[j].size && at->uva == model[j].uva &&
				 at->host == model[j].host;
		FUZZ_CHECK(found);
		FUZZ_CHECK(i == 0 ? map->base == at->gpa : map->region[i - 1].gpa < at->gpa);
	}
	FUZZ_CHECK(map == NULL || map->region[map->n].size == 0);
}

/* --- what is tried ----------------------------------------------------------------------------------------------- */

static void replace_map(struct mem_map *new)
{
	mem_map_free(map);
	map = new;
}

static void add(const struct mem_region *region)
{
	int must = model_error(region);
	struct mem_map *more = mem_map_with(map, region);

	FUZZ_CHECK((more == NULL) == (must != 0));
	if (more == NULL) {
		FUZZ_CHECK(errno == must);
		return;
	}
	model[model_n++] = *region;
	replace_map(more);
}

/* Regions in a row, without gaps or with them: the way to a full table. */
static void add_row(struct fuzz *in)
{
	struct mem_region region = take_region(in);
	unsigned int n = 1 + fuzz_uint8(in) * 2u, gap = fuzz_below(in, 3);

	region.size = 1 + region.size % 64;
	for (unsigned int i = 0; i < n; i++) {
		add(&region);
		region.gpa += region.size + gap;
		region.uva += region.size + gap;
		region.host += 1ull << 32;
	}
}

static void take_away(struct fuzz *in)
{
	uint32_t index;
	struct mem_region gone;

	if (model_n == 0)
		return;
	index = fuzz_uint16(in) % model_n;
	gone = map->region[index];
	replace_map(mem_map_without(map, index));
	for (uint32_t i = 0; i < model_n; i++)
		if (model[i].gpa == gone.gpa) {
			model[i] = model[--model_n];
			break;
		}
}

/* A table at once, or none. */
static void make_anew(struct fuzz *in)
{
	struct mem_region regions[12];
	uint32_t n = fuzz_below(in, 12), old_n = model_n, i;
	struct mem_region kept[MEM_SLOTS_MAX];
	struct mem_map *new;
	int must = 0;

	for (i = 0; i < n; i++)
		regions[i] = take_region(in);
	memcpy(kept, model, old_n * sizeof(kept[0]));
	model_n = 0;
	for (i = 0; i < n && must == 0; i++) {
		must = model_error(&regions[i]);
		if (must == 0)
			model[model_n++] = regions[i];
	}
	new = mem_map_of(regions, n);
	FUZZ_CHECK((new == NULL) == (must != 0));
	if (new != NULL) {
		replace_map(new);
		return;
	}
	FUZZ_CHECK(errno == must);
	memcpy(model, kept, old_n * sizeof(kept[0]));
	model_n = old_n;
}

static void find(struct fuzz *in)
{
	struct mem_region wanted = {.gpa = take_near(in, false), .size = take_size(in), .uva = take_near(in, true)};
	int is, must = -ENOENT;

	if (model_n > 0 && fuzz_chance(in, 192)) {
		wanted = model[fuzz_uint16(in) % model_n];
		wanted.gpa += fuzz_below(in, 4) / 3;
		wanted.size += fuzz_below(in, 4) / 3;
		wanted.uva += fuzz_below(in, 4) / 3;
	}
	is = mem_map_find(map, wanted.gpa, wanted.size, wanted.uva);
	for (uint32_t i = 0; i < model_n; i++)
		if (map->region[i].gpa == wanted.gpa && map->region[i].size == wanted.size &&
		    map->region[i].uva == wanted.uva)
			must = (int)i;
	FUZZ_CHECK(is == must);
}

static void translate_uva(struct fuzz *in)
{
	uint64_t uva = take_near(in, true), len = fuzz_chance(in, 192) ? fuzz_uint8(in) : take_size(in);
	uint8_t *must = NULL;

	for (uint32_t i = 0; i < model_n; i++)
		if (uva >= model[i].uva && (wide)uva < (wide)model[i].uva + model[i].size &&
		    (wide)uva + len <= (wide)model[i].uva + model[i].size)
			must = model[i].host + (uva - model[i].uva);
	FUZZ_CHECK(mem_map_uva(map, uva, len) == must);
}

/* Every byte of the spans, or those at both ends of long ones, is the model's. */
static void check_spans(const struct mem_span *spans, int n, uint64_t gpa, uint32_t len)
{
	wide at = gpa;

	for (int i = 0; i < n; i++) {
		FUZZ_CHECK(spans[i].len > 0);
		for (uint32_t b = 0; b < spans[i].len; b++) {
			if (spans[i].len > NEAR_BYTES && b == NEAR_BYTES / 2)
				b = spans[i].len - NEAR_BYTES / 2;
			FUZZ_CHECK(spans[i].at + b == model_byte(at + b));
		}
		at += spans[i].len;
	}
	FUZZ_CHECK(at == (wide)gpa + len);
}

static void translate(struct fuzz *in)
{
	uint64_t gpa = take_near(in, false), size = take_size(in);
	uint32_t len = size > UINT32_MAX ? (uint32_t)(size >> 32) : (uint32_t)size, max = fuzz_below(in, SPANS_MAX + 1);
	struct mem_span spans[SPANS_MAX];
	wide at = gpa, end = (wide)gpa + len;
	uint32_t pieces = 0;
	bool whole = end <= (wide)1 << 64 || len == 0;
	int n;

	for (; whole && at < end; pieces++) {
		wide run = model_run(at);

		whole = run > 0;
		at += run;
	}
	n = mem_map_spans(map, &hint, gpa, len, spans, max);
	if (!whole)
		/* The room may be used up before the byte that is nowhere. */
		FUZZ_CHECK(n == -EFAULT || (n == -E2BIG && pieces > max));
	else if (pieces > max)
		FUZZ_CHECK(n == -E2BIG);
	else
		FUZZ_CHECK(n == (int)pieces);
	if (n > 0)
		check_spans(spans, n, gpa, len);
}

/* The short ways: a place and its run, and a range near a region that was found before. */
static void look(struct fuzz *in)
{
	uint64_t gpa = take_near(in, false), avail;
	uint32_t len = 1 + fuzz_uint8(in);
	const struct mem_region *near = &map->region[model_n == 0 ? 0 : fuzz_uint16(in) % model_n];
	uint8_t *at = mem_map_at(map, &hint, gpa, &avail);

	FUZZ_CHECK(at == model_byte(gpa));
	FUZZ_CHECK(at == NULL || avail == model_run(gpa));
	FUZZ_CHECK(mem_map_near(map, &hint, &near, gpa, len) == (model_run(gpa) < len ? NULL : at));
	FUZZ_CHECK(near >= map->region && near <= map->region + map->n);
}

static void scribble(struct fuzz *in)
{
	uint16_t value = fuzz_uint16(in);

	for (unsigned int i = 0; i < MEM_HINTS; i++)
		hint.region[i] = (uint16_t)(value * (i + 1));
}

static void step(struct fuzz *in)
{
	struct mem_region region;

	switch (fuzz_below(in, 12)) {
	case 0:
	case 1:
	case 2:
		region = take_region(in);
		add(&region);
		break;
	case 3:
		add_row(in);
		break;
	case 4:
		take_away(in);
		break;
	case 5:
		make_anew(in);
		break;
	case 6:
		find(in);
		break;
	case 7:
		translate_uva(in);
		break;
	case 8:
		if (map != NULL)
			look(in);
		break;
	case 9:
		scribble(in);
		break;
	default:
		if (map != NULL)
			translate(in);
	}
}

void fuzz_begin(void)
{
}

void fuzz_input(struct fuzz *in)
{
	memset(&hint, 0, sizeof(hint));
	model_n = 0;
	made = 0;
	for (int i = 0; i < OPS_MAX && in->left > 0; i++) {
		const struct mem_map *before = map;

		step(in);
		if (map != before)
			check_map();
	}
	replace_map(NULL);
}
