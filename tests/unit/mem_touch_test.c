/* SPDX-License-Identifier: BSD-3-Clause */
/* Which huge pages are known to be there (X4): what is not is asked for once, and known when it has been touched. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "mem_arena.h"
#include "mem_touch.h"
#include "vus_limits.h"

enum { GRANULES = 1024, AREA_GRANULES = 200 };

static struct mem_arena *arena;
static struct mem_touch *touch;
static uint8_t *at;
static int alarm_fd, file;

/* The file is of small pages: what is asked is the same. */
static int open_arena(void **state)
{
	alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	file = memfd_create("guest", MFD_CLOEXEC);
	arena = mem_arena_create(alarm_fd);
	if (file < 0 || arena == NULL || ftruncate(file, GRANULES * (off_t)MEM_GRANULE) != 0)
		return -1;
	at = mem_arena_map(arena, file, 0, GRANULES * MEM_GRANULE, (size_t)1 << 30);
	if (at == NULL)
		return -1;
	touch = NULL;
	return 0;
}

static int close_arena(void **state)
{
	mem_arena_destroy(arena);
	close(file);
	return close(alarm_fd);
}

static void make_huge(size_t page, bool known)
{
	assert_null(mem_arena_touch(arena));
	assert_int_equal(mem_arena_huge(arena, at, page, known), 0);
	touch = mem_arena_touch(arena);
	assert_non_null(touch);
}

static uint64_t alarms(void)
{
	eventfd_t n;

	return eventfd_read(alarm_fd, &n) == 0 ? n : 0;
}

static bool ready(size_t offset, uint32_t len)
{
	return mem_touch_ready(touch, &(struct mem_span){at + offset, len}, 1) == 1;
}

static bool is_there(size_t offset)
{
	unsigned char in_core = 0;

	assert_int_equal(mincore(at + offset / 4096 * 4096, 4096, &in_core), 0);
	return (in_core & 1) != 0;
}

static bool ready_to_write(size_t nth)
{
	return mem_touch_ready_to_write(touch, &(struct mem_span){at + nth * MEM_GRANULE, 100}, 1) == 1;
}

static void few_pages_are_the_writers(void **state)
{
	struct mem_span spans[3];

	make_huge(MEM_GRANULE, false);
	for (size_t i = 0; i < MEM_TOUCH_OWN; i++)
		assert_true(ready_to_write(i));
	assert_int_equal(touch->left, GRANULES - MEM_TOUCH_OWN);
	assert_int_equal(alarms(), 0);
	assert_false(ready_to_write(MEM_TOUCH_OWN));
	assert_int_equal(alarms(), 1);
	/* One more each time that the rest is over. What stands behind a page that is not there is not the writer's. */
	touch->own_at -= MEM_TOUCH_OWN_MS * NS_PER_MS;
	for (size_t i = 0; i < 3; i++)
		spans[i] = (struct mem_span){at + (10 + i) * MEM_GRANULE, 100};
	assert_int_equal(mem_touch_ready_to_write(touch, spans, 3), 1);
	assert_int_equal(touch->left, GRANULES - MEM_TOUCH_OWN - 1);
	assert_false(ready_to_write(11));
}

static void large_pages_are_never_the_writers(void **state)
{
	make_huge((size_t)1 << 30, false);
	assert_false(ready_to_write(0));
	assert_int_equal(alarms(), 1);
}

static void a_page_is_asked_for_once_and_touched(void **state)
{
	size_t offset = 5 * MEM_GRANULE + 4096 * 3 + 7;

	make_huge(MEM_GRANULE, false);
	assert_int_equal(touch->left, GRANULES);
	assert_false(ready(offset, 100));
	assert_int_equal(alarms(), 1);
	assert_false(ready(offset, 100));
	assert_int_equal(alarms(), 0);
	assert_true(mem_touch_asked(touch));
	assert_false(is_there(offset));
	mem_arena_touch_asked(arena);
	assert_true(is_there(offset));
	assert_false(is_there(offset + MEM_GRANULE));
	assert_true(ready(offset, 100));
	assert_true(ready(5 * MEM_GRANULE, MEM_GRANULE));
	assert_false(ready(4 * MEM_GRANULE, 100));
	assert_int_equal(touch->left, GRANULES - 1);
}

static void a_piece_over_an_edge_wants_both(void **state)
{
	size_t offset = 3 * MEM_GRANULE - 50;

	make_huge(MEM_GRANULE, false);
	assert_false(ready(offset, 100));
	mem_arena_touch_asked(arena);
	assert_false(ready(offset, 100));
	mem_arena_touch_asked(arena);
	assert_true(ready(offset, 100));
	/* No more of a large buffer than a frame needs. */
	assert_true(ready(2 * MEM_GRANULE, UINT32_MAX));
}

static void the_first_pieces_that_are_there(void **state)
{
	struct mem_span spans[4];

	make_huge(MEM_GRANULE, false);
	for (unsigned int i = 0; i < 4; i++)
		spans[i] = (struct mem_span){at + i * MEM_GRANULE, 64};
	assert_int_equal(mem_touch_ready(touch, spans, 4), 0);
	mem_arena_touch_asked(arena);
	assert_int_equal(mem_touch_ready(touch, spans, 4), 4);
	spans[2].at = at + 77 * MEM_GRANULE;
	assert_int_equal(mem_touch_ready(touch, spans, 4), 2);
}

static void a_page_of_a_gibibyte_is_touched_once(void **state)
{
	make_huge((size_t)1 << 30, false);
	assert_false(ready(600 * MEM_GRANULE, 64));
	mem_arena_touch_asked(arena);
	assert_true(ready(512 * MEM_GRANULE, 64));
	assert_true(ready(1024 * MEM_GRANULE - 64, 64));
	assert_false(ready(511 * MEM_GRANULE, 64));
	assert_int_equal(touch->left, 512);
}

