/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames whose bodies a device reads where they lie after their burst is over: their chains, and those behind them, go back
 * in order, once each, when the device has read them; a device that never does keeps a guest's buffers for a while only.
 * The device is played by the test. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cases.h"
#include "clock.h"
#include "frame_ref.h"
#include "rig.h"
#include "vnet.h"

enum { SIZE = 256, LEN = 300, BURST = 32 };

static struct ring ring;
static struct frame_refs *refs;
static uint16_t heads[8 * SIZE];
static uint32_t posted, returned;

static void post(uint32_t n)
{
	ring_post(&ring, posted, n, LEN, heads);
	posted += n;
}

static int scene_open(void **state)
{
	role_assert_control();
	rig_reset(&rig);
	memset(&counters, 0, sizeof(counters));
	memset(&burst, 0, sizeof(burst));
	ring_open(&ring, &rig, SIZE, F(VIRTIO_F_VERSION_1), 0);
	refs = frame_refs_create();
	assert_non_null(refs);
	ring.q.refs = refs;
	frame_ref_users = 1;
	posted = returned = 0;
	return 0;
}

static int scene_close(void **state)
{
	role_assert_control();
	frame_refs_destroy(refs);
	frame_ref_users = 0;
	ring_close(&ring);
	return 0;
}

static uint16_t receive(void)
{
	role_assert_lcore();
	return vnet_receive(&ring.q, &burst, BURST, &counters);
}

static void complete(void)
{
	role_assert_lcore();
	vnet_complete(&ring.q, &burst);
}

/* A whole burst, of which the device takes the frames in `mask`; their references in `taken`. */
static uint16_t pass_burst(uint32_t mask, struct frame_ref **taken)
{
	uint16_t n = receive();

	for (uint16_t i = 0; i < n; i++) {
		taken[i] = frame_ref_of(&burst, &burst.frame[i]);
		if (taken[i] != NULL && (mask >> i & 1) != 0)
			frame_ref_take(taken[i]);
		else
			taken[i] = NULL;
	}
	if (n > 0)
		complete();
	return n;
}

