/* SPDX-License-Identifier: BSD-3-Clause */
/* X8. A device whose driver does not come back from a call holds up nobody but itself: control answers, VMs come and go, and it
 * may be removed and replaced meanwhile. The device is virtio-user, DPDK's own driver, at a port of a second switch: while that
 * one is stopped (SIGSTOP) the driver waits for its answer, as it is made, and as it ends.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Control answers within so much, but for what it waited for a CPU. */
enum { PORTS = 500, AT_ONCE_MS = 10, SLOW_MS = 2000, CHANGES = 31, LIMIT_MS = 30000, ROUNDS = 40 };

static char top[] = "/tmp/fg-device-XXXXXX", file[64], device[FG_PATH_MAX + 64];
static struct fg_switch far;

/* --- tools ------------------------------------------------------------------------------------------------------- */

/* The file has `ports` VM ports and, unless that is NULL, a line for an ethdev. */
static void write_file(unsigned int ports, const char *ethdev)
{
	char beside[80];
	FILE *f;

	snprintf(beside, sizeof(beside), "%s.new", file);
	f = fopen(beside, "w");
	assert_non_null(f);
	fprintf(f, "ports:%s\n", ports == 0 && ethdev == NULL ? " []" : "");
	for (unsigned int i = 0; i < ports; i++)
		fprintf(f, "  - {name: p%u, type: vhost-user, socket: %s/p%u}\n", i, top, i);
	if (ethdev != NULL)
		fprintf(f, "  - {name: up, type: ethdev, device: \"%s\"}\n", ethdev);
	fclose(f);
	OK(rename(beside, file));
}

static void become(unsigned int ports, const char *ethdev)
{
	write_file(ports, ethdev);
	OK(kill(fixture.sw.pid, SIGHUP));
}

/* What the port `up` says of itself: "up, ...", "starting: ..."; "" without one. */
static const char *up_state(const struct fg_switch *sw)
{
	static char text[512];
	json_t *answer = fg_switch_query(sw, "port", "up");
	const char *state = json_string_value(json_object_get(json_object_get(answer, "port"), "state"));

	snprintf(text, sizeof(text), "%s", state != NULL ? state : "");
	json_decref(answer);
	return text;
}

static void await_up(const struct fg_switch *sw, const char *state)
{
	int64_t deadline = fg_deadline(LIMIT_MS);

	while (strncmp(up_state(sw), state, state[0] != '\0' ? strlen(state) : 1) != 0) {
		if (fg_left_ms(deadline) == 0)
			fail_msg("port up is \"%s\", not \"%s\"", up_state(sw), state);
		fg_sleep_us(2000);
	}
}

/* It has come, and starts or has started. */
static void await_any_up(struct fg_switch *sw)
{
	int64_t deadline = fg_deadline(LIMIT_MS);

	while (up_state(sw)[0] == '\0') {
		assert_true(fg_switch_alive(sw) && fg_left_ms(deadline) > 0);
		fg_sleep_us(200);
	}
}

static void await_socket(unsigned int port, bool there)
{
	int64_t deadline = fg_deadline(LIMIT_MS);
	char path[64];

	snprintf(path, sizeof(path), "%s/p%u", top, port);
	while ((access(path, F_OK) == 0) != there) {
		if (fg_left_ms(deadline) == 0)
			fail_msg("port p%u is %s", port, there ? "not there" : "there still");
		fg_sleep_us(200);
	}
}

static void hold_far(bool held)
{
	OK(kill(far.pid, held ? SIGSTOP : SIGCONT));
}

