/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that control makes and real lcores send: where they go, what is refused, and that a port that goes takes its own
 * along. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "cases.h"
#include "clock.h"
#include "eal.h"
#include "filter_list.h"
#include "lcore_inject.h"
#include "lcore_rig.h"
#include "mirror_map.h"
#include "policy.h"

static const uint8_t everybody[CONTROL_FRAME_MAX + 1] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};

static uint64_t counter(unsigned int i, size_t offset)
{
	struct port_counters sum;

	port_counters_sum(&source[i].port, &sum);
	return counted((const _Atomic uint64_t *)(const void *)((const char *)&sum + offset));
}
#define COUNTER(i, name) counter(i, offsetof(struct port_counters, name))

/* Buckets are full again. */
static int fill_buckets(void **state)
{
	for (int i = 0; i < SOURCES; i++) {
		atomic_store(&source[i].port.injects.full_ns, 0);
		atomic_store(&source[i].port.punts.full_ns, 0);
	}
	return 0;
}

/* Every frame that was asked for, one after the other: beyond the rate control tries again. */
static void send_into_bridge(int from, uint16_t len) RUNS_ON(control_thread)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;
	int error;

	do {
		error = lcores_inject_bridge(bridge, from < 0 ? NULL : &source[from].port, everybody, len);
		assert_true(error == 0 || error == -EAGAIN);
		usleep(error == 0 ? 0 : 1000);
		assert_true(clock_ns() < deadline);
	} while (error != 0);
}

/* Whether the lcores are awake or asleep: into the bridge, to every port but the one it is said to come from. */
static void into_a_bridge(void **state)
{
	uint64_t seen = atomic_load(&source[5].delivered), own = atomic_load(&source[1].delivered);
	uint64_t injected = COUNTER(5, injected);

	role_assert_control();
	for (uint64_t i = 1; i <= 50; i++) {
		if (i % 10 == 0)
			await_sleep();
		send_into_bridge(1, i % 2 ? LEN : CONTROL_FRAME_MAX);
		if (i % 5 == 0)
			assert_true(await_equal(&source[5].delivered, seen + i));
	}
	assert_int_equal(atomic_load(&source[1].delivered), own);
	send_into_bridge(-1, LEN);
	assert_true(await_equal(&source[1].delivered, own + 1));
	assert_true(await_equal(&source[5].delivered, seen + 51));
	assert_int_equal(COUNTER(5, injected), injected + 51);
}

static void out_of_one_port(void **state)
{
	uint64_t before[SOURCES];

	role_assert_control();
	for (int i = 0; i < SOURCES; i++)
		before[i] = atomic_load(&source[i].delivered);
	for (int i = 0; i < 5; i++)
		assert_int_equal(lcores_inject_port(&source[3].port, everybody, (uint16_t)(LEN + i)), 0);
	assert_true(await_equal(&source[3].delivered, before[3] + 5));
	await_sleep();
	for (int i = 0; i < SOURCES; i++)
		assert_int_equal(atomic_load(&source[i].delivered) - before[i], i == 3 ? 5 : 0);
}

static void what_is_refused(void **state)
{
	int error = 0, sent = 0;
	uint64_t refused;

	role_assert_control();
	refused = bridge_injects(bridge)->drops;
	assert_int_equal(lcores_inject_port(&source[2].port, everybody, CONTROL_FRAME_MAX + 1), -EMSGSIZE);
	assert_int_equal(lcores_inject_port(&source[2].port, everybody, FRAME_LEN_MIN - 1), -EMSGSIZE);
	assert_int_equal(lcores_inject_bridge(bridge, &source[2].port, everybody, FRAME_LEN_MIN - 1), -EMSGSIZE);
	assert_int_equal(lcores_inject_bridge(bridge, NULL, everybody, FRAME_LEN_MIN - 1), -EMSGSIZE);
	assert_int_equal(COUNTER(2, inject_drop[INJECT_DROP_LONG]), 3);
	assert_int_equal(bridge_injects(bridge)->drops, refused + 1);
	/* A port's rate is its own, and a bridge has one. */
	while (error != -EAGAIN && sent < 1000) {
		error = lcores_inject_port(&source[2].port, everybody, LEN);
		sent += error == 0;
	}
	assert_int_equal(error, -EAGAIN);
	assert_true(sent >= CONTROL_FRAMES_BURST);
	assert_int_equal(COUNTER(2, inject_drop[INJECT_DROP_RATE]), 1);
	assert_int_equal(lcores_inject_port(&source[4].port, everybody, LEN), 0);
	assert_int_equal(lcores_inject_bridge(bridge, NULL, everybody, LEN), 0);
	await_sleep();
}

