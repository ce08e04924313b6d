/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose memory holds a thread: X3. Pages of a file are kept away by a userfaultfd, as a front end can that punches its file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "frame.h"
#include "mem_arena.h"
#include "mem_note.h"
#include "mem_touch.h"
#include "virtq.h"
#include "watchdog.h"

enum { PAGE = 4096, PAGES = 8, HELD_MS = 60, SKIP = 77 };

/* A port's memory. */
struct side {
	struct mem_arena *arena;
	int alarm;
	uint8_t *at;
	struct mem_span span;
};

static struct side a, b;
static int uffd;

static struct side side_open(void)
{
	struct side side = {.alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	int fd = memfd_create("memory", MFD_CLOEXEC);

	assert_true(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	side.arena = mem_arena_create(side.alarm);
	assert_non_null(side.arena);
	side.at = mem_arena_map(side.arena, fd, 0, PAGES * PAGE, PAGE);
	assert_non_null(side.at);
	close(fd);
	side.span = (struct mem_span){.at = side.at, .len = 100};
	return side;
}

static void side_close(struct side *side)
{
	mem_arena_destroy(side->arena);
	close(side->alarm);
}

/* All of it waits until it is given. */
static void keep_away(const struct side *side)
{
	struct uffdio_register all = {.range = {.start = (uintptr_t)side->at, .len = PAGES * PAGE},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};

	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &all), 0);
}

static void give(const struct side *side)
{
	struct uffdio_zeropage all = {.range = {.start = (uintptr_t)side->at, .len = PAGES * PAGE}};

	assert_int_equal(ioctl(uffd, UFFDIO_ZEROPAGE, &all), 0);
}

static int begin(void **state)
{
	struct uffdio_api api = {.api = UFFD_API};

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0)
		return -1;
	a = side_open();
	b = side_open();
	return watchdog_start();
}

static int end(void **state)
{
	watchdog_stop();
	side_close(&a);
	side_close(&b);
	close(uffd);
	return 0;
}

/* What a watched thread does. */
enum deed { COPY_TO, COPY_BODY, READ_RING, SLEEP, SPIN, CLEAR_MANY };

static struct virtq_conf ring_in(const struct side *side)
{
	return (struct virtq_conf){
		.size = 4,
		.header_len = 12,
		.desc = (void *)(side->at + 4 * PAGE),
		.avail = (void *)(side->at + 5 * PAGE),
		.used = (void *)(side->at + 6 * PAGE),
	};
}

/* In one turn, for HELD_MS: a page is cleared in less than a moment of the watchdog, and then the next one. */
static void clear_many(void)
{
	enum { CLEAR_NS = 40000 };
	struct mem_span spans[PAGES];
	unsigned int n;

	for (n = 0; n < PAGES; n++)
		spans[n] = (struct mem_span){.at = b.at + n * PAGE, .len = 100};
	mem_note_spans(MEM_NOTE_TO, spans, PAGES);
	for (uint64_t end = clock_thread_cpu_ns() + HELD_MS * NS_PER_MS; clock_thread_cpu_ns() < end;) {
		uint64_t until = clock_thread_cpu_ns() + CLEAR_NS;

		while (clock_thread_cpu_ns() < until)
			;
		*(volatile uint8_t *)(b.at + n++ % PAGES * PAGE) = 1;
		if (n % PAGES == 0)
			assert_int_equal(madvise(b.at, PAGES * PAGE, MADV_REMOVE), 0);
	}
}

static void *act(void *arg)
{
	struct virtq_conf from = ring_in(&a), to = ring_in(&b);
	/* The head is what was read before, 50 bytes; the rest of 150 is in the source's memory. */
	struct frame copied = {.head_len = 50, .len = 150, .body_spans = 1, .body = &a.span};
	struct frame *frames[] = {&copied};
	uint64_t until;

	watchdog_join();
	mem_note_open(MEM_NOTE_FROM, &from);
	mem_note_spans(MEM_NOTE_FROM, &a.span, 1);
	mem_note_open(MEM_NOTE_TO, &to);
	switch (*(enum deed *)arg) {
	case COPY_TO:
		mem_note_spans(MEM_NOTE_TO, &b.span, 1);
		*(volatile uint8_t *)b.at = 1;
		break;
	case COPY_BODY:
		mem_note_frames(frames, 1);
		mem_note_spans(MEM_NOTE_TO, &b.span, 1);
		memcpy(b.at, a.at, 100);
		break;
	case READ_RING:
		(void)*(volatile uint8_t *)(a.at + 5 * PAGE);
		break;
	case SLEEP:
		usleep(HELD_MS * 1000);
		break;
	case CLEAR_MANY:
		clear_many();
		break;
	case SPIN:
		for (until = clock_thread_cpu_ns() + HELD_MS * NS_PER_MS; clock_thread_cpu_ns() < until;)
			;
		break;
	}
	mem_note_close(MEM_NOTE_TO);
	mem_note_close(MEM_NOTE_FROM);
	watchdog_leave();
	return NULL;
}

