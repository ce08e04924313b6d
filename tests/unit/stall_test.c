/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port's kernel objects cost the lcores, added up: X3. The clock is the test's. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "stall.h"

static struct stall_account fresh(void)
{
	return (struct stall_account){
		.bound = {[STALL_MEMORY] = {1500 * NS_PER_MS, 5 * NS_PER_MS},
			  [STALL_INTERRUPT] = {300 * NS_PER_MS, 2 * NS_PER_MS}},
		.at_ns = 1000 * NS_PER_S,
	};
}

static bool add(struct stall_account *account, enum stall_kind kind, uint64_t ms, uint64_t now)
{
	uint64_t ns[STALL_KINDS] = {0};
	char text[120];

	ns[kind] = ms * NS_PER_MS;
	stall_account_add(account, ns, now);
	return stall_account_over(account, now, text, sizeof(text));
}

static void a_meter_rings_once_until_it_is_read(void **state)
{
	struct stall_meter meter = {.alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	uint64_t ns[STALL_KINDS], rings;

	assert_true(meter.alarm_fd >= 0);
	stall_charge(&meter, STALL_MEMORY, 3);
	stall_charge(&meter, STALL_INTERRUPT, 5);
	stall_charge(&meter, STALL_MEMORY, 4);
	assert_int_equal(read(meter.alarm_fd, &rings, sizeof(rings)), sizeof(rings));
	assert_int_equal(rings, 1);
	stall_take(&meter, ns);
	assert_int_equal(ns[STALL_MEMORY], 7);
	assert_int_equal(ns[STALL_INTERRUPT], 5);
	assert_true(read(meter.alarm_fd, &rings, sizeof(rings)) < 0);
	stall_charge(&meter, STALL_MEMORY, 1);
	assert_int_equal(read(meter.alarm_fd, &rings, sizeof(rings)), sizeof(rings));
	close(meter.alarm_fd);
}

/* 1 GiB pages of 300 ms each, four in a row and one a minute: nobody is sent down. */
static void honest_faults_are_within_the_bound(void **state)
{
	struct stall_account account = fresh();
	uint64_t now = account.at_ns;

	for (int i = 0; i < 4; i++)
		assert_false(add(&account, STALL_MEMORY, 300, now += NS_PER_S));
	for (int i = 0; i < 60; i++)
		assert_false(add(&account, STALL_MEMORY, 300, now += 60 * NS_PER_S));
	assert_int_equal(account.total_ns[STALL_MEMORY], 64 * 300 * NS_PER_MS);
}

static void the_reason_has_the_sum_and_the_time(void **state)
{
	struct stall_account account = fresh();
	char text[120];

	assert_false(add(&account, STALL_INTERRUPT, 200, account.at_ns + 4 * NS_PER_S));
	assert_true(add(&account, STALL_INTERRUPT, 212, account.at_ns + 10 * NS_PER_S));
	assert_true(stall_account_over(&account, account.at_ns, text, sizeof(text)));
	assert_string_equal(text, "took 412 ms in interrupts within 10 s");
	account = fresh();
	assert_true(add(&account, STALL_MEMORY, 2950, account.at_ns + 3 * NS_PER_S));
	assert_true(stall_account_over(&account, account.at_ns, text, sizeof(text)));
	assert_string_equal(text, "its memory kept an lcore waiting 3.0 s within 3 s");
}

static void a_rest_doubles_and_pays_the_debt(void **state)
{
	struct stall_account account = fresh();
	uint64_t now = account.at_ns + NS_PER_S, rest;

	/* 3 s: a debt of 1.5 s at 5 ms a second. */
	assert_true(add(&account, STALL_MEMORY, 3000, now));
	rest = stall_account_rest(&account, now);
	assert_int_equal(rest / NS_PER_S, 300);
	assert_false(add(&account, STALL_MEMORY, 0, now + rest + NS_PER_MS));
	/* Without a debt: 1, 2, 4 ... 60 s, and 1 s again after a minute of peace. */
	account = fresh();
	for (uint64_t want = 1; want < 200; want *= 2) {
		rest = stall_account_rest(&account, now);
		assert_int_equal(rest / NS_PER_S, want < 60 ? want : 60);
		now += rest + 59 * NS_PER_S;
	}
	now += 2 * NS_PER_S;
	assert_int_equal(stall_account_rest(&account, now) / NS_PER_S, 1);
	assert_int_equal(account.rests, 9);
}

/* Whatever a port does, as soon as it may: over ten minutes both kinds together are 1 % of an lcore, and one call. */
static void ten_minutes_are_at_most_one_percent(void **state)
{
	for (uint64_t call_ms = 1; call_ms <= 4096; call_ms *= 2) {
		struct stall_account account = fresh();
		uint64_t now = account.at_ns, end = now + 600 * NS_PER_S, spent = 0;

		while (now < end) {
			enum stall_kind kind = spent / call_ms % 2 ? STALL_MEMORY : STALL_INTERRUPT;

			now += call_ms * NS_PER_MS;
			spent += call_ms;
			if (add(&account, kind, call_ms, now))
				now += stall_account_rest(&account, now);
		}
		print_message("calls of %lu ms: %lu ms in ten minutes\n", call_ms, spent);
		assert_true(spent <= 6000 + 2 * call_ms);
	}
}

static void a_bound_of_0_is_none(void **state)
{
	struct stall_account account = fresh();

	account.bound[STALL_MEMORY].burst_ns = 0;
	assert_false(add(&account, STALL_MEMORY, 100000, account.at_ns + NS_PER_S));
	account.bound[STALL_MEMORY].burst_ns = 1500 * NS_PER_MS;
	assert_false(add(&account, STALL_MEMORY, 1400, account.at_ns + NS_PER_S));
	assert_true(add(&account, STALL_MEMORY, 200, account.at_ns));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_meter_rings_once_until_it_is_read),
		cmocka_unit_test(honest_faults_are_within_the_bound),
		cmocka_unit_test(the_reason_has_the_sum_and_the_time),
		cmocka_unit_test(a_rest_doubles_and_pays_the_debt),
		cmocka_unit_test(ten_minutes_are_at_most_one_percent),
		cmocka_unit_test(a_bound_of_0_is_none),
	};

	return cmocka_run_group_tests_name("stall", cases, NULL, NULL);
}
