/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_test.c: the running switch follows its configuration, with real bridges and lcores and ports of a type of the
 * test's own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cases.h"
#include "clock.h"
#include "fake_port.h"
#include "lcore_inject.h"
#include "log.h"
#include "policy.h"
#include "switch.h"
#include "turn.h"

static const struct port_driver *const drivers[] = {&fake_driver, NULL};
static struct loop *loop;
static struct doorbell bell;
static struct vus_switch *sw;

/* --- helpers ---------------------------------------------------------------------------------------------------- */

/* Applies options like "a=/a,bridge=br1", ended by NULL. */
static unsigned int apply(const char *const *ports) RUNS_ON(control_thread)
{
	struct config config = {.drivers = drivers};
	struct fail fail;
	unsigned int failed;

	for (; *ports != NULL; ports++)
		assert_int_equal(config_add_port(&config, "--vhost", *ports, &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	failed = switch_apply(sw, &config);
	config_free(&config);
	return failed;
}
#define APPLY(...) apply((const char *const[]){__VA_ARGS__, NULL})

static unsigned int bridges_n(void) RUNS_ON(control_thread)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BRIDGES_MAX; i++)
		n += switch_bridge_at(sw, i) != NULL;
	return n;
}

static struct fake_port *get(const char *name) RUNS_ON(control_thread)
{
	struct port *port = switch_find_port(sw, name);

	return port != NULL ? fake_of(port) : NULL;
}

static uint64_t mac(uint8_t last)
{
	return 2 | (uint64_t)last << 40;
}

/* Where the bridge believes an address to be: a port's name, or NULL. */
static const char *where(uint8_t last, unsigned int bridge) RUNS_ON(control_thread)
{
	struct fdb_value value;
	struct fdb_mark mark;

	if (!fdb_lookup(bridge_fdb(switch_bridge_at(sw, bridge)), mac(last), &value, &mark))
		return NULL;
	return switch_port_at(sw, value.destination)->name;
}

struct settled {
	int times;
	unsigned int failed;
};

static void count_settled(void *arg, unsigned int failed)
{
	struct settled *settled = arg;

	settled->times++;
	settled->failed = failed;
}

static int set_up(void **state)
{
	struct fail fail;

	role_assert_control();
	fake_ports_made = 0;
	return switch_create(loop, drivers, &bell, &sw, &fail);
}

static int tear_down(void **state)
{
	role_assert_control();
	switch_on_settled(sw, NULL, NULL);
	apply((const char *const[]){NULL});
	TURN_UNTIL(loop, switch_is_empty(sw));
	switch_destroy(sw);
	assert_int_equal(fake_ports, 0);
	return 0;
}

/* --- from one configuration to the next ------------------------------------------------------------------------- */

static void makes_what_is_asked_for(void **state)
{
	role_assert_control();
	assert_int_equal(APPLY("a=/a", "b=/b,bridge=lan"), 0);
	assert_int_equal(switch_ports_n(sw), 2);
	assert_int_equal(bridges_n(), 2);
	assert_string_equal(bridge_name(get("a")->port.bridge), "br0");
	assert_string_equal(bridge_name(get("b")->port.bridge), "lan");
	assert_ptr_not_equal(get("a")->port.bridge, get("b")->port.bridge);
}

static void what_is_the_same_stays(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a");
	APPLY("c=/c", "a=/a");
	TURN_UNTIL(loop, get("b") == NULL && switch_ports_n(sw) == 2);
	assert_ptr_equal(get("a"), a);
	assert_int_equal(fake_ports_made, 3);
}

static void a_changed_port_is_made_anew(void **state)
{
	role_assert_control();
	APPLY("a=/a");
	APPLY("a=/a,queues=2");
	TURN_UNTIL(loop, fake_ports_made == 2 && get("a") != NULL);
	assert_int_equal(((const struct fake_options *)switch_port_config(sw, &get("a")->port)->options)->queues, 2);
	assert_int_equal(fake_ports, 1);
}

