/* SPDX-License-Identifier: BSD-3-Clause */
/* Which lcores can hold what a port has published (lcore_readers.h): with real lcores, one of which stands still in a burst. */
#include <errno.h>
#include <unistd.h>

#include "bridge.h"
#include "cases.h"
#include "clock.h"
#include "eal.h"
#include "lcore_inject.h"
#include "lcore_readers.h"
#include "lcore_rig.h"

static const uint8_t everybody[LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};

static struct bridge *far_bridge; /* of the sources 3 and 4 */

static void readers_of_port(struct port_host *host, const struct port *port, struct rcu_readers *readers)
	RUNS_ON(control_thread)
{
	lcores_that_read(port->bridge, readers);
}

static bool reads(struct bridge *of, unsigned int lcore)
{
	struct rcu_readers readers = {{0}};

	role_assert_control();
	lcores_that_read(of, &readers);
	return rcu_readers_have(&readers, lcore);
}

static struct rcu_wait wait;
static bool ended;

static void wait_over(struct rcu_wait *over)
{
	ended = true;
}

static void begin_wait(struct source *of)
{
	ended = false;
	rcu_wait_start_in(&of->port.scope, &wait, wait_over);
}

/* Whether it ends while lcores have time. */
static bool ends_within(uint64_t ms)
{
	uint64_t deadline = clock_ns() + ms * NS_PER_MS;

	while (!ended && clock_ns() < deadline) {
		rcu_poll();
		usleep(50);
	}
	return ended;
}

/* The lcore that polls it is in the middle of a burst from here on. */
static void get_stuck(struct source *from)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;

	atomic_store(&from->stuck, true);
	source_send(from, 1);
	while (!atomic_load(&from->stays))
		assert_true(clock_ns() < deadline);
}

static void let_go(struct source *from)
{
	atomic_store(&from->stuck, false);
}

enum { LONG_MS = 10000, SHORT_MS = 100 };

static void an_lcore_of_another_bridge_delays_nothing(void **state)
{
	source_add(&source[0]);
	source_add(&source[3]);
	assert_int_equal(source[0].rxq.lcore, 0);
	assert_int_equal(source[3].rxq.lcore, 1);
	get_stuck(&source[0]);
	begin_wait(&source[3]);
	assert_true(ends_within(LONG_MS));
	begin_wait(&source[1]); /* not polled, but its lcore delivers to it */
	assert_false(ends_within(SHORT_MS));
	let_go(&source[0]);
	assert_true(ends_within(LONG_MS));
	source_take(&source[0]);
	source_take(&source[3]);
	assert_false(reads(bridge, 0));
	assert_false(reads(far_bridge, 1));
}

/* Its queue has left, and the burst that was begun goes on. */
static void an_lcore_that_has_not_passed_counts(void **state)
{
	role_assert_control();
	source_add(&source[0]);
	get_stuck(&source[0]);
	assert_int_equal(lcores_remove_queue(&source[0].rxq), 0);
	assert_true(reads(bridge, 0));
	assert_false(reads(far_bridge, 0));
	begin_wait(&source[1]);
	assert_false(ends_within(SHORT_MS));
	let_go(&source[0]);
	assert_true(ends_within(LONG_MS));
	assert_false(reads(bridge, 0));
	await_lcores();
}

/* It polls nothing of the bridge, and may be delivering what control gave it. */
static void an_lcore_that_is_to_send_counts(void **state)
{
	uint64_t before = atomic_load(&source[4].delivered);

	role_assert_control();
	source_add(&source[0]);
	source_add(&source[1]);
	assert_int_equal(source[1].rxq.lcore, 1);
	get_stuck(&source[1]);
	assert_int_equal(lcores_inject_port(&source[3].port, everybody, LEN), 0);
	assert_true(reads(far_bridge, 1));
	begin_wait(&source[4]);
	assert_false(ends_within(SHORT_MS));
	let_go(&source[1]);
	assert_true(ends_within(LONG_MS));
	assert_true(await_equal(&source[3].delivered, 1));
	await_sleep();
	assert_false(reads(far_bridge, 1));
	assert_int_equal(atomic_load(&source[4].delivered), before);
	source_take(&source[0]);
	source_take(&source[1]);
}

/* What control sends goes to an lcore that is there anyway. */
static void frames_of_control_stay_near(void **state)
{
	role_assert_control();
	source_add(&source[0]);
	source_add(&source[3]);
	source_add(&source[1]);
	assert_int_equal(source[1].rxq.lcore, 0);
	get_stuck(&source[0]);
	for (int i = 3; i < 5; i++) {
		uint64_t before = atomic_load(&source[i].delivered);

		assert_int_equal(lcores_inject_port(&source[i].port, everybody, LEN), 0);
		assert_true(await_equal(&source[i].delivered, before + 1));
	}
	assert_false(reads(far_bridge, 0));
	let_go(&source[0]);
	await_sleep();
	for (int i = 0; i < 4; i++)
		if (source[i].rxq.lcore >= 0)
			source_take(&source[i]);
}

static int open_two(void **state)
{
	struct bridge_config config = {.name = "far", .mac_aging = 0};

	role_assert_control();
	if (lcore_rig_open(state) != 0)
		return -1;
	far_bridge = bridge_create(&config, 1);
	if (far_bridge == NULL)
		return -1;
	source[0].port.host->readers = readers_of_port;
	for (int i = 3; i < 5; i++) {
		bridge_remove_port(bridge, &source[i].port);
		bridge_add_port(far_bridge, &source[i].port);
	}
	return 0;
}

static int close_two(void **state)
{
	int error;

	role_assert_control();
	for (int i = 3; i < 5; i++)
		bridge_remove_port(far_bridge, &source[i].port);
	error = lcore_rig_close(state);
	bridge_destroy(far_bridge);
	return error;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_lcore_of_another_bridge_delays_nothing),
		cmocka_unit_test(an_lcore_that_has_not_passed_counts),
		cmocka_unit_test(an_lcore_that_is_to_send_counts),
		cmocka_unit_test(frames_of_control_stay_near),
	};

	if (eal_start("0@0,1@0,2@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, open_two, close_two);
}
