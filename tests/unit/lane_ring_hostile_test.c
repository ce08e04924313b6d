/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring of frames between two processes: whole frames in their order whatever their length and wherever the ring ends,
 * and an other end that writes what it likes: nothing is touched outside the ring, and it is found out. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "burst.h"
#include "cases.h"
#include "fg_packet.h"
#include "frame_head.h"
#include "frame_offload.h"
#include "lane_ring.h"

enum { SEEDS = 251 };

static struct lane_shared_ring *ring;
static struct lane_producer producer;
static struct lane_consumer consumer;
static struct burst *burst;
static uint8_t text[FRAME_LEN_MAX + SEEDS], flat[FRAME_LEN_MAX];

/* On the heap, where a sanitizer guards both ends of it. */
static int begin(void **state)
{
	ring = aligned_alloc(64, sizeof(*ring));
	burst = burst_new();
	memset(ring, 0, sizeof(*ring));
	producer = (struct lane_producer){.ring = ring};
	consumer = (struct lane_consumer){.ring = ring};
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 31 + i / SEEDS);
	return 0;
}

static int end(void **state)
{
	free(ring);
	free(burst);
	return 0;
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* The frame number `seed`: its bytes begin there in the text; its body in two spans of the guest's. */
static bool send_one(uint32_t seed, uint32_t len)
{
	const uint8_t *at = text + seed % SEEDS;
	uint32_t head = len < FRAME_HEAD ? len : FRAME_HEAD, half = (len - head) / 2;
	const struct mem_span body[] = {
		{.at = (uint8_t *)(uintptr_t)at + head, .len = half},
		{.at = (uint8_t *)(uintptr_t)at + head + half, .len = len - head - half},
	};
	struct frame frame = {
		.head = (uint8_t *)(uintptr_t)at,
		.len = len,
		.head_len = (uint16_t)head,
		.body = body,
		.body_spans = len > head ? 2 : 0,
	};
	struct frame *frames[] = {&frame};

	return lane_send(&producer, frames, 1) == 1;
}

/* Reads every byte a deliverer would. */
static void flatten(const struct frame *frame)
{
	assert_true(frame->len <= FRAME_LEN_MAX);
	frame_copy(frame, flat);
}

static void check(const struct frame *frame, uint32_t seed, uint32_t len)
{
	assert_int_equal(frame->len, len);
	assert_int_equal(frame->head_len, len < FRAME_HEAD ? len : FRAME_HEAD);
	assert_null(frame->mbuf);
	assert_false(frame_needs_offload(frame));
	flatten(frame);
	assert_memory_equal(flat, text + seed % SEEDS, len);
}

/* Both ends as if `bytes` had gone through. */
static void ring_at(uint64_t bytes)
{
	producer.head = consumer.tail = consumer.next = bytes;
	atomic_store(&ring->head, bytes);
	atomic_store(&ring->tail, bytes);
}

/* --- the ordinary ------------------------------------------------------------------------------------------------ */

static void every_length_at_every_place(void **state)
{
	static const uint32_t lens[] = {14, 15, 39, 40, 41, 103, 104, 105, FRAME_HEAD - 1, FRAME_HEAD,
					FRAME_HEAD + 1, 159, 160, 1514, 9014, FRAME_LEN_MAX};

	for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (uint32_t before = 0; before <= 320; before += LANE_RECORD_ALIGN) {
			ring_at(5 * (uint64_t)LANE_RING_BYTES - before);
			assert_true(send_one(i, lens[i]));
			assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 1);
			check(&burst->frame[0], i, lens[i]);
			assert_false(lane_empty(&consumer));
			lane_done(&consumer);
			assert_true(lane_empty(&consumer));
			assert_int_equal(lane_room(&producer), LANE_RING_BYTES);
		}
	assert_false(consumer.broken);
}

