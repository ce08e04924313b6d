/* SPDX-License-Identifier: BSD-3-Clause */
/* What lcores poll, when they sleep, what wakes them and that nothing is lost by it, how sets of queues change under them,
 * and what they count. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "disposal.h"
#include "eal.h"
#include "lcore_rig.h"
#include "turn.h"

enum { MOVES = 10 };

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void queues_are_spread_and_polled(void **state)
{
	unsigned int on[2] = {0, 0};

	role_assert_control();
	assert_int_equal(lcores_n(), 2);
	for (int i = 0; i < 4; i++) {
		source_add(&source[i]);
		assert_in_range(source[i].rxq.lcore, 0, 1);
		on[source[i].rxq.lcore]++;
	}
	assert_int_equal(on[0], 2);
	assert_int_equal(on[1], 2);
	for (int i = 0; i < 4; i++) {
		uint64_t frames = counted(&source[i].rxq.frames);
		uint64_t sink = atomic_load(&source[5].delivered);

		source_send(&source[i], 1000);
		assert_true(await_equal(&source[5].delivered, sink + 1000));
		assert_true(await_equal(&source[i].completed, atomic_load(&source[i].received)));
		assert_int_equal(atomic_load(&source[i].polled_by), source[i].rxq.lcore);
		assert_true(await_equal(&source[i].rxq.frames, frames + 1000));
		assert_in_range(counted(&source[i].rxq.bursts), 1, counted(&source[i].rxq.frames));
	}
	for (unsigned int i = 0; i < 2; i++) {
		const struct poll_set *set = lcore_poll_set(lcore_at(i));

		assert_int_equal(set->n, 2);
		assert_int_equal(lcore_id(lcore_at(i)), i + 1);
		assert_int_equal(lcore_cpu(lcore_at(i)), 0);
	}
	for (int i = 0; i < 4; i++)
		source_take(&source[i]);
}

/* After a millisecond of silence no lcore uses the CPU; waiting for the lcores costs nothing then. */
static void silence_is_slept_through(void **state)
{
	uint64_t sleeps = LCORES_SUM(sleeps), polls, deadline;

	source_add(&source[0]);
	source_send(&source[0], 1);
	assert_true(await_equal(&source[0].pending, 0));
	await_sleep();
	assert_true(atomic_load(&source[0].armed));
	source_send(&source[0], 1); /* a sleep is counted when it ends */
	assert_true(await_equal(&source[0].pending, 0));
	assert_true(LCORES_SUM(sleeps) > sleeps);
	await_sleep();
	sleeps = LCORES_SUM(sleeps);
	polls = atomic_load(&source[0].polls);
	usleep(200 * 1000);
	assert_int_equal(atomic_load(&source[0].polls), polls);
	assert_int_equal(LCORES_SUM(sleeps), sleeps);
	deadline = clock_ns() + NS_PER_S;
	for (int i = 0; i < 100; i++)
		await_lcores();
	assert_true(clock_ns() < deadline);
	assert_int_equal(LCORES_SUM(loops), LCORES_SUM(loops));
	assert_int_equal(atomic_load(&source[0].polls), polls);
	source_take(&source[0]);
}

/* Frames that come at any moment of going to sleep and waking: each is fetched without another thread's help. */
static void no_wake_up_is_lost(void **state)
{
	uint64_t sleeps = LCORES_SUM(sleeps);

	srandom(9);
	source_add(&source[0]);
	source_add(&source[1]);
	for (int i = 0; i < 400; i++) {
		struct source *from = &source[random() % 2];
		uint64_t received = atomic_load(&from->received);

		usleep((useconds_t)(random() % 2500));
		source_send(from, 1);
		if (!await_equal(&from->received, received + 1))
			fail_msg("the %dth frame waits for ever", i);
	}
	assert_true(LCORES_SUM(sleeps) > sleeps);
	source_take(&source[0]);
	source_take(&source[1]);
}

static uint64_t added_n(size_t offset)
{
	uint64_t n = 0;

	for (unsigned int l = 0; l < lcores_n(); l++) {
		const struct histogram *histogram =
			(const struct histogram *)((const char *)lcore_counters(lcore_at(l)) + offset);
		uint64_t values[HISTOGRAM_VALUES];

		histogram_read(histogram, values);
		for (unsigned int i = 0; i <= HISTOGRAM_BOUNDS; i++)
			n += values[i];
	}
	return n;
}

