/* SPDX-License-Identifier: BSD-3-Clause */
/* On which CPUs calls on what peers gave are made: where no lcore is, and no control thread where one is spare (X5). */
#include "fixture.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cpu_set_t ours;
static int first, second; /* of ours */

/* Whether the thread is one that makes such calls. */
static bool is_disposal(pid_t pid, const char *thread)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/comm", (int)pid, thread);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fscanf(f, "%31s", name) != 1)
		name[0] = '\0';
	fclose(f);
	return strcmp(name, "disposal") == 0;
}

/* How many of them there are, and that each may run on these CPUs and nowhere else. */
static unsigned int count_on(pid_t pid, const cpu_set_t *cpus)
{
	char path[64];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		cpu_set_t set;

		if (!is_disposal(pid, entry->d_name) || sched_getaffinity(atoi(entry->d_name), sizeof(set), &set) != 0)
			continue;
		/* One that has just begun moves yet. */
		for (int i = 0; i < 1000 && !CPU_EQUAL(&set, cpus); i++) {
			fg_sleep_us(1000);
			if (sched_getaffinity(atoi(entry->d_name), sizeof(set), &set) != 0)
				break;
		}
		assert_true(CPU_EQUAL(&set, cpus));
		n++;
	}
	closedir(dir);
	return n;
}

/* A connection that ends is closed by such a thread. */
static void assert_placed(const char *lcores, const cpu_set_t *cpus)
{
	static const char *const ports[] = {"h0", NULL};
	const struct fg_switch_options opt = {.ports = ports, .lcores = lcores};
	struct fg_switch sw;
	unsigned int n = 0;

	OK(fg_switch_start(&sw, &opt));
	for (int tries = 0; n == 0 && tries < 100; tries++) {
		int sock = fg_wire_connect(fg_switch_socket(&sw, "h0"), FG_WAIT_MS);

		assert_true(sock >= 0);
		close(sock);
		fg_sleep_us(20000);
		n = count_on(sw.pid, cpus);
	}
	assert_int_not_equal(n, 0);
	OK(fg_switch_stop(&sw));
}

static void on_cpus_that_are_spare(void **state)
{
	cpu_set_t spare = ours;
	char lcores[32];

	if (first == second)
		skip();
	CPU_CLR(first, &spare);
	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", first, first);
	assert_placed(lcores, &spare);
}

/* Where the process may use no other CPU. */
static void beside_control_where_none_is_spare(void **state)
{
	cpu_set_t both, control;
	char lcores[32];

	if (first == second)
		skip();
	CPU_ZERO(&control);
	CPU_SET(first, &control);
	both = control;
	CPU_SET(second, &both);
	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", first, second);
	assert_int_equal(sched_setaffinity(0, sizeof(both), &both), 0);
	assert_placed(lcores, &control);
	assert_int_equal(sched_setaffinity(0, sizeof(ours), &ours), 0);
}

static int look_at_cpus(void **state)
{
	first = second = -1;
	if (sched_getaffinity(0, sizeof(ours), &ours) != 0)
		return -1;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (!CPU_ISSET(cpu, &ours))
			continue;
		second = second < 0 ? cpu : first;
		first = cpu;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(on_cpus_that_are_spare),
		cmocka_unit_test(beside_control_where_none_is_spare),
	};

	return cmocka_run_group_tests_name("placement", cases, look_at_cpus, NULL);
}
