/* SPDX-License-Identifier: BSD-3-Clause */
/* From a guest's ring to frames: every layout of a chain, what is dropped and how it is counted (E1), the budgets of a
 * burst, and when the guest is interrupted. Faults are vnet_fault_test.c's. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"

#define MODERN (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC))
#define LEGACY F(VIRTIO_RING_F_INDIRECT_DESC)

enum { PIECES_MAX = 1024, LONGEST = 12 + 70000 };

static uint8_t bytes[LONGEST + 1], seen[LONGEST];

/* A header of zeros and a frame, as they lie in a chain: their length. */
static uint32_t message(const struct ring *ring, uint32_t seed, uint32_t len)
{
	uint32_t header = ring->conf->header_len;

	memset(bytes, 0, header);
	/* num_buffers means nothing on this way (virtio 1.2, 5.1.6.2), and is not to be believed. */
	if (header == 12)
		memset(bytes + 10, 0xff, 2);
	pattern_fill(bytes + header, seed, len);
	return header + len;
}

/* Receives one frame of `len` bytes and nothing else, and gives it back; exactly the used ring changes. */
static void receive_one(struct ring *ring, uint16_t head, uint32_t seed, uint32_t len)
{
	static const struct virtio_net_hdr nothing;
	uint16_t used = ring_used_index(ring);
	uint32_t id, written;

	role_assert_lcore();
	rig_snapshot(&rig);
	ring_expect_used(ring, used, head, 0);
	ring_expect_used_index(ring, (uint16_t)(used + 1));
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 1);
	assert_int_equal(burst.n, 1);
	assert_int_equal(ring_used_index(ring), used);
	assert_int_equal(burst.frame[0].len, len);
	assert_int_equal(burst.frame[0].head_len, len < FRAME_HEAD ? len : FRAME_HEAD);
	assert_null(burst.frame[0].mbuf);
	assert_memory_equal(&burst.frame[0].offload, &nothing, sizeof(nothing));
	frame_flatten(&burst.frame[0], seen);
	for (uint32_t i = 0; i < len; i++)
		if (seen[i] != pattern(seed, i))
			fail_msg("frame of %u: byte %u is wrong", len, i);
	vnet_complete(&ring->q, &burst);
	rig_check(&rig);
	assert_true(ring_take(ring, &id, &written));
	assert_int_equal(id, head);
	assert_int_equal(written, 0);
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 0);
}

/* Lays the message out in the given pieces from `at`, one gap byte apart, and receives it. */
static void receive_pieces(struct ring *ring, uint64_t at, struct piece *pieces, uint32_t n,
		     enum chain_form form, uint32_t seed, uint32_t len)
{
	uint64_t keep = rig.free_at;
	uint32_t done = 0;
	uint16_t head;

	for (uint32_t i = 0; i < n; i++) {
		pieces[i].gpa = at;
		rig_put(&rig, at, bytes + done, pieces[i].len);
		done += pieces[i].len;
		at += pieces[i].len + 1;
	}
	assert_int_equal(done, ring->conf->header_len + len);
	head = ring_chain(ring, pieces, n, false, form);
	ring_offer(ring, head);
	ring_show(ring);
	receive_one(ring, head, seed, len);
	rig.free_at = keep;
}

static const uint32_t lengths[] = {14, 15, 59, 60, 63, 64, 65, 126, 127, 128, 129, 140, 1514};
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

/* V7: header and frame cut in two at every byte, and in three; each form of chain; both header lengths. */
static void any_cut_is_legal(void **state)
{
	static const uint64_t features[] = {LEGACY, MODERN};

	role_assert_lcore();
	for (unsigned int f = 0; f < 2; f++) {
		struct ring *ring = fresh_ring(256, features[f], (uint16_t)(65500 * f));
		uint64_t at = rig_alloc(&rig, 4096, 1);

		for (unsigned int l = 0; l < LENGTHS; l++) {
			uint32_t whole = message(ring, l, lengths[l]);

			for (uint32_t cut = 1; cut < whole && cut < 160; cut++) {
				uint32_t rest = whole - cut;
				struct piece two[] = {{0, cut}, {0, rest}};
				struct piece three[] = {{0, cut}, {0, 1}, {0, rest - 1}};

				receive_pieces(ring, at, two, 2, cut % CHAIN_MIXED, l, lengths[l]);
				if (rest > 1)
					receive_pieces(ring, at, three, 3, (enum chain_form)(cut % 3), l,
						 lengths[l]);
			}
		}
		ring_close(ring);
	}
}

