/* SPDX-License-Identifier: BSD-3-Clause */
/* A front end's files are mapped and unmapped by threads that may be lost (X2): while they do not come to it, the control thread
 * goes on, and the conversation waits; whatever becomes of the request, nothing of it is left. */
#include "vhu_rig.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "turn.h"
#include "vhu_session.h"
#include "vus_limits.h"

/* --- calls of the port that do not come back ---------------------------------------------------------------------- */

static sem_t let_go;
static struct disposal_job stuck[DISPOSAL_THREADS];

static void get_stuck(struct disposal_job *job VUS_UNUSED)
{
	while (sem_wait(&let_go) != 0)
		;
}

static void hold(void)
{
	struct disposal_stats stats;

	role_assert_control();
	for (unsigned int i = 0; i < DISPOSAL_THREADS; i++) {
		stuck[i] = (struct disposal_job){.run = get_stuck};
		disposal_start(t.device->account, &stuck[i]);
	}
	do {
		loop_turn(t.loop, NS_PER_MS);
		disposal_account_stats(t.device->account, &stats);
	} while (stats.running < DISPOSAL_THREADS);
}

static void release(void)
{
	for (unsigned int i = 0; i < DISPOSAL_THREADS; i++)
		sem_post(&let_go);
}

/* --- what is seen of it ------------------------------------------------------------------------------------------- */

static bool anything_mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		found |= strstr(line, "/memfd:guest") != NULL;
	fclose(maps);
	return found;
}

static void expect_mapping_only(void)
{
	for (unsigned int i = 0; i < VHU_STEPS; i++)
		assert_int_equal(t.device->pending.n[i], i == VHU_STEP_MAP);
}

static void settle_until_nothing(void)
{
	TURN_UNTIL(t.loop, !vhu_pending_any(&t.device->pending));
}

/* --- requests that bring files ------------------------------------------------------------------------------------ */

static void send_with_file(uint32_t request, const void *payload, uint32_t size)
{
	int fd = front_memory();

	front_send(&t.front, request, VHU_VERSION | VHU_FLAG_NEED_REPLY, payload, size, &fd, 1);
	close(fd);
}

static void send_region(const struct vhu_memory_region *region)
{
	const struct vhu_memory_single single = {.region = *region};

	send_with_file(VHU_ADD_MEM_REG, &single, sizeof(single));
}

static void send_addition(void)
{
	send_region(&vhu_rig_whole);
}

static void send_table(void)
{
	const struct {
		uint32_t n, padding;
		struct vhu_memory_region region;
	} table = {.n = 1, .region = vhu_rig_whole};

	send_with_file(VHU_SET_MEM_TABLE, &table, sizeof(table));
}

static void send_log(void)
{
	const struct vhu_log_base base = {.size = 4096};

	send_with_file(VHU_SET_LOG_BASE, &base, sizeof(base));
}

static const struct bringing {
	const char *name;
	void (*send)(void);
} bringing[] = {
	{"ADD_MEM_REG", send_addition},
	{"SET_MEM_TABLE", send_table},
	{"SET_LOG_BASE", send_log},
};

enum { BRINGING = sizeof(bringing) / sizeof(bringing[0]) };

static void begin_one(const struct bringing *one)
{
	hold();
	one->send();
	assert_true(front_silent(&t.front));
	assert_string_equal(vhu_rig_status().waiting, one->name);
	expect_mapping_only();
	assert_false(anything_mapped());
}

static void come_again(void)
{
	front_hang_up(&t.front);
	settle_until_nothing();
	assert_false(anything_mapped());
	front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
}

static void a_request_waits_until_its_files_are_mapped(void **state)
{
	struct vhu_message msg;

	for (unsigned int i = 0; i < BRINGING; i++) {
		begin_one(&bringing[i]);
		release();
		assert_true(front_receive(&t.front, &msg));
		assert_null(vhu_rig_status().waiting);
		assert_true(anything_mapped());
		come_again();
	}
}