/* A kick that brings frames is timed until they have been moved, one in vain is not; control's ring until the lcore runs. */
static void wake_ups_are_timed(void **state)
{
	const size_t wakes = offsetof(struct lcore_counters, wakes), starts = offsetof(struct lcore_counters, starts);
	uint64_t wakes_n, starts_n;

	role_assert_control();
	source_add(&source[0]);
	await_sleep();
	wakes_n = added_n(wakes);
	starts_n = added_n(starts);
	for (unsigned int i = 1; i <= 20; i++) {
		source_send(&source[0], 1);
		assert_true(await_equal(&source[0].pending, 0));
		await_sleep();
		assert_int_equal(added_n(starts), starts_n + i);
	}
	assert_int_equal(added_n(wakes), wakes_n);
	eventfd_write(source[0].rxq.wake_fd, 1);
	usleep(5000);
	await_sleep();
	assert_int_equal(added_n(starts), starts_n + 20);
	assert_int_equal(added_n(wakes), wakes_n);
	for (unsigned int i = 1; i <= 20; i++) {
		for (unsigned int l = 0; l < lcores_n(); l++)
			lcore_try_waking(lcore_at(l));
		for (uint64_t end = clock_ns() + 10 * NS_PER_S; added_n(wakes) < wakes_n + i * lcores_n();)
			assert_true(clock_ns() < end && usleep(100) == 0);
		await_sleep();
	}
	assert_int_equal(added_n(wakes), wakes_n + 20 * lcores_n());
	assert_int_equal(added_n(starts), starts_n + 20);
	source_take(&source[0]);
}

/* A kick is not read, and must not keep the lcore awake for ever. */
static void a_kick_wakes_once(void **state)
{
	uint64_t sleeps;

	source_add(&source[0]);
	await_sleep();
	sleeps = LCORES_SUM(sleeps);
	eventfd_write(source[0].rxq.wake_fd, 1);
	eventfd_write(source[0].rxq.wake_fd, 1);
	assert_true(await_equal(&source[0].pending, 0));
	await_sleep();
	assert_in_range(LCORES_SUM(sleeps) - sleeps, 0, 6);
	source_take(&source[0]);
}

/* Frames that were there before the queue, and no kick comes: the change itself wakes. */
static void a_change_of_the_set_wakes(void **state)
{
	for (int i = 0; i < 300; i++) {
		/* While it sleeps, and around the moment at which it lies down. */
		if (i % 30 == 0)
			await_sleep();
		else
			usleep(900 + (useconds_t)i % 20 * 10);
		atomic_fetch_add(&source[2].pending, 5);
		source_add(&source[2]);
		assert_true(await_equal(&source[2].pending, 0));
		source_take(&source[2]);
	}
}

/* A queue that cannot wake its lcore is looked at every millisecond. */
static void a_queue_without_a_wake_up(void **state)
{
	int fd = source[3].rxq.wake_fd;

	role_assert_control();
	source[3].rxq.wake_fd = -1;
	source_add(&source[3]);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		atomic_fetch_add(&source[3].pending, 1);
		assert_true(await_equal(&source[3].pending, 0));
	}
	/* It comes back with one, and the lcore sleeps for good. */
	source_take(&source[3]);
	source[3].rxq.wake_fd = fd;
	source_add(&source[3]);
	await_lcores();
	await_sleep();
	source_send(&source[3], 1);
	assert_true(await_equal(&source[3].pending, 0));
	source_take(&source[3]);
}

/* One whose descriptor the kernel does not take into the lcore's set is as one without. */
static void a_wake_up_that_cannot_be_watched(void **state)
{
	int fd = source[3].rxq.wake_fd;

	role_assert_control();
	source[3].rxq.wake_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	source_add(&source[3]);
	assert_false(port_rxq_wakes(&source[3].rxq));
	await_lcores();
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		atomic_fetch_add(&source[3].pending, 1);
		assert_true(await_equal(&source[3].pending, 0));
	}
	source_take(&source[3]);
	close(source[3].rxq.wake_fd);
	source[3].rxq.wake_fd = fd;
	source_add(&source[3]);
	assert_true(port_rxq_wakes(&source[3].rxq));
	source_take(&source[3]);
}

