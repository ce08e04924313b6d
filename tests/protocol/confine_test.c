/* SPDX-License-Identifier: BSD-3-Clause */
/* What whoever takes over a thread of the switch, or looks at it from beside, does not get. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* Whether a process of the same user, which may not trace any process, may look at the address space of the switch. */
static bool is_open_to_its_user(const struct fg_switch *sw)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	/* CAP_PERFMON, and CAP_SYS_ADMIN in its place, let read what is mapped. */
	const uint64_t watching = CAP(SYS_PTRACE) | CAP(SYS_ADMIN) | UINT64_C(1) << 38;
	pid_t pid = fork();
	char path[64];
	int status;

	assert_true(pid >= 0);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)sw->pid);
	if (pid == 0) {
		if (syscall(SYS_capget, &header, data) != 0)
			_exit(2);
		for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
			data[i].effective = data[i].permitted & ~(uint32_t)(watching >> 32 * i);
		if (syscall(SYS_capset, &header, data) != 0)
			_exit(2);
		_exit(open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 1 : errno == EACCES ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	return WEXITSTATUS(status) == 1;
}

/* How many mappings of guests' memory there are, and how many of them would be in a core dump. */
static void count_guest_maps(const struct fg_switch *sw, unsigned int *all, unsigned int *dumped)
{
	char path[64], line[512];
	bool guests = false;
	FILE *f;

	*all = *dumped = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)sw->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			guests = strstr(line, "memfd:fake-guest") != NULL;
		if (!guests || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		(*all)++;
		*dumped += strstr(line, " dd") == NULL;
	}
	fclose(f);
}

/* A field of /proc/PID/task/TID/status; -1: the thread has ended. */
static int status_of(const struct fg_switch *sw, const char *thread, const char *field)
{
	char path[64], line[256];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/status", (int)sw->pid, thread);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			value = atoi(line + strlen(field));
	if (f != NULL)
		fclose(f);
	return value;
}

/* Of each thread: its calls are limited (2: by a filter), and no program it could start would have more rights. */
static unsigned int count_limited(const struct fg_switch *sw)
{
	struct dirent *entry;
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)sw->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		int mode = entry->d_name[0] != '.' ? status_of(sw, entry->d_name, "Seccomp:") : -1;

		if (mode < 0)
			continue;
		assert_int_equal(mode, 2);
		assert_int_equal(status_of(sw, entry->d_name, "NoNewPrivs:"), 1);
		n++;
	}
	closedir(dir);
	return n;
}

/* Control, an lcore, the bell, two watchdogs, helper, the device thread, metrics, and EAL's two. */
static void each_thread_is_limited(void **state)
{
	static const char *const ports[] = {"h0", NULL};
	char path[FG_PATH_MAX + 8];
	const char *const args[] = {"--metrics", path, "--ethdev", "nic=net_null0", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct fg_switch sw;

	if (fixture.before.sanitizer)
		skip();
	assert_true(count_limited(&fixture.sw) >= 8);
	snprintf(path, sizeof(path), "%s/m.sock", fixture.sw.dir);
	OK(fg_switch_start(&sw, &opt));
	assert_true(count_limited(&sw) >= 9);
	OK(fg_switch_stop(&sw));
}

/* All that a thread of this name has, of the capabilities that count now; asserts that there is one. */
static uint64_t capabilities_of(const struct fg_switch *sw, const char *name)
{
	char path[64], line[256];
	struct dirent *entry;
	uint64_t has = 0;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)sw->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		bool it = false;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.12s/status", (int)sw->pid, entry->d_name);
		f = fopen(path, "r");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
			if (strncmp(line, "Name:\t", 6) == 0)
				it = strncmp(line + 6, name, strlen(name)) == 0;
			if (it && strncmp(line, "CapEff:", 7) == 0)
				has |= strtoull(line + 7, NULL, 16);
		}
		found = found || it;
		if (f != NULL)
			fclose(f);
	}
	closedir(dir);
	if (!found)
		fail_msg("no thread is called %s", name);
	return has;
}

/* The threads that guests can reach have no right at all, and no thread one that nothing configured needs. */
static void no_thread_has_rights_without_use(void **state)
{
	static const char *const of_none[] = {"rte-worker-1", "vus-bell", "memory-watchdog"};
	static const char *const ports[] = {"h0", NULL}, *const args[] = {"--keep-rights", NULL};
	const uint64_t of_ports = CAP(CHOWN) | CAP(FOWNER) | CAP(DAC_OVERRIDE) | CAP(KILL) | CAP(SETUID) | CAP(SETGID);
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct fg_switch sw;

	if (geteuid() != 0)
		skip();
	for (unsigned int i = 0; i < sizeof(of_none) / sizeof(of_none[0]); i++)
		assert_int_equal(capabilities_of(&fixture.sw, of_none[i]), 0);
	/* DPDK's thread has what the process has. */
	assert_int_equal(capabilities_of(&fixture.sw, "eal-intr-thread") & ~of_ports, 0);
	assert_int_equal(capabilities_of(&fixture.sw, "vuswitch") & ~of_ports, 0);
	OK(fg_switch_start(&sw, &opt));
	assert_int_not_equal(capabilities_of(&sw, "eal-intr-thread") & CAP(NET_ADMIN), 0);
	assert_int_equal(capabilities_of(&sw, "rte-worker-1"), 0);
	assert_int_equal(capabilities_of(&sw, "eal-intr-thread") & (CAP(SYS_PTRACE) | CAP(SYS_MODULE) | CAP(MKNOD)), 0);
	OK(fg_switch_stop(&sw));
}

static void no_process_beside_looks_in(void **state)
{
	assert_false(is_open_to_its_user(&fixture.sw));
}

static void unless_it_is_said_to_be_dumpable(void **state)
{
	static const char *const ports[] = {"h0", NULL}, *const args[] = {"--dumpable", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct fg_switch sw;

	OK(fg_switch_start(&sw, &opt));
	assert_true(is_open_to_its_user(&sw));
	OK(fg_switch_stop(&sw));
}

/* A core dump, of a switch that may leave one, has no page of a guest's. */
static void guests_memory_is_in_no_core_dump(void **state)
{
	unsigned int all, dumped;

	guest_open("h0", NULL);
	count_guest_maps(&fixture.sw, &all, &dumped);
	assert_true(all > 0);
	assert_int_equal(dumped, 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(each_thread_is_limited),
		TEST_CASE(no_thread_has_rights_without_use),
		TEST_CASE(no_process_beside_looks_in),
		TEST_CASE(unless_it_is_said_to_be_dumpable),
		TEST_CASE(guests_memory_is_in_no_core_dump),
	};

	return fixture_main("confine", CASES(cases));
}
