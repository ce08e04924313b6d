/* SPDX-License-Identifier: BSD-3-Clause */
/* The control thread's loop: timers, descriptors that come and go inside callbacks, calls from other threads, jobs on the
 * helper, and continuations of RCU. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "loop_rig.h"
#include "rcu.h"
#include "turn.h"

/* Turns until *done is `value`, or fails. */
static void turn_until(const atomic_int *done, int value)
{
	TURN_UNTIL(loop, atomic_load(done) >= value);
	assert_int_equal(atomic_load(done), value);
}

/* --- timers ------------------------------------------------------------------------------------------------------ */

struct watch {
	struct loop_timer timer;
	uint64_t due, fired;
	int number;
};

enum { WATCHES = 6 };
static struct watch watch[WATCHES];

static int order[64];
static atomic_int fired;

static void note_fire(struct loop_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, timer);

	assert_int_equal(timer->due_ns, 0);
	watch->fired = clock_ns();
	order[atomic_fetch_add(&fired, 1)] = watch->number;
}

static void watch_start(struct watch *watch, uint64_t delay)
{
	role_assert_control();
	watch->timer.fire = note_fire;
	loop_timer_start(loop, &watch->timer, delay);
	watch->due = watch->timer.due_ns;
}

/* On a busy machine a later start may be due earlier than meant: what counts is when each was due. */
static void fired_in_order(int n)
{
	for (int i = 0; i < n; i++) {
		assert_true(watch[order[i]].fired >= watch[order[i]].due);
		assert_true(i == 0 || watch[order[i - 1]].due <= watch[order[i]].due);
	}
}

static void timers_fire_in_order_and_not_early(void **state)
{
	static const unsigned int delay_ms[WATCHES] = {30, 10, 20, 0, 40, 10};

	atomic_store(&fired, 0);
	for (int i = 0; i < WATCHES; i++) {
		watch[i].number = i;
		watch_start(&watch[i], delay_ms[i] * NS_PER_MS);
	}
	turn_until(&fired, WATCHES);
	fired_in_order(WATCHES);
}

static void timers_are_moved_and_stopped(void **state)
{
	role_assert_control();
	atomic_store(&fired, 0);
	for (int i = 0; i < 4; i++) {
		watch[i].number = i;
		watch_start(&watch[i], 5 * NS_PER_MS);
	}
	watch_start(&watch[0], 30 * NS_PER_MS);
	loop_timer_stop(loop, &watch[1].timer);
	loop_timer_stop(loop, &watch[1].timer);
	watch[1].fired = 0;
	watch_start(&watch[3], 0);
	turn_until(&fired, 3);
	fired_in_order(3);
	loop_turn(loop, 10 * NS_PER_MS);
	assert_int_equal(atomic_load(&fired), 3);
	assert_int_equal(watch[1].fired, 0);
}

static unsigned int slow_fired;

static void fire_slowly(struct loop_timer *timer VUS_UNUSED)
{
	uint64_t end = clock_ns() + NS_PER_MS / 10;

	while (clock_ns() < end)
		;
	slow_fired++;
}

/* Descriptors get a turn between the timers that are due at once. */
static void many_timers_give_way(void **state)
{
	enum { TIMERS = 400 };
	static struct loop_timer timer[TIMERS];
	unsigned int before = 0;

	role_assert_control();
	for (unsigned int i = 0; i < TIMERS; i++) {
		timer[i].fire = fire_slowly;
		loop_timer_start(loop, &timer[i], 0);
	}
	for (uint64_t end = clock_ns() + 20 * NS_PER_S; slow_fired < TIMERS && clock_ns() < end;) {
		loop_turn(loop, NS_PER_S);
		assert_true(slow_fired - before <= 64);
		before = slow_fired;
	}
	assert_int_equal(slow_fired, TIMERS);
}

static struct watch victim;

static void stop_the_other(struct loop_timer *timer)
{
	role_assert_control();
	(void)timer;
	loop_timer_stop(loop, &victim.timer);
	order[atomic_fetch_add(&fired, 1)] = -1;
}

/* Of many timers each costs the same, whatever the others are: ten times as many cost ten times as much, not a hundred times.
 * They fire in their order. */
static uint64_t last_due_ns;
static unsigned int many_fired;

static void in_order(struct loop_timer *timer)
{
	const uint64_t *due = (const uint64_t *)(const void *)(timer + 1);

	assert_true(*due >= last_due_ns);
	last_due_ns = *due;
	many_fired++;
}

