/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_test.c: the control socket, spoken to by a client that means well and by some that do not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

#include "cases.h"
#include "changes.h"
#include "clock.h"
#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_socket.h"
#include "fake_port.h"
#include "fg_socket.h"
#include "switch.h"
#include "turn.h"

static const struct port_driver *const drivers[] = {&fake_driver, NULL};
static char folder[] = "/tmp/ctl_test_XXXXXX";
static char path[64];
static struct loop *loop;
static struct doorbell bell;
static struct vus_switch *sw;
static struct ctl_socket *ctl;

/* --- helpers ---------------------------------------------------------------------------------------------------- */

static json_t *ask(const char *request) RUNS_ON(control_thread)
{
	int fd = fg_socket_connect(path, SOCK_NONBLOCK);
	json_t *reply;

	ctl_say(fd, request);
	ctl_say(fd, "\n");
	reply = ctl_hear(loop, fd);
	close(fd);
	loop_turn(loop, 0);
	return reply;
}

static void assert_error(const char *request, const char *words) RUNS_ON(control_thread)
{
	json_t *reply = ask(request);
	const char *error = json_string_value(json_object_get(reply, "error"));

	assert_non_null(error);
	if (strstr(error, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, words);
	json_decref(reply);
}

/* --- a client that means well ----------------------------------------------------------------------------------- */

static void answers(void **state)
{
	const json_t *port;
	json_t *reply;

	role_assert_control();
	reply = ask("{\"command\": \"ports\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "ports")), 2);
	port = json_array_get(json_object_get(reply, "ports"), 0);
	assert_string_equal(json_string_value(json_object_get(port, "name")), "a");
	assert_string_equal(json_string_value(json_object_get(port, "state")), "fake");
	assert_true(json_is_integer(json_object_get(port, "rx_ok")));
	assert_int_equal(json_object_size(json_object_get(port, "tx_drop")), TX_DROPS);
	assert_true(json_integer_value(json_object_get(reply, "time_ns")) > 0);
	json_decref(reply);

	reply = ask("{\"command\": \"port\", \"name\": \"b\"}");
	port = json_object_get(reply, "port");
	assert_int_equal(json_array_size(json_object_get(port, "rx_queues")), 2);
	port = json_object_get(port, "options");
	assert_int_equal(json_integer_value(json_object_get(port, "queues")), 1);
	assert_true(json_is_false(json_object_get(port, "isolated")));
	json_decref(reply);

	/* What --check compares with. */
	reply = ask("{\"command\": \"config\"}");
	port = json_array_get(json_object_get(json_object_get(reply, "config"), "ports"), 1);
	assert_string_equal(json_string_value(json_object_get(port, "socket")), "/b");
	assert_string_equal(json_string_value(json_object_get(port, "bridge")), "br0");
	json_decref(reply);

	reply = ask("{\"command\": \"lcores\", \"reset\": true}");
	assert_int_equal(json_array_size(json_object_get(reply, "lcores")), 1);
	assert_string_equal(json_string_value(json_object_get(reply, "rebalance")), "on");
	assert_int_equal(json_array_size(json_object_get(reply, "would_move")), 0);
	json_decref(reply);
	reply = ask("{\"command\": \"rebalance\"}");
	assert_true(json_is_array(json_object_get(reply, "moved")));
	json_decref(reply);
	reply = ask("{\"command\": \"bridges\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "bridges")), 1);
	json_decref(reply);
	reply = ask("{\"command\": \"version\"}");
	assert_true(json_is_string(json_object_get(reply, "version")));
	json_decref(reply);
}

static void lists_addresses(void **state)
{
	struct bridge *bridge;
	json_t *reply, *entry;

	role_assert_control();
	bridge = switch_bridge_at(sw, 0);
	for (uint64_t i = 0; i < 100; i++)
		bridge_learn(bridge, 2 | i << 40, 1);
	reply = ask("{\"command\": \"macs\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "macs")), 100);
	entry = json_array_get(json_object_get(reply, "macs"), 0);
	assert_string_equal(json_string_value(json_object_get(entry, "port")), "b");
	assert_int_equal(strlen(json_string_value(json_object_get(entry, "mac"))), 17);
	json_decref(reply);
	reply = ask("{\"command\": \"macs\", \"bridge\": \"br0\", \"limit\": 30}");
	assert_int_equal(json_array_size(json_object_get(reply, "macs")), 30);
	assert_int_equal(json_integer_value(json_object_get(reply, "more")), 70);
	json_decref(reply);
}

/* A long list is made while it is read, so that it delays nobody: what control spends on its longest turn. */
static void a_long_list_delays_nobody(void **state)
{
	enum { ADDRESSES = 30000, REPLY_BYTES = ADDRESSES * 128 };
	int fd = fg_socket_connect(path, SOCK_NONBLOCK);
	char *reply = malloc(REPLY_BYTES);
	size_t n = 0;
	uint64_t longest_ns = 0, end = clock_ns() + 20 * NS_PER_S;
	struct fdb_stats stats;
	json_t *json;

	role_assert_control();
	for (uint64_t i = 0; i < ADDRESSES; i++)
		bridge_learn(switch_bridge_at(sw, 0), 2 | i << 16, 1);
	fdb_stats(bridge_fdb(switch_bridge_at(sw, 0)), &stats);
	ctl_say(fd, "{\"command\": \"macs\", \"first\": 1, \"limit\": 100000}\n");
	while ((n == 0 || reply[n - 1] != '\n') && clock_ns() < end) {
		uint64_t begin = clock_thread_cpu_ns();
		ssize_t more;

		loop_turn(loop, 0);
		begin = clock_thread_cpu_ns() - begin;
		longest_ns = begin > longest_ns ? begin : longest_ns;
		more = read(fd, reply + n, REPLY_BYTES - n);
		n += more > 0 ? (size_t)more : 0;
	}
	close(fd);
	json = json_loadb(reply, n, 0, NULL);
	free(reply);
	assert_int_equal(json_array_size(json_object_get(json, "macs")), stats.entries - 1);
	assert_int_equal(json_integer_value(json_object_get(json, "total")), stats.entries);
	assert_int_equal(json_integer_value(json_object_get(json, "more")), 0);
	json_decref(json);
	print_message("the longest turn took %.2f ms\n", (double)longest_ns / (double)NS_PER_MS);
	assert_true(longest_ns < 20 * NS_PER_MS);
	bridge_forget_port(switch_bridge_at(sw, 0), switch_find_port(sw, "b"));
	loop_turn(loop, 0);
}

static void one_conversation_many_questions(void **state)
{
	int fd;

	role_assert_control();
	fd = fg_socket_connect(path, SOCK_NONBLOCK);
	/* In one piece, and then a byte at a time. */
	ctl_say(fd, "{\"command\":\"version\"}\n{\"command\":\"ports\"}\n{\"command\":\"macs\"}\n");
	for (int i = 0; i < 3; i++)
		json_decref(ctl_hear(loop, fd));
	for (const char *c = "{\"command\":\"version\"}\n"; *c != '\0'; c++) {
		char text[2] = {*c, '\0'};

		ctl_say(fd, text);
		loop_turn(loop, 0);
	}
	json_decref(ctl_hear(loop, fd));
	close(fd);
	loop_turn(loop, 0);
}

/* What is no port's is there, unless ports were asked for. */
static void shows_drops_of_no_port(void **state)
{
	json_t *reply, *own, *entry = NULL;
	size_t i;

	role_assert_control();
	bridge_injects(switch_bridge_at(sw, 0))->drops += 7;
	reply = ask("{\"command\": \"drops\"}");
	own = json_object_get(reply, "switch");
	json_array_foreach(own, i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "of")), "bridge") == 0)
			break;
	assert_non_null(entry);
	assert_string_equal(json_string_value(json_object_get(entry, "name")), "br0");
	assert_string_equal(json_string_value(json_object_get(entry, "reason")), "inject_drops");
	assert_int_equal(json_integer_value(json_object_get(entry, "count")), 7);
	json_decref(reply);
	reply = ask("{\"command\": \"drops\", \"ports\": [\"a\"]}");
	assert_null(json_object_get(reply, "switch"));
	assert_non_null(json_object_get(reply, "drops"));
	json_decref(reply);
}

/* --- what would become of a frame, where there are many ports ------------------------------------------------------ */

enum { MANY = PORTS_MAX - 2 };
static const char why_line[] = "{\"command\": \"why\", \"name\": \"a\", \"frame\": "
			       "\"ffffffffffff0200000000010800000000000000000000000000\"}\n";

/* Ports c0, c1, ..., b, a, unless it is to go, and one more; what goes is on its way. */
static void begin_ports(int n, bool has_a, const char *more) RUNS_ON(control_thread)
{
	struct config config = {.drivers = drivers};
	struct fail fail;
	char text[32];

	if (has_a)
		assert_int_equal(config_add_port(&config, "--vhost", "a=/a", &fail), 0);
	assert_int_equal(config_add_port(&config, "--vhost", "b=/b", &fail), 0);
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "c%d=/c%d", i, i);
		assert_int_equal(config_add_port(&config, "--vhost", text, &fail), 0);
	}
	if (more != NULL)
		assert_int_equal(config_add_port(&config, "--vhost", more, &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_int_equal(switch_apply(sw, &config), 0);
	config_free(&config);
}

/* ... and has gone. */
static void have_ports(int n, bool has_a) RUNS_ON(control_thread)
{
	begin_ports(n, has_a, NULL);
	TURN_UNTIL(loop, switch_has_settled(sw));
}

/* What has come of an answer. Returns: whether that is all of it. */
static bool take(int fd, char *reply, size_t *n, size_t size)
{
	ssize_t more = read(fd, reply + *n, size - *n);

	*n += more > 0 ? (size_t)more : 0;
	return *n > 0 && reply[*n - 1] == '\n';
}

/* Who asks for less behind it is answered before it is whole; and no turn of the loop is long. */
static void why_of_a_thousand_ports_delays_nobody(void **state)
{
	enum { REPLY_BYTES = MANY * 256 };
	int fd = fg_socket_connect(path, SOCK_NONBLOCK), other = fg_socket_connect(path, SOCK_NONBLOCK);
	char *reply = malloc(REPLY_BYTES), line[1024];
	uint64_t longest_ns = 0, end = clock_ns() + 20 * NS_PER_S;
	size_t n = 0, other_n = 0;
	bool whole = false, first = false;
	json_t *json;

	role_assert_control();
	have_ports(MANY, true);
	loop_turn(loop, 0);
	ctl_say(fd, why_line);
	ctl_say(other, "{\"command\": \"version\"}\n");
	while (!whole && clock_ns() < end) {
		uint64_t begin = clock_thread_cpu_ns();

		loop_turn(loop, 0);
		begin = clock_thread_cpu_ns() - begin;
		longest_ns = begin > longest_ns ? begin : longest_ns;
		whole = take(fd, reply, &n, REPLY_BYTES);
		first |= !whole && take(other, line, &other_n, sizeof(line));
	}
	close(fd);
	close(other);
	assert_true(whole && first);
	json = json_loadb(reply, n, 0, NULL);
	free(reply);
	assert_int_equal(json_array_size(json_object_get(json_object_get(json, "why"), "receivers")), MANY + 1);
	assert_null(json_object_get(json, "error"));
	json_decref(json);
	print_message("the longest turn took %.2f ms\n", (double)longest_ns / (double)NS_PER_MS);
	assert_true(longest_ns < 20 * NS_PER_MS);
	have_ports(0, true);
}

/* Then the answer is not whole, and says so. */
static void why_of_a_port_that_goes_meanwhile(void **state)
{
	int fd = fg_socket_connect(path, SOCK_NONBLOCK);
	json_t *json, *receivers;

	role_assert_control();
	have_ports(MANY, true);
	loop_turn(loop, 0);
	ctl_say(fd, why_line);
	loop_turn(loop, 0);
	have_ports(MANY, false);
	json = ctl_hear(loop, fd);
	close(fd);
	receivers = json_object_get(json_object_get(json, "why"), "receivers");
	assert_true(json_array_size(receivers) > 0 && json_array_size(receivers) < MANY + 1);
	assert_non_null(strstr(json_string_value(json_object_get(json, "error")), "port a has gone"));
	json_decref(json);
	have_ports(0, true);
}

/* --- a capture that does not come about ---------------------------------------------------------------------------- */

/* All that comes until the other side closes; the caller's. */
static char *hear_all(int fd, size_t *n)
{
	uint64_t end = clock_ns() + 5 * NS_PER_S;
	char *bytes = calloc(1, 1 << 16);

	role_assert_control();
	*n = 0;
	while (clock_ns() < end) {
		ssize_t more = read(fd, bytes + *n, (1 << 16) - 1 - *n);

		if (more == 0)
			return bytes;
		*n += more > 0 ? (size_t)more : 0;
		loop_turn(loop, NS_PER_MS);
	}
	fail_msg("%s: not closed", bytes);
	return bytes;
}

/* A port goes while the capture's thread reads the filter (one that is starting, as that waits for no lcore): the reader has a
 * line that says so, and nothing else, though the other port's frames were captured for a moment. */
static void a_port_goes_while_its_capture_opens(void **state)
{
	int fd = fg_socket_connect(path, SOCK_NONBLOCK);
	struct changes *changes;
	size_t n;
	char *all;
	json_t *json;

	role_assert_control();
	changes = changes_create(&(struct changes_options){.loop = loop, .sw = sw});
	assert_non_null(changes);
	ctl_socket_take_changes(ctl, changes);
	begin_ports(0, true, "s=/starting");
	loop_turn(loop, 0);
	ctl_say(fd, "{\"command\": \"capture\", \"ports\": [\"a\", \"s\"], \"filter\": \"udp\"}\n");
	loop_turn(loop, 0);
	begin_ports(0, true, NULL);
	all = hear_all(fd, &n);
	close(fd);
	assert_true(n > 0 && memchr(all, '\n', n) == all + n - 1);
	json = json_loadb(all, n, 0, NULL);
	free(all);
	assert_non_null(strstr(json_string_value(json_object_get(json, "error")), "has just gone"));
	json_decref(json);
	ctl_socket_take_changes(ctl, NULL);
	changes_end(changes);
	changes_destroy(changes);
	have_ports(0, true);
}

/* --- clients that do not ---------------------------------------------------------------------------------------- */

static void nonsense_is_answered(void **state)
{
	role_assert_control();
	assert_error("", "not JSON");
	assert_error("hello", "not JSON");
	assert_error("{\"command\":", "not JSON");
	assert_error("{\"command\": \"a\", \"command\": \"b\"}", "not JSON");
	assert_error("\xff\xfe\x80", "not JSON");
	assert_error("[]", "names no command");
	assert_error("{\"command\": 1}", "names no command");
	assert_error("{\"command\": \"destroy\"}", "\"destroy\" is not known");
	assert_error("{\"command\": \"port\"}", "has no \"name\"");
	assert_error("{\"command\": \"port\", \"name\": []}", "has no \"name\"");
	assert_error("{\"command\": \"port\", \"name\": \"\xc3\xa9\"}", "there is no port");
	assert_error("{\"command\": \"macs\", \"bridge\": \"x\"}", "there is no bridge \"x\"");
}

static void an_endless_line_is_cut(void **state)
{
	char text[3000];
	int fd;

	role_assert_control();
	fd = fg_socket_connect(path, SOCK_NONBLOCK);
	memset(text, 'x', sizeof(text));
	assert_true(send(fd, text, sizeof(text), MSG_NOSIGNAL) > 0);
	assert_null(ctl_hear_line(loop, fd));
	close(fd);
}

/* Asks and asks, and never reads. */
static void a_deaf_client_is_no_burden(void **state)
{
	static const char request[] = "{\"command\":\"ports\"}\n";
	json_t *reply;
	int fd;

	role_assert_control();
	fd = fg_socket_connect(path, SOCK_NONBLOCK);
	for (int i = 0; i < 20000; i++) {
		if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			assert_int_equal(errno, EAGAIN);
		if (i % 100 == 0)
			loop_turn(loop, 0);
	}
	reply = ask("{\"command\":\"ports\"}");
	assert_non_null(json_object_get(reply, "ports"));
	json_decref(reply);
	close(fd);
	loop_turn(loop, 0);
}

static void a_crowd_leaves_room(void **state)
{
	int crowd[200], before, n = 0;

	role_assert_control();
	loop_turn(loop, 0);
	before = fg_open_fds_settled();
	for (int i = 0; i < 200; i++) {
		crowd[i] = fg_socket_connect(path, SOCK_NONBLOCK);
		n += crowd[i] >= 0;
		loop_turn(loop, 0);
	}
	assert_true(n > 100);
	json_decref(ask("{\"command\":\"version\"}"));
	for (int i = 0; i < 200; i++)
		if (crowd[i] >= 0)
			close(crowd[i]);
	for (int i = 0; i < 50; i++)
		loop_turn(loop, 0);
	assert_int_equal(fg_open_fds_await((int)before), before);
}

/* With no descriptor left a caller is turned away at once; the loop does not spin on it, and no other client notices. */
static void without_descriptors(void **state)
{
	struct rlimit before, few;
	int friend, caller, taken[256], n = 0;

	role_assert_control();
	friend = fg_socket_connect(path, SOCK_NONBLOCK);
	ctl_say(friend, "{\"command\":\"version\"}\n");
	json_decref(ctl_hear(loop, friend));
	caller = fg_socket_connect(path, SOCK_NONBLOCK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((taken[n] = dup(0)) >= 0)
		n++;
	assert_null(ctl_hear_line(loop, caller));
	ctl_say(friend, "{\"command\":\"version\"}\n");
	json_decref(ctl_hear(loop, friend));
	while (n > 0)
		close(taken[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(friend);
	close(caller);
	json_decref(ask("{\"command\":\"version\"}"));
}

static void hangs_up_anywhere(void **state)
{
	static const char request[] = "{\"command\":\"ports\"}\n";
	int before;

	role_assert_control();
	loop_turn(loop, 0);
	before = fg_open_fds_settled();
	for (size_t len = 0; len < sizeof(request); len++) {
		int fd = fg_socket_connect(path, SOCK_NONBLOCK);

		if (len > 0)
			assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
		if (len % 2 == 0)
			loop_turn(loop, 0);
		close(fd);
		loop_turn(loop, 0);
		loop_turn(loop, 0);
	}
	loop_turn(loop, NS_PER_MS);
	assert_int_equal(fg_open_fds_await((int)before), before);
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static void the_file(void **state)
{
	struct ctl_socket *second = NULL;
	struct stat file;
	struct fail fail;
	int fd;

	role_assert_control();
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0660);
	/* It answers: the second one does not get it. */
	assert_int_equal(ctl_socket_create(loop, path, sw, &second, &fail), -EADDRINUSE);
	assert_non_null(strstr(fail.text, "another vuswitch answers here"));
	/* No answer: what a killed switch left is replaced. */
	ctl_socket_destroy(ctl);
	assert_int_equal(stat(path, &file), -1);
	close(fg_socket_bind("/tmp/ctl_test_stale", 0));
	assert_int_equal(rename("/tmp/ctl_test_stale", path), 0);
	assert_int_equal(ctl_socket_create(loop, path, sw, &ctl, &fail), 0);
	json_decref(ask("{\"command\":\"version\"}"));
	/* What is no socket is not ours to remove. */
	ctl_socket_destroy(ctl);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(ctl_socket_create(loop, path, sw, &ctl, &fail), -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ctl_socket_create(loop, path, sw, &ctl, &fail), 0);
	assert_int_equal(ctl_socket_create(loop, "/nonexistent/folder/s", sw, &second, &fail),
			 -ENOENT);
	assert_non_null(strstr(fail.text, "--control"));
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;

	role_assert_control();
	snprintf(path, sizeof(path), "%s/control.sock", mkdtemp(folder));
	config_add_port(&config, "--vhost", "a=/a", &fail);
	config_add_port(&config, "--vhost", "b=/b", &fail);
	if (config_check(&config, &fail) != 0 ||
	    switch_create(loop, drivers, &bell, &sw, &fail) != 0 || switch_apply(sw, &config) != 0)
		return -1;
	return ctl_socket_create(loop, path, sw, &ctl, &fail);
}

static int tear_down(void **state)
{
	struct config nothing = {0};
	struct stat file;

	role_assert_control();
	ctl_socket_destroy(ctl);
	assert_int_equal(stat(path, &file), -1);
	rmdir(folder);
	switch_apply(sw, &nothing);
	config_free(&nothing);
	TURN_UNTIL(loop, switch_is_empty(sw));
	switch_destroy(sw);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(lists_addresses),
		cmocka_unit_test(shows_drops_of_no_port),
		cmocka_unit_test(a_long_list_delays_nobody),
		cmocka_unit_test(why_of_a_thousand_ports_delays_nobody),
		cmocka_unit_test(why_of_a_port_that_goes_meanwhile),
		cmocka_unit_test(a_port_goes_while_its_capture_opens),
		cmocka_unit_test(one_conversation_many_questions),
		cmocka_unit_test(nonsense_is_answered),
		cmocka_unit_test(an_endless_line_is_cut),
		cmocka_unit_test(a_deaf_client_is_no_burden),
		cmocka_unit_test(a_crowd_leaves_room),
		cmocka_unit_test(without_descriptors),
		cmocka_unit_test(hangs_up_anywhere),
		cmocka_unit_test(the_file),
	};
	int failed;

	role_take(ROLE_CONTROL);
	role_assert_control();
	if (fake_world_begin(&bell, &loop) != 0)
		return EXIT_FAILURE;
	failed = cmocka_run_group_tests(tests, set_up, tear_down);
	fake_world_end(&bell, loop);
	return failed;
}
