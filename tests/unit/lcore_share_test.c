/* SPDX-License-Identifier: BSD-3-Clause */
/* A pair of ports beside one that floods, on one lcore: each gets its part of the lcore, counted in copies. */
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "eal.h"
#include "lcore_rig.h"

enum { FLOODER = 0, PAIR = 1, FRAMES = 200000 };
static const uint64_t MANY = UINT64_C(1) << 40;

/* A pair exchanges frames, of an lcore that has nothing else to do but this queue's. */
static void pair_beside(struct source *other, uint64_t *pair, uint64_t *others)
{
	uint64_t before, deadline = clock_ns() + 20 * NS_PER_S;

	role_assert_control();
	for (int i = 0; i < 3; i++)
		source[i].rxq.lcore_next = 1;
	for (int i = PAIR; i < PAIR + 2; i++) {
		bridge_learn(bridge, source_address(i), (uint16_t)i);
		atomic_store(&source[i].to, (uint8_t)(2 * PAIR + 1 - i));
		source_send(&source[i], MANY);
		source_add(&source[i]);
	}
	source_send(other, MANY);
	source_add(other);
	before = atomic_load(&other->received);
	while (atomic_load(&other->received) == before) {
		assert_true(clock_ns() < deadline);
		usleep(50);
	}
	*pair = atomic_load(&source[PAIR].received) + atomic_load(&source[PAIR + 1].received);
	*others = atomic_load(&other->received);
	while (atomic_load(&source[PAIR].received) + atomic_load(&source[PAIR + 1].received) < *pair + FRAMES) {
		assert_true(clock_ns() < deadline);
		usleep(50);
	}
	*pair = atomic_load(&source[PAIR].received) + atomic_load(&source[PAIR + 1].received) - *pair;
	*others = atomic_load(&other->received) - *others;
	for (int i = 0; i < 3; i++)
		source_take(&source[i]);
	for (int i = 0; i < 3; i++) {
		atomic_store(&source[i].pending, 0);
		atomic_store(&source[i].to, 0);
	}
}

/* SOURCES - 1 copies are made of each of its frames: the pair keeps two parts of three. */
static void a_flood_gets_its_part(void **state)
{
	uint64_t pair, flooded;

	atomic_store(&source[FLOODER].to, 0);
	pair_beside(&source[FLOODER], &pair, &flooded);
	print_message("%llu frames of the pair, %llu copies of a flood\n", (unsigned long long)pair,
		      (unsigned long long)flooded * (SOURCES - 1));
	assert_true(10 * pair >= 6 * (pair + flooded * (SOURCES - 1)));
	assert_true(10 * flooded * (SOURCES - 1) >= 2 * pair);
}

/* Frames of one port to another are as good as those of the pair. */
static void an_equal_gets_the_same(void **state)
{
	uint64_t pair, other;

	role_assert_control();
	bridge_learn(bridge, source_address(5), 5);
	atomic_store(&source[FLOODER].to, 5);
	pair_beside(&source[FLOODER], &pair, &other);
	assert_in_range(other, pair * 4 / 10, pair * 6 / 10);
}

/* Alone it is served without a wait, whatever it owes. */
static void alone_it_is_served(void **state)
{
	uint64_t received, loops, deadline = clock_ns() + 20 * NS_PER_S;

	role_assert_control();
	source[FLOODER].rxq.lcore_next = 1;
	loops = LCORES_SUM(loops);
	received = atomic_load(&source[FLOODER].received);
	source_send(&source[FLOODER], FRAMES);
	source_add(&source[FLOODER]);
	while (atomic_load(&source[FLOODER].received) < received + FRAMES) {
		assert_true(clock_ns() < deadline);
		usleep(50);
	}
	/* The other lcore goes to sleep after a while. */
	assert_true(counted(&source[FLOODER].rxq.bursts) >= FRAMES / BURST_MAX);
	assert_true(LCORES_SUM(sleeps) < 1000);
	source_take(&source[FLOODER]);
	assert_true(LCORES_SUM(loops) > loops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_gets_its_part),
		cmocka_unit_test(an_equal_gets_the_same),
		cmocka_unit_test(alone_it_is_served),
	};

	if (eal_start("0@0,1@0,2@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, lcore_rig_open, lcore_rig_close);
}