/* V7: nothing but single bytes, with and without descriptors of length 0 between them. */
static void single_bytes(void **state)
{
	static struct piece pieces[PIECES_MAX];

	role_assert_lcore();
	for (int form = CHAIN_DIRECT; form < CHAIN_ACROSS; form++) {
		struct ring *ring = fresh_ring(PIECES_MAX, MODERN, 0);
		uint64_t at = rig_alloc(&rig, 4096, 1);

		for (unsigned int l = 0; l < LENGTHS; l++) {
			uint32_t whole = message(ring, l, lengths[l]);

			if (whole > PIECES_MAX / 2)
				break;
			for (uint32_t i = 0; i < whole; i++)
				pieces[i].len = 1;
			receive_pieces(ring, at, pieces, whole, (enum chain_form)form, l, lengths[l]);
			for (uint32_t i = 0; i < 2 * whole; i++)
				pieces[i].len = i % 2;
			receive_pieces(ring, at, pieces, 2 * whole, (enum chain_form)form, l, lengths[l]);
		}
		ring_close(ring);
	}
}

/* V1: every descriptor the ring has in one chain is the most there can be, and legal. */
static void all_descriptors_in_one_chain(void **state)
{
	static struct piece pieces[256];
	struct ring *ring = fresh_ring(256, MODERN, 0);
	uint64_t at = rig_alloc(&rig, 4096, 1);
	uint32_t whole = message(ring, 1, 1000);

	role_assert_lcore();
	for (int form = CHAIN_DIRECT; form < CHAIN_MIXED; form++) {
		for (uint32_t i = 0; i < 256; i++)
			pieces[i].len = i < 255 ? 3 : whole - 3 * 255;
		ring->next_desc = 0;
		receive_pieces(ring, at, pieces, 256, (enum chain_form)form, 1, 1000);
	}
	ring_close(ring);
}

/* One descriptor, in one region and over the seam, at every distance from it. */
static void one_piece_over_the_seam(void **state)
{
	struct ring *ring = fresh_ring(256, MODERN, 77);

	role_assert_lcore();
	for (unsigned int l = 0; l < LENGTHS; l++) {
		uint32_t whole = message(ring, l, lengths[l]);

		for (uint32_t below = 0; below <= whole && below <= 200; below++) {
			struct piece one = {0, whole};

			receive_pieces(ring, RIG_SEAM - below, &one, 1,
				 below % 2 == 0 ? CHAIN_DIRECT : CHAIN_INDIRECT, l, lengths[l]);
		}
	}
	ring_close(ring);
}

/* T7, V4: a table with its first entry in one region and the rest in the next. */
static void a_table_in_two_regions(void **state)
{
	struct ring *ring = fresh_ring(64, MODERN, 0);
	uint64_t at = rig_alloc(&rig, 4096, 1);
	uint32_t whole = message(ring, 3, 1514);

	role_assert_lcore();
	for (uint32_t n = 1; n <= 40; n++) {
		struct piece pieces[40];

		for (uint32_t i = 0; i < n; i++)
			pieces[i].len = i + 1 == n ? whole - (n - 1) * 20 : 20;
		receive_pieces(ring, at, pieces, n, CHAIN_ACROSS, 3, 1514);
	}
	ring_close(ring);
}

/* Thousands of random layouts. */
static void random_layouts(void **state)
{
	static struct piece pieces[PIECES_MAX];
	struct ring *ring = fresh_ring(PIECES_MAX, MODERN, 65000);
	uint64_t base = rig.free_at;

	role_assert_lcore();
	dice_seed(7);
	for (int round = 0; round < 3000; round++) {
		uint32_t len = 14 + dice(dice(8) == 0 ? 9200 : 1600), n = 0, done = 0;
		uint32_t whole = message(ring, (uint32_t)round, len);
		uint32_t most = 1 + dice(dice(3) == 0 ? 40 : 2000);
		uint64_t at = dice(2) == 0 ? base + 40000 + dice(1000)
					   : RIG_SEAM - 1 - dice(whole + 2);

		while (done < whole && n < 600) {
			uint32_t part = dice(most + 1);

			if (part > whole - done || n == 599)
				part = whole - done;
			pieces[n++].len = part;
			done += part;
		}
		receive_pieces(ring, at, pieces, n, (enum chain_form)dice(CHAIN_ACROSS), (uint32_t)round,
			 len);
	}
	assert_int_equal(drops_of_rx(&counters), 0);
	assert_int_equal(counted(&ring->q.counters.frames), 3000);
	ring_close(ring);
}

/* A guest's own layout: one frame of every length, jumbo included, in one descriptor. */
static void every_length(void **state)
{
	struct ring *ring = fresh_ring(256, MODERN, 0);
	uint64_t at = rig_alloc(&rig, 80000, 1);

	role_assert_lcore();
	for (uint32_t len = 14; len <= FRAME_LEN_MAX; len += len < 300 ? 1 : len < 2000 ? 97 : 9001) {
		struct piece one = {0, message(ring, len, len)};

		receive_pieces(ring, at, &one, 1, CHAIN_DIRECT, len, len);
	}
	message(ring, 9, FRAME_LEN_MAX);
	receive_pieces(ring, at, &(struct piece){0, 12 + FRAME_LEN_MAX}, 1, CHAIN_DIRECT, 9,
		 FRAME_LEN_MAX);
	ring_close(ring);
}

