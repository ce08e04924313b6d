/* SPDX-License-Identifier: BSD-3-Clause */
/* How front ends come, go, come back, and are turned away. */
#include "fg_socket.h"
#include "turn.h"
#include "vhu_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "rcu.h"
#include "vhu_endpoint.h"
#include "vhu_session.h"
#include "unix_connect.h"

enum { READER = 0 };

/* Not at once: it would come back at once. A second later, and said once, however many come. */
static void test_second_front_end_is_turned_away(void **state)
{
	struct front second[3];

	for (unsigned int i = 0; i < 3; i++)
		front_connect(&second[i], t.loop, t.path);
	for (unsigned int i = 0; i < 3; i++)
		assert_true(front_silent(&second[i]));
	assert_int_equal(vhu_rig_status().refused, 0);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t began = clock_ns();

		assert_true(front_closed(&second[i]));
		assert_true(clock_ns() - began < 5 * NS_PER_S);
	}
	assert_int_equal(vhu_rig_status().refused, 3);
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
}

/* The port becomes free while it waits: it is let in, before one that says nothing, and has lost nothing of what it said. */
static void test_second_front_end_is_let_in_when_the_first_leaves(void **state)
{
	struct front second, third, mute;
	struct vhu_message msg;

	front_connect(&third, t.loop, t.path); /* leaves while it waits */
	front_connect(&mute, t.loop, t.path);
	front_connect(&second, t.loop, t.path);
	front_send(&second, VHU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	assert_true(front_silent(&second));
	front_hang_up(&third);
	front_hang_up(&t.front);
	assert_true(front_receive(&second, &msg));
	assert_int_equal(msg.header.request, VHU_GET_FEATURES);
	assert_int_equal(vhu_rig_status().connections, 2);
	t.front = second;
	front_negotiate(&t.front);
	assert_true(front_closed(&mute));
}

/* The process that connected is dead, but its socket lives on in a child. */
static void test_half_dead_front_end_is_replaced(void **state)
{
	struct front second;
	struct fail fail;
	int pipes[2], status_code;
	pid_t middle;

	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
	assert_int_equal(pipe(pipes), 0);
	middle = fork();
	if (middle == 0) {
		int fd = fg_socket_connect(t.path, 0);
		const struct vhu_header hello = {VHU_GET_FEATURES, VHU_VERSION, 0};
		char byte;

		if (send(fd, &hello, sizeof(hello), 0) != sizeof(hello))
			_exit(1);
		/* The child ends with the test: it then reads the end of the pipe. */
		if (fork() == 0) {
			close(pipes[1]);
			_exit(read(pipes[0], &byte, 1) < 0);
		}
		usleep(50000);
		_exit(0);
	}
	TURN_UNTIL(t.loop, vhu_rig_status().connected);
	assert_int_equal(waitpid(middle, &status_code, 0), middle);
	assert_int_equal(status_code, 0);
	front_settle(t.loop);
	assert_true(vhu_rig_status().connected);
	front_connect(&second, t.loop, t.path);
	front_negotiate(&second);
	assert_int_equal(vhu_rig_status().connections, 2);
	close(pipes[0]);
	close(pipes[1]);
	t.front = second;
}

static void test_reconnect(void **state)
{
	for (unsigned int i = 0; i < 20; i++) {
		vhu_rig_add_memory();
		front_ring(&t.front, 0, 256, UVA);
		front_ring(&t.front, 1, 256, UVA + 65536);
		assert_int_equal(t.ready, 3);
		front_hang_up(&t.front);
		assert_int_equal(t.ready, 0);
		assert_int_equal(vhu_rig_status().slots_used, 0);
		front_connect(&t.front, t.loop, t.path);
		front_negotiate(&t.front);
	}
	assert_int_equal(vhu_rig_status().connections, 21);
	assert_int_equal(t.front_ends_gone, 20);
}

static void test_stale_socket_and_busy_socket(void **state)
{
	struct fail fail;
	int fd = fg_socket_listen(t.path, 0, 1);

	assert_true(fd >= 0);
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), -EADDRINUSE);
	assert_non_null(strstr(fail.text, "another process listens on"));
	close(fd);
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
}

static void test_bad_paths(void **state)
{
	struct fail fail;
	FILE *file;

	file = fopen(t.path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), -EEXIST);
	assert_int_equal(unlink(t.path), 0);
	snprintf(t.path, sizeof(t.path), "/nonexistent/below/vm1.sock");
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), -ENOENT);
	assert_non_null(strstr(fail.text, "folder /nonexistent/below cannot be made"));
	assert_non_null(strstr(fail.text, "create the one above it first"));
}

