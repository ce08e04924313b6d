/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that may be lost: an account's calls that do not come back cost that account only. A call that "sleeps" reads from a
 * pipe, until the test closes its other end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "disposal.h"
#include "loop_rig.h"
#include "rcu.h"
#include "turn.h"
#include "vus_limits.h"

static pthread_t loop_thread;
static int sleeping[2]; /* a pipe: reading from it sleeps while its other end is open */

struct counted_job {
	struct disposal_job job;
	unsigned int number;
};

static atomic_uint runs, dones, slept;

static void run_counted(struct disposal_job *job)
{
	assert(!pthread_equal(pthread_self(), loop_thread));
	atomic_fetch_add(&runs, 1);
}

static void count_done(struct disposal_job *job)
{
	assert_true(pthread_equal(pthread_self(), loop_thread));
	atomic_fetch_add(&dones, 1);
}

static void run_sleep(struct disposal_job *job)
{
	char byte;

	if (read(sleeping[0], &byte, 1) == 0)
		atomic_fetch_add(&slept, 1);
}

static void start_sleeping(struct disposal_account *account, struct counted_job *jobs, unsigned int n)
{
	role_assert_control();
	for (unsigned int i = 0; i < n; i++) {
		jobs[i] = (struct counted_job){.job = {.run = run_sleep, .done = count_done, .what = "a call that sleeps"}};
		disposal_start(account, &jobs[i].job);
	}
}

static struct disposal_stats stats_of(const struct disposal_account *account)
{
	struct disposal_stats stats;

	role_assert_control();
	disposal_account_stats(account, &stats);
	return stats;
}

/* Threads of this process, less this one. */
static unsigned int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void done_on_the_loops_thread(void **state)
{
	static struct counted_job job[200];
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	assert_non_null(account);
	for (unsigned int i = 0; i < 200; i++) {
		job[i] = (struct counted_job){.job = {.run = run_counted, .done = count_done}};
		disposal_start(account, &job[i].job);
		if (i % 7 == 0)
			loop_turn(loop, 0);
	}
	TURN_UNTIL(loop, atomic_load(&dones) == 200);
	assert_int_equal(atomic_load(&runs), 200);
	assert_int_equal(stats_of(account).done, 200);
	assert_int_equal(stats_of(account).running, 0);
	disposal_account_put(account);
}

static atomic_uint abreast, most_abreast;

static void run_abreast(struct disposal_job *job)
{
	unsigned int n = atomic_fetch_add(&abreast, 1) + 1;

	if (n > atomic_load(&most_abreast))
		atomic_store(&most_abreast, n);
	run_counted(job);
	atomic_fetch_sub(&abreast, 1);
}

static void run_for(struct disposal_job *job, uint64_t end)
{
	struct timespec now;
	uint64_t from, ran;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	from = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
		ran = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec - from;
	} while (ran < end);
	run_counted(job);
}

/* It takes a CPU for longer than brief calls may together. */
static void run_long(struct disposal_job *job)
{
	run_for(job, DISPOSAL_SLOW_MS * NS_PER_MS + NS_PER_MS);
}

/* For a third of that and a little more. */
static void run_third(struct disposal_job *job)
{
	run_for(job, (DISPOSAL_SLOW_MS / 3 + 1) * NS_PER_MS);
}

static void hear_of_slow(void *arg, const struct disposal_slow *slow)
{
	role_assert_control();
	assert_string_equal(slow->what, "a brief call");
	assert_true(slow->ns > DISPOSAL_SLOW_MS * NS_PER_MS);
	/* No other has begun before its owner hears of this one: the jobs behind it can be taken back. */
	for (struct counted_job *job = arg; job->number != 0; job++)
		assert_true(disposal_cancel(&job->job));
}

