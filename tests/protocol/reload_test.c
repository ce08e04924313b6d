/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration file is read again: beside the control thread, as often as it was asked for, and to the end. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

enum { PORTS = 400, RELOADS = 10, STORM = 40, LAST = 8, LIMIT_MS = 60000 };

/* A switch with a file of its own. */
struct rig {
	char top[32], file[64];
	struct fg_switch sw;
};

static void write_file(const struct rig *rig, unsigned int ports, const char *more)
{
	char beside[80];
	FILE *file;

	snprintf(beside, sizeof(beside), "%s.new", rig->file);
	file = fopen(beside, "w");
	assert_non_null(file);
	fprintf(file, "ports:%s\n", ports == 0 ? " []" : "");
	for (unsigned int i = 0; i < ports; i++)
		fprintf(file, "  - {name: p%u, type: vhost-user, socket: %s/p%u}\n", i, rig->top, i);
	fprintf(file, "%s", more);
	fclose(file);
	OK(rename(beside, rig->file));
}

static bool is_there(const struct rig *rig, unsigned int port)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/p%u", rig->top, port);
	return access(path, F_OK) == 0;
}

/* Ports 0 to n - 1 are there, and no others. */
static void become(const struct rig *rig, unsigned int n)
{
	for (unsigned int i = 0; i < LIMIT_MS; i++) {
		if ((n == 0 || is_there(rig, n - 1)) && !is_there(rig, n))
			return;
		fg_sleep_us(1000);
	}
	fail_msg("the ports of the file, %u, never come", n);
}

static void wait_for_lines(const struct rig *rig, const char *words, unsigned int n)
{
	for (unsigned int i = 0; i < LIMIT_MS && log_lines_of(&rig->sw, words) < n; i++)
		fg_sleep_us(1000);
	assert_true(log_lines_of(&rig->sw, words) >= n);
}

static void rig_start(struct rig *rig, unsigned int ports)
{
	static const char *const none[] = {NULL};
	const char *const args[] = {"--config", rig->file, NULL};
	const struct fg_switch_options opt = {.ports = none, .args = args};

	*rig = (struct rig){.top = "/tmp/fg-reload-XXXXXX"};
	assert_non_null(mkdtemp(rig->top));
	snprintf(rig->file, sizeof(rig->file), "%s/vuswitch.yaml", rig->top);
	write_file(rig, ports, "");
	OK(fg_switch_start(&rig->sw, &opt));
	become(rig, ports);
}

static void rig_stop(struct rig *rig)
{
	OK(fg_switch_stop(&rig->sw));
	OK(unlink(rig->file));
	OK(rmdir(rig->top));
}

/* CPU that a thread of the switch has had (0: all of them), in ns. */
static uint64_t cpu_of(const struct rig *rig, pid_t thread)
{
	char path[320];
	uint64_t all = 0, ns;
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)rig->sw.pid);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		FILE *file;

		if (entry->d_name[0] == '.' || (thread != 0 && atoi(entry->d_name) != thread))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)rig->sw.pid, entry->d_name);
		file = fopen(path, "r");
		if (file != NULL && fscanf(file, "%" SCNu64, &ns) == 1)
			all += ns;
		if (file != NULL)
			fclose(file);
	}
	closedir(folder);
	return all;
}

/* Most of a reload is reading the file, which nobody's request waits for. */
static void the_file_is_read_beside_control(void **state)
{
	uint64_t control, all;
	struct rig rig;

	rig_start(&rig, PORTS);
	control = cpu_of(&rig, rig.sw.pid);
	all = cpu_of(&rig, 0);
	for (unsigned int i = 1; i <= RELOADS; i++) {
		OK(kill(rig.sw.pid, SIGHUP));
		wait_for_lines(&rig, "configuration read again", i);
	}
	control = cpu_of(&rig, rig.sw.pid) - control;
	all = cpu_of(&rig, 0) - all;
	print_message("%u ports, nothing changes: %.2f ms of the control thread's CPU, %.2f of the whole switch's\n", PORTS,
		      (double)control / RELOADS / 1e6, (double)all / RELOADS / 1e6);
	assert_true(control < all * 6 / 10);
	rig_stop(&rig);
}

/* One that comes while a file is being read is not lost, and what a file that has an error said is forgotten. */
static void what_was_asked_for_last_is_in_force(void **state)
{
	struct rig rig;
	unsigned int wrong_ones;

	rig_start(&rig, 1);
	for (unsigned int i = 0; i < STORM; i++) {
		bool wrong = i % 5 == 3;

		write_file(&rig, wrong ? 3 : i % (LAST - 1), wrong ? "colour: red\n" : "");
		OK(kill(rig.sw.pid, SIGHUP));
		fg_sleep_us(i % 4 * 300);
	}
	/* More than any file before had: whoever has so many has read the last one. */
	write_file(&rig, LAST, "");
	OK(kill(rig.sw.pid, SIGHUP));
	become(&rig, LAST);
	wrong_ones = log_lines_of(&rig.sw, "nothing was changed");
	write_file(&rig, 0, "colour: red\n");
	OK(kill(rig.sw.pid, SIGHUP));
	wait_for_lines(&rig, "nothing was changed", wrong_ones + 1);
	become(&rig, LAST);
	rig_stop(&rig);
}

static void it_ends_while_a_file_is_read(void **state)
{
	struct rig rig;

	for (unsigned int i = 0; i < 4; i++) {
		rig_start(&rig, PORTS);
		write_file(&rig, PORTS / 2, "");
		OK(kill(rig.sw.pid, SIGHUP));
		fg_sleep_us(i * 1000);
		rig_stop(&rig);
	}
}

/* A port's limit of broadcasts, as the switch says it is: "10k". */
static void assert_limit(const struct rig *rig, const char *limit)
{
	json_t *answer = fg_switch_query(&rig->sw, "port", "s");
	const json_t *options = json_object_get(json_object_get(answer, "port"), "options");
	const char *is = json_string_value(json_object_get(options, "storm-broadcast"));

	if (is == NULL || strcmp(is, limit) != 0)
		fail_msg("storm-broadcast is %s, not %s", is != NULL ? is : "missing", limit);
	json_decref(answer);
}

/* What is not written is the limit that a VM's port has by itself, and off is none. */
static void a_limit_goes_and_comes_back(void **state)
{
	static const struct {
		const char *more, *told, *limit;
	} steps[] = {
		{"", "comes", "10k"},
		{", storm-broadcast: off", "port s: storm-broadcast 10k -> off: changed while it runs", "off"},
		{"", "port s: storm-broadcast off -> 10k: changed while it runs", "10k"},
		{", storm-broadcast: 100", "port s: storm-broadcast 10k -> 100: changed while it runs", "100"},
	};
	struct rig rig;

	rig_start(&rig, 1);
	for (unsigned int i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char more[160];

		snprintf(more, sizeof(more), "  - {name: s, type: vhost-user, socket: %s/s%s}\n", rig.top, steps[i].more);
		write_file(&rig, 1, more);
		OK(kill(rig.sw.pid, SIGHUP));
		wait_for_lines(&rig, "configuration read again", i + 1);
		wait_for_lines(&rig, steps[i].told, 1);
		assert_limit(&rig, steps[i].limit);
	}
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(the_file_is_read_beside_control),
		cmocka_unit_test(what_was_asked_for_last_is_in_force),
		cmocka_unit_test(it_ends_while_a_file_is_read),
		cmocka_unit_test(a_limit_goes_and_comes_back),
	};

	return cmocka_run_group_tests_name("reload", cases, NULL, NULL);
}