static void more_than_can_be_asked_at_once(void **state)
{
	struct mem_span spans[3 * MEM_TOUCH_ASKED];
	unsigned int turns = 0;

	make_huge(MEM_GRANULE, false);
	for (unsigned int i = 0; i < 3 * MEM_TOUCH_ASKED; i++)
		spans[i] = (struct mem_span){at + i * MEM_GRANULE, 64};
	for (; mem_touch_ready(touch, spans, 3 * MEM_TOUCH_ASKED) < 3 * MEM_TOUCH_ASKED; turns++)
		mem_arena_touch_asked(arena);
	assert_int_equal(turns, 3);
}

static void what_slept_an_lcore_is_known_no_more(void **state)
{
	make_huge(MEM_GRANULE, true);
	assert_false(mem_touch_left(touch));
	assert_true(ready(9 * MEM_GRANULE, 64));
	mem_arena_charge(at + 8 * MEM_GRANULE, 1000);
	assert_false(ready(9 * MEM_GRANULE, 64));
	mem_arena_touch_asked(arena);
	assert_true(ready(9 * MEM_GRANULE, 64));
}

static void a_mapping_takes_its_bits_along(void **state)
{
	make_huge(MEM_GRANULE, false);
	assert_false(ready(9 * MEM_GRANULE, 64));
	mem_arena_release(arena, at, GRANULES * MEM_GRANULE);
	assert_false(mem_touch_left(touch));
	/* What was asked for has gone: nothing is touched there. */
	mem_arena_touch_asked(arena);
	assert_true(ready(9 * MEM_GRANULE, 64));
}

/* Against a naive list. */
static void marks_and_clears_at_random(void **state)
{
	bool naive[AREA_GRANULES] = {false};
	struct mem_touch own = {.alarm_fd = -1};
	uintptr_t base = UINT64_C(1) << 40;
	uint64_t left = 0;

	assert_int_equal(mem_touch_area(&own, base, AREA_GRANULES * MEM_GRANULE), 0);
	for (unsigned int turn = 0; turn < 2000; turn++) {
		size_t first = (size_t)rand() % AREA_GRANULES, n = 1 + (size_t)rand() % (AREA_GRANULES - first);
		bool mark = rand() % 2 == 0;

		(mark ? mem_touch_mark : mem_touch_clear)(&own, base + first * MEM_GRANULE, n * MEM_GRANULE);
		for (size_t i = first; i < first + n; i++)
			naive[i] = mark;
		left = 0;
		for (size_t i = 0; i < AREA_GRANULES; i++) {
			struct mem_span span = {(uint8_t *)(base + i * MEM_GRANULE), 64};

			assert_int_equal(mem_touch_ready(&own, &span, 1), naive[i] ? 0 : 1);
			left += naive[i];
		}
		assert_int_equal(own.left, left);
	}
	mem_touch_fini(&own);
}

/* Bursts whose pieces lie in either of two areas, at their very ends as well, and may be empty; against a naive list. */
static void pieces_of_any_area_and_length(void **state)
{
	static const uint32_t lens[] = {0, 1, 64, 1526, FRAME_PIECE_MAX, UINT32_MAX};
	uintptr_t base[2] = {UINT64_C(1) << 41, UINT64_C(1) << 40};
	bool naive[2][AREA_GRANULES] = {{false}};
	struct mem_touch own = {.alarm_fd = -1};

	for (int i = 0; i < 2; i++)
		assert_int_equal(mem_touch_area(&own, base[i], AREA_GRANULES * MEM_GRANULE), 0);
	for (unsigned int turn = 0; turn < 20000; turn++) {
		size_t area = (size_t)rand() % 2, nth = (size_t)rand() % AREA_GRANULES;
		struct mem_span spans[8];
		uint32_t wanted = 0;
		bool known = true;

		naive[area][nth] = rand() % 8 == 0;
		(naive[area][nth] ? mem_touch_mark : mem_touch_clear)(&own, base[area] + nth * MEM_GRANULE, MEM_GRANULE);
		for (unsigned int i = 0; i < 8; i++) {
			size_t whole = AREA_GRANULES * MEM_GRANULE, from, len, last;

			area = (size_t)rand() % 8 == 0;
			from = (size_t)rand() % AREA_GRANULES * MEM_GRANULE + (rand() % 2 == 0 ? 0 : MEM_GRANULE - 64);
			spans[i] = (struct mem_span){(uint8_t *)(base[area] + from), lens[rand() % 6]};
			if (spans[i].len > whole - from)
				spans[i].len = (uint32_t)(whole - from);
			len = spans[i].len < FRAME_PIECE_MAX ? spans[i].len : FRAME_PIECE_MAX;
			last = from + len - (len > 0);
			known = known && !naive[area][from / MEM_GRANULE] && !naive[area][last / MEM_GRANULE];
			wanted += known;
		}
		assert_int_equal(mem_touch_ready(&own, spans, 8), wanted);
	}
	mem_touch_fini(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_page_is_asked_for_once_and_touched, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(few_pages_are_the_writers, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(large_pages_are_never_the_writers, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(a_piece_over_an_edge_wants_both, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(the_first_pieces_that_are_there, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(a_page_of_a_gibibyte_is_touched_once, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(more_than_can_be_asked_at_once, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(what_slept_an_lcore_is_known_no_more, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(a_mapping_takes_its_bits_along, open_arena, close_arena),
		cmocka_unit_test(marks_and_clears_at_random),
		cmocka_unit_test(pieces_of_any_area_and_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