static void brief_calls_are_made_one_at_a_time(void **state)
{
	static struct counted_job job[64];
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	atomic_store(&most_abreast, 0);
	for (unsigned int i = 0; i < 64; i++) {
		job[i].job = (struct disposal_job){
			.run = run_abreast, .done = count_done, .brief = true, .ordered = true, .fd = 7 + (int)i};
		disposal_start(account, &job[i].job);
	}
	TURN_UNTIL(loop, atomic_load(&dones) == 64);
	assert_int_equal(atomic_load(&most_abreast), 1);
	disposal_account_put(account);
}

static void a_brief_call_that_takes_long_is_told(void **state)
{
	static struct counted_job job[5];
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	disposal_account_watch_slow(account, hear_of_slow, &job[1]);
	for (unsigned int i = 0; i < 4; i++) {
		job[i] = (struct counted_job){.job = {.run = i == 0 ? run_long : run_counted, .done = count_done,
						      .what = "a brief call", .brief = true}, .number = i};
		disposal_start(account, &job[i].job);
	}
	TURN_UNTIL(loop, atomic_load(&dones) == 1 && stats_of(account).waiting == 0);
	assert_int_equal(atomic_load(&runs), 1);
	disposal_account_watch_slow(account, NULL, NULL);
	/* Others of the account go on. */
	job[4].job = (struct disposal_job){.run = run_counted, .done = count_done, .brief = true};
	disposal_start(account, &job[4].job);
	TURN_UNTIL(loop, atomic_load(&dones) == 2);
	disposal_account_put(account);
}

static void count_slow(void *arg, const struct disposal_slow *slow)
{
	role_assert_control();
	assert_true(slow->ns > DISPOSAL_SLOW_MS * NS_PER_MS);
	++*(unsigned int *)arg;
}

/* A hypervisor may have taken the CPU away for some of a call. */
static void one_call_of_some_milliseconds_is_not_told(void **state)
{
	struct disposal_account *account;
	unsigned int told = 0;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	disposal_account_watch_slow(account, count_slow, &told);
	for (unsigned int i = 1; i <= 3; i++) {
		static struct counted_job job[3];

		job[i - 1].job = (struct disposal_job){
			.run = run_third, .done = count_done, .what = "a brief call", .brief = true};
		disposal_start(account, &job[i - 1].job);
		TURN_UNTIL(loop, atomic_load(&dones) == i && (i < 3 || told > 0));
		assert_int_equal(told, i == 3);
	}
	disposal_account_put(account);
}

/* One account's calls do not come back; those of 20 others do, more than once round. */
static void one_account_holds_no_other(void **state)
{
	static struct counted_job sleeper[DISPOSAL_THREADS + 3], job[60];
	struct disposal_account *lost, *other[20];

	role_assert_control();
	lost = disposal_account_create(loop, "lost");
	start_sleeping(lost, sleeper, DISPOSAL_THREADS + 3);
	TURN_UNTIL(loop, stats_of(lost).running == DISPOSAL_THREADS);
	assert_int_equal(stats_of(lost).waiting, 3);
	for (unsigned int i = 0; i < 20; i++)
		other[i] = disposal_account_create(loop, "other");
	for (unsigned int i = 0; i < 60; i++) {
		job[i] = (struct counted_job){.job = {.run = run_counted, .done = count_done}};
		disposal_start(other[i % 20], &job[i].job);
	}
	TURN_UNTIL(loop, atomic_load(&dones) == 60);
	assert_int_equal(stats_of(lost).running, DISPOSAL_THREADS);
	assert_int_equal(stats_of(lost).waiting, 3);
	close(sleeping[1]);
	TURN_UNTIL(loop, atomic_load(&dones) == 60 + DISPOSAL_THREADS + 3);
	assert_int_equal(stats_of(lost).running + stats_of(lost).waiting, 0);
	for (unsigned int i = 0; i < 20; i++)
		disposal_account_put(other[i]);
	disposal_account_put(lost);
}

