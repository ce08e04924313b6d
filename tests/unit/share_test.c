/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of an lcore each of its queues gets: what a visit costs, that a round pays for one, that nothing is saved up, and that
 * nobody waits for nobody. */
#include "cases.h"
#include "share.h"

enum { QUEUES = 8, ROUNDS = 20000 };

/* With many queues. */
#define QUANTUM share_quantum(BURST_SHARED)

static struct share_round begun(void)
{
	struct share_round round;

	share_begin(&round, BURST_SHARED);
	return round;
}

/* A queue whose visits cost so much; in every so many rounds it has frames (0: never). */
struct queue {
	uint32_t cost, every;
	uint32_t owed;
	uint64_t had, visits, longest, waits;
};

/* So many rounds of an lcore with n queues. Returns: those in which nothing was moved although a queue had frames. */
static unsigned int go_round(struct queue *q, unsigned int n, unsigned int rounds)
{
	struct share_round round = begun();
	unsigned int lost = 0;

	for (unsigned int r = 0; r < rounds; r++) {
		uint32_t movers = 0;
		bool wanted = false;

		for (unsigned int i = 0; i < n; i++) {
			bool has = q[i].every != 0 && r % q[i].every == 0;

			wanted |= has;
			q[i].waits++;
			if (q[i].owed != 0 && !share_turn(&round, &q[i].owed))
				continue;
			if (!has) {
				q[i].waits = 0;
				continue;
			}
			q[i].owed = share_visited(&round, q[i].owed, q[i].cost);
			q[i].had += q[i].cost;
			q[i].visits++;
			q[i].longest = q[i].waits > q[i].longest ? q[i].waits : q[i].longest;
			q[i].waits = 0;
			movers++;
		}
		share_next(&round, movers, QUEUES);
		lost += wanted && movers == 0;
	}
	return lost;
}

static void what_a_visit_costs(void **state)
{
	/* A burst of short frames is a round's worth, and a burst of long ones more. */
	assert_int_equal(share_cost(BURST_SHARED, 1, BURST_SHARED * 64), QUANTUM);
	assert_true(share_cost(BURST_SHARED, 1, BURST_SHARED * 1514) > 2 * QUANTUM);
	/* Copies count, as do the deliveries: a burst to 255 receivers is 255 bursts, but for a frame's bytes. */
	assert_in_range(share_cost(255 * BURST_SHARED, 255, 255 * BURST_SHARED * 64), 254 * QUANTUM, 255 * QUANTUM);
	assert_true(share_cost(255, 255, 0) > 10 * share_cost(255, 1, 0) / 3);
	assert_int_equal(share_cost(0, 0, 0), 0);
}

static void a_quantum_is_free(void **state)
{
	struct share_round round = begun();

	assert_int_equal(share_visited(&round, 0, 0), 0);
	assert_int_equal(share_visited(&round, 0, QUANTUM), 0);
	assert_int_equal(share_visited(&round, 0, QUANTUM + 1), QUANTUM + 1);
	/* Who owes pays for all of it. */
	assert_int_equal(share_visited(&round, 5, 3), 8);
	assert_int_equal(share_paid(&round, 5), 0);
	assert_true(share_may(&round, QUANTUM - 1));
	assert_false(share_may(&round, QUANTUM));
	/* However much a visit cost, it is paid for in the end. */
	assert_int_equal(share_visited(&round, QUANTUM - 1, UINT32_MAX), QUANTUM - 1 + SHARE_COST_MAX);
}

/* Few busy queues have larger bursts, for which a round pays, too. */
static void few_take_more(void **state)
{
	struct share_round round = begun();

	assert_int_equal(round.frames, BURST_SHARED);
	share_next(&round, BURST_SHARED_ABOVE, BURST_SHARED_ABOVE);
	assert_int_equal(round.frames, BURST_MAX);
	assert_int_equal(round.pays, share_quantum(BURST_MAX));
	assert_int_equal(share_visited(&round, 0, share_cost(BURST_MAX, 1, BURST_MAX * 64)), 0);
	share_next(&round, 1, BURST_SHARED_ABOVE + 1);
	assert_int_equal(round.frames, BURST_SHARED);
	assert_int_equal(share_visited(&round, 0, QUANTUM), 0);
	assert_int_equal(share_visited(&round, 0, share_cost(BURST_MAX, 1, BURST_MAX * 64)), share_quantum(BURST_MAX));
}

