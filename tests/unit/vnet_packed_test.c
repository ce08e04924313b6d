/* SPDX-License-Identifier: BSD-3-Clause */
/* What is particular to a packed ring: what breaks it and what does not, laps of any length, when the driver is told and
 * when it has to tell, where it stands, and the pages a migration has to send again. Its everyday life is in the tests of
 * both formats. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "mem_log.h"
#include "rig.h"
#include "vnet.h"

#define PLAIN (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_NET_F_MRG_RXBUF))
#define EVENTS (PLAIN | F(VIRTIO_RING_F_EVENT_IDX))

enum { AVAIL = FG_DESC_AVAIL, USED = FG_DESC_USED };
enum { WRAP = FG_WRAP, FRAME = 12 + 60 };

static void put(struct ring *ring, uint16_t i, uint64_t gpa, uint32_t len, unsigned int flags)
{
	*fg_packed_at(&ring->v, i) = (struct fg_packed_desc){
		.addr = gpa, .len = len, .id = (uint16_t)(i + 40000), .flags = (uint16_t)flags};
}

static uint16_t receive(struct ring *ring)
{
	uint16_t n;

	role_assert_lcore();
	n = vnet_receive(&ring->q, &burst, BURST_MAX, &counters);
	if (n > 0)
		vnet_complete(&ring->q, &burst);
	return n;
}

/* --- what breaks it (V1 to V6) ------------------------------------------------------------------------------------ */

static void expect_fault(struct ring *ring, enum virtq_fault fault)
{
	assert_int_equal(receive(ring), 0);
	assert_string_equal(virtq_fault_text(virtq_fault(&ring->q)), virtq_fault_text(fault));
	assert_int_equal(receive(ring), 0);
	ring_close(ring);
}

static void chains_that_break_it(void **state)
{
	static const struct {
		enum virtq_fault fault;
		uint64_t features, gpa;
		uint32_t len;
		unsigned int flags;
	} bad[] = {
		{VIRTQ_FAULT_DIRECTION, PLAIN, RIG_GPA, FRAME, WRITE},
		{VIRTQ_FAULT_ADDRESS, PLAIN, 0x1000, FRAME, 0},
		{VIRTQ_FAULT_ADDRESS, PLAIN, RIG_END - 4, FRAME, 0},
		{VIRTQ_FAULT_ADDRESS, PLAIN, UINT64_MAX - 3, FRAME, 0},
		{VIRTQ_FAULT_INDIRECT, PLAIN, RIG_GPA, 0, INDIRECT},
		{VIRTQ_FAULT_INDIRECT, PLAIN, RIG_GPA, 17, INDIRECT},
		{VIRTQ_FAULT_INDIRECT, PLAIN, RIG_GPA, 16 * 9, INDIRECT}, /* longer than the ring */
		{VIRTQ_FAULT_INDIRECT, PLAIN, RIG_GPA + 1, 16, INDIRECT},
		{VIRTQ_FAULT_INDIRECT, PLAIN, RIG_GPA, 16, INDIRECT | NEXT},
		{VIRTQ_FAULT_INDIRECT, F(VIRTIO_F_VERSION_1), RIG_GPA, 16, INDIRECT},
		{VIRTQ_FAULT_ADDRESS, PLAIN, 0x1000, 16, INDIRECT},
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ring *ring = fresh_ring(8, bad[i].features, 0);

		put(ring, 0, bad[i].gpa, bad[i].len, bad[i].flags | AVAIL);
		expect_fault(ring, bad[i].fault);
	}
}

/* V1: a chain that never ends; V4: a table in a table. */
static void chains_without_end(void **state)
{
	struct ring *ring = fresh_ring(7, PLAIN, 0);
	struct fg_packed_desc table = {.addr = RIG_GPA, .len = 16, .flags = INDIRECT};
	uint64_t at;

	for (uint16_t i = 0; i < 7; i++)
		put(ring, i, RIG_GPA, 16, NEXT | AVAIL);
	expect_fault(ring, VIRTQ_FAULT_LOOP);

	ring = fresh_ring(7, PLAIN, 0);
	at = rig_alloc(&rig, 16, 16);
	rig_put(&rig, at, &table, sizeof(table));
	put(ring, 0, at, 16, INDIRECT | AVAIL);
	expect_fault(ring, VIRTQ_FAULT_INDIRECT);
}

