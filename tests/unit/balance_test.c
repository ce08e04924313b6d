/* SPDX-License-Identifier: BSD-3-Clause */
/* Which queue should move: what is worth a move and what is not, that no lcore gets more than the busiest had, that it
 * comes to an end, and that loads which swing do not make queues swing. */
#include <string.h>

#include "balance.h"
#include "cases.h"
#include "dice.h"

/* So many on one NUMA node. */
#define LCORES_OF(n) (&(const struct place){.lcores = (n)})

enum { QUEUES = 24, LCORES = 8, INTERVAL = 1000000, PERMILLE = BALANCE_WHOLE / 1000 };

static uint32_t load_of(const struct balance_queue *q, unsigned int n, unsigned int lcore)
{
	uint32_t load = 0;

	for (unsigned int i = 0; i < n; i++)
		load += q[i].lcore == lcore ? q[i].load : 0;
	return load;
}

static uint32_t busiest(const struct balance_queue *q, unsigned int n, unsigned int lcores)
{
	uint32_t most = 0;

	for (unsigned int i = 0; i < lcores; i++)
		most = load_of(q, n, i) > most ? load_of(q, n, i) : most;
	return most;
}

static void two_that_share_are_parted(void **state)
{
	struct balance_queue q[] = {{400 * PERMILLE, 0, false, 0}, {430 * PERMILLE, 0, false, 0}, {10 * PERMILLE, 1, false, 0}};
	struct balance_move move;

	assert_true(balance_find(q, 3, LCORES_OF(2), &move));
	assert_int_equal(move.queue, 0);
	assert_int_equal(move.from, 0);
	assert_int_equal(move.to, 1);
	assert_int_equal(move.load, 400 * PERMILLE);
	assert_int_equal(move.before, 830 * PERMILLE);
	assert_int_equal(move.after, 430 * PERMILLE);
	/* The third lcore has nothing at all. */
	assert_true(balance_find(q, 3, LCORES_OF(3), &move));
	assert_int_equal(move.to, 2);
	/* The larger one would do as well, but may not move. */
	q[0].backs_off = true;
	assert_true(balance_find(q, 3, LCORES_OF(2), &move));
	assert_int_equal(move.queue, 1);
	q[1].backs_off = true;
	assert_false(balance_find(q, 3, LCORES_OF(2), &move));
}

static void what_is_not_worth_it(void **state)
{
	struct balance_queue elephant[] = {{1000 * PERMILLE, 0, false, 0}};
	struct balance_queue light[] = {{120 * PERMILLE, 0, false, 0}, {120 * PERMILLE, 0, false, 0}};
	struct balance_queue even[] = {
		{500 * PERMILLE, 0, false, 0}, {300 * PERMILLE, 0, false, 0},
		{450 * PERMILLE, 1, false, 0}, {290 * PERMILLE, 1, false, 0}};
	struct balance_queue crumbs[] = {{900 * PERMILLE, 0, false, 0}, {40 * PERMILLE, 0, false, 0}};
	struct balance_move move;

	assert_false(balance_find(elephant, 1, LCORES_OF(4), &move));
	assert_false(balance_find(light, 2, LCORES_OF(2), &move));
	assert_false(balance_find(even, 4, LCORES_OF(2), &move));
	assert_false(balance_find(crumbs, 2, LCORES_OF(2), &move));
	assert_false(balance_find(elephant, 0, LCORES_OF(4), &move));
	assert_false(balance_find(light, 2, LCORES_OF(1), &move));
}

/* What shares an lcore with an elephant gets one of its own, or the elephant does. */
static void an_elephant_is_alone_at_the_end(void **state)
{
	struct balance_queue q[] = {{620 * PERMILLE, 0, false, 0}, {190 * PERMILLE, 0, false, 0}, {190 * PERMILLE, 0, false, 0}};
	struct balance_move move;
	unsigned int moves = 0;

	while (balance_foresee(q, 3, LCORES_OF(3), &move))
		moves++;
	assert_int_equal(moves, 2);
	assert_int_equal(busiest(q, 3, 3), 620 * PERMILLE);
	assert_int_not_equal(q[0].lcore, q[1].lcore);
	assert_int_not_equal(q[0].lcore, q[2].lcore);
	assert_int_not_equal(q[1].lcore, q[2].lcore);
}

