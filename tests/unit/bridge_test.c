/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding: where each frame goes, in what order, what is dropped for which reason, exact accounts (E2), and ports that
 * come and go under traffic. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge_rig.h"
#include "cases.h"
#include "clock.h"
#include "rcu.h"
#include "rcu_drain.h"

/* --- where to ---------------------------------------------------------------------------------------------------- */

static void unknown_floods_known_does_not(void **state)
{
	uint32_t a, b, c;

	open_bridge(3, 0);
	a = put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	got(&port[0], 0);
	got(&port[1], 1, a);
	got(&port[2], 1, a);
	assert_int_equal(learn(), 1);
	b = put(&ctx[0], home(0), home(1));
	forward(&port[1]);
	got(&port[0], 1, b);
	got(&port[1], 0);
	got(&port[2], 0);
	assert_int_equal(learn(), 1);
	c = put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	got(&port[1], 1, c);
	got(&port[2], 0);
	balanced(3, 3);
	close_bridge(3);
}

/* Broadcast, multicast, and the link-local groups, which are the guests' own affair. */
static void groups_flood(void **state)
{
	static const mac_key_t groups[] = {UINT64_C(0xffffffffffff), UINT64_C(0x0100005e0001),
					   UINT64_C(0x000000c28001), UINT64_C(0x0e0000c28001),
					   UINT64_C(0x010000003333)};

	open_bridge(4, 0);
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		uint32_t number = put(&ctx[0], groups[i] | 1, home(2));

		forward(&port[2]);
		got(&port[0], 1, number);
		got(&port[1], 1, number);
		got(&port[2], 0);
		got(&port[3], 1, number);
		learn();
	}
	balanced(4, sizeof(groups) / sizeof(groups[0]));
	close_bridge(4);
}

static void invalid_source_is_dropped(void **state)
{
	static const mac_key_t bad[] = {0, UINT64_C(0xffffffffffff), 1, UINT64_C(0x0100005e0001)};

	open_bridge(2, 0);
	for (unsigned int i = 0; i < 4; i++) {
		put(&ctx[0], EVERYBODY, bad[i]);
		forward(&port[0]);
		assert_int_equal(rx_drop(&port[0], RX_DROP_SOURCE), i + 1);
		got(&port[1], 0);
		assert_int_equal(learn(), 0);
	}
	balanced(2, 4);
	close_bridge(2);
}

static void nothing_goes_back_where_it_came_from(void **state)
{
	open_bridge(3, 0);
	put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	learn();
	port[1].n = port[2].n = 0;
	put(&ctx[0], home(0), home(0));
	put(&ctx[0], home(0), home(7));
	forward(&port[0]);
	assert_int_equal(rx_drop(&port[0], RX_DROP_REFLECTION), 2);
	got(&port[0], 0);
	got(&port[1], 0);
	got(&port[2], 0);
	balanced(3, 3);
	close_bridge(3);
}

static void alone(void **state)
{
	open_bridge(1, 0);
	put(&ctx[0], EVERYBODY, home(0));
	put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ALONE), 2);
	learn();
	put(&ctx[0], home(0), home(0));
	forward(&port[0]);
	assert_int_equal(rx_drop(&port[0], RX_DROP_REFLECTION), 1);
	balanced(1, 3);
	close_bridge(1);
}

/* --- learning ---------------------------------------------------------------------------------------------------- */

/* An address is reported once, and again each second, whatever other addresses are seen in between. */
static void an_address_is_told_once_a_second(void **state)
{
	role_assert_control();
	open_bridge(3, 300);
	for (uint16_t second = 65530; second != 20; second++) {
		ctx[0].epoch = second;
		bridge_tick(bridge, second);
		for (int burst = 0; burst < 10; burst++) {
			for (int i = 0; i < 10; i++)
				put(&ctx[0], home(1), home(0));
			forward(&port[0]);
			assert_int_equal(learn(), burst == 0);
		}
		/* Two that take turns are looked up each time, and reported once each. */
		for (int burst = 0; burst < 5; burst++) {
			put(&ctx[0], home(1), home(50));
			put(&ctx[0], home(1), home(51));
			forward(&port[0]);
			assert_int_equal(learn(), burst == 0 ? 2 : 0);
		}
	}
	close_bridge(3);
}

