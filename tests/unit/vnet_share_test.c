/* SPDX-License-Identifier: BSD-3-Clause */
/* Several lcores deliver to one guest queue: each burst is a turn. Under ThreadSanitizer too. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"

struct sender {
	struct ring *ring;
	struct port_counters counters;
	uint8_t mark;
};

enum { SENDERS = 3, DELIVERED_BY_EACH = 6000, AT_ONCE = 4 };

static atomic_int finished;

/* Frames that are all the sender's mark, but for their number, counted from 1. Who finds the ring full lets the others have
 * the CPU. */
static void *sender_main(void *arg)
{
	struct sender *sender = arg;
	uint8_t room[AT_ONCE][60];
	struct frame frame[AT_ONCE], *frames[AT_ONCE];
	uint32_t number = 0;

	role_assert_lcore();
	memset(room, sender->mark, sizeof(room));
	for (int i = 0; i < AT_ONCE; i++) {
		frame[i] = (struct frame){.head = room[i], .len = 60, .head_len = 60};
		frames[i] = &frame[i];
	}
	while (counted(&sender->counters.tx_ok) < DELIVERED_BY_EACH) {
		uint64_t dropped = drops_of_tx(&sender->counters);

		for (int i = 0; i < AT_ONCE; i++) {
			number++;
			memcpy(room[i] + 56, &number, 4);
		}
		vnet_deliver(&sender->ring->q, frames, AT_ONCE, 1514, &sender->counters);
		if (drops_of_tx(&sender->counters) != dropped)
			sched_yield();
	}
	atomic_fetch_add(&finished, 1);
	return NULL;
}

/* A frame that arrived is whole, and later than what arrived from the same sender before. */
static void check_arrival(const uint8_t *frame, uint32_t last[SENDERS])
{
	uint32_t number;

	assert_in_range(frame[0], 1, SENDERS);
	for (int i = 1; i < 56; i++)
		assert_int_equal(frame[i], frame[0]);
	memcpy(&number, frame + 56, 4);
	assert_in_range(number, last[frame[0] - 1] + 1, UINT32_MAX);
	last[frame[0] - 1] = number;
}

/* lcores take turns at a ring: no frame is torn, none counted twice, and each sender's arrive in order. */
static void a_ring_that_lcores_share(void **state)
{
	struct ring *ring = fresh_ring(256, F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF), 0);
	uint64_t at = rig_alloc(&rig, 256 * 128, 8), ok = 0, arrived = 0;
	struct sender sender[SENDERS];
	uint32_t last[SENDERS] = {0};
	pthread_t thread[SENDERS];
	bool running = true;

	memset(sender, 0, sizeof(sender));
	atomic_store(&finished, 0);
	for (uint16_t i = 0; i < 256; i++) {
		ring_desc(ring, i, at + i * 128u, 128, VRING_DESC_F_WRITE, 0);
		ring_offer(ring, i);
	}
	ring_show(ring);
	for (int i = 0; i < SENDERS; i++) {
		sender[i].ring = ring;
		sender[i].mark = (uint8_t)(i + 1);
		assert_int_equal(pthread_create(&thread[i], NULL, sender_main, &sender[i]), 0);
	}
	while (running) {
		uint32_t id, len;

		running = atomic_load(&finished) < SENDERS;
		while (ring_take(ring, &id, &len)) {
			assert_int_equal(len, 72);
			check_arrival(rig_at(&rig, at + id * 128) + 12, last);
			ring_offer(ring, (uint16_t)id);
			arrived++;
		}
		ring_show(ring);
	}
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(thread[i], NULL);
		ok += counted(&sender[i].counters.tx_ok);
	}
	assert_int_equal(ok, arrived);
	assert_int_equal(counted(&ring->q.counters.frames), ok);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_that_lcores_share),
	};

	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