/* Every account may lose its whole quota at once: none waits for another. */
static void every_account_has_its_quota(void **state)
{
	static struct counted_job sleeper[16][DISPOSAL_THREADS + 1];
	struct disposal_account *account[16];

	role_assert_control();
	for (unsigned int i = 0; i < 16; i++) {
		account[i] = disposal_account_create(loop, "p");
		start_sleeping(account[i], sleeper[i], DISPOSAL_THREADS + 1);
	}
	for (unsigned int i = 0; i < 16; i++)
		TURN_UNTIL(loop, stats_of(account[i]).running == DISPOSAL_THREADS);
	close(sleeping[1]);
	TURN_UNTIL(loop, atomic_load(&dones) == 16 * (DISPOSAL_THREADS + 1));
	for (unsigned int i = 0; i < 16; i++)
		disposal_account_put(account[i]);
}

static unsigned int changes;

static void count_change(void *arg)
{
	changes++;
}

/* Calls that are lost make an account full, and its owner is told; and told again when one comes back. */
static void full_when_all_are_lost(void **state)
{
	static struct counted_job sleeper[DISPOSAL_THREADS];
	struct disposal_account *account;
	char text[160];

	role_assert_control();
	account = disposal_account_create(loop, "vm1");
	changes = 0;
	disposal_account_watch(account, count_change, NULL);
	start_sleeping(account, sleeper, DISPOSAL_THREADS);
	assert_false(disposal_full(account));
	TURN_UNTIL(loop, changes == 1);
	assert_true(disposal_full(account));
	assert_int_equal(stats_of(account).lost, DISPOSAL_THREADS);
	assert_int_equal(stats_of(account).late, DISPOSAL_THREADS);
	assert_true(stats_of(account).longest_ns > DISPOSAL_LOST_MS * NS_PER_MS);
	disposal_account_describe(account, text, sizeof(text));
	assert_non_null(strstr(text, "4 calls on what front ends gave have not come back"));
	close(sleeping[1]);
	TURN_UNTIL(loop, changes == 2);
	assert_false(disposal_full(account));
	TURN_UNTIL(loop, atomic_load(&dones) == DISPOSAL_THREADS);
	disposal_account_describe(account, text, sizeof(text));
	assert_string_equal(text, "");
	disposal_account_put(account);
}

/* Whoever asked and heard that it is full waits for the change, also if that comes before the loop has said so itself. */
static void an_answer_is_followed_up(void **state)
{
	static struct counted_job sleeper[DISPOSAL_THREADS + DISPOSAL_WAITING_MAX];
	struct disposal_account *account;
	uint64_t end = clock_ns() + 10 * NS_PER_S;

	role_assert_control();
	account = disposal_account_create(loop, "vm1");
	changes = 0;
	disposal_account_watch(account, count_change, NULL);
	start_sleeping(account, sleeper, DISPOSAL_THREADS + DISPOSAL_WAITING_MAX);
	assert_true(disposal_full(account));
	close(sleeping[1]);
	while (disposal_full(account) && clock_ns() < end)
		usleep(1000);
	TURN_UNTIL(loop, atomic_load(&dones) == DISPOSAL_THREADS + DISPOSAL_WAITING_MAX);
	TURN_UNTIL(loop, changes > 0);
	disposal_account_put(account);
}

static void full_when_too_many_wait(void **state)
{
	static struct counted_job sleeper[DISPOSAL_THREADS + DISPOSAL_WAITING_MAX];
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "vm1");
	changes = 0;
	disposal_account_watch(account, count_change, NULL);
	start_sleeping(account, sleeper, DISPOSAL_THREADS);
	TURN_UNTIL(loop, stats_of(account).running == DISPOSAL_THREADS);
	start_sleeping(account, sleeper + DISPOSAL_THREADS, DISPOSAL_WAITING_MAX - 1);
	assert_false(disposal_full(account));
	start_sleeping(account, sleeper + DISPOSAL_THREADS + DISPOSAL_WAITING_MAX - 1, 1);
	assert_true(disposal_full(account));
	TURN_UNTIL(loop, changes == 1);
	close(sleeping[1]);
	TURN_UNTIL(loop, atomic_load(&dones) == DISPOSAL_THREADS + DISPOSAL_WAITING_MAX);
	TURN_UNTIL(loop, changes == 2);
	disposal_account_put(account);
}