/* Any loads on any lcores, each move checked: no lcore is worse off than the busiest of the two was, the way back is never
 * worth it, and there is an end. */
static void no_lcore_is_worse_off(void **state)
{
	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int n = 1 + dice(QUEUES), lcores = 1 + dice(LCORES), moves = 0;
		struct balance_queue q[QUEUES], back;
		struct balance_move move, again;

		for (unsigned int i = 0; i < n; i++)
			q[i] = (struct balance_queue){.load = dice(2000 / n + 1) * PERMILLE,
						      .lcore = (uint16_t)dice(lcores)};
		while (balance_find(q, n, LCORES_OF(lcores), &move)) {
			uint32_t from = load_of(q, n, move.from), to = load_of(q, n, move.to);
			uint32_t most = busiest(q, n, lcores);

			assert_int_equal(move.before, from);
			q[move.queue].lcore = move.to;
			assert_true(busiest(q, n, lcores) <= most);
			assert_true(load_of(q, n, move.from) < from);
			assert_true(load_of(q, n, move.to) < from);
			assert_int_equal(load_of(q, n, move.to), to + move.load);
			back = q[move.queue];
			if (balance_find(q, n, LCORES_OF(lcores), &again))
				assert_false(again.queue == move.queue && again.to == move.from);
			assert_int_equal(back.lcore, move.to);
			assert_in_range(++moves, 1, 4 * QUEUES);
		}
	}
}

/* Light queues, none of which is worth a move: together they are. */
static void light_queues_even_out(void **state)
{
	struct balance_queue q[200];
	struct balance_move move;

	for (unsigned int i = 0; i < 200; i++)
		q[i] = (struct balance_queue){.load = 3 * PERMILLE, .lcore = i < 150 ? 0 : 1};
	while (balance_foresee(q, 200, LCORES_OF(2), &move))
		assert_int_equal(move.from, 0);
	assert_in_range(load_of(q, 200, 0), 300 * PERMILLE, 330 * PERMILLE);
}

/* Eight equal queues on one lcore of four end up as two on each. */
static void all_lcores_are_used(void **state)
{
	struct balance_queue q[8];
	struct balance_move move;
	unsigned int moves = 0;

	for (unsigned int i = 0; i < 8; i++)
		q[i] = (struct balance_queue){.load = 125 * PERMILLE};
	while (balance_foresee(q, 8, LCORES_OF(4), &move))
		moves++;
	assert_int_equal(moves, 6);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(load_of(q, 8, i), 250 * PERMILLE);
}

/* --- in time ----------------------------------------------------------------------------------------------------- */

static void a_load_is_smoothed(void **state)
{
	struct balance_load load = {.cycles = 77};
	uint64_t cycles = 77;

	balance_measure(&load, cycles += INTERVAL, INTERVAL);
	assert_int_equal(load.share, BALANCE_WHOLE / 2);
	for (int i = 0; i < 12; i++)
		balance_measure(&load, cycles += INTERVAL, INTERVAL);
	assert_in_range(load.share, 998 * PERMILLE, BALANCE_WHOLE);
	/* The interval was longer than it was thought to be. */
	balance_measure(&load, cycles += 5 * INTERVAL, INTERVAL);
	assert_in_range(load.share, 998 * PERMILLE, BALANCE_WHOLE);
	for (int i = 0; i < 12; i++)
		balance_measure(&load, cycles, INTERVAL);
	assert_in_range(load.share, 0, PERMILLE);
}

static unsigned int backs_off_for(struct balance_load *load)
{
	unsigned int intervals = 0;

	for (; balance_backs_off(load); intervals++)
		balance_measure(load, load->cycles, INTERVAL);
	return intervals;
}