static void test_client_waits_and_connects(void **state)
{
	struct fail fail;
	int listener;

	assert_int_equal(vhu_rig_make(VHU_CLIENT, &fail), 0);
	front_settle(t.loop);
	assert_non_null(strstr(vhu_rig_status().state, "waiting: no listener at"));
	assert_non_null(strstr(vhu_rig_status().state, "(ENOENT), last try"));

	listener = fg_socket_listen(t.path, SOCK_NONBLOCK, 1);
	assert_true(listener >= 0);
	for (int round = 0; round < 3; round++) {
		t.front.loop = t.loop;
		t.front.fd = -1;
		TURN_UNTIL(t.loop, (t.front.fd = accept(listener, NULL, NULL)) >= 0);
		front_negotiate(&t.front);
		vhu_rig_add_memory();
		front_ring(&t.front, 1, 256, UVA);
		assert_int_equal(t.ready, 2);
		front_hang_up(&t.front);
	}
	close(listener);
	unlink(t.path);
}

/* A client that connects and says nothing keeps no other out. */
static void test_mute_front_end_makes_room(void **state)
{
	struct front mute, second;
	struct fail fail;

	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
	front_connect(&mute, t.loop, t.path);
	assert_string_equal(vhu_rig_status().state,
			    "connected: the front end has not said anything yet");
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	assert_true(front_closed(&mute));
	assert_int_equal(vhu_rig_status().replaced, 1);
	/* Now one has. */
	front_connect(&second, t.loop, t.path);
	assert_true(front_closed(&second));
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
}

/* L1: a storm of connections costs a bounded number of turns, and the one front end notices nothing. */
static void test_connection_storm(void **state)
{
	for (unsigned int i = 0; i < 200; i++) {
		int fd = fg_socket_connect(t.path, SOCK_NONBLOCK);

		if (fd < 0) /* more are waiting than we let */
			continue;
		front_settle(t.loop);
		close(fd);
	}
	assert_int_equal(front_get(&t.front, VHU_GET_STATUS), 0);
	assert_int_equal(vhu_rig_status().connections, 1);
	/* Those that have left do not stand in the way of one that is there. */
	front_hang_up(&t.front);
	front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	assert_int_equal(vhu_rig_status().connections, 2);
}

/* While one is being cleared away, which takes the lcores' time, the next ones wait, connected. */
static void test_next_front_end_waits(void **state)
{
	enum { LONGER_THAN_A_WAIT_MS = 1500 };
	struct front next, third;
	uint64_t end;

	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	rcu_online(READER);
	front_hang_up(&t.front);
	front_connect(&next, t.loop, t.path);
	front_connect(&third, t.loop, t.path);
	role_assert_control();
	for (end = clock_ns() + LONGER_THAN_A_WAIT_MS * NS_PER_MS; clock_ns() < end;)
		loop_turn(t.loop, NS_PER_MS);
	assert_true(front_silent(&next) && front_silent(&third));
	assert_false(vhu_rig_status().connected);
	assert_string_equal(vhu_rig_status().state,
			    "the front end is gone, its memory is being given back");
	rcu_offline(READER);
	front_settle(t.loop);
	assert_true(vhu_rig_status().connected);
	t.front = next;
	front_negotiate(&t.front);
	assert_true(front_closed(&third));
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	assert_int_equal(t.ready, 1);
}

/* L3: no descriptor is left. Who connects is closed at once, and the loop does not spin. */
static void test_out_of_descriptors(void **state)
{
	struct rlimit before, tight;
	struct fail fail;
	int last;

	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	last = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(last);
	tight = before;
	tight.rlim_cur = (rlim_t)last + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	front_connect(&t.front, t.loop, t.path);
	assert_false(vhu_rig_status().connected);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(front_closed(&t.front));
	assert_int_equal(vhu_rig_status().refused, 1);
	for (int i = 0; i < 50; i++)
		front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
}

/* A rule of the stream broken: cut off, said in the state, and welcome again. */
static void test_reason_stays_in_sight(void **state)
{
	front_send(&t.front, VHU_GET_FEATURES, VHU_VERSION | VHU_FLAG_REPLY, NULL, 0, NULL, 0);
	assert_true(front_closed(&t.front));
	assert_non_null(strstr(vhu_rig_status().state,
			       "the last one was cut off: GET_FEATURES: not a request"));
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	front_hang_up(&t.front);
	assert_null(strstr(vhu_rig_status().state, "cut off"));
}

