/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is notified, and when: interrupts and kicks with flags and with event indexes (virtio 1.2, 2.7.7 and 2.7.10),
 * around every wrap; and what a queue remembers over a start, a pause and a new interrupt descriptor. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"

#define FLAGS F(VIRTIO_F_VERSION_1)
#define EVENTS (FLAGS | F(VIRTIO_RING_F_EVENT_IDX))

enum { SIZE = 64, BURST = SIZE / 2 };

static uint64_t buffers;

static struct ring *ring_with_buffers(uint64_t features, uint16_t base)
{
	struct ring *ring = fresh_ring(SIZE, features, base);

	buffers = rig_alloc(&rig, SIZE * 128, 8);
	memset(rig_at(&rig, buffers), 0, SIZE * 128);
	return ring;
}

static void offer(struct ring *ring, uint16_t n, bool writable)
{
	for (; n > 0; n--) {
		uint16_t i = ring->avail_idx % SIZE;

		ring_desc(ring, i, buffers + i * 128u, 100, writable ? VRING_DESC_F_WRITE : 0, 0);
		ring_offer(ring, i);
	}
	ring_show(ring);
}

/* One burst of n frames out of the guest, or into it. */
static void move(struct ring *ring, uint16_t n, bool to_guest)
{
	static uint8_t bytes[60];
	static struct frame frame = {.head = bytes, .len = 60, .head_len = 60};
	struct frame *frames[BURST];

	role_assert_lcore();
	offer(ring, n, to_guest);
	for (int i = 0; i < BURST; i++)
		frames[i] = &frame;
	if (to_guest) {
		vnet_deliver(&ring->q, frames, n, 1514, &counters);
	} else {
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), n);
		vnet_complete(&ring->q, &burst);
	}
	ring->used_idx = (uint16_t)(ring->used_idx + n);
	assert_int_equal(ring_used_index(ring), ring->used_idx);
}

/* An oracle that walks: is `event` one of the entries from `from` up to, not including, `to`? */
static bool walked_over(uint16_t event, uint16_t from, uint16_t to)
{
	for (; from != to; from++)
		if (from == event)
			return true;
	return false;
}

static void interrupts_by_event_index(void **state)
{
	for (int to_guest = 0; to_guest < 2; to_guest++) {
		struct ring *ring = ring_with_buffers(EVENTS, 65000);
		uint64_t reported = 0;

		dice_seed(21);
		/* A start interrupts whatever the guest asked: it may have asked the device before us. */
		ring_used_event(ring, 64000);
		move(ring, 1, to_guest);
		assert_int_equal(ring_interrupts(ring), 1);
		for (int round = 0; round < 60000; round++) {
			uint16_t from = ring->used_idx, n = (uint16_t)(1 + dice(BURST));
			uint16_t event = (uint16_t)(from + dice(80) - 20);
			bool want = walked_over(event, from, (uint16_t)(from + n));

			ring_used_event(ring, event);
			/* The flag is not to be looked at (2.7.7.1). */
			ring_avail_flags(ring, (uint16_t)dice(2));
			move(ring, n, to_guest);
			if (ring_interrupts(ring) != want)
				fail_msg("event %u, from %u by %u", event, from, n);
			reported += want;
		}
		assert_int_equal(counted(&ring->q.counters.interrupts), reported + 1);
		ring_close(ring);
	}
}

