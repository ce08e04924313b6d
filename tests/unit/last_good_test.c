/* SPDX-License-Identifier: BSD-3-Clause */
/* The last good configuration on the disk: whole or not at all, written once, and there when the loop has ended. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "last_good.h"
#include "log.h"
#include "rcu.h"
#include "replace_file.h"
#include "turn.h"

static char folder[] = "/tmp/last_good_test.XXXXXX";
static char path[64], beside[sizeof(path) + 4];
static unsigned int kept_calls;

static int write_text(const char *text, struct fail *fail)
{
	return replace_file(path, text, strlen(text), fail);
}

static void assert_text(const char *text)
{
	char now[256];
	FILE *file = fopen(path, "re");
	size_t len;

	assert_non_null(file);
	len = fread(now, 1, sizeof(now), file);
	fclose(file);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(now, text, len);
	/* Nothing is left beside it. */
	assert_int_not_equal(access(beside, F_OK), 0);
}

static void it_is_replaced_whole(void **state)
{
	struct stat first, same, next;
	struct fail fail;
	int fd;

	assert_int_equal(write_text("ports: []\n", &fail), 0);
	assert_text("ports: []\n");
	assert_int_equal(stat(path, &first), 0);
	assert_int_equal(first.st_mode & 0777, 0600);
	/* The same text is no reason to write. */
	assert_int_equal(write_text("ports: []\n", &fail), 0);
	assert_int_equal(stat(path, &same), 0);
	assert_int_equal(same.st_ino, first.st_ino);
	/* One that was killed while it wrote has left its half. */
	fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "ports: [{name: a very long line", 31), 31);
	close(fd);
	assert_int_equal(write_text("ports: []\n# edited\n", &fail), 0);
	assert_text("ports: []\n# edited\n");
	assert_int_equal(stat(path, &next), 0);
	assert_int_not_equal(next.st_ino, first.st_ino);
	/* Shorter, and a beginning of what is there. */
	assert_int_equal(write_text("ports: []", &fail), 0);
	assert_text("ports: []");
}

/* Opening a pipe would block, and a file that all may read would show to all what is written. */
static void what_is_in_its_place_is_no_matter(void **state)
{
	static const char text[] = "ports: []\n# not for all\n";
	struct fail fail;
	struct stat st;
	int fd;

	/* What waits for ever does not come back from here. */
	alarm(60);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mkfifo(beside, 0600), 0);
	assert_int_equal(write_text(text, &fail), 0);
	assert_text(text);
	fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	assert_int_equal(write_text("ports: []\n", &fail), 0);
	assert_text("ports: []\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Written where the link is, not where it leads to. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(write_text(text, &fail), 0);
	assert_text(text);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	/* A folder is no last good configuration: reported, and left alone. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(write_text(text, &fail), -EISDIR);
	assert_int_not_equal(access(beside, F_OK), 0);
	assert_int_equal(rmdir(path), 0);
	alarm(0);
}

/* A limit on the size of files stands for a disk that is full. */
static void a_full_disk_leaves_the_one_before(void **state)
{
	struct rlimit limit, small;
	struct fail fail;
	int error;

	assert_int_equal(write_text("ports: []\n", &fail), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){.rlim_cur = 16, .rlim_max = limit.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	error = write_text("ports: []\n# much more text than sixteen bytes\n", &fail);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(error, -EFBIG);
	assert_non_null(strstr(fail.text, path));
	assert_text("ports: []\n");
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct fail fail;

	assert_int_equal(replace_file("/nonexistent/a.yaml", "x", 1, &fail), -ENOENT);
	assert_string_equal(fail.text, "/nonexistent/a.yaml: its folder is not there; make it first");
}

static void count_kept(void *arg VUS_UNUSED)
{
	kept_calls++;
}

static void the_loop_waits_for_no_disk(void **state)
{
	struct last_good last_good = {.loop = loop_create(), .path = path, .kept = count_kept};

	role_assert_control();
	assert_non_null(last_good.loop);
	kept_calls = 0;
	/* Nothing to write: at once. */
	last_good_keep(&last_good, NULL, 0);
	assert_int_equal(kept_calls, 1);
	/* Several: once, when the last one is there. */
	last_good_keep(&last_good, strdup("one"), 3);
	last_good_keep(&last_good, strdup("two"), 3);
	last_good_keep(&last_good, NULL, 0);
	assert_int_equal(kept_calls, 1);
	TURN_UNTIL(last_good.loop, kept_calls >= 2);
	assert_int_equal(kept_calls, 2);
	assert_text("two");
	/* A switch that ends right after a reload. */
	last_good_keep(&last_good, strdup("three"), 5);
	loop_destroy(last_good.loop);
	assert_int_equal(kept_calls, 3);
	assert_text("three");
}

static void one_that_cannot_be_kept_is_no_error(void **state)
{
	struct last_good last_good = {
		.loop = loop_create(), .path = "/nonexistent/a.yaml", .kept = count_kept};

	role_assert_control();
	assert_non_null(last_good.loop);
	kept_calls = 0;
	last_good_keep(&last_good, strdup("one"), 3);
	loop_destroy(last_good.loop);
	assert_int_equal(kept_calls, 1);
}

static int make_folder(void **state)
{
	role_take(ROLE_CONTROL);
	log_set_level(LOG_ERROR);
	if (rcu_init(1) != 0 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/last-good.yaml", folder);
	snprintf(beside, sizeof(beside), "%s.new", path);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	rcu_fini();
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_replaced_whole),
		cmocka_unit_test(what_is_in_its_place_is_no_matter),
		cmocka_unit_test(a_full_disk_leaves_the_one_before),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
		cmocka_unit_test(the_loop_waits_for_no_disk),
		cmocka_unit_test(one_that_cannot_be_kept_is_no_error),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