/* A VM that moves is found where it is, by the next frame, whatever was remembered. */
static void moves_are_followed(void **state)
{
	open_bridge(3, 300);
	put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	learn();
	for (int turn = 0; turn < 6; turn++) {
		unsigned int at = 1 + (unsigned int)turn % 2, other = 3 - at;
		uint32_t number;

		put(&ctx[0], home(0), home(9));
		forward(&port[at]);
		learn();
		port[0].n = port[1].n = port[2].n = 0;
		number = put(&ctx[0], home(9), home(0));
		forward(&port[0]);
		got(&port[at], 1, number);
		got(&port[other], 0);
	}
	close_bridge(3);
}

static void ages_and_floods_again(void **state)
{
	role_assert_control();
	open_bridge(3, 5);
	put(&ctx[0], EVERYBODY, home(1));
	forward(&port[1]);
	learn();
	for (uint16_t second = 1; second <= 6; second++) {
		port[1].n = port[2].n = 0;
		ctx[0].epoch = second;
		bridge_tick(bridge, second);
		assert_false(bridge_age(bridge));
		put(&ctx[0], home(1), home(0));
		forward(&port[0]);
		learn();
		assert_int_equal(port[1].n, 1);
		assert_int_equal(port[2].n, second > 5);
	}
	close_bridge(3);
}

/* Control does not come, and some addresses go on sending from behind one port, by turns. */
static void takes_turns_while_control_is_late(void **state)
{
	role_assert_control();
	open_bridge(3, 300);
	for (unsigned int round = 0; round < 2 * REPORTS_MAX / 8; round++) {
		for (unsigned int i = 0; i < 8; i++)
			put(&ctx[0], EVERYBODY, home(0) + ((uint64_t)(1 + i) << 40));
		forward(&port[0]);
	}
	assert_int_equal(report_lost_n(ctx[0].reports), 0);
	assert_int_equal(learn(), 8);
	close_bridge(3);
}

/* --- order and accounts ------------------------------------------------------------------------------------------ */

/* What each port must be given, one frame after the other. */
struct expected {
	uint32_t log[LOG_MAX], n;
};

static void expect_frame(struct expected *expected, unsigned int from, mac_key_t dst,
			 const int *home_of, unsigned int isolated, uint32_t number)
{
	int to = -1;

	for (unsigned int i = 0; i < 40; i++)
		if (dst == home(i))
			to = home_of[i];
	for (unsigned int p = 0; p < PORTS; p++)
		if (p != from && (to < 0 || (unsigned int)to == p) &&
		    (isolated >> from & isolated >> p & 1) == 0)
			expected[p].log[expected[p].n++] = number;
	/* To the port it came from: dropped. */
}

/* Bursts of everything: known and unknown, to one and to all, back and nowhere, from ports that take all or little, and
 * that are isolated or not. Each port gets its frames in the order they were sent, however they were sorted on the way. */
static void order_is_kept(void **state)
{
	static struct expected expected[PORTS];
	int home_of[40];
	uint64_t given = 0;

	role_assert_control();
	open_bridge(PORTS, 0);
	srandom(3);
	for (unsigned int i = 0; i < 40; i++) {
		home_of[i] = i < 20 ? (int)(i % PORTS) : -1;
		if (home_of[i] >= 0)
			bridge_learn(bridge, home(i), (uint16_t)home_of[i]);
	}
	for (int round = 0; round < 3000; round++) {
		unsigned int from = (unsigned int)random() % PORTS, n = 1 + (unsigned int)random() % 32;
		int kinds = 1 + (int)(random() % 50);
		unsigned int isolated = round < 1000 ? 0 : (unsigned int)random() % (1 << PORTS);

		isolate(isolated);
		memset(expected, 0, sizeof(expected));
		for (unsigned int i = 0; i < n; i++, given++) {
			unsigned int what = (unsigned int)(random() % kinds);
			mac_key_t dst = what < 40 ? home(what) : EVERYBODY;
			mac_key_t src = home((unsigned int)from);

			expect_frame(expected, from, dst, home_of, isolated,
				     put(&ctx[0], dst, src));
		}
		forward(&port[from]);
		for (unsigned int p = 0; p < PORTS; p++) {
			assert_int_equal(port[p].n, expected[p].n);
			assert_memory_equal(port[p].log, expected[p].log,
					    expected[p].n * sizeof(uint32_t));
			port[p].n = 0;
		}
		balanced(PORTS, given);
	}
	isolate(0);
	port[2].room = 1;
	for (int i = 0; i < 20; i++, given++)
		put(&ctx[0], i % 3 == 0 ? EVERYBODY : home(2), home(1));
	forward(&port[1]);
	assert_true(counted(&port_counters_of(&port[2].port, &ctx[0])->tx_drop[TX_DROP_NO_BUFFER]));
	balanced(PORTS, given);
	close_bridge(PORTS);
}