static uint64_t time_timers(struct loop *loop, unsigned int n) RUNS_ON(control_thread)
{
	struct {
		struct loop_timer timer;
		uint64_t due_ns;
	} *many = calloc(n, sizeof(*many));
	uint64_t begin = clock_thread_cpu_ns(), seed = 1;

	last_due_ns = many_fired = 0;
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < n; i++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			many[i].timer.fire = in_order;
			loop_timer_start(loop, &many[i].timer, (seed >> 40) % (5 * NS_PER_MS));
			many[i].due_ns = many[i].timer.due_ns;
			if (round == 2 && i % 4 == 0)
				loop_timer_stop(loop, &many[i].timer);
		}
	for (uint64_t end = clock_ns() + 20 * NS_PER_S; many_fired < n - (n + 3) / 4 && clock_ns() < end;)
		loop_turn(loop, NS_PER_MS);
	begin = clock_thread_cpu_ns() - begin;
	assert_int_equal(many_fired, n - (n + 3) / 4);
	free(many);
	return begin;
}

static void many_timers(void **state)
{
	struct loop *loop = loop_create();
	uint64_t some, more;

	role_assert_control();
	some = time_timers(loop, 2000);
	more = time_timers(loop, 20000);
	print_message("2000 timers: %.2f ms, 20000: %.2f ms\n", (double)some / (double)NS_PER_MS,
		      (double)more / (double)NS_PER_MS);
	assert_true(more < 30 * some + 20 * NS_PER_MS);
	loop_destroy(loop);
}

/* Two are due in one turn, and the first stops the second. */
static void a_timer_stops_another(void **state)
{
	struct loop_timer killer = {.fire = stop_the_other};

	role_assert_control();
	atomic_store(&fired, 0);
	loop_timer_start(loop, &killer, 0);
	watch_start(&victim, 1);
	usleep(1000);
	for (int i = 0; i < 3; i++)
		loop_turn(loop, NS_PER_MS);
	assert_int_equal(atomic_load(&fired), 1);
	assert_int_equal(victim.fired, 0);
}

static atomic_int restarts;

static void start_again_at_once(struct loop_timer *timer)
{
	role_assert_control();
	atomic_fetch_add(&restarts, 1);
	loop_timer_start(loop, timer, 0);
}

/* A timer that is always due does not keep the turn to itself. */
static void a_timer_that_starts_itself(void **state)
{
	static struct loop_timer timer = {.fire = start_again_at_once};

	role_assert_control();
	loop_timer_start(loop, &timer, 0);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, NS_PER_MS);
	assert_in_range(atomic_load(&restarts), 2, 21);
	loop_timer_stop(loop, &timer);
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

enum { FDS = 8 };

struct bell {
	struct loop_fd source;
	atomic_int calls;
	uint32_t events;
	void (*also)(struct bell *bell);
};

static struct bell bells[FDS];

static void bell_ready(struct loop_fd *source, uint32_t events)
{
	struct bell *bell = container_of(source, struct bell, source);

	atomic_fetch_add(&bell->calls, 1);
	bell->events = events;
	if (bell->also != NULL)
		bell->also(bell);
}

static void bells_open(void)
{
	role_assert_control();
	for (int i = 0; i < FDS; i++) {
		memset(&bells[i], 0, sizeof(bells[i]));
		bells[i].source.ready = bell_ready;
		bells[i].source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(loop_fd_add(loop, &bells[i].source, EPOLLIN), 0);
	}
}

static void bells_close(void)
{
	role_assert_control();
	for (int i = 0; i < FDS; i++) {
		loop_fd_remove(loop, &bells[i].source);
		close(bells[i].source.fd);
	}
}

static void level_triggered_until_read(void **state)
{
	struct loop_fd twice = {.ready = bell_ready};
	eventfd_t value;

	role_assert_control();
	bells_open();
	loop_turn(loop, 0);
	assert_int_equal(atomic_load(&bells[3].calls), 0);
	eventfd_write(bells[3].source.fd, 1);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_int_equal(atomic_load(&bells[3].calls), 2);
	assert_int_equal(bells[3].events, EPOLLIN);
	eventfd_read(bells[3].source.fd, &value);
	loop_turn(loop, 0);
	assert_int_equal(atomic_load(&bells[3].calls), 2);
	assert_int_equal(atomic_load(&bells[4].calls), 0);
	loop_fd_change(loop, &bells[4].source, EPOLLOUT);
	loop_turn(loop, 0);
	assert_int_equal(bells[4].events, EPOLLOUT);
	twice.fd = bells[0].source.fd;
	assert_int_equal(loop_fd_add(loop, &twice, EPOLLIN), -EEXIST);
	twice.fd = -1;
	assert_int_equal(loop_fd_add(loop, &twice, EPOLLIN), -EBADF);
	bells_close();
}