static void control_answers_at_once(void)
{
	uint64_t end = fg_now_us() + SLOW_MS * 1000ull;
	struct answers answers = {0};

	while (fg_now_us() < end) {
		ask_control(&fixture.sw, &answers);
		fg_sleep_us(5000);
	}
	print_message("slowest answer %.1f ms, %.1f ms without waiting for a CPU\n", answers.slowest_ms, answers.own_ms);
	if (answers.own_ms > AT_ONCE_MS)
		fail_msg("the control socket answered after %.1f ms", answers.own_ms);
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void control_answers_while_a_device_starts_and_stops(void **state)
{
	hold_far(true);
	become(0, device);
	await_up(&fixture.sw, "starting: its driver");
	control_answers_at_once();
	await_up(&fixture.sw, "starting: its driver");
	hold_far(false);
	await_up(&fixture.sw, "up");
	/* The far side is asked for the place of each ring as the device stops. */
	hold_far(true);
	become(0, NULL);
	await_up(&fixture.sw, "");
	control_answers_at_once();
	/* Its name and its device are not free yet: it starts when the one before has gone. */
	become(0, device);
	fg_sleep_us(100000);
	assert_string_equal(up_state(&fixture.sw), "");
	hold_far(false);
	await_up(&fixture.sw, "up");
	become(0, NULL);
	await_up(&fixture.sw, "");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Milliseconds that each took, one of many ports that was `done`. */
static void tell_median(const char *done, double *took)
{
	qsort(took, CHANGES, sizeof(took[0]), by_value);
	print_message("one of %u ports %s: median %.1f ms, at most %.1f ms\n", PORTS, done, took[CHANGES / 2], took[CHANGES - 1]);
	assert_true(took[CHANGES / 2] < SLOW_MS / 2.0);
}

static void reload_with_and_without_one(void)
{
	double took[CHANGES];

	for (unsigned int i = 0; i < CHANGES; i++) {
		uint64_t from;

		write_file(PORTS + (i % 2 == 0), device);
		from = fg_now_us();
		OK(kill(fixture.sw.pid, SIGHUP));
		await_socket(PORTS, i % 2 == 0);
		took[i] = (double)(fg_now_us() - from) / 1e3;
	}
	tell_median("comes or goes by a reload", took);
}

/* What the request takes until it is answered: it has taken effect then. */
static double request_ms(const char *line)
{
	uint64_t from = fg_now_us();
	json_t *answer = fg_switch_ask(&fixture.sw, line);
	double ms = (double)(fg_now_us() - from) / 1e3;

	if (!json_is_true(json_object_get(answer, "changed")) || json_object_get(answer, "waits") != NULL)
		fail_msg("%s: %s", line, answer != NULL ? json_dumps(answer, 0) : "no answer");
	json_decref(answer);
	return ms;
}

static void request_and_take_back_one(void)
{
	double added[CHANGES], set[CHANGES], removed[CHANGES];
	char line[256];

	snprintf(line, sizeof(line),
		 "{\"command\": \"port.add\", \"port\": {\"name\": \"r\", \"type\": \"vhost-user\", \"socket\": \"%s/r\"}}\n",
		 top);
	for (unsigned int i = 0; i < CHANGES; i++) {
		added[i] = request_ms(line);
		set[i] = request_ms("{\"command\": \"port.set\", \"port\": {\"name\": \"r\", \"queues\": 2}}\n");
		removed[i] = request_ms("{\"command\": \"port.remove\", \"name\": \"r\"}\n");
	}
	tell_median("is added by a request", added);
	tell_median("is made anew by a request", set);
	tell_median("is removed by a request", removed);
}

/* A VM port among many comes and goes, with traffic and a device that starts beside it. */
static void ports_change_while_a_device_starts(void **state)
{
	become(PORTS, NULL);
	await_socket(PORTS - 1, true);
	hold_far(true);
	become(PORTS, device);
	await_up(&fixture.sw, "starting: its driver");
	request_and_take_back_one();
	reload_with_and_without_one();
	await_up(&fixture.sw, "starting: its driver");
	hold_far(false);
	await_up(&fixture.sw, "up");
	become(0, NULL);
	await_up(&fixture.sw, "");
	await_socket(0, false);
}

/* It is removed, and another device has its name, before it ever was. */
static void a_starting_port_may_be_replaced(void **state)
{
	hold_far(true);
	become(0, device);
	await_up(&fixture.sw, "starting: its driver");
	become(0, "net_null7,no-rx=1");
	await_up(&fixture.sw, "");
	hold_far(false);
	await_up(&fixture.sw, "up");
	become(0, device);
	await_up(&fixture.sw, "up");
	become(0, NULL);
	await_up(&fixture.sw, "");
}

/* EAL's interrupt thread is still in the driver's handler, for what the far side has just said, when the device stops. */
static void a_device_may_go_as_soon_as_it_is_there(void **state)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		become(0, device);
		await_any_up(&fixture.sw);
		become(0, NULL);
		await_up(&fixture.sw, "");
	}
}

