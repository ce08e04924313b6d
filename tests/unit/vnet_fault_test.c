/* SPDX-License-Identifier: BSD-3-Clause */
/* What no driver writes (V1 to V6, V13, T7), from both directions and at each place of a burst: the ring breaks with
 * the right name, what came before it counts, nothing but the used ring is written, and a start mends it. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"

#define FEATURES                                                                                   \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_NET_F_MRG_RXBUF))

enum { SIZE = 64, BAD = 40 /* first descriptor of the bad chain */, BUFFER = 256 };

static uint64_t buffers, table;

static struct ring *ring_with_buffers(uint64_t features, uint16_t base)
{
	struct ring *ring = fresh_ring(SIZE, features, base);

	buffers = rig_alloc(&rig, SIZE * BUFFER, 8);
	memset(rig_at(&rig, buffers), 0, SIZE * BUFFER);
	table = rig_alloc(&rig, 4096, 16);
	return ring;
}

/* --- a gallery --------------------------------------------------------------------------------------------------- */

static void bad_desc(struct ring *ring, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	ring_desc(ring, BAD, gpa, len, flags, next);
	ring_offer(ring, BAD);
}

static void loop_of_one(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, buffers, 1, dir | NEXT, BAD);
}

static void loop_of_nothing(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, buffers, 0, dir | NEXT, BAD);
}

static void loop_of_many(struct ring *ring, uint16_t dir)
{
	for (uint16_t i = 0; i < 20; i++)
		ring_desc(ring, BAD + i, buffers + i, 1, dir | NEXT, BAD + (i + 1) % 20);
	ring_offer(ring, BAD);
}

static void loop_that_never_comes_back(struct ring *ring, uint16_t dir)
{
	ring_desc(ring, BAD + 1, buffers, 1, dir | NEXT, BAD + 1);
	bad_desc(ring, buffers, 1, dir | NEXT, BAD + 1);
}

static void head_at_the_end(struct ring *ring, uint16_t dir VUS_UNUSED)
{
	ring_offer(ring, SIZE);
}

static void head_far_away(struct ring *ring, uint16_t dir VUS_UNUSED)
{
	ring_offer(ring, 0xffff);
}

static void next_at_the_end(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, buffers, 4, dir | NEXT, SIZE);
}

static void next_far_away(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, buffers, 4, dir | NEXT, 0xffff);
}

static void wrong_direction(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, buffers, 100, dir ^ WRITE, 0);
}

static void wrong_direction_later(struct ring *ring, uint16_t dir)
{
	ring_desc(ring, BAD + 1, buffers, 100, dir ^ WRITE, 0);
	bad_desc(ring, buffers, 4, dir | NEXT, BAD + 1);
}

static void wrong_direction_of_nothing(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, buffers, 0, dir ^ WRITE, 0);
}

static void nowhere(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, 0x1000, 100, dir, 0);
}

static void at_the_last_address(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, UINT64_MAX, 100, dir, 0);
}

static void ours_instead_of_theirs(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, (uintptr_t)rig.host[RIG_LOW], 100, dir, 0);
}

static void just_before_memory(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, RIG_GPA - 1, 100, dir, 0);
}

static void over_the_end(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, RIG_END - 99, 100, dir, 0);
}

static void all_there_is_and_more(struct ring *ring, uint16_t dir)
{
	bad_desc(ring, RIG_GPA, UINT32_MAX, dir, 0);
}

static void nowhere_later(struct ring *ring, uint16_t dir)
{
	ring_desc(ring, BAD + 1, 0x1000, 1, dir, 0);
	bad_desc(ring, buffers, 4, dir | NEXT, BAD + 1);
}

/* --- indirect ones --- */

static void entry(uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc desc = {.addr = gpa, .len = len, .flags = flags, .next = next};

	rig_put(&rig, table + i * sizeof(desc), &desc, sizeof(desc));
}

static void table_of_nothing(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, 0, INDIRECT, 0);
}

static void table_of_a_part(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, 17, INDIRECT, 0);
}

static void table_of_less_than_one(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, 15, INDIRECT, 0);
}