/* V11, and the base a front end gives: a place beyond the ring is none. */
static void sizes_and_bases(void **state)
{
	struct ring *ring = fresh_ring(5, PLAIN, 0);
	struct virtq_setup setup = ring->setup;

	role_assert_control();
	setup.size = 0;
	assert_null(virtq_conf_create(&setup, rig.map));
	setup.size = 32769;
	assert_null(virtq_conf_create(&setup, rig.map));
	setup = ring->setup;
	setup.avail_uva += 2;
	assert_null(virtq_conf_create(&setup, rig.map));
	virtq_start(&ring->q, ring->conf, 0x80058005);
	expect_fault(ring, VIRTQ_FAULT_AVAIL_INDEX);

	/* The upper half says where the next element goes; if it says nothing, the lower one does (F10). */
	ring = fresh_ring(5, PLAIN, 0);
	put(ring, 3, RIG_GPA + 4096, FRAME, AVAIL);
	virtq_start(&ring->q, ring->conf, 0x8003);
	memset(rig_at(&rig, RIG_GPA + 4096), 0, FRAME);
	assert_int_equal(receive(ring), 1);
	assert_int_equal(virtq_position(&ring->q), 0x80048004);
	ring_close(ring);
}

/* Anything at all in the ring and in a table: bounded, and not a byte beyond the ring and the event field is written. */
static void anything_in_the_ring(void **state)
{
	unsigned int received = 0, broken = 0;

	dice_seed(77);
	for (unsigned int round = 0; round < 4000; round++) {
		struct ring *ring = fresh_ring((uint16_t)(1 + dice(40)), PLAIN, 0);
		uint64_t at = rig_alloc(&rig, 4096, 16);

		memset(rig_at(&rig, at), 0, 4096);
		for (uint16_t i = 0; i < ring->size; i++)
			put(ring, i, dice(30) ? at + dice(64) * 16u : (uint64_t)dice(UINT32_MAX) << 32,
			    dice(4) ? FRAME : 16u * dice(64),
			    (dice(8) ? AVAIL : dice(65536)) | (dice(4) ? 0 : NEXT) |
				    (dice(6) ? 0 : INDIRECT));
		rig_snapshot(&rig);
		for (unsigned int k = 0; k < 4; k++)
			received += receive(ring);
		broken += virtq_fault(&ring->q) != VIRTQ_OK;
		rig_expect(&rig, ring->desc, rig_at(&rig, ring->desc), ring->size * 16u);
		rig_expect(&rig, ring->used, rig_at(&rig, ring->used), 4);
		rig_check(&rig);
		ring_close(ring);
	}
	print_message("%u received, %u rings broken\n", received, broken);
	assert_true(received > 1000 && broken > 500);
}

/* --- interrupts and kicks ----------------------------------------------------------------------------------------- */

enum { MOST = 20 }; /* frames at a time */

static void offer_frames(struct ring *ring, uint64_t at, unsigned int n)
{
	struct piece one = {at, FRAME};

	memset(rig_at(&rig, at), 0, n * FRAME);
	for (unsigned int i = 0; i < n; i++, one.gpa += FRAME)
		ring_offer(ring, ring_chain(ring, &one, 1, false, CHAIN_DIRECT));
	ring_show(ring);
}

static void driver_event(struct ring *ring, uint16_t off_wrap, uint16_t flags)
{
	uint32_t event = (uint32_t)flags << 16 | off_wrap;

	rig_put(&rig, ring->avail, &event, sizeof(event));
}

static uint32_t device_event(struct ring *ring)
{
	uint32_t event;

	rig_get(&rig, ring->used, &event, sizeof(event));
	return event;
}

/* The interrupt comes with the burst that passes the place asked for, wherever the lap ends; DISABLE and ENABLE mean what
 * they say. */
