/* SPDX-License-Identifier: BSD-3-Clause */
/* Front ends that keep the lock of their memory's file while they add and remove that memory: X2. The control thread answers all
 * the same, ends when it is told to, and the victims lose nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fg_huge.h"

enum { LOCKERS = 2, LOCKERS_MAX = 12, HUGE_PAGES = 8, REFUSED = 2, WATCHED_MS = 3000, MANY = 16, ENDS_WITHIN_MS = 10000 };
#define LARGE	 (2ull << 30)
#define SMALL	 (128ull << 20)
#define OWN_GPA	 (1ull << 40)

/* A front end that adds and removes a region, and threads that have the lock of its file nearly all the time. */
struct hostile {
	struct fg_memory mem;
	struct fg_session s;
	uint64_t size;
	int fd, slot, nice;
	unsigned int lockers;
	pthread_t front, locker[LOCKERS_MAX];
	atomic_bool front_stops, lockers_stop;
	atomic_uint added, refused, threads;
	_Atomic pid_t thread[LOCKERS_MAX]; /* of those that keep the lock */
	int error;
};

static void *keep_lock(void *arg)
{
	struct hostile *h = arg;

	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), h->nice);
	h->thread[atomic_fetch_add(&h->threads, 1)] = (pid_t)syscall(SYS_gettid);
	while (!h->lockers_stop) {
		fallocate(h->fd, 0, 0, (off_t)h->size);
		fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)h->size);
	}
	return NULL;
}

static void *add_and_remove(void *arg)
{
	struct hostile *h = arg;

	while (!h->front_stops && h->error == 0) {
		h->error = fg_add_region(&h->s, (unsigned int)h->slot);
		if (h->error == 0)
			h->error = fg_remove_region(&h->s, (unsigned int)h->slot);
		h->added++;
	}
	return NULL;
}

/* Its file is there. */
static void hostile_open(struct hostile *h, const struct fg_switch *sw, const char *port, uint64_t size)
{
	h->size = size;
	fg_memory_init(&h->mem);
	assert_true(fg_memory_add(&h->mem, GUEST_GPA, GUEST_MEMORY) >= 0);
	h->slot = fg_memory_add_file(&h->mem, OWN_GPA, size, h->fd, 0);
	assert_true(h->slot >= 0);
	OK(fg_session_open(&h->s, fg_switch_socket(sw, port), &h->mem, NULL));
}

static void lockers_start(struct hostile *h, unsigned int n, int nice)
{
	h->nice = nice;
	for (h->lockers = 0; h->lockers < n; h->lockers++)
		assert_int_equal(pthread_create(&h->locker[h->lockers], NULL, keep_lock, h), 0);
}

static void hostile_start(struct hostile *h, const struct fg_switch *sw, const char *port, uint64_t size,
			  unsigned int lockers)
{
	memset(h, 0, sizeof(*h));
	h->fd = fg_memory_file(size);
	assert_true(h->fd >= 0);
	hostile_open(h, sw, port, size);
	/* They are to keep the lock, and not the CPUs. */
	lockers_start(h, lockers, 10);
	assert_int_equal(pthread_create(&h->front, NULL, add_and_remove, h), 0);
}

static void break_off(int signal)
{
	(void)signal;
}

/* A signal breaks off fallocate(), which would otherwise take minutes where others want the CPUs; who may, gives them back
 * their share of these first. */
static void release_lock(struct hostile *h)
{
	const struct sigaction action = {.sa_handler = break_off};

	h->lockers_stop = true;
	sigaction(SIGUSR1, &action, NULL);
	for (unsigned int i = 0; i < h->lockers; i++) {
		if (h->thread[i] != 0)
			setpriority(PRIO_PROCESS, (id_t)h->thread[i], 0);
		pthread_kill(h->locker[i], SIGUSR1);
	}
	for (unsigned int i = 0; i < h->lockers; i++)
		pthread_join(h->locker[i], NULL);
	h->lockers = 0;
}

static void hostile_close(struct hostile *h)
{
	fg_session_close(&h->s);
	close(h->fd);
	fg_memory_fini(&h->mem);
}

static void hostile_stop(struct hostile *h)
{
	h->front_stops = true;
	release_lock(h);
	pthread_join(h->front, NULL);
	hostile_close(h);
}

/* Until the port says that it waits for memory to be mapped. */
static void wait_for_mapping(const struct fg_switch *sw, const char *port)
{
	uint64_t end = fg_now_us() + FG_WAIT_MS * 1000ull;

	while (fg_now_us() < end) {
		json_t *answer = fg_switch_query(sw, "port", port);
		char *text = answer != NULL ? json_dumps(answer, 0) : NULL;
		bool waits = text != NULL && strstr(text, "memory to be mapped") != NULL;

		json_decref(answer);
		free(text);
		if (waits)
			return;
		fg_sleep_us(1000);
	}
	fail_msg("%s never waits for its memory", port);
}

static void a_front_end_keeps_the_lock_of_its_file(void **state)
{
	static struct hostile h;

	hostile_start(&h, &fixture.sw, "h0", LARGE, LOCKERS);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	wait_for_mapping(&fixture.sw, "h0");
	kill(fixture.sw.pid, SIGHUP);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS / 4);
	guest_close(guest_run("h1", NULL));
	hostile_stop(&h);
	print_message("%u regions were added meanwhile\n", h.added);
	/* A thread that keeps the lock may wait for a CPU itself: its own front end has no answer then. */
	if (h.error != -ETIMEDOUT)
		assert_int_equal(h.error, 0);
}