static void a_full_ring_takes_no_more(void **state)
{
	uint32_t sent = 0, got = 0;

	ring_at(LANE_RING_BYTES - 96);
	while (send_one(sent, 1000 + sent % 1000))
		sent++;
	assert_true(lane_room(&producer) < lane_record_bytes(1000 + sent % 1000));
	assert_int_equal(producer.frames, sent);
	while (lane_receive(&consumer, burst, BURST_MAX) > 0) {
		for (uint16_t i = 0; i < burst->n; i++, got++)
			check(&burst->frame[i], got, 1000 + got % 1000);
		/* What was received but not given back is not overwritten. */
		assert_true(lane_room(&producer) < LANE_RING_BYTES);
		lane_done(&consumer);
	}
	assert_int_equal(got, sent);
	assert_int_equal(lane_room(&producer), LANE_RING_BYTES);
}

/* To the last byte. */
static void a_ring_can_be_full_to_the_brim(void **state)
{
	for (unsigned int i = 0; i < LANE_RING_BYTES / 1024; i++)
		assert_true(send_one(i, 1000));
	assert_int_equal(lane_room(&producer), 0);
	assert_false(send_one(0, 14));
	for (unsigned int i = 0; i < LANE_RING_BYTES / 1024; i++) {
		if (i % BURST_MAX == 0)
			assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), BURST_MAX);
		check(&burst->frame[i % BURST_MAX], i, 1000);
	}
	assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 0);
	lane_done(&consumer);
	assert_false(consumer.broken);
}

/* Of each burst only a part is received, or nothing: every frame comes once, in order, and none is overwritten before. */
static void what_is_kept_comes_again(void **state)
{
	uint32_t sent = 0, got = 0;

	ring_at(LANE_RING_BYTES - 96);
	for (unsigned int i = 0; i < 2000; i++) {
		uint16_t n, part = (uint16_t)(i % 5 == 0 ? 0 : i % 37);

		while (send_one(sent, 60 + sent % 5000))
			sent++;
		n = lane_receive(&consumer, burst, BURST_MAX);
		part = part < n ? part : n;
		lane_keep(&consumer, burst, part);
		assert_int_equal(burst->n, part);
		for (uint16_t k = 0; k < part; k++, got++)
			check(&burst->frame[k], got, 60 + got % 5000);
		if (part > 0)
			lane_done(&consumer);
	}
	assert_true(got > 10000);
	while (lane_receive(&consumer, burst, BURST_MAX) > 0) {
		got += burst->n;
		lane_done(&consumer);
	}
	assert_int_equal(got, sent);
	assert_int_equal(lane_room(&producer), LANE_RING_BYTES);
	assert_false(consumer.broken);
}

static void a_burst_ends_at_its_bounds(void **state)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < BURST_MAX + 1; i++)
		assert_true(send_one(i, 60));
	assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), BURST_MAX);
	lane_done(&consumer);
	assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 1);
	check(&burst->frame[0], BURST_MAX, 60);
	lane_done(&consumer);
	/* A consumer may want fewer. */
	for (uint32_t i = 0; i < 4; i++)
		assert_true(send_one(i, 60));
	assert_int_equal(lane_receive(&consumer, burst, 1), 1);
	assert_int_equal(lane_receive(&consumer, burst, 3), 3);
	check(&burst->frame[0], 1, 60);
	lane_done(&consumer);
	/* One lane of the longest frames does not make the other queues of its lcore wait (V14). */
	for (uint32_t i = 0; i < 15; i++)
		assert_true(send_one(i, FRAME_LEN_MAX));
	lane_receive(&consumer, burst, BURST_MAX);
	for (uint16_t i = 0; i < burst->n; i++)
		bytes += lane_record_bytes(burst->frame[i].len);
	assert_in_range(bytes, BURST_BYTES, BURST_BYTES + lane_record_bytes(FRAME_LEN_MAX));
	assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 15 - burst->n > burst->n ? burst->n : 15 - burst->n);
}

