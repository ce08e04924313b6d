/* SPDX-License-Identifier: BSD-3-Clause */
/* A device and its front end over a real socket: the conversation of a start, a stop and everything in between, and what
 * the device's owner is notified of meanwhile. */
#include "fg_socket.h"
#include "vhu_rig.h"

#include <malloc.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rcu.h"
#include "turn.h"

static void test_offers(void **state)
{
	assert_int_equal(front_get(&t.front, VHU_GET_QUEUE_NUM), 2);
	assert_int_equal(front_get(&t.front, VHU_GET_MAX_MEM_SLOTS), 509);
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
	assert_true(vhu_rig_status().connected);
	assert_int_equal(vhu_rig_status().connections, 1);
	assert_string_equal(vhu_rig_status().state,
			    "connected: the guest's driver has not started the device");
}

/* QEMU counts queue pairs and is known by RARP, which no other front end agrees to; the others count rings. */
static void test_queues_are_counted_as_the_front_end_counts(void **state)
{
	uint64_t protocol = front_get(&t.front, VHU_GET_PROTOCOL_FEATURES);

	assert_true((protocol >> VHU_P_RARP & 1) != 0);
	assert_int_equal(front_get(&t.front, VHU_GET_QUEUE_NUM), 2);
	protocol &= ~(UINT64_C(1) << VHU_P_RARP);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_PROTOCOL_FEATURES, protocol, -1), 0);
	assert_int_equal(front_get(&t.front, VHU_GET_QUEUE_NUM), 4);
	/* And one pair too many has no rings. */
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 4, 256), 1);
}

/* What a driver reads in the configuration space is the front end's affair: said in one line, and no reason to part. */
static void test_configuration_space_is_not_ours(void **state)
{
	static const uint8_t request[12 + 24] = {0, 0, 0, 0, 24};
	struct vhu_message msg;

	for (unsigned int round = 0; round < 3; round++) {
		front_send(&t.front, VHU_GET_CONFIG, 0, request, sizeof(request), NULL, 0);
		assert_true(front_receive(&t.front, &msg));
		assert_int_equal(msg.header.request, VHU_GET_CONFIG);
		assert_int_equal(msg.header.size, 0);
		assert_string_equal(vhu_rig_status().last_error,
				    "GET_CONFIG refused: the configuration space is the front end's own; CONFIG is not "
				    "offered");
	}
	assert_int_equal(front_set(&t.front, VHU_SET_CONFIG, request, sizeof(request), -1), 1);
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
}

static void test_other_byte_order_is_refused_with_its_reason(void **state)
{
	static const struct vhu_vring_state big = {.index = 0, .num = 1};

	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ENDIAN, &big, sizeof(big), -1), 1);
	assert_non_null(strstr(vhu_rig_status().last_error, "other byte order"));
	/* Without an acknowledgement the only answer is to hang up, and the reason stays in sight. */
	front_send(&t.front, VHU_SET_VRING_ENDIAN, 0, &big, sizeof(big), NULL, 0);
	assert_true(front_closed(&t.front));
	assert_non_null(strstr(vhu_rig_status().state, "s390x"));
}

/* A reset as crosvm and libkrun make it: the rings are configured again without being stopped. */
static void test_ring_is_configured_anew(void **state)
{
	unsigned int fds;

	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	fds = (unsigned int)fg_open_fds_settled();
	for (unsigned int round = 0; round < 20; round++) {
		assert_int_equal(t.ready, 3);
		assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 1, 128), 0);
		assert_int_equal(t.ready, 1);
		/* It is stopped: another address is no contradiction, and no kick is left of before. */
		assert_int_equal(fg_open_fds_await((int)(fds - 2)), fds - 2);
		front_ring(&t.front, 1, 128, UVA + 65536 + 8192 * (round % 2));
	}
	/* A size that cannot be leaves it running. */
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 1, 3), 1);
	assert_int_equal(t.ready, 3);
}

