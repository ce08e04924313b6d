/* SPDX-License-Identifier: BSD-3-Clause */
/* A flood that is left in the middle and gone on with: each receiver has each frame once and in order, what comes behind it
 * waits, ports come and go meanwhile, and the accounts stay exact. */
#include <string.h>

#include "bridge_rig.h"
#include "burst.h"
#include "cases.h"
#include "dice.h"
#include "rcu_drain.h"

/* A visit ends after one receiver. */
enum { ONE = 1 };

static bool begin(struct recorder *from)
{
	role_assert_lcore();
	return bridge_forward(&ctx[0], &from->rxq);
}

static bool go_on(struct recorder *from)
{
	role_assert_lcore();
	ctx[0].cost = 0;
	return bridge_go_on(&ctx[0], &from->rxq);
}

static void whole(struct recorder *from)
{
	bool done = begin(from);

	while (!done)
		done = go_on(from);
}

static int open_five(void **state)
{
	open_bridge(PORTS, 0);
	ctx[0].bound = ONE;
	ctx[0].burst->n = 0;
	return 0;
}

static int close_five(void **state)
{
	ctx[0].bound = 0;
	ctx[0].burst->n = 0;
	close_bridge(PORTS);
	return 0;
}

static void one_receiver_a_visit(void **state)
{
	uint32_t first = put(&ctx[0], EVERYBODY, home(2));

	put(&ctx[0], EVERYBODY, home(2));
	put(&ctx[0], home(77), home(2));
	assert_false(begin(&port[2]));
	got(&port[0], 3, first, first + 1, first + 2);
	balanced(PORTS, 3);
	assert_false(go_on(&port[2]));
	got(&port[1], 3, first, first + 1, first + 2);
	assert_in_range(ctx[0].cost, share_cost(3, 1, 0), share_cost(3, 1, 3 * ROOM) + 8);
	assert_false(go_on(&port[2]));
	got(&port[3], 3, first, first + 1, first + 2);
	balanced(PORTS, 3);
	assert_true(go_on(&port[2]));
	got(&port[4], 3, first, first + 1, first + 2);
	for (int i = 0; i < 4; i++)
		got(&port[i], 0);
	balanced(PORTS, 3);
}

/* Nothing overtakes: neither known frames behind a flood, nor a flood behind those. */
static void what_is_behind_waits(void **state)
{
	uint32_t first;
	unsigned int visits = 1;

	put(&ctx[0], EVERYBODY, home(0));
	whole(&port[0]);
	learn();
	ctx[0].burst->n = 0;
	port[1].n = port[2].n = port[3].n = port[4].n = 0;
	first = put(&ctx[0], EVERYBODY, home(4));
	put(&ctx[0], home(0), home(4));
	put(&ctx[0], home(0), home(4));
	put(&ctx[0], EVERYBODY, home(4));
	assert_false(begin(&port[4]));
	got(&port[0], 1, first);
	while (!go_on(&port[4]))
		visits++;
	got(&port[0], 3, first + 1, first + 2, first + 3);
	for (int i = 1; i < 4; i++)
		got(&port[i], 2, first, first + 3);
	assert_int_equal(visits, 6);
}

/* One that has left is passed over; one that comes has the flood if its number has not passed yet. */
static void ports_come_and_go_in_the_middle(void **state)
{
	uint32_t first = put(&ctx[0], EVERYBODY, home(0));

	role_assert_control();
	assert_int_equal(bridge_remove_port(bridge, &port[3].port), 0);
	assert_false(begin(&port[0]));
	got(&port[1], 1, first);
	assert_int_equal(bridge_remove_port(bridge, &port[1].port), 0);
	assert_int_equal(bridge_remove_port(bridge, &port[2].port), 0);
	assert_int_equal(bridge_add_port(bridge, &port[3].port), 0);
	assert_int_equal(bridge_add_port(bridge, &port[1].port), 0);
	assert_false(go_on(&port[0]));
	got(&port[3], 1, first);
	got(&port[1], 0);
	assert_int_equal(bridge_remove_port(bridge, &port[4].port), 0);
	/* Nobody is left, and it had come to somebody. */
	assert_true(go_on(&port[0]));
	balanced(PORTS, 1);
	got(&port[4], 0);
	assert_int_equal(bridge_add_port(bridge, &port[2].port), 0);
	assert_int_equal(bridge_add_port(bridge, &port[4].port), 0);
	rcu_drain();
}

/* The ring went: what had not begun is a drop, by name. */
static void what_had_not_begun_is_counted(void **state)
{
	uint32_t first;

	role_assert_lcore();
	put(&ctx[0], EVERYBODY, home(1));
	whole(&port[1]);
	learn();
	ctx[0].burst->n = 0;
	for (int i = 0; i < PORTS; i++)
		port[i].n = 0;
	first = put(&ctx[0], EVERYBODY, home(0));
	put(&ctx[0], home(1), home(0));
	put(&ctx[0], EVERYBODY, home(0));
	assert_false(begin(&port[0]));
	got(&port[1], 1, first);
	bridge_give_up(&ctx[0], &port[0].rxq);
	assert_int_equal(rx_drop(&port[0], RX_DROP_WITHDRAWN), 2);
}

/* Members of the bridge, a bit each. */
static uint32_t members;

static void change_members(void)
{
	unsigned int i = 1 + dice(PORTS - 1);

	role_assert_control();
	if ((members >> i & 1) != 0)
		assert_int_equal(bridge_remove_port(bridge, &port[i].port), 0);
	else
		assert_int_equal(bridge_add_port(bridge, &port[i].port), 0);
	members ^= 1u << i;
}

/* Bursts of all kinds from port 0, visits of any cost, and members that change between them: each port's frames come in order and
 * once, and all is accounted for after each visit that ends a burst. */
static void at_random(void **state)
{
	uint64_t given = 0;

	role_assert_control();
	members = (1u << PORTS) - 1;
	for (unsigned int i = 1; i < PORTS; i++)
		fdb_set_static(bridge_fdb(bridge), home(i), (uint16_t)i);
	for (int round = 0; round < 3000; round++) {
		uint16_t n = (uint16_t)(1 + dice(BURST_MAX));
		unsigned int visits = 0;
		bool done;

		for (uint16_t i = 0; i < n; i++)
			put(&ctx[0], dice(3) == 0 ? home(1 + dice(PORTS - 1)) : EVERYBODY,
			    dice(20) == 0 ? EVERYBODY : home(0));
		given += n;
		ctx[0].bound = 1 + dice(200);
		for (done = begin(&port[0]); !done; done = go_on(&port[0]), visits++)
			while (dice(3) == 0)
				change_members();
		assert_in_range(visits, 0, BURST_MAX * PORTS);
		balanced(PORTS, given);
		for (unsigned int i = 1; i < PORTS; i++) {
			for (uint32_t k = 1; k < port[i].n; k++)
				assert_true(port[i].log[k] > port[i].log[k - 1]);
			port[i].n = 0;
		}
		ctx[0].burst->n = 0;
		learn();
		rcu_drain();
	}
	for (unsigned int i = 1; i < PORTS; i++)
		if ((members >> i & 1) == 0)
			assert_int_equal(bridge_add_port(bridge, &port[i].port), 0);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, open_five, close_five)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(one_receiver_a_visit),		case_of(what_is_behind_waits),
		case_of(ports_come_and_go_in_the_middle), case_of(what_had_not_begun_is_counted),
		case_of(at_random),
	};

	return bridge_rig_run(CASES(tests));
}