static void table_too_long(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, (SIZE + 1) * 16, INDIRECT, 0);
}

static void table_of_four_gigabytes(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, UINT32_MAX & ~15u, INDIRECT, 0);
}

static void table_and_next(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, 16, INDIRECT | NEXT, BAD + 1);
}

static void table_in_a_table(struct ring *ring, uint16_t dir VUS_UNUSED)
{
	entry(0, table, 16, INDIRECT, 0);
	bad_desc(ring, table, 16, INDIRECT, 0);
}

static void table_nowhere(struct ring *ring, uint16_t dir VUS_UNUSED)
{
	bad_desc(ring, 0x1000, 16, INDIRECT, 0);
}

static void table_half_nowhere(struct ring *ring, uint16_t dir)
{
	struct vring_desc last = {.addr = buffers, .len = 1, .flags = dir | NEXT, .next = 1};

	rig_put(&rig, RIG_END - 16, &last, sizeof(last));
	bad_desc(ring, RIG_END - 16, 32, INDIRECT, 0);
}

/* One entry, half of it in each of two regions that only adjoin in the guest's eyes. */
static void table_entry_over_the_seam(struct ring *ring, uint16_t dir)
{
	struct vring_desc desc = {.addr = buffers, .len = 100, .flags = dir};

	rig_put(&rig, RIG_SEAM - 8, &desc, sizeof(desc));
	bad_desc(ring, RIG_SEAM - 8, 16, INDIRECT, 0);
}

static void table_that_loops(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 1, dir | NEXT, 1);
	entry(1, buffers, 1, dir | NEXT, 0);
	bad_desc(ring, table, 32, INDIRECT, 0);
}

static void table_with_a_next_beyond(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 1, dir | NEXT, 1);
	entry(1, buffers, 100, dir, 0);
	bad_desc(ring, table, 16, INDIRECT, 0);
}

static void table_of_the_wrong_direction(struct ring *ring, uint16_t dir)
{
	entry(0, buffers, 100, dir ^ WRITE, 0);
	bad_desc(ring, table, 16, INDIRECT, 0);
}

static void table_without_the_feature(struct ring *ring, uint16_t dir)
{
	ring->conf->indirect = false;
	entry(0, buffers, 100, dir, 0);
	bad_desc(ring, table, 16, INDIRECT, 0);
}

static void index_too_far(struct ring *ring, uint16_t dir VUS_UNUSED)
{
	role_assert_lcore();
	ring->avail_idx = (uint16_t)(ring->q.dp.last_avail + SIZE + 1);
}

static void index_one_back(struct ring *ring, uint16_t dir VUS_UNUSED)
{
	role_assert_lcore();
	ring->avail_idx = (uint16_t)(ring->q.dp.last_avail - 1);
}