static void a_sleeper_is_woken_once(void **state)
{
	assert_false(lane_wants_wake(&producer));
	assert_false(lane_arm(&consumer));
	assert_true(send_one(1, 60));
	assert_true(lane_wants_wake(&producer));
	assert_false(lane_wants_wake(&producer));
	assert_true(lane_arm(&consumer)); /* do not sleep: there is something */
	lane_disarm(&consumer);
	assert_false(lane_wants_wake(&producer));
}

/* --- a hostile producer ------------------------------------------------------------------------------------------ */

static void put_record(uint64_t position, uint32_t len)
{
	const struct lane_record record = {.len = len, .offload.flags = 0xfe};

	memcpy(&ring->data[position % LANE_RING_BYTES], &record, sizeof(record));
}

/* The consumer takes nothing, says so, and goes on taking nothing when the other end repents. */
static void found_out(void)
{
	assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 0);
	assert_true(consumer.broken);
	lane_done(&consumer);
	ring_at(consumer.next);
	assert_true(send_one(1, 60));
	assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 0);
	assert_true(lane_empty(&consumer));
	assert_false(lane_arm(&consumer));
	consumer.broken = false;
}

static void heads_that_cannot_be(void **state)
{
	const uint64_t here = 3 * (uint64_t)LANE_RING_BYTES + 64;
	const uint64_t heads[] = {
		here + LANE_RING_BYTES + 1,    here + LANE_RING_BYTES + 32, here - 1, here - 32, 0, UINT64_MAX,
		here + (UINT64_C(1) << 63), here - LANE_RING_BYTES,
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		ring_at(here);
		put_record(here, 60);
		atomic_store(&ring->head, heads[i]);
		found_out();
	}
}

static void lengths_that_cannot_be(void **state)
{
	static const uint32_t lens[] = {0, 1, 13, FRAME_LEN_MAX + 1, LANE_RING_BYTES, INT32_MAX,
					UINT32_MAX - 24, UINT32_MAX - 54, UINT32_MAX};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (uint64_t before = 0; before <= 96; before += LANE_RECORD_ALIGN) {
			ring_at(2 * (uint64_t)LANE_RING_BYTES - before);
			put_record(consumer.next, lens[i]);
			atomic_store(&ring->head, consumer.next + LANE_RING_BYTES);
			found_out();
		}
}

/* O1 to O4: what is left to be done goes through as it is, and only if it fits the frame. */
static void what_is_asked_is_checked(void **state)
{
	static const uint8_t mac[6] = {2};
	static uint8_t bytes[70000];
	const struct fg_packet packet = {.payload = 60000, .gso_size = 1448, .tcp_more = 12};
	const struct mem_span body = {bytes + FRAME_HEAD, 60000 + 66 - FRAME_HEAD};
	struct frame frame = {.head = bytes, .head_len = FRAME_HEAD, .body = &body, .body_spans = 1};
	struct frame *one = &frame;
	struct fg_vnet header;

	frame.len = fg_packet_build(&packet, mac, mac, bytes, &header);
	for (int spoil = 0; spoil < 5; spoil++) {
		ring_at((uint64_t)LANE_RING_BYTES);
		memcpy(&frame.offload, &header, sizeof(header));
		frame.offload.csum_start += spoil == 1;
		frame.offload.gso_size *= spoil != 2;
		frame.offload.gso_type += spoil == 3;
		frame.offload.flags *= spoil != 4;
		assert_int_equal(lane_send(&producer, &one, 1), 1);
		if (spoil > 0) {
			found_out();
			continue;
		}
		assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 1);
		assert_memory_equal(&burst->frame[0].offload, &header, sizeof(header));
		lane_done(&consumer);
	}
}