/* E1, O5, V7, V10, O1: whatever is not a frame is given back and counted by its reason, and only that. */
static void what_is_no_frame(void **state)
{
	static const struct {
		uint32_t len; /* of the chain */
		uint8_t flags, gso;
		int drop; /* -1: a frame */
	} cases[] = {
		{0, 0, 0, RX_DROP_SHORT},
		{1, 0, 0, RX_DROP_SHORT},
		{11, 0, 0, RX_DROP_SHORT},
		{12, 0, 0, RX_DROP_SHORT},
		{13, 0, 0, RX_DROP_SHORT},
		{25, 0, 0, RX_DROP_SHORT},
		{26, 0, 0, -1},
		{12 + FRAME_LEN_MAX, 0, 0, -1},
		{13 + FRAME_LEN_MAX, 0, 0, RX_DROP_LONG},
		{32 << 20, 0, 0, RX_DROP_LONG},
		{100, 1, 0, RX_DROP_OFFLOAD},
		{100, 0, 1, RX_DROP_OFFLOAD},
		{100, 0, 0x80, RX_DROP_OFFLOAD},
		{100, 0xff, 0xff, RX_DROP_OFFLOAD},
	};
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct ring *ring = fresh_ring(256, MODERN, 5);
	uint64_t want[RX_DROPS] = {0};

	role_assert_lcore();
	for (unsigned int i = 0; i < 6 * CASES; i++) {
		unsigned int c = i % CASES;
		uint64_t at = cases[c].len < 200 ? rig_alloc(&rig, 200, 8) : RIG_BIG_GPA;
		struct piece pieces[2] = {{at, cases[c].len / 2}, {at + cases[c].len / 2, 0}};
		uint32_t n = i < CASES ? 1 : 2, id, len;
		uint16_t head;

		pieces[n - 1].len += cases[c].len - pieces[0].len;
		memset(rig_at(&rig, at), 0, 200);
		*rig_at(&rig, at) = cases[c].flags;
		*rig_at(&rig, at + 1) = cases[c].gso;
		head = ring_chain(ring, pieces, n, false, (enum chain_form)(i % 3));
		ring_offer(ring, head);
		ring_show(ring);
		rig_snapshot(&rig);
		ring_expect_used(ring, (uint16_t)(5 + i), head, 0);
		ring_expect_used_index(ring, (uint16_t)(6 + i));
		if (cases[c].drop >= 0)
			want[cases[c].drop]++;
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), cases[c].drop < 0);
		vnet_complete(&ring->q, &burst);
		rig_check(&rig);
		assert_true(ring_take(ring, &id, &len));
		assert_int_equal(virtq_fault(&ring->q), VIRTQ_OK);
		for (int r = 0; r < RX_DROPS; r++)
			assert_int_equal(counted(&counters.rx_drop[r]), want[r]);
	}
	ring_close(ring);
}

/* V10: 128 descriptors of 16 MiB; the sum does not fit 32 bits once there are 256 of them. */
static void giants(void **state)
{
	static struct piece pieces[300];
	struct ring *ring = fresh_ring(512, MODERN, 0);
	static const uint32_t counts[] = {128, 256, 257, 300};

	role_assert_lcore();
	for (unsigned int i = 0; i < 300; i++)
		pieces[i] = (struct piece){RIG_BIG_GPA + i, 16 << 20};
	for (unsigned int c = 0; c < 4; c++) {
		ring_offer(ring, ring_chain(ring, pieces, counts[c], false, CHAIN_INDIRECT));
		ring_show(ring);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 0);
		assert_int_equal(counted(&counters.rx_drop[RX_DROP_LONG]), c + 1);
		assert_int_equal(ring_used_index(ring), c + 1);
	}
	ring_close(ring);
}

