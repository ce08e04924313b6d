/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_socket_test.c: a socket that appears is whose it is to be, and answers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "fg_socket.h"
#include "vhu_socket.h"
#include "unix_connect.h"

enum { NOBODY = 65534, ROUNDS = 50, WAIT_MS = 10000 };

/* Each test has a folder, and leaves it empty. */
static char folder[32], path[64];

static int set_up(void **state)
{
	role_take(ROLE_CONTROL);
	strcpy(folder, "/tmp/vhu_socket_XXXXXX");
	snprintf(path, sizeof(path), "%.24s/a.sock", mkdtemp(folder));
	return 0;
}

static int tear_down(void **state)
{
	umask(022);
	return rmdir(folder);
}

/* Of root any; of another user its own. */
static struct rights some_rights(mode_t mode)
{
	return (struct rights){
		.given = {true, true, true},
		.owner = geteuid() == 0 ? 64055 : geteuid(),
		.group = geteuid() == 0 ? 107 : getegid(),
		.mode = mode,
	};
}

static void assert_has(const char *file, const struct rights *rights, mode_t mode)
{
	struct stat st;

	assert_int_equal(lstat(file, &st), 0);
	assert_int_equal(st.st_uid, rights->owner);
	assert_int_equal(st.st_gid, rights->group);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void end(const char *at, int fd, const struct vhu_socket_file *file)
{
	role_assert_control();
	close(fd);
	vhu_socket_remove(at, file);
	assert_int_equal(access(at, F_OK), -1);
}

/* --- whose it is ------------------------------------------------------------------------------------------------ */

/* Watches the folder, and looks the moment the name appears. */
struct watcher {
	int fd;
	uint32_t seen; /* what happened to the name */
	struct stat st;
	int connected;
};

static void *watch(void *arg)
{
	struct watcher *watcher = arg;
	char buffer[4096] __attribute__((aligned(8)));
	struct pollfd ready = {.fd = watcher->fd, .events = POLLIN};

	role_take(ROLE_CONTROL);
	role_assert_control();
	while ((watcher->seen & (IN_CREATE | IN_MOVED_TO)) == 0 && poll(&ready, 1, WAIT_MS) == 1) {
		ssize_t n = read(watcher->fd, buffer, sizeof(buffer));

		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (struct inotify_event *)at;
			int fd;

			at += sizeof(*event) + event->len;
			if (event->len == 0 || strcmp(event->name, "a.sock") != 0)
				continue;
			if (watcher->seen == 0 && lstat(path, &watcher->st) == 0) {
				watcher->connected = unix_connect(path, &fd);
				if (watcher->connected == 0)
					close(fd);
			}
			watcher->seen |= event->mask;
		}
	}
	return NULL;
}

static void invisible_before_it_listens(void **state)
{
	const struct rights rights = some_rights(0620);

	role_assert_control();
	for (int i = 0; i < ROUNDS; i++) {
		struct watcher watcher = {.connected = -1, .fd = inotify_init1(IN_CLOEXEC)};
		struct vhu_socket_file file;
		struct fail fail;
		pthread_t thread;
		int fd;

		assert_true(inotify_add_watch(watcher.fd, folder, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) >= 0);
		assert_int_equal(pthread_create(&thread, NULL, watch, &watcher), 0);
		assert_int_equal(vhu_socket_listen(path, &rights, &fd, &file, &fail), 0);
		pthread_join(thread, NULL);
		/* It came as a whole, and nothing about it changed afterwards. */
		assert_int_equal(watcher.seen, IN_MOVED_TO);
		assert_int_equal(watcher.st.st_uid, rights.owner);
		assert_int_equal(watcher.st.st_gid, rights.group);
		assert_int_equal(watcher.st.st_mode, S_IFSOCK | 0620);
		assert_int_equal(watcher.connected, 0);
		close(watcher.fd);
		end(path, fd, &file);
	}
}

static void the_umask_counts_where_nothing_is_said(void **state)
{
	static const mode_t masks[] = {0, 022, 077};
	const struct rights nothing = {0}, all = some_rights(0666);
	const struct rights own = {.owner = geteuid(), .group = getegid()};

	role_assert_control();
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct vhu_socket_file file;
		struct fail fail;
		int fd;

		umask(masks[i]);
		assert_int_equal(vhu_socket_listen(path, &nothing, &fd, &file, &fail), 0);
		assert_has(path, &own, 0777 & ~masks[i]);
		end(path, fd, &file);
		assert_int_equal(vhu_socket_listen(path, &all, &fd, &file, &fail), 0);
		assert_has(path, &all, 0666);
		end(path, fd, &file);
	}
}