/* The kernel's answer comes from another thread: the queue is cold meanwhile, its lcore asleep, or it has left again. */
static void a_front_ends_wake_up_that_cannot_be_watched(void **state)
{
	struct loop *loop = loop_create();
	struct port_rxq *q = &source[3].rxq;
	struct disposal_account *account;
	int fd = q->wake_fd;

	role_assert_control();
	assert_non_null(loop);
	account = disposal_account_create(loop, "source");
	assert_non_null(account);
	q->account = account;
	q->wake_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	source_watch(&source[3], true);
	for (int i = 0; i < 20; i++) {
		source_add(&source[3]);
		await_lcores();
		await_sleep();
		assert_true(port_rxq_wakes(q)); /* it counts on a kick */
		source_put(&source[3], 1);
		TURN_UNTIL(loop, q->waking == NULL);
		assert_false(port_rxq_wakes(q));
		assert_true(await_equal(&source[3].pending, 0));
		source_put(&source[3], 1); /* and is looked at from now on */
		assert_true(await_equal(&source[3].pending, 0));
		source_take(&source[3]);
		source_add(&source[3]);
		source_take(&source[3]); /* the answer finds it gone */
		assert_null(q->waking);
	}
	source_unwatch(&source[3]);
	q->account = NULL;
	/* After the calls on it that are under way. */
	disposal_close(account, q->wake_fd);
	q->wake_fd = fd;
	disposal_account_put(account);
	loop_destroy(loop);
}

/* A descriptor that is never heard of is not waited for; once it has been, it is. */
static void an_unproven_wake_up(void **state)
{
	struct port_rxq *q = &source[3].rxq;
	eventfd_t before;

	role_assert_control();
	eventfd_read(q->wake_fd, &before);
	q->unproven = true;
	atomic_store(&q->woke, false);
	source_add(&source[3]);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		atomic_fetch_add(&source[3].pending, 1);
		assert_true(await_equal(&source[3].pending, 0));
	}
	assert_false(port_rxq_wakes(q));
	/* While the lcore sleeps, which it does for most of the time. */
	for (int i = 0; i < 1000 && !port_rxq_wakes(q); i++) {
		eventfd_write(q->wake_fd, 1);
		usleep(5000);
	}
	assert_true(port_rxq_wakes(q));
	await_sleep();
	source_send(&source[3], 1);
	assert_true(await_equal(&source[3].pending, 0));
	source_take(&source[3]);
	q->unproven = false;
}

/* A queue that was left armed by the lcore it was with: its driver goes on kicking unless its new lcore says no. */
static void a_queue_that_joins_is_disarmed(void **state)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;

	/* Both lcores are busy and never sleep. */
	source_add(&source[0]);
	source_add(&source[1]);
	atomic_store(&source[0].chatty, true);
	atomic_store(&source[1].chatty, true);
	for (int i = 0; i < 2; i++) {
		uint64_t received = atomic_load(&source[i].received);

		source_send(&source[i], 1);
		while (atomic_load(&source[i].received) < received + 100) {
			assert_true(clock_ns() < deadline);
			usleep(100);
		}
	}
	atomic_store(&source[2].armed, true);
	source_add(&source[2]);
	while (atomic_load(&source[2].armed)) {
		assert_true(clock_ns() < deadline);
		usleep(100);
	}
	for (int i = 0; i < 3; i++) {
		atomic_store(&source[i].chatty, false);
		assert_true(await_equal(&source[i].pending, 0));
		source_take(&source[i]);
	}
}

/* A queue that left is not polled once the lcores have passed, awake or asleep, whatever comes for it. */
static void a_queue_that_left_is_left_alone(void **state)
{
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 5; i++)
			source_add(&source[i]);
		source_send(&source[round % 5], 100);
		if (round % 3 == 0)
			await_sleep();
		for (int i = 0; i < 5; i++) {
			source_take(&source[i]);
			atomic_store(&source[i].gone, true);
			eventfd_write(source[i].rxq.wake_fd, 1);
		}
		usleep(1000);
		for (int i = 0; i < 5; i++) {
			atomic_store(&source[i].gone, false);
			assert_int_equal(atomic_load(&source[i].late), 0);
			atomic_store(&source[i].pending, 0);
		}
		await_lcores();
	}
	source_take(&source[0]); /* what is not there can be taken away */
}

/* --- what control asks ---------------------------------------------------------------------------------------- */

