/* SPDX-License-Identifier: BSD-3-Clause */
/* A front end whose memory or interrupts hold lcores: X3, X5. A sends to B, and B punches its file while frames are delivered
 * into it: B goes down with the reason, A stays up, and the victims lose nothing.
 */
#include "fg_waiters.h"
#include "puncher.h"

#include <stdio.h>
#include <string.h>

#include <poll.h>
#include <sys/eventfd.h>

enum {
	/* What is punched in one piece: the kernel takes some hundred milliseconds for that. */
	HOLE_MIB = 1024,
	/* And for this some dozen: as swap may take now and then. */
	SMALL_HOLE_MIB = 128,
	/* For how long in all its memory may hold lcores: h1's bound, and that of h2, which has the defaults. */
	BOUND_MS = 400,
	DEFAULT_BOUND_MS = 1500,
	LIMIT_S = 30,
};

static int64_t number_of(const char *port, const char *key)
{
	return fg_counter(&fixture.sw, port, key);
}

/* Until it is down, or the limit is over. */
static unsigned int punch_until_down(struct puncher *puncher, struct guest *a)
{
	uint64_t until = fg_now_us() + LIMIT_S * UINT64_C(1000000);
	unsigned int punches = 0;

	while (is_connected(puncher->g->port) && fg_now_us() < until) {
		puncher_punch(puncher, a);
		punches++;
	}
	return punches;
}

/* How long nobody is let in: one who comes is kept waiting, or turned away and tries again. */
static uint64_t wait_until_let_in_ms(void)
{
	uint64_t from = fg_now_us();

	while (number_of("h1", "down_for_ms") > 0 && fg_now_us() - from < LIMIT_S * UINT64_C(1000000))
		fg_sleep_us(5000);
	return (fg_now_us() - from) / 1000;
}

