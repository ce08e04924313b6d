/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits for its time costs no lcore's time: one that has only such queues sleeps until then, and the rate is kept all the
 * same. */
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "eal.h"
#include "lcore_rig.h"
#include "policy.h"
#include "policy_rate.h"

enum { TRIES = 30, MEASURED_MS = 200, FRAME_BITS = 8 * (LEN + 24) };

/* The first source sends at this rate at most; 0: at any. */
static void limit(uint64_t bits, uint64_t burst_ns)
{
	struct policy_rates rates = {0};
	const struct policy_config config = {.rates = &rates};

	role_assert_control();
	frame_limits_set(&rates.from, bits, 0, burst_ns);
	assert_int_equal(port_policy_set(&source[0].port, &config), 0);
	if (source[0].rxq.lcore >= 0)
		lcores_look_at(&source[0].rxq);
}

struct spent {
	uint64_t busy, idle, asleep, sleeps, frames, ns;
};

static struct spent spent_so_far(void)
{
	const struct lcore_counters *counters = lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore));

	return (struct spent){
		.busy = counted(&counters->busy),
		.idle = counted(&counters->idle),
		.asleep = counted(&counters->asleep),
		.sleeps = counted(&counters->sleeps),
		.frames = counted(&source[0].rxq.frames),
		.ns = clock_ns(),
	};
}

/* What its lcore does in a while. */
static struct spent spend(void)
{
	struct spent before = spent_so_far(), now;

	usleep(MEASURED_MS * 1000);
	now = spent_so_far();
	return (struct spent){
		.busy = now.busy - before.busy,
		.idle = now.idle - before.idle,
		.asleep = now.asleep - before.asleep,
		.sleeps = now.sleeps - before.sleeps,
		.frames = now.frames - before.frames,
		.ns = now.ns - before.ns,
	};
}

static double rate_of(const struct spent *spent)
{
	return (double)spent->frames * FRAME_BITS / ((double)spent->ns / NS_PER_S);
}

static double awake_of(const struct spent *spent)
{
	return (double)(spent->busy + spent->idle) / (double)(spent->busy + spent->idle + spent->asleep + 1);
}

/* Beyond the burst no more comes than may; and in one of the tries, since the machine may be busy, no less, with most of the
 * time slept. */
static void assert_slept(uint64_t rate, double awake_most)
{
	bool good = false;

	for (unsigned int try = 0; !good && try < TRIES; try++) {
		struct spent spent = spend();

		good = rate_of(&spent) > 0.98 * (double)rate && awake_of(&spent) < awake_most;
		assert_true(rate_of(&spent) < 1.02 * (double)rate + (double)rate / 100 * 1000 / MEASURED_MS);
		print_message("%.0f Mbit/s: %.4f of it, awake for %.3f of the time, %llu sleeps\n", (double)rate / 1e6,
			      rate_of(&spent) / (double)rate, awake_of(&spent), (unsigned long long)spent.sleeps);
	}
	assert_true(good);
}

static void what_waits_is_slept_through(void **state)
{
	static const uint64_t rates[] = {10000000, 50000000, 200000000};

	source_add(&source[0]);
	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		limit(rates[i], 10 * NS_PER_MS);
		/* More than it sends while it is measured. */
		source_send(&source[0], rates[i] / FRAME_BITS * 10);
		usleep(20000);
		assert_slept(rates[i], 0.2);
		limit(0, 0);
		assert_true(await_equal(&source[0].pending, 0));
	}
	source_take(&source[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_is_slept_through),
	};

	if (eal_start("0@0,1@0,2@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, lcore_rig_open, lcore_rig_close);
}
