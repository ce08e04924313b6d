/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that a peer tries to block: the write is broken off, and only that one. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "poke.h"

enum { PATIENCE_MS = 5000 };

static int full(int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	assert_int_equal(eventfd_write(fd, 0xfffffffffffffffe), 0);
	return fd;
}

static int begin(void **state)
{
	return poke_watch();
}

static int end(void **state)
{
	poke_leave();
	poke_unwatch();
	return 0;
}

static void a_signal_arrives(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count = 0;

	assert_int_equal(poke(fd), 0);
	poke_join();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(poke(fd), 0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1001);
	assert_int_equal(poke(-1), 0);
	close(fd);
}

static void one_that_is_full_is_signalled(void **state)
{
	int fd = full(EFD_NONBLOCK);

	poke_join();
	assert_int_equal(poke(fd), 0);
	close(fd);
}

/* Again and again, and after a rest in which the watchdog went to sleep. */
static void one_that_blocks_is_given_up(void **state)
{
	int fd = full(0);
	uint64_t longest = 0;

	poke_join();
	for (int i = 0; i < 20; i++) {
		uint64_t began = clock_ns();

		assert_int_equal(poke(fd), -EINTR);
		if (clock_ns() - began > longest)
			longest = clock_ns() - began;
		usleep(i % 5 == 4 ? 50000 : 100);
	}
	print_message("given up after %.1f ms at most\n", (double)longest / NS_PER_MS);
	assert_true(longest < PATIENCE_MS * NS_PER_MS);
	close(fd);
}

static void *poke_in_a_thread(void *arg)
{
	int *fd = arg;

	poke_join();
	*fd = poke(*fd);
	poke_leave();
	return NULL;
}

/* Several threads at once; and a peer that makes room in time is not given up. */
static void each_is_watched(void **state)
{
	enum { THREADS = 4 };
	pthread_t thread[THREADS];
	int fd[THREADS];

	for (int round = 0; round < 20; round++) {
		int blocks = full(0), room = eventfd(0, EFD_CLOEXEC);

		for (int i = 0; i < THREADS; i++) {
			fd[i] = i % 2 == 0 ? blocks : room;
			assert_int_equal(pthread_create(&thread[i], NULL, poke_in_a_thread, &fd[i]), 0);
		}
		for (int i = 0; i < THREADS; i++) {
			pthread_join(thread[i], NULL);
			assert_int_equal(fd[i], i % 2 == 0 ? -EINTR : 0);
		}
		close(blocks);
		close(room);
	}
}

/* How often the watchdog has slept. By name, for it is not alone: a sanitizer's own thread never rests. */
static unsigned long sleeps(void)
{
	unsigned long n = 0;
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	char path[300], line[128];

	assert_non_null(tasks);
	while ((task = readdir(tasks)) != NULL) {
		FILE *file;
		bool watchdog = false;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
		file = fopen(path, "r");
		while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
			watchdog |= strcmp(line, "Name:\twatchdog\n") == 0;
			if (watchdog)
				sscanf(line, "voluntary_ctxt_switches: %lu", &n);
		}
		if (file != NULL)
			fclose(file);
	}
	closedir(tasks);
	return n;
}

/* No poke: the watchdog costs nothing. */
static void the_watchdog_sleeps(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t end = clock_ns() + PATIENCE_MS * NS_PER_MS;
	unsigned long before, now = 0;

	poke_join();
	assert_int_equal(poke(fd), 0);
	do { /* on a busy machine twenty looks take their time */
		before = now;
		usleep(100000);
		now = sleeps();
		assert_true(clock_ns() < end);
	} while (now == 0 || now != before);
	assert_int_equal(poke(fd), 0);
	while (sleeps() == before) {
		usleep(1000);
		assert_true(clock_ns() < end);
	}
	close(fd);
}

#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_signal_arrives),
		TEST_CASE(one_that_is_full_is_signalled),
		TEST_CASE(one_that_blocks_is_given_up),
		TEST_CASE(each_is_watched),
		TEST_CASE(the_watchdog_sleeps),
	};

	return cmocka_run_group_tests_name("poke", cases, NULL, NULL);
}
