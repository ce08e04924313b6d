/* SPDX-License-Identifier: BSD-3-Clause */
/* How often an lcore looks at a queue that is silent, and that it finds its frames all the same (lcore_tiers.h): by its word, by
 * its kick, or by neither. And that nothing of a queue is touched once it has left, whatever it was: A7, A8.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "eal.h"
#include "lcore_rig.h"
#include "vus_limits.h"

/* All on one lcore, whose rounds are received from in this order. */
enum { FIRST, AWAKE, QUIET, EAGER, USED = SOURCES };
enum { ROUNDS = 2000, RINGS = 20, FRAMES = 300, LEAVES = 8 };

/* The call of malloc() by this thread that fails from now on; 0: none. */
static _Thread_local unsigned int fails;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	if (fails > 0 && --fails == 0) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_malloc(size);
}

static void await_flag(const atomic_bool *flag, bool value)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;

	while (atomic_load(flag) != value) {
		assert_true(clock_ns() < deadline);
		usleep(50);
	}
}

/* The lcore has been through so many rounds. */
static void await_rounds(uint64_t n)
{
	uint64_t polls = atomic_load(&source[AWAKE].polls), deadline = clock_ns() + 10 * NS_PER_S;

	while (atomic_load(&source[AWAKE].polls) < polls + n) {
		assert_true(clock_ns() < deadline);
		usleep(50);
	}
}

static void keep_awake(bool on)
{
	atomic_store(&source[AWAKE].chatty, on);
	if (on)
		eventfd_write(source[AWAKE].rxq.wake_fd, 1);
	atomic_store(&source[AWAKE].pending, 0);
}

static void join(int i)
{
	source[i].rxq.lcore_next = 1;
	source_add(&source[i]);
	assert_int_equal(source[i].rxq.lcore, 0);
}

static int begin(void **state)
{
	role_assert_control();
	join(FIRST);
	join(AWAKE);
	keep_awake(true);
	return 0;
}

static int end(void **state)
{
	role_assert_control();
	fails = 0;
	for (int i = 0; i < USED; i++) {
		atomic_store(&source[i].chatty, false);
		atomic_store(&source[i].stuck, false);
		atomic_store(&source[i].eager, false);
		source_take(&source[i]);
	}
	/* Nobody's frames go to them any more. */
	for (int i = 0; i < USED; i++) {
		source_unwatch(&source[i]);
		atomic_store(&source[i].pending, 0);
		atomic_store(&source[i].armed, false);
	}
	return 0;
}

/* The quiet one gets so many frames; they are received. */
static void send_and_wait(uint64_t n)
{
	source_send(&source[QUIET], n);
	assert_true(await_equal(&source[QUIET].pending, 0));
}

