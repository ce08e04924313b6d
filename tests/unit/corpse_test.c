/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is dead and who is not (lib/base/corpse.h). A live process is never taken for a dead one: L10. */
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corpse.h"

static pid_t start(void (*run)(void))
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
		_exit(1);
	}
	assert_true(child > 0);
	return child;
}

static void sleep_on(void)
{
	for (;;)
		pause();
}

static char state_of(pid_t pid)
{
	char path[64], text[256];
	FILE *file;
	char state = '?';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file != NULL && fgets(text, sizeof(text), file) != NULL)
		sscanf(strrchr(text, ')'), ") %c", &state);
	if (file != NULL)
		fclose(file);
	return state;
}

static void await_state(pid_t pid, char state)
{
	for (int i = 0; i < 5000 && state_of(pid) != state; i++)
		usleep(1000);
	assert_int_equal(state_of(pid), state);
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_that_was_killed_is_dead(void **state)
{
	pid_t child = start(sleep_on);

	kill(child, SIGKILL);
	await_state(child, 'Z');
	assert_true(corpse_is(child));
	reap(child);
	assert_false(corpse_is(child));
}

static void one_that_sleeps_or_is_stopped_is_alive(void **state)
{
	pid_t child = start(sleep_on);

	await_state(child, 'S');
	assert_false(corpse_is(child));
	kill(child, SIGSTOP);
	await_state(child, 'T');
	assert_false(corpse_is(child));
	kill(child, SIGTERM);
	usleep(10000);
	assert_false(corpse_is(child));
	reap(child);
	assert_false(corpse_is(getpid()));
	assert_false(corpse_is(0));
	assert_false(corpse_is(-1));
}

static void *lives_on(void *arg)
{
	sleep_on();
	return arg;
}

static void leave_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, lives_on, NULL);
	syscall(SYS_exit, 0);
}

static void one_without_its_first_thread_is_alive(void **state)
{
	pid_t child = start(leave_a_thread);

	await_state(child, 'Z');
	assert_false(corpse_is(child));
	kill(child, SIGKILL);
	for (int i = 0; i < 5000 && !corpse_is(child); i++)
		usleep(1000);
	assert_true(corpse_is(child));
	reap(child);
}

static void sleep_as_another(void)
{
	prctl(PR_SET_NAME, "another");
	sleep_on();
}

static void one_of_another_name_is_none_of_ours(void **state)
{
	pid_t child = start(sleep_as_another);

	await_state(child, 'S');
	usleep(10000);
	kill(child, SIGKILL);
	await_state(child, 'Z');
	assert_false(corpse_is(child));
	reap(child);
}

/* --- what it holds ---------------------------------------------------------------------------------------------- */

static char path[64];

static void listen_and_lock(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM, 0), fd = open("lock", O_RDWR | O_CREAT, 0600);

	strcpy(address.sun_path, path);
	if (flock(fd, LOCK_EX) != 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(sock, 4) != 0)
		_exit(1);
	sleep_on();
}

static void a_live_owner_keeps_socket_and_lock(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/vus-corpse-XXXXXX";
	int fd, sock = socket(AF_UNIX, SOCK_STREAM, 0), connected = -1;
	pid_t child;

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	snprintf(path, sizeof(path), "%s/s", folder);
	strcpy(address.sun_path, path);
	child = start(listen_and_lock);
	for (int i = 0; i < 5000 && connected != 0; i++) {
		usleep(1000);
		connected = connect(sock, (struct sockaddr *)&address, sizeof(address));
	}
	assert_int_equal(connected, 0);
	fd = open("lock", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_false(corpse_listens(sock, path));
	assert_false(corpse_has_locked(fd));
	corpses_hang_up();
	close(sock);
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	reap(child);
	assert_false(corpse_listens(sock, path));
	assert_false(corpse_has_locked(fd));
	close(sock);
	close(fd);
	unlink("lock");
	unlink(path);
	assert_int_equal(chdir("/"), 0);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(one_that_was_killed_is_dead),
		cmocka_unit_test(one_that_sleeps_or_is_stopped_is_alive),
		cmocka_unit_test(one_without_its_first_thread_is_alive),
		cmocka_unit_test(one_of_another_name_is_none_of_ours),
		cmocka_unit_test(a_live_owner_keeps_socket_and_lock),
	};

	return cmocka_run_group_tests_name("corpse", cases, NULL, NULL);
}
