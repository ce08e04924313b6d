/* SPDX-License-Identifier: BSD-3-Clause */
/* What a queue remembers of its last addresses: how long it holds, and what ends it. */
#include "bridge_lookup.h"
#include "bridge_rig.h"
#include "cases.h"
#include "dice.h"
#include "fdb_lookup.h"

static uint8_t bucket_of(mac_key_t mac)
{
	return fdb_bucket(fdb_hash(bridge_fdb(bridge), fdb_key(FID_DEFAULT, mac)));
}

/* Three ports; stations 0 and 1 are learned behind ports 0 and 1, and port 0's queue remembers both. */
static struct bridge_memo *open_with_memo(void) ROLE_UNCHECKED
{
	open_bridge(3, 300);
	bridge_learn(bridge, home(0), 0);
	bridge_learn(bridge, home(1), 1);
	put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	learn();
	return bridge_memo_of(&port[0].rxq);
}

static void begin(void)
{
	role_assert_lcore();
	bridge_lookup_begin(&ctx[0], &port[0].rxq);
}

static void addresses_learned_elsewhere_void_nothing(void **state)
{
	struct bridge_memo *memo = open_with_memo();

	role_assert_control();
	for (uint32_t i = 2; i < 500; i++)
		if (bucket_of(home(i)) != bucket_of(home(0)) && bucket_of(home(i)) != bucket_of(home(1)))
			bridge_learn(bridge, home(i), 2);
	begin();
	assert_int_equal(memo->src, home(0));
	assert_int_equal(memo->dst, home(1));
	close_bridge(3);
}

static void a_renewal_voids_nothing(void **state)
{
	struct bridge_memo *memo = open_with_memo();

	role_assert_control();
	bridge_tick(bridge, 1);
	bridge_learn(bridge, home(0), 0);
	bridge_learn(bridge, home(1), 1);
	begin();
	assert_int_equal(memo->src, home(0));
	assert_int_equal(memo->dst, home(1));
	close_bridge(3);
}

static void a_change_voids_what_it_concerns(void **state)
{
	struct bridge_memo *memo = open_with_memo();

	role_assert_control();
	bridge_learn(bridge, home(1), 2);
	begin();
	assert_int_equal(memo->dst, BRIDGE_MEMO_NONE);
	bridge_forget_port(bridge, &port[0].port);
	begin();
	assert_int_equal(memo->src, BRIDGE_MEMO_NONE);
	close_bridge(3);
}

/* What is remembered of an unknown address is that it is flooded. */
static void an_unknown_address_that_is_learned(void **state)
{
	struct bridge_memo *memo = open_with_memo();

	role_assert_control();
	put(&ctx[0], home(7), home(0));
	forward(&port[0]);
	begin();
	assert_int_equal(memo->dst, home(7));
	assert_int_equal(memo->destination, TO_FLOOD);
	bridge_learn(bridge, home(7), 2);
	begin();
	assert_int_equal(memo->dst, BRIDGE_MEMO_NONE);
	close_bridge(3);
}

/* A source is looked up, and renewed if need be, once a second. */
static void a_second_voids_the_source(void **state)
{
	struct bridge_memo *memo = open_with_memo();

	ctx[0].epoch = 1;
	begin();
	assert_int_equal(memo->src, BRIDGE_MEMO_NONE);
	assert_int_equal(memo->dst, home(1));
	close_bridge(3);
}

/* What is looked up ahead is of this burst: the frames behind it are not read, whatever they were. */
static void no_frame_behind_the_burst_is_read(void **state)
{
	role_assert_control();
	open_bridge(3, 300);
	for (uint32_t i = 0; i < 2 * BURST_MAX; i++)
		bridge_learn(bridge, home(i), i % 2 ? 1 : 0);
	for (uint32_t n = 1; n <= BURST_MAX; n++) {
		for (uint32_t i = 0; i < n; i++)
			put(&ctx[0], home(2 * i + 1), home(2 * i));
		for (uint32_t i = n; i < BURST_MAX; i++)
			ctx[0].burst->frame[i].head = NULL;
		forward(&port[0]);
		assert_int_equal(port[1].n, n);
		port[1].n = 0;
		learn();
	}
	close_bridge(3);
}