/* What came before it is still taken. */
static void a_record_longer_than_what_is_there(void **state)
{
	for (uint64_t there = 1; there < lane_record_bytes(1514); there += 13) {
		ring_at(2 * (uint64_t)LANE_RING_BYTES - 512);
		assert_true(send_one(7, 60));
		put_record(producer.head, 1514);
		atomic_store(&ring->head, producer.head + there);
		assert_int_equal(lane_receive(&consumer, burst, BURST_MAX), 1);
		check(&burst->frame[0], 7, 60);
		assert_true(consumer.broken);
		consumer.broken = false;
	}
}

/* Everything at random, the heads within reason, so that records are looked at. */
static void records_at_random(void **state)
{
	unsigned int taken = 0, broken = 0;

	srand(4711);
	for (unsigned int round = 0; round < 3000; round++) {
		ring_at((uint64_t)rand() / LANE_RECORD_ALIGN * LANE_RECORD_ALIGN);
		for (unsigned int i = 0; i < 64; i++)
			put_record(consumer.next + i * LANE_RECORD_ALIGN,
				   (uint32_t)rand() % (round % 2 == 0 ? 200 : FRAME_LEN_MAX + 5000));
		atomic_store(&ring->head, consumer.next + (uint64_t)rand() % (LANE_RING_BYTES + 64));
		lane_receive(&consumer, burst, BURST_MAX);
		for (uint16_t i = 0; i < burst->n; i++)
			flatten(&burst->frame[i]);
		taken += burst->n;
		broken += consumer.broken;
		consumer.broken = false;
	}
	assert_true(taken > 100);
	assert_true(broken > 100);
}

/* --- a hostile consumer ------------------------------------------------------------------------------------------ */

static void tails_that_cannot_be(void **state)
{
	static const uint64_t wild[] = {1, LANE_RING_BYTES, UINT64_MAX / 2};

	ring_at(4 * (uint64_t)LANE_RING_BYTES);
	assert_true(send_one(1, 1000));
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		/* more given back than was ever sent; and a tail from before the ring's last round */
		atomic_store(&ring->tail, producer.head + wild[i]);
		assert_int_equal(lane_room(&producer), 0);
		assert_false(send_one(1, 14));
		atomic_store(&ring->tail, producer.head - LANE_RING_BYTES - wild[i]);
		assert_int_equal(lane_room(&producer), 0);
		assert_false(send_one(1, 14));
	}
}

/* One that gives back what it likes spoils its own frames, and the producer stays within the ring. */
static void tails_at_random(void **state)
{
	unsigned int sent = 0;

	srand(815);
	ring_at(7 * (uint64_t)LANE_RING_BYTES - 4096);
	for (unsigned int i = 0; i < 20000; i++) {
		atomic_store(&ring->tail, producer.head - (uint64_t)rand() % (LANE_RING_BYTES + 4096));
		sent += send_one(i, 14 + (uint32_t)rand() % (i % 16 == 0 ? FRAME_LEN_MAX - 14 : 1500));
		assert_true(lane_room(&producer) <= LANE_RING_BYTES);
	}
	assert_true(sent > 1000);
}

/* --- rewritten while it is read ---------------------------------------------------------------------------------- */

static atomic_bool enough;

static void *scribble(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; !atomic_load_explicit(&enough, memory_order_relaxed); i++) {
		_Atomic uint32_t *len = (void *)&ring->data[i / 2 % 64 * lane_record_bytes(40)];

		atomic_store_explicit(len, i % 2 == 1 ? 40 : i * UINT32_C(2654435761) >> i % 16,
				      memory_order_relaxed);
		if (i % 1024 == 0)
			atomic_store_explicit(&ring->head, (uint64_t)i * 3, memory_order_relaxed);
		atomic_store_explicit(&ring->head, LANE_RING_BYTES, memory_order_relaxed);
	}
	return NULL;
}