/* A frame of the switch's own goes where one from that port would, and is counted at each port that it leaves by. */
static void an_injected_frame(void **state)
{
	uint8_t bytes[ROOM] = {0};
	struct frame frame = {.head = bytes, .head_len = ROOM, .len = ROOM};

	role_assert_lcore();
	role_assert_control();
	open_bridge(4, 0);
	mac_write(bytes, EVERYBODY);
	mac_write(bytes + 6, home(1));
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[1].port, &frame), 3);
	assert_int_equal(port[0].n + port[1].n * 100 + port[2].n + port[3].n, 3);
	assert_int_equal(bridge_inject(&ctx[0], bridge, NULL, &frame), 4);
	assert_int_equal(port[1].n, 1);
	/* A known one: there, and not back to where it is said to come from. It taught the bridge nothing. */
	bridge_learn(bridge, home(2), 2);
	mac_write(bytes, home(2));
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[1].port, &frame), 1);
	assert_int_equal(bridge_inject(&ctx[0], bridge, NULL, &frame), 1);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[2].port, &frame), 0);
	assert_int_equal(port[2].n, 4);
	mac_write(bytes, home(1));
	assert_int_equal(bridge_inject(&ctx[0], bridge, NULL, &frame), 4);
	assert_int_equal(learn(), 0);
	assert_int_equal(counted(&port_counters_of(&port[2].port, &ctx[0])->injected), 5);
	balanced(4, 0);
	close_bridge(4);
	open_bridge(1, 0);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 0);
	balanced(1, 0);
	close_bridge(1);
}

/* --- ports that go ----------------------------------------------------------------------------------------------- */

static void a_port_that_left_is_forgotten(void **state)
{
	static struct recorder successor;
	uint32_t number;

	role_assert_control();
	open_bridge(4, 0);
	assert_int_equal(fdb_set_static(bridge_fdb(bridge), home(33), 3), 0);
	put(&ctx[0], EVERYBODY, home(3));
	forward(&port[3]);
	learn();
	put(&ctx[0], home(3), home(0));
	put(&ctx[0], home(33), home(0));
	forward(&port[0]);
	learn();
	assert_int_equal(port[3].n, 2);
	assert_int_equal(bridge_remove_port(bridge, &port[3].port), 0);
	port[0].n = port[1].n = port[2].n = port[3].n = 0;
	number = put(&ctx[0], home(3), home(0));
	put(&ctx[0], home(33), home(0));
	forward(&port[0]);
	got(&port[1], 2, number, number + 1);
	got(&port[2], 2, number, number + 1);
	got(&port[3], 0);
	/* What an lcore saw before it left comes late, and is not learned. */
	bridge_learn(bridge, home(3), 3);
	bridge_learn(bridge, home(3), 65535);
	rcu_drain();
	/* Another port gets its number, and none of its frames. */
	recorder_open(&successor, 3);
	assert_int_equal(bridge_add_port(bridge, &successor.port), 0);
	put(&ctx[0], home(3), home(0));
	forward(&port[0]);
	assert_int_equal(successor.n, 1);
	assert_int_equal(port[1].n, 1);
	assert_int_equal(bridge_remove_port(bridge, &successor.port), 0);
	rcu_drain();
	port_fini(&successor.port);
	assert_int_equal(bridge_add_port(bridge, &port[3].port), 0);
	close_bridge(4);
}

