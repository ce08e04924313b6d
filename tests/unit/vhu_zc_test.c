/* SPDX-License-Identifier: BSD-3-Clause */
/* What control waits for while a device reads frames in a guest's memory (frame_ref.h), and for how long: before memory is
 * unmapped, before a ring's place is told. The lcore and the device are played by the test: what they leave behind in the
 * ring and its references. */
#include "vhu_rig.h"

#include <unistd.h>

#include "clock.h"
#include "frame_ref.h"
#include "log.h"
#include "rcu.h"

/* A from_guest ring, and the reference of one of its chains. */
static struct virtq *ring_of(void)
{
	return vhu_device_virtq(t.device, 1);
}

static struct frame_ref *ref_of(void)
{
	return &ring_of()->refs->ref[7];
}

/* A device has a frame that was found by the map in force. */
static void zero_copy(void)
{
	const struct mem_map *map = rcu_own(&ring_of()->memory->map);

	ref_of()->word = (uint32_t)map->generation << 16;
	frame_ref_take(ref_of());
}

/* The lcore has chains in hand. */
static void ref(bool holding)
{
	frame_ref_users = holding;
	ring_of()->referenced = holding;
}

static void ask(uint32_t request, const void *payload, uint32_t size, bool ack)
{
	front_send(&t.front, request, ack ? VHU_VERSION | VHU_FLAG_NEED_REPLY : 0, payload, size,
		   NULL, 0);
}

static void ask_removal(void)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};

	ask(VHU_REM_MEM_REG, &single, sizeof(single), true);
}

static void expect_answer(uint32_t request)
{
	struct vhu_message msg;

	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.header.request, request);
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void test_removal_waits_for_a_device(void **state)
{
	vhu_rig_add_memory();
	zero_copy();
	ask_removal();
	assert_true(front_silent(&t.front));
	frame_ref_drop(ref_of());
	expect_answer(VHU_REM_MEM_REG);
	assert_int_equal(vhu_rig_status().slots_used, 0);
}

/* References to the new map are not waited for. */
static void test_only_what_was_there(void **state)
{
	struct vhu_memory_region partial = vhu_rig_whole;
	int fd = front_memory();

	partial.size /= 2;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &partial, fd), 0);
	partial.gpa += partial.size;
	partial.uva += partial.size;
	partial.mmap_offset = partial.size;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &partial, fd), 0);
	zero_copy();
	front_send(&t.front, VHU_REM_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY,
		   &(struct vhu_memory_single){.region = partial}, sizeof(struct vhu_memory_single),
		   NULL, 0);
	assert_true(front_silent(&t.front));
	frame_ref_drop(ref_of());
	zero_copy(); /* the same reference again, and always counted when control looks */
	expect_answer(VHU_REM_MEM_REG);
	frame_ref_drop(ref_of());
	close(fd);
}

/* A device that never drops its references: the file is let go of all the same, and who reads there reads zeros. */
static void test_not_for_ever(void **state)
{
	struct frame_ref *kept;
	volatile uint8_t *host;
	uint64_t begun, took;

	vhu_rig_add_memory();
	kept = ref_of();
	host = rcu_own(&ring_of()->memory->map)->region[0].host;
	host[4096] = 1;
	zero_copy();
	begun = clock_ns();
	ask_removal();
	expect_answer(VHU_REM_MEM_REG);
	took = (clock_ns() - begun) / NS_PER_MS;
	assert_true(took >= FRAME_REF_LIMIT_MS && took < 5 * FRAME_REF_LIMIT_MS);
	assert_int_equal(host[4096], 0);
	/* A new guest has the port, with memory elsewhere; and when the port has gone, the place is still there. */
	front_hang_up(&t.front);
	front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	vhu_rig_add_memory();
	assert_ptr_not_equal(host, rcu_own(&ring_of()->memory->map)->region[0].host);
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &vhu_rig_whole, -1), 0);
	assert_int_equal(vhu_rig_tear_down(NULL), 0);
	assert_int_equal(host[4096], 0);
	frame_ref_drop(kept);
	vhu_rig_set_up(NULL);
}

