/* SPDX-License-Identifier: BSD-3-Clause */
/* From frames into a guest's buffers (V8): the header, every layout of buffers, what is dropped and that nothing is
 * consumed by it, exact accounts (E2), and not a byte beyond what the guest offered. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"

#define PLAIN (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC))
#define MERGEABLE (PLAIN | F(VIRTIO_NET_F_MRG_RXBUF))
#define LEGACY F(VIRTIO_RING_F_INDIRECT_DESC)

enum { LONGEST = 70000, BODY_MAX = 64, LEN_MAX = FRAME_LEN_MAX, BURST = 32 };

static uint8_t bytes[LONGEST];

/* A frame of the pattern, its body in up to `pieces` spans of uneven length, some of them empty. */
static struct frame frame_make(uint32_t seed, uint32_t len, uint32_t pieces)
{
	static struct mem_span body[BODY_MAX];
	struct frame frame = {.head = bytes, .len = len, .body = body};
	uint32_t at = len < FRAME_HEAD ? len : FRAME_HEAD;

	pattern_fill(bytes, seed, len);
	frame.head_len = (uint16_t)at;
	while (at < len) {
		uint32_t part = frame.body_spans + 1u == pieces ? len - at : dice(len - at + 1);

		body[frame.body_spans++] = (struct mem_span){.at = bytes + at, .len = part};
		at += part;
	}
	return frame;
}

static void deliver_one(struct ring *ring, struct frame *frame, uint32_t len_max)
{
	role_assert_lcore();
	vnet_deliver(&ring->q, &frame, 1, len_max, &counters);
}

/* The header and the frame as the guest must find them, `n` bytes from `from`. */
static void wanted(const struct ring *ring, uint16_t buffers, uint32_t seed, uint32_t from,
		   uint32_t n, uint8_t *to)
{
	const struct virtio_net_hdr_mrg_rxbuf header = {.num_buffers = buffers};
	uint32_t header_len = ring->conf->header_len;

	for (uint32_t i = from; i < from + n; i++)
		*to++ = i < header_len ? ((const uint8_t *)&header)[i]
				       : pattern(seed, i - header_len);
}

/* --- one buffer -------------------------------------------------------------------------------------------------- */

/* O7: the header is zeros but for num_buffers, which the 10-byte header of old has not. */
static void every_length_into_one_buffer(void **state)
{
	static const uint64_t features[] = {LEGACY, PLAIN, MERGEABLE};
	static uint8_t must[12 + LONGEST];

	for (unsigned int f = 0; f < 3; f++) {
		struct ring *ring = fresh_ring(64, features[f], (uint16_t)(65530 * f));
		uint16_t base = ring->used_idx, done = 0;
		uint64_t at = rig_alloc(&rig, 80000, 1);

		for (uint32_t len = 14; len <= LEN_MAX;
		     len += len < 300 ? 1 : len < 2000 ? 97 : 9001) {
			struct frame frame = frame_make(len, len, 1 + dice(5));
			uint32_t need = ring->conf->header_len + len;
			struct piece one = {at + done, need + dice(3)};
			uint16_t head = ring_chain(ring, &one, 1, true, (enum chain_form)dice(2));

			ring_offer(ring, head);
			ring_show(ring);
			rig_snapshot(&rig);
			wanted(ring, 1, len, 0, need, must);
			rig_expect(&rig, at + done, must, need);
			ring_expect_used(ring, (uint16_t)(base + done), head, need);
			ring_expect_used_index(ring, (uint16_t)(base + done + 1));
			deliver_one(ring, &frame, LEN_MAX);
			rig_check(&rig);
			done++;
			assert_int_equal(counted(&counters.tx_ok), done);
		}
		assert_int_equal(drops_of_tx(&counters), 0);
		assert_int_equal(counted(&ring->q.counters.frames), done);
		ring_close(ring);
	}
}

/* --- any buffers ------------------------------------------------------------------------------------------------- */

/* Offers `n` chains of the given total lengths, each of random pieces near `at`; remembers where their bytes are. */
struct offer {
	uint16_t head;
	uint32_t len, pieces;
	struct piece piece[8];
};

static void offer_chain(struct ring *ring, struct offer *offer, uint32_t len, uint64_t *at)
{
	uint32_t left = len;

	offer->len = len;
	offer->pieces = 0;
	do {
		uint32_t part = offer->pieces == 7 || dice(2) == 0 ? left : dice(left + 1);

		offer->piece[offer->pieces++] = (struct piece){*at, part};
		*at += part + 1;
		left -= part;
	} while (left > 0);
	offer->head = ring_chain(ring, offer->piece, offer->pieces, true,
				 (enum chain_form)dice(CHAIN_ACROSS));
	ring_offer(ring, offer->head);
}