/* The end of the process that makes it: as a user who may give nothing away. */
static int listen_as_nobody(void)
{
	const struct rights root = {.given[RIGHTS_OWNER] = true, .owner = 0};
	const struct rights group = {.given[RIGHTS_GROUP] = true, .group = 0};
	struct vhu_socket_file file;
	struct fail fail;
	char below[80];
	int fd;

	role_assert_control();
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setegid(NOBODY) != 0 || seteuid(NOBODY) != 0))
		return 1;
	if (vhu_socket_listen(path, &root, &fd, &file, &fail) != -EPERM ||
	    strstr(fail.text, "a.sock cannot be given owner root (0): Operation not permitted; run "
			      "vuswitch as root or with CAP_CHOWN, or leave socket-owner out") == NULL)
		return 2;
	if (vhu_socket_listen(path, &group, &fd, &file, &fail) != -EPERM ||
	    strstr(fail.text, "CAP_CHOWN, or put its user into that group") == NULL)
		return 3;
	snprintf(below, sizeof(below), "%s/below/a.sock", folder);
	if (vhu_socket_listen(below, &root, &fd, &file, &fail) != -EPERM ||
	    strstr(fail.text, "/below cannot be given owner root (0)") == NULL)
		return 4;
	return 0;
}

static void what_cannot_be_given_is_an_error(void **state)
{
	int status;
	pid_t child;

	assert_int_equal(chmod(folder, 0777), 0);
	child = fork();
	if (child == 0)
		_exit(listen_as_nobody());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* tear_down() finds that nothing was left. */
}

/* --- what is in the way ----------------------------------------------------------------------------------------- */

static void what_a_dead_process_left_is_replaced(void **state)
{
	const struct rights rights = some_rights(0660);
	struct vhu_socket_file file;
	struct fail fail;
	int fd;

	role_assert_control();
	close(fg_socket_bind(path, 0));
	assert_int_equal(vhu_socket_listen(path, &rights, &fd, &file, &fail), 0);
	assert_has(path, &rights, 0660);
	end(path, fd, &file);
}

/* Of two processes that make the same socket, neither may meet the other's draft. */
static void no_two_drafts_have_one_name(void **state)
{
	enum { DRAFTS = 8 };
	const struct rights nothing = {0};
	char names[DRAFTS][64] = {""};

	role_assert_control();
	for (unsigned int i = 0; i < DRAFTS; i++) {
		char buffer[4096] __attribute__((aligned(8)));
		const struct inotify_event *event = (struct inotify_event *)buffer;
		struct vhu_socket_file file;
		struct fail fail;
		int fd, watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

		assert_true(inotify_add_watch(watch_fd, folder, IN_CREATE) >= 0);
		assert_int_equal(vhu_socket_listen(path, &nothing, &fd, &file, &fail), 0);
		assert_true(read(watch_fd, buffer, sizeof(buffer)) > 0);
		snprintf(names[i], sizeof(names[i]), "%.60s", event->name);
		assert_int_equal(strncmp(names[i], ".a.sock.", 8), 0);
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(names[i], names[k]);
		close(watch_fd);
		end(path, fd, &file);
	}
}

/* One of two switches that make the same socket. */
struct rival {
	pthread_barrier_t *start;
	struct vhu_socket_file file;
	struct fail fail;
	int fd, error;
};

static void *rival_listens(void *arg)
{
	const struct rights nothing = {0};
	struct rival *rival = arg;

	role_take(ROLE_CONTROL);
	role_assert_control();
	pthread_barrier_wait(rival->start);
	rival->error = vhu_socket_listen(path, &nothing, &rival->fd, &rival->file, &rival->fail);
	return NULL;
}

/* They meet at what a third one left. One of them has it then, and it answers; the other knows. */
static void of_two_at_the_same_time_one_has_it(void **state)
{
	enum { MEETINGS = 100 };

	role_assert_control();
	for (unsigned int i = 0; i < MEETINGS; i++) {
		pthread_barrier_t start;
		struct rival rivals[2];
		pthread_t threads[2];
		unsigned int winner;
		int client;

		close(fg_socket_bind(path, 0));
		assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
		for (unsigned int k = 0; k < 2; k++) {
			rivals[k] = (struct rival){.start = &start};
			assert_int_equal(pthread_create(&threads[k], NULL, rival_listens, &rivals[k]), 0);
		}
		for (unsigned int k = 0; k < 2; k++)
			pthread_join(threads[k], NULL);
		pthread_barrier_destroy(&start);
		winner = rivals[1].error == 0;
		assert_int_equal(rivals[winner].error, 0);
		assert_int_equal(rivals[!winner].error, -EADDRINUSE);
		assert_int_equal(unix_connect(path, &client), 0);
		close(client);
		end(path, rivals[winner].fd, &rivals[winner].file);
	}
}

