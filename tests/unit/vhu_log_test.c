/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty log in the conversation: when lcores have it, when an answer may come, when rings wait for it, what is refused,
 * and that nothing of it is left. */
#include "fg_socket.h"
#include "vhu_rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcu.h"
#include "vhu_session.h"

enum { READER = 0, LOG_SIZE = 65536 };
#define LOG_ALL (UINT64_C(1) << VHU_F_LOG_ALL)

static int log_file(off_t size)
{
	int fd = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void send_log(uint64_t size, uint64_t offset, int fd)
{
	const struct vhu_log_base base = {.size = size, .mmap_offset = offset};

	front_send(&t.front, VHU_SET_LOG_BASE, 0, &base, sizeof(base), &fd, 1);
}

/* The answer repeats the request. */
static void expect_log_answer(uint64_t size, uint64_t offset)
{
	struct vhu_message msg;

	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.header.request, VHU_SET_LOG_BASE);
	assert_int_equal(msg.header.size, 16);
	assert_int_equal(msg.payload.log.size, size);
	assert_int_equal(msg.payload.log.mmap_offset, offset);
}

static void set_log(uint64_t size, uint64_t offset)
{
	int fd = log_file((off_t)(offset + size));

	send_log(size, offset, fd);
	close(fd);
	expect_log_answer(size, offset);
}

static void set_log_all(bool on)
{
	uint64_t features = vhu_rig_status().features;

	assert_int_equal(front_set_u64(&t.front, VHU_SET_FEATURES,
				       on ? features | LOG_ALL : features & ~LOG_ALL, -1),
			 0);
}

static const struct mem_log *published(void)
{
	role_assert_control();
	return rcu_own(&t.device->regions.table.log);
}

/* Mappings of memfds called "log". */
static unsigned int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, "memfd:log") != NULL;
	fclose(maps);
	return n;
}

static void two_rings(void)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(t.ready, 3);
}

/* As QEMU does it with a device that runs: the log, LOG_ALL, and back. */
static void test_a_migration_begins_and_is_cancelled(void **state)
{
	unsigned int fds;

	two_rings();
	fds = fg_open_fds_settled();
	for (int round = 0; round < 20; round++) {
		set_log(LOG_SIZE, 0);
		assert_null(published());
		assert_int_equal(mappings(), 1);
		set_log_all(true);
		assert_non_null(published());
		assert_int_equal(published()->pages, LOG_SIZE * 8);
		assert_int_equal(t.ready, 3);
		set_log_all(true);
		assert_int_equal(t.ready, 3);
		set_log_all(false);
		assert_null(published());
		assert_int_equal(mappings(), 0);
		assert_int_equal(fg_open_fds_await((int)fds), fds);
		assert_int_equal(t.ready, 3);
	}
}

/* No lcore writes into the old log any more when the new one is acknowledged: QEMU harvests the old one then. */
static void test_answer_waits_for_lcores(void **state)
{
	const struct mem_log *before;
	struct vhu_message msg;
	int fd = log_file(LOG_SIZE);

	two_rings();
	set_log(LOG_SIZE, 0);
	set_log_all(true);
	before = published();
	rcu_online(READER);
	send_log(LOG_SIZE, 0, fd);
	close(fd);
	assert_true(front_silent(&t.front));
	/* An lcore that came too early still has the old one: both are mapped. */
	assert_ptr_not_equal(published(), before);
	assert_int_equal(mappings(), 2);
	assert_int_equal(before->pages, LOG_SIZE * 8);
	rcu_quiescent(READER);
	expect_log_answer(LOG_SIZE, 0);
	assert_int_equal(mappings(), 1);
	/* LOG_ALL is no different. */
	front_send(&t.front, VHU_SET_FEATURES, VHU_VERSION | VHU_FLAG_NEED_REPLY,
		   &(uint64_t){vhu_rig_status().features & ~LOG_ALL}, 8, NULL, 0);
	assert_true(front_silent(&t.front));
	rcu_quiescent(READER);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	rcu_offline(READER);
	assert_int_equal(mappings(), 0);
	assert_int_equal(t.ready, 3);
}