/* Says where the message of `need` bytes will be found in these chains, as many as it takes: their number, 0 if there
 * are not enough. */
static uint16_t expect_spread(struct ring *ring, const struct offer *offers, uint16_t n,
			      uint32_t seed, uint32_t need, uint16_t used_at)
{
	static uint8_t must[12 + LONGEST];
	uint16_t buffers = 0;
	uint32_t room = 0, at = 0;

	while (buffers < n && room < need)
		room += offers[buffers++].len;
	if (room < need)
		return 0;
	wanted(ring, buffers, seed, 0, need, must);
	for (uint16_t b = 0; b < buffers; b++) {
		uint32_t before = at;

		for (uint32_t p = 0; p < offers[b].pieces; p++) {
			uint32_t part = offers[b].piece[p].len < need - at ? offers[b].piece[p].len
									   : need - at;

			rig_expect(&rig, offers[b].piece[p].gpa, must + at, part);
			at += part;
		}
		ring_expect_used(ring, (uint16_t)(used_at + b), offers[b].head, at - before);
	}
	ring_expect_used_index(ring, (uint16_t)(used_at + buffers));
	return buffers;
}

/* V8: mergeable buffers of any size down to one byte. Every frame arrives whole or not at all; used.len adds up to
 * what was written; when buffers run out nothing is consumed. */
static void frames_spread_over_any_buffers(void **state)
{
	static struct offer offers[64];
	unsigned int spread = 0, refused = 0;

	dice_seed(3);
	for (int round = 0; round < 3000; round++) {
		struct ring *ring = fresh_ring(512, MERGEABLE, (uint16_t)(65400 + round));
		uint32_t len = 14 + dice(dice(4) == 0 ? 9000 : 1500);
		struct frame frame = frame_make((uint32_t)round, len, 1 + dice(BODY_MAX));
		uint32_t most = dice(3) == 0 ? 40 : 4000;
		uint16_t n = (uint16_t)(1 + dice(64)), buffers;
		uint64_t at = dice(2) == 0 ? RIG_SEAM - dice(4000) : RIG_SEAM + 8192;

		for (uint16_t i = 0; i < n; i++)
			offer_chain(ring, &offers[i], 1 + dice(most), &at);
		ring_show(ring);
		rig_snapshot(&rig);
		buffers = expect_spread(ring, offers, n, (uint32_t)round, 12 + len, ring->used_idx);
		if (buffers == 0)
			ring_expect_used_index(ring, ring->used_idx);
		deliver_one(ring, &frame, LEN_MAX);
		if (buffers == 0) {
			/* Used entries that are not shown may have been written. */
			memcpy(rig.image + (ring->used + 4 - RIG_GPA), rig_at(&rig, ring->used + 4),
			       512 * 8);
			refused++;
		} else if (buffers > 1) {
			spread++;
		}
		rig_check(&rig);
		assert_int_equal(counted(&counters.tx_ok), buffers > 0);
		assert_int_equal(counted(&counters.tx_bytes), buffers > 0 ? len : 0);
		assert_int_equal(counted(&counters.tx_drop[TX_DROP_NO_BUFFER]), buffers == 0);
		assert_int_equal(drops_of_tx(&counters), buffers == 0);
		assert_int_equal(virtq_fault(&ring->q), VIRTQ_OK);
		ring_close(ring);
	}
	assert_true(spread > 500 && refused > 200);
}

/* V8: one-byte buffers, from the first that is one too few. */
static void one_byte_buffers(void **state)
{
	for (uint16_t buffers = 120; buffers <= 140; buffers++) {
		struct ring *ring = fresh_ring(256, MERGEABLE, 65500);
		struct frame frame = frame_make(9, 120, 1);
		uint64_t at = rig_alloc(&rig, 1024, 1);
		uint32_t id, len;

		for (uint16_t i = 0; i < buffers; i++) {
			ring_desc(ring, i, at + 2 * i, 1, VRING_DESC_F_WRITE, 0);
			ring_offer(ring, i);
		}
		ring_show(ring);
		deliver_one(ring, &frame, LEN_MAX);
		assert_int_equal(counted(&counters.tx_ok), buffers >= 132);
		for (uint16_t i = 0; buffers >= 132 && i < 132; i++) {
			uint8_t must;

			assert_true(ring_take(ring, &id, &len));
			assert_int_equal(id, i);
			assert_int_equal(len, 1);
			wanted(ring, 132, 9, i, 1, &must);
			assert_int_equal(*rig_at(&rig, at + 2 * i), must);
			assert_int_equal(*rig_at(&rig, at + 2 * i + 1), 0xa5);
		}
		assert_false(ring_take(ring, &id, &len));
		ring_close(ring);
	}
}

