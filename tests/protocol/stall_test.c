/* SPDX-License-Identifier: BSD-3-Clause */
/* A front end whose memory or interrupts hold lcores: X3, X5. A sends to B, and B punches its file while frames are delivered
 * into it: B goes down with the reason, A stays up, and the victims lose nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MIB = 1 << 20,
	/* What is punched in one piece: the kernel takes some hundred milliseconds for that. */
	HOLE_MIB = 1024,
	/* And for this some dozen: as swap may take now and then. */
	SMALL_HOLE_MIB = 128,
	/* For how long in all its memory may hold lcores: h1's bound, and that of h2, which has the defaults. */
	BOUND_MS = 400,
	DEFAULT_BOUND_MS = 1500,
	LIMIT_S = 30,
	BUFFER = 2048,
	/* 60 000 waiters on an interrupt: a write takes some milliseconds. */
	SIDE = 245,
};
#define FILE_GPA (UINT64_C(1) << 40)

/* The front end that punches. */
struct puncher {
	int fd;
	uint64_t bytes;
	struct guest *g;
	atomic_bool done;
	uint16_t next;
	uint64_t at;
};

static void open_file(struct puncher *puncher, struct guest *g, unsigned int mib)
{
	*puncher = (struct puncher){.bytes = (uint64_t)mib * MIB, .g = g};
	puncher->fd = memfd_create("punched", MFD_CLOEXEC);
	assert_true(puncher->fd >= 0);
	assert_int_equal(ftruncate(puncher->fd, (off_t)puncher->bytes), 0);
}

/* Another page at the end of the file, which a punch reaches last. */
static void place_buffer(struct puncher *puncher, uint16_t slot)
{
	puncher->at = (puncher->at + 4096) % (puncher->bytes / 4);
	fg_ring_desc(puncher->g->nic.rx, slot, FILE_GPA + puncher->bytes - 4096 - puncher->at, BUFFER, FG_DESC_WRITE, 0);
}

static void give_buffers(struct puncher *puncher)
{
	struct fg_ring *ring = puncher->g->nic.rx;
	uint16_t used = fg_ring_used_idx(ring);

	while ((uint16_t)(puncher->next - used) < ring->num) {
		uint16_t slot = puncher->next % ring->num;

		place_buffer(puncher, slot);
		ring->avail->ring[slot] = slot;
		puncher->next++;
	}
	__atomic_store_n(&ring->avail->idx, puncher->next, __ATOMIC_RELEASE);
}

static void *punch(void *arg)
{
	struct puncher *puncher = arg;

	fallocate(puncher->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)puncher->bytes);
	atomic_store(&puncher->done, true);
	return NULL;
}

