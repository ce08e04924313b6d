/* SPDX-License-Identifier: BSD-3-Clause */
/* What a queue remembers of its last addresses: how long it holds, and what ends it. */
#include "bridge_lookup.h"
#include "bridge_rig.h"
#include "cases.h"
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

/* What is prefetched for later frames is of this burst: the frames behind it are not read, whatever they were. */
static void no_frame_behind_the_burst_is_read(void **state)
{
	role_assert_control();
	open_bridge(3, 300);
	for (uint32_t i = 0; i < FDB_LARGE; i++)
		bridge_learn(bridge, home(i), i % 2 ? 1 : 0);
	assert_true(fdb_is_large(bridge_fdb(bridge)));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_learned_elsewhere_void_nothing),
		cmocka_unit_test(a_renewal_voids_nothing),
		cmocka_unit_test(a_change_voids_what_it_concerns),
		cmocka_unit_test(an_unknown_address_that_is_learned),
		cmocka_unit_test(a_second_voids_the_source),
		cmocka_unit_test(no_frame_behind_the_burst_is_read),
	};

	return bridge_rig_run(tests, sizeof(tests) / sizeof(tests[0]));
}