static void closes_descriptors(void **state)
{
	struct disposal_account *account;
	int fd[100];

	role_assert_control();
	account = disposal_account_create(loop, "p");
	disposal_close(account, -1);
	for (unsigned int i = 0; i < 100; i++) {
		fd[i] = dup(sleeping[0]);
		assert_true(fd[i] >= 0);
	}
	for (unsigned int i = 0; i < 100; i++)
		disposal_close(account, fd[i]);
	TURN_UNTIL(loop, stats_of(account).done == 100);
	for (unsigned int i = 0; i < 100; i++)
		assert_false(is_open(fd[i]));
	disposal_account_put(account);
}

static struct counted_job ordered[40];
static atomic_uint in_order, at_once;

static void run_ordered(struct disposal_job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);

	if (atomic_fetch_add(&at_once, 1) == 0 && is_open(job->fd) && atomic_load(&in_order) == counted->number)
		atomic_fetch_add(&in_order, 1);
	usleep(300);
	atomic_fetch_sub(&at_once, 1);
}

/* What is done with a descriptor is over before it is closed, and comes in order, though there are four threads. */
static void jobs_about_one_descriptor_in_order(void **state)
{
	struct disposal_account *account;
	int fd = dup(sleeping[0]);

	role_assert_control();
	account = disposal_account_create(loop, "p");
	atomic_store(&in_order, 0);
	for (unsigned int i = 0; i < 40; i++) {
		ordered[i] = (struct counted_job){
			.job = {.run = run_ordered, .done = count_done, .ordered = true, .fd = fd}, .number = i};
		disposal_start(account, &ordered[i].job);
	}
	disposal_close(account, fd);
	TURN_UNTIL(loop, stats_of(account).done == 41);
	assert_int_equal(atomic_load(&in_order), 40);
	assert_int_equal(atomic_load(&dones), 40);
	assert_false(is_open(fd));
	disposal_account_put(account);
}

/* A close() that does not come back has given the number away: what has it now does not wait. */
static void a_lost_close_keeps_no_number(void **state)
{
	static struct counted_job closing = {.job = {.run = run_sleep, .ordered = true, .closes = true, .fd = 77}},
				  after = {.job = {.run = run_counted, .done = count_done, .ordered = true, .fd = 77}};
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	disposal_start(account, &closing.job);
	disposal_start(account, &after.job);
	TURN_UNTIL(loop, atomic_load(&dones) == 1);
	assert_int_equal(stats_of(account).running, 1);
	close(sleeping[1]);
	TURN_UNTIL(loop, stats_of(account).running == 0);
	disposal_account_put(account);
}

static void run_and_wait(struct disposal_job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);

	while (atomic_load(&slept) < counted->number)
		usleep(1000);
	run_counted(job);
}

/* A brief call lets two go on when it comes back: a close() of its descriptor, which does not, and the next brief one. Another
 * thread, which looked for work while both were waiting, makes that. */
static void two_that_waited_go_on_at_once(void **state)
{
	static struct counted_job first, closing, next, warm[2];
	struct disposal_account *account;
	uint64_t began;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	atomic_store(&slept, 0);
	for (unsigned int i = 0; i < 2; i++) {
		warm[i] = (struct counted_job){.job = {.run = run_and_wait, .done = count_done}, .number = 1};
		disposal_start(account, &warm[i].job);
	}
	atomic_store(&slept, 1);
	TURN_UNTIL(loop, atomic_load(&dones) == 2);
	first = (struct counted_job){
		.job = {.run = run_and_wait, .done = count_done, .brief = true, .ordered = true, .fd = 77}, .number = 2};
	closing.job = (struct disposal_job){.run = run_sleep, .ordered = true, .closes = true, .fd = 77};
	next.job = (struct disposal_job){.run = run_counted, .done = count_done, .brief = true, .ordered = true, .fd = 78};
	disposal_start(account, &first.job);
	TURN_UNTIL(loop, stats_of(account).running == 1);
	disposal_start(account, &closing.job);
	usleep(20000);
	disposal_start(account, &next.job);
	usleep(20000);
	began = clock_ns();
	atomic_store(&slept, 2);
	TURN_UNTIL(loop, atomic_load(&dones) == 4);
	assert_true(clock_ns() - began < NS_PER_S);
	close(sleeping[1]);
	TURN_UNTIL(loop, stats_of(account).running == 0);
	disposal_account_put(account);
}