static void goes_down(const char *port, unsigned int mib, int64_t bound_ms)
{
	struct puncher puncher;
	struct guest *a = puncher_begin(&puncher, "h0", port, mib);
	int64_t before = number_of(port, "memory_wait_ms"), waited;
	unsigned int punches = punch_until_down(&puncher, a);

	waited = number_of(port, "memory_wait_ms") - before;

	print_message("%u punches of %u MiB, waited %lld ms of %lld, longest round of an lcore %.0f ms\n", punches, mib,
		      (long long)waited, (long long)bound_ms,
		      fg_longest_round_us(&fixture.sw, false) / 1e3);
	if (is_connected(port))
		fail_msg("after %u punches of %u MiB %s is still connected; the longest round of an lcore took %.0f ms", punches,
			 mib, port, fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_last_error(port, "its memory kept an lcore waiting");
	assert_true(log_lines("; no front end is let in for ") > 0);
	assert_true(is_connected("h0"));
	assert_int_equal(number_of("h0", "memory_wait_ms"), 0);
	/* What an earlier case used up is forgotten slowly. */
	assert_true(before + waited >= bound_ms && waited > 0);
	puncher_end(&puncher);
}

static void whose_memory_holds_lcores_goes_down(void **state)
{
	goes_down("h1", HOLE_MIB, BOUND_MS);
	wait_until_let_in_ms();
}

/* It is down for longer than this test runs: what it took beyond the bound is forgotten slowly. */
static void whose_memory_holds_lcores_goes_down_by_default(void **state)
{
	goes_down("h2", 2 * SMALL_HOLE_MIB, DEFAULT_BOUND_MS);
	print_message("down for %lld ms\n", (long long)number_of("h2", "down_for_ms"));
	assert_true(number_of("h2", "down_for_ms") > 0);
}

static void it_comes_back_and_its_rest_doubles(void **state)
{
	uint64_t rest[2];

	for (int i = 0; i < 2; i++) {
		struct puncher puncher;
		struct guest *a = puncher_begin(&puncher, "h0", "h1", 2 * SMALL_HOLE_MIB);
		int64_t before = number_of("h1", "sent_down");

		punch_until_down(&puncher, a);
		assert_int_equal(number_of("h1", "sent_down"), before + 1);
		rest[i] = wait_until_let_in_ms();
		puncher_end(&puncher);
		guest_close(puncher.g);
		guest_close(a);
	}
	print_message("rests: %llu ms, %llu ms\n", (unsigned long long)rest[0], (unsigned long long)rest[1]);
	/* One second, then two, less what passed before we looked; longer where there is more to pay. */
	assert_true(rest[0] > 0 && rest[1] > 1000);
}

/* As swap does once in a while, with the default bounds. */
static void a_guest_on_slow_memory_stays_up(void **state)
{
	enum { PUNCHES_MAX = 20 };
	struct puncher puncher;
	struct guest *a = puncher_begin(&puncher, "h0", "h2", SMALL_HOLE_MIB);
	unsigned int punches = 0;

	while (number_of("h2", "memory_wait_ms") == 0 && punches++ < PUNCHES_MAX)
		puncher_punch(&puncher, a);
	print_message("%u punches of %d MiB: waited %lld ms, longest round of an lcore %.0f ms\n", punches, SMALL_HOLE_MIB,
		      (long long)number_of("h2", "memory_wait_ms"), fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_true(number_of("h2", "memory_wait_ms") > 0);
	assert_true(number_of("h2", "memory_wait_ms") < DEFAULT_BOUND_MS);
	assert_int_equal(number_of("h2", "sent_down"), 0);
	assert_true(is_connected("h2"));
	puncher_end(&puncher);
}

/* --- interrupts -------------------------------------------------------------------------------------------------- */

static struct fg_waiters waiters;

static void whose_interrupts_take_long_goes_down(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	uint64_t until = fg_now_us() + LIMIT_S * UINT64_C(1000000);
	uint8_t frame[64], got[PUNCHER_BUFFER];

	settle(b, a);
	OK(fg_waiters_open(&waiters, b->nic.rx->call));
	puncher_frame(frame, a, b);
	while (is_connected("h1") && fg_now_us() < until) {
		if (fg_nic_room(&a->nic, 2))
			fg_nic_send(&a->nic, frame, 60, NULL);
		fg_nic_reap(&a->nic);
		while (fg_nic_recv(&b->nic, got, sizeof(got), 0) > 0)
			;
	}
	fg_waiters_close(&waiters);
	print_message("%d waiters took %lld ms\n", FG_WAITERS_SIDE * FG_WAITERS_SIDE,
		      (long long)number_of("h1", "interrupt_wait_ms"));
	if (is_connected("h1"))
		fail_msg("with %d waiters h1 is still connected after %d s; the longest round of an lcore took %.1f ms",
			 FG_WAITERS_SIDE * FG_WAITERS_SIDE, LIMIT_S, fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_last_error("h1", "in interrupts within");
	assert_true(is_connected("h0"));
	assert_int_equal(number_of("h0", "interrupt_wait_ms"), 0);
	wait_until_let_in_ms();
}

/* One frame to b, and its interrupt: has it come? A descriptor that is full wakes nobody. */
static void interrupt_once(struct guest *a, struct guest *b, bool wakes)
{
	struct pollfd p = {.fd = b->nic.rx->call, .events = POLLIN};
	uint8_t frame[64], got[PUNCHER_BUFFER];

	puncher_frame(frame, a, b);
	if (fg_nic_send(&a->nic, frame, 60, NULL) != 0 || fg_nic_drain_tx(&a->nic, 1000) != 0)
		return; /* b is down */
	if (wakes)
		poll(&p, 1, 100);
	else
		fg_sleep_us(200);
	while (fg_nic_recv(&b->nic, got, sizeof(got), 0) > 0)
		;
}

/* Only every second one wakes anybody: the front end keeps the descriptor full meanwhile. */
static void whose_interrupts_take_long_now_and_then_goes_down(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h3", NULL);
	uint64_t until = fg_now_us() + LIMIT_S * UINT64_C(1000000);
	const uint64_t full = UINT64_MAX - 1;
	unsigned int turns = 0;
	eventfd_t before;

	settle(b, a);
	OK(fg_waiters_open(&waiters, b->nic.rx->call));
	for (; is_connected("h3") && fg_now_us() < until; turns++) {
		eventfd_read(b->nic.rx->call, &before);
		interrupt_once(a, b, true);
		eventfd_read(b->nic.rx->call, &before);
		eventfd_write(b->nic.rx->call, full);
		interrupt_once(a, b, false);
	}
	fg_waiters_close(&waiters);
	print_message("%u turns, %lld ms; of the victims %lld and %lld ms\n", turns,
		      (long long)number_of("h3", "interrupt_wait_ms"), (long long)number_of("v0", "interrupt_wait_ms"),
		      (long long)number_of("v1", "interrupt_wait_ms"));
	if (is_connected("h3"))
		fail_msg("h3 is still connected after %u turns; the longest round of an lcore took %.1f ms", turns,
			 fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_last_error("h3", "in interrupts within");
}

int main(void)
{
	static const char *const ports[] = {
		"v0", "v1", "h0",
		"h1,memory-wait=400,memory-wait-rate=200,interrupt-wait=100,interrupt-wait-rate=20", "h2",
		"h3,interrupt-wait=100,interrupt-wait-rate=1",
		NULL,
	};
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_guest_on_slow_memory_stays_up),
		TEST_CASE(it_comes_back_and_its_rest_doubles),
		TEST_CASE(whose_memory_holds_lcores_goes_down),
		TEST_CASE(whose_interrupts_take_long_now_and_then_goes_down),
		TEST_CASE(whose_interrupts_take_long_goes_down),
		TEST_CASE(whose_memory_holds_lcores_goes_down_by_default),
	};

	fixture.with_victims = true;
	return fixture_main_on(&(struct fg_switch_options){.ports = ports}, "stall", cases, sizeof(cases) / sizeof(cases[0]));
}