/* So many have come back by now, in the order they were posted. */
static void expect_returned(uint32_t n)
{
	uint32_t id, len;

	while (ring_take(&ring, &id, &len)) {
		assert_true(returned < posted);
		assert_int_equal(id, heads[returned++]);
		assert_int_equal(len, 0);
	}
	assert_int_equal(returned, n);
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void back_in_order_whatever_comes_first(void **state)
{
	struct frame_ref *taken[BURST];

	post(10);
	assert_int_equal(pass_burst(1u << 3 | 1u << 4 | 1u << 8, taken), 10);
	expect_returned(3);
	assert_true(virtq_is_referenced(&ring.q));
	frame_ref_drop(taken[8]);
	frame_ref_drop(taken[4]);
	assert_int_equal(receive(), 0);
	expect_returned(3);
	frame_ref_drop(taken[3]);
	assert_int_equal(receive(), 0);
	expect_returned(10);
	assert_false(virtq_is_referenced(&ring.q));
	assert_int_equal(counted(&ring.q.counters.given_up), 0);
}

/* Those that come meanwhile wait behind it, referenced or not, and the frames are right. */
static void those_behind_wait(void **state)
{
	struct frame_ref *first[BURST], *more[BURST];
	static uint8_t bytes[LEN];

	post(4);
	assert_int_equal(pass_burst(1, first), 4);
	for (unsigned int i = 0; i < 5; i++) {
		post(3);
		assert_int_equal(receive(), 3);
		for (uint16_t k = 0; k < 3; k++) {
			frame_flatten(&burst.frame[k], bytes);
			for (uint32_t b = 0; b < LEN; b++)
				assert_int_equal(bytes[b], pattern(posted - 3 + k, b));
		}
		complete();
	}
	expect_returned(0);
	/* Twice, as a flood to two NICs would. */
	frame_ref_take(first[0]);
	frame_ref_drop(first[0]);
	post(1);
	assert_int_equal(pass_burst(1, more), 1);
	expect_returned(0);
	frame_ref_drop(first[0]);
	assert_int_equal(receive(), 0);
	expect_returned(4 + 15);
	frame_ref_drop(more[0]);
	assert_int_equal(receive(), 0);
	expect_returned(posted);
}

/* A quarter of the ring may be referenced; then frames are to be copied, and when all that can be is in hand, none is taken. */
static void a_bound(void **state)
{
	struct frame_ref *first[BURST], *taken[BURST];
	uint32_t received, zc;

	post(SIZE - 1);
	received = zc = pass_burst(1, first);
	for (uint16_t n; (n = pass_burst(UINT32_MAX, taken)) > 0; received += n) {
		bool was = taken[0] != NULL;

		assert_true(was == (received <= SIZE / 4));
		zc += was ? n : 0;
		for (uint16_t i = 0; i < n && was; i++)
			frame_ref_drop(taken[i]);
	}
	assert_true(zc > SIZE / 4 && zc <= SIZE / 4 + BURST);
	assert_int_equal(received, VIRTQ_IN_HAND_MAX);
	assert_int_equal(counted(&ring.q.counters.zero_copy), zc);
	expect_returned(0);
	frame_ref_drop(first[0]);
	assert_int_equal(receive(), 0);
	expect_returned(received);
	/* Around the list, and around the ring: several laps. */
	for (unsigned int lap = 0; lap < 5; lap++) {
		post(SIZE - 1);
		for (uint16_t n; (n = pass_burst(0x88888888, taken)) > 0;)
			for (uint16_t i = 0; i < n; i++)
				if (taken[i] != NULL)
					frame_ref_drop(taken[i]);
		assert_int_equal(receive(), 0);
		expect_returned(posted);
	}
}

static void no_device_takes(void **state)
{
	struct frame_ref *taken[BURST];

	frame_ref_users = 0;
	post(5);
	assert_int_equal(pass_burst(UINT32_MAX, taken), 5);
	assert_null(taken[0]);
	expect_returned(5);
	assert_false(virtq_is_referenced(&ring.q));
	assert_int_equal(counted(&ring.q.counters.zero_copy), 0);
}

/* A frame that is not of the burst (a segment made of one, an announcement) has no reference, nor has any after complete(). */
static void only_frames_of_the_burst(void **state)
{
	struct frame other = {.len = LEN};

	post(2);
	assert_int_equal(receive(), 2);
	assert_non_null(frame_ref_of(&burst, &burst.frame[1]));
	assert_null(frame_ref_of(&burst, &other));
	assert_null(frame_ref_of(&burst, &burst.frame[2]));
	complete();
	assert_null(frame_ref_of(&burst, &burst.frame[0]));
	expect_returned(2);
}

/* A ring that is to be withdrawn gives nothing more, and is through when all is back. */
static void a_ring_is_drained(void **state)
{
	struct frame_ref *taken[BURST];

	post(6);
	assert_int_equal(pass_burst(1u << 2, taken), 6);
	post(6);
	ring.q.draining = true;
	assert_int_equal(receive(), 0);
	assert_true(virtq_is_referenced(&ring.q));
	role_assert_lcore();
	assert_true(vnet_arm(&ring.q)); /* the lcore does not sleep over it */
	expect_returned(2);
	frame_ref_drop(taken[2]);
	assert_int_equal(receive(), 0);
	assert_false(virtq_is_referenced(&ring.q));
	expect_returned(6);
	role_assert_control();
	if (!ring.packed)
		assert_int_equal(virtq_position(&ring.q), 6);
	ring.q.draining = false;
	assert_int_equal(pass_burst(0, taken), 6);
	expect_returned(12);
}

/* A device that hangs: the guest has its buffers again after FRAME_REF_LIMIT_MS, and what comes is copied while the device has
 * what it was lent. */
static void given_up_in_the_end(void **state)
{
	struct frame_ref *first[BURST], *taken[BURST];
	uint64_t begun = clock_ns(), took;
	uint32_t more = 0;

	post(8);
	assert_int_equal(pass_burst(1u << 1 | 1u << 5, first), 8);
	while (virtq_is_referenced(&ring.q) && clock_ns() - begun < 10 * NS_PER_S) {
		const struct timespec pause = {.tv_nsec = 1000000};

		assert_int_equal(receive(), 0);
		nanosleep(&pause, NULL);
	}
	took = (clock_ns() - begun) / NS_PER_MS;
	assert_true(took >= FRAME_REF_LIMIT_MS && took < 10 * FRAME_REF_LIMIT_MS);
	expect_returned(8);
	assert_int_equal(counted(&ring.q.counters.given_up), 2);
	/* Until the numbers come around to those that are out still: then a burst is copied. */
	for (uint32_t seen = 8; seen < 2 * VIRTQ_IN_HAND_LIST; seen += more) {
		uint32_t at = seen % VIRTQ_IN_HAND_LIST;

		post(8);
		more = pass_burst(UINT32_MAX, taken);
		assert_int_equal(more, 8);
		assert_true((taken[0] == NULL) == (at <= 5 && at + 8 > 1));
		for (uint32_t i = 0; i < more && taken[0] != NULL; i++)
			frame_ref_drop(taken[i]);
		assert_int_equal(receive(), 0);
		expect_returned(posted);
	}
	frame_ref_drop(first[1]);
	frame_ref_drop(first[5]);
}

static void a_broken_ring_keeps_no_chain(void **state)
{
	struct frame_ref *taken[BURST];

	post(3);
	assert_int_equal(pass_burst(1, taken), 3);
	ring.q.fault = VIRTQ_FAULT_LOOP;
	assert_int_equal(receive(), 0);
	assert_false(virtq_is_referenced(&ring.q));
	expect_returned(0);
	frame_ref_drop(taken[0]);
}

/* The first chain is none: there is nothing to wait for. */
static void broken_at_once(void **state)
{
	uint16_t head;

	head = ring_chain(&ring, &(struct piece){UINT64_C(1) << 60, 100}, 1, false, CHAIN_DIRECT);
	ring_offer(&ring, head);
	ring_show(&ring);
	assert_int_equal(receive(), 0);
	assert_int_equal(virtq_fault(&ring.q), VIRTQ_FAULT_ADDRESS);
	assert_false(virtq_is_referenced(&ring.q));
}

/* What was found by an earlier generation of the map is distinguished from what came later. */
static void a_generation(void **state)
{
	struct frame_ref *taken[BURST];

	rig.map->generation = 65535;
	post(1);
	assert_int_equal(pass_burst(1, taken), 1);
	assert_false(frame_refs_before(refs, 65535));
	assert_true(frame_refs_before(refs, 0));
	frame_ref_drop(taken[0]);
	assert_false(frame_refs_before(refs, 0));
	rig.map->generation = 0;
}

#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_CASE(back_in_order_whatever_comes_first),
		TEST_CASE(those_behind_wait),
		TEST_CASE(a_bound),
		TEST_CASE(no_device_takes),
		TEST_CASE(only_frames_of_the_burst),
		TEST_CASE(a_ring_is_drained),
		TEST_CASE(given_up_in_the_end),
		TEST_CASE(a_broken_ring_keeps_no_chain),
		TEST_CASE(broken_at_once),
		TEST_CASE(a_generation),
	};
	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