/* V8: without mergeable buffers a frame has one; too small a one stays for a frame that fits. */
static void too_small_and_not_mergeable(void **state)
{
	static const uint64_t features[] = {LEGACY, PLAIN};

	dice_seed(5);
	for (unsigned int f = 0; f < 2; f++)
		for (uint32_t size = 1; size < 200; size++) {
			struct ring *ring = fresh_ring(64, features[f], 0);
			uint32_t header = ring->conf->header_len, id, len;
			struct frame large = frame_make(1, 201, 3), small;
			uint64_t at = RIG_SEAM + 4096;
			struct offer offer;

			offer_chain(ring, &offer, size, &at);
			at = RIG_SEAM + 8192;
			offer_chain(ring, &offer, 12 + 300, &at);
			ring_show(ring);
			rig_snapshot(&rig);
			deliver_one(ring, &large, LEN_MAX);
			assert_int_equal(counted(&counters.tx_drop[TX_DROP_TOO_BIG]), 1);
			assert_int_equal(ring_used_index(ring), 0);
			assert_memory_equal(rig_at(&rig, RIG_SEAM), rig.image + RIG_SIZE, RIG_SIZE);
			if (size >= header + FRAME_LEN_MIN) {
				small = frame_make(2, size - header, 2);
				deliver_one(ring, &small, LEN_MAX);
				assert_true(ring_take(ring, &id, &len));
				assert_int_equal(len, size);
				large = frame_make(3, 201, 3);
				deliver_one(ring, &large, LEN_MAX);
				assert_true(ring_take(ring, &id, &len));
				assert_int_equal(id, offer.head);
				assert_int_equal(len, header + 201);
			}
			assert_int_equal(counted(&counters.tx_ok) + drops_of_tx(&counters),
					 size >= header + FRAME_LEN_MIN ? 3 : 1);
			ring_close(ring);
		}
}

/* V14: a ring of empty buffers, or of chains that are all padding, costs a bounded walk and takes no frame. */
static void buffers_of_nothing(void **state)
{
	static struct piece pieces[1024];
	struct ring *ring = fresh_ring(1024, MERGEABLE, 0);
	struct frame frame = frame_make(1, 1514, 2);
	uint64_t at = rig_alloc(&rig, 2048, 1);
	uint16_t head;

	for (int i = 0; i < 1024; i++)
		ring_offer(ring, 0);
	ring_desc(ring, 0, at, 0, VRING_DESC_F_WRITE, 0);
	ring_show(ring);
	deliver_one(ring, &frame, LEN_MAX);
	assert_int_equal(ring_used_index(ring), 0);
	assert_int_equal(drops_of_tx(&counters), 1);
	/* 1023 descriptors of nothing and one byte: a frame would need 1526 of them. */
	ring_restart(ring, 0);
	for (int i = 0; i < 1024; i++)
		pieces[i] = (struct piece){at, i == 1023};
	head = ring_chain(ring, pieces, 1024, true, CHAIN_INDIRECT);
	for (int i = 0; i < 1024; i++)
		ring_offer(ring, head);
	ring_show(ring);
	deliver_one(ring, &frame, LEN_MAX);
	assert_int_equal(ring_used_index(ring), 0);
	assert_int_equal(counted(&counters.tx_drop[TX_DROP_TOO_BIG]) +
				 counted(&counters.tx_drop[TX_DROP_NO_BUFFER]),
			 2);
	ring_close(ring);
}

/* --- bursts ------------------------------------------------------------------------------------------------------ */

/* Random bursts of frames of random kinds, some too long for the port, into random buffers, for many turns of the
 * index: what arrives is a subsequence in order, each frame whole, and E2 is true after every burst. */
