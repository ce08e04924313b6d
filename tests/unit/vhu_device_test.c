/* SPDX-License-Identifier: BSD-3-Clause */
/* A device and its front end over a real socket: the conversation of a start, a stop and everything in between, and what
 * the device's owner is told meanwhile. */
#include <stdbool.h>

#include "vhu_front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "rcu.h"
#include "vhu_device.h"

enum { READER = 0 };

static struct {
	struct loop *loop;
	struct vhu_device *device;
	struct front front;
	char folder[32], path[64];
	unsigned int fds; /* open before the device was made */
	bool gone;
	/* What the owner was told. */
	uint32_t ready;
	int kick[VHOST_RINGS_MAX];
	uint16_t mtu;
	uint8_t mac[6];
} t;

static void on_ring(void *owner VUS_UNUSED, unsigned int index, bool ready)
{
	t.ready = ready ? t.ready | 1u << index : t.ready & ~(1u << index);
}

static void on_mtu(void *owner VUS_UNUSED, uint16_t mtu)
{
	t.mtu = mtu;
}

static void on_rarp(void *owner VUS_UNUSED, const uint8_t mac[6])
{
	memcpy(t.mac, mac, 6);
}

static void on_kick(void *owner VUS_UNUSED, unsigned int index, int fd)
{
	t.kick[index] = fd;
}

static void on_gone(void *arg VUS_UNUSED)
{
	t.gone = true;
}

static const struct vhu_events events = {on_ring, on_mtu, on_rarp, on_kick};

static int make(enum vhu_mode mode, struct fail *fail)
{
	const struct vhu_config config = {
		.name = "vm1", .socket = t.path, .mode = mode, .queue_pairs = 2};

	role_assert_control();
	return vhu_device_create(t.loop, &config, &events, NULL, &t.device, fail);
}

static int set_up(void **state VUS_UNUSED)
{
	memset(&t, 0, sizeof(t));
	strcpy(t.folder, "/tmp/vhu-test-XXXXXX");
	assert_non_null(mkdtemp(t.folder));
	snprintf(t.path, sizeof(t.path), "%s/vm1.sock", t.folder);
	assert_int_equal(rcu_init(1), 0);
	t.fds = open_fds();
	t.loop = loop_create();
	assert_non_null(t.loop);
	t.front.fd = -1;
	return 0;
}

static int set_up_connected(void **state)
{
	struct fail fail;

	set_up(state);
	assert_int_equal(make(VHU_SERVER, &fail), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	return 0;
}

static void destroy(void)
{
	role_assert_control();
	vhu_device_destroy(t.device, on_gone, NULL);
	t.device = NULL;
	for (int i = 0; i < 1000 && !t.gone; i++)
		loop_turn(t.loop, NS_PER_MS);
	assert_true(t.gone);
}

static int tear_down(void **state VUS_UNUSED)
{
	if (t.front.fd >= 0)
		close(t.front.fd);
	if (t.device != NULL)
		destroy();
	rcu_drain();
	loop_destroy(t.loop);
	assert_int_equal(access(t.path, F_OK), -1);
	assert_int_equal(rmdir(t.folder), 0);
	assert_int_equal(open_fds(), t.fds);
	assert_int_equal(t.ready, 0);
	return 0;
}

static struct vhu_status status(void)
{
	struct vhu_status status;

	role_assert_control();
	vhu_device_status(t.device, &status);
	return status;
}

static const struct vhu_memory_region whole = {.gpa = GPA, .size = MEMORY_SIZE, .uva = UVA};

static void add_memory(void)
{
	int fd = front_memory();

	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &whole, fd), 0);
	close(fd);
}

static uint32_t stop_ring(unsigned int index)
{
	const struct vhu_vring_state ask = {.index = index};
	struct vhu_message msg;

	front_send(&t.front, VHU_GET_VRING_BASE, 0, &ask, sizeof(ask), NULL, 0);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.header.request, VHU_GET_VRING_BASE);
	assert_int_equal(msg.payload.state.index, index);
	return msg.payload.state.num;
}

/* --- stories ---------------------------------------------------------------------------------------------------- */

static void test_offers(void **state VUS_UNUSED)
{
	assert_int_equal(front_get(&t.front, VHU_GET_QUEUE_NUM), 2);
	assert_int_equal(front_get(&t.front, VHU_GET_MAX_MEM_SLOTS), 509);
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
	assert_true(status().connected);
	assert_int_equal(status().connections, 1);
	assert_string_equal(status().state,
			    "connected: the guest's driver has not started the device");
}