/* What frames are told from in a trial: so many stations, of which two in three are known; the rest is flooded. */
enum { STATIONS = 24, TRIALS = 300 };

struct pair {
	mac_key_t src, dst;
};

/* As a burst, or each alone. What each port was given, in order, by the place of a frame among all. */
static void give(const struct pair *pair, uint32_t n, bool alone, uint32_t (*log)[BURST_MAX], uint32_t *logged)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = put(&ctx[0], pair[i].dst, pair[i].src);

		first = i == 0 ? number : first;
		if (alone || i + 1 == n)
			forward(&port[0]);
	}
	for (unsigned int p = 0; p < 4; p++) {
		logged[p] = port[p].n;
		for (uint32_t i = 0; i < port[p].n; i++)
			log[p][i] = port[p].log[i] - first;
		port[p].n = 0;
	}
}

static void a_burst_of_many_addresses_goes_where_each_frame_goes_alone(void **state)
{
	static uint32_t log[2][4][BURST_MAX];
	struct pair pair[BURST_MAX];

	role_assert_control();
	for (uint32_t trial = 0; trial < TRIALS; trial++) {
		uint32_t n = 1 + dice(BURST_MAX), few = 1 + dice(STATIONS), logged[2][4];

		open_bridge(4, 300);
		for (uint32_t i = 0; i < STATIONS; i++)
			if (i % 3 != 0)
				bridge_learn(bridge, home(i), (uint16_t)(i % 4));
		for (uint32_t i = 0; i < n; i++)
			pair[i] = i > 0 && dice(3) == 0 ? pair[i - 1]
							: (struct pair){.src = home(dice(few)),
									.dst = dice(9) > 0 ? home(dice(STATIONS)) : EVERYBODY};
		give(pair, n, false, log[0], logged[0]);
		give(pair, n, true, log[1], logged[1]);
		for (unsigned int p = 0; p < 4; p++) {
			assert_int_equal(logged[0][p], logged[1][p]);
			assert_memory_equal(log[0][p], log[1][p], logged[0][p] * sizeof(log[0][p][0]));
		}
		learn();
		close_bridge(4);
	}
}

/* Each source is reported that has to be, wherever it is in a burst, and none that need not. */
static void every_source_of_a_burst_is_learned(void **state)
{
	role_assert_control();
	open_bridge(4, 300);
	for (uint32_t n = 1; n <= BURST_MAX; n++) {
		for (uint32_t i = 0; i < n; i++)
			put(&ctx[0], home(1), home(1000 * n + i));
		forward(&port[0]);
		assert_int_equal(learn(), n);
		for (uint32_t i = 0; i < n; i++)
			put(&ctx[0], home(1), home(1000 * n + i));
		forward(&port[0]);
		assert_int_equal(learn(), 0);
		for (unsigned int p = 0; p < 4; p++)
			port[p].n = 0;
	}
	close_bridge(4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_learned_elsewhere_void_nothing),
		cmocka_unit_test(a_renewal_voids_nothing),
		cmocka_unit_test(a_change_voids_what_it_concerns),
		cmocka_unit_test(an_unknown_address_that_is_learned),
		cmocka_unit_test(a_second_voids_the_source),
		cmocka_unit_test(no_frame_behind_the_burst_is_read),
		cmocka_unit_test(a_burst_of_many_addresses_goes_where_each_frame_goes_alone),
		cmocka_unit_test(every_source_of_a_burst_is_learned),
	};

	return bridge_rig_run(tests, sizeof(tests) / sizeof(tests[0]));
}