static void reports_come_through(void **state)
{
	struct report got[REPORTS_MAX];
	unsigned int n = 0;
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;

	role_assert_control();
	while (lcores_take_reports(got, REPORTS_MAX) > 0)
		;
	source_add(&source[4]);
	for (uint16_t epoch = 100; epoch < 103; epoch++) {
		lcores_set_epoch(epoch);
		await_lcores();
		/* An lcore that slept takes the time at the end of its first round. */
		for (int i = 0; i < 3; i++) {
			source_send(&source[4], 1);
			assert_true(await_equal(&source[4].pending, 0));
			usleep(1000);
		}
		/* One that still waits is not posted again. */
		while (n < epoch - 99u && clock_ns() < deadline)
			n += lcores_take_reports(got + n, REPORTS_MAX - n);
	}
	assert_in_range(n, 3, 6);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(got[i].port, 4);
		assert_int_equal(got[i].key, UINT64_C(0x040000000002));
	}
	assert_int_equal(lcores_reports_lost(), 0);
	source_take(&source[4]);
}

/* Every cycle is busy, idle or asleep. */
static void the_time_adds_up(void **state)
{
	uint64_t hz = lcore_cycles_per_second(), before, start, spent, all;

	role_assert_control();
	assert_true(hz > NS_PER_MS);
	source_add(&source[0]);
	/* What was spent asleep is counted at the end of the sleep. */
	await_sleep();
	source_send(&source[0], 1);
	assert_true(await_equal(&source[0].pending, 0));
	before = counted(&lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore))->busy) +
		 counted(&lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore))->idle) +
		 counted(&lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore))->asleep);
	start = clock_ns();
	for (int i = 0; i < 40; i++) {
		usleep(5000);
		source_send(&source[0], 10);
	}
	assert_true(await_equal(&source[0].pending, 0));
	spent = clock_ns() - start;
	usleep(3000);
	all = counted(&lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore))->busy) +
	      counted(&lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore))->idle) +
	      counted(&lcore_counters(lcore_at((unsigned int)source[0].rxq.lcore))->asleep) - before;
	/* A busy machine may take the CPU away at any moment: within a half. */
	assert_in_range(all * 1000 / hz, spent / NS_PER_MS / 2, spent / NS_PER_MS * 3 / 2 + 20);
	for (unsigned int i = 0; i < lcores_n(); i++) {
		assert_true(counted(&lcore_counters(lcore_at(i))->longest) > 0);
		lcore_reset_longest(lcore_at(i));
	}
	source_take(&source[0]);
}

/* Traffic, kicks and changes of the set from two threads for a while: every frame is received once. */
static atomic_bool stop;

static void *driver_main(void *arg VUS_UNUSED)
{
	uint64_t sent = 0;
	unsigned int i = 0;

	while (!atomic_load(&stop)) {
		source_send(&source[i++ % 4], 3);
		sent += 3;
		usleep(i % 50 == 0 ? 3000 : 10);
	}
	return (void *)(uintptr_t)sent;
}

static void everything_at_once(void **state)
{
	uint64_t end = clock_ns() + NS_PER_S, received = 0, deadline, now;
	pthread_t thread;
	void *sent;

	for (int i = 0; i < 4; i++)
		received += atomic_load(&source[i].received);
	for (int i = 0; i < 4; i++)
		source_add(&source[i]);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, driver_main, NULL), 0);
	for (int i = 0; clock_ns() < end; i++) {
		source_take(&source[i % 4]);
		usleep(500);
		source_add(&source[i % 4]);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &sent);
	deadline = clock_ns() + 10 * NS_PER_S;
	do {
		assert_true(clock_ns() < deadline);
		usleep(1000);
		now = 0;
		for (int i = 0; i < 4; i++)
			now += atomic_load(&source[i].received);
	} while (now - received != (uintptr_t)sent);
	for (int i = 0; i < 4; i++)
		source_take(&source[i]);
}