/* A driver that gives up in the end: the line says why, and the name is free. */
static void a_device_that_cannot_start_is_told(void **state)
{
	char nobody[FG_PATH_MAX + 64];

	snprintf(nobody, sizeof(nobody), "net_virtio_user8,path=%s/nobody.sock", top);
	become(0, nobody);
	for (int64_t deadline = fg_deadline(LIMIT_MS); log_lines("up: error: this port cannot be made") == 0;)
		assert_true(fg_left_ms(deadline) > 0);
	await_up(&fixture.sw, "");
	become(0, device);
	await_up(&fixture.sw, "up");
	become(0, NULL);
	await_up(&fixture.sw, "");
}

/* VMs are served while the first configuration has a device that starts; the switch is ready when that is there. */
static void serves_before_its_device_is_there(void **state)
{
	static const char *const ports[] = {"a", NULL};
	static char ethdev[sizeof(device) + 8];
	static const char *args[] = {"--ethdev", ethdev, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct fg_switch near;
	struct guest *g;

	snprintf(ethdev, sizeof(ethdev), "up=%s", device);
	hold_far(true);
	OK(fg_switch_start(&near, &opt));
	g = guest_idle();
	OK(fg_session_open(&g->s, fg_switch_socket(&near, "a"), &g->mem, NULL));
	await_up(&near, "starting: its driver");
	assert_int_equal(log_lines_of(&near, " ready: "), 0);
	guest_close(g);
	hold_far(false);
	await_up(&near, "up");
	assert_true(log_lines_of(&near, " ready: ") > 0);
	OK(fg_switch_stop(&near));
}

/* ... and it ends in time, whatever the device does, and says which it was. */
static void ends_without_its_device(void **state)
{
	static const char *const ports[] = {"a", NULL};
	static char ethdev[sizeof(device) + 8];
	static const char *args[] = {"--ethdev", ethdev, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};

	snprintf(ethdev, sizeof(ethdev), "up=%s", device);
	for (int started = 0; started < 2; started++) {
		struct fg_switch near;
		uint64_t from;

		hold_far(!started);
		OK(fg_switch_start(&near, &opt));
		await_up(&near, started ? "up" : "starting: its driver");
		hold_far(true);
		from = fg_now_us();
		OK(kill(near.pid, SIGTERM));
		while (fg_switch_alive(&near))
			fg_sleep_us(1000);
		print_message("ends within %.1f ms\n", (double)(fg_now_us() - from) / 1e3);
		assert_true(log_lines_of(&near, "ends before every port has closed: up (net_virtio_user9)") > 0);
		OK(fg_switch_stop(&near));
		hold_far(false);
	}
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "h0", "h1", NULL};
	static const char *const far_ports[] = {"x", NULL};
	static const char *const args[] = {"--config", file, NULL};
	static const struct fg_switch_options fixture_options = {.ports = ports, .args = args};
	static const struct fg_switch_options far_options = {.ports = far_ports};
	static const struct CMUnitTest cases[] = {
		TEST_CASE(control_answers_while_a_device_starts_and_stops),
		TEST_CASE(ports_change_while_a_device_starts),
		TEST_CASE(a_starting_port_may_be_replaced),
		TEST_CASE(a_device_may_go_as_soon_as_it_is_there),
		TEST_CASE(a_device_that_cannot_start_is_told),
		TEST_CASE(serves_before_its_device_is_there),
		TEST_CASE(ends_without_its_device),
	};
	int failed;

	if (mkdtemp(top) == NULL || fg_switch_start(&far, &far_options) != 0)
		return 1;
	snprintf(file, sizeof(file), "%s/vuswitch.yaml", top);
	snprintf(device, sizeof(device), "net_virtio_user9,path=%s,queues=1", fg_switch_socket(&far, "x"));
	write_file(0, NULL);
	fixture.with_victims = true;
	failed = fixture_main_on(&fixture_options, "device", CASES(cases));
	hold_far(false);
	fg_switch_stop(&far);
	unlink(file);
	rmdir(top);
	return failed;
}