static void a_socket_of_another_process_stays(void **state)
{
	const struct rights nothing = {0};
	struct vhu_socket_file file;
	struct fail fail;
	struct stat st;
	int fd, other;

	role_assert_control();
	assert_int_equal(vhu_socket_listen(path, &nothing, &fd, &file, &fail), 0);
	assert_int_equal(vhu_socket_listen(path, &nothing, &other, &file, &fail), -EADDRINUSE);
	/* Ours was taken away and another put there: that is not ours to remove. */
	assert_int_equal(unlink(path), 0);
	other = fg_socket_bind(path, 0);
	vhu_socket_remove(path, &file);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
	close(other);
	close(fd);
}

/* --- where it is ------------------------------------------------------------------------------------------------ */

static void the_longest_paths(void **state)
{
	const struct rights rights = some_rights(0660);
	/* A long name, and a short one below a long folder: the name it has meanwhile fits in neither. */
	static const int folders[] = {0, 70};

	role_assert_control();
	for (size_t i = 0; i < 2; i++) {
		struct vhu_socket_file file;
		struct fail fail;
		char at[128], below[128];
		int fd, client;
		size_t n;

		memset(below, '\0', sizeof(below));
		strcpy(below, folder);
		n = strlen(below);
		below[n++] = '/';
		memset(below + n, 'd', (size_t)folders[i]);
		memcpy(at, below, sizeof(at));
		n += (size_t)folders[i];
		if (folders[i] > 0)
			at[n++] = '/';
		memset(at + n, 's', 107 - n);
		at[107] = '\0';
		assert_int_equal(vhu_socket_listen(at, &rights, &fd, &file, &fail), 0);
		assert_has(at, &rights, 0660);
		/* One that was left behind is replaced. */
		close(fd);
		assert_int_equal(vhu_socket_listen(at, &rights, &fd, &file, &fail), 0);
		assert_int_equal(unix_connect(at, &client), 0);
		close(client);
		end(at, fd, &file);
		if (folders[i] > 0)
			assert_int_equal(rmdir(below), 0);
		memcpy(at + 107, "s", 2);
		assert_int_equal(vhu_socket_listen(at, &rights, &fd, &file, &fail), -ENAMETOOLONG);
	}
}

static void what_cannot_be_a_path_is_told(void **state)
{
	const struct rights nothing = {0};
	struct vhu_socket_file file;
	char below[64], at[96];
	struct fail fail;
	int fd;

	role_assert_control();
	/* Nothing is made for it. */
	snprintf(at, sizeof(at), "%s/below/", folder);
	assert_int_equal(vhu_socket_listen(at, &nothing, &fd, &file, &fail), -EINVAL);
	assert_non_null(strstr(fail.text, "is that of a folder"));
	snprintf(below, sizeof(below), "%s/below", folder);
	assert_int_equal(access(below, F_OK), -1);
	assert_int_equal(symlink("/nonexistent/folder", below), 0);
	snprintf(at, sizeof(at), "%s/a.sock", below);
	assert_int_equal(vhu_socket_listen(at, &nothing, &fd, &file, &fail), -EEXIST);
	assert_non_null(strstr(fail.text, "a link that leads to nothing"));
	assert_int_equal(unlink(below), 0);
	/* A link is no socket, and what it leads to stays. */
	assert_int_equal(symlink(folder, path), 0);
	assert_int_equal(vhu_socket_listen(path, &nothing, &fd, &file, &fail), -EEXIST);
	assert_int_equal(unlink(path), 0);
}

static void a_missing_folder_is_made(void **state)
{
	static const struct {
		mode_t socket, folder;
	} modes[] = {{0600, 0700}, {0660, 0750}, {0620, 0750}, {0666, 0755}, {0606, 0705}, {0777, 0755}};
	const struct rights nothing = {0}, own = {.owner = geteuid(), .group = getegid()};
	struct vhu_socket_file file;
	struct rights rights;
	struct fail fail;
	char below[80], at[96];
	int fd;

	role_assert_control();
	snprintf(below, sizeof(below), "%s/below", folder);
	snprintf(at, sizeof(at), "%s/a.sock", below);
	umask(027);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		rights = some_rights(modes[i].socket);
		assert_int_equal(vhu_socket_listen(at, &rights, &fd, &file, &fail), 0);
		assert_has(below, &rights, modes[i].folder);
		assert_has(at, &rights, modes[i].socket);
		end(at, fd, &file);
		assert_int_equal(rmdir(below), 0);
	}
	assert_int_equal(vhu_socket_listen(at, &nothing, &fd, &file, &fail), 0);
	assert_has(below, &own, 0750);
	end(at, fd, &file);
	/* One that is there stays as it is. */
	rights = some_rights(0666);
	assert_int_equal(vhu_socket_listen(at, &rights, &fd, &file, &fail), 0);
	assert_has(below, &own, 0750);
	end(at, fd, &file);
	assert_int_equal(rmdir(below), 0);
	/* And of two only the last. */
	snprintf(at, sizeof(at), "%s/more/a.sock", below);
	assert_int_equal(vhu_socket_listen(at, &rights, &fd, &file, &fail), -ENOENT);
	assert_non_null(strstr(fail.text, "create the one above it first"));
}