/* For HELD_MS, or longer where that is what it takes the watchdog to get its turns: what was charged then, in milliseconds. */
static void play(enum deed deed, unsigned int *of_a, unsigned int *of_b)
{
	bool holds = deed == COPY_TO || deed == COPY_BODY || deed == READ_RING;
	uint64_t end = clock_ns() + 100 * HELD_MS * NS_PER_MS, a_ns = 0, b_ns = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, act, &deed), 0);
	do {
		usleep(HELD_MS * 1000);
		a_ns += mem_arena_take(a.arena);
		b_ns += mem_arena_take(b.arena);
	} while (holds && a_ns + b_ns < HELD_MS / 2 * NS_PER_MS && clock_ns() < end);
	if (deed == COPY_TO)
		give(&b);
	else if (deed == COPY_BODY || deed == READ_RING)
		give(&a);
	pthread_join(thread, NULL);
	*of_a = (unsigned int)((a_ns + mem_arena_take(a.arena)) / NS_PER_MS);
	*of_b = (unsigned int)((b_ns + mem_arena_take(b.arena)) / NS_PER_MS);
	print_message("charged: source %u ms, destination %u ms\n", *of_a, *of_b);
}

/* On a machine that is shared the watchdog may come late, but it counts no time twice. */
static void assert_held(unsigned int charged)
{
	assert_in_range(charged, HELD_MS / 4, 1000 * HELD_MS);
}

static void a_page_of_the_destination_is_the_destinations(void **state)
{
	unsigned int of_a, of_b;

	keep_away(&b);
	play(COPY_TO, &of_a, &of_b);
	assert_held(of_b);
	assert_int_equal(of_a, 0);
}

/* The destination's pages are there by then: its header was written. */
static void a_page_of_the_source_is_the_sources(void **state)
{
	unsigned int of_a, of_b;
	uint64_t rings;

	memset(b.at, 1, PAGES * PAGE);
	keep_away(&a);
	play(COPY_BODY, &of_a, &of_b);
	assert_held(of_a);
	assert_int_equal(of_b, 0);
	assert_int_equal(read(a.alarm, &rings, sizeof(rings)), sizeof(rings));
	assert_true(read(b.alarm, &rings, sizeof(rings)) < 0);
}

/* The source is held, and the destination has never touched the buffers it gave, as after a boot. */
static void what_is_read_comes_first(void **state)
{
	unsigned int of_a, of_b;

	*(volatile uint8_t *)b.at = 1;
	keep_away(&a);
	play(COPY_BODY, &of_a, &of_b);
	assert_held(of_a);
	assert_int_equal(of_b, 0);
}

static void a_ring_is_memory_too(void **state)
{
	unsigned int of_a, of_b;

	memset(b.at, 1, PAGES * PAGE);
	keep_away(&a);
	play(READ_RING, &of_a, &of_b);
	assert_held(of_a);
	assert_int_equal(of_b, 0);
}

/* Pages are absent, and the thread is not held by them: it sleeps in a system call, or computes. */
static void what_is_not_proven_is_nobodys(void **state)
{
	unsigned int of_a, of_b;

	play(SLEEP, &of_a, &of_b);
	assert_int_equal(of_a + of_b, 0);
	play(SPIN, &of_a, &of_b);
	assert_int_equal(of_a + of_b, 0);
}