static void test_rings_start_and_stop(void **state VUS_UNUSED)
{
	add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(t.ready, 3);
	assert_true(t.kick[1] > 0);
	assert_int_equal(status().rings_ready, 2);
	assert_string_equal(status().state, "running: 2 of 4 rings in use");
	assert_int_equal(status().slots_used, 1);
	assert_int_equal(status().memory_bytes, MEMORY_SIZE);

	assert_int_equal(stop_ring(1), 0);
	assert_int_equal(t.ready, 1);
	assert_int_equal(t.kick[1], -1);
	/* Memory stays. */
	assert_int_equal(status().slots_used, 1);
	front_ring(&t.front, 1, 128, UVA + 65536);
	assert_int_equal(t.ready, 3);
}

static void test_ring_waits_for_its_memory_and_comes_back(void **state VUS_UNUSED)
{
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(t.ready, 0);
	add_memory();
	assert_int_equal(t.ready, 1);
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &whole, -1), 0);
	assert_int_equal(t.ready, 0);
	assert_int_equal(status().slots_used, 0);
	add_memory();
	assert_int_equal(t.ready, 1);
}

static void test_removal_waits_for_lcores(void **state VUS_UNUSED)
{
	const struct vhu_memory_single single = {.region = whole};
	struct vhu_message msg;

	add_memory();
	rcu_online(READER);
	front_send(&t.front, VHU_REM_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &single,
		   sizeof(single), NULL, 0);
	/* While an lcore may still be in the old map there is no answer, and nothing else is read. */
	assert_false(front_receive(&t.front, &msg));
	assert_true(t.front.fd >= 0);
	rcu_quiescent(READER);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	rcu_offline(READER);
}

static void test_peer_dies_while_suspended(void **state VUS_UNUSED)
{
	const struct vhu_memory_single single = {.region = whole};

	add_memory();
	front_ring(&t.front, 0, 256, UVA);
	rcu_online(READER);
	front_send(&t.front, VHU_REM_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &single,
		   sizeof(single), NULL, 0);
	front_settle(t.loop);
	front_hang_up(&t.front);
	assert_false(status().connected);
	rcu_offline(READER);
	front_settle(t.loop);
	assert_int_equal(status().slots_used, 0);
	front_connect(&t.front, t.loop, t.path);
	assert_true(status().connected);
}

static void test_unknown_region_is_removed_already(void **state VUS_UNUSED)
{
	struct vhu_memory_region wrong = whole;

	add_memory();
	wrong.size -= 4096;
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &wrong, -1), 0);
	assert_int_equal(status().slots_used, 1);
}

static void test_table_is_diffed(void **state VUS_UNUSED)
{
	struct vhu_memory_table table = {.n = 2, .region = {whole, whole}};
	int fds[2] = {front_memory(), front_memory()};
	struct vhu_message msg;

	table.region[0].size = table.region[1].size = MEMORY_SIZE / 2;
	table.region[1].gpa += MEMORY_SIZE;
	table.region[1].uva += MEMORY_SIZE;
	for (int round = 0; round < 3; round++) {
		front_send(&t.front, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_FLAG_NEED_REPLY, &table,
			   8 + 64, fds, 2);
		assert_true(front_receive(&t.front, &msg));
		assert_int_equal(msg.payload.u64, 0);
		assert_int_equal(status().slots_used, 2);
		if (round == 0)
			front_ring(&t.front, 0, 256, UVA);
		assert_int_equal(t.ready, 1);
	}
	/* Same addresses, another file: mapped anew, and the ring in it runs on. */
	close(fds[0]);
	fds[0] = front_memory();
	front_send(&t.front, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_FLAG_NEED_REPLY, &table, 8 + 64,
		   fds, 2);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	assert_int_equal(t.ready, 1);
	/* One bad region: the whole table is refused, and what was there is still there. */
	table.region[1].mmap_offset = MEMORY_SIZE;
	front_send(&t.front, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_FLAG_NEED_REPLY, &table, 8 + 64,
		   fds, 2);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 1);
	assert_int_equal(status().slots_used, 2);
	assert_int_equal(t.ready, 1);
	close(fds[0]);
	close(fds[1]);
}