/* --- who may meet whom ------------------------------------------------------------------------------------------ */

static void turn_for(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	role_assert_control();
	while (clock_ns() < end)
		loop_turn(t.loop, 10 * NS_PER_MS);
}

/* The state is "waiting: cannot connect to PATH: user ..., may not `words`", and the log has said it `lines` times. */
static bool is_told(const char *words, const char *log, unsigned int lines)
{
	char said[4096] = "", state[160], *at = said;
	struct vhu_status status = vhu_rig_status();
	FILE *file = fopen(log, "r");
	unsigned int n = 0;

	if (file == NULL || fread(said, 1, sizeof(said) - 1, file) == 0)
		return false;
	fclose(file);
	for (; (at = strstr(at, "warning: cannot connect to")) != NULL; at++)
		n++;
	snprintf(state, sizeof(state), "waiting: cannot connect to %s: user ", t.path);
	return n == lines && strstr(said, words) != NULL && strstr(status.state, words) != NULL &&
	       strncmp(status.state, state, strlen(state)) == 0;
}

static bool is_told_in_time(const char *words, const char *log, unsigned int lines)
{
	uint64_t end = clock_ns() + 10 * NS_PER_S;

	while (!is_told(words, log, lines) && clock_ns() < end)
		turn_for(10 * NS_PER_MS);
	return is_told(words, log, lines);
}

/* A switch that runs as an ordinary user; in a process of its own, which does not come back. 0: all as it should be. */
static int wait_as_nobody(const char *log, int ask)
{
	char folder[96], file[128];
	struct fail fail;

	snprintf(folder, sizeof(folder), "may not search %s (needs x; it is ", t.folder);
	snprintf(file, sizeof(file), "may not write to %s (needs w; it is ", t.path);
	if (freopen(log, "a", stderr) == NULL)
		return 1;
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setegid(65534) != 0 || seteuid(65534) != 0))
		return 2;
	if (vhu_rig_make(VHU_CLIENT, &fail) != 0)
		return 3;
	if (!is_told_in_time(folder, log, 1))
		return 4;
	/* More tries, no more lines. */
	turn_for(1100 * NS_PER_MS);
	if (!is_told(folder, log, 1))
		return 5;
	/* Our parent opens the folder; now it is the socket. */
	if (write(ask, "", 1) != 1)
		return 6;
	return is_told_in_time(file, log, 2) ? 0 : 7;
}

static void test_client_names_the_missing_right(void **state)
{
	char log[64], byte;
	int listener = fg_socket_listen(t.path, 0, 1), status, fd, ask[2];
	pid_t child;

	assert_int_equal(pipe(ask), 0);
	strcpy(log, "/tmp/vhu-test-log-XXXXXX");
	fd = mkstemp(log);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	assert_true(listener >= 0);
	assert_int_equal(chmod(t.path, 0), 0);
	assert_int_equal(chmod(t.folder, 0), 0);
	child = fork();
	if (child == 0)
		_exit(wait_as_nobody(log, ask[1]));
	/* It asks for the next step, or ends. */
	close(ask[1]);
	if (read(ask[0], &byte, 1) == 1)
		assert_int_equal(chmod(t.folder, 0755), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ask[0]);
	assert_int_equal(chmod(t.folder, 0700), 0);
	close(listener);
	unlink(t.path);
	unlink(log);
	assert_int_equal(status, 0);
}

static int taken = -1;

static enum vhu_room take_it(struct vhu_endpoint *endpoint VUS_UNUSED, int fd)
{
	taken = fd;
	return VHU_TAKEN;
}

/* After a minute, which is cut short here: whose the socket is, whose its folder, and what is needed; until a front
 * end connects. */