static pthread_t ran_by;

static void run_noted(struct disposal_job *job)
{
	ran_by = pthread_self();
	atomic_fetch_add(&runs, 1);
}

/* As many as want to, and it does not hear of them from within disposal_start(). */
static void start_next(struct disposal_job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);

	role_assert_control();
	atomic_fetch_add(&dones, 1);
	if (counted->number == 0)
		return;
	counted->number--;
	disposal_start(counted->job.account, &counted->job);
	assert_int_equal(atomic_load(&runs), atomic_load(&dones) + 1);
}

/* Calls are made by disposal_start(), and done() comes from the loop; no thread is made. */
static void in_place_by_who_starts(void **state)
{
	static struct counted_job job = {.job = {.run = run_noted, .done = start_next, .brief = true}, .number = 20};
	struct disposal_account *account;
	unsigned int before = threads();
	int fd = dup(sleeping[0]);

	role_assert_control();
	account = disposal_account_create(loop, "p");
	disposal_account_in_place(account, true);
	disposal_start(account, &job.job);
	assert_true(pthread_equal(ran_by, loop_thread));
	assert_int_equal(atomic_load(&runs), 1);
	assert_int_equal(atomic_load(&dones), 0);
	assert_false(disposal_cancel(&job.job));
	assert_int_equal(stats_of(account).running + stats_of(account).waiting, 0);
	TURN_UNTIL(loop, atomic_load(&dones) == 21);
	disposal_close(account, fd);
	assert_false(is_open(fd));
	assert_int_equal(stats_of(account).done, 22);
	assert_int_equal(threads(), before);
	disposal_account_put(account);
}

/* What waits for a call that a thread makes is made by a thread, in order; the next one in place. */
static void in_place_behind_a_thread(void **state)
{
	static struct counted_job sleeper, job;
	struct disposal_account *account;
	int fd = dup(sleeping[0]);

	role_assert_control();
	account = disposal_account_create(loop, "p");
	sleeper.job = (struct disposal_job){.run = run_sleep, .done = count_done, .ordered = true, .fd = fd};
	disposal_start(account, &sleeper.job);
	TURN_UNTIL(loop, stats_of(account).running == 1);
	disposal_account_in_place(account, true);
	disposal_close(account, fd);
	assert_int_equal(stats_of(account).waiting, 1);
	assert_true(is_open(fd));
	close(sleeping[1]);
	TURN_UNTIL(loop, stats_of(account).done == 2);
	assert_false(is_open(fd));
	job.job = (struct disposal_job){.run = run_noted, .ordered = true, .fd = fd};
	disposal_start(account, &job.job);
	assert_true(pthread_equal(ran_by, loop_thread));
	/* And by threads again. */
	disposal_account_in_place(account, false);
	job.job = (struct disposal_job){.run = run_counted, .done = count_done, .ordered = true, .fd = fd};
	disposal_start(account, &job.job);
	TURN_UNTIL(loop, atomic_load(&dones) == 2);
	disposal_account_put(account);
}

/* A done() that was not called yet is at the end of the loop. */
static void in_place_until_the_end(void **state)
{
	static struct counted_job job = {.job = {.run = run_noted, .done = start_next}, .number = 1};
	struct loop *other = loop_create();
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(other, "p");
	disposal_account_in_place(account, true);
	disposal_start(account, &job.job);
	assert_int_equal(atomic_load(&dones), 0);
	loop_destroy(other);
	assert_int_equal(atomic_load(&dones), 2);
	disposal_account_put(account);
}

