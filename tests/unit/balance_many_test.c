/* SPDX-License-Identifier: BSD-3-Clause */
/* 4 096 receive queues on 1 to 128 lcores, an hour of seconds: what the balancer makes of loads of several kinds. The busiest
 * lcore has at most a tenth more to do than the mean once it has converged (or one queue that fills it), moves are bounded, and
 * what swings in seconds does not make queues go back and forth.
 */
#include <string.h>

#include "balance.h"
#include "cases.h"
#include "dice.h"

enum { QUEUES = 4096, LCORES = 128, SECONDS = 3600, SETTLED = 1800, INTERVAL = 1000000, BACK_S = 600, DISTANCE = 21 };

static struct queue {
	double share; /* of an lcore, on the average */
	bool on;
	unsigned int until; /* a burst, or a pause, ends */
	uint64_t cycles;
	struct balance_load load;
	uint16_t before; /* the lcore it came from, and when */
	unsigned int moved;
} queue[QUEUES];
static struct balance_queue facts[QUEUES], plan[QUEUES];
static struct place place;

struct outcome {
	double mean, busiest, heaviest; /* shares; of the lcores in the second half, and of one queue */
	double crossing;		/* of all that was done in the second half, on another node than that of its memory */
	unsigned int moves, late, back; /* late: in the second half; back: to where it was not long ago */
};

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

static double greater(double a, double b)
{
	return a > b ? a : b;
}

/* --- loads: before they are scaled to six tenths of all lcores --------------------------------------------------- */

static double even(unsigned int i, unsigned int lcores)
{
	return 0.5 + dice(1000) / 1000.0;
}

/* Few are heavy, most are light. */
static double skewed(unsigned int i, unsigned int lcores)
{
	return 1.0 / (1 + i);
}

/* The first queue of every guest of sixteen has the traffic, and those that joined first are all on one lcore. */
static double first_of_sixteen(unsigned int i, unsigned int lcores)
{
	return (i % 16 == 0 || i % lcores == 0 ? 1 : 0.02) * (0.5 + dice(1000) / 1000.0);
}

static void lay_out(double (*kind)(unsigned int, unsigned int), unsigned int lcores, struct outcome *o)
{
	double all = 0;

	dice_seed(7);
	memset(queue, 0, sizeof(queue));
	for (unsigned int i = 0; i < QUEUES; i++) {
		queue[i].share = kind(i, lcores);
		all += queue[i].share;
		facts[i].lcore = (uint16_t)(i % lcores);
		queue[i].before = UINT16_MAX;
	}
	for (unsigned int i = 0; i < QUEUES; i++) {
		queue[i].share = lesser(0.9, queue[i].share * 0.6 * lcores / all);
		o->heaviest = greater(o->heaviest, queue[i].share);
	}
}

/* Lcores in turns on as many nodes, and so are queues that know of none yet: half of them are elsewhere at the beginning. */
static void lay_out_nodes(unsigned int lcores, unsigned int nodes)
{
	memset(&place, 0, sizeof(place));
	for (unsigned int i = 0; i < lcores; i++)
		place_add(&place, (int)(i % nodes));
	for (int a = 0; a < (int)nodes; a++)
		for (int b = 0; b < a; b++)
			place_set_distance(&place, a, b, DISTANCE);
	for (unsigned int i = 0; i < QUEUES; i++)
		facts[i].node = (int8_t)dice(nodes);
}

/* What a queue takes in this second. */
static double now(struct queue *q, unsigned int second, bool bursts)
{
	uint32_t price = place_price(&place, facts[q - queue].node, facts[q - queue].lcore);
	double share = q->share * (100 + price) / 100;

	if (!bursts)
		return share * (0.8 + dice(400) / 1000.0);
	if (second >= q->until) {
		q->on = dice(4) == 0;
		q->until = second + 1 + dice(20);
	}
	return q->on ? lesser(1, 4 * share) : 0;
}

/* --- the hour ---------------------------------------------------------------------------------------------------- */

static void move_queue(const struct balance_move *move, unsigned int second, struct outcome *o)
{
	struct queue *q = &queue[move->queue];

	o->moves++;
	o->late += second >= SETTLED;
	o->back += q->before == move->to && second - q->moved < BACK_S;
	q->before = move->from;
	q->moved = second;
	facts[move->queue].lcore = move->to;
	balance_moved(&q->load);
}

