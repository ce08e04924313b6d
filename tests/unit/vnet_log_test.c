/* SPDX-License-Identifier: BSD-3-Clause */
/* What a burst writes into guest memory while a migration is under way is in the dirty log (V16): every page that is not
 * as it was before, and nothing beyond the log. The oracle is the memory itself, before and after.
 *
 * Used entries that were tried out and taken back may stay behind unmarked beyond the used index, where no driver reads
 * and the next entry is marked when it is written: the oracle leaves them out.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cases.h"
#include "mem_log.h"
#include "rig.h"
#include "vnet.h"

#define PLAIN (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC))
#define MERGEABLE (PLAIN | F(VIRTIO_NET_F_MRG_RXBUF))
#define EVENTS (MERGEABLE | F(VIRTIO_RING_F_EVENT_IDX))

enum { PAGE = 4096, LONGEST = 9100, BASE = 65530 };
#define FIRST (RIG_GPA / PAGE)
#define PAGES ((RIG_END - RIG_GPA) / PAGE)

static uint8_t bytes[LONGEST];
/* A log begins at guest address 0, and the rig's memory lies far up: 4 GiB of log, of which only the part from `words` on is
 * ever touched. */
enum { WORDS = PAGES / 64 + 3 };
#define LOG_BYTES ((RIG_END / PAGE / 64 + 2) * 8)
static uint64_t *log_memory, *words;
static struct mem_log dirty;

static void log_publish(uint64_t pages)
{
	role_assert_control();
	memset(words, 0, WORDS * 8);
	dirty = (struct mem_log){.words = log_memory, .pages = pages};
	rcu_set(&rig.table.log, &dirty);
}

static bool marked(uint64_t page)
{
	/* Byte by byte: the order of bits in the log is no matter of this machine's words. */
	const uint8_t *at = (const uint8_t *)dirty.words;

	return at[page / 8] >> page % 8 & 1;
}

static uint32_t pages_marked(void)
{
	uint32_t n = 0;

	for (size_t i = 0; i < WORDS; i++)
		n += (uint32_t)__builtin_popcountll(words[i]);
	return n;
}

static bool page_changed(uint64_t page)
{
	uint64_t gpa = page * PAGE;

	return memcmp(rig_at(&rig, gpa), rig.image + (gpa - RIG_GPA), PAGE) != 0;
}

/* Every page that changed is marked; the number of pages that changed. */
static uint32_t check_log(void)
{
	uint32_t n = 0;

	assert_int_equal(RIG_GPA % PAGE, 0);
	for (uint64_t page = FIRST; page < FIRST + PAGES; page++) {
		if (!page_changed(page))
			continue;
		n++;
		if (!marked(page))
			fail_msg("page %#lx was written and is not marked", (unsigned long)page);
	}
	return n;
}

static struct ring *logged_ring(uint16_t size, uint64_t features, bool log_used)
{
	static struct ring ring;

	role_assert_control();
	rig_reset(&rig);
	memset(&counters, 0, sizeof(counters));
	/* Not where a page begins. */
	rig_alloc(&rig, 48 + dice(5000), 1);
	ring_open(&ring, &rig, size, features, BASE);
	ring.conf->log_used = log_used;
	ring.conf->used_gpa = ring.used;
	log_publish(LOG_BYTES * 8);
	return &ring;
}

static void deliver(struct ring *ring, uint32_t len)
{
	struct frame frame = {.head = bytes, .len = len};
	struct mem_span body = {.at = bytes + 64, .len = len - 64};
	struct frame *one = &frame;

	role_assert_lcore();
	pattern_fill(bytes, len, len);
	frame.head_len = 64;
	frame.body = &body;
	frame.body_spans = 1;
	vnet_deliver(&ring->q, &one, 1, LONGEST, &counters);
}

/* A buffer of `len` bytes in pieces, each in another place, some across the seam of two regions. */
static void offer_buffer(struct ring *ring, uint32_t len, enum chain_form form)
{
	struct piece piece[6];
	uint32_t n = 0;

	do {
		uint32_t part = n == 5 || dice(3) == 0 ? len : 1 + dice(len);

		piece[n].gpa = dice(4) == 0 ? RIG_SEAM - dice(part + 1)
					    : RIG_SEAM + 16384 + dice(RIG_SIZE - 16384 - LONGEST);
		piece[n++].len = part;
		len -= part;
	} while (len > 0);
	ring_offer(ring, ring_chain(ring, piece, n, true, form));
}

/* --- delivery ---------------------------------------------------------------------------------------------------- */

