/* SPDX-License-Identifier: BSD-3-Clause */
/* What devices reach of guests' memory: offered and withdrawn on one side, devices that come and go on the other. The
 * IOMMU is played by the test: a list of what is mapped, with a limit. */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "cases.h"
#include "clock.h"
#include "dma.h"
#include "log.h"
#include "rcu.h"
#include "rcu_drain.h"
#include "turn.h"

enum { PIECES = 64, LIMIT = 40 };
#define PIECE ((size_t)1 << 20)

static struct loop *loop;
/* The helper's: what the IOMMU maps. */
static uint8_t *mapped[PIECES];
static _Atomic unsigned int n_mapped, n_begun, mistakes;
static _Atomic unsigned int slow_ms;

static uint8_t *place(unsigned int i)
{
	/* Neighbours adjoin; nothing is ever read there. */
	return (uint8_t *)(uintptr_t)(UINT64_C(0x600000000000) + i * PIECE);
}

static int map(uint8_t *at, size_t len)
{
	const struct timespec pause = {.tv_nsec = slow_ms * 1000000};

	n_begun++;
	nanosleep(&pause, NULL);
	mistakes += len != PIECE;
	if (n_mapped == LIMIT)
		return -ENOSPC;
	for (unsigned int i = 0; i < n_mapped; i++)
		mistakes += mapped[i] == at;
	mapped[n_mapped++] = at;
	return 0;
}

static int unmap(uint8_t *at, size_t len)
{
	mistakes += len != PIECE;
	for (unsigned int i = 0; i < n_mapped; i++) {
		if (mapped[i] == at) {
			mapped[i] = mapped[--n_mapped];
			return 0;
		}
	}
	mistakes++;
	return -EINVAL;
}

static const struct dma_ops ops = {.map = map, .unmap = unmap};

static void count_call(void *arg)
{
	++*(int *)arg;
}

static unsigned int reached_n(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PIECES; i++)
		n += dma_reaches(place(i), PIECE);
	return n;
}

/* The loop turns until so many pieces are reached. */
static void await(unsigned int n)
{
	TURN_UNTIL(loop, dma_status().mapped == n && dma_status().waiting == 0 && reached_n() == n);
	assert_int_equal(mistakes, 0);
}

static void stop(void)
{
	int done = 0;

	role_assert_control();
	dma_stop(count_call, &done);
	TURN_UNTIL(loop, done == 1);
}