/* Bursts of every size, frames and rubbish mixed, the index wrapping many times: order, and E1 to the frame. */
static void order_and_accounts(void **state)
{
	static uint16_t heads[65536];
	struct ring *ring = fresh_ring(64, MODERN, 65533);
	uint64_t at = rig_alloc(&rig, 64 * 256, 8);
	uint32_t sent = 0, taken = 0, frames = 0, id, len;

	role_assert_lcore();
	dice_seed(11);
	while (taken < 200000) {
		for (uint32_t n = dice(65); n > 0 && sent - taken < 64; n--, sent++) {
			uint64_t here = at + sent % 64 * 256;
			bool good = dice(5) != 0;
			uint16_t slot = (uint16_t)(sent % 64);

			memset(rig_at(&rig, here), 0, 12);
			rig_put(&rig, here + 12 + 14, &sent, sizeof(sent));
			ring_desc(ring, slot, here, good ? 12 + 60 : 20, 0, 0);
			heads[(uint16_t)sent] = good;
			ring_offer(ring, slot);
		}
		ring_show(ring);
		vnet_receive(&ring->q, &burst, BURST_MAX, &counters);
		assert_true(burst.n <= BURST_MAX);
		for (uint16_t i = 0; i < burst.n; i++, frames++) {
			static uint32_t last;
			uint32_t number;

			memcpy(&number, burst.frame[i].head + 14, sizeof(number));
			assert_true(heads[(uint16_t)number]);
			assert_true(frames == 0 || number > last);
			last = number;
		}
		vnet_complete(&ring->q, &burst);
		while (ring_take(ring, &id, &len)) {
			assert_int_equal(id, taken % 64);
			assert_int_equal(len, 0);
			taken++;
		}
		assert_int_equal(taken, frames + drops_of_rx(&counters));
	}
	assert_int_equal(counted(&ring->q.counters.frames), frames);
	assert_int_equal(counted(&counters.rx_drop[RX_DROP_SHORT]), drops_of_rx(&counters));
	ring_close(ring);
}

/* V14: a queue of jumbo frames gets BURST_BYTES and one frame, and goes on where it was. */
static void a_burst_has_a_byte_budget(void **state)
{
	struct ring *ring = fresh_ring(256, MODERN, 0);
	uint32_t got = 0;

	role_assert_lcore();
	memset(rig_at(&rig, RIG_BIG_GPA), 0, 70000);
	for (uint16_t i = 0; i < 64; i++) {
		ring_desc(ring, i, RIG_BIG_GPA, 12 + 65000, 0, 0);
		ring_offer(ring, i);
	}
	ring_show(ring);
	while (got < 64) {
		uint16_t n = vnet_receive(&ring->q, &burst, BURST_MAX, &counters);

		assert_in_range(n, 1, BURST_BYTES / 65000 + 1);
		vnet_complete(&ring->q, &burst);
		got += n;
		assert_int_equal(ring_used_index(ring), got);
	}
	assert_int_equal(got, 64);
	ring_close(ring);
}

/* V2, V14: chains of many pieces share a burst's room; one that does not fit beside the others opens the next, one
 * that never will breaks the ring. A piece of length 0 costs as much as any. */
static void a_burst_has_a_budget_of_pieces(void **state)
{
	static struct piece pieces[2][4096];
	struct ring *ring = fresh_ring(4096, MODERN, 0);
	uint64_t at = rig_alloc(&rig, 8192, 1);

	role_assert_lcore();
	memset(rig_at(&rig, at), 0, 8192);
	for (uint32_t i = 0; i < 4096; i++) {
		pieces[0][i] = (struct piece){at + i, 1};
		pieces[1][i] = (struct piece){at + i, i < 100};
	}
	for (int empty = 0; empty < 2; empty++) {
		uint32_t got = 0;

		ring_restart(ring, 0);
		for (int i = 0; i < 5; i++)
			ring_offer(ring, ring_chain(ring, pieces[empty], 700, false, CHAIN_INDIRECT));
		ring_show(ring);
		while (got < 5) {
			uint16_t n = vnet_receive(&ring->q, &burst, BURST_MAX, &counters);

			assert_int_equal(n, got == 4 ? 1 : 2);
			vnet_complete(&ring->q, &burst);
			got += n;
		}
		ring_offer(ring, ring_chain(ring, pieces[empty], BURST_SPANS, false, CHAIN_INDIRECT));
		ring_show(ring);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 1);
		vnet_complete(&ring->q, &burst);
		ring_offer(ring,
			   ring_chain(ring, pieces[empty], BURST_SPANS + 1, false, CHAIN_INDIRECT));
		ring_show(ring);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 0);
		assert_int_equal(virtq_fault(&ring->q), VIRTQ_FAULT_PIECES);
		assert_int_equal(ring_used_index(ring), 6);
	}
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_is_legal),
		cmocka_unit_test(single_bytes),
		case_naming_twice(all_descriptors_in_one_chain),
		cmocka_unit_test(one_piece_over_the_seam),
		cmocka_unit_test(a_table_in_two_regions),
		cmocka_unit_test(random_layouts),
		cmocka_unit_test(every_length),
		cmocka_unit_test(what_is_no_frame),
		cmocka_unit_test(giants),
		cmocka_unit_test(order_and_accounts),
		case_naming_twice(a_burst_has_a_byte_budget),
		case_naming_twice(a_burst_has_a_budget_of_pieces),
	};

	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