static void every_written_page_is_marked(void **state)
{
	static const uint64_t features[] = {PLAIN, MERGEABLE, EVENTS};
	uint32_t most = 0, crossed = 0;

	dice_seed(11);
	for (int round = 0; round < 3000; round++) {
		uint64_t with = features[round % 3];
		struct ring *ring = logged_ring(256, with, true);
		uint32_t len = 65 + dice(dice(3) == 0 ? 9000 : 1450), n;

		if (with == PLAIN)
			offer_buffer(ring, 12 + len + dice(100), (enum chain_form)dice(CHAIN_MIXED));
		for (int i = 0; with != PLAIN && i < 8; i++)
			offer_buffer(ring, 1200 + dice(1000), (enum chain_form)dice(CHAIN_MIXED));
		ring_show(ring);
		rig_snapshot(&rig);
		deliver(ring, len);
		assert_int_equal(counted(&counters.tx_ok), 1);
		n = check_log();
		assert_true(n > 0);
		most = n > most ? n : most;
		crossed += marked(RIG_SEAM / PAGE) && marked(RIG_SEAM / PAGE - 1);
		ring_close(ring);
	}
	assert_true(most > 8 && crossed > 100);
}

/* Only what was written, or the migration would never end: a frame marks no more than the pages it lies on, the used
 * ring's ends and the entry. */
static void nothing_else_is_marked(void **state)
{
	dice_seed(12);
	for (int round = 0; round < 500; round++) {
		struct ring *ring = logged_ring(256, MERGEABLE, true);
		struct piece one = {RIG_SEAM + (uint64_t)dice(50) * PAGE + dice(PAGE), 12 + LONGEST};
		uint32_t len = 65 + dice(1450);
		uint64_t last = (one.gpa + 12 + len - 1) / PAGE, used = ring->used;

		ring_offer(ring, ring_chain(ring, &one, 1, true, CHAIN_DIRECT));
		ring_show(ring);
		rig_snapshot(&rig);
		deliver(ring, len);
		check_log();
		for (uint64_t page = FIRST; page < FIRST + PAGES; page++) {
			bool frame = page >= one.gpa / PAGE && page <= last;
			bool around = page >= used / PAGE && page <= (used + 6 + 8 * 256) / PAGE;

			assert_true(!marked(page) || frame || around);
		}
		ring_close(ring);
	}
}

/* A burst around the end of the used ring, entries at its end and its beginning. */
static void used_ring_comes_around(void **state)
{
	dice_seed(13);
	for (int round = 0; round < 200; round++) {
		/* 1024 entries: three pages, so that a part that is forgotten is seen. */
		struct ring *ring = logged_ring(1024, round % 2 == 0 ? MERGEABLE : EVENTS, true);
		struct frame frame = {.head = bytes, .head_len = 60, .len = 60}, *frames[32];
		uint16_t begin = (uint16_t)(1024 * 3 - dice(32));

		role_assert_control();
		ring_restart(ring, begin);
		for (int i = 0; i < 32; i++) {
			frames[i] = &frame;
			offer_buffer(ring, 200, CHAIN_DIRECT);
		}
		ring_show(ring);
		rig_snapshot(&rig);
		role_assert_lcore();
		vnet_deliver(&ring->q, frames, 32, LONGEST, &counters);
		assert_int_equal(counted(&counters.tx_ok), 32);
		check_log();
		ring_close(ring);
	}
}

/* Without VHOST_VRING_F_LOG the frames are marked and the used ring is not; it is marked where it is said to be. */
static void used_ring_only_with_its_flag(void **state)
{
	dice_seed(14);
	for (int flag = 0; flag < 2; flag++) {
		struct ring *ring = logged_ring(64, MERGEABLE, flag != 0);
		struct piece one = {RIG_SEAM + 5 * PAGE, PAGE};

		ring->conf->used_gpa = RIG_SEAM + 20 * PAGE;
		ring_offer(ring, ring_chain(ring, &one, 1, true, CHAIN_DIRECT));
		ring_show(ring);
		deliver(ring, 100);
		assert_true(marked(RIG_SEAM / PAGE + 5));
		assert_int_equal(marked(RIG_SEAM / PAGE + 20), flag != 0);
		assert_int_equal(pages_marked(), 1 + flag);
		ring_close(ring);
	}
}

/* --- the other direction ----------------------------------------------------------------------------------------- */