/* Each that always has frames gets the same, whatever its visits cost: within a visit of the dearest. */
static void shares_are_equal(void **state)
{
	struct queue q[QUEUES] = {
		{.cost = QUANTUM, .every = 1},	  {.cost = QUANTUM + 1, .every = 1},
		{.cost = 90, .every = 1},		  {.cost = 131, .every = 1},
		{.cost = 550, .every = 1},		  {.cost = 2000, .every = 1},
		{.cost = 36 * 255, .every = 1},		  {.cost = 4 * QUANTUM, .every = 1},
	};

	go_round(q, QUEUES, ROUNDS);
	for (int i = 0; i < QUEUES; i++) {
		uint64_t share = (uint64_t)ROUNDS * QUANTUM;

		assert_in_range(q[i].had, share - QUANTUM, share + q[i].cost);
	}
}

/* A flood to 255 beside a pair: the pair has two of three parts, and never waits for a turn. */
static void a_flood_beside_a_pair(void **state)
{
	struct queue q[] = {
		{.cost = QUANTUM, .every = 1},
		{.cost = QUANTUM, .every = 1},
		{.cost = 255 * (BURST_SHARED + SHARE_DELIVERY), .every = 1},
	};
	uint64_t pair;

	go_round(q, 3, ROUNDS);
	pair = q[0].had + q[1].had;
	assert_true(10 * pair >= 6 * (pair + q[2].had));
	assert_int_equal(q[0].visits, ROUNDS);
	assert_int_equal(q[1].longest, 1);
}

/* Who was idle, or had little, has nothing to its credit. */
static void nothing_is_saved_up(void **state)
{
	struct queue q[] = {{.cost = 1000}, {.cost = QUANTUM, .every = 1}};

	go_round(q, 2, ROUNDS);
	assert_int_equal(q[0].had, 0);
	q[0].every = 1;
	q[0].had = q[1].had = 0;
	go_round(q, 2, 1000);
	assert_in_range(q[0].had, 999 * QUANTUM, 1000 * QUANTUM + 1000);
	/* One that has frames in one round of a hundred is served in that round, with the dearest neighbour. */
	q[1] = (struct queue){.cost = 1, .every = 100};
	go_round(q, 2, ROUNDS);
	assert_int_equal(q[1].visits, ROUNDS / 100);
	assert_int_equal(q[1].owed, 0);
}

/* Alone on its lcore, or all others idle: a visit in every round. Two that are dear: at least in every second round. */
static void nobody_waits_for_nobody(void **state)
{
	struct queue q[] = {{.cost = 36 * 255, .every = 1}, {.cost = 131, .every = 1}, {.cost = QUANTUM}};
	unsigned int lost = go_round(q, 1, ROUNDS);

	assert_int_equal(lost, 0);
	assert_int_equal(q[0].visits, ROUNDS);
	lost = go_round(&q[1], 2, ROUNDS);
	assert_int_equal(lost, 0);
	q[1] = (struct queue){.cost = 131, .every = 1};
	q[0] = (struct queue){.cost = 131, .every = 1};
	lost = go_round(q, 3, ROUNDS);
	assert_int_equal(q[0].visits, q[1].visits);
	assert_in_range(lost, 0, ROUNDS / 2);
	/* Two that owe different amounts share what there is. */
	q[0] = (struct queue){.cost = 36 * 255, .every = 1};
	q[1] = (struct queue){.cost = 131, .every = 1};
	lost = go_round(q, 3, ROUNDS);
	assert_in_range(q[0].had, q[1].had - 36 * 255, q[1].had + 2 * 36 * 255);
	assert_in_range(lost, 0, ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_visit_costs), cmocka_unit_test(a_quantum_is_free), cmocka_unit_test(few_take_more),
		cmocka_unit_test(shares_are_equal),   cmocka_unit_test(a_flood_beside_a_pair),
		cmocka_unit_test(nothing_is_saved_up), cmocka_unit_test(nobody_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