/* It computes as before, but the page that is absent is a huge one: that is what it computes on. */
static void a_huge_page_that_is_cleared_is_charged(void **state)
{
	unsigned int of_a, of_b;

	assert_int_equal(mem_arena_huge(b.arena, b.at, MEM_GRANULE, true), 0);
	play(SPIN, &of_a, &of_b);
	assert_true(of_b > 0);
	assert_int_equal(of_a, 0);
	/* And no other page of it is known any more. */
	assert_true(mem_touch_left(mem_arena_touch(b.arena)));
}

/* Pages that are cleared faster than the watchdog looks twice: it never finds the same one absent again. */
static void huge_pages_that_are_cleared_one_by_one_are_charged(void **state)
{
	unsigned int of_a, of_b;

	*(volatile uint8_t *)a.at = 1;
	assert_int_equal(mem_arena_huge(b.arena, b.at, MEM_GRANULE, true), 0);
	play(CLEAR_MANY, &of_a, &of_b);
	assert_true(of_b > 0);
	assert_int_equal(of_a, 0);
}

enum { NAP_MS = 1000 };

static void *be_held_before_and_after_a_nap(void *arg)
{
	struct virtq_conf from = ring_in(&a), to = ring_in(&b);

	watchdog_join();
	mem_note_open(MEM_NOTE_FROM, &from);
	mem_note_open(MEM_NOTE_TO, &to);
	*(volatile uint8_t *)b.at = 1;
	watchdog_asleep();
	usleep(NAP_MS * 1000);
	watchdog_awake();
	*(volatile uint8_t *)a.at = 1;
	watchdog_leave();
	return NULL;
}

/* Until the watchdog says so: for how long. */
static uint64_t await_charge(struct side *side)
{
	uint64_t end = clock_ns() + 100 * HELD_MS * NS_PER_MS, ns = 0;

	while (ns == 0 && clock_ns() < end) {
		usleep(1000);
		ns = mem_arena_take(side->arena);
	}
	give(side);
	assert_true(ns > 0);
	return ns;
}

/* A thread that sleeps meanwhile is held by nobody, though it was before, and is again in the same turn. */
static void a_nap_is_nobodys(void **state)
{
	pthread_t thread;
	uint64_t ns;

	keep_away(&a);
	keep_away(&b);
	assert_int_equal(pthread_create(&thread, NULL, be_held_before_and_after_a_nap, NULL), 0);
	await_charge(&b);
	ns = await_charge(&a);
	pthread_join(thread, NULL);
	ns += mem_arena_take(a.arena);
	print_message("charged after %u ms of sleep: %u ms\n", NAP_MS, (unsigned int)(ns / NS_PER_MS));
	assert_true(ns < NAP_MS / 2 * NS_PER_MS);
}

/* A thread that stays held is charged from look to look: one that comes after less than the mean shows that they keep no beat. */
static void looks_keep_no_beat(void **state)
{
	enum deed deed = COPY_TO;
	uint64_t end = clock_ns() + 100 * HELD_MS * NS_PER_MS, ns = 0, least = UINT64_MAX;
	pthread_t thread;

	keep_away(&b);
	assert_int_equal(pthread_create(&thread, NULL, act, &deed), 0);
	while (least > WATCHDOG_MS * NS_PER_MS * 7 / 8 && clock_ns() < end) {
		usleep(100);
		ns = mem_arena_take(b.arena);
		least = ns > 0 && ns < least ? ns : least;
	}
	give(&b);
	pthread_join(thread, NULL);
	print_message("the shortest: %u us\n", (unsigned int)(least / 1000));
	assert_true(least <= WATCHDOG_MS * NS_PER_MS * 7 / 8);
}

#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_page_of_the_destination_is_the_destinations),
		TEST_CASE(a_page_of_the_source_is_the_sources),
		TEST_CASE(what_is_read_comes_first),
		TEST_CASE(a_ring_is_memory_too),
		TEST_CASE(what_is_not_proven_is_nobodys),
		TEST_CASE(a_huge_page_that_is_cleared_is_charged),
		TEST_CASE(huge_pages_that_are_cleared_one_by_one_are_charged),
		TEST_CASE(a_nap_is_nobodys),
		TEST_CASE(looks_keep_no_beat),
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0) {
		print_message("no userfaultfd: %s\n", strerror(errno));
		return SKIP;
	}
	close(fd);
	return cmocka_run_group_tests_name("watchdog", cases, NULL, NULL);
}
