/* SPDX-License-Identifier: BSD-3-Clause */
/* The file of records: what is there for the next process and what is not, whose file is taken and whose is not, and what
 * the conversation with a front end does to it. */
#include "vhu_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "poke.h"
#include "vhu_journal.h"
#include "vhu_session.h"

static char path[96];

static void path_of(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s.journal", t.folder, name);
}

static off_t size_of_file(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* A record of ring 3 that can be recognised. */
static void leave_a_mark(struct vhu_journal *journal)
{
	vhu_journal_record(journal, 3)->desc_uva = 0x1234567;
}

static bool has_mark(struct vhu_journal *journal)
{
	return vhu_journal_record(journal, 3)->desc_uva == 0x1234567;
}

static void test_kept_or_removed(void **state)
{
	struct vhu_journal journal;
	struct stat st;

	path_of("p");
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_blocks * 512 >= st.st_size); /* no store finds the file system full */
	assert_false(has_mark(&journal));
	leave_a_mark(&journal);
	vhu_journal_close(&journal, true);
	assert_null(vhu_journal_record(&journal, 3));
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	assert_true(has_mark(&journal));
	vhu_journal_close(&journal, false);
	assert_int_equal(size_of_file(), -1);
	vhu_journal_close(&journal, false);
}

/* Every byte of the head that says what kind of file it is, and every other length. */
static void test_damaged_is_begun_anew(void **state)
{
	static const uint8_t junk[20000] = {1, 2, 3};
	struct vhu_journal journal;
	off_t whole;

	path_of("p");
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	whole = size_of_file();
	for (off_t at = -4; at < 16; at++) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		leave_a_mark(&journal);
		vhu_journal_close(&journal, true);
		if (at == -4)
			assert_int_equal(ftruncate(fd, whole - 1), 0);
		else if (at == -3)
			assert_int_equal(ftruncate(fd, whole + 1), 0);
		else if (at == -2)
			assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
		else if (at >= 0)
			assert_int_equal(pwrite(fd, junk + 2, 1, at), 1);
		close(fd);
		vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
		assert_int_equal(has_mark(&journal), at == -1);
		assert_int_equal(size_of_file(), whole);
	}
	vhu_journal_close(&journal, false);
}

/* Another switch has it; it is a link, a folder, a pipe, another user's, open to others; there is no folder. */
static void test_not_ours_is_left_alone(void **state)
{
	struct vhu_journal journal, second;
	char target[96];

	vhu_journal_open(&journal, NULL, "p", VHOST_RINGS_MAX);
	assert_null(journal.file);
	vhu_journal_open(&journal, "/proc/nowhere", "p", VHOST_RINGS_MAX);
	assert_null(journal.file);

	path_of("p");
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	vhu_journal_open(&second, t.folder, "p", VHOST_RINGS_MAX);
	assert_non_null(journal.file);
	assert_null(second.file);
	vhu_journal_close(&second, false);
	assert_true(size_of_file() > 0);
	vhu_journal_close(&journal, true);

	assert_int_equal(chmod(path, 0620), 0);
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	assert_null(journal.file);
	assert_int_equal(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
		assert_null(journal.file);
	}
	snprintf(target, sizeof(target), "%s/target", t.folder);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	assert_null(journal.file);
	unlink(path);
	unlink(target);
	assert_int_equal(mkfifo(path, 0600), 0);
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	assert_null(journal.file);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	vhu_journal_open(&journal, t.folder, "p", VHOST_RINGS_MAX);
	assert_null(journal.file);
	rmdir(path);
}

/* --- in the conversation ----------------------------------------------------------------------------------------- */

static void make_with_journal(void)
{
	const struct vhu_config config = {
		.name = "vm1", .socket = t.path, .mode = VHU_SERVER, .queue_pairs = 2, .journal = t.folder};
	struct fail fail;

	role_assert_control();
	assert_int_equal(vhu_rig_make_of(&config, &fail), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
}

static bool about_a_ring(unsigned int index)
{
	return atomic_load(&vhu_journal_record(&t.device->journal, index)->check) != 0;
}

/* A ring that is stopped in an orderly way needs no record, one whose front end went away does. */
static void test_records_follow_the_rings(void **state)
{
	make_with_journal();
	assert_true(about_a_ring(0) && about_a_ring(1));
	assert_false(about_a_ring(2) || about_a_ring(3));
	vhu_rig_stop_ring(1);
	assert_true(about_a_ring(0) && !about_a_ring(1));
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_true(about_a_ring(1));
	front_hang_up(&t.front);
	front_settle(t.loop);
	assert_true(about_a_ring(0) && about_a_ring(1));
}

static void test_a_reset_ends_records(void **state)
{
	make_with_journal();
	assert_int_equal(front_set(&t.front, VHU_RESET_DEVICE, NULL, 0, -1), 0);
	assert_false(about_a_ring(0) || about_a_ring(1));
}

/* The next front end brings the same ring, or another. The guest gets an interrupt, in case it had none before. */
static void test_the_next_one_resumes(void **state)
{
	struct virtq *q;

	role_assert_lcore(); /* no lcore has the rings */
	make_with_journal();
	q = &t.device->ring[1].q;
	virtq_record_place(q->record, 7, 9);
	front_hang_up(&t.front);
	front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	vhu_rig_add_memory();
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(q->dp.resumes, true);
	assert_int_equal((uint32_t)q->dp.found, 9 << 16 | 7);
	vhu_rig_stop_ring(1);
	virtq_record_place(q->record, 7, 9);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(q->dp.resumes, false);
	assert_int_equal(atomic_load(&q->record->place), 0);
}

/* The guest gets an interrupt then. If its front end makes that write wait, it is cut off, and control has not waited. */
static void test_a_resume_is_not_held_up(void **state)
{
	int call = eventfd(0, EFD_CLOEXEC), kick = eventfd(0, EFD_CLOEXEC);
	uint64_t begin;

	role_assert_control();
	make_with_journal();
	front_hang_up(&t.front);
	front_settle(t.loop);
	assert_int_equal(poke_watch(), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	vhu_rig_add_memory();
	front_ring_but_kick(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(front_set_u64(&t.front, VHU_SET_VRING_CALL, 1, call), 0);
	assert_int_equal(fcntl(call, F_SETFL, 0), 0);
	assert_int_equal(eventfd_write(call, 0xfffffffffffffffe), 0);
	begin = clock_ns();
	front_send(&t.front, VHU_SET_VRING_KICK, VHU_VERSION, &(uint64_t){1}, 8, &kick, 1);
	assert_true(front_closed(&t.front));
	assert_true(clock_ns() - begin < NS_PER_S);
	front_settle(t.loop);
	poke_unwatch();
	close(call);
	close(kick);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_kept_or_removed),
		RIG_TEST(test_damaged_is_begun_anew),
		RIG_TEST(test_not_ours_is_left_alone),
		RIG_TEST(test_records_follow_the_rings),
		RIG_TEST(test_a_reset_ends_records),
		RIG_TEST(test_the_next_one_resumes),
		RIG_TEST(test_a_resume_is_not_held_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
