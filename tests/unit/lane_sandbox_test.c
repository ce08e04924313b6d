/* SPDX-License-Identifier: BSD-3-Clause */
/* What a lane cannot do, whatever code runs in it: each in a process of its own that enters the sandbox and tries. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "sandbox.h"

enum { FILE_SIZE = 1 << 20, MIB = 1 << 20 };

static int file, event;

static int begin(void **state)
{
	file = memfd_create("guest", MFD_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ftruncate(file, FILE_SIZE);
}

static int end(void **state)
{
	close(file);
	close(event);
	return 0;
}

/* --- what is tried: 0 if it could be done ------------------------------------------------------------------------ */

static void *map(size_t size, int prot, int flags, int fd)
{
	return mmap(NULL, size, prot, flags, fd, 0);
}

static int let_an_eventfd_block(void)
{
	int off = 0;

	return ioctl(event, FIONBIO, &off);
}

static int type_at_the_terminal(void)
{
	return ioctl(STDERR_FILENO, TIOCSTI, "x");
}

static int change_flags(void)
{
	return fcntl(event, F_SETFL, 0);
}

static int share_memory_of_no_file(void)
{
	return map(MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1) == MAP_FAILED;
}

static int map_code(void)
{
	return map(MIB, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1) == MAP_FAILED;
}

static int make_code(void)
{
	void *at = map(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return mprotect(at, 4096, PROT_READ | PROT_EXEC);
}

static int open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0;
}

static int make_memory(void)
{
	return (int)syscall(SYS_memfd_create, "x", 0) < 0;
}

static int open_a_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0;
}

static int start_a_process(void)
{
	return fork() < 0;
}

static int move_to_another_cpu(void)
{
	cpu_set_t all = {.__bits = {3}};

	return sched_setaffinity(0, sizeof(all), &all);
}

static int signal_another(void)
{
	return kill(getppid(), 0);
}

static int end_another(void)
{
	return (int)syscall(SYS_tgkill, 1, 1, 0);
}

/* Its own signal ends it, and not the filter. */
static int abort_itself(void)
{
	abort();
}

/* --- what it may ------------------------------------------------------------------------------------------------- */

static int map_the_guest(void)
{
	uint8_t *at = map(FILE_SIZE, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file);

	if (at == MAP_FAILED || mprotect(at, FILE_SIZE, PROT_READ | PROT_WRITE) != 0)
		return 1;
	at[FILE_SIZE - 1] = 1;
	return munmap(at, FILE_SIZE);
}

static int be_told_of_uffd(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	/* Where a container forbids it there are no lanes. */
	return fd < 0 ? errno != EPERM && errno != ENOSYS : ioctl(fd, UFFDIO_API, &api);
}

static int use_some_memory(void)
{
	char *at = malloc(MIB);

	return at == NULL || eventfd_write(event, 1) != 0;
}

/* --- what is refused --------------------------------------------------------------------------------------------- */

static int take_all_memory(void)
{
	size_t mib = 0;

	while (mib < 1024 && map(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1) != MAP_FAILED)
		mib++;
	return mib > 64;
}

static int take_it_by_a_change_of_mind(void)
{
	void *at = map((size_t)256 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return at == MAP_FAILED || mprotect(at, (size_t)256 * MIB, PROT_READ | PROT_WRITE) == 0;
}

static int take_all_descriptors(void)
{
	int n = 0;

	while (n < 4096 && syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) >= 0)
		n++;
	return n > 128;
}

static int write_to_the_log(void)
{
	static const char line[] = "a line of the lane's own\n";

	return write(STDERR_FILENO, line, sizeof(line) - 1) < 0;
}

/* --- trying ------------------------------------------------------------------------------------------------------ */

/* The wait status of a process that tries it; `err` (-1: none) is its stderr. */
static int attempt(int (*act)(void), int err)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		if (err >= 0)
			dup2(err, STDERR_FILENO);
		if (sandbox_enter() != 0)
			_exit(99);
		_exit(act() == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void what_a_lane_needs_it_may(void **state)
{
	assert_int_equal(attempt(map_the_guest, -1), 0);
	assert_int_equal(attempt(be_told_of_uffd, -1), 0);
	assert_int_equal(attempt(use_some_memory, -1), 0);
}

static void what_it_does_not_need_ends_it(void **state)
{
	static int (*const acts[])(void) = {
		let_an_eventfd_block, type_at_the_terminal, change_flags,    share_memory_of_no_file,
		map_code,	      make_code,	    open_a_file,     make_memory,
		open_a_socket,	      start_a_process,	    signal_another, move_to_another_cpu, end_another,
	};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		int status = attempt(acts[i], -1);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("act %zu ended with status %#x", i, (unsigned int)status);
	}
}

static void it_may_end_itself(void **state)
{
	int status = attempt(abort_itself, -1);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void what_it_takes_has_an_end(void **state)
{
	assert_int_equal(attempt(take_all_memory, -1), 0);
	assert_int_equal(attempt(take_it_by_a_change_of_mind, -1), 0);
	assert_int_equal(attempt(take_all_descriptors, -1), 0);
}

static void the_switchs_log_is_not_its_own(void **state)
{
	int ends[2];
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(attempt(write_to_the_log, ends[1]), 0);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 0);
	close(ends[0]);
}

/* A sanitizer's runtime does as it pleases: there is no filter in such a build. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { FILTERED = 0 };
#else
enum { FILTERED = 1 };
#endif

int main(void)
{
	const struct CMUnitTest always[] = {
		cmocka_unit_test_setup_teardown(what_a_lane_needs_it_may, begin, end),
	};
	const struct CMUnitTest filtered[] = {
		cmocka_unit_test_setup_teardown(what_it_does_not_need_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(it_may_end_itself, begin, end),
		cmocka_unit_test_setup_teardown(what_it_takes_has_an_end, begin, end),
		cmocka_unit_test_setup_teardown(the_switchs_log_is_not_its_own, begin, end),
	};
	int failed = cmocka_run_group_tests(always, NULL, NULL);

	return FILTERED ? failed + cmocka_run_group_tests(filtered, NULL, NULL) : failed;
}