static void make_frame(uint8_t *frame, const struct guest *from, const struct guest *to)
{
	memset(frame, 0, 64);
	memcpy(frame, to->nic.mac, 6);
	memcpy(frame + 6, from->nic.mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

/* One punch, while `a` sends. */
static void punch_once(struct puncher *puncher, struct guest *a)
{
	uint8_t frame[64];
	pthread_t thread;

	assert_int_equal(fallocate(puncher->fd, 0, 0, (off_t)puncher->bytes), 0);
	make_frame(frame, a, puncher->g);
	atomic_store(&puncher->done, false);
	assert_int_equal(pthread_create(&thread, NULL, punch, puncher), 0);
	while (!atomic_load(&puncher->done)) {
		give_buffers(puncher);
		if (fg_nic_room(&a->nic, 2))
			fg_nic_send(&a->nic, frame, 60, NULL);
		fg_nic_reap(&a->nic);
		fg_sleep_us(500);
	}
	pthread_join(thread, NULL);
}

/* A on h0, and B on `port` whose second region is a file of its own; the switch knows B's address. */
static struct guest *begin(struct puncher *puncher, const char *port, unsigned int mib)
{
	struct guest *a = guest_open("h0", NULL), *b = guest_open(port, NULL);
	uint8_t frame[64], got[BUFFER];
	int slot;

	open_file(puncher, b, mib);
	slot = fg_memory_add_file(&b->mem, FILE_GPA, puncher->bytes, puncher->fd, 0);
	assert_true(slot > 0);
	guest_start(a, NULL);
	guest_start(b, &(struct fg_nic_options){.region = -1});
	make_frame(frame, b, a);
	OK(fg_nic_send(&b->nic, frame, 60, NULL));
	assert_true(fg_nic_recv(&a->nic, got, sizeof(got), FG_WAIT_MS) > 0);
	puncher->next = b->nic.rx->avail->idx;
	for (uint16_t slot = 0; slot < b->nic.rx->num; slot++)
		place_buffer(puncher, slot);
	return a;
}

static int64_t number_of(const char *port, const char *key)
{
	return fg_counter(&fixture.sw, port, key);
}

static bool is_connected(const char *port)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	bool connected = json_is_true(json_object_get(json_object_get(answer, "port"), "connected"));

	json_decref(answer);
	return connected;
}

/* Until it is down, or the limit is over. */
static unsigned int punch_until_down(struct puncher *puncher, struct guest *a)
{
	uint64_t until = fg_now_us() + LIMIT_S * UINT64_C(1000000);
	unsigned int punches = 0;

	while (is_connected(puncher->g->port) && fg_now_us() < until) {
		punch_once(puncher, a);
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
	struct guest *a = begin(&puncher, port, mib);
	unsigned int punches = punch_until_down(&puncher, a);

	print_message("%u punches of %u MiB, waited %lld ms of %lld, longest round of an lcore %.0f ms\n", punches, mib,
		      (long long)number_of(port, "memory_wait_ms"), (long long)bound_ms,
		      fg_longest_round_us(&fixture.sw, false) / 1e3);
	if (is_connected(port))
		fail_msg("after %u punches of %u MiB %s is still connected; the longest round of an lcore took %.0f ms", punches,
			 mib, port, fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_last_error(port, "its memory kept an lcore waiting");
	assert_true(is_connected("h0"));
	assert_int_equal(number_of("h0", "memory_wait_ms"), 0);
	assert_true(number_of(port, "memory_wait_ms") >= bound_ms);
	close(puncher.fd);
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
		struct guest *a = begin(&puncher, "h1", 2 * SMALL_HOLE_MIB);
		int64_t before = number_of("h1", "sent_down");

		punch_until_down(&puncher, a);
		assert_int_equal(number_of("h1", "sent_down"), before + 1);
		rest[i] = wait_until_let_in_ms();
		close(puncher.fd);
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
	struct guest *a = begin(&puncher, "h2", SMALL_HOLE_MIB);
	unsigned int punches = 0;

	while (number_of("h2", "memory_wait_ms") == 0 && punches++ < PUNCHES_MAX)
		punch_once(&puncher, a);
	print_message("%u punches of %d MiB: waited %lld ms, longest round of an lcore %.0f ms\n", punches, SMALL_HOLE_MIB,
		      (long long)number_of("h2", "memory_wait_ms"), fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_true(number_of("h2", "memory_wait_ms") > 0);
	assert_true(number_of("h2", "memory_wait_ms") < DEFAULT_BOUND_MS);
	assert_int_equal(number_of("h2", "sent_down"), 0);
	assert_true(is_connected("h2"));
	close(puncher.fd);
}

/* --- interrupts -------------------------------------------------------------------------------------------------- */

/* Descriptors that wait for one: SIDE sets with SIDE duplicates of it each. */
static int sets[SIDE], dups[SIDE];

static void wait_for_it(int fd)
{
	for (int i = 0; i < SIDE; i++) {
		dups[i] = dup(fd);
		assert_true(dups[i] >= 0);
	}
	for (int i = 0; i < SIDE; i++) {
		sets[i] = epoll_create1(EPOLL_CLOEXEC);
		assert_true(sets[i] >= 0);
		for (int j = 0; j < SIDE; j++)
			OK(epoll_ctl(sets[i], EPOLL_CTL_ADD, dups[j], &(struct epoll_event){.events = EPOLLIN | EPOLLET}));
	}
}

static void wait_no_more(void)
{
	for (int i = 0; i < SIDE; i++) {
		close(sets[i]);
		close(dups[i]);
	}
}

static void whose_interrupts_take_long_goes_down(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	uint64_t until = fg_now_us() + LIMIT_S * UINT64_C(1000000);
	uint8_t frame[64], got[BUFFER];

	make_frame(frame, b, a);
	OK(fg_nic_send(&b->nic, frame, 60, NULL));
	assert_true(fg_nic_recv(&a->nic, got, sizeof(got), FG_WAIT_MS) > 0);
	wait_for_it(b->nic.rx->call);
	make_frame(frame, a, b);
	while (is_connected("h1") && fg_now_us() < until) {
		if (fg_nic_room(&a->nic, 2))
			fg_nic_send(&a->nic, frame, 60, NULL);
		fg_nic_reap(&a->nic);
		while (fg_nic_recv(&b->nic, got, sizeof(got), 0) > 0)
			;
	}
	wait_no_more();
	print_message("%d waiters took %lld ms\n", SIDE * SIDE, (long long)number_of("h1", "interrupt_wait_ms"));
	if (is_connected("h1"))
		fail_msg("with %d waiters h1 is still connected after %d s; the longest round of an lcore took %.1f ms",
			 SIDE * SIDE, LIMIT_S, fg_longest_round_us(&fixture.sw, false) / 1e3);
	assert_last_error("h1", "in interrupts within");
	assert_true(is_connected("h0"));
	assert_int_equal(number_of("h0", "interrupt_wait_ms"), 0);
	wait_until_let_in_ms();
}

int main(void)
{
	static const char *const ports[] = {
		"v0", "v1", "h0",
		"h1,memory-wait=400,memory-wait-rate=200,interrupt-wait=100,interrupt-wait-rate=20", "h2",
		NULL,
	};
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_guest_on_slow_memory_stays_up),
		TEST_CASE(it_comes_back_and_its_rest_doubles),
		TEST_CASE(whose_memory_holds_lcores_goes_down),
		TEST_CASE(whose_interrupts_take_long_goes_down),
		TEST_CASE(whose_memory_holds_lcores_goes_down_by_default),
	};

	fixture.with_victims = true;
	return fixture_main_on(&(struct fg_switch_options){.ports = ports}, "stall", cases, sizeof(cases) / sizeof(cases[0]));
}