static const struct {
	const char *name;
	void (*paint)(struct ring *ring, uint16_t dir);
	enum virtq_fault fault;
	bool index; /* the whole burst is refused, not one chain of it */
} gallery[] = {
	{"loop of one", loop_of_one, VIRTQ_FAULT_LOOP, false},
	{"loop of nothing", loop_of_nothing, VIRTQ_FAULT_LOOP, false},
	{"loop of many", loop_of_many, VIRTQ_FAULT_LOOP, false},
	{"loop off the head", loop_that_never_comes_back, VIRTQ_FAULT_LOOP, false},
	{"head at the end", head_at_the_end, VIRTQ_FAULT_HEAD, false},
	{"head far away", head_far_away, VIRTQ_FAULT_HEAD, false},
	{"next at the end", next_at_the_end, VIRTQ_FAULT_NEXT, false},
	{"next far away", next_far_away, VIRTQ_FAULT_NEXT, false},
	{"wrong direction", wrong_direction, VIRTQ_FAULT_DIRECTION, false},
	{"wrong direction later", wrong_direction_later, VIRTQ_FAULT_DIRECTION, false},
	{"wrong direction of nothing", wrong_direction_of_nothing, VIRTQ_FAULT_DIRECTION, false},
	{"nowhere", nowhere, VIRTQ_FAULT_ADDRESS, false},
	{"at the last address", at_the_last_address, VIRTQ_FAULT_ADDRESS, false},
	{"our address", ours_instead_of_theirs, VIRTQ_FAULT_ADDRESS, false},
	{"before memory", just_before_memory, VIRTQ_FAULT_ADDRESS, false},
	{"over the end", over_the_end, VIRTQ_FAULT_ADDRESS, false},
	{"4 GiB", all_there_is_and_more, VIRTQ_FAULT_ADDRESS, false},
	{"nowhere later", nowhere_later, VIRTQ_FAULT_ADDRESS, false},
	{"table of nothing", table_of_nothing, VIRTQ_FAULT_INDIRECT, false},
	{"table of a part", table_of_a_part, VIRTQ_FAULT_INDIRECT, false},
	{"table of less than one", table_of_less_than_one, VIRTQ_FAULT_INDIRECT, false},
	{"table too long", table_too_long, VIRTQ_FAULT_INDIRECT, false},
	{"table of 4 GiB", table_of_four_gigabytes, VIRTQ_FAULT_INDIRECT, false},
	{"table and next", table_and_next, VIRTQ_FAULT_INDIRECT, false},
	{"table in a table", table_in_a_table, VIRTQ_FAULT_INDIRECT, false},
	{"table nowhere", table_nowhere, VIRTQ_FAULT_ADDRESS, false},
	{"table half nowhere", table_half_nowhere, VIRTQ_FAULT_ADDRESS, false},
	{"entry over the seam", table_entry_over_the_seam, VIRTQ_FAULT_ADDRESS, false},
	{"table that loops", table_that_loops, VIRTQ_FAULT_LOOP, false},
	{"table with a next beyond", table_with_a_next_beyond, VIRTQ_FAULT_NEXT, false},
	{"table of wrong direction", table_of_the_wrong_direction, VIRTQ_FAULT_DIRECTION, false},
	{"table not agreed upon", table_without_the_feature, VIRTQ_FAULT_INDIRECT, false},
	{"index too far", index_too_far, VIRTQ_FAULT_AVAIL_INDEX, true},
	{"index one back", index_one_back, VIRTQ_FAULT_AVAIL_INDEX, true},
};
enum { GALLERY = sizeof(gallery) / sizeof(gallery[0]) };

/* `n` good chains of `len` bytes. */
static void good_chains(struct ring *ring, uint16_t n, uint32_t len, uint16_t dir)
{
	for (uint16_t i = 0; i < n; i++) {
		ring_desc(ring, i, buffers + i * BUFFER, len, dir, 0);
		ring_offer(ring, i);
	}
}

/* Nothing is read from a broken ring and nothing written to it, until a start. */
static void is_broken(struct ring *ring, unsigned int kind)
{
	static uint8_t bytes[60];
	struct frame frame = {.head = bytes, .len = 60, .head_len = 60};
	struct frame *one = &frame;
	uint64_t before;

	role_assert_lcore();
	if (virtq_fault(&ring->q) != gallery[kind].fault)
		fail_msg("%s: %s", gallery[kind].name, virtq_fault_text(virtq_fault(&ring->q)));
	rig_snapshot(&rig);
	before = counted(&counters.tx_drop[TX_DROP_BROKEN]);
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 0);
	vnet_deliver(&ring->q, &one, 1, 1518, &counters);
	assert_int_equal(counted(&counters.tx_drop[TX_DROP_BROKEN]), before + 1);
	assert_false(vnet_arm(&ring->q));
	vnet_disarm(&ring->q);
	rig_check(&rig);
}