static void order_and_accounts(void **state)
{
	static uint8_t room[32][2100];
	static struct frame frame[BURST];
	static struct mem_span body[BURST];
	static uint8_t got[LONGEST];
	struct ring *ring = fresh_ring(64, MERGEABLE, 65000);
	uint64_t at = rig_alloc(&rig, 64 * 700, 1), given = 0, arrived = 0, next = 0;
	uint16_t slot = 0;

	role_assert_lcore();
	dice_seed(13);
	while (given < 60000) {
		struct frame *frames[BURST];
		uint16_t n = (uint16_t)(1 + dice(BURST));
		uint32_t id, len;

		for (uint16_t i = 0; i < n; i++, given++) {
			uint32_t size = 20 + dice(dice(3) == 0 ? 2080 : 200);

			pattern_fill(room[i], (uint32_t)given, size);
			memcpy(room[i] + 12, &given, 8);
			frame[i] = (struct frame){
				.head = room[i],
				.len = size,
				.head_len = size < FRAME_HEAD ? (uint16_t)size : FRAME_HEAD,
				.body_spans = size > FRAME_HEAD,
				.body = &body[i],
			};
			body[i] = (struct mem_span){room[i] + FRAME_HEAD, size - FRAME_HEAD};
			frames[i] = &frame[i];
		}
		for (uint16_t k = (uint16_t)dice(65); k > 0 &&
		     (uint16_t)(ring->avail_idx - ring->used_idx) < 64; k--, slot++) {
			ring_desc(ring, slot % 64, at + slot % 64 * 700u, 1 + dice(699),
				  VRING_DESC_F_WRITE, 0);
			ring_offer(ring, slot % 64);
		}
		ring_show(ring);
		vnet_deliver(&ring->q, frames, n, 1518, &counters);
		while (ring_take(ring, &id, &len)) {
			uint16_t buffers, b = 0;
			uint32_t size = 0;
			uint64_t number;

			/* Into one piece, header first; num_buffers may itself lie in two buffers. */
			do {
				rig_get(&rig, at + id * 700u, got + size, len);
				size += len;
				b++;
				memcpy(&buffers, got + 10, 2);
			} while ((size < 12 || b < buffers) && ring_take(ring, &id, &len));
			assert_int_equal(b, buffers);
			memcpy(&number, got + 12 + 12, 8);
			assert_true(number >= next && number < given);
			next = number + 1;
			assert_in_range(size - 12, 20, 1518);
			for (uint32_t i = 0; i < size - 12; i++)
				if ((i < 12 || i >= 20) && got[12 + i] != pattern((uint32_t)number, i))
					fail_msg("frame %lu, byte %u", (unsigned long)number, i);
			arrived++;
		}
		assert_int_equal(counted(&counters.tx_ok), arrived);
		assert_int_equal(arrived + drops_of_tx(&counters), given);
	}
	assert_true(arrived > given / 10 && counted(&counters.tx_drop[TX_DROP_TOO_BIG]) > 0);
	assert_int_equal(virtq_fault(&ring->q), VIRTQ_OK);
	ring_close(ring);
}

/* The port's MTU, to the byte. */
static void longer_than_the_port_takes(void **state)
{
	struct ring *ring = fresh_ring(64, MERGEABLE, 0);
	struct piece big = {rig_alloc(&rig, 4096, 1), 4096};

	for (int i = 0; i < 4; i++)
		ring_offer(ring, ring_chain(ring, &big, 1, true, CHAIN_DIRECT));
	ring_show(ring);
	for (uint32_t len = 1513; len <= 1516; len++) {
		struct frame frame = frame_make(1, len, 1);

		deliver_one(ring, &frame, 1514);
	}
	assert_int_equal(counted(&counters.tx_ok), 2);
	assert_int_equal(counted(&counters.tx_drop[TX_DROP_TOO_BIG]), 2);
	assert_int_equal(ring_used_index(ring), 2);
	ring_close(ring);
}

/* --- queues that are not there, and queues that are shared ------------------------------------------------------- */

static void not_ready(void **state)
{
	struct ring *ring = fresh_ring(64, MERGEABLE, 0);
	struct frame frame = frame_make(1, 60, 1);
	struct piece big = {rig_alloc(&rig, 4096, 1), 4096};

	role_assert_control();
	ring_offer(ring, ring_chain(ring, &big, 1, true, CHAIN_DIRECT));
	ring_show(ring);
	rig_snapshot(&rig);
	virtq_publish(&ring->q, NULL);
	deliver_one(ring, &frame, 1514);
	virtq_publish(&ring->q, ring->conf);
	rcu_set(&rig.table.map, NULL);
	deliver_one(ring, &frame, 1514);
	rcu_set(&rig.table.map, rig.map);
	rig_check(&rig);
	assert_int_equal(counted(&counters.tx_drop[TX_DROP_NOT_READY]), 2);
	deliver_one(ring, &frame, 1514);
	assert_int_equal(counted(&counters.tx_ok), 1);
	assert_int_equal(virtq_position(&ring->q), rig_packed ? 0x80018001 : 1);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_into_one_buffer),
		cmocka_unit_test(frames_spread_over_any_buffers),
		cmocka_unit_test(one_byte_buffers),
		cmocka_unit_test(too_small_and_not_mergeable),
		case_naming_twice(buffers_of_nothing),
		cmocka_unit_test(order_and_accounts),
		cmocka_unit_test(longer_than_the_port_takes),
		cmocka_unit_test(not_ready),
	};

	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