/* The decision of switch_balance.c. */
static void decide(unsigned int second, unsigned int *uneven, struct outcome *o)
{
	struct balance_move move;

	*uneven = balance_find(facts, QUEUES, &place, &move) ? *uneven + 1 : 0;
	if (*uneven < BALANCE_PATIENCE)
		return;
	*uneven = 0;
	memcpy(plan, facts, sizeof(plan));
	for (unsigned int i = 0; i < BALANCE_MOVES && balance_foresee(plan, QUEUES, &place, &move); i++)
		move_queue(&move, second, o);
}

static struct outcome hour(double (*kind)(unsigned int, unsigned int), unsigned int lcores, unsigned int nodes, bool bursts)
{
	double sum[LCORES] = {0};
	struct outcome o = {0};
	unsigned int uneven = 0;

	lay_out(kind, lcores, &o);
	lay_out_nodes(lcores, nodes);
	for (unsigned int second = 0; second < SECONDS; second++) {
		for (unsigned int i = 0; i < QUEUES; i++) {
			struct queue *q = &queue[i];
			double share = now(q, second, bursts);

			q->cycles += (uint64_t)(share * INTERVAL);
			balance_measure(&q->load, q->cycles, INTERVAL);
			facts[i].load = balance_weight(&q->load);
			facts[i].backs_off = balance_backs_off(&q->load);
			sum[facts[i].lcore] += second >= SETTLED ? share : 0;
			if (second >= SETTLED && place_price(&place, facts[i].node, facts[i].lcore) > 0)
				o.crossing += share;
		}
		decide(second, &uneven, &o);
	}
	for (unsigned int i = 0; i < lcores; i++) {
		o.mean += sum[i] / (SECONDS - SETTLED) / lcores;
		o.busiest = greater(o.busiest, sum[i] / (SECONDS - SETTLED));
	}
	o.crossing /= o.mean * lcores * (SECONDS - SETTLED);
	return o;
}

static void check(const char *name, double (*kind)(unsigned int, unsigned int), bool bursts, unsigned int late)
{
	static const unsigned int sizes[] = {1, 2, 3, 8, 32, LCORES};

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct outcome o = hour(kind, sizes[i], 1, bursts);
		double bound = 1.1 * greater(o.mean, o.heaviest);

		print_message("%s, %3u lcores: mean %.3f, busiest %.3f (at most %.3f), %u moves, %u late, %u back\n", name,
			      sizes[i], o.mean, o.busiest, bound, o.moves, o.late, o.back);
		assert_true(o.busiest <= bound);
		assert_in_range(o.late, 0, late);
		assert_in_range(o.moves, 0, QUEUES / 4 + 2 * late);
		assert_in_range(o.back, 0, late / 50);
	}
}

/* --- what is shown ------------------------------------------------------------------------------------------------ */

static void even_loads_stay(void **state)
{
	check("even", even, false, 10);
}

static void a_few_heavy_queues_are_spread(void **state)
{
	check("skewed", skewed, false, 10);
}

static void an_lcore_with_all_the_traffic_is_relieved(void **state)
{
	check("first of sixteen", first_of_sixteen, false, 10);
}

/* Queues send a quarter of the time, for seconds: no more than one move each in half an hour, and next to none back. */
static void bursts_do_not_swing_queues(void **state)
{
	check("bursts", even, true, QUEUES);
}

/* On two and four nodes, with loads that are constant or in bursts: next to nothing crosses in the end, and nothing swings. */
static void queues_are_polled_where_their_memory_is(void **state)
{
	static const struct {
		unsigned int lcores, nodes;
		bool bursts;
	} cases[] = {{8, 2, false}, {8, 4, true}, {LCORES, 2, true}, {LCORES, 4, false}};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome o = hour(even, cases[i].lcores, cases[i].nodes, cases[i].bursts);

		print_message("%s, %3u lcores on %u nodes: mean %.3f, busiest %.3f, %.1f %% cross, %u moves, %u late, %u back\n",
			      cases[i].bursts ? "bursts" : "even", cases[i].lcores, cases[i].nodes, o.mean, o.busiest,
			      100 * o.crossing, o.moves, o.late, o.back);
		assert_true(o.busiest <= 1.1 * o.mean);
		assert_true(o.crossing <= 0.05);
		assert_in_range(o.moves, QUEUES / 4, 4 * QUEUES);
		assert_in_range(o.late, 0, cases[i].bursts ? 3 * QUEUES / 2 : 10);
		assert_in_range(o.back, 0, cases[i].bursts ? QUEUES / 25 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_loads_stay),
		cmocka_unit_test(a_few_heavy_queues_are_spread),
		cmocka_unit_test(an_lcore_with_all_the_traffic_is_relieved),
		cmocka_unit_test(bursts_do_not_swing_queues),
		cmocka_unit_test(queues_are_polled_where_their_memory_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
