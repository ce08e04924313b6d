/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's memory table, from the messages to the rings that lie in it. */
#include "vhu_rig.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcu.h"

enum { READER = 0 };

static void test_ring_waits_for_its_memory_and_comes_back(void **state)
{
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(t.ready, 0);
	vhu_rig_add_memory();
	assert_int_equal(t.ready, 1);
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &vhu_rig_whole, -1), 0);
	assert_int_equal(t.ready, 0);
	assert_int_equal(vhu_rig_status().slots_used, 0);
	vhu_rig_add_memory();
	assert_int_equal(t.ready, 1);
}

static void test_removal_waits_for_lcores(void **state)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};
	struct vhu_message msg;

	vhu_rig_add_memory();
	rcu_online(READER);
	front_send(&t.front, VHU_REM_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &single,
		   sizeof(single), NULL, 0);
	/* While an lcore may still be in the old map there is no answer, and nothing else is read. */
	assert_true(front_silent(&t.front));
	rcu_quiescent(READER);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	rcu_offline(READER);
}

static void test_peer_dies_while_suspended(void **state)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};

	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	rcu_online(READER);
	front_send(&t.front, VHU_REM_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &single,
		   sizeof(single), NULL, 0);
	front_settle(t.loop);
	front_hang_up(&t.front);
	assert_false(vhu_rig_status().connected);
	rcu_offline(READER);
	front_settle(t.loop);
	assert_int_equal(vhu_rig_status().slots_used, 0);
	front_connect(&t.front, t.loop, t.path);
	assert_true(vhu_rig_status().connected);
}

static void test_unknown_region_is_removed_already(void **state)
{
	struct vhu_memory_region wrong = vhu_rig_whole;

	vhu_rig_add_memory();
	wrong.size -= 4096;
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &wrong, -1), 0);
	assert_int_equal(vhu_rig_status().slots_used, 1);
}

/* cloud-hypervisor adds regions one by one, and repeats them all in one table when its guest resets the device. */
static void test_large_table_repeats_what_was_added(void **state)
{
	enum { N = VHU_TABLE_REGIONS_MAX, PIECE = 64 << 10 };
	struct vhu_memory_table table = {.n = N};
	int fds[N], fd = front_memory();
	struct vhu_message msg;

	for (unsigned int i = 0; i < N; i++) {
		fds[i] = fd;
		table.region[i] = (struct vhu_memory_region){
			.gpa = GPA + 2 * i * PIECE, .size = PIECE, .uva = UVA + 2 * i * PIECE, .mmap_offset = i * PIECE};
		assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &table.region[i], fd), 0);
	}
	front_ring(&t.front, 0, 256, UVA + 2 * PIECE);
	assert_int_equal(t.ready, 1);
	front_send(&t.front, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_FLAG_NEED_REPLY, &table, sizeof(table), fds, N);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	assert_int_equal(vhu_rig_status().slots_used, N);
	assert_int_equal(t.ready, 1);
	close(fd);
}

static void test_table_is_diffed(void **state)
{
	struct vhu_memory_table table = {.n = 2, .region = {vhu_rig_whole, vhu_rig_whole}};
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
		assert_int_equal(vhu_rig_status().slots_used, 2);
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
	/* One bad region: the vhu_rig_whole table is refused, and what was there is still there. */
	table.region[1].mmap_offset = MEMORY_SIZE;
	front_send(&t.front, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_FLAG_NEED_REPLY, &table, 8 + 64,
		   fds, 2);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 1);
	assert_int_equal(vhu_rig_status().slots_used, 2);
	assert_int_equal(t.ready, 1);
	close(fds[0]);
	close(fds[1]);
}

static void test_bad_memory(void **state)
{
	struct vhu_memory_region bad = vhu_rig_whole;
	int fd = front_memory(), zero = open("/dev/zero", O_RDWR);

	bad.size = 0;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	bad.size = MEMORY_SIZE + 1;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	bad = vhu_rig_whole;
	bad.mmap_offset = UINT64_MAX - 4095;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	bad = vhu_rig_whole;
	bad.gpa = UINT64_MAX - 4096;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &vhu_rig_whole, t.front.fd), 1);
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &vhu_rig_whole, zero), 1);
	close(zero);
	assert_int_equal(vhu_rig_status().slots_used, 0);
	/* The same again is the same; one byte of overlap is not. */
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &vhu_rig_whole, fd), 0);
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &vhu_rig_whole, fd), 0);
	bad = vhu_rig_whole;
	bad.gpa += MEMORY_SIZE - 1;
	bad.uva += MEMORY_SIZE;
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &bad, fd), 1);
	assert_int_equal(vhu_rig_status().slots_used, 1);
	close(fd);
}

static void test_all_slots(void **state)
{
	struct vhu_memory_region one = {.size = 4096};
	int fd = front_memory();

	for (unsigned int i = 0; i < MEM_SLOTS_MAX; i++) {
		one.gpa = GPA + i * 8192;
		one.uva = UVA + i * 8192;
		one.mmap_offset = i * 4096;
		assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &one, fd), 0);
	}
	assert_int_equal(vhu_rig_status().slots_used, MEM_SLOTS_MAX);
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
	assert_int_equal(vhu_rig_status().slots_used, MEM_SLOTS_MAX);
	close(fd);
}

/* A region may begin and end anywhere in its file, and is sealed against shrinking. */
static void test_unaligned_and_sealed(void **state)
{
	const struct vhu_memory_region odd = {
		.gpa = GPA + 123, .size = 70000, .uva = UVA + 123, .mmap_offset = 8192 + 123};
	int fd = front_memory();

	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &odd, fd), 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK, F_SEAL_SHRINK);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &odd, -1), 0);
	assert_int_equal(vhu_rig_status().slots_used, 0);
	close(fd);
}

/* Huge pages: mapped from whole pages around the region. Skipped where there are none. */
static void test_huge_pages(void **state)
{
	const struct vhu_memory_region partial = {
		.gpa = GPA, .size = 1 << 20, .uva = UVA, .mmap_offset = 1 << 20};
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);

	if (fd < 0 || ftruncate(fd, 2 << 20) != 0) {
		if (fd >= 0)
			close(fd);
		skip();
	}
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &partial, fd), 0);
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(t.ready, 1);
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &partial, -1), 0);
	assert_int_equal(t.ready, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_CONNECTED(test_ring_waits_for_its_memory_and_comes_back),
		RIG_TEST_CONNECTED(test_removal_waits_for_lcores),
		RIG_TEST_CONNECTED(test_peer_dies_while_suspended),
		RIG_TEST_CONNECTED(test_unknown_region_is_removed_already),
		RIG_TEST_CONNECTED(test_large_table_repeats_what_was_added),
		RIG_TEST_CONNECTED(test_table_is_diffed),
		RIG_TEST_CONNECTED(test_bad_memory),
		RIG_TEST_CONNECTED(test_all_slots),
		RIG_TEST_CONNECTED(test_unaligned_and_sealed),
		RIG_TEST_CONNECTED(test_huge_pages),
	};

	return cmocka_run_group_tests_name("vhu_memory", tests, NULL, NULL);
}