static void interrupts(void **state)
{
	enum { SIZE = 11 };
	struct ring *ring = fresh_ring(SIZE, EVENTS, 0);
	uint64_t at = rig_alloc(&rig, MOST * FRAME, 1);
	uint16_t place = WRAP;
	uint32_t id, len;

	offer_frames(ring, at, 1);
	assert_int_equal(receive(ring), 1);
	ring_interrupts(ring); /* the first one is free */
	place++;
	dice_seed(5);
	for (unsigned int round = 0; round < 500; round++) {
		unsigned int n = 1 + dice(SIZE - 1), wait = dice(SIZE);
		uint32_t event = (place & 0x7fffu) + wait;
		uint16_t mode = (uint16_t)dice(3);

		while (ring_take(ring, &id, &len))
			;
		event = event < SIZE ? (place & WRAP) | event : (~(uint32_t)place & WRAP) | (event - SIZE);
		driver_event(ring, (uint16_t)event, mode);
		offer_frames(ring, at, n);
		assert_int_equal(receive(ring), n);
		assert_int_equal(ring_interrupts(ring),
				 mode == VRING_PACKED_EVENT_FLAG_ENABLE ||
					 (mode == VRING_PACKED_EVENT_FLAG_DESC && wait < n));
		for (unsigned int i = 0; i < n; i++)
			place = (place & 0x7fff) + 1 < SIZE ? (uint16_t)(place + 1)
							    : (uint16_t)(~place & WRAP);
	}
	ring_close(ring);
}

static void kicks(void **state)
{
	static const uint64_t features[] = {PLAIN, EVENTS};

	role_assert_lcore();
	for (unsigned int f = 0; f < 2; f++) {
		struct ring *ring = fresh_ring(9, features[f], 0);
		uint64_t at = rig_alloc(&rig, MOST * FRAME, 1);

			offer_frames(ring, at, 4);
		assert_int_equal(receive(ring), 4);
		assert_int_equal(device_event(ring), VRING_PACKED_EVENT_FLAG_DISABLE << 16);
		assert_false(vnet_arm(&ring->q));
		assert_int_equal(device_event(ring),
				 f == 0 ? 0 : VRING_PACKED_EVENT_FLAG_DESC << 16 | 0x8004);
		vnet_disarm(&ring->q);
		assert_int_equal(device_event(ring), VRING_PACKED_EVENT_FLAG_DISABLE << 16);
		offer_frames(ring, at, 1);
		assert_true(vnet_arm(&ring->q));
		ring_close(ring);
	}
}

/* --- a migration -------------------------------------------------------------------------------------------------- */

/* The ring's own page is marked by where it lies, whatever the front end says to log (F9). */
static void the_ring_is_logged(void **state)
{
	static uint64_t words[4096];
	const uint64_t device_area = UINT64_C(77) * 4096;
	struct ring *ring = fresh_ring(600, PLAIN, 0); /* over more than two pages */
	struct mem_log log = {.words = words, .pages = sizeof(words) * 8};
	struct virtq_conf *logged = virtq_conf_with_log(ring->conf, true, device_area);
	uint64_t at = rig_alloc(&rig, MOST * FRAME, 1);

	role_assert_control();
	memset(words, 0, sizeof(words));
	/* The log covers low addresses only: the ring's are beyond it, so it is told where else it lies. */
	logged->desc_gpa = 4096 * 8;
	virtq_publish(&ring->q, logged);
	rcu_set(&rig.table.log, &log);
	offer_frames(ring, at, 3);
	assert_int_equal(receive(ring), 3);
	assert_int_equal(words[0], UINT64_C(1) << 8);
	assert_int_equal(words[1], UINT64_C(1) << (77 - 64));
	words[0] = words[1] = 0;
	for (unsigned int i = 0; i < 26; i++) {
		offer_frames(ring, at, 20);
		assert_int_equal(receive(ring), 20);
	}
	assert_int_equal(words[0], UINT64_C(7) << 8);
	rcu_set(&rig.table.log, NULL);
	free(logged);
	virtq_publish(&ring->q, ring->conf);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_that_break_it), cmocka_unit_test(chains_without_end),
		cmocka_unit_test(sizes_and_bases),	case_naming_twice(anything_in_the_ring),
		cmocka_unit_test(interrupts),		cmocka_unit_test(kicks),
		cmocka_unit_test(the_ring_is_logged),
	};

	rig_packed = true;
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
