/* SPDX-License-Identifier: BSD-3-Clause */
/* What is fetched before a delivery: the delivery is the same with it and without, whatever the ring says meanwhile, and a queue
 * that is not to be touched is not. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"
#include "vnet_ahead.h"

#define FEATURES (F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF) | F(VIRTIO_RING_F_INDIRECT_DESC))
#define EVENTS (FEATURES | F(VIRTIO_RING_F_EVENT_IDX))

enum { SIZE = 64, LEN = 60, BUFFER = 128, BURST = SIZE / 2 };

static uint8_t bytes[LEN];

static void all_steps(struct ring *ring, uint16_t n)
{
	struct port_ahead ahead;

	role_assert_lcore();
	memset(&ahead, 0xa5, sizeof(ahead)); /* nothing of another queue is believed */
	for (int step = 0; step < PORT_AHEAD_STEPS; step++)
		vnet_ahead(&ring->q, (enum port_ahead_step)step, n, &ahead);
}

static void deliver(struct ring *ring, uint16_t n)
{
	struct frame frame = {.head = bytes, .head_len = LEN, .len = LEN}, *frames[BURST];

	role_assert_lcore();
	for (uint16_t i = 0; i < n; i++)
		frames[i] = &frame;
	vnet_deliver(&ring->q, frames, n, FRAME_LEN_MAX, &counters);
}

static void offer(struct ring *ring, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct piece piece = {rig_alloc(&rig, BUFFER, 1), BUFFER};

		ring_offer(ring, ring_chain(ring, &piece, 1, true, CHAIN_DIRECT));
	}
	ring_show(ring);
}

/* Several laps, with buffers for all frames and without. */
static void nothing_changes(void **state)
{
	static const uint64_t features[] = {FEATURES, EVENTS};
	uint64_t given = 0, before;

	for (unsigned int f = 0; f < 2; f++) {
		struct ring *ring = fresh_ring(SIZE, features[f], (uint16_t)(65500 * f));

		given = 0;
		for (int round = 0; round < 300; round++) {
			uint16_t n = (uint16_t)(1 + dice(BURST)), room = (uint16_t)dice(n + 1);
			uint32_t id, len;

			rig.free_at = RIG_GPA + 0x10000;
			offer(ring, room);
			rig_snapshot(&rig);
			all_steps(ring, n);
			rig_check(&rig);
			before = counted(&counters.tx_ok);
			deliver(ring, n);
			assert_int_equal(counted(&counters.tx_ok), before + room);
			given += n;
			for (uint16_t i = 0; i < room; i++) {
				assert_true(ring_take(ring, &id, &len));
				assert_int_equal(len, 12 + LEN);
			}
			assert_false(ring_take(ring, &id, &len));
		}
		assert_int_equal(counted(&counters.tx_ok) + drops_of_tx(&counters), given);
		assert_int_equal(virtq_fault(&ring->q), VIRTQ_OK);
		ring_close(ring);
	}
}

/* A guest that writes anything anywhere in its ring: nothing is believed, nothing breaks by a look. */
static void any_ring_is_looked_at(void **state)
{
	struct ring *ring = fresh_ring(SIZE, EVENTS, 0);

	offer(ring, 1);
	deliver(ring, 1);
	for (int round = 0; round < 2000; round++) {
		uint8_t noise[16 * SIZE];

		for (unsigned int i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)(dice(2) == 0 ? 0xff : dice(256));
		rig_put(&rig, ring->desc, noise, 16 * SIZE);
		if (!rig_packed)
			rig_put(&rig, ring->avail, noise, 4 + 2 * SIZE);
		rig_snapshot(&rig);
		all_steps(ring, (uint16_t)(1 + dice(BURST)));
		rig_check(&rig);
		assert_int_equal(virtq_fault(&ring->q), VIRTQ_OK);
	}
	ring_close(ring);
}

/* One that is stopped, whose memory is away, that broke, that another lcore has, and one that was not looked at yet. */
static void queues_that_are_left_alone(void **state)
{
	struct ring *ring = fresh_ring(SIZE, FEATURES, 0);

	role_assert_control();
	role_assert_lcore();
	assert_true(vnet_is_fresh(&ring->q));
	all_steps(ring, 1);
	assert_true(vnet_is_fresh(&ring->q));
	offer(ring, 3);
	deliver(ring, 1);
	virtq_publish(&ring->q, NULL);
	all_steps(ring, 1);
	virtq_publish(&ring->q, ring->conf);
	rcu_set(&rig.table.map, NULL);
	all_steps(ring, 1);
	rcu_set(&rig.table.map, rig.map);
	assert_true(burst_turn_try(&ring->q.turn));
	all_steps(ring, 1);
	assert_false(burst_turn_try(&ring->q.turn)); /* it is not given back for another */
	burst_turn_leave(&ring->q.turn);
	deliver(ring, 1);
	atomic_store(&ring->q.fault, VIRTQ_FAULT_HEAD);
	all_steps(ring, 1);
	atomic_store(&ring->q.fault, VIRTQ_OK);
	deliver(ring, 1);
	assert_int_equal(counted(&counters.tx_ok), 3);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changes),
		cmocka_unit_test(any_ring_is_looked_at),
		cmocka_unit_test(queues_that_are_left_alone),
	};

	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