/* What is said to come from a port counts against that port's rate, and no other's. */
static void each_port_has_its_rate(void **state)
{
	int error = 0;

	role_assert_control();
	for (int sent = 0; error != -EAGAIN && sent < 1000; sent++)
		error = lcores_inject_bridge(bridge, &source[2].port, everybody, LEN);
	assert_int_equal(error, -EAGAIN);
	await_sleep();
	assert_int_equal(lcores_inject_bridge(bridge, &source[4].port, everybody, LEN), 0);
	assert_int_equal(lcores_inject_bridge(bridge, NULL, everybody, LEN), 0);
	await_sleep();
}

/* A frame said to come from an isolated port, where all others are isolated, too. */
static void out_of_no_port(void **state)
{
	uint64_t alone = COUNTER(1, inject_drop[INJECT_DROP_ALONE]), delivered = atomic_load(&source[5].delivered);

	role_assert_control();
	for (int i = 0; i < SOURCES; i++)
		assert_int_equal(port_policy_set(&source[i].port, &(struct policy_config){.isolated = true}), 0);
	assert_int_equal(lcores_inject_bridge(bridge, &source[1].port, everybody, LEN), 0);
	await_sleep();
	assert_int_equal(COUNTER(1, inject_drop[INJECT_DROP_ALONE]), alone + 1);
	assert_int_equal(atomic_load(&source[5].delivered), delivered);
	for (int i = 0; i < SOURCES; i++)
		assert_int_equal(port_policy_set(&source[i].port, &(struct policy_config){0}), 0);
}

/* A port that nothing may go to gets none of control's either, and what its filter denies does not pass. */
static void what_may_not_leave(void **state)
{
	uint64_t refused = COUNTER(3, inject_drop[INJECT_DROP_REFUSED]), denied = COUNTER(3, tx_drop[TX_DROP_FILTER]);
	uint64_t injected = COUNTER(3, injected), delivered = atomic_load(&source[3].delivered);
	struct filter_list *list;
	struct fail why;

	role_assert_control();
	assert_int_equal(port_policy_set(&source[3].port, &(struct policy_config){.closed = true}), 0);
	assert_int_equal(lcores_inject_port(&source[3].port, everybody, LEN), 0);
	await_sleep();
	assert_int_equal(COUNTER(3, inject_drop[INJECT_DROP_REFUSED]), refused + 1);
	assert_int_equal(COUNTER(3, injected), injected);
	assert_int_equal(filter_list_read("deny", &list, &why), 0);
	assert_int_equal(port_policy_set(&source[3].port, &(struct policy_config){.filter = {[FILTER_TO] = list}}), 0);
	assert_int_equal(lcores_inject_port(&source[3].port, everybody, LEN), 0);
	await_sleep();
	assert_int_equal(COUNTER(3, tx_drop[TX_DROP_FILTER]), denied + 1);
	assert_int_equal(atomic_load(&source[3].delivered), delivered);
	assert_int_equal(port_policy_set(&source[3].port, &(struct policy_config){0}), 0);
	filter_list_free(list);
	assert_int_equal(lcores_inject_port(&source[3].port, everybody, LEN), 0);
	assert_true(await_equal(&source[3].delivered, delivered + 1));
	await_sleep();
}

/* Time goes on for an lcore that visits no queue: what a port's limit has taken comes back. */
static void what_is_limited(void **state)
{
	uint64_t delivered = atomic_load(&source[3].delivered), dropped = COUNTER(3, tx_drop[TX_DROP_RATE]);
	struct policy_rates rates = {0};

	role_assert_control();
	frame_limits_set(&rates.to, 0, 100, 10 * NS_PER_MS);
	assert_int_equal(port_policy_set(&source[3].port, &(struct policy_config){.rates = &rates}), 0);
	for (unsigned int i = 1; i <= 5; i++) {
		await_sleep();
		usleep(30000);
		assert_int_equal(lcores_inject_port(&source[3].port, everybody, LEN), 0);
		assert_true(await_equal(&source[3].delivered, delivered + i));
	}
	assert_int_equal(COUNTER(3, tx_drop[TX_DROP_RATE]), dropped);
	assert_int_equal(port_policy_set(&source[3].port, &(struct policy_config){0}), 0);
	await_sleep();
}