static void withdraw(unsigned int i)
{
	role_assert_control();
	dma_withdraw(place(i));
	dma_withdrawn();
	assert_false(dma_reaches(place(i), 1));
	dma_unmap(place(i));
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void memory_comes_and_goes(void **state)
{
	role_assert_control();
	dma_start(loop, &ops);
	for (unsigned int i = 0; i < 10; i++)
		dma_offer(place((i * 7) % 10), PIECE); /* in any order */
	await(10);
	assert_int_equal(dma_status().bytes, 10 * PIECE);
	for (unsigned int i = 0; i < 10; i++) {
		assert_true(dma_reaches(place(i), PIECE));
		assert_true(dma_reaches(place(i) + PIECE - 1, 1));
		assert_false(dma_reaches(place(i) + 1, PIECE));
	}
	assert_false(dma_reaches(place(0) - 1, 1));
	assert_false(dma_reaches(place(10), 1));
	withdraw(4);
	withdraw(0);
	withdraw(9);
	assert_true(dma_reaches(place(3), PIECE) && dma_reaches(place(5), PIECE));
	assert_int_equal(n_mapped, 7);
	dma_withdraw(place(4)); /* once more, and what never was */
	dma_unmap(place(4));
	dma_unmap(place(33));
	stop();
	assert_int_equal(n_mapped, 0);
	assert_false(dma_reaches(place(3), PIECE));
	for (unsigned int i = 0; i < 10; i++)
		dma_withdraw(place(i));
}

static void devices_come_and_go(void **state)
{
	role_assert_control();
	for (unsigned int i = 0; i < 5; i++)
		dma_offer(place(i), PIECE);
	loop_turn(loop, 0);
	assert_int_equal(n_mapped, 0); /* not requested */
	for (unsigned int round = 0; round < 3; round++) {
		dma_start(loop, &ops);
		dma_start(loop, &ops);
		await(5);
		stop();
		assert_true(dma_reaches(place(0), PIECE));
		stop();
		assert_int_equal(n_mapped, 0);
	}
	for (unsigned int i = 0; i < 5; i++)
		dma_withdraw(place(i));
}

/* The IOMMU's table is full: the rest is not reached, and everything goes on. */
static void a_limit(void **state)
{
	role_assert_control();
	dma_start(loop, &ops);
	for (unsigned int i = 0; i < PIECES; i++)
		dma_offer(place(i), PIECE);
	await(LIMIT);
	assert_int_equal(dma_status().refused, PIECES - LIMIT);
	for (unsigned int i = 0; i < PIECES; i++)
		withdraw(i);
	assert_int_equal(n_mapped, 0);
	stop();
}

/* Withdrawn, or stopped and started, while it is being mapped: which takes long. */
static void in_the_middle(void **state)
{
	int done = 0;

	role_assert_control();
	slow_ms = 20;
	n_begun = 0;
	dma_start(loop, &ops);
	for (unsigned int i = 0; i < 4; i++)
		dma_offer(place(i), PIECE);
	TURN_UNTIL(loop, n_begun > 0);
	dma_withdraw(place(0));
	await(3);
	assert_int_equal(n_mapped, 4);
	assert_false(dma_reaches(place(0), PIECE));
	dma_unmap(place(0)); /* the one who withdrew it, on the helper */
	dma_offer(place(5), PIECE);
	dma_stop(count_call, &done);
	dma_start(loop, &ops);
	await(4);
	assert_int_equal(done, 1);
	assert_int_equal(n_mapped, 4);
	slow_ms = 0;
	for (unsigned int i = 0; i < 6; i++)
		withdraw(i);
	stop();
	assert_int_equal(n_mapped, 0);
}

/* What waits for the helper may be withdrawn, and its memory be something else's when its turn comes. */
static void nothing_is_mapped_too_late(void **state)
{
	role_assert_control();
	slow_ms = 20;
	dma_start(loop, &ops);
	for (unsigned int i = 0; i < 4; i++)
		dma_offer(place(i), PIECE);
	withdraw(3);
	await(3);
	assert_int_equal(n_mapped, 3);
	slow_ms = 0;
	for (unsigned int i = 0; i < 3; i++)
		withdraw(i);
	stop();
	assert_int_equal(n_mapped, 0);
}

/* The CPU time of a thousand withdrawals among `n` pieces. */
static uint64_t time_withdrawals(unsigned int n) RUNS_ON(control_thread)
{
	uint64_t begin;

	for (unsigned int i = 0; i < n; i++)
		dma_offer(place(i), PIECE);
	begin = clock_thread_cpu_ns();
	for (unsigned int i = 0; i < 1000; i++)
		dma_withdraw(place(i));
	dma_withdrawn();
	begin = clock_thread_cpu_ns() - begin;
	for (unsigned int i = 1000; i < n; i++)
		dma_withdraw(place(i));
	return begin;
}

/* A guest of hundreds of regions leaves, among a hundred like it: others' memory is nothing to it. */
static void pieces_of_others_cost_nothing(void **state)
{
	uint64_t few, many;

	role_assert_control();
	few = time_withdrawals(2000);
	many = time_withdrawals(60000);
	print_message("1000 withdrawals among 2000, among 60000: %.0f, %.0f us\n", (double)few / 1e3, (double)many / 1e3);
	assert_true(many < 10 * few + NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_others_cost_nothing),
		cmocka_unit_test(nothing_is_mapped_too_late),
		cmocka_unit_test(memory_comes_and_goes),
		cmocka_unit_test(devices_come_and_go),
		cmocka_unit_test(a_limit),
		cmocka_unit_test(in_the_middle),
	};
	int failed;

	if (rcu_init(1) != 0)
		return 1;
	log_set_level(LOG_ERROR);
	role_assert_control();
	loop = loop_create();
	if (loop == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_drain();
	loop_destroy(loop);
	return failed;
}