/* There is no memory for policies. */
static bool no_policies;
int __real_port_policy_set(struct port *port, const struct policy_config *config) RUNS_ON(control_thread);
int __wrap_port_policy_set(struct port *port, const struct policy_config *config) RUNS_ON(control_thread);

int __wrap_port_policy_set(struct port *port, const struct policy_config *config)
{
	return no_policies ? -ENOMEM : __real_port_policy_set(port, config);
}

/* All of it, or none. */
static void a_change_that_cannot_be_made_is_not_half_made(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a,weight=3");
	a = get("a");
	no_policies = true;
	assert_int_equal(APPLY("a=/a,weight=5,isolated=on"), 1);
	no_policies = false;
	assert_int_equal(a->weight, 3);
	assert_int_equal(port_policy_flags(&a->port), 0);
	assert_int_equal(APPLY("a=/a,weight=5,isolated=on"), 0);
	assert_int_equal(a->weight, 5);
	assert_int_equal(port_policy_flags(&a->port), POLICY_ISOLATED);
}

/* What is live is changed, and nothing else: the port and its queues stay. */
static void a_live_option_changes_the_port(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a");
	a = get("a");
	fake_port_ready(a, 0, true);
	TURN_UNTIL(loop, a->rxq[0].lcore >= 0);
	assert_int_equal(APPLY("a=/a,weight=5,isolated=on"), 0);
	assert_ptr_equal(get("a"), a);
	assert_int_equal(a->reconfigured, 1);
	assert_int_equal(a->changed, 1 << 2);
	assert_int_equal(a->weight, 5);
	assert_int_equal(port_policy_flags(&a->port), POLICY_ISOLATED);
	assert_true(a->rxq[0].lcore >= 0);
	/* Said again, it is nothing new. */
	APPLY("a=/a,weight=5,isolated=yes");
	assert_int_equal(a->reconfigured, 1);
	/* What the driver refuses is one that could not be made, and is tried again. */
	assert_int_equal(APPLY("a=/a,weight=13"), 1);
	assert_int_equal(APPLY("a=/a,weight=13"), 1);
	assert_int_equal(a->weight, 5);
	/* With a change that is not live it is a new port, with everything. */
	assert_int_equal(APPLY("a=/a,weight=6,queues=2"), 0);
	TURN_UNTIL(loop, fake_ports_made == 2 && get("a") != NULL);
	assert_int_equal(port_policy_flags(&get("a")->port), 0);
	assert_int_equal(((const struct fake_options *)switch_port_config(sw, &get("a")->port)->options)->weight, 6);
}

/* It is there to look at, and in no bridge, until its driver has made it; what is made beside it does not wait. */
static void a_starting_port_joins_when_it_is_there(void **state)
{
	struct settled settled = {0};
	struct fake_port *a;

	role_assert_control();
	switch_on_settled(sw, count_settled, &settled);
	assert_int_equal(APPLY("a=/starting", "b=/b"), 0);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	a = get("a");
	assert_non_null(a);
	assert_null(a->port.bridge);
	assert_non_null(get("b")->port.bridge);
	assert_int_equal(settled.times, 0);
	fake_port_started(a, NULL);
	TURN_UNTIL(loop, settled.times == 1);
	assert_int_equal(settled.failed, 0);
	assert_string_equal(bridge_name(a->port.bridge), "br0");
	fake_port_ready(a, 0, true);
	TURN_UNTIL(loop, a->rxq[0].lcore >= 0);
}

static void what_cannot_start_is_given_up(void **state)
{
	struct settled settled = {0};

	role_assert_control();
	switch_on_settled(sw, count_settled, &settled);
	assert_int_equal(APPLY("a=/starting"), 0);
	log_set_level(0);
	fake_port_started(get("a"), "it has no cable");
	log_set_level(LOG_ERROR);
	TURN_UNTIL(loop, settled.times == 1);
	assert_int_equal(settled.failed, 1);
	assert_null(get("a"));
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	assert_int_equal(fake_ports_made, 1);
	/* The next configuration tries it again; it fails for the one after that, too, which has it on another bridge. */
	assert_int_equal(APPLY("a=/starting"), 0);
	assert_int_equal(fake_ports_made, 2);
	assert_int_equal(APPLY("a=/starting,bridge=lan"), 0);
	log_set_level(0);
	fake_port_started(get("a"), "it has no cable");
	log_set_level(LOG_ERROR);
	TURN_UNTIL(loop, settled.times == 2);
	assert_int_equal(settled.failed, 1);
	assert_int_equal(fake_ports, 0);
}