/* A sink gets copies of what control sends to others, and nothing of control's own. */
static void what_is_mirrored(void **state)
{
	enum { SINK = 3, SEEN = 2 };
	struct mirror_map *map = calloc(1, sizeof(*map));
	uint64_t refused = COUNTER(SINK, inject_drop[INJECT_DROP_REFUSED]), mirrored = COUNTER(SINK, mirrored);
	uint64_t sunk = atomic_load(&source[SINK].delivered), seen = atomic_load(&source[SEEN].delivered);

	role_assert_control();
	assert_non_null(map);
	map->mirror[0] = mirror_create(&(struct mirror_config){.name = "m"}, lcores_n());
	assert_non_null(map->mirror[0]);
	map->n = 1;
	map->sink[0] = SINK;
	port_set_add(&map->sinks, SINK);
	map->of[MIRROR_TO][SEEN] = 1;
	bridge_set_mirrors(bridge, map);
	assert_int_equal(lcores_inject_port(&source[SINK].port, everybody, LEN), 0);
	await_sleep();
	assert_int_equal(COUNTER(SINK, inject_drop[INJECT_DROP_REFUSED]), refused + 1);
	assert_int_equal(atomic_load(&source[SINK].delivered), sunk);
	assert_int_equal(lcores_inject_port(&source[SEEN].port, everybody, LEN), 0);
	assert_true(await_equal(&source[SINK].delivered, sunk + 1));
	/* Into the bridge: to all, and one copy. */
	send_into_bridge(1, LEN);
	assert_true(await_equal(&source[SEEN].delivered, seen + 2));
	await_sleep();
	assert_int_equal(atomic_load(&source[SINK].delivered), sunk + 2);
	assert_int_equal(COUNTER(SINK, mirrored), mirrored + 2);
	bridge_set_mirrors(bridge, NULL);
	await_lcores();
}

/* Its lcore polls `source` and stays there, until it is let go. */
static void stick(struct source *from, unsigned int lcore) RUNS_ON(control_thread)
{
	from->rxq.lcore_next = 1 + lcore;
	source_add(from);
	atomic_store(&from->stuck, true);
	source_send(from, 1);
	while (!atomic_load(&from->stays))
		usleep(100);
}

static void let_go(struct source *from) RUNS_ON(control_thread)
{
	atomic_store(&from->stuck, false);
	source_take(from);
}

/* Ports whose frames go through lcore 0: three of them have more than waits at once. */
static void a_full_ring(void **state)
{
	static const unsigned int even[] = {0, 2, 4};
	uint64_t full = 0, sent = 0, before = 0;
	int error;

	role_assert_control();
	await_sleep(); /* nothing waits */
	stick(&source[1], 0);
	for (int i = 0; i < 3; i++) {
		before += atomic_load(&source[even[i]].delivered);
		full += COUNTER(even[i], inject_drop[INJECT_DROP_FULL]);
	}
	for (int i = 0; i < 3 * CONTROL_FRAMES_BURST; i++) {
		error = lcores_inject_port(&source[even[i % 3]].port, everybody, LEN);
		assert_int_equal(error, sent < CONTROL_FRAMES ? 0 : -ENOBUFS);
		sent += error == 0;
	}
	assert_int_equal(sent, CONTROL_FRAMES);
	for (int i = 0; i < 3; i++)
		full -= COUNTER(even[i], inject_drop[INJECT_DROP_FULL]);
	assert_int_equal((uint64_t)-full, 3 * CONTROL_FRAMES_BURST - CONTROL_FRAMES);
	atomic_store(&source[1].punts, true); /* what it was sent to get stuck goes nowhere */
	let_go(&source[1]);
	atomic_store(&source[1].punts, false);
	await_sleep();
	for (int i = 0; i < 3; i++)
		before -= atomic_load(&source[even[i]].delivered);
	assert_int_equal((uint64_t)-before, CONTROL_FRAMES);
}

/* A port that goes takes along what was to be sent out of it, and what was said to come from it; the others' frames are sent. */
static void a_port_that_goes(void **state)
{
	uint64_t gone = COUNTER(2, inject_drop[INJECT_DROP_GONE]), two, four, five;

	role_assert_control();
	await_sleep();
	atomic_store(&source[1].punts, true);
	stick(&source[1], 0);
	two = atomic_load(&source[2].delivered);
	four = atomic_load(&source[4].delivered);
	five = atomic_load(&source[5].delivered);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(lcores_inject_port(&source[2].port, everybody, LEN), 0);
		assert_int_equal(lcores_inject_bridge(bridge, &source[2].port, everybody, LEN), 0);
		assert_int_equal(lcores_inject_port(&source[4].port, everybody, LEN), 0);
	}
	lcores_forget_port(&source[2].port);
	assert_int_equal(COUNTER(2, inject_drop[INJECT_DROP_GONE]), gone + 6);
	/* And the bridge: from here on nothing goes into it. */
	assert_int_equal(lcores_inject_bridge(bridge, NULL, everybody, LEN), 0);
	assert_int_equal(lcores_inject_bridge(bridge, &source[4].port, everybody, LEN), 0);
	lcores_forget_bridge(bridge);
	let_go(&source[1]);
	atomic_store(&source[1].punts, false);
	assert_true(await_equal(&source[4].delivered, four + 3));
	await_sleep();
	assert_int_equal(atomic_load(&source[2].delivered), two);
	assert_int_equal(atomic_load(&source[5].delivered), five);
	assert_int_equal(COUNTER(4, inject_drop[INJECT_DROP_GONE]), 1);
	/* What was dropped is dropped once. */
	lcores_forget_port(&source[2].port);
	assert_int_equal(COUNTER(2, inject_drop[INJECT_DROP_GONE]), gone + 6);
}