/* It hangs up instead: what is being mapped is unmapped again, and its port is there for the next one. */
static void a_front_end_leaves_while_its_file_is_locked(void **state)
{
	static struct hostile h;

	hostile_start(&h, &fixture.sw, "h0", LARGE, LOCKERS);
	wait_for_mapping(&fixture.sw, "h0");
	shutdown(h.s.sock, SHUT_RDWR);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS / 4);
	hostile_stop(&h);
	guest_close(guest_run("h0", NULL));
}

/* Whether its main thread has ended: the process may be there for as long as the kernel keeps another one. */
static bool has_ended(const struct fg_switch *sw)
{
	char path[64], stat[256] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)sw->pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(stat, 1, sizeof(stat) - 1, file) > 0);
	fclose(file);
	state = strrchr(stat, ')');
	return state != NULL && state[2] == 'Z';
}

static void the_switch_ends_while_a_file_is_locked(void **state)
{
	static const char *const ports[] = {"a", NULL};
	static struct hostile h;
	struct fg_switch sw;
	uint64_t from;

	/* It leaves its port behind, and is not to wait for it to have every byte of it back. */
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
	OK(fg_switch_start(&sw, &(struct fg_switch_options){.ports = ports}));
	unsetenv("LSAN_OPTIONS");
	hostile_start(&h, &sw, "a", LARGE, LOCKERS);
	wait_for_mapping(&sw, "a");
	from = fg_now_us();
	kill(sw.pid, SIGTERM);
	while (!has_ended(&sw)) {
		if (fg_now_us() > from + ENDS_WITHIN_MS * 1000ull)
			fail_msg("it has not ended %d ms after SIGTERM", ENDS_WITHIN_MS);
		fg_sleep_us(1000);
	}
	print_message("ended after %.0f ms\n", (double)(fg_now_us() - from) / 1e3);
	assert_int_equal(access(sw.control, F_OK), -1);
	assert_int_equal(access(fg_switch_socket(&sw, "a"), F_OK), -1);
	hostile_stop(&h);
	OK(fg_switch_stop(&sw));
}

static void sixteen_front_ends_keep_the_locks_of_their_files(void **state)
{
	static char names[MANY][8];
	static const char *ports[MANY + 3] = {"v0", "v1"};
	static struct hostile h[MANY];
	static struct fg_victims victims;
	struct fg_switch sw;

	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "h%u", i);
		ports[i + 2] = names[i];
	}
	OK(fg_switch_start(&sw, &(struct fg_switch_options){.ports = ports}));
	OK(fg_victims_start(&victims, &sw, "v0", "v1"));
	OK(fg_victims_run(&victims));
	for (unsigned int i = 0; i < MANY; i++)
		hostile_start(&h[i], &sw, names[i], SMALL, 1);
	assert_control_keeps_answering(&sw, WATCHED_MS);
	for (unsigned int i = 0; i < MANY; i++) {
		h[i].front_stops = true;
		release_lock(&h[i]);
	}
	for (unsigned int i = 0; i < MANY; i++)
		hostile_stop(&h[i]);
	OK(fg_victims_pause(&victims));
	fg_victims_stop(&victims);
	OK(fg_switch_stop(&sw));
}

/* Asks for the region all the time, and takes no for an answer. */
static void *add_or_be_refused(void *arg)
{
	struct hostile *h = arg;

	while (!h->front_stops && h->error == 0) {
		int error = fg_add_region(&h->s, (unsigned int)h->slot);

		if (error == -EREMOTEIO) {
			h->refused++;
			continue;
		}
		h->error = error == 0 ? fg_remove_region(&h->s, (unsigned int)h->slot) : error;
		h->added++;
	}
	return NULL;
}

static void await_refusals(struct hostile *h)
{
	int64_t deadline = fg_deadline(2 * FG_WAIT_MS);

	while (h->refused < REFUSED && h->error == 0 && fg_left_ms(deadline) > 0)
		fg_sleep_us(5000);
	print_message("%u times mapped, %u times refused\n", h->added, h->refused);
	assert_int_equal(h->error, 0);
	assert_true(h->refused >= REFUSED);
}

/* To map such a file waits for its lock with the whole address space locked: it is refused while others have it all the time,
 * and taken as soon as they have not. So many have it that one of them always waits for it. */
static void a_file_of_huge_pages_is_refused_while_it_is_locked(void **state)
{
	unsigned int added = fg_huge_add(FG_HUGE_2M, HUGE_PAGES);
	static struct hostile h;

	if (fg_huge_pages(FG_HUGE_2M, "free_hugepages") < HUGE_PAGES) {
		fg_huge_give_back(FG_HUGE_2M, added);
		print_message("not told: it takes %d free huge pages of 2 MiB\n", HUGE_PAGES);
		skip();
	}
	memset(&h, 0, sizeof(h));
	h.fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | fg_huge_memfd(FG_HUGE_2M));
	assert_true(h.fd >= 0);
	hostile_open(&h, &fixture.sw, "h0", HUGE_PAGES * FG_HUGE_2M);
	lockers_start(&h, LOCKERS_MAX, 0);
	assert_int_equal(pthread_create(&h.front, NULL, add_or_be_refused, &h), 0);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	await_refusals(&h);
	assert_last_error("h0", "huge pages of its file are allocated or given back all the time");
	h.front_stops = true;
	pthread_join(h.front, NULL);
	release_lock(&h);
	OK(fg_add_region(&h.s, (unsigned int)h.slot));
	hostile_close(&h);
	fg_huge_give_back(FG_HUGE_2M, added);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_front_end_keeps_the_lock_of_its_file),
		TEST_CASE(a_front_end_leaves_while_its_file_is_locked),
		TEST_CASE(the_switch_ends_while_a_file_is_locked),
		TEST_CASE(a_file_of_huge_pages_is_refused_while_it_is_locked),
		TEST_CASE(sixteen_front_ends_keep_the_locks_of_their_files),
	};

	return fixture_main("lock", CASES(cases));
}