/* A device that starts during a migration: LOG_ALL and the kick come before the log. */
static void test_rings_wait_for_the_log(void **state)
{
	vhu_rig_add_memory();
	set_log_all(true);
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(t.ready, 0);
	assert_non_null(strstr(vhu_rig_status().state, "dirty log"));
	set_log(LOG_SIZE, 0);
	assert_int_equal(t.ready, 3);
	assert_non_null(published());
	/* LOG_ALL for rings that run, and no log: they leave until there is one. */
	set_log_all(false);
	set_log_all(true);
	assert_int_equal(t.ready, 0);
	set_log(LOG_SIZE, 0);
	assert_int_equal(t.ready, 3);
}

static void test_log_goes_with_the_last_ring(void **state)
{
	const struct vhu_vring_state ask = {.index = 1};
	struct vhu_message msg;

	two_rings();
	for (int round = 0; round < 3; round++) {
		set_log(LOG_SIZE, 0);
		set_log_all(true);
		assert_int_equal(t.ready, 3);
		assert_int_equal(vhu_rig_stop_ring(0), 0);
		assert_non_null(published());
		/* Not before every lcore has left the last ring. */
		rcu_online(READER);
		front_send(&t.front, VHU_GET_VRING_BASE, 0, &ask, sizeof(ask), NULL, 0);
		assert_true(front_silent(&t.front));
		assert_non_null(published());
		rcu_offline(READER);
		assert_true(front_receive(&t.front, &msg));
		assert_null(published());
		assert_int_equal(mappings(), 0);
		/* The old log must not serve for what starts now. */
		front_ring(&t.front, 0, 256, UVA);
		assert_int_equal(t.ready, 0);
		front_ring(&t.front, 1, 256, UVA + 65536);
		assert_int_equal(t.ready, 0);
	}
	set_log(LOG_SIZE, 0);
	assert_int_equal(t.ready, 3);
	assert_int_equal(front_set(&t.front, VHU_RESET_DEVICE, NULL, 0, -1), 0);
	assert_int_equal(mappings(), 0);
}

/* SET_VRING_ADDR switches the log of the used ring while the ring runs, and says so when every lcore knows. */
static void test_used_ring(void **state)
{
	struct vhu_vring_addr addr = {.desc = UVA, .avail = UVA + 4096, .flags = 1, .log = GPA + 5000};
	struct vhu_message msg;

	role_assert_control();
	addr.used = (addr.avail + 6 + 512 + 3) & ~UINT64_C(3);
	two_rings();
	assert_false(rcu_own(&t.device->ring[0].q.conf)->log_used);
	rcu_online(READER);
	front_send(&t.front, VHU_SET_VRING_ADDR, VHU_VERSION | VHU_FLAG_NEED_REPLY, &addr,
		   sizeof(addr), NULL, 0);
	assert_true(front_silent(&t.front));
	rcu_offline(READER);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.payload.u64, 0);
	assert_true(rcu_own(&t.device->ring[0].q.conf)->log_used);
	assert_int_equal(rcu_own(&t.device->ring[0].q.conf)->used_gpa, GPA + 5000);
	assert_int_equal(t.ready, 3);
	addr.flags = 0;
	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 0);
	assert_false(rcu_own(&t.device->ring[0].q.conf)->log_used);
	addr.flags = 2;
	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 1);
	/* Elsewhere while it runs: no. */
	addr.flags = 1;
	addr.desc += 16;
	assert_int_equal(front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 1);
	assert_int_equal(t.ready, 3);
}