static void what_a_guest_sends_marks_the_used_ring(void **state)
{

	dice_seed(15);
	for (int round = 0; round < 300; round++) {
		struct ring *ring = logged_ring(256, round % 2 == 0 ? PLAIN : EVENTS, true);
		struct piece one = {RIG_SEAM + PAGE, 200};

		memset(rig_at(&rig, one.gpa), 0, 20 * one.len);
		for (int i = 0; i < 20; i++, one.gpa += one.len)
			ring_offer(ring, ring_chain(ring, &one, 1, false, (enum chain_form)dice(2)));
		ring_show(ring);
		rig_snapshot(&rig);
		role_assert_lcore();
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 20);
		vnet_complete(&ring->q, &burst);
		assert_int_equal(ring_used_index(ring), (uint16_t)(BASE + 20));
		assert_true(check_log() > 0);
		assert_false(marked(one.gpa / PAGE));
		ring_close(ring);
	}
}

/* Before it sleeps a device asks for kicks: the flag at the beginning of the used ring, or the index at its end. */
static void asking_for_kicks_is_marked(void **state)
{
	dice_seed(16);
	for (int round = 0; round < 100; round++) {
		/* 1024 entries: flags and avail_event are pages apart. */
		struct ring *ring = logged_ring(1024, round % 2 == 0 ? PLAIN : EVENTS, true);

		role_assert_lcore();
		rig_snapshot(&rig);
		/* The first look at a ring says that kicks are not needed. */
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 0);
		assert_int_equal(check_log(), !ring->conf->event_idx);
		ring->q.dp.last_avail++;
		vnet_arm(&ring->q);
		assert_int_equal(check_log(), ring->conf->event_idx);
		role_assert_control();
		log_publish(LOG_BYTES * 8);
		rig_snapshot(&rig);
		role_assert_lcore();
		vnet_disarm(&ring->q);
		check_log();
		ring_close(ring);
	}
}

/* --- the log's end ----------------------------------------------------------------------------------------------- */

/* M8, V16: a log that is too short for the memory is not written beyond its end. */
static void nothing_beyond_the_log(void **state)
{
	dice_seed(17);
	for (uint64_t pages = FIRST; pages < FIRST + PAGES; pages += 1 + dice(40)) {
		struct ring *ring = logged_ring(256, MERGEABLE, true);

		role_assert_control();
		log_publish(pages);
		for (int i = 0; i < 10; i++)
			offer_buffer(ring, 1000, CHAIN_INDIRECT);
		ring_show(ring);
		rig_snapshot(&rig);
		deliver(ring, 9000);
		assert_int_equal(counted(&counters.tx_ok), 1);
		for (uint64_t page = FIRST; page < FIRST + PAGES; page++)
			assert_true(page < pages ? marked(page) || !page_changed(page)
						 : !marked(page));
		assert_int_equal(words[0], 0);
		ring_close(ring);
	}
	mem_log_mark(&dirty, UINT64_MAX - 100, 200);
	mem_log_mark(&dirty, UINT64_MAX, 1);
	mem_log_mark(&dirty, RIG_GPA, 0);
}

static void without_a_log_nothing_is_marked(void **state)
{
	struct ring *ring = logged_ring(256, MERGEABLE, true);

	role_assert_control();
	rcu_set(&rig.table.log, NULL);
	offer_buffer(ring, 4000, CHAIN_DIRECT);
	ring_show(ring);
	deliver(ring, 1000);
	assert_int_equal(counted(&counters.tx_ok), 1);
	assert_int_equal(pages_marked(), 0);
	ring_close(ring);
}

/* Bits that others set, other devices of the VM among them, stay. */
static void others_bits_stay(void **state)
{
	log_publish(LOG_BYTES * 8);
	for (uint64_t page = FIRST; page < FIRST + 128; page += 3)
		mem_log_mark(&dirty, page * PAGE + 17, 1);
	mem_log_mark(&dirty, (FIRST + 64) * PAGE - 1, 2);
	for (uint64_t page = FIRST; page < FIRST + 128; page++)
		assert_int_equal(marked(page),
				 (page - FIRST) % 3 == 0 || page == FIRST + 63 || page == FIRST + 64);
}

static int open_rig(void **state)
{
	rig_open(&rig);
	log_memory = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(log_memory != MAP_FAILED);
	words = log_memory + FIRST / 64 - 1;
	return 0;
}

static int close_rig(void **state)
{
	rig_close(&rig);
	munmap(log_memory, LOG_BYTES);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_written_page_is_marked),
		cmocka_unit_test(nothing_else_is_marked),
		cmocka_unit_test(used_ring_comes_around),
		cmocka_unit_test(used_ring_only_with_its_flag),
		cmocka_unit_test(what_a_guest_sends_marks_the_used_ring),
		cmocka_unit_test(asking_for_kicks_is_marked),
		cmocka_unit_test(nothing_beyond_the_log),
		cmocka_unit_test(without_a_log_nothing_is_marked),
		cmocka_unit_test(others_bits_stay),
	};

	return cmocka_run_group_tests_name("vnet_log", tests, open_rig, close_rig);
}