/* A queue with plenty to do goes from lcore to lcore: every frame arrives once, and in order. */
static void queues_move_under_traffic(void **state)
{
	uint64_t moves = source[0].rxq.moves, end = clock_ns() + NS_PER_S, before = 0, now = 0, deadline = end + 20 * NS_PER_S;
	pthread_t thread;
	void *sent;

	role_assert_control();
	for (int i = 0; i < 4; i++) {
		atomic_store(&source[i].arrived, atomic_load(&source[i].received));
		atomic_store(&source[i].disorder, 0);
		before += atomic_load(&source[i].received);
		source_add(&source[i]);
	}
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, driver_main, NULL), 0);
	/* A move waits for both lcores, and they for a CPU that others want: a second, and as long as MOVES take. */
	for (int i = 0; clock_ns() < end || source[0].rxq.moves <= moves + MOVES; i++) {
		struct port_rxq *q = &source[i % 4].rxq;
		unsigned int to = q->lcore == 0 ? 1 : 0;

		assert_true(clock_ns() < deadline);
		assert_int_equal(lcores_move_queue(q, to), 0);
		assert_int_equal(lcores_move_queue(q, to), -ENOENT);
		await_lcores();
		source_add(&source[i % 4]);
		assert_int_equal(q->lcore, to);
		usleep(i % 7 == 0 ? 2000 : 50);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &sent);
	deadline = clock_ns() + 10 * NS_PER_S;
	for (now = 0; now != before + (uintptr_t)sent;) {
		assert_true(clock_ns() < deadline);
		usleep(1000);
		now = 0;
		for (int i = 0; i < 4; i++)
			now += atomic_load(&source[i].completed);
	}
	for (int i = 0; i < 4; i++) {
		source_take(&source[i]);
		assert_int_equal(atomic_load(&source[i].arrived), atomic_load(&source[i].received));
		assert_int_equal(atomic_load(&source[i].disorder), 0);
	}
}

/* What a queue costs is known, and what shares an lcore with it would leave. */
static void a_load_is_seen(void **state)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;
	struct lcores_move move;
	int on;

	role_assert_control();
	source_add(&source[0]);
	on = source[0].rxq.lcore;
	for (int i = 1; i < 3; i++) {
		source[i].rxq.lcore_next = 1 + (unsigned int)on;
		source_add(&source[i]);
		assert_int_equal(source[i].rxq.lcore, on);
	}
	for (int i = 0; i < 3; i++)
		*balance_load_of(&source[i].rxq) = (struct balance_load){0};
	atomic_store(&source[0].chatty, true);
	atomic_store(&source[1].chatty, true);
	source_send(&source[0], 1);
	do {
		assert_true(clock_ns() < deadline);
		usleep(20000);
		lcores_measure();
	} while (lcores_plan(&move, 1) == 0);
	assert_true(move.queue == &source[0].rxq || move.queue == &source[1].rxq);
	assert_int_equal(move.gain.from, on);
	assert_int_equal(move.gain.to, 1 - on);
	assert_true(lcore_load(lcore_at((unsigned int)on)) >= BALANCE_BUSY);
	assert_int_equal(lcore_load(lcore_at(1 - (unsigned int)on)), 0);
	assert_in_range(balance_load_of(&source[2].rxq)->share, 0, 2 * BALANCE_PERCENT);
	for (int i = 0; i < 3; i++) {
		atomic_store(&source[i].chatty, false);
		source_take(&source[i]);
		atomic_store(&source[i].pending, 0);
	}
}

/* With busy_poll they never sleep; the same memory begins anew. */
static void busy_polling(void **state)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S, polls;

	lcore_rig_end();
	assert_int_equal(lcore_rig_begin(true), 0);
	source_add(&source[0]);
	polls = atomic_load(&source[0].polls);
	while (atomic_load(&source[0].polls) < polls + 10000) {
		assert_true(clock_ns() < deadline);
		usleep(1000);
	}
	assert_int_equal(LCORES_SUM(sleeps), 0);
	assert_int_equal(atomic_load(&source[0].armed), false);
	source_send(&source[0], 7);
	assert_true(await_equal(&source[0].pending, 0));
	source_take(&source[0]);
	lcore_rig_end();
	assert_int_equal(lcore_rig_begin(false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues_are_spread_and_polled),
		cmocka_unit_test(silence_is_slept_through),
		cmocka_unit_test(no_wake_up_is_lost),
		cmocka_unit_test(wake_ups_are_timed),
		cmocka_unit_test(a_kick_wakes_once),
		cmocka_unit_test(a_change_of_the_set_wakes),
		cmocka_unit_test(a_queue_without_a_wake_up),
		cmocka_unit_test(a_wake_up_that_cannot_be_watched),
		cmocka_unit_test(a_front_ends_wake_up_that_cannot_be_watched),
		cmocka_unit_test(an_unproven_wake_up),
		cmocka_unit_test(a_queue_that_joins_is_disarmed),
		cmocka_unit_test(a_queue_that_left_is_left_alone),
		cmocka_unit_test(reports_come_through),
		cmocka_unit_test(the_time_adds_up),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(queues_move_under_traffic),
		cmocka_unit_test(a_load_is_seen),
		cmocka_unit_test(busy_polling),
	};

	if (eal_start("0@0,1@0,2@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, lcore_rig_open, lcore_rig_close);
}