/* While it starts it is moved, kept, made anew and removed. */
static void changes_while_it_starts(void **state)
{
	struct settled settled = {0};
	struct fake_port *a;

	role_assert_control();
	switch_on_settled(sw, count_settled, &settled);
	APPLY("a=/starting");
	a = get("a");
	APPLY("a=/starting,bridge=lan,isolated=on");
	assert_ptr_equal(get("a"), a);
	assert_int_equal(fake_ports_made, 1);
	fake_port_started(a, NULL);
	TURN_UNTIL(loop, settled.times == 1);
	assert_string_equal(bridge_name(a->port.bridge), "lan");
	assert_int_equal(port_policy_flags(&a->port), POLICY_ISOLATED);
	APPLY("a=/a");
	TURN_UNTIL(loop, settled.times == 2);
	APPLY("b=/starting");
	TURN_UNTIL(loop, get("a") == NULL && fake_ports == 1);
	assert_int_equal(settled.times, 2);
	APPLY("b=/starting,queues=2");
	TURN_UNTIL(loop, fake_ports_made == 4 && fake_ports == 1);
	APPLY("c=/c");
	TURN_UNTIL(loop, settled.times == 3);
	assert_int_equal(settled.failed, 0);
	assert_int_equal(switch_ports_n(sw), 1);
	assert_int_equal(fake_ports, 1);
}

/* The old one's socket is free only when it has closed. */
static void waits_for_a_socket(void **state)
{
	role_assert_control();
	APPLY("a=/slow");
	APPLY("b=/slow");
	assert_null(get("b"));
	TURN_UNTIL(loop, get("b") != NULL);
	assert_int_equal(fake_ports, 1);
	assert_null(get("a"));
}

/* It changes its mind while the port is leaving: the port comes back, or a new one does. */
static void changes_in_haste(void **state)
{
	role_assert_control();
	for (int i = 0; i < 50; i++) {
		APPLY("a=/slow", "b=/b");
		APPLY("b=/b,bridge=lan");
		if (i % 3 == 0)
			loop_turn(loop, 0);
		APPLY("a=/slow,bridge=lan");
		if (i % 7 == 0)
			loop_turn(loop, NS_PER_MS);
	}
	TURN_UNTIL(loop, get("a") != NULL && switch_ports_n(sw) == 1 && get("a")->port.bridge != NULL);
	assert_string_equal(bridge_name(get("a")->port.bridge), "lan");
	TURN_UNTIL(loop, bridges_n() == 1);
}

static void moves_to_another_bridge(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a");
	fake_port_ready(a, 0, true);
	APPLY("a=/a,bridge=lan", "b=/b,bridge=lan");
	TURN_UNTIL(loop, bridges_n() == 1 && a->rxq[0].lcore >= 0);
	assert_ptr_equal(get("a"), a);
	assert_string_equal(bridge_name(a->port.bridge), "lan");
	assert_int_equal(fake_ports_made, 2);
}

static void one_that_fails_leaves_others_alone(void **state)
{
	role_assert_control();
	log_set_level(0);
	assert_int_equal(APPLY("a=/a", "r=/refuse", "b=/b"), 1);
	assert_int_equal(switch_ports_n(sw), 2);
	/* The next apply tries again, and one that does not want it is content. */
	assert_int_equal(APPLY("a=/a", "r=/refuse", "b=/b"), 1);
	assert_int_equal(APPLY("a=/a", "b=/b"), 0);
	assert_int_equal(fake_ports_made, 2);
	log_set_level(LOG_ERROR);
}