static void test_enable_and_reset(void **state VUS_UNUSED)
{
	add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(t.ready, 2);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_int_equal(t.ready, 3);
	assert_int_equal(front_set(&t.front, VHU_RESET_DEVICE, NULL, 0, -1), 0);
	assert_int_equal(t.ready, 0);
	assert_int_equal(status().slots_used, 1);
	assert_int_equal(status().features, 0);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_FEATURES,
				       front_get(&t.front, VHU_GET_FEATURES), -1), 0);
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(t.ready, 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_STATUS, 0, -1), 0);
	assert_int_equal(t.ready, 0);
}

static void test_mtu_and_rarp(void **state VUS_UNUSED)
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

static void test_live_ring_refuses_new_geometry(void **state VUS_UNUSED)
{
	struct vhu_vring_addr addr = {.index = 0, .desc = UVA, .avail = UVA + 4096,
				      .used = UVA + 5120};

	add_memory();
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_NUM, 0, 32768), 1);
	assert_int_equal(front_set_state(&t.front, VHU_SET_VRING_BASE, 0, 7), 1);
	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 1);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_FEATURES, 0, -1), 1);
	assert_int_equal(t.ready, 1);
}

static void test_bad_geometry(void **state VUS_UNUSED)
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
	add_memory();
	front_ring(&t.front, 0, 256, UVA + MEMORY_SIZE - 4096);
	assert_int_equal(t.ready, 0);
}

static void test_only_eventfds(void **state VUS_UNUSED)
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

static void test_call_is_swapped_on_a_live_ring(void **state VUS_UNUSED)
{
	unsigned int fds;

	add_memory();
	front_ring(&t.front, 0, 256, UVA);
	fds = open_fds();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 0x100, -1), 0);
	assert_int_equal(open_fds(), fds - 1);
	assert_int_equal(t.ready, 1);
}

static void test_bad_memory(void **state VUS_UNUSED)
{
	struct vhu_memory_region bad = whole;
	int fd = front_memory(), zero = open("/dev/zero", O_RDWR);

	bad.size = 0;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	bad.size = MEMORY_SIZE + 1;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	bad = whole;
	bad.mmap_offset = UINT64_MAX - 4095;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	bad = whole;
	bad.gpa = UINT64_MAX - 4096;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &whole, t.front.fd), 1);
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &whole, zero), 1);
	close(zero);
	assert_int_equal(status().slots_used, 0);
	/* The same again is the same; one byte of overlap is not. */
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &whole, fd), 0);
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &whole, fd), 0);
	bad = whole;
	bad.gpa += MEMORY_SIZE - 1;
	bad.uva += MEMORY_SIZE;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	assert_int_equal(status().slots_used, 1);
	close(fd);
}

static void test_all_slots(void **state VUS_UNUSED)
{
	struct vhu_memory_region one = {.size = 4096};
	int fd = front_memory();

	for (unsigned int i = 0; i < MEM_SLOTS_MAX; i++) {
		one.gpa = GPA + i * 8192;
		one.uva = UVA + i * 8192;
		one.mmap_offset = i * 4096;
		assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &one, fd), 0);
	}
	assert_int_equal(status().slots_used, MEM_SLOTS_MAX);
	one.gpa += 8192;
	one.uva += 8192;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &one, fd), 1);
	for (unsigned int i = 0; i < 100; i++) {
		one.gpa = GPA + i * 8192;
		one.uva = UVA + i * 8192;
		assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &one, -1), 0);
		one.mmap_offset = i * 4096;
		assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &one, fd), 0);
	}
	assert_int_equal(status().slots_used, MEM_SLOTS_MAX);
	close(fd);
}

/* --- connections ------------------------------------------------------------------------------------------------ */

static void test_second_front_end_is_turned_away(void **state VUS_UNUSED)
{
	struct front second;

	front_connect(&second, t.loop, t.path);
	assert_true(front_closed(&second));
	assert_int_equal(status().refused, 1);
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
}