static void test_server_says_who_may_connect(void **state)
{
	static const struct vhu_endpoint_events events = {.connected = take_it};
	const struct vhu_config config = {
		.name = "vm1", .socket = t.path, .mode = VHU_SERVER,
		.rights = {.given = {[RIGHTS_MODE] = true}, .mode = 0640}};
	static struct vhu_endpoint endpoint;
	char words[256], text[512];
	struct fail fail;
	uint64_t left;
	int client;

	role_assert_control();
	assert_int_equal(vhu_endpoint_open(&endpoint, t.loop, &config, &events, &fail), 0);
	left = endpoint.alone.due_ns - clock_ns();
	assert_true(left > (HINT_AFTER_S - 20) * NS_PER_S && left <= HINT_AFTER_S * NS_PER_S);
	vhu_endpoint_describe(&endpoint, text, sizeof(text));
	snprintf(words, sizeof(words), "waiting: no front end is connected, listening on %s", t.path);
	assert_string_equal(text, words);

	loop_timer_start(t.loop, &endpoint.alone, 0);
	turn_for(20 * NS_PER_MS);
	vhu_endpoint_describe(&endpoint, text, sizeof(text));
	assert_int_equal(strncmp(text, words, strlen(words)), 0);
	snprintf(words, sizeof(words), "the socket was %s, its folder %s; who connects needs w on the socket",
		 rights_of_file(geteuid(), getegid(), 0640).text,
		 rights_of_file(geteuid(), getegid(), 0700).text);
	assert_non_null(strstr(text, words));
	/* Once. */
	assert_int_equal(endpoint.alone.due_ns, 0);

	assert_int_equal(unix_connect(t.path, &client), 0);
	turn_for(20 * NS_PER_MS);
	assert_true(taken >= 0);
	vhu_endpoint_describe(&endpoint, text, sizeof(text));
	assert_null(strstr(text, "the socket was"));
	close(client);
	close(taken);
	vhu_endpoint_close(&endpoint);

	/* For a front end that comes in time nothing is reported. */
	assert_int_equal(vhu_endpoint_open(&endpoint, t.loop, &config, &events, &fail), 0);
	assert_int_equal(unix_connect(t.path, &client), 0);
	turn_for(20 * NS_PER_MS);
	assert_int_equal(endpoint.alone.due_ns, 0);
	close(client);
	close(taken);
	vhu_endpoint_close(&endpoint);

	/* The file is gone: no front end can connect. */
	assert_int_equal(vhu_endpoint_open(&endpoint, t.loop, &config, &events, &fail), 0);
	assert_int_equal(unlink(t.path), 0);
	loop_timer_start(t.loop, &endpoint.alone, 0);
	turn_for(20 * NS_PER_MS);
	vhu_endpoint_describe(&endpoint, text, sizeof(text));
	assert_non_null(strstr(text, "its socket file was removed or replaced by somebody else"));
	vhu_endpoint_close(&endpoint);
}

/* How often a client connects within `ns`. */
static unsigned int connects(const struct vhu_endpoint *endpoint, uint64_t ns) RUNS_ON(control_thread)
{
	uint64_t last = endpoint->connect_ns, end = clock_ns() + ns;
	unsigned int n = 0;

	while (clock_ns() < end) {
		loop_turn(t.loop, NS_PER_MS);
		n += endpoint->connect_ns != last;
		last = endpoint->connect_ns;
	}
	return n;
}

static void is_taken_soon(void) RUNS_ON(control_thread)
{
	uint64_t began = clock_ns();

	TURN_UNTIL(t.loop, taken >= 0);
	assert_true(clock_ns() - began < 3 * NS_PER_S);
	close(taken);
	taken = -1;
}

/* While nobody makes anything in the folder, nobody can listen: ports that wait cost next to nothing. Who comes is found as soon
 * as ever: in a folder that is new, too, and long after the socket has got its name. */
static void test_client_connects_when_something_is_new(void **state)
{
	static const struct vhu_endpoint_events events = {.connected = take_it};
	static struct vhu_endpoint endpoint;
	char folder[80], path[96], other[96];
	const struct vhu_config config = {.name = "vm1", .socket = path, .mode = VHU_CLIENT};
	struct fail fail;
	int listener, file;

	role_assert_control();
	snprintf(folder, sizeof(folder), "%s.d", t.path);
	snprintf(path, sizeof(path), "%s/vm1.sock", folder);
	snprintf(other, sizeof(other), "%s/vm2.sock", folder);
	taken = -1;
	OK(vhu_endpoint_open(&endpoint, t.loop, &config, &events, &fail));
	vhu_endpoint_next(&endpoint);
	assert_true(connects(&endpoint, 1700 * NS_PER_MS) <= 2);
	OK(mkdir(folder, 0700));
	/* What is new may be new twice within a tick of the clock. */
	assert_true(connects(&endpoint, 1200 * NS_PER_MS) >= 1);
	assert_int_equal(connects(&endpoint, 1200 * NS_PER_MS), 0);
	file = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(connects(&endpoint, 1200 * NS_PER_MS) >= 1);
	close(file);

	listener = fg_socket_listen(path, 0, 1);
	assert_true(listener >= 0);
	is_taken_soon();
	close(listener);
	OK(unlink(path));
	vhu_endpoint_next(&endpoint);
	listener = fg_socket_bind(path, 0);
	assert_true(connects(&endpoint, 1200 * NS_PER_MS) >= 2);
	OK(listen(listener, 1));
	is_taken_soon();
	vhu_endpoint_close(&endpoint);
	close(listener);
	unlink(path);
	unlink(other);
	OK(rmdir(folder));
}