/* The old one has to close before the new one is made: that it cannot be is told when the switch has settled. */
static void tells_what_failed_when_it_has_settled(void **state)
{
	struct settled settled = {0};

	role_assert_control();
	log_set_level(0);
	switch_on_settled(sw, count_settled, &settled);
	assert_int_equal(APPLY("a=/a", "b=/slow"), 0);
	assert_int_equal(settled.times, 1);
	assert_int_equal(APPLY("a=/refuse", "b=/b"), 0);
	assert_int_equal(settled.times, 1);
	TURN_UNTIL(loop, settled.times == 2);
	assert_int_equal(settled.failed, 1);
	assert_non_null(get("b"));
	assert_null(get("a"));
	APPLY("a=/a", "b=/b");
	TURN_UNTIL(loop, settled.times == 3);
	assert_int_equal(settled.failed, 0);
	/* The only one that leaves is gone at once. */
	APPLY("a=/refuse", "b=/b");
	TURN_UNTIL(loop, settled.times == 4);
	assert_int_equal(settled.failed, 1);
	switch_on_settled(sw, NULL, NULL);
	log_set_level(LOG_ERROR);
}

struct many_ports {
	char option[PORTS_MAX][40];
	const char *options[PORTS_MAX + 1];
};

static void name_many(struct many_ports *many, unsigned int n, const char *more)
{
	memset(many, 0, sizeof(*many));
	for (unsigned int i = 0; i < n; i++) {
		snprintf(many->option[i], sizeof(many->option[i]), "p%u=/%u%s", i, i, more);
		many->options[i] = many->option[i];
	}
}

static void numbers_are_used_again(void **state)
{
	static struct many_ports many;
	const char **options = many.options;

	role_assert_control();
	name_many(&many, PORTS_MAX, "");
	apply(options);
	assert_int_equal(switch_catch_up(sw), 0);
	assert_int_equal(switch_ports_n(sw), PORTS_MAX);
	options[0] = "q=/q";
	apply(options);
	TURN_UNTIL(loop, get("q") != NULL);
	assert_int_equal(get("q")->port.id, 0);
}

/* What control spends on a change, and on the longest turn of its loop meanwhile, in which nobody's request is answered. */
struct spent {
	uint64_t all_ns, longest_ns;
};

static struct spent time_change(const char *const *options) RUNS_ON(control_thread)
{
	struct settled settled = {0};
	struct spent spent;
	uint64_t begin;
	struct config config = {.drivers = drivers};
	struct fail fail;

