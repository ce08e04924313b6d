/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues on a machine with several NUMA nodes: where one begins, what moves for the sake of its memory and what does not, and
 * that it comes to an end. */
#include <string.h>

#include "balance.h"
#include "cases.h"
#include "dice.h"

enum { PERMILLE = BALANCE_WHOLE / 1000, FAR = 21, QUEUES = 256 };

/* Lcores in turns on as many nodes, all FAR from each other. */
static struct place place_of(unsigned int lcores, unsigned int nodes)
{
	struct place place = {0};

	for (unsigned int i = 0; i < lcores; i++)
		place_add(&place, (int)(i % nodes));
	for (int a = 0; a < (int)nodes; a++)
		for (int b = 0; b < a; b++)
			place_set_distance(&place, a, b, FAR);
	return place;
}

static uint32_t load_of(const struct balance_queue *q, unsigned int n, unsigned int lcore)
{
	uint32_t load = 0;

	for (unsigned int i = 0; i < n; i++)
		load += q[i].lcore == lcore ? q[i].load : 0;
	return load;
}

static unsigned int crossing(const struct balance_queue *q, unsigned int n, const struct place *place)
{
	unsigned int crossing = 0;

	for (unsigned int i = 0; i < n; i++)
		crossing += place_price(place, q[i].node, q[i].lcore) > 0;
	return crossing;
}

/* --- where a queue begins ----------------------------------------------------------------------------------------- */

static void the_price_follows_the_distance(void **state)
{
	struct place place = place_of(2, 2);

	assert_true(place.several);
	assert_int_equal(place_price(&place, 0, 0), 0);
	assert_int_equal(place_price(&place, 0, 1), PLACE_PRICE * (FAR - NODE_NEAR));
	assert_int_equal(place_price(&place, 1, 0), PLACE_PRICE * (FAR - NODE_NEAR));
	assert_int_equal(place_price(&place, NODE_UNKNOWN, 0), 0);
	assert_int_equal(place_price(&place, PLACE_NODES, 0), 0);
	place_set_distance(&place, 0, 1, 255);
	assert_int_equal(place_price(&place, 0, 1), PLACE_PRICE_MAX);
	place_set_distance(&place, 0, PLACE_NODES, FAR); /* none of ours */
	place_add(&place, PLACE_NODES);
	assert_int_equal(place_price(&place, 0, 2), PLACE_PRICE_UNKNOWN);
	assert_int_equal(place_price(&place, NODE_UNKNOWN, 2), 0);
	assert_false(place_of(3, 1).several);
}

static void a_queue_begins_where_its_memory_is(void **state)
{
	struct place place = place_of(6, 2); /* node 0: 0, 2, 4; node 1: 1, 3, 5 */
	uint16_t queues[] = {9, 0, 7, 3, 8, 2, 0};

	assert_int_equal(place_choose(&place, queues, 0), 2);
	assert_int_equal(place_choose(&place, queues, 1), 1);
	queues[1] = 4;
	assert_int_equal(place_choose(&place, queues, 1), 5);
	/* Nothing is known of it: the one with the fewest of all. */
	assert_int_equal(place_choose(&place, queues, NODE_UNKNOWN), 5);
	/* No lcore is there: the nearest. */
	place_set_distance(&place, 2, 0, 31);
	place_set_distance(&place, 2, 1, FAR);
	assert_int_equal(place_choose(&place, queues, 2), 5);
	/* Nothing is known of an lcore: no better than one far away, however little it has to do. */
	place_add(&place, PLACE_NODES);
	assert_int_equal(place_choose(&place, queues, 1), 5);
	assert_int_equal(place_choose(&place, queues, NODE_UNKNOWN), 6);
}

/* --- what moves ---------------------------------------------------------------------------------------------------- */

static void a_queue_goes_home_when_there_is_room(void **state)
{
	struct place place = place_of(2, 2);
	struct balance_queue q[] = {{200 * PERMILLE, 0, false, 1}, {400 * PERMILLE, 1, false, 1}};
	struct balance_move move;

	assert_true(balance_foresee(q, 2, &place, &move));
	assert_int_equal(move.queue, 0);
	assert_int_equal(move.to, 1);
	assert_true(move.home);
	/* It takes less there. */
	assert_in_range(q[0].load, 149 * PERMILLE, 151 * PERMILLE);
	assert_int_equal(move.after, load_of(q, 2, 1));
	assert_false(balance_find(q, 2, &place, &move));
	/* One that does next to nothing, and one that has moved just now, stay. */
	q[0] = (struct balance_queue){BALANCE_HOME - 1, 0, false, 1};
	assert_false(balance_find(q, 2, &place, &move));
	q[0] = (struct balance_queue){200 * PERMILLE, 0, true, 1};
	assert_false(balance_find(q, 2, &place, &move));
}

static void no_room_at_home(void **state)
{
	struct place place = place_of(2, 2);
	struct balance_queue q[] = {{500 * PERMILLE, 1, false, 1}, {500 * PERMILLE, 0, false, 1}};
	struct balance_move move;

	/* Together they would fill the lcore on their node. */
	assert_false(balance_find(q, 2, &place, &move));
	/* And from there one goes, although it will take longer. */
	q[1] = (struct balance_queue){500 * PERMILLE, 1, false, 1};
	assert_true(balance_find(q, 2, &place, &move));
	assert_int_equal(move.from, 1);
	assert_int_equal(move.to, 0);
	assert_false(move.home);
	assert_int_equal(move.after, 500 * PERMILLE * (100 + PLACE_PRICE * (FAR - NODE_NEAR)) / 100);
}

