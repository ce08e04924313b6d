/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of a guest that arrived in part only are known again, whatever descriptor or name they come by; others are not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "vhu_partial.h"

enum { FILES = 5 };

static int file[FILES];
static struct vhu_mapping mappings[MEM_SLOTS_MAX];
static struct vhu_regions regions = {.mapping = mappings};
static struct vhu_partial partial;

static int begin(void **state)
{
	memset(mappings, 0, sizeof(mappings));
	regions.n = 0;
	memset(&partial, 0, sizeof(partial));
	for (int i = 0; i < FILES; i++)
		file[i] = memfd_create("guest", MFD_CLOEXEC);
	return 0;
}

static int end(void **state)
{
	vhu_partial_forget(&partial);
	for (int i = 0; i < FILES; i++)
		close(file[i]);
	return 0;
}

/* Regions of these files, two of each. */
static void regions_of(int first, int n)
{
	struct stat st;

	regions.n = 0;
	for (int i = first; i < first + n; i++) {
		assert_int_equal(fstat(file[i], &st), 0);
		for (int twice = 0; twice < 2; twice++) {
			regions.mapping[regions.n].dev = st.st_dev;
			regions.mapping[regions.n++].ino = st.st_ino;
		}
	}
}

static int check(int fd)
{
	struct fail fail = {.text = ""};
	struct vhu_mapping mapping;
	struct stat st;
	int error;

	assert_int_equal(fstat(fd, &st), 0);
	mapping = (struct vhu_mapping){.dev = st.st_dev, .ino = st.st_ino};
	error = vhu_partial_check(&partial, &mapping, &fail);

	assert_int_equal(error == 0, fail.text[0] == '\0');
	return error;
}

static void the_same_file_is_known(void **state)
{
	char path[64];
	int again;

	assert_int_equal(check(file[0]), 0);
	regions_of(0, 2);
	assert_int_equal(vhu_partial_remember(&partial, &regions), 0);
	assert_int_equal(partial.n, 2); /* a file is remembered once */
	assert_int_equal(check(file[0]), -ESTALE);
	assert_int_equal(check(file[1]), -ESTALE);
	assert_int_equal(check(file[2]), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file[1]);
	again = open(path, O_RDWR | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(check(again), -ESTALE);
	close(again);
}

static void the_last_guest_counts(void **state)
{
	regions_of(0, 2);
	assert_int_equal(vhu_partial_remember(&partial, &regions), 0);
	regions_of(1, 3);
	assert_int_equal(vhu_partial_remember(&partial, &regions), 0);
	assert_int_equal(check(file[0]), 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(check(file[i]), -ESTALE);
	assert_int_equal(check(file[4]), 0);
	vhu_partial_forget(&partial);
	for (int i = 0; i < FILES; i++)
		assert_int_equal(check(file[i]), 0);
}

static void a_guest_without_memory_is_nothing_to_remember(void **state)
{
	regions_of(0, 0);
	assert_int_equal(vhu_partial_remember(&partial, &regions), 0);
	assert_int_equal(check(file[0]), 0);
}

static void as_many_files_as_there_can_be(void **state)
{
	struct stat st;

	assert_int_equal(fstat(file[0], &st), 0);
	for (regions.n = 0; regions.n < MEM_SLOTS_MAX; regions.n++) {
		regions.mapping[regions.n].dev = st.st_dev;
		regions.mapping[regions.n].ino = st.st_ino + 100 + regions.n;
	}
	regions.mapping[MEM_SLOTS_MAX - 1].ino = st.st_ino;
	assert_int_equal(vhu_partial_remember(&partial, &regions), 0);
	assert_int_equal(partial.n, MEM_SLOTS_MAX);
	assert_int_equal(check(file[0]), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_file_is_known, begin, end),
		cmocka_unit_test_setup_teardown(the_last_guest_counts, begin, end),
		cmocka_unit_test_setup_teardown(a_guest_without_memory_is_nothing_to_remember, begin, end),
		cmocka_unit_test_setup_teardown(as_many_files_as_there_can_be, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
