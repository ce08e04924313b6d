/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose a port's socket is: said on the command line and in the file, and changed while the switch runs. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of root any user's; of another user its own group's. */
static gid_t some_group(void)
{
	return geteuid() == 0 ? 107 : getegid();
}

static bool has(const char *path, gid_t group, mode_t mode)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_gid == group && (st.st_mode & 07777) == mode;
}

static void assert_has(const char *path, gid_t group, mode_t mode)
{
	if (!has(path, group, mode))
		fail_msg("%s is not of group %u and mode %04o", path, group, mode);
}

/* What `vusctl port` shows. */
static void assert_shown(const struct fg_switch *sw, const char *port, const char *rights)
{
	json_t *answer = fg_switch_query(sw, "port", port);
	const char *shown =
		json_string_value(json_object_get(json_object_get(answer, "port"), "socket_rights"));

	assert_non_null(answer);
	if (rights == NULL)
		assert_null(shown);
	else
		assert_non_null(strstr(shown, rights));
	json_decref(answer);
}

static void the_command_line_says_whose_it_is(void **state)
{
	struct fg_switch sw = {0};
	char group[32];
	const char *const ports[] = {"vm1", "vm2,socket-mode=0620", NULL};
	const char *const args[] = {"--socket-group", group, "--socket-mode", "0660", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};

	snprintf(group, sizeof(group), "%u", some_group());
	OK(fg_switch_start(&sw, &opt));
	assert_has(fg_switch_socket(&sw, "vm1"), some_group(), 0660);
	assert_has(fg_switch_socket(&sw, "vm2"), some_group(), 0620);
	assert_shown(&sw, "vm1", "mode 0660");
	assert_shown(&sw, "vm2", "mode 0620");
	/* Killed, it leaves them behind; the next takes their place. */
	fg_switch_kill(&sw);
	assert_has(fg_switch_socket(&sw, "vm1"), some_group(), 0660);
	OK(fg_switch_restart(&sw));
	assert_has(fg_switch_socket(&sw, "vm1"), some_group(), 0660);
	OK(fg_switch_stop(&sw));
}

static void write_file(const char *path, const char *folder, const char *more)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file,
		"ports:\n"
		"  - {name: vm1, type: vhost-user, socket: %s/vm1.sock}\n"
		"  - {name: vm2, type: vhost-user, socket: %s/vm2.sock, socket-mode: 0600}\n%s",
		folder, folder, more);
	fclose(file);
}

static bool becomes(const char *path, gid_t group, mode_t mode)
{
	for (int i = 0; i < 1000 && !has(path, group, mode); i++)
		fg_sleep_us(10000);
	return has(path, group, mode);
}

/* Rights change while the port lives: its socket file stays, and so does the one beside it. The folder is made. */
static void the_file_says_it_anew(void **state)
{
	char top[] = "/tmp/fg-rights-XXXXXX", folder[64], path[64], one[96], two[96];
	const char *const ports[] = {NULL};
	const char *const args[] = {"--config", path, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct fg_switch sw = {0};
	struct stat before[2], after;
	mode_t mask;

	assert_non_null(mkdtemp(top));
	snprintf(folder, sizeof(folder), "%s/vm", top);
	snprintf(path, sizeof(path), "%s/vuswitch.yaml", top);
	snprintf(one, sizeof(one), "%s/vm1.sock", folder);
	snprintf(two, sizeof(two), "%s/vm2.sock", folder);
	write_file(path, folder, "");
	mask = umask(022);
	OK(fg_switch_start(&sw, &opt));
	umask(mask);
	/* It answers before it has made its ports. */
	assert_true(becomes(two, getegid(), 0600));
	assert_has(one, getegid(), 0755);
	assert_has(two, getegid(), 0600);
	assert_shown(&sw, "vm1", NULL);
	OK(lstat(one, &before[0]));
	OK(lstat(two, &before[1]));

	write_file(path, folder, "socket-mode: 0666\n");
	OK(kill(sw.pid, SIGHUP));
	assert_true(becomes(one, getegid(), 0666));
	assert_shown(&sw, "vm1", "mode 0666");
	OK(lstat(one, &after));
	assert_int_equal(before[0].st_ino, after.st_ino);
	OK(lstat(two, &after));
	assert_int_equal(before[1].st_ino, after.st_ino);

	/* Not given any more, they are what the umask makes them. */
	write_file(path, folder, "");
	OK(kill(sw.pid, SIGHUP));
	assert_true(becomes(one, getegid(), 0755));
	assert_shown(&sw, "vm1", NULL);
	OK(lstat(one, &after));
	assert_int_equal(before[0].st_ino, after.st_ino);

	OK(fg_switch_stop(&sw));
	assert_int_equal(access(one, F_OK), -1);
	assert_int_equal(access(two, F_OK), -1);
	OK(unlink(path));
	OK(rmdir(folder));
	OK(rmdir(top));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(the_command_line_says_whose_it_is),
		cmocka_unit_test(the_file_says_it_anew),
	};

	return cmocka_run_group_tests_name("rights", cases, NULL, NULL);
}