static void interrupts_by_flag(void **state)
{
	for (int to_guest = 0; to_guest < 2; to_guest++) {
		struct ring *ring = ring_with_buffers(FLAGS, 65500);

		ring_avail_flags(ring, VRING_AVAIL_F_NO_INTERRUPT);
		move(ring, 1, to_guest);
		assert_int_equal(ring_interrupts(ring), 1);
		for (int round = 0; round < 200; round++) {
			bool wanted = dice(2) == 0;

			ring_avail_flags(ring, wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
			ring_used_event(ring, ring->used_idx); /* not agreed upon: means nothing */
			move(ring, (uint16_t)(1 + dice(BURST)), to_guest);
			assert_int_equal(ring_interrupts(ring), wanted);
		}
		ring_close(ring);
	}
}

/* A burst that gives nothing back interrupts nothing. */
static void no_interrupt_for_nothing(void **state)
{
	struct ring *ring = ring_with_buffers(FLAGS, 0);
	uint8_t bytes[60] = {0};
	struct frame frame = {.head = bytes, .len = 60, .head_len = 60};
	struct frame *one = &frame;

	role_assert_lcore();
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 0);
	vnet_deliver(&ring->q, &one, 1, 1514, &counters);
	assert_int_equal(counted(&counters.tx_drop[TX_DROP_NO_BUFFER]), 1);
	assert_int_equal(counted(&ring->q.counters.full), 1);
	assert_int_equal(ring_interrupts(ring), 0);
	ring_close(ring);
}

/* Frames that are dropped on receipt are given back, and the guest may wait for just that. */
static void an_interrupt_for_what_was_dropped(void **state)
{
	struct ring *ring = ring_with_buffers(EVENTS, 7);

	role_assert_lcore();
	move(ring, 1, false);
	ring_interrupts(ring);
	ring_used_event(ring, ring->used_idx);
	ring_desc(ring, 0, buffers, 13, 0, 0);
	ring_offer(ring, 0);
	ring_show(ring);
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 0);
	assert_int_equal(ring_interrupts(ring), 1);
	ring_close(ring);
}

/* No descriptor, no interrupt; a new one gets it at the next burst, however long the silence was. */
static void the_interrupt_goes_and_comes(void **state)
{
	static const uint32_t silences[] = {0, 1, 5, 65534, 65535, 65536, 65537};

	role_assert_control();
	for (unsigned int s = 0; s < sizeof(silences) / sizeof(silences[0]); s++) {
		struct ring *ring = ring_with_buffers(EVENTS, 100);
		struct virtq_conf *silent = virtq_conf_with_call(ring->conf, -1);

		move(ring, 1, false);
		ring_interrupts(ring);
		assert_ptr_equal(virtq_publish(&ring->q, silent), ring->conf);
		for (uint32_t left = silences[s]; left > 0;) {
			uint16_t n = left < BURST ? (uint16_t)left : BURST;

			move(ring, n, false);
			left -= n;
		}
		assert_int_equal(ring_interrupts(ring), 0);
		virtq_publish(&ring->q, ring->conf);
		ring_used_event(ring, ring->used_idx);
		move(ring, 1, false);
		if (ring_interrupts(ring) != 1)
			fail_msg("lost after %u", silences[s]);
		free(silent);
		ring_close(ring);
	}
}

/* A guest that fills its own eventfd cannot make us wait. */
static void a_full_eventfd_is_an_interrupt(void **state)
{
	struct ring *ring = ring_with_buffers(FLAGS, 0);

	assert_int_equal(eventfd_write(ring->call_fd, UINT64_MAX - 1), 0);
	for (int i = 0; i < 3; i++)
		move(ring, 1, true);
	assert_int_equal(ring_interrupts(ring), UINT64_MAX - 1);
	ring_close(ring);
}

/* --- kicks ------------------------------------------------------------------------------------------------------- */

/* While it polls, the device wants no kicks; armed, it asks for one at exactly the next entry. */
static void kicks_by_event_index(void **state)
{
	struct ring *ring = ring_with_buffers(EVENTS, 65530);

	role_assert_lcore();
	for (int round = 0; round < 100; round++) {
		move(ring, (uint16_t)(1 + dice(BURST)), false);
		assert_false(vnet_arm(&ring->q));
		assert_int_equal(ring_avail_event(ring), ring->avail_idx);
		offer(ring, 1, false);
		assert_true(vnet_arm(&ring->q));
		vnet_disarm(&ring->q);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 1);
		vnet_complete(&ring->q, &burst);
		ring->used_idx++;
		assert_int_equal(ring_used_flags(ring), 0);
	}
	ring_close(ring);
}