/* libkrun's: all rings disabled, then another driver's features. A ring in use is not taken from its driver that way. */
static void test_disabled_rings_end_with_new_features(void **state)
{
	uint64_t all = vhu_rig_status().features, fewer = all & ~(UINT64_C(1) << 29);

	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_FEATURES, fewer, -1), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 1, 0), 0);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_FEATURES, fewer, -1), 0);
	assert_int_equal(vhu_rig_status().features, fewer);
	assert_int_equal(t.ready, 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, i, 1), 0);
	assert_int_equal(t.ready, 0);
	front_ring(&t.front, 0, 256, UVA + 32768);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(t.ready, 3);
}

static void test_rings_start_and_stop(void **state)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(t.ready, 3);
	assert_true(t.kick[1] > 0);
	assert_int_equal(vhu_rig_status().rings_ready, 2);
	assert_string_equal(vhu_rig_status().state, "running: 2 of 4 rings in use");
	assert_int_equal(vhu_rig_status().slots_used, 1);
	assert_int_equal(vhu_rig_status().memory_bytes, MEMORY_SIZE);

	assert_int_equal(vhu_rig_stop_ring(1), 0);
	assert_int_equal(t.ready, 1);
	assert_int_equal(t.kick[1], -1);
	/* Memory stays. */
	assert_int_equal(vhu_rig_status().slots_used, 1);
	front_ring(&t.front, 1, 128, UVA + 65536);
	assert_int_equal(t.ready, 3);
}

static void test_enable_and_reset(void **state)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(t.ready, 2);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_int_equal(t.ready, 3);
	assert_int_equal(front_set(&t.front, VHU_RESET_DEVICE, NULL, 0, -1), 0);
	assert_int_equal(t.ready, 0);
	assert_int_equal(vhu_rig_status().slots_used, 1);
	assert_int_equal(vhu_rig_status().features, 0);
	front_negotiate(&t.front);
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(t.ready, 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_STATUS, 0, -1), 0);
	assert_int_equal(t.ready, 0);
}

/* A disabled transmit queue of the guest is still read, and what comes from it thrown away. */
static void test_disabled_from_guest_is_discarded(void **state)
{
	role_assert_control();
	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA);
	for (unsigned int round = 0; round < 3; round++) {
		assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 1, 0), 0);
		assert_int_equal(t.ready, 2);
		assert_true(vhu_device_ring_discards(t.device, 1));
		assert_false(vhu_device_virtq_ready(t.device, 1));
		assert_int_equal(vhu_rig_status().rings_ready, 0);
		assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 1, 1), 0);
		assert_int_equal(t.ready, 2);
		assert_false(vhu_device_ring_discards(t.device, 1));
		assert_true(vhu_device_virtq_ready(t.device, 1));
	}
	assert_int_equal(vhu_rig_stop_ring(1), 0);
	assert_int_equal(t.ready, 0);
}

static void test_mtu_and_rarp(void **state)
{
	static const uint8_t mac[8] = {0x52, 0x54, 0, 1, 2, 3};

	assert_int_equal(front_set_u64(&t.front, VHU_NET_SET_MTU, 9000, -1), 0);
	assert_int_equal(t.mtu, 9000);
	assert_int_equal(front_set_u64(&t.front, VHU_NET_SET_MTU, 67, -1), 1);
	assert_int_equal(front_set_u64(&t.front, VHU_NET_SET_MTU, 65536, -1), 1);
	assert_int_equal(t.mtu, 9000);
	assert_int_equal(front_set(&t.front, VHU_SEND_RARP, mac, 8, -1), 0);
	assert_memory_equal(t.mac, mac, 6);
	front_hang_up(&t.front);
	assert_int_equal(t.mtu, 0);
}

static void test_live_ring_refuses_new_geometry(void **state)
{
	struct vhu_vring_addr addr = {.index = 0, .desc = UVA, .avail = UVA + 4096,
				      .used = UVA + 5120};

	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_BASE, 0, 7), 1);
	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_FEATURES, 0, -1), 1);
	assert_int_equal(t.ready, 1);
}

static void test_bad_geometry(void **state)
{
	struct vhu_vring_addr addr = {.index = 0, .desc = UVA + 8, .avail = UVA + 4096,
				      .used = UVA + 8192};

	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 0, 0), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 0, 3), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 0, 65535), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 0, 65536), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 4, 256), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 0x10000, 256), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_BASE, 0, 0x10000), 1);
	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 2), 1);
	/* A ring that crosses the end of its region never runs. */
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA + MEMORY_SIZE - 4096);
	assert_int_equal(t.ready, 0);
}

