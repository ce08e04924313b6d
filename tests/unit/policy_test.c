/* SPDX-License-Identifier: BSD-3-Clause */
/* What configuration says of a port, as frames meet it: isolated ports. */
#include <unistd.h>

#include "bridge_rig.h"
#include "cases.h"
#include "clock.h"

/* Two isolated ports do not reach each other, in whatever way a frame goes; any other two do. */
static void isolated_ports(void **state)
{
	uint32_t a, b, c, d;

	role_assert_control();
	open_bridge(PORTS, 0);
	for (uint16_t i = 0; i < 4; i++)
		bridge_learn(bridge, home(i), i);
	isolate(1 << 0 | 1 << 1);
	put(&ctx[0], home(1), home(0));
	a = put(&ctx[0], home(2), home(0));
	b = put(&ctx[0], EVERYBODY, home(0));
	c = put(&ctx[0], home(30), home(0));
	d = put(&ctx[0], home(3), home(0));
	forward(&port[0]);
	got(&port[0], 0);
	got(&port[1], 0);
	got(&port[2], 3, a, b, c);
	got(&port[3], 3, b, c, d);
	got(&port[4], 2, b, c);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ISOLATED), 1);
	a = put(&ctx[0], home(0), home(2));
	b = put(&ctx[0], EVERYBODY, home(2));
	forward(&port[2]);
	got(&port[0], 2, a, b);
	got(&port[1], 1, b);
	balanced(PORTS, 7);
	close_bridge(PORTS);
}

/* A flood that reaches no port is dropped as a whole, and its reason is that of the ports that were there. */
static void isolated_from_all(void **state)
{
	uint8_t bytes[ROOM] = {0};
	struct frame frame = {.head = bytes, .head_len = ROOM, .len = ROOM};
	uint32_t number;

	role_assert_lcore();
	role_assert_control();
	open_bridge(3, 0);
	bridge_learn(bridge, home(1), 1);
	isolate(7);
	put(&ctx[0], EVERYBODY, home(0));
	put(&ctx[0], home(30), home(0));
	put(&ctx[0], home(1), home(0));
	put(&ctx[0], home(0), home(0));
	forward(&port[0]);
	got(&port[1], 0);
	got(&port[2], 0);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ISOLATED), 4);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ALONE), 0);
	mac_write(bytes, EVERYBODY);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 0);
	got(&port[1], 0);
	got(&port[2], 0);
	balanced(3, 4);
	/* One that is not isolated any more is reached at once. */
	isolate(5);
	number = put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 1);
	got(&port[1], 2, number, 0);
	got(&port[2], 0);
	balanced(3, 5);
	close_bridge(3);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static const struct policy_meters *meters_of(struct recorder *recorder)
{
	return rcu_get(&recorder->port.policy)->meters;
}

/* A frame of 60 kB at 64 kbit/s, as each of the port's meters has seen it. */
static void owe_seconds(struct recorder *recorder, const struct policy_rates *rates)
{
	struct policy_meters *meters = rcu_get(&recorder->port.policy)->meters;

	rate_meter_charge(&meters->from.bits, &rates->from.bits, clock_ns(), 480000);
	rate_meter_charge(&meters->to.bits, &rates->to.bits, clock_ns(), 480000);
	for (int i = 0; i < PORT_STORMS; i++)
		rate_meter_charge(&meters->storm[i], &rates->storm[i], clock_ns(), 16 * 7);
}

static void set_rates(struct policy_rates *rates, uint64_t bits, uint64_t storms)
{
	frame_limits_set(&rates->from, bits, 0, 10 * NS_PER_MS);
	frame_limits_set(&rates->to, bits, 0, 10 * NS_PER_MS);
	for (int i = 0; i < PORT_STORMS; i++)
		rate_limit_set(&rates->storm[i], storms, NS_PER_S);
}

/* How long the next frame waits by each of them: the least and the most. */
static void waits(struct recorder *recorder, const struct policy_rates *rates, uint64_t *least, uint64_t *most)
{
	const struct policy_meters *meters = meters_of(recorder);
	uint64_t now = clock_ns(), wait[2 + PORT_STORMS];

	wait[0] = rate_meter_wait_ns(&meters->from.bits, &rates->from.bits, now, 0);
	wait[1] = rate_meter_wait_ns(&meters->to.bits, &rates->to.bits, now, 0);
	for (int i = 0; i < PORT_STORMS; i++)
		wait[2 + i] = rate_meter_wait_ns(&meters->storm[i], &rates->storm[i], now, 0);
	*least = *most = wait[0];
	for (int i = 1; i < 2 + PORT_STORMS; i++) {
		*least = wait[i] < *least ? wait[i] : *least;
		*most = wait[i] > *most ? wait[i] : *most;
	}
}

static uint64_t least_wait(struct recorder *recorder, const struct policy_rates *rates)
{
	uint64_t least, most;

	waits(recorder, rates, &least, &most);
	return least;
}

static uint64_t most_wait(struct recorder *recorder, const struct policy_rates *rates)
{
	uint64_t least, most;

	waits(recorder, rates, &least, &most);
	return most;
}

/* Another part of the policy leaves a debt, and another limit keeps what it is of: under a higher one that is soon paid. Who has
 * the policy before still owes nothing to the new one. */
static void another_limit_owes_as_much(void **state)
{
	struct policy_rates rates = {0};
	struct policy_config config = {.rates = &rates};
	struct policy_meters *old;

	role_assert_control();
	open_bridge(PORTS, 0);
	/* 7 seconds are owed, and a test that is held up for so long has seen nothing. */
	set_rates(&rates, 64000, 16);
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	assert_int_equal(most_wait(&port[0], &rates), 0);
	owe_seconds(&port[0], &rates);
	assert_true(least_wait(&port[0], &rates) > NS_PER_S);
	config.isolated = true;
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	assert_true(least_wait(&port[0], &rates) > NS_PER_S);
	old = rcu_get(&port[0].port.policy)->meters;
	set_rates(&rates, UINT64_C(10000000000), 100000);
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	/* 480 kbit at 10 Gbit/s, 112 frames at 100000 a second. */
	assert_in_range(most_wait(&port[0], &rates), 0, 1120000);
	usleep(2000);
	assert_int_equal(most_wait(&port[0], &rates), 0);
	/* It lives until no lcore can have it. */
	rate_meter_charge(&old->from.bits, &(struct rate_limit){.each = UINT64_MAX}, clock_ns(), 100);
	assert_int_equal(most_wait(&port[0], &rates), 0);
	/* Lowered, so that seconds are owed again; and what is owed counts however often a limit is set. */
	set_rates(&rates, 64000, 16);
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	owe_seconds(&port[0], &rates);
	for (unsigned int i = 0; i < 100; i++) {
		set_rates(&rates, 64000 + i % 2, 16 + i % 2);
		assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	}
	assert_true(least_wait(&port[0], &rates) > NS_PER_S);
	/* The debt of a limit that goes is gone with it. */
	set_rates(&rates, 64000, 16);
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	owe_seconds(&port[0], &rates);
	set_rates(&rates, 0, 0);
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	assert_null(meters_of(&port[0]));
	set_rates(&rates, 64000, 16);
	assert_int_equal(port_policy_set(&port[0].port, &config), 0);
	assert_int_equal(most_wait(&port[0], &rates), 0);
	close_bridge(PORTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(isolated_ports),
		cmocka_unit_test(isolated_from_all),
		cmocka_unit_test(another_limit_owes_as_much),
	};

	return bridge_rig_run(CASES(tests));
}
