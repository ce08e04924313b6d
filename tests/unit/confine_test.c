/* SPDX-License-Identifier: BSD-3-Clause */
/* What threads of each kind may do, and what happens if they do something else: each in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "confine.h"
#include "thread_kind.h"

enum { MIB = 1 << 20, UNKNOWN_CALL = 500 };

static pid_t parent;

/* --- what is tried: 0 if it could be done ------------------------------------------------------------------------ */

static int open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0;
}

static int remove_no_file(void)
{
	return unlink("/there/is/none") != -1 || errno != ENOENT;
}

/* As malloc() does, which then does without. */
static int be_refused_a_file(void)
{
	return open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES;
}

static int open_a_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0;
}

static int open_a_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) < 0;
}

static int start_a_program(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static int trace_another(void)
{
	return ptrace(PTRACE_ATTACH, parent, NULL, NULL) != 0;
}

static int map_code(void)
{
	return mmap(NULL, MIB, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int make_code(void)
{
	void *at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(at, MIB, PROT_READ | PROT_EXEC);
}

static int type_at_the_terminal(void)
{
	return ioctl(STDERR_FILENO, TIOCSTI, "x");
}

static int kill_another(void)
{
	return (int)syscall(SYS_tgkill, parent, parent, 0);
}

static int make_an_event(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) < 0;
}

static int use_memory(void)
{
	char *at = malloc((size_t)16 * MIB);
	void *map = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == NULL || map == MAP_FAILED)
		return 1;
	memset(at, 1, MIB);
	free(at);
	return munmap(map, MIB);
}

static int wait_for_nothing(void)
{
	struct epoll_event event;

	/* Of a descriptor that is no set. */
	return epoll_wait(0, &event, 1, 0) != -1 || errno == EPERM;
}

static int use_a_call_to_come(void)
{
	return syscall(UNKNOWN_CALL) != -1 || errno != ENOSYS;
}

/* A sanitizer's runtime makes calls of its own. */
static void skip_with_a_sanitizer(void)
{
	if (CONFINE_DEFAULT == CONFINE_OFF)
		skip();
}

/* --- trying ------------------------------------------------------------------------------------------------------ */

struct outcome {
	int status;
	char said[4096];
};

/* What becomes of a process that says it is of this kind and tries it, and what that writes to standard error. */
static struct outcome attempt(enum confine_mode mode, enum thread_kind kind, int (*act)(void), unsigned int times)
{
	struct outcome outcome = {.said = ""};
	int ends[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	parent = getpid();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0};
		struct fail fail;
		int failed = 0;

		setrlimit(RLIMIT_CORE, &none);
		dup2(ends[1], STDERR_FILENO);
		if (confine_start(mode, &fail) != 0)
			_exit(99);
		thread_on_begin(confine_thread);
		if (kind != THREAD_OTHER)
			thread_begins(kind);
		for (unsigned int i = 0; i < times; i++)
			failed |= act();
		_exit(failed == 0 ? 0 : 1);
	}
	close(ends[1]);
	for (size_t used = 0; (n = read(ends[0], outcome.said + used, sizeof(outcome.said) - 1 - used)) > 0;)
		used += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
	return outcome;
}

static unsigned int lines_with(const char *text, const char *words)
{
	unsigned int n = 0;

	while ((text = strstr(text, words)) != NULL) {
		text += strlen(words);
		n++;
	}
	return n;
}

/* It fails, and a line says who has tried what. */
static void assert_refused(enum thread_kind kind, int (*act)(void), const char *call)
{
	struct outcome outcome = attempt(CONFINE_ON, kind, act, 1);
	char words[96];

	snprintf(words, sizeof(words), "the %s thread has made the system call %s,", thread_kind_name(kind), call);
	if (!WIFEXITED(outcome.status) || outcome.status == 0 || lines_with(outcome.said, words) != 1)
		fail_msg("%s, %s: status %#x, \"%s\"", thread_kind_name(kind), call, (unsigned int)outcome.status, outcome.said);
}

static void assert_goes_on(enum thread_kind kind, int (*act)(void))
{
	struct outcome outcome = attempt(CONFINE_ON, kind, act, 1);

	if (outcome.status != 0 || outcome.said[0] != '\0')
		fail_msg("%s: status %#x, \"%s\"", thread_kind_name(kind), (unsigned int)outcome.status, outcome.said);
}

static const enum thread_kind small[] = {THREAD_LCORE,	  THREAD_BELL,	  THREAD_WATCH,
					 THREAD_DISPOSAL, THREAD_METRICS, THREAD_WRITER};
enum { SMALL = sizeof(small) / sizeof(small[0]) };

static void what_a_thread_has_no_use_for_is_refused(void **state)
{
	skip_with_a_sanitizer();
	for (unsigned int i = 0; i < SMALL; i++) {
		assert_refused(small[i], remove_no_file, "unlink");
		assert_refused(small[i], start_a_program, "execve");
		assert_refused(small[i], map_code, "mmap");
		assert_refused(small[i], make_code, "mprotect");
		assert_refused(small[i], type_at_the_terminal, "ioctl");
	}
	assert_refused(THREAD_LCORE, open_a_socket, "socket");
	assert_refused(THREAD_BELL, open_a_socket, "socket");
	assert_refused(THREAD_WATCH, wait_for_nothing, "epoll_wait");
	assert_refused(THREAD_LCORE, make_an_event, "eventfd2");
}