	for (; *options != NULL; options++)
		assert_int_equal(config_add_port(&config, "--vhost", *options, &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	switch_on_settled(sw, count_settled, &settled);
	begin = clock_thread_cpu_ns();
	switch_apply(sw, &config);
	spent.all_ns = spent.longest_ns = clock_thread_cpu_ns() - begin;
	config_free(&config);
	for (uint64_t end = clock_ns() + 60 * NS_PER_S; settled.times == 0 && clock_ns() < end;) {
		uint64_t turn;

		begin = clock_thread_cpu_ns();
		loop_turn(loop, NS_PER_MS);
		turn = clock_thread_cpu_ns() - begin;
		spent.all_ns += turn;
		if (turn > spent.longest_ns)
			spent.longest_ns = turn;
	}
	switch_on_settled(sw, NULL, NULL);
	assert_int_equal(settled.times, 1);
	assert_int_equal(settled.failed, 0);
	return spent;
}

/* Four times as many ports that change cost four times as much, not sixteen times, and other requests are answered meanwhile. */
static void a_thousand_ports_change_one_after_the_other(void **state)
{
	static const char *const ways[] = {",bridge=lan", ",queues=2"};
	static struct many_ports many;

	role_assert_control();
	for (unsigned int way = 0; way < 2; way++) {
		uint64_t some = 0;

		for (unsigned int n = PORTS_MAX / 4; n <= PORTS_MAX; n *= 4) {
			struct spent spent;

			name_many(&many, n, "");
			time_change(many.options);
			name_many(&many, n, ways[way]);
			spent = time_change(many.options);
			print_message("%u ports%s: %.1f ms, the longest turn %.1f ms\n", n, ways[way],
				      (double)spent.all_ns / (double)NS_PER_MS, (double)spent.longest_ns / (double)NS_PER_MS);
			assert_true(some == 0 || spent.all_ns < 8 * some + 20 * NS_PER_MS);
			assert_true(spent.longest_ns < 40 * NS_PER_MS);
			some = spent.all_ns;
		}
	}
}

/* --- frames ----------------------------------------------------------------------------------------------------- */

static void queues_find_lcores(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a");
	a = get("a");
	assert_int_equal(a->rxq[0].lcore, -1);
	fake_port_ready(a, 0, true);
	assert_true(a->rxq[0].lcore >= 0);
	assert_int_equal(a->rxq[1].lcore, -1);
	/* Off and on at once: it waits for the lcores in between. */
	fake_port_ready(a, 0, false);
	fake_port_ready(a, 0, true);
	assert_int_equal(a->rxq[0].lcore, -1);
	TURN_UNTIL(loop, a->rxq[0].lcore >= 0);
}

static void learns_and_forwards(void **state)
{
	struct fake_port *a, *b, *c;

	role_assert_control();
	APPLY("a=/a", "b=/b", "c=/c");
	a = get("a"), b = get("b"), c = get("c");
	fake_port_ready(a, 0, true);
	fake_port_ready(b, 0, true);
	/* 2 is unknown: every port but the sender's gets it, and 1 is learned. */
	fake_port_send(a, 2, 1, 1);
	TURN_UNTIL(loop, a->completed == 1 && where(1, 0) != NULL);
	assert_string_equal(where(1, 0), "a");
	assert_int_equal(b->delivered, 1);
	assert_int_equal(c->delivered, 1);
	/* The answer goes to a only. */
	fake_port_send(b, 1, 2, 1);
	TURN_UNTIL(loop, b->completed == 1 && where(2, 0) != NULL);
	assert_int_equal(a->delivered, 1);
	assert_int_equal(c->delivered, 1);
	/* 1 moves to b. */
	fake_port_send(b, 2, 1, 1);
	TURN_UNTIL(loop, strcmp(where(1, 0), "b") == 0);
}

static void what_left_is_forgotten(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a");
	fake_port_ready(a, 0, true);
	fake_port_send(a, 0xff, 1, 1);
	TURN_UNTIL(loop, where(1, 0) != NULL);
	APPLY("b=/b");
	TURN_UNTIL(loop, fake_ports == 1);
	assert_null(where(1, 0));
}

/* Another VM may be the next at this port: what is for the old one floods until it is heard of again. */
static void a_peer_that_goes_is_forgotten(void **state)
{
	struct fake_port *a;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a");
	fake_port_ready(a, 0, true);
	fake_port_send(a, 0xff, 1, 1);
	TURN_UNTIL(loop, where(1, 0) != NULL);
	fake_port_ready(a, 0, false);
	a->port.host->peer_gone(a->port.host, &a->port);
	assert_null(where(1, 0));
	assert_int_equal(fake_ports, 2);
}

/* What it still sends, and what lcores saw of it before it went silent, does not bring it back. */
static void a_deaf_port_is_not_learned(void **state)
{
	static const uint8_t address[6] = {2, 0, 0, 0, 0, 9};
	struct fake_port *a, *b;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a"), b = get("b");
	fake_port_ready(a, 0, true);
	fake_port_ready(b, 0, true);
	fake_port_send(a, 0xff, 1, 1);
	TURN_UNTIL(loop, where(1, 0) != NULL);
	a->port.cannot_receive = true;
	a->port.host->peer_gone(a->port.host, &a->port);
	fake_port_send(a, 0xff, 1, 1);
	TURN_UNTIL(loop, b->delivered == 2);
	a->port.host->announce(a->port.host, &a->port, address);
	TURN_UNTIL(loop, b->delivered == 3);
	fake_port_send(b, 0xff, 2, 1);
	TURN_UNTIL(loop, where(2, 0) != NULL); /* whatever was reported before is done with */
	assert_null(where(1, 0));
	assert_null(where(9, 0));
	a->port.cannot_receive = false;
	a->port.host->announce(a->port.host, &a->port, address);
	assert_string_equal(where(9, 0), "a");
}

static void announces(void **state)
{
	static const uint8_t address[6] = {2, 0, 0, 0, 0, 9};
	struct fake_port *a, *b;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a"), b = get("b");
	a->port.host->announce(a->port.host, &a->port, address);
	TURN_UNTIL(loop, b->delivered == 1);
	assert_int_equal(a->delivered, 0);
	assert_memory_equal(b->last,
			    "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x09\x80\x35"
			    "\x00\x01\x08\x00\x06\x04\x00\x03\x02\x00\x00\x00\x00\x09",
			    28);
	assert_memory_equal(b->last + 32, address, 6);
	assert_string_equal(where(9, 0), "a");
	/* At once gone: no lcore may meet the port in an announcement. */
	a->port.host->announce(a->port.host, &a->port, address);
	APPLY("b=/b");
	TURN_UNTIL(loop, fake_ports == 1);
}

/* --- frames for control ------------------------------------------------------------------------------------------ */

struct echo {
	struct fake_port *from, *to;
	unsigned int n;
};

/* The answer of a control protocol: back with the addresses swapped, out of one port. */
static void answer(void *arg, struct port *port, const struct punt *punt)
{
	struct echo *echo = arg;
	uint8_t bytes[64];

	role_assert_control();
	assert_ptr_equal(port, &echo->from->port);
	assert_int_equal(punt->kind, PUNT_LACP);
	assert_int_equal(punt->len, sizeof(bytes));
	memcpy(bytes, punt->bytes, sizeof(bytes));
	memcpy(bytes, punt->bytes + 6, 6);
	memcpy(bytes + 6, punt->bytes, 6);
	assert_int_equal(lcores_inject_port(&echo->to->port, bytes, sizeof(bytes)), 0);
	echo->n++;
}

static uint64_t counter(const struct fake_port *fake, size_t offset)
{
	struct port_counters sum;

	port_counters_sum(&fake->port, &sum);
	return counted((const _Atomic uint64_t *)(const void *)((const char *)&sum + offset));
}
#define COUNTER(fake, name) counter(fake, offsetof(struct port_counters, name))

/* An lcore hands it over, control answers, an lcore sends it: out of one port, which may be the one it came from. */
static void control_echoes(void **state)
{
	struct fake_port *a, *b;
	struct echo echo;

	role_assert_control();
	APPLY("a=/a", "b=/b", "c=/c");
	a = get("a"), b = get("b");
	fake_port_ready(a, 0, true);
	atomic_store(&a->punts, true);
	/* Nothing takes it yet. */
	fake_port_send(a, 2, 1, 1);
	TURN_UNTIL(loop, COUNTER(a, punt_drop[PUNT_DROP_UNHANDLED]) == 1);
	switch_handle_punts(sw, PUNT_LACP, answer, &echo);
	echo = (struct echo){.from = a, .to = b};
	for (int i = 1; i <= 10; i++) {
		fake_port_send(a, 2, 1, 1);
		TURN_UNTIL(loop, b->delivered == i);
		if (i == 5)
			loop_turn(loop, 20 * NS_PER_MS); /* lcores and control sleep */
	}
	assert_memory_equal(b->last, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	echo.to = a;
	fake_port_send(a, 2, 1, 1);
	TURN_UNTIL(loop, a->delivered == 1);
	assert_int_equal(echo.n, 11);
	assert_int_equal(COUNTER(a, punted), 11);
	assert_int_equal(COUNTER(a, injected) + COUNTER(b, injected), 11);
	assert_int_equal(COUNTER(a, tx_ok) + COUNTER(b, tx_ok), 11);
	assert_int_equal(get("c")->delivered, 0);
	/* A port that goes: what it handed over reaches no port, or was answered before; what is for it goes nowhere. */
	echo.to = b;
	fake_port_send(a, 2, 1, 3);
	APPLY("b=/b");
	TURN_UNTIL(loop, fake_ports == 1);
	switch_handle_punts(sw, PUNT_LACP, NULL, NULL);
}

static void static_addresses(void **state)
{
	json_t *json;
	struct config config = {.drivers = drivers};
	struct fail fail;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	json = json_pack("{s:[{s:s, s:[{s:s, s:s}]}]}", "bridges", "name", "br0", "static-macs", "mac",
			 "02:00:00:00:00:07", "port", "a");
	assert_int_equal(config_read_json(&config, "json", json, &fail), 0);
	json_decref(json);
	config_add_port(&config, "--vhost", "a=/a", &fail);
	config_add_port(&config, "--vhost", "b=/b", &fail);
	assert_int_equal(config_check(&config, &fail), 0);
	switch_apply(sw, &config);
	config_free(&config);
	assert_string_equal(where(7, 0), "a");
	/* It does not move. */
	fake_port_ready(get("b"), 0, true);
	fake_port_send(get("b"), 0xff, 7, 1);
	TURN_UNTIL(loop, get("b")->completed == 1);
	loop_turn(loop, 5 * NS_PER_MS);
	assert_string_equal(where(7, 0), "a");
	/* And goes with the configuration. */
	APPLY("a=/a", "b=/b");
	assert_null(where(7, 0));
}

static void traffic_while_ports_come_and_go(void **state)
{
	struct fake_port *a, *b;

	role_assert_control();
	APPLY("a=/a", "b=/b");
	a = get("a"), b = get("b");
	fake_port_ready(a, 0, true);
	fake_port_ready(b, 0, true);
	fake_port_send(b, 0xff, 2, 1);
	TURN_UNTIL(loop, where(2, 0) != NULL);
	fake_port_send(a, 2, 1, 1000000);
	for (int i = 0; i < 20; i++) {
		APPLY("a=/a", "b=/b", "c=/c", "d=/slow");
		TURN_UNTIL(loop, get("c") != NULL && get("d") != NULL);
		fake_port_ready(get("c"), 0, true);
		fake_port_send(get("c"), 0xff, 3, 100);
		APPLY("a=/a", "b=/b");
		TURN_UNTIL(loop, fake_ports == 2);
	}
	atomic_store(&a->pending, 0);
	loop_turn(loop, NS_PER_MS);
	assert_true(b->delivered > 0);
	/* Whatever a sent, b got. */
	assert_true(b->delivered >= a->completed - 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(makes_what_is_asked_for),
		CASE(what_is_the_same_stays),
		CASE(a_changed_port_is_made_anew),
		CASE(a_live_option_changes_the_port),
		CASE(a_change_that_cannot_be_made_is_not_half_made),
		CASE(a_starting_port_joins_when_it_is_there),
		CASE(what_cannot_start_is_given_up),
		CASE(changes_while_it_starts),
		CASE(waits_for_a_socket),
		CASE(changes_in_haste),
		CASE(moves_to_another_bridge),
		CASE(one_that_fails_leaves_others_alone),
		CASE(tells_what_failed_when_it_has_settled),
		CASE(numbers_are_used_again),
		CASE(a_thousand_ports_change_one_after_the_other),
		CASE(queues_find_lcores),
		CASE(learns_and_forwards),
		CASE(what_left_is_forgotten),
		CASE(a_peer_that_goes_is_forgotten),
		CASE(a_deaf_port_is_not_learned),
		CASE(announces),
		CASE(control_echoes),
		CASE(static_addresses),
		CASE(traffic_while_ports_come_and_go),
	};
	int failed;

	role_take(ROLE_CONTROL);
	role_assert_control();
	if (fake_world_begin(&bell, &loop) != 0)
		return EXIT_FAILURE;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_world_end(&bell, loop);
	return failed;
}