static void outlives_its_owner(void **state)
{
	static struct counted_job sleeper[DISPOSAL_THREADS + 2];
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	start_sleeping(account, sleeper, DISPOSAL_THREADS + 2);
	TURN_UNTIL(loop, stats_of(account).running == DISPOSAL_THREADS);
	disposal_account_put(account);
	disposal_account_put(NULL);
	close(sleeping[1]);
	TURN_UNTIL(loop, atomic_load(&dones) == DISPOSAL_THREADS + 2);
}

/* The loop goes, soon, and its lost calls come back afterwards: to nothing. */
static void the_end_leaves_lost_calls_behind(void **state)
{
	static struct counted_job sleeper[DISPOSAL_THREADS];
	struct loop *other = loop_create();
	int log = memfd_create("log", MFD_CLOEXEC), own = dup(STDERR_FILENO);
	struct disposal_account *account;
	char text[256] = "";
	uint64_t before;

	role_assert_control();
	assert_non_null(other);
	account = disposal_account_create(other, "p");
	start_sleeping(account, sleeper, DISPOSAL_THREADS);
	TURN_UNTIL(other, stats_of(account).running == DISPOSAL_THREADS);
	disposal_account_put(account);
	dup2(log, STDERR_FILENO);
	before = clock_ns();
	loop_destroy(other);
	dup2(own, STDERR_FILENO);
	assert_true(clock_ns() - before < DISPOSAL_END_MS * NS_PER_MS + 5 * NS_PER_S);
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "4 calls on what peers gave have not come back, and are left behind: p (4)"));
	close(log);
	close(own);
	assert_int_equal(atomic_load(&slept), 0);
	close(sleeping[1]);
	while (atomic_load(&slept) < DISPOSAL_THREADS)
		usleep(1000);
	assert_int_equal(atomic_load(&dones), 0);
}

/* What can be done is done before the end. */
static void the_end_closes_what_waits(void **state)
{
	struct loop *other = loop_create();
	struct disposal_account *account;
	int fd[50];

	role_assert_control();
	account = disposal_account_create(other, "p");
	for (unsigned int i = 0; i < 50; i++) {
		fd[i] = dup(sleeping[0]);
		disposal_close(account, fd[i]);
	}
	disposal_account_put(account);
	loop_destroy(other);
	for (unsigned int i = 0; i < 50; i++)
		assert_false(is_open(fd[i]));
}

static void idle_threads_end(void **state)
{
	unsigned int before = threads();
	struct disposal_account *account;

	role_assert_control();
	account = disposal_account_create(loop, "p");
	disposal_close(account, dup(sleeping[0]));
	TURN_UNTIL(loop, stats_of(account).done == 1);
	assert_true(threads() >= 1);
	TURN_UNTIL(loop, threads() <= before);
	disposal_account_put(account);
}

static int begin(void **state)
{
	loop_thread = pthread_self();
	atomic_store(&runs, 0);
	atomic_store(&dones, 0);
	atomic_store(&slept, 0);
	return pipe2(sleeping, O_CLOEXEC);
}

static int end(void **state)
{
	close(sleeping[1]); /* closed already by some */
	close(sleeping[0]);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(in_place_by_who_starts),
		CASE(idle_threads_end),
		CASE(done_on_the_loops_thread),
		CASE(brief_calls_are_made_one_at_a_time),
		CASE(a_brief_call_that_takes_long_is_told),
		CASE(one_call_of_some_milliseconds_is_not_told),
		CASE(one_account_holds_no_other),
		CASE(every_account_has_its_quota),
		CASE(full_when_all_are_lost),
		CASE(full_when_too_many_wait),
		CASE(an_answer_is_followed_up),
		CASE(closes_descriptors),
		CASE(jobs_about_one_descriptor_in_order),
		CASE(a_lost_close_keeps_no_number),
		CASE(two_that_waited_go_on_at_once),
		CASE(in_place_behind_a_thread),
		CASE(in_place_until_the_end),
		CASE(outlives_its_owner),
		CASE(the_end_leaves_lost_calls_behind),
		CASE(the_end_closes_what_waits),
	};

	return cmocka_run_group_tests(tests, open_loop, close_loop);
}