static void kicks_by_flag(void **state)
{
	struct ring *ring = ring_with_buffers(FLAGS, 65530);

	role_assert_lcore();
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 0);
	assert_int_equal(ring_used_flags(ring), VRING_USED_F_NO_NOTIFY);
	for (int round = 0; round < 100; round++) {
		assert_false(vnet_arm(&ring->q));
		assert_int_equal(ring_used_flags(ring), 0);
		offer(ring, 1, false);
		assert_true(vnet_arm(&ring->q));
		vnet_disarm(&ring->q);
		assert_int_equal(ring_used_flags(ring), VRING_USED_F_NO_NOTIFY);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 1);
		vnet_complete(&ring->q, &burst);
	}
	ring_close(ring);
}

/* An index that makes no sense keeps the lcore awake for the visit that will find it. */
static void arming_a_mad_ring(void **state)
{
	struct ring *ring = ring_with_buffers(EVENTS, 0);

	role_assert_lcore();
	ring->avail_idx = SIZE + 1;
	ring_show(ring);
	assert_true(vnet_arm(&ring->q));
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 0);
	assert_int_equal(virtq_fault(&ring->q), VIRTQ_FAULT_AVAIL_INDEX);
	assert_false(vnet_arm(&ring->q));
	ring_close(ring);
}

/* --- starts and pauses ------------------------------------------------------------------------------------------- */

/* Another device served the ring before: it stopped where the used index is, whatever the front end believes. */
static void goes_on_where_another_stopped(void **state)
{
	static const uint16_t used[] = {0, 1, 77, 32768, 65533, 65535};

	for (unsigned int u = 0; u < 6; u++)
		for (int to_guest = 0; to_guest < 2; to_guest++) {
			struct ring *ring = ring_with_buffers(EVENTS, (uint16_t)(used[u] * 3));

			rig_put(&rig, ring->used + 2, &used[u], 2);
			ring->used_idx = ring->avail_idx = used[u];
			move(ring, 5, to_guest);
			assert_int_equal(ring_interrupts(ring), 1);
			ring_close(ring);
		}
}

/* The region of a ring goes while a burst is out: what was taken is given back, the position is right, and the ring
 * goes on when its memory is back. */
static void withdrawn_inside_a_burst(void **state)
{
	struct ring *ring = ring_with_buffers(EVENTS, 65530);

	role_assert_control();
	role_assert_lcore();
	for (int round = 0; round < 20; round++) {
		offer(ring, 9, false);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 9);
		assert_ptr_equal(virtq_publish(&ring->q, NULL), ring->conf);
		vnet_complete(&ring->q, &burst);
		ring->used_idx = (uint16_t)(ring->used_idx + 9);
		assert_int_equal(ring_used_index(ring), ring->used_idx);
		assert_int_equal(virtq_position(&ring->q), ring->avail_idx);
		offer(ring, 3, false);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 0);
		assert_false(vnet_arm(&ring->q));
		vnet_disarm(&ring->q);
		virtq_publish(&ring->q, ring->conf);
		assert_int_equal(vnet_receive(&ring->q, &burst, BURST, &counters), 3);
		vnet_complete(&ring->q, &burst);
		ring->used_idx = (uint16_t)(ring->used_idx + 3);
		assert_int_equal(ring_used_index(ring), ring->used_idx);
	}
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupts_by_event_index),
		cmocka_unit_test(interrupts_by_flag),
		cmocka_unit_test(no_interrupt_for_nothing),
		cmocka_unit_test(an_interrupt_for_what_was_dropped),
		cmocka_unit_test(the_interrupt_goes_and_comes),
		cmocka_unit_test(a_full_eventfd_is_an_interrupt),
		cmocka_unit_test(kicks_by_event_index),
		cmocka_unit_test(kicks_by_flag),
		cmocka_unit_test(arming_a_mad_ring),
		cmocka_unit_test(goes_on_where_another_stopped),
		cmocka_unit_test(withdrawn_inside_a_burst),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