/* The peer of a port is another one: addresses go, static ones stay. */
static void a_port_number_used_again(void **state)
{
	struct fdb_value value;
	struct fdb_mark mark;

	role_assert_control();
	open_bridge(3, 0);
	fdb_set_static(bridge_fdb(bridge), home(22), 1);
	bridge_learn(bridge, home(1), 1);
	bridge_learn(bridge, home(2), 2);
	bridge_forget_port(bridge, &port[1].port);
	assert_false(fdb_lookup(bridge_fdb(bridge), home(1), &value, &mark));
	assert_true(fdb_lookup(bridge_fdb(bridge), home(2), &value, &mark));
	assert_true(fdb_lookup(bridge_fdb(bridge), home(22), &value, &mark));
	close_bridge(3);
}

struct lcore_thread {
	pthread_t thread;
	unsigned int index;
	atomic_bool *stop;
	_Atomic uint64_t given;
};

/* Sends from its own port to everyone, to the other, and to the port that comes and goes. */
static void *lcore_thread_main(void *arg)
{
	struct lcore_thread *self = arg;
	struct lcore_ctx *lcore = &ctx[self->index];
	struct recorder *from = &port[self->index];

	role_assert_lcore();
	rcu_online(self->index);
	while (!atomic_load(self->stop)) {
		struct burst *burst = lcore->burst;

		for (uint32_t i = 0; i < 24; i++) {
			struct frame *frame = &burst->frame[i];
			mac_key_t dst = i % 6 == 5 ? EVERYBODY : home(i % 6);

			*frame = (struct frame){.head = burst->room[i].head, .head_len = ROOM, .len = ROOM};
			memset(frame->head, 0, ROOM);
			mac_write(frame->head, dst);
			mac_write(frame->head + 6, home(self->index));
		}
		burst->n = 24;
		bridge_forward(lcore, &from->rxq);
		atomic_fetch_add(&self->given, 24);
		rcu_quiescent(self->index);
	}
	rcu_offline(self->index);
	return NULL;
}

static void ports_come_and_go_under_traffic(void **state)
{
	struct lcore_thread thread[THREADS];
	uint64_t end = clock_ns() + 1500 * NS_PER_MS, given = 0;
	atomic_bool stop = false;
	unsigned int rounds = 0;

	role_assert_control();
	open_bridge(PORTS, 300);
	for (int i = 0; i < PORTS; i++)
		port[i].quiet = true;
	for (unsigned int i = 0; i < THREADS; i++) {
		thread[i] = (struct lcore_thread){.index = i, .stop = &stop};
		assert_int_equal(
			pthread_create(&thread[i].thread, NULL, lcore_thread_main, &thread[i]), 0);
	}
	/* At least a few times, however slow the machine. */
	while (clock_ns() < end || rounds < 3) {
		struct recorder *guest = &port[PORTS - 1];

		bridge_tick(bridge, (uint16_t)rounds);
		isolate(rounds % (1 << PORTS));
		for (uint16_t i = 0; i < PORTS; i++)
			bridge_learn(bridge, home(i), i);
		assert_int_equal(bridge_remove_port(bridge, &guest->port), 0);
		rcu_drain();
		atomic_store(&guest->gone, true);
		usleep(500);
		atomic_store(&guest->gone, false);
		assert_int_equal(bridge_add_port(bridge, &guest->port), 0);
		usleep(500);
		rounds++;
	}
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < THREADS; i++) {
		struct report reports[64];

		pthread_join(thread[i].thread, NULL);
		given += atomic_load(&thread[i].given);
		while (report_drain(ctx[i].reports, reports, 64) > 0)
			;
	}
	assert_true(given > 0);
	assert_int_equal(atomic_load(&port[PORTS - 1].late), 0);
	balanced(PORTS, given);
	close_bridge(PORTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_floods_known_does_not),
		cmocka_unit_test(groups_flood),
		cmocka_unit_test(invalid_source_is_dropped),
		cmocka_unit_test(nothing_goes_back_where_it_came_from),
		cmocka_unit_test(alone),
		cmocka_unit_test(an_address_is_told_once_a_second),
		cmocka_unit_test(moves_are_followed),
		cmocka_unit_test(ages_and_floods_again),
		cmocka_unit_test(takes_turns_while_control_is_late),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(an_injected_frame),
		cmocka_unit_test(a_port_that_left_is_forgotten),
		cmocka_unit_test(a_port_number_used_again),
		cmocka_unit_test(ports_come_and_go_under_traffic),
	};

	return bridge_rig_run(CASES(tests));
}