static void rewritten_while_it_is_read(void **state)
{
	const time_t until = time(NULL) + 20;
	unsigned int taken = 0, broken = 0;
	pthread_t thread;

	atomic_store(&enough, false);
	assert_int_equal(pthread_create(&thread, NULL, scribble, NULL), 0);
	while ((broken < 1000 || taken < 1000) && time(NULL) < until) {
		consumer = (struct lane_consumer){.ring = ring};
		lane_receive(&consumer, burst, BURST_MAX);
		for (uint16_t i = 0; i < burst->n; i++) {
			assert_in_range(burst->frame[i].len, FRAME_LEN_MIN, FRAME_LEN_MAX);
			flatten(&burst->frame[i]);
		}
		taken += burst->n;
		broken += consumer.broken;
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	assert_true(taken > 0);
	assert_true(broken > 0);
}

/* What a guest may send is more than a consumer takes once the frame has a tag of ours: it is not sent, and no ring breaks. */
static void a_tag_of_ours_breaks_no_ring(void **state)
{
	/* Headers of 126 bytes, which are longer than a head with a tag more; and two tags, which are three with it. */
	static const struct fg_packet packets[] = {
		{.payload = 9000, .gso_size = 1000},
		{.payload = 9000, .gso_size = 1000, .vlans = 1, .ipv6 = true, .ip_more = 48},
		{.payload = 9000, .gso_size = 1000, .ip_more = 40, .tcp_more = 32},
		{.payload = 9000, .gso_size = 1000, .vlans = 2},
	};
	static const uint8_t mac[6] = {2};

	for (unsigned int i = 0; i < 4; i++) {
		struct frame *frame = &burst->frame[0];
		struct mem_span *body = &burst->span[0];
		struct fg_vnet header;
		uint32_t len = fg_packet_build(&packets[i], mac, mac, flat, &header);

		memcpy(burst->room[0].head, flat, FRAME_HEAD);
		*body = (struct mem_span){flat + FRAME_HEAD, len - FRAME_HEAD};
		*frame = (struct frame){.head = burst->room[0].head, .head_len = FRAME_HEAD, .len = len,
					.body = body, .body_spans = 1, .vlan = 10};
		memcpy(&frame->offload, &header, sizeof(frame->offload));
		assert_true(frame_offload_check(frame, FRAME_OFFLOADS));
		assert_true(lane_takes(frame));
		assert_true(frame_head_push_tag(frame));
		assert_int_equal(lane_takes(frame), i == 0);
		if (!lane_takes(frame))
			continue;
		assert_int_equal(lane_send(&producer, &frame, 1), 1);
		assert_int_equal(lane_receive(&consumer, burst, 1), 1);
		lane_done(&consumer);
	}
	assert_false(consumer.broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_length_at_every_place, begin, end),
		cmocka_unit_test_setup_teardown(a_full_ring_takes_no_more, begin, end),
		cmocka_unit_test_setup_teardown(a_ring_can_be_full_to_the_brim, begin, end),
		cmocka_unit_test_setup_teardown(what_is_kept_comes_again, begin, end),
		cmocka_unit_test_setup_teardown(a_burst_ends_at_its_bounds, begin, end),
		cmocka_unit_test_setup_teardown(a_sleeper_is_woken_once, begin, end),
		cmocka_unit_test_setup_teardown(heads_that_cannot_be, begin, end),
		cmocka_unit_test_setup_teardown(lengths_that_cannot_be, begin, end),
		cmocka_unit_test_setup_teardown(what_is_asked_is_checked, begin, end),
		cmocka_unit_test_setup_teardown(a_record_longer_than_what_is_there, begin, end),
		cmocka_unit_test_setup_teardown(records_at_random, begin, end),
		cmocka_unit_test_setup_teardown(tails_that_cannot_be, begin, end),
		cmocka_unit_test_setup_teardown(tails_at_random, begin, end),
		cmocka_unit_test_setup_teardown(rewritten_while_it_is_read, begin, end),
		cmocka_unit_test_setup_teardown(a_tag_of_ours_breaks_no_ring, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