/* The kernel does not know the descriptor for a while, for it stands for another file then. */
static void a_change_is_made_later(void **state)
{
	int fd, kept, other = eventfd(0, EFD_CLOEXEC);

	role_assert_control();
	bells_open();
	fd = bells[2].source.fd;
	kept = dup(fd);
	assert_int_equal(dup2(other, fd), fd);
	loop_fd_change(loop, &bells[2].source, 0);
	loop_fd_change(loop, &bells[2].source, EPOLLOUT);
	loop_fd_change(loop, &bells[3].source, EPOLLOUT);
	loop_turn(loop, 0);
	assert_int_equal(atomic_load(&bells[2].calls), 0);
	assert_int_equal(dup2(kept, fd), fd);
	TURN_UNTIL(loop, atomic_load(&bells[2].calls) > 0);
	assert_int_equal(bells[2].events, EPOLLOUT);
	assert_int_equal(bells[3].events, EPOLLOUT);
	close(kept);
	close(other);
	bells_close();
}

/* What is removed is not changed later, and the memory it was in may be another's. */
static void a_change_ends_with_its_source(void **state)
{
	struct loop_fd *source = calloc(1, sizeof(*source));

	role_assert_control();
	assert_non_null(source);
	source->ready = bell_ready;
	source->fd = -1;
	loop_fd_change(loop, source, EPOLLIN);
	loop_turn(loop, 0);
	loop_fd_remove(loop, source);
	free(source);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
}

static void remove_everybody(struct bell *bell)
{
	role_assert_control();
	(void)bell;
	for (int i = 0; i < FDS; i++)
		loop_fd_remove(loop, &bells[i].source);
}

/* All are ready in one turn; the first takes all of them away, itself too: no other is called. */
static void removed_inside_a_callback(void **state)
{
	int calls = 0;

	role_assert_control();
	bells_open();
	for (int i = 0; i < FDS; i++) {
		bells[i].also = remove_everybody;
		eventfd_write(bells[i].source.fd, 1);
	}
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	for (int i = 0; i < FDS; i++)
		calls += atomic_load(&bells[i].calls);
	assert_int_equal(calls, 1);
	bells_close();
}

static void replace_the_last(struct bell *bell)
{
	struct bell *last = bell == &bells[FDS - 1] ? &bells[FDS - 2] : &bells[FDS - 1];

	role_assert_control();
	loop_fd_remove(loop, &last->source);
	close(last->source.fd);
	last->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop_fd_add(loop, &last->source, EPOLLIN);
	bell->also = NULL;
}

/* A source is taken away and its memory used for another one: the event of the first is not the second's. */
static void the_same_memory_again(void **state)
{
	int calls = 0;

	role_assert_control();
	bells_open();
	bells[0].also = replace_the_last;
	eventfd_write(bells[0].source.fd, 1);
	eventfd_write(bells[FDS - 1].source.fd, 1);
	loop_turn(loop, NS_PER_MS);
	calls = atomic_load(&bells[FDS - 1].calls);
	/* Whichever came first: the new descriptor was never written. */
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_int_equal(atomic_load(&bells[FDS - 1].calls), calls);
	assert_in_range(calls, 0, 1);
	bells_close();
}

/* --- calls and jobs ---------------------------------------------------------------------------------------------- */

enum { CALLERS = 3, CALLS = 2000 };

struct numbered_call {
	struct loop_call call;
	int caller, number;
};

static struct numbered_call calls[CALLERS][CALLS];
static int last_number[CALLERS];
static atomic_int calls_run;
static pthread_t loop_thread;

static void run_call(struct loop_call *call)
{
	struct numbered_call *numbered = container_of(call, struct numbered_call, call);

	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_int_equal(numbered->number, last_number[numbered->caller]++);
	atomic_fetch_add(&calls_run, 1);
}

static void *caller_main(void *arg)
{
	struct numbered_call *own = arg;

	for (int i = 0; i < CALLS; i++) {
		loop_call(loop, &own[i].call);
		if (i % 100 == 0)
			usleep(100);
	}
	return NULL;
}