/* A ring that is full of a port's frames is empty of them when it goes. */
static void a_port_with_a_full_ring_goes(void **state)
{
	uint64_t gone = COUNTER(2, inject_drop[INJECT_DROP_GONE]), two;

	role_assert_control();
	await_sleep();
	atomic_store(&source[1].punts, true);
	stick(&source[1], 0);
	two = atomic_load(&source[2].delivered);
	for (int i = 0; i < CONTROL_FRAMES; i++) {
		fill_buckets(NULL);
		assert_int_equal(lcores_inject_port(&source[2].port, everybody, LEN), 0);
	}
	lcores_forget_port(&source[2].port);
	assert_int_equal(COUNTER(2, inject_drop[INJECT_DROP_GONE]), gone + CONTROL_FRAMES);
	let_go(&source[1]);
	atomic_store(&source[1].punts, false);
	await_sleep();
	assert_int_equal(atomic_load(&source[2].delivered), two);
}

/* Forgotten while lcores send: each frame is sent or dropped, never both. */
static void a_port_that_goes_meanwhile(void **state)
{
	uint64_t asked = 0, sent = atomic_load(&source[3].delivered);
	uint64_t gone = COUNTER(3, inject_drop[INJECT_DROP_GONE]), end = clock_ns() + NS_PER_S / 2;

	role_assert_control();
	while (clock_ns() < end) {
		atomic_store(&source[3].port.injects.full_ns, 0); /* the rate is not what is tested */
		asked += lcores_inject_port(&source[3].port, everybody, LEN) == 0;
		if (asked % 3 == 0)
			lcores_forget_port(&source[3].port);
		if (asked % 100 == 0)
			usleep(100);
	}
	await_sleep();
	sent = atomic_load(&source[3].delivered) - sent;
	gone = COUNTER(3, inject_drop[INJECT_DROP_GONE]) - gone;
	assert_int_equal(sent + gone, asked);
	assert_true(sent > 0);
}

/* The control plane's echo: a frame that an lcore handed over comes back out of one port. */
static void an_echo(void **state)
{
	uint64_t answered = atomic_load(&source[4].delivered), deadline = clock_ns() + 10 * NS_PER_S;
	const struct punt *punt;
	unsigned int n = 0;

	role_assert_control();
	for (unsigned int i = 0; i < lcores_n(); i++)
		while (lcore_punt_next(lcore_at(i)) != NULL)
			lcore_punt_done(lcore_at(i));
	atomic_store(&source[0].punts, true);
	source_add(&source[0]);
	while (n < 20) {
		source_send(&source[0], 1);
		assert_true(await_equal(&source[0].pending, 0));
		for (unsigned int i = 0; i < lcores_n(); i++)
			while ((punt = lcore_punt_next(lcore_at(i))) != NULL) {
				uint8_t bytes[LEN];

				assert_int_equal(punt->port, 0);
				assert_int_equal(punt->kind, PUNT_ARP);
				assert_int_equal(punt->len, LEN);
				memcpy(bytes, punt->bytes, LEN);
				lcore_punt_done(lcore_at(i));
				bytes[12] = (uint8_t)++n;
				assert_int_equal(lcores_inject_port(&source[4].port, bytes, LEN), 0);
				assert_true(await_equal(&source[4].delivered, answered + n));
				assert_int_equal(atomic_load(&source[4].last[12]), n);
				assert_int_equal(atomic_load(&source[4].last[6]), 2);
			}
		assert_true(clock_ns() < deadline);
	}
	source_take(&source[0]);
	atomic_store(&source[0].punts, false);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, fill_buckets)
	const struct CMUnitTest tests[] = {
		CASE(into_a_bridge), CASE(out_of_one_port),  CASE(what_is_refused),	       CASE(a_full_ring),
		CASE(each_port_has_its_rate), CASE(out_of_no_port), CASE(a_port_with_a_full_ring_goes),
		CASE(what_may_not_leave), CASE(what_is_limited), CASE(what_is_mirrored),
		CASE(an_echo),	     CASE(a_port_that_goes), CASE(a_port_that_goes_meanwhile),
	};

	if (eal_start("0@0,1@0,2@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, lcore_rig_open, lcore_rig_close);
}
