/* SPDX-License-Identifier: BSD-3-Clause */
/* reach_test.c: which right is missing where, asked by a process that has not all of them. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "reach.h"
#include "rights.h"
#include "role.h"

enum { NOBODY = 65534 };

static char top[32];

static void path_of(const char *rest, char *path, size_t size)
{
	snprintf(path, size, "%s%s", top, rest);
}

/* Nothing is missing, or `right` on the part of the path that ends with `at`. Status of the child: 0 as it should be. */
static int look(const char *rest, char right, const char *at)
{
	char path[128], part[128], text[256], words[256];
	struct reach reach;

	path_of(rest, path, sizeof(path));
	path_of(at, part, sizeof(part));
	reach = reach_find(path);
	if (reach.right != right) {
		fprintf(stderr, "%s: '%c' is missing, not '%c'\n", path, reach.right, right);
		return 1;
	}
	if (right == '\0')
		return 0;
	reach_describe(path, &reach, text, sizeof(text));
	snprintf(words, sizeof(words), "may not %s %s (needs %c; it is ",
		 right == 'x' ? "search" : "write to", part, right);
	if (reach.len != strlen(part) || strstr(text, words) == NULL) {
		fprintf(stderr, "\"%s\" does not say \"%s\"\n", text, words);
		return 1;
	}
	return 0;
}

static int look_as_nobody(void)
{
	char words[192], path[128], text[256];
	struct reach reach;
	int wrong = 0;

	/* For root everything is open: its capabilities go with the user. */
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setegid(NOBODY) != 0 || seteuid(NOBODY) != 0))
		return 1;
	wrong += look("/open/socket", '\0', "");
	wrong += look("/open/none", '\0', "");
	wrong += look("/none/none", '\0', "");
	wrong += look("/open/readonly", 'w', "/open/readonly");
	wrong += look("/shut/socket", 'x', "/shut");
	wrong += look("/shut/more/socket", 'x', "/shut");
	wrong += look("/open//shut/socket", 'x', "/open//shut");
	wrong += look("/link/socket", 'x', "/link");
	path_of("/shut/socket", path, sizeof(path));
	reach = reach_find(path);
	reach_describe(path, &reach, text, sizeof(text));
	snprintf(words, sizeof(words), "user %s, group %s, may not", rights_user(geteuid()).text,
		 rights_group(getegid()).text);
	wrong += strncmp(text, words, strlen(words)) != 0;
	wrong += strstr(text, " 0000)") == NULL;
	return wrong;
}

static void touch(const char *rest, mode_t mode)
{
	char path[128];
	int fd;

	path_of(rest, path, sizeof(path));
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void folder(const char *rest, mode_t mode)
{
	char path[128];

	path_of(rest, path, sizeof(path));
	if (mkdir(path, 0700) != 0)
		assert_int_equal(errno, EEXIST);
	assert_int_equal(chmod(path, mode), 0);
}

static void says_which_part_and_which_right(void **state)
{
	static const char *const files[] = {"/open/shut/socket", "/open/readonly", "/open/socket",
					    "/shut/socket", "/link"};
	static const char *const folders[] = {"/open/shut", "/open", "/shut", ""};
	char path[128];
	int status;
	pid_t child;

	strcpy(top, "/tmp/reach_test_XXXXXX");
	assert_non_null(mkdtemp(top));
	folder("", 0755);
	folder("/open", 0755);
	folder("/open/shut", 0700);
	folder("/shut", 0700);
	touch("/open/socket", 0666);
	touch("/open/readonly", 0444);
	touch("/open/shut/socket", 0666);
	touch("/shut/socket", 0666);
	path_of("/link", path, sizeof(path));
	assert_int_equal(symlink("shut", path), 0);
	folder("/shut", 0);
	folder("/open/shut", 0);

	child = fork();
	if (child == 0)
		_exit(look_as_nobody());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	folder("/shut", 0700);
	folder("/open/shut", 0700);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of(files[i], path, sizeof(path));
		assert_int_equal(unlink(path), 0);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		path_of(folders[i], path, sizeof(path));
		assert_int_equal(rmdir(path), 0);
	}
}

static void names_and_numbers(void **state)
{
	struct rights rights = {0};
	char text[160];

	assert_string_equal(rights_user(0).text, "root (0)");
	assert_string_equal(rights_group(0).text, "root (0)");
	assert_string_equal(rights_user(4000000000).text, "4000000000");
	assert_string_equal(rights_of_file(0, 4000000000, S_IFSOCK | 0620).text,
			    "root:4000000000 0620");
	rights_describe(&rights, text, sizeof(text));
	assert_string_equal(text, "");
	assert_false(rights_any(&rights));
	assert_int_equal(rights_parse(&rights, RIGHTS_GROUP, "root"), 0);
	rights_describe(&rights, text, sizeof(text));
	assert_string_equal(text, "group root (0)");
	assert_int_equal(rights_parse(&rights, RIGHTS_MODE, "0"), 0);
	rights_describe(&rights, text, sizeof(text));
	assert_string_equal(text, "group root (0), mode 0000");
	assert_int_equal(rights_parse(&rights, RIGHTS_MODE, "1000"), -EINVAL);
	assert_int_equal(rights_parse(&rights, RIGHTS_OWNER, "no-such-user"), -ENOENT);
	assert_int_equal(rights_parse(&rights, RIGHTS_OWNER, "4294967294"), 0);
	assert_int_equal(rights_parse(&rights, RIGHTS_OWNER, "4294967295"), -EINVAL);
}

/* The end of the process that does it: with a group file of its own. 0, or the line of what failed. */
static int find_large_group(const char *file)
{
	enum { MEMBERS = 5000, NUMBER = 64999 };
	FILE *to = fopen(file, "w");
	struct rights rights = {0};

	fprintf(to, "vus-many:x:%d:", NUMBER);
	for (int i = 0; i < MEMBERS; i++)
		fprintf(to, "%smember%d", i > 0 ? "," : "", i);
	fprintf(to, "\n");
	if (fclose(to) != 0)
		return __LINE__;
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(file, "/etc/group", NULL, MS_BIND, NULL) != 0)
		return errno == EPERM || errno == EACCES ? 0 : __LINE__; /* not for everybody */
	if (rights_parse(&rights, RIGHTS_GROUP, "vus-many") != 0 || rights.group != NUMBER)
		return __LINE__;
	return strcmp(rights_group(NUMBER).text, "vus-many (64999)") == 0 ? 0 : __LINE__;
}

/* All who may run machines are in it. */
static void a_group_may_be_large(void **state)
{
	char file[] = "/tmp/reach_test_group_XXXXXX";
	int fd = mkstemp(file), status;
	pid_t child;

	assert_true(fd >= 0);
	close(fd);
	child = fork();
	if (child == 0)
		_exit(find_large_group(file) & 0xff);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_which_part_and_which_right),
		cmocka_unit_test(names_and_numbers),
		cmocka_unit_test(a_group_may_be_large),
	};

	return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