/* Rounds go by in which it is not received from: how long it takes until then does not matter. */
static void await_silence(void)
{
	uint64_t polls, deadline = clock_ns() + 10 * NS_PER_S;

	do {
		assert_true(clock_ns() < deadline);
		polls = atomic_load(&source[QUIET].polls);
		await_rounds(ROUNDS);
	} while (atomic_load(&source[QUIET].polls) != polls);
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

/* Its word is looked at and nothing else; it is not asked to kick, and need not. */
static void a_queue_without_a_kick_is_warm(void **state)
{
	int fd = source[QUIET].rxq.wake_fd;
	uint64_t arms;

	source[QUIET].rxq.wake_fd = -1;
	source_watch(&source[QUIET], true);
	join(QUIET);
	arms = atomic_load(&source[QUIET].arms);
	for (int i = 0; i < RINGS; i++) {
		await_silence();
		source_put(&source[QUIET], 3);
		assert_true(await_equal(&source[QUIET].pending, 0));
	}
	usleep(2 * 50000);
	await_silence();
	source_put(&source[QUIET], 1);
	assert_true(await_equal(&source[QUIET].pending, 0));
	assert_int_equal(atomic_load(&source[QUIET].arms), arms);
	/* An lcore that sleeps looks at it every millisecond. */
	keep_awake(false);
	for (int i = 0; i < RINGS; i++) {
		usleep(3000);
		source_put(&source[QUIET], 1);
		assert_true(await_equal(&source[QUIET].pending, 0));
	}
	source_take(&source[QUIET]);
	source[QUIET].rxq.wake_fd = fd;
}

/* Each look ends at one that has a frame, and that one is back before the next: nobody is passed over for that. */
static void who_is_always_back_keeps_nobody_waiting(void **state)
{
	int fd = source[QUIET].rxq.wake_fd;

	/* It cannot become cold, and so be looked at for another reason. */
	source[QUIET].rxq.wake_fd = -1;
	/* Nobody sends them anything yet. */
	source_take(&source[AWAKE]);
	for (int i = QUIET; i < USED; i++) {
		source_watch(&source[i], true);
		atomic_store(&source[i].eager, i != QUIET);
	}
	for (int i = AWAKE; i < USED; i++)
		join(i);
	for (int i = 0; i < RINGS; i++) {
		usleep(1000);
		source_put(&source[QUIET], 1);
		if (!await_equal(&source[QUIET].pending, 0))
			fail_msg("frame %d waits, and others have had %" PRIu64 " each", i, atomic_load(&source[EAGER].received));
	}
	assert_true(atomic_load(&source[EAGER].received) > RINGS);
	source_take(&source[QUIET]);
	source[QUIET].rxq.wake_fd = fd;
}

/* Silent for long: it has to kick, and nothing of it is looked at until it does. */
static void a_silent_queue_becomes_cold(void **state)
{
	uint64_t rings, polls;

	source_watch(&source[QUIET], true);
	join(QUIET);
	for (int i = 0; i < 3; i++) {
		send_and_wait(1);
		await_flag(&source[QUIET].armed, true);
		rings = LCORES_SUM(rings);
		polls = atomic_load(&source[QUIET].polls);
		source_put(&source[QUIET], 5);
		await_rounds(ROUNDS);
		assert_int_equal(atomic_load(&source[QUIET].polls), polls);
		assert_int_equal(atomic_load(&source[QUIET].pending), 5);
		eventfd_write(source[QUIET].rxq.wake_fd, 1);
		assert_true(await_equal(&source[QUIET].pending, 0));
		/* From here on it is looked at, and need not kick. */
		await_flag(&source[QUIET].armed, false);
		assert_int_equal(LCORES_SUM(rings), rings + 1);
	}
}

/* A kick is a look at the queue, which stays cold. */
static void rings_without_frames(void **state)
{
	uint64_t polls, rings;

	source_watch(&source[QUIET], true);
	join(QUIET);
	send_and_wait(1);
	await_flag(&source[QUIET].armed, true);
	polls = atomic_load(&source[QUIET].polls);
	for (int i = 0; i < RINGS; i++) {
		uint64_t deadline = clock_ns() + 10 * NS_PER_S;

		rings = LCORES_SUM(rings);
		eventfd_write(source[QUIET].rxq.wake_fd, 1);
		while (LCORES_SUM(rings) == rings) {
			assert_true(clock_ns() < deadline);
			usleep(50);
		}
		await_rounds(ROUNDS);
		assert_true(atomic_load(&source[QUIET].armed));
	}
	assert_int_equal(atomic_load(&source[QUIET].polls), polls + RINGS);
	send_and_wait(4);
}

/* Nothing tells of its frames but receiving, or a kick: it is received from for seconds, and then it has to kick. */
static void a_queue_without_a_word(void **state)
{
	uint64_t polls, rings;

	source_watch(&source[QUIET], false);
	join(QUIET);
	send_and_wait(1);
	polls = atomic_load(&source[QUIET].polls);
	await_rounds(ROUNDS);
	assert_true(atomic_load(&source[QUIET].polls) > polls);
	await_flag(&source[QUIET].armed, true);
	await_silence();
	rings = LCORES_SUM(rings);
	send_and_wait(7);
	assert_int_equal(LCORES_SUM(rings), rings + 1);
}

/* Frames of several, at any moment of becoming less, of going to sleep and of waking up. */
static void no_frame_waits(void **state)
{
	static const uint32_t around_us[] = {0, 10, 50, 100, 1000, 2000, 50000};

	for (int i = QUIET; i < USED; i++)
		source_watch(&source[i], true);
	for (int i = QUIET; i < USED; i++)
		join(i);
	for (int i = 0; i < FRAMES; i++) {
		struct source *to = &source[QUIET + dice(USED - QUIET)];
		uint32_t base = around_us[dice(sizeof(around_us) / sizeof(around_us[0]))];

		if (i % 50 == 0)
			keep_awake(i / 50 % 2 == 0);
		if (base == 50000 && i % 4 != 0)
			base = 5;
		usleep(base - base / 8 + dice(base / 4 + 8));
		source_send(to, 1);
		if (!await_equal(&to->pending, 0))
			fail_msg("frame %d, after some %u us of silence, waits for ever", i, base);
	}
}

/* The lcore stands still in a round that brings nothing, at FIRST; what is hot or warm is not armed. False: it is too late. */
static bool stop_before_a_sleep(void)
{
	atomic_store(&source[AWAKE].stuck, true);
	await_flag(&source[AWAKE].stays, true);
	atomic_store(&source[FIRST].stuck, true);
	keep_awake(false);
	atomic_store(&source[AWAKE].stuck, false);
	await_flag(&source[FIRST].stays, true);
	return !atomic_load(&source[QUIET].armed);
}

/* It leaves in the round after which its lcore goes to sleep. The lcore passes, and then looks at what it has. */
static void leave_before_a_sleep(bool watched)
{
	unsigned int in_time = 0;

	for (int i = 0; i < LEAVES; i++) {
		uint64_t arms;

		if (watched)
			source_watch(&source[QUIET], true);
		keep_awake(true);
		join(QUIET);
		send_and_wait(1);
		in_time += stop_before_a_sleep();
		arms = atomic_load(&source[QUIET].arms);
		role_assert_control();
		assert_int_equal(lcores_remove_queue(&source[QUIET].rxq), 0);
		usleep(5000);
		atomic_store(&source[FIRST].stuck, false);
		await_lcores();
		/* What its word points to is gone. */
		source_unwatch(&source[QUIET]);
		await_sleep();
		assert_int_equal(atomic_load(&source[QUIET].arms), arms);
		atomic_store(&source[QUIET].armed, false);
	}
	print_message("%u of %d times\n", in_time, LEAVES);
	assert_true(in_time > 0);
}

static void a_hot_queue_leaves_before_a_sleep(void **state)
{
	leave_before_a_sleep(false);
}

static void a_warm_queue_leaves_before_a_sleep(void **state)
{
	leave_before_a_sleep(true);
}

/* There is no memory to take it out of the poll set: its ring goes all the same, and the memory that its word is in. */
static void a_queue_that_cannot_be_taken_out(void **state)
{
	for (unsigned int nth = 1; nth <= 2; nth++)
		for (int cold = 0; cold < 2; cold++) {
			source_watch(&source[QUIET], true);
			keep_awake(true);
			join(QUIET);
			send_and_wait(1);
			if (cold)
				await_flag(&source[QUIET].armed, true);
			role_assert_control();
			fails = nth;
			assert_int_equal(lcores_remove_queue(&source[QUIET].rxq), -ENOMEM);
			assert_int_equal(fails, 0);
			await_lcores();
			mprotect(source[QUIET].word, MEM_PAGE, PROT_NONE);
			await_rounds(ROUNDS);
			/* A ring that runs again is not armed, and so it may not be cold. */
			await_flag(&source[QUIET].armed, false);
			keep_awake(false);
			await_sleep();
			mprotect(source[QUIET].word, MEM_PAGE, PROT_READ | PROT_WRITE);
			send_and_wait(3);
			source_take(&source[QUIET]);
			source_unwatch(&source[QUIET]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_queue_without_a_kick_is_warm, begin, end),
		cmocka_unit_test_setup_teardown(who_is_always_back_keeps_nobody_waiting, begin, end),
		cmocka_unit_test_setup_teardown(a_silent_queue_becomes_cold, begin, end),
		cmocka_unit_test_setup_teardown(rings_without_frames, begin, end),
		cmocka_unit_test_setup_teardown(a_queue_without_a_word, begin, end),
		cmocka_unit_test_setup_teardown(no_frame_waits, begin, end),
		cmocka_unit_test_setup_teardown(a_hot_queue_leaves_before_a_sleep, begin, end),
		cmocka_unit_test_setup_teardown(a_warm_queue_leaves_before_a_sleep, begin, end),
		cmocka_unit_test_setup_teardown(a_queue_that_cannot_be_taken_out, begin, end),
	};

	if (eal_start("0@0,1@0,2@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, lcore_rig_open, lcore_rig_close);
}