/* As QEMU does it with memory that comes and goes during a migration. */
static void test_hotplug(void **state)
{
	struct vhu_memory_region more = vhu_rig_whole;
	int fd = front_memory();

	more.gpa += MEMORY_SIZE;
	more.uva += MEMORY_SIZE;
	two_rings();
	set_log(LOG_SIZE, 0);
	set_log_all(true);
	for (int round = 0; round < 10; round++) {
		set_log(4 * LOG_SIZE, 0);
		assert_int_equal(published()->pages, 4 * LOG_SIZE * 8);
		assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &more, fd), 0);
		assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &more, -1), 0);
		set_log(LOG_SIZE, 0);
		assert_int_equal(published()->pages, LOG_SIZE * 8);
		assert_int_equal(mappings(), 1);
		assert_int_equal(t.ready, 3);
	}
	close(fd);
}

/* The first byte of the log is at the offset, wherever in a page that is. */
static void test_offset(void **state)
{
	static const uint64_t offsets[] = {4096, 8, 4096 + 8, 3 * 4096 + 4088};
	int fd = log_file(4 * LOG_SIZE);
	uint8_t *file = mmap(NULL, 4 * LOG_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(file != MAP_FAILED);
	set_log_all(true);
	for (unsigned int i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		send_log(16, offsets[i], fd);
		expect_log_answer(16, offsets[i]);
		assert_int_equal(published()->pages, 128);
		mem_log_mark(published(), UINT64_C(4096) * 9, 1);
		assert_int_equal(file[offsets[i] + 1], 2);
		/* Beyond the end: nothing. */
		mem_log_mark(published(), UINT64_C(4096) * 127, UINT64_C(4096) * 1000);
		mem_log_mark(published(), UINT64_MAX - 4095, 8192);
		assert_int_equal(file[offsets[i] + 15], 0x80);
		assert_int_equal(file[offsets[i] + 16], 0);
	}
	munmap(file, 4 * LOG_SIZE);
	close(fd);
}

/* M8: refused, which for a request with an answer means hung up, and nothing is kept. */
static void test_bad_logs(void **state)
{
	static const struct {
		uint64_t size, offset;
	} bad[] = {
		{LOG_SIZE + 8, 0},	   /* the file is shorter */
		{LOG_SIZE, 4096},	   /* with the offset it is */
		{LOG_SIZE, UINT64_MAX - 7}, /* the sum wraps */
		{UINT64_MAX - 7, 16},
		{UINT64_MAX, 0},
		{0, 0},
		{4, 0},
		{LOG_SIZE / 2, 4}, /* words lie where words can lie */
		{LOG_SIZE / 2, 4097},
	};
	unsigned int fds = fg_open_fds_settled();

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = log_file(LOG_SIZE);

		send_log(bad[i].size, bad[i].offset, fd);
		close(fd);
		assert_true(front_closed(&t.front));
		assert_non_null(strstr(vhu_rig_status().last_error, "SET_LOG_BASE"));
		assert_int_equal(mappings(), 0);
		front_connect(&t.front, t.loop, t.path);
		front_negotiate(&t.front);
		assert_int_equal(fg_open_fds_await((int)fds), fds);
	}
	send_log(LOG_SIZE, 0, t.front.fd);
	assert_true(front_closed(&t.front));
}

/* Whatever the front end left behind: the next one begins without a log. */
static void test_next_front_end_has_none(void **state)
{
	two_rings();
	set_log(LOG_SIZE, 0);
	set_log_all(true);
	front_hang_up(&t.front);
	assert_int_equal(t.ready, 0);
	assert_null(published());
	assert_int_equal(mappings(), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	two_rings();
	assert_null(published());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_CONNECTED(test_a_migration_begins_and_is_cancelled),
		RIG_TEST_CONNECTED(test_answer_waits_for_lcores),
		RIG_TEST_CONNECTED(test_rings_wait_for_the_log),
		RIG_TEST_CONNECTED(test_log_goes_with_the_last_ring),
		RIG_TEST_CONNECTED(test_used_ring),
		RIG_TEST_CONNECTED(test_hotplug),
		RIG_TEST_CONNECTED(test_offset),
		RIG_TEST_CONNECTED(test_bad_logs),
		RIG_TEST_CONNECTED(test_next_front_end_has_none),
	};

	return cmocka_run_group_tests_name("vhu_log", tests, NULL, NULL);
}