/* Control has much to do, and starts no program; only a driver opens a socket that sees each frame of the machine. */
static void those_that_do_much_cannot_do_all(void **state)
{
	skip_with_a_sanitizer();
	assert_refused(THREAD_CONTROL, start_a_program, "execve");
	assert_refused(THREAD_CONTROL, map_code, "mmap");
	assert_refused(THREAD_CONTROL, type_at_the_terminal, "ioctl");
	assert_refused(THREAD_CONTROL, open_a_packet_socket, "socket");
	assert_refused(THREAD_DEVICE, start_a_program, "execve");
	assert_refused(THREAD_HELPER, open_a_packet_socket, "socket");
	for (unsigned int kind = THREAD_CONTROL; kind < THREAD_KINDS; kind++) {
		assert_refused((enum thread_kind)kind, trace_another, "ptrace");
		if (kind != THREAD_HELPER)
			assert_refused((enum thread_kind)kind, kill_another, "tgkill");
	}
}

/* Those of DPDK's threads are named as the kernel names them. */
static void no_thread_may_do_what_none_of_ours_needs(void **state)
{
	struct outcome outcome;

	skip_with_a_sanitizer();
	outcome = attempt(CONFINE_ON, THREAD_OTHER, trace_another, 1);
	assert_true(WIFEXITED(outcome.status) && outcome.status != 0);
	assert_int_equal(lines_with(outcome.said, "the confine_test thread has made the system call ptrace,"), 1);
}

static void what_it_needs_it_may(void **state)
{
	skip_with_a_sanitizer();
	for (unsigned int kind = THREAD_OTHER; kind < THREAD_KINDS; kind++) {
		assert_goes_on((enum thread_kind)kind, use_memory);
		assert_goes_on((enum thread_kind)kind, use_a_call_to_come);
	}
	assert_goes_on(THREAD_LCORE, wait_for_nothing);
	assert_goes_on(THREAD_CONTROL, open_a_file);
	for (unsigned int i = 0; i < SMALL; i++)
		assert_goes_on(small[i], be_refused_a_file);
	assert_goes_on(THREAD_CONTROL, open_a_socket);
	assert_goes_on(THREAD_DISPOSAL, open_a_socket);
	assert_goes_on(THREAD_HELPER, start_a_program);
}

/* It is done all the same, with its own result, and told once. */
static void with_log_it_is_told_and_done(void **state)
{
	struct outcome outcome;

	skip_with_a_sanitizer();
	outcome = attempt(CONFINE_LOG, THREAD_LCORE, make_an_event, 3);
	assert_int_equal(outcome.status, 0);
	assert_int_equal(lines_with(outcome.said, "the lcore thread has made the system call eventfd2,"), 1);
	assert_int_equal(lines_with(outcome.said, "in the kernel's log alone: journalctl -k -g 'type=1326.* pid="), 1);
	assert_int_equal(lines_with(outcome.said, "\n"), 2);
	outcome = attempt(CONFINE_LOG, THREAD_BELL, remove_no_file, 1);
	assert_int_equal(outcome.status, 0);
	assert_int_equal(lines_with(outcome.said, "the bell thread has made the system call unlink,"), 1);
	/* With some arguments it is allowed, with others not. */
	outcome = attempt(CONFINE_LOG, THREAD_LCORE, make_code, 1);
	assert_int_equal(outcome.status, 0);
	assert_int_equal(lines_with(outcome.said, "the lcore thread has made the system call mprotect,"), 1);
	/* With six it is not seen. */
	outcome = attempt(CONFINE_LOG, THREAD_LCORE, map_code, 1);
	assert_int_equal(outcome.status, 0);
	assert_int_equal(lines_with(outcome.said, "\n"), 1);
}

static void off_is_off(void **state)
{
	struct outcome outcome = attempt(CONFINE_OFF, THREAD_LCORE, start_a_program, 1);

	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome.said, "");
}

static void words_are_read(void **state)
{
	enum confine_mode mode = CONFINE_OFF;

	assert_int_equal(confine_parse("on", &mode), 0);
	assert_int_equal(mode, CONFINE_ON);
	assert_int_equal(confine_parse("log", &mode), 0);
	assert_int_equal(mode, CONFINE_LOG);
	assert_int_equal(confine_parse("off", &mode), 0);
	assert_int_equal(mode, CONFINE_OFF);
	assert_int_equal(confine_parse("yes", &mode), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(what_it_needs_it_may),
		cmocka_unit_test(what_a_thread_has_no_use_for_is_refused),
		cmocka_unit_test(those_that_do_much_cannot_do_all),
		cmocka_unit_test(no_thread_may_do_what_none_of_ours_needs),
		cmocka_unit_test(with_log_it_is_told_and_done),
	};

	return cmocka_run_group_tests_name("confine", cases, NULL, NULL);
}