static void the_front_end_leaves_meanwhile(void **state)
{
	for (unsigned int i = 0; i < BRINGING; i++) {
		begin_one(&bringing[i]);
		front_hang_up(&t.front);
		front_settle(t.loop);
		assert_null(vhu_rig_status().waiting);
		expect_mapping_only();
		release();
		come_again();
		assert_int_equal(vhu_rig_status().slots_used, 0);
	}
}

static void the_port_goes_meanwhile(void **state)
{
	for (unsigned int i = 0; i < BRINGING; i++) {
		begin_one(&bringing[i]);
		release();
		assert_int_equal(vhu_rig_tear_down(state), 0);
		assert_false(anything_mapped());
		assert_int_equal(vhu_rig_set_up_connected(state), 0);
	}
}

static void refused(const struct vhu_memory_region *region)
{
	struct vhu_message msg;

	hold();
	send_region(region);
	assert_true(front_silent(&t.front));
	expect_mapping_only();
	release();
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.header.request, VHU_ADD_MEM_REG);
	assert_int_equal(msg.payload.u64, 1);
	settle_until_nothing();
}

/* It says no as late as that, and the conversation goes on. */
static void a_file_that_cannot_be_mapped_is_refused(void **state)
{
	struct vhu_memory_region bad = vhu_rig_whole;

	bad.mmap_offset = MEMORY_SIZE;
	refused(&bad);
	assert_false(anything_mapped());
	vhu_rig_add_memory();
}

static void a_region_that_overlaps_is_unmapped_again(void **state)
{
	struct vhu_memory_region other = vhu_rig_whole;

	vhu_rig_add_memory();
	other.uva += MEMORY_SIZE;
	refused(&other);
	assert_int_equal(vhu_rig_status().slots_used, 1);
	assert_int_equal(front_region(&t.front, VHU_REM_MEM_REG, &vhu_rig_whole, -1), 0);
	assert_false(anything_mapped());
}

/* A removal waits for what unmaps. */
static void a_removal_waits_until_its_memory_is_unmapped(void **state)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};
	struct vhu_message msg;

	vhu_rig_add_memory();
	hold();
	front_send(&t.front, VHU_REM_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &single, sizeof(single), NULL, 0);
	assert_true(front_silent(&t.front));
	assert_int_equal(t.device->pending.n[VHU_STEP_UNMAP], 1);
	assert_true(anything_mapped());
	release();
	assert_true(front_receive(&t.front, &msg));
	assert_false(anything_mapped());
}

/* Memory whose migration breaks off while it is being mapped is remembered, too (F7). */
static void an_arrival_breaks_off_while_its_memory_is_mapped(void **state)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};
	int fd = front_memory();

	hold();
	front_send(&t.front, VHU_ADD_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &single, sizeof(single), &fd, 1);
	assert_true(front_silent(&t.front));
	t.device->arriving = true; /* as vhu_session_map() finds it after POSTCOPY_LISTEN */
	front_hang_up(&t.front);
	front_settle(t.loop);
	release();
	come_again();
	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &vhu_rig_whole, fd), 1);
	assert_non_null(strstr(vhu_rig_status().last_error, "a part of this memory never arrived"));
	assert_false(anything_mapped());
	vhu_rig_add_memory();
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_CONNECTED(a_request_waits_until_its_files_are_mapped),
		RIG_TEST_CONNECTED(the_front_end_leaves_meanwhile),
		RIG_TEST_CONNECTED(the_port_goes_meanwhile),
		RIG_TEST_CONNECTED(a_file_that_cannot_be_mapped_is_refused),
		RIG_TEST_CONNECTED(a_region_that_overlaps_is_unmapped_again),
		RIG_TEST_CONNECTED(a_removal_waits_until_its_memory_is_unmapped),
		RIG_TEST_CONNECTED(an_arrival_breaks_off_while_its_memory_is_mapped),
	};

	sem_init(&let_go, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