/* What has changed behind a link, it finds all the same. */
static void test_client_looks_where_a_link_leads(void **state)
{
	static const struct vhu_endpoint_events events = {.connected = take_it};
	static struct vhu_endpoint endpoint;
	char folder[80], path[96];
	const struct vhu_config config = {.name = "vm1", .socket = path, .mode = VHU_CLIENT};
	struct fail fail;
	int listener;

	role_assert_control();
	snprintf(folder, sizeof(folder), "%s.d", t.path);
	snprintf(path, sizeof(path), "%s/vm1.sock", folder);
	OK(mkdir(folder, 0700));
	OK(symlink(t.path, path));
	taken = -1;
	OK(vhu_endpoint_open(&endpoint, t.loop, &config, &events, &fail));
	vhu_endpoint_next(&endpoint);
	(void)connects(&endpoint, 1200 * NS_PER_MS);
	listener = fg_socket_listen(t.path, 0, 1);
	assert_true(listener >= 0);
	endpoint.connect_ns -= (VHU_SURE_MS - 2000) * NS_PER_MS;
	TURN_UNTIL(t.loop, taken >= 0);
	close(taken);
	taken = -1;
	vhu_endpoint_close(&endpoint);
	close(listener);
	OK(unlink(t.path));
	OK(unlink(path));
	OK(rmdir(folder));
}

/* Takes a CPU for so long, as a call does that its front end has prepared. */
static uint64_t long_ns;

static void run_long(struct disposal_job *job VUS_UNUSED)
{
	uint64_t begun = clock_thread_cpu_ns();

	while (clock_thread_cpu_ns() < begun + long_ns)
		;
}

static void close_slowly(uint64_t ns) RUNS_ON(control_thread)
{
	static struct disposal_job job;
	unsigned int rests = (unsigned int)vhu_rig_status().stalls.sent_down;

	long_ns = ns;
	job = (struct disposal_job){.run = run_long, .what = "close() of a connection", .closes = true, .weighed = true};
	disposal_start(vhu_device_account(t.device), &job);
	TURN_UNTIL(t.loop, vhu_rig_status().stalls.sent_down > rests);
}

/* Neither another call that takes less, nor what ends a conversation, makes the rest after a long call shorter. */
static void test_a_rest_is_not_cut_short(void **state)
{
	uint64_t end;

	role_assert_control();
	close_slowly(300 * NS_PER_MS);
	assert_true(vhu_rig_status().connected);
	end = clock_ns() + vhu_rig_status().stalls.down_for_ms * NS_PER_MS;
	close_slowly(2 * DISPOSAL_SLOW_MS * NS_PER_MS);
	assert_true(clock_ns() + (vhu_rig_status().stalls.down_for_ms + 1) * NS_PER_MS >= end);
	vhu_device_cut_off(t.device, 0);
	assert_true(front_closed(&t.front));
	front_connect(&t.front, t.loop, t.path);
	TURN_UNTIL(t.loop, vhu_rig_status().connected);
	assert_true(clock_ns() >= end);
	assert_int_equal(vhu_rig_status().stalls.down_for_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_CONNECTED(test_second_front_end_is_turned_away),
		RIG_TEST_CONNECTED(test_second_front_end_is_let_in_when_the_first_leaves),
		RIG_TEST(test_half_dead_front_end_is_replaced),
		RIG_TEST_CONNECTED(test_reconnect),
		RIG_TEST(test_stale_socket_and_busy_socket),
		RIG_TEST(test_bad_paths),
		RIG_TEST(test_client_waits_and_connects),
		RIG_TEST(test_mute_front_end_makes_room),
		RIG_TEST_CONNECTED(test_connection_storm),
		RIG_TEST_CONNECTED(test_next_front_end_waits),
		RIG_TEST(test_out_of_descriptors),
		RIG_TEST_CONNECTED(test_reason_stays_in_sight),
		RIG_TEST(test_client_names_the_missing_right),
		RIG_TEST(test_server_says_who_may_connect),
		RIG_TEST(test_client_connects_when_something_is_new),
		RIG_TEST(test_client_looks_where_a_link_leads),
		RIG_TEST_CONNECTED(test_a_rest_is_not_cut_short),
	};

	return cmocka_run_group_tests_name("vhu_endpoint", tests, NULL, NULL);
}