static void test_hanging_up_waits_too(void **state)
{
	vhu_rig_add_memory();
	zero_copy();
	front_hang_up(&t.front);
	front_settle(t.loop);
	assert_int_equal(vhu_rig_status().slots_used, 0);
	assert_non_null(strstr(vhu_rig_status().state, "memory is being given back"));
	frame_ref_drop(ref_of());
	front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	assert_true(vhu_rig_status().connected);
}

/* --- rings ------------------------------------------------------------------------------------------------------- */

static void test_a_place_is_told_when_all_is_back(void **state)
{
	const struct vhu_vring_state ask_base = {.index = 1};

	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA);
	assert_int_equal(t.ready, 2);
	ref(true);
	ask(VHU_GET_VRING_BASE, &ask_base, sizeof(ask_base), false);
	assert_true(front_silent(&t.front));
	/* The lcore has the ring still, and is asked to bring it to an end. */
	assert_int_equal(t.ready, 2);
	assert_true(ring_of()->draining);
	assert_non_null(rcu_own(&ring_of()->conf));
	ref(false);
	expect_answer(VHU_GET_VRING_BASE);
	assert_int_equal(t.ready, 0);
	assert_false(ring_of()->draining);
}

/* Nothing waits where every frame is copied, and a ring that is drained comes back. */
static void test_rings_run_again(void **state)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA);
	for (int round = 0; round < 3; round++) {
		frame_ref_users = round;
		assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &vhu_rig_whole, -1), 0);
		assert_int_equal(t.ready, 0);
		vhu_rig_add_memory();
		assert_int_equal(t.ready, 2);
		assert_false(ring_of()->draining);
	}
	frame_ref_users = 0;
}

/* The memory a ring lies in stays as long as its lcore drains it, whatever that takes. */
static void test_a_ring_in_what_goes(void **state)
{
	uint64_t until;
	volatile uint8_t *host;

	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA);
	host = rcu_own(&ring_of()->memory->map)->region[0].host;
	ref(true);
	ask_removal();
	until = clock_ns() + 2 * FRAME_REF_LIMIT_MS * NS_PER_MS;
	role_assert_control();
	while (clock_ns() < until) {
		host[4096] = 7;
		loop_turn(t.loop, NS_PER_MS);
		assert_int_equal(host[4096], 7);
	}
	ref(false);
	expect_answer(VHU_REM_MEM_REG);
	assert_int_equal(t.ready, 0);
}

/* A port that ends: its queue is in no poll set, and no lcore can give back anything. */
static void test_a_port_that_ends(void **state)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA);
	ref(true);
	/* Ends, although a reference is counted. */
	assert_int_equal(vhu_rig_tear_down(state), 0);
	frame_ref_users = 0;
	vhu_rig_set_up(state);
}

/* Removed while its front end is being cleared away, and while a ring is drained. */
static void test_ends_while_it_drains(void **state)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA);
	ref(true);
	front_hang_up(&t.front);
	front_settle(t.loop);
	assert_int_equal(t.ready, 2);
	assert_int_equal(vhu_rig_tear_down(state), 0);
	frame_ref_users = 0;
	vhu_rig_set_up(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_CONNECTED(test_removal_waits_for_a_device),
		RIG_TEST_CONNECTED(test_only_what_was_there),
		RIG_TEST_CONNECTED(test_not_for_ever),
		RIG_TEST_CONNECTED(test_hanging_up_waits_too),
		RIG_TEST_CONNECTED(test_a_place_is_told_when_all_is_back),
		RIG_TEST_CONNECTED(test_rings_run_again),
		RIG_TEST_CONNECTED(test_a_ring_in_what_goes),
		RIG_TEST_CONNECTED(test_a_port_that_ends),
		RIG_TEST_CONNECTED(test_ends_while_it_drains),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhu_lend", tests, NULL, NULL);
}