static void calls_from_threads_in_their_order(void **state)
{
	pthread_t thread[CALLERS];

	loop_thread = pthread_self();
	for (int c = 0; c < CALLERS; c++) {
		for (int i = 0; i < CALLS; i++)
			calls[c][i] = (struct numbered_call){
				.call.run = run_call, .caller = c, .number = i};
		assert_int_equal(pthread_create(&thread[c], NULL, caller_main, calls[c]), 0);
	}
	turn_until(&calls_run, CALLERS * CALLS);
	for (int c = 0; c < CALLERS; c++)
		pthread_join(thread[c], NULL);
}

static atomic_int chained;

static void call_again(struct loop_call *call)
{
	if (atomic_fetch_add(&chained, 1) < 9)
		loop_call(loop, call);
}

/* A call may be posted again from inside: it runs in a later turn. */
static void a_call_that_calls(void **state)
{
	static struct loop_call call = {.run = call_again};

	loop_call(loop, &call);
	turn_until(&chained, 10);
}

struct numbered_job {
	struct loop_job job;
	int number;
	bool ran;
};

static atomic_int jobs_run, jobs_done;

static void run_job(struct loop_job *job)
{
	struct numbered_job *numbered = container_of(job, struct numbered_job, job);

	assert_false(pthread_equal(pthread_self(), loop_thread));
	assert_int_equal(numbered->number, atomic_fetch_add(&jobs_run, 1));
	usleep(200);
	numbered->ran = true;
}

static void end_job(struct loop_job *job)
{
	struct numbered_job *numbered = container_of(job, struct numbered_job, job);

	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_true(numbered->ran);
	assert_int_equal(numbered->number, atomic_fetch_add(&jobs_done, 1));
}

static void jobs_one_after_the_other(void **state)
{
	static struct numbered_job job[50];

	role_assert_control();
	loop_thread = pthread_self();
	for (int i = 0; i < 50; i++) {
		job[i] = (struct numbered_job){.job = {.run = run_job, .done = end_job}, .number = i};
		loop_job_start(loop, &job[i].job);
		if (i % 7 == 0)
			loop_turn(loop, 0);
	}
	turn_until(&jobs_done, 50);
}

static atomic_bool held;

static void run_held_job(struct loop_job *job)
{
	atomic_store(&held, true);
	while (atomic_load(&held))
		usleep(100);
	run_job(job);
}

/* The device thread is one of its own: the helper does not wait for it. */
static void a_device_job_keeps_no_other(void **state)
{
	static struct numbered_job device[2], job;

	role_assert_control();
	loop_thread = pthread_self();
	atomic_store(&jobs_run, 0);
	atomic_store(&jobs_done, 0);
	assert_int_equal(loop_device_thread(loop), 0);
	assert_int_equal(loop_device_thread(loop), 0);
	assert_false(loop_devices_busy(loop));
	device[0] = (struct numbered_job){.job = {.run = run_held_job, .done = end_job}, .number = 1};
	device[1] = (struct numbered_job){.job = {.run = run_job, .done = end_job}, .number = 2};
	for (int i = 0; i < 2; i++)
		loop_device_job_start(loop, &device[i].job);
	while (!atomic_load(&held))
		usleep(100);
	job = (struct numbered_job){.job = {.run = run_job, .done = end_job}, .number = 0};
	loop_job_start(loop, &job.job);
	turn_until(&jobs_done, 1);
	assert_true(loop_devices_busy(loop));
	atomic_store(&held, false);
	turn_until(&jobs_done, 3);
	assert_false(loop_devices_busy(loop));
}

/* --- the loop as a whole ----------------------------------------------------------------------------------------- */

static atomic_int passed;

static void lcores_passed(struct rcu_wait *wait)
{
	(void)wait;
	atomic_fetch_add(&passed, 1);
}

static void *reader_main(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop)) {
		usleep(300);
		rcu_quiescent(0);
	}
	rcu_offline(0);
	return NULL;
}