/* The process that connected is dead, but its socket lives on in a child. */
static void test_half_dead_front_end_is_replaced(void **state)
{
	struct front second;
	struct fail fail;
	int pipes[2], status_code;
	pid_t middle;

	set_up(state);
	assert_int_equal(make(VHU_SERVER, &fail), 0);
	assert_int_equal(pipe(pipes), 0);
	middle = fork();
	if (middle == 0) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		char byte;

		strcpy(address.sun_path, t.path);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
			_exit(1);
		/* The child ends with the test: it then reads the end of the pipe. */
		if (fork() == 0) {
			close(pipes[1]);
			_exit(read(pipes[0], &byte, 1) < 0);
		}
		usleep(50000);
		_exit(0);
	}
	front_settle(t.loop);
	assert_true(status().connected);
	assert_int_equal(waitpid(middle, &status_code, 0), middle);
	assert_int_equal(status_code, 0);
	front_settle(t.loop);
	assert_true(status().connected);
	front_connect(&second, t.loop, t.path);
	front_negotiate(&second);
	assert_int_equal(status().connections, 2);
	close(pipes[0]);
	close(pipes[1]);
	t.front = second;
}

static void test_reconnect(void **state VUS_UNUSED)
{
	for (unsigned int i = 0; i < 20; i++) {
		add_memory();
		front_ring(&t.front, 0, 256, UVA);
		front_ring(&t.front, 1, 256, UVA + 65536);
		assert_int_equal(t.ready, 3);
		front_hang_up(&t.front);
		assert_int_equal(t.ready, 0);
		assert_int_equal(status().slots_used, 0);
		front_connect(&t.front, t.loop, t.path);
		front_negotiate(&t.front);
	}
	assert_int_equal(status().connections, 21);
}

static void test_stale_socket_and_busy_socket(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fail fail;
	int fd;

	set_up(state);
	strcpy(address.sun_path, t.path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(make(VHU_SERVER, &fail), -EADDRINUSE);
	assert_non_null(strstr(fail.text, "another process listens on"));
	close(fd);
	assert_int_equal(make(VHU_SERVER, &fail), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
}

static void test_bad_paths(void **state)
{
	struct fail fail;
	FILE *file;

	set_up(state);
	file = fopen(t.path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(make(VHU_SERVER, &fail), -EEXIST);
	assert_int_equal(unlink(t.path), 0);
	snprintf(t.path, sizeof(t.path), "/nonexistent/vm1.sock");
	assert_int_equal(make(VHU_SERVER, &fail), -ENOENT);
	assert_non_null(strstr(fail.text, "folder"));
}

static void test_client_waits_and_connects(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fail fail;
	int listener;

	set_up(state);
	assert_int_equal(make(VHU_CLIENT, &fail), 0);
	front_settle(t.loop);
	assert_non_null(strstr(status().state, "waiting: no listener at"));
	assert_non_null(strstr(status().state, "(ENOENT), last try"));

	strcpy(address.sun_path, t.path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	for (int round = 0; round < 3; round++) {
		t.front.loop = t.loop;
		t.front.fd = -1;
		role_assert_control();
		for (int i = 0; i < 2000 && t.front.fd < 0; i++) {
			loop_turn(t.loop, NS_PER_MS);
			t.front.fd = accept(listener, NULL, NULL);
		}
		assert_true(t.front.fd >= 0);
		front_negotiate(&t.front);
		add_memory();
		front_ring(&t.front, 1, 256, UVA);
		assert_int_equal(t.ready, 2);
		front_hang_up(&t.front);
	}
	close(listener);
	unlink(t.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_offers, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_rings_start_and_stop, set_up_connected,
						tear_down),
		cmocka_unit_test_setup_teardown(test_ring_waits_for_its_memory_and_comes_back,
						set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_removal_waits_for_lcores, set_up_connected,
						tear_down),
		cmocka_unit_test_setup_teardown(test_peer_dies_while_suspended, set_up_connected,
						tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_region_is_removed_already,
						set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_table_is_diffed, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_enable_and_reset, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_mtu_and_rarp, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_live_ring_refuses_new_geometry,
						set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_geometry, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_only_eventfds, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_call_is_swapped_on_a_live_ring,
						set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_memory, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_all_slots, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_second_front_end_is_turned_away,
						set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_half_dead_front_end_is_replaced, NULL,
						tear_down),
		cmocka_unit_test_setup_teardown(test_reconnect, set_up_connected, tear_down),
		cmocka_unit_test_setup_teardown(test_stale_socket_and_busy_socket, NULL, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_paths, NULL, tear_down),
		cmocka_unit_test_setup_teardown(test_client_waits_and_connects, NULL, tear_down),
	};

	return cmocka_run_group_tests_name("vhu_device", tests, NULL, NULL);
}