/* There is an lcore with less to do on the other node, and one with room on this. */
static void a_queue_stays_on_its_node_if_it_can(void **state)
{
	struct place place = place_of(4, 2); /* node 0: 0, 2; node 1: 1, 3 */
	struct balance_queue q[] = {{300 * PERMILLE, 0, false, 0}, {280 * PERMILLE, 0, false, 0}, {20 * PERMILLE, 2, false, 0}};
	struct balance_move move;

	assert_true(balance_find(q, 3, &place, &move));
	assert_int_equal(move.to, 2);
}

/* What it would gain is less than what the way costs. */
static void the_way_can_be_too_expensive(void **state)
{
	struct place place = place_of(2, 2);
	struct balance_queue q[] = {{400 * PERMILLE, 0, false, 0}, {300 * PERMILLE, 0, false, 0}, {320 * PERMILLE, 1, false, 1}};
	struct balance_move move;

	assert_false(balance_find(q, 3, &place, &move));
	q[1].node = NODE_UNKNOWN; /* one that costs nothing anywhere may */
	assert_true(balance_find(q, 3, &place, &move));
	assert_int_equal(move.queue, 1);
}

/* --- machines ------------------------------------------------------------------------------------------------------ */

/* All that there is to move, until nothing is. Each queue moves as often as it is worth it. */
static unsigned int settle(struct balance_queue *q, unsigned int n, const struct place *place)
{
	struct balance_move move;
	unsigned int moves = 0;

	while (balance_foresee(q, n, place, &move)) {
		q[move.queue].backs_off = false;
		assert_in_range(++moves, 1, 4 * n);
	}
	return moves;
}

/* Any loads of any nodes on any lcores: moves come to an end, and where nobody needs relief nothing crosses. */
static void any_machine_comes_to_rest(void **state)
{
	for (unsigned int round = 0; round < 4000; round++) {
		unsigned int nodes = 1 + dice(4), lcores = nodes + dice(13), n = 1 + dice(QUEUES - 1), busy = 200 + dice(700);
		struct place place = place_of(lcores, nodes);
		struct balance_queue q[QUEUES];

		for (unsigned int i = 0; i < n; i++)
			q[i] = (struct balance_queue){.load = dice(2 * busy * lcores / n + 1) * PERMILLE,
						      .lcore = (uint16_t)dice(lcores),
						      .node = (int8_t)((int)dice(nodes + 1) - 1)};
		settle(q, n, &place);
	}
}

/* Equal shares of guests on each node, begun without knowledge of nodes: all come home, and lcores are even. */
static void everybody_comes_home(void **state)
{
	static const unsigned int sizes[] = {2, 4, 16, 64, LCORES_MAX};

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct place place = place_of(sizes[i], 2);
		struct balance_queue q[4 * LCORES_MAX];
		unsigned int n = 4 * sizes[i], moves;
		uint32_t most = 0;

		for (unsigned int k = 0; k < n; k++)
			q[k] = (struct balance_queue){.load = (110 + dice(20)) * PERMILLE, .lcore = (uint16_t)(k % sizes[i]),
						      .node = (int8_t)(dice(2))};
		moves = settle(q, n, &place);
		for (unsigned int k = 0; k < sizes[i]; k++)
			most = load_of(q, n, k) > most ? load_of(q, n, k) : most;
		print_message("%3u lcores, %3u queues: %u moves, %u cross, busiest %u permille\n", sizes[i], n, moves,
			      crossing(q, n, &place), most / PERMILLE);
		assert_in_range(crossing(q, n, &place), 0, n / 8 + 1);
		assert_in_range(moves, 0, n);
	}
}

/* All guests are on one of two nodes: the other one's lcores take what is too much for those, and no more. */
static void a_full_node_is_helped(void **state)
{
	struct place place = place_of(8, 2);
	struct balance_queue q[64];

	for (unsigned int i = 0; i < 64; i++)
		q[i] = (struct balance_queue){.load = 50 * PERMILLE, .lcore = (uint16_t)(2 * (i % 4)), .node = 0};
	settle(q, 64, &place);
	for (unsigned int i = 0; i < 8; i++)
		assert_in_range(load_of(q, 64, i), 300 * PERMILLE, 600 * PERMILLE);
	assert_in_range(crossing(q, 64, &place), 16, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_price_follows_the_distance),
		cmocka_unit_test(a_queue_begins_where_its_memory_is),
		cmocka_unit_test(a_queue_goes_home_when_there_is_room),
		cmocka_unit_test(no_room_at_home),
		cmocka_unit_test(a_queue_stays_on_its_node_if_it_can),
		cmocka_unit_test(the_way_can_be_too_expensive),
		cmocka_unit_test(any_machine_comes_to_rest),
		cmocka_unit_test(everybody_comes_home),
		cmocka_unit_test(a_full_node_is_helped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
