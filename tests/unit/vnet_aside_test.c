/* SPDX-License-Identifier: BSD-3-Clause */
/* A burst that is set aside: its chains are in hand until it is completed, whatever becomes of the ring and its memory
 * meanwhile; the process after one that was killed gives them back and does not deliver them. */
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "burst.h"
#include "rig.h"
#include "vnet.h"
#include "vnet_aside.h"

enum { SIZE = 64, LEN = 300, N = 5 };

static struct ring *ring;
static uint16_t heads[4 * SIZE];
static uint32_t posted, returned;

static void post(uint32_t n)
{
	ring_post(ring, posted, n, LEN, heads);
	posted += n;
}

/* A burst of N frames is in hand, of more that wait. */
static int scene_open(void **state)
{
	role_assert_control();
	role_assert_lcore();
	memset(&burst, 0, sizeof(burst));
	ring = fresh_ring(SIZE, F(VIRTIO_F_VERSION_1) | (rig_packed ? F(VIRTIO_F_RING_PACKED) : 0), 0);
	posted = returned = 0;
	virtq_init(&ring->q, &rig.table, &ring->record);
	virtq_record_begin(&ring->record, &ring->setup, ring->base);
	virtq_start(&ring->q, ring->conf, ring->base);
	post(N);
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), N);
	assert_true(vnet_set_aside(&ring->q));
	assert_true(virtq_is_referenced(&ring->q));
	post(3);
	return 0;
}

static int scene_close(void **state)
{
	ring_close(ring);
	return 0;
}

static void expect_returned(uint32_t n)
{
	uint32_t id, len;

	while (ring_take(ring, &id, &len)) {
		assert_true(returned < posted);
		assert_int_equal(id, heads[returned++]);
		assert_int_equal(len, 0);
	}
	assert_int_equal(returned, n);
}

static void expect_frames(void)
{
	uint8_t bytes[LEN];

	assert_int_equal(burst.n, N);
	for (uint16_t i = 0; i < N; i++) {
		frame_flatten(&burst.frame[i], bytes);
		for (uint32_t b = 0; b < LEN; b++)
			assert_int_equal(bytes[b], pattern(i, b));
	}
}

static void it_is_in_hand_until_it_is_done(void **state)
{
	role_assert_lcore();
	expect_returned(0);
	/* No kick tells that it has its turn. */
	assert_true(vnet_arm(&ring->q));
	vnet_disarm(&ring->q);
	for (int visit = 0; visit < 4; visit++) {
		assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
		expect_frames();
		assert_true(vnet_set_aside(&ring->q));
		expect_returned(0);
	}
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
	vnet_complete(&ring->q, &burst);
	expect_returned(N);
	assert_false(virtq_is_referenced(&ring->q));
	/* What came meanwhile comes next. */
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 3);
	vnet_complete(&ring->q, &burst);
	expect_returned(N + 3);
}

/* Control drains the ring: one that is set aside already is brought to an end, and no other is. */
static void a_ring_that_is_drained(void **state)
{
	role_assert_lcore();
	atomic_store(&ring->q.draining, true);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
	assert_true(vnet_set_aside(&ring->q));
	assert_true(virtq_is_referenced(&ring->q));
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
	vnet_complete(&ring->q, &burst);
	assert_false(virtq_is_referenced(&ring->q));
	expect_returned(N);
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 3);
	assert_false(vnet_set_aside(&ring->q));
	assert_false(virtq_is_referenced(&ring->q));
	vnet_complete(&ring->q, &burst);
	expect_returned(N + 3);
}

/* Where it stands is behind the burst, which is given back before the front end asks. */
static void its_place_is_behind_the_burst(void **state)
{
	uint32_t place;

	role_assert_control();
	role_assert_lcore();
	place = virtq_position(&ring->q);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
	vnet_complete(&ring->q, &burst);
	if (!rig_packed)
		assert_int_equal(virtq_position(&ring->q), place);
	assert_int_equal((uint16_t)virtq_position(&ring->q), (uint16_t)place);
}

static void a_ring_that_is_not_there_for_now(void **state)
{
	const struct virtq_conf *conf;

	role_assert_control();
	role_assert_lcore();
	conf = virtq_publish(&ring->q, NULL);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_LATER);
	assert_true(virtq_is_referenced(&ring->q));
	virtq_publish(&ring->q, conf);
	rcu_set(&rig.table.map, NULL);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_LATER);
	rcu_set(&rig.table.map, rig.map);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
	expect_frames();
	vnet_complete(&ring->q, &burst);
	expect_returned(N);
}

/* Memory that comes changes nothing; when that of a body has gone, no byte of it is read, and the chains go back. */
static void memory_that_comes_and_goes(void **state)
{
	const struct mem_region *low = &rig.region[RIG_LOW];
	struct mem_map *more, *less;

	role_assert_control();
	role_assert_lcore();
	more = mem_map_without(rig.map, RIG_REGIONS - 1);
	assert_non_null(more);
	rcu_set(&rig.table.map, more);
	for (uint32_t i = 0; i < more->n; i++)
		assert_true(more->region[i].size > 0);
	if (mem_map_find(more, low->gpa, low->size, low->uva) >= 0) {
		assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
		expect_frames();
		assert_true(vnet_set_aside(&ring->q));
	}
	less = mem_map_without(rig.map, (uint32_t)mem_map_find(rig.map, low->gpa, low->size, low->uva));
	assert_non_null(less);
	rcu_set(&rig.table.map, less);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_LOST);
	assert_false(virtq_is_referenced(&ring->q));
	rcu_set(&rig.table.map, rig.map);
	expect_returned(N);
	mem_map_free(more);
	mem_map_free(less);
}

static void a_ring_that_began_anew(void **state)
{
	role_assert_control();
	role_assert_lcore();
	ring_restart(ring, 0);
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_LOST);
	assert_false(virtq_is_referenced(&ring->q));
}

/* The next process finds the record: all chains come back, counted, and none is received again. */
static void killed_in_the_middle(void **state)
{
	struct virtq_record *record = ring->q.record;
	uint32_t base = rig_packed ? ring->base : ring_used_index(ring);
	bool damaged;

	role_assert_control();
	role_assert_lcore();
	assert_int_equal(vnet_take_up(&ring->q, &burst), VNET_ASIDE_THERE);
	assert_true(vnet_set_aside(&ring->q));
	virtq_init(&ring->q, &rig.table, record);
	assert_true(virtq_record_matches(record, &ring->setup, base, &damaged));
	virtq_resume(&ring->q, ring->conf, base);
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 3);
	assert_int_equal(counted(&counters.rx_drop[RX_DROP_RESTART]), N);
	expect_returned(N);
	vnet_complete(&ring->q, &burst);
	expect_returned(N + 3);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(it_is_in_hand_until_it_is_done), case_of(a_ring_that_is_drained),
		case_of(its_place_is_behind_the_burst),	 case_of(a_ring_that_is_not_there_for_now),
		case_of(memory_that_comes_and_goes),	 case_of(a_ring_that_began_anew),
		case_of(killed_in_the_middle),
	};

	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