static void test_only_eventfds(void **state)
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0, pipes[1]), 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_KICK, 0, pipes[0]), 1);
	close(pipes[0]);
	close(pipes[1]);
	/* Bit 8 and a descriptor, neither: both refused. No descriptor with bit 8: fine. */
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0, -1), 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0x100, 0), 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0x100, -1), 0);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0x200, -1), 1);
}

static void test_call_is_swapped_on_a_live_ring(void **state)
{
	unsigned int fds;

	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	fds = (unsigned int)fg_open_fds_settled();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0x100, -1), 0);
	assert_int_equal(fg_open_fds_await((int)(fds - 1)), fds - 1);
	assert_int_equal(t.ready, 1);
}

/* QEMU 10.2 waits for the acknowledgement at each change of an interrupt's mask, with a vCPU: no lcore is waited for. What an
 * lcore may still have told the old descriptor is told to the new one once it has moved on. Too many that wait to be closed
 * do hold the conversation up, so that no front end makes us keep them all. */
static void test_call_is_acknowledged_before_lcores_pass(void **state)
{
	enum { AT_ONCE = 4, READER = 0 };
	uint64_t counted = 0, index = 0;
	struct vhu_message msg;
	unsigned int fds;
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(call >= 0);
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	fds = (unsigned int)fg_open_fds_settled();
	rcu_online(READER);
	for (unsigned int i = 0; i < AT_ONCE; i++)
		assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0, call), 0);
	assert_int_equal(read(call, &counted, sizeof(counted)), -1);
	front_send(&t.front, VHU_SET_VRING_CALL, VHU_VERSION | VHU_FLAG_NEED_REPLY, &index, 8, &call, 1);
	assert_true(front_silent(&t.front));
	rcu_quiescent(READER);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	/* A thread of its own tells it. */
	TURN_UNTIL(t.loop, read(call, &counted, sizeof(counted)) == sizeof(counted));
	assert_true(counted > 0);
	assert_int_equal(fg_open_fds_await((int)fds), fds);
	assert_int_equal(t.ready, 1);
	rcu_offline(READER);
	close(call);
}

/* A device is as large as what is configured: one of a thousand has one queue pair, and no memory before its guest gives some.
 * (A sanitizer's own malloc() says nothing, and passes.) */
static void test_is_as_large_as_its_queues(void **state)
{
	struct vhu_config config = {.name = "vm1", .socket = t.path, .mode = VHU_SERVER, .queue_pairs = 1};
	size_t before = mallinfo2().uordblks;
	struct fail fail;

	assert_int_equal(vhu_rig_make_of(&config, &fail), 0);
	print_message("%zu bytes\n", mallinfo2().uordblks - before);
	assert_true(mallinfo2().uordblks - before < 40 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_CONNECTED(test_offers),
		RIG_TEST_CONNECTED(test_queues_are_counted_as_the_front_end_counts),
		RIG_TEST_CONNECTED(test_configuration_space_is_not_ours),
		RIG_TEST_CONNECTED(test_other_byte_order_is_refused_with_its_reason),
		RIG_TEST_CONNECTED(test_ring_is_configured_anew),
		RIG_TEST_CONNECTED(test_disabled_rings_end_with_new_features),
		RIG_TEST_CONNECTED(test_rings_start_and_stop),
		RIG_TEST_CONNECTED(test_enable_and_reset),
		RIG_TEST_CONNECTED(test_disabled_from_guest_is_discarded),
		RIG_TEST_CONNECTED(test_mtu_and_rarp),
		RIG_TEST_CONNECTED(test_live_ring_refuses_new_geometry),
		RIG_TEST_CONNECTED(test_bad_geometry),
		RIG_TEST_CONNECTED(test_only_eventfds),
		RIG_TEST_CONNECTED(test_call_is_swapped_on_a_live_ring),
		RIG_TEST_CONNECTED(test_call_is_acknowledged_before_lcores_pass),
		RIG_TEST(test_is_as_large_as_its_queues),
	};

	return cmocka_run_group_tests_name("vhu_device", tests, NULL, NULL);
}