/* Continuations run from the loop, soon, without an event. */
static void waits_for_readers_end_in_the_loop(void **state)
{
	static struct rcu_wait wait[20];
	atomic_bool stop = false;
	pthread_t thread;

	role_assert_control();
	rcu_online(0);
	assert_int_equal(pthread_create(&thread, NULL, reader_main, &stop), 0);
	for (int i = 0; i < 20; i++) {
		rcu_wait_start(&wait[i], lcores_passed);
		turn_until(&passed, i + 1);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static void stop_the_loop(struct loop_timer *timer)
{
	role_assert_control();
	(void)timer;
	loop_stop(loop);
}

static void runs_until_it_is_stopped(void **state)
{
	struct loop_timer timer = {.fire = stop_the_loop};

	role_assert_control();
	for (int i = 0; i < 3; i++) {
		uint64_t before = clock_ns();

		loop_timer_start(loop, &timer, 5 * NS_PER_MS);
		loop_run(loop);
		assert_in_range(clock_ns() - before, 5 * NS_PER_MS, 10 * NS_PER_S);
	}
}

/* A turn without anything to do ends at its deadline, and not long before. */
static void a_quiet_turn_takes_its_time(void **state)
{
	uint64_t before = clock_ns();

	role_assert_control();
	loop_turn(loop, 0);
	assert_true(clock_ns() - before < 5 * NS_PER_S);
	before = clock_ns();
	loop_turn(loop, 20 * NS_PER_MS);
	assert_true(clock_ns() - before >= 20 * NS_PER_MS);
}

/* What was posted before the end is done before the end. */
static void ends_with_everything_done(void **state)
{
	static struct numbered_job job[10];
	static struct loop_call call = {.run = call_again};
	struct loop *own = loop;

	role_assert_control();
	atomic_store(&jobs_run, 0);
	atomic_store(&jobs_done, 0);
	atomic_store(&chained, 9);
	loop = loop_create();
	assert_non_null(loop);
	for (int i = 0; i < 10; i++) {
		job[i] = (struct numbered_job){.job = {.run = run_job, .done = end_job}, .number = i};
		loop_job_start(loop, &job[i].job);
	}
	loop_call(loop, &call);
	loop_destroy(loop);
	assert_int_equal(atomic_load(&jobs_done), 10);
	assert_int_equal(atomic_load(&chained), 10);
	loop_destroy(NULL);
	loop = own;
}

static atomic_int devices_back;

static void run_lost_job(struct loop_job *job VUS_UNUSED)
{
	atomic_store(&held, true);
	while (atomic_load(&held))
		usleep(100);
	atomic_fetch_add(&devices_back, 1);
}

static void must_not_end(struct loop_job *job VUS_UNUSED)
{
	fail_msg("the loop is gone");
}

static void must_not_run(struct loop_job *job VUS_UNUSED)
{
	abort();
}

/* A device that does not come back does not keep the loop; what waits behind it is never done. */
static void ends_without_its_device_thread(void **state)
{
	static struct loop_job lost = {.run = run_lost_job, .done = must_not_end};
	static struct loop_job behind = {.run = must_not_run, .done = must_not_end};
	struct loop *own;

	role_assert_control();
	own = loop_create();
	assert_non_null(own);
	assert_int_equal(loop_device_thread(own), 0);
	loop_device_job_start(own, &lost);
	loop_device_job_start(own, &behind);
	while (!atomic_load(&held))
		usleep(100);
	assert_true(loop_devices_busy(own));
	loop_destroy(own);
	atomic_store(&held, false);
	for (int i = 0; i < 5000 && atomic_load(&devices_back) == 0; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&devices_back), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order_and_not_early),
		cmocka_unit_test(timers_are_moved_and_stopped),
		cmocka_unit_test(many_timers_give_way),
		cmocka_unit_test(many_timers),
		cmocka_unit_test(a_timer_stops_another),
		cmocka_unit_test(a_timer_that_starts_itself),
		cmocka_unit_test(level_triggered_until_read),
		cmocka_unit_test(a_change_is_made_later),
		cmocka_unit_test(a_change_ends_with_its_source),
		cmocka_unit_test(removed_inside_a_callback),
		cmocka_unit_test(the_same_memory_again),
		cmocka_unit_test(calls_from_threads_in_their_order),
		cmocka_unit_test(a_call_that_calls),
		cmocka_unit_test(jobs_one_after_the_other),
		cmocka_unit_test(a_device_job_keeps_no_other),
		cmocka_unit_test(waits_for_readers_end_in_the_loop),
		cmocka_unit_test(runs_until_it_is_stopped),
		cmocka_unit_test(a_quiet_turn_takes_its_time),
		cmocka_unit_test(ends_with_everything_done),
		cmocka_unit_test(ends_without_its_device_thread),
	};

	return cmocka_run_group_tests(tests, open_loop, close_loop);
}