static void receive_breaks(void **state)
{
	static const uint16_t places[] = {0, 1, 2, 7, 30, 31, 32};

	role_assert_lcore();
	for (unsigned int i = 0; i < GALLERY * 7; i++) {
		unsigned int kind = i / 7;
		uint16_t good = places[i % 7], base = (uint16_t)(65530 + i % 7), got;
		struct ring *ring = ring_with_buffers(FEATURES, base);

		good_chains(ring, good, 72, 0);
		gallery[kind].paint(ring, 0);
		ring_show(ring);
		if (gallery[kind].index)
			good = 0;
		rig_snapshot(&rig);
		for (uint16_t g = 0; g < good; g++)
			ring_expect_used(ring, (uint16_t)(base + g), g, 0);
		ring_expect_used_index(ring, (uint16_t)(base + good));
		got = vnet_receive(&ring->q, &burst, BURST_MAX, &counters);
		assert_int_equal(got, good < BURST_MAX ? good : BURST_MAX);
		if (got > 0)
			vnet_complete(&ring->q, &burst);
		if (good == BURST_MAX)
			assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 0);
		rig_check(&rig);
		is_broken(ring, kind);
		ring->conf->indirect = true;
		ring_restart(ring, (uint16_t)i);
		good_chains(ring, 3, 72, 0);
		ring_show(ring);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 3);
		vnet_complete(&ring->q, &burst);
		assert_int_equal(drops_of_rx(&counters), 0);
		ring_close(ring);
	}
}

/* E2 in every case: what was given to deliver() is tx_ok or one tx_drop. */
static void deliver_breaks(void **state)
{
	static const uint16_t places[] = {0, 1, 5, 19};
	static uint8_t bytes[60];
	struct frame frame = {.head = bytes, .len = 60, .head_len = 60};
	struct frame *frames[20];

	role_assert_lcore();
	for (int i = 0; i < 20; i++)
		frames[i] = &frame;
	for (unsigned int i = 0; i < GALLERY * 4; i++) {
		unsigned int kind = i / 4;
		uint16_t good = places[i % 4];
		struct ring *ring = ring_with_buffers(FEATURES, (uint16_t)(65530 + i % 7));
		uint64_t ok;

		good_chains(ring, good, 72, WRITE);
		gallery[kind].paint(ring, WRITE);
		ring_show(ring);
		vnet_deliver(&ring->q, frames, 20, 1518, &counters);
		ok = gallery[kind].index ? 0 : good;
		if (counted(&counters.tx_ok) != ok)
			fail_msg("%s after %u: %lu delivered", gallery[kind].name, good,
				 counted(&counters.tx_ok));
		assert_int_equal(counted(&counters.tx_drop[TX_DROP_BROKEN]), 20 - ok);
		assert_int_equal(drops_of_tx(&counters), 20 - ok);
		assert_int_equal((uint16_t)(ring_used_index(ring) - ring->used_idx), ok);
		is_broken(ring, kind);
		ring->conf->indirect = true;
		ring_restart(ring, (uint16_t)i);
		good_chains(ring, 20, 72, WRITE);
		ring_show(ring);
		vnet_deliver(&ring->q, frames, 20, 1518, &counters);
		assert_int_equal(counted(&counters.tx_ok), ok + 20);
		ring_close(ring);
	}
}

/* The bad chain is the second buffer of a frame that needs two: nothing of the frame is written, nothing given back. */
static void deliver_breaks_inside_a_frame(void **state)
{
	static uint8_t bytes[128];
	struct frame frame = {.head = bytes, .len = 128, .head_len = 128};
	struct frame *frames[3] = {&frame, &frame, &frame};

	role_assert_lcore();
	for (unsigned int kind = 0; kind < GALLERY; kind++) {
		struct ring *ring;

		if (gallery[kind].index)
			continue;
		ring = ring_with_buffers(FEATURES, 0);
		good_chains(ring, 3, 100, WRITE);
		gallery[kind].paint(ring, WRITE);
		ring_show(ring);
		vnet_deliver(&ring->q, frames, 3, 1518, &counters);
		assert_int_equal(counted(&counters.tx_ok), 1);
		assert_int_equal(counted(&counters.tx_drop[TX_DROP_BROKEN]), 2);
		assert_int_equal(ring_used_index(ring), 2);
		for (uint32_t i = 0; i < 100; i++)
			assert_int_equal(*rig_at(&rig, buffers + 2 * BUFFER + i), 0);
		is_broken(ring, kind);
		ring->conf->indirect = true;
		ring_close(ring);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_naming_twice(receive_breaks),
		case_naming_twice(deliver_breaks),
		case_naming_twice(deliver_breaks_inside_a_frame),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