/* The owner of the folder above puts another of ours in the place of the new one, as soon as that is there. */
struct exchange {
	char kept[80], made[80];
	_Atomic bool ends;
	unsigned int n;
};

/* The folder, and what is in it: a socket, a draft that the path led astray, an empty folder. */
static void remove_all(const char *at)
{
	DIR *dir = opendir(at);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir != NULL)
		closedir(dir);
	rmdir(at);
}

static void *exchange(void *arg)
{
	struct exchange *exchange = arg;

	while (!exchange->ends)
		exchange->n += renameat2(AT_FDCWD, exchange->kept, AT_FDCWD, exchange->made, RENAME_EXCHANGE) == 0;
	return NULL;
}

static void a_folder_that_was_exchanged_is_not_given_away(void **state)
{
	enum { TRIES = 200 };
	const struct rights rights = some_rights(0606);
	struct exchange exchanges = {.n = 0};
	char at[96], inside[96];
	struct stat before, after;
	int kept;

	role_assert_control();
	umask(077);
	snprintf(exchanges.kept, sizeof(exchanges.kept), "%s/kept", folder);
	snprintf(exchanges.made, sizeof(exchanges.made), "%s/below", folder);
	snprintf(at, sizeof(at), "%s/a.sock", exchanges.made);
	for (unsigned int i = 0; i < TRIES; i++) {
		struct vhu_socket_file file;
		struct fail fail;
		pthread_t thread;
		int fd, error;

		assert_int_equal(mkdir(exchanges.kept, 0700), 0);
		snprintf(inside, sizeof(inside), "%s/secret", exchanges.kept);
		assert_int_equal(mkdir(inside, 0700), 0);
		kept = open(exchanges.kept, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(fstat(kept, &before), 0);
		exchanges.ends = false;
		assert_int_equal(pthread_create(&thread, NULL, exchange, &exchanges), 0);
		error = vhu_socket_listen(at, &rights, &fd, &file, &fail);
		exchanges.ends = true;
		pthread_join(thread, NULL);
		assert_int_equal(fstat(kept, &after), 0);
		assert_int_equal(after.st_uid, before.st_uid);
		assert_int_equal(after.st_mode, before.st_mode);
		if (error == 0)
			close(fd);
		close(kept);
		remove_all(exchanges.kept);
		remove_all(exchanges.made);
	}
	/* Otherwise it says nothing. */
	assert_true(exchanges.n > 0);
}

/* What its path leads to is decided once: in that folder the socket is made, and nothing is left in the other one. */
static void a_folder_that_was_exchanged_gets_the_whole_socket(void **state)
{
	enum { TRIES = 5000 };
	const struct rights none = {0};
	struct exchange exchanges = {.n = 0};
	char at[96];
	pthread_t thread;

	role_assert_control();
	snprintf(exchanges.kept, sizeof(exchanges.kept), "%s/kept", folder);
	snprintf(exchanges.made, sizeof(exchanges.made), "%s/below", folder);
	snprintf(at, sizeof(at), "%s/a.sock", exchanges.made);
	assert_int_equal(mkdir(exchanges.kept, 0700), 0);
	assert_int_equal(mkdir(exchanges.made, 0700), 0);
	assert_int_equal(pthread_create(&thread, NULL, exchange, &exchanges), 0);
	for (unsigned int i = 0; i < TRIES; i++) {
		struct vhu_socket_file file;
		struct fail fail;
		int fd;

		if (vhu_socket_listen(at, &none, &fd, &file, &fail) != 0)
			fail_msg("%s", fail.text);
		close(fd);
	}
	exchanges.ends = true;
	pthread_join(thread, NULL);
	assert_true(exchanges.n > 0);
	/* One without a listener, in each at most: whoever comes next replaces it. */
	snprintf(at, sizeof(at), "%s/a.sock", exchanges.kept);
	unlink(at);
	snprintf(at, sizeof(at), "%s/a.sock", exchanges.made);
	unlink(at);
	assert_int_equal(rmdir(exchanges.kept), 0);
	assert_int_equal(rmdir(exchanges.made), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(invisible_before_it_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_umask_counts_where_nothing_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_given_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_dead_process_left_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_two_drafts_have_one_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_two_at_the_same_time_one_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_of_another_process_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_a_path_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_folder_is_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_was_exchanged_is_not_given_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_was_exchanged_gets_the_whole_socket, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("vhu_socket", tests, NULL, NULL);
}