static void a_queue_that_moved_rests(void **state)
{
	struct balance_load load = {0};
	unsigned int rest = BALANCE_BACKOFF;

	assert_false(balance_backs_off(&load));
	for (int i = 0; i < 12; i++) { /* again and again: longer and longer */
		balance_moved(&load);
		assert_int_equal(backs_off_for(&load), rest);
		rest = 2 * rest < BALANCE_BACKOFF_MAX ? 2 * rest : BALANCE_BACKOFF_MAX;
	}
	for (unsigned int i = 0; i < 4 * BALANCE_BACKOFF_MAX; i++) /* after long peace it begins anew */
		balance_measure(&load, 0, INTERVAL);
	balance_moved(&load);
	assert_int_equal(backs_off_for(&load), BALANCE_BACKOFF);
}

/* The decision of switch_balance.c over an hour, for two lcores and four queues whose loads change as `share` says. */
static unsigned int hour(uint32_t (*share)(unsigned int queue, unsigned int second))
{
	struct balance_load load[4];
	struct balance_queue q[4], plan[4];
	unsigned int uneven = 0, moves = 0;
	uint64_t cycles[4] = {0};
	struct balance_move move;

	memset(load, 0, sizeof(load));
	for (unsigned int i = 0; i < 4; i++)
		q[i].lcore = (uint16_t)(i / 2);
	for (unsigned int second = 0; second < 3600; second++) {
		for (unsigned int i = 0; i < 4; i++) {
			cycles[i] += share(i, second) * (INTERVAL / 1000);
			balance_measure(&load[i], cycles[i], INTERVAL);
			q[i].load = balance_weight(&load[i]);
			q[i].backs_off = balance_backs_off(&load[i]);
		}
		memcpy(plan, q, sizeof(plan));
		uneven = balance_find(q, 4, LCORES_OF(2), &move) ? uneven + 1 : 0;
		if (uneven < BALANCE_PATIENCE)
			continue;
		uneven = 0;
		for (unsigned int i = 0; i < BALANCE_MOVES && balance_foresee(plan, 4, LCORES_OF(2), &move); i++) {
			q[move.queue].lcore = move.to;
			balance_moved(&load[move.queue]);
			moves++;
		}
	}
	return moves;
}

static uint32_t steady(unsigned int queue, unsigned int second)
{
	return queue < 2 ? 380 + (second * 7 + queue) % 40 : 20; /* two that share an lcore */
}

static uint32_t flickering(unsigned int queue, unsigned int second)
{
	return (second + queue) % 2 == 0 ? 450 : 0;
}

/* Now the first pair of queues is busy, now the second, and each time they sit on one lcore. */
static uint32_t swinging(unsigned int queue, unsigned int second)
{
	return (second / 12 + queue / 2) % 2 == 0 ? 450 : 30;
}

static uint32_t random_loads(unsigned int queue, unsigned int second)
{
	(void)queue, (void)second;
	return dice(500);
}

static void swinging_loads_do_not_swing_queues(void **state)
{
	print_message("moves an hour: %u flickering, %u swinging, %u random\n", hour(flickering),
		      hour(swinging), hour(random_loads));
	assert_int_equal(hour(steady), 1);
	assert_in_range(hour(flickering), 0, 2);
	assert_in_range(hour(swinging), 1, 40);
	assert_in_range(hour(random_loads), 0, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_that_share_are_parted),
		cmocka_unit_test(what_is_not_worth_it),
		cmocka_unit_test(an_elephant_is_alone_at_the_end),
		cmocka_unit_test(no_lcore_is_worse_off),
		cmocka_unit_test(light_queues_even_out),
		cmocka_unit_test(all_lcores_are_used),
		cmocka_unit_test(a_load_is_smoothed),
		cmocka_unit_test(a_queue_that_moved_rests),
		cmocka_unit_test(swinging_loads_do_not_swing_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
