/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors whose close() sleeps for as long as the peer likes: X1. Whoever passes them, and however they reach the switch, the
 * control thread answers all the same, and the victims lose nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fg_fuse.h"
#include "fg_linger.h"

enum {
	LINGER_S = 60,
	WATCHED_MS = 1500,
};

static int connect_to(const char *path)
{
	int sock = fg_wire_connect(path, FG_WAIT_MS);

	assert_true(sock >= 0);
	return sock;
}

static void switch_stops(void)
{
	siginfo_t info;

	kill(fixture.sw.pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, (id_t)fixture.sw.pid, &info, WSTOPPED), 0);
}

static void switch_goes_on(void)
{
	kill(fixture.sw.pid, SIGCONT);
}

/* The switch holds the last reference from here on: it does not run while we let go of ours. */
static void pass(int sock, const void *bytes, size_t len, struct fg_linger *linger)
{
	switch_stops();
	OK(fg_wire_send_raw(sock, bytes, len, &linger->fd, 1));
	close(linger->fd);
	linger->fd = -1;
	switch_goes_on();
}

static void a_descriptor_of_a_refused_message_lingers(void **state)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_open("h0", NULL);
	struct fg_linger linger;

	OK(fg_linger_open(&linger, LINGER_S));
	pass(g->s.sock, &m, FG_HEADER_SIZE, &linger);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	fg_linger_release(&linger);
}

/* It is not read: the port has a front end. */
static void a_descriptor_of_a_refused_connection_lingers(void **state)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	int sock = connect_to(fg_switch_socket(&fixture.sw, "v0"));
	struct fg_linger linger;

	OK(fg_linger_open(&linger, LINGER_S));
	pass(sock, &m, FG_HEADER_SIZE, &linger);
	close(sock);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	fg_linger_release(&linger);
}

/* A bad message ends the connection with what came behind it unread. */
static void an_unread_descriptor_lingers(void **state)
{
	const struct fg_msg bad = {.request = FG_GET_FEATURES, .flags = FG_VERSION, .size = UINT32_MAX};
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	int sock = connect_to(fg_switch_socket(&fixture.sw, "h0"));
	struct fg_linger linger;

	OK(fg_linger_open(&linger, LINGER_S));
	/* So that both are there when it looks. */
	switch_stops();
	OK(fg_wire_send_raw(sock, &bad, FG_HEADER_SIZE, NULL, 0));
	OK(fg_wire_send_raw(sock, &m, FG_HEADER_SIZE, &linger.fd, 1));
	close(linger.fd);
	switch_goes_on();
	close(sock);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	fg_linger_release(&linger);
}

/* Those beyond what a message may carry must not be the kernel's to release inside recvmsg(). */
static void the_last_of_too_many_descriptors_lingers(void **state)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_open("h0", NULL);
	struct fg_linger linger;
	int fds[253];

	OK(fg_linger_open(&linger, LINGER_S));
	for (unsigned int i = 0; i < 252; i++)
		fds[i] = STDERR_FILENO;
	fds[252] = linger.fd;
	switch_stops();
	OK(fg_wire_send_raw(g->s.sock, &m, FG_HEADER_SIZE, fds, 253));
	close(linger.fd);
	switch_goes_on();
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	fg_linger_release(&linger);
}

/* Slots in the kernel's table of the switch's descriptors. While it grows whoever takes a descriptor waits for other CPUs. */
static unsigned int descriptor_slots(void)
{
	unsigned int slots = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)fixture.sw.pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (slots == 0 && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "FDSize: %u", &slots);
	fclose(f);
	return slots;
}

static void many_descriptors_find_room(void **state)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_open("h0", NULL);
	unsigned int slots = descriptor_slots();
	int fds[253];

	for (unsigned int i = 0; i < 253; i++)
		fds[i] = STDERR_FILENO;
	OK(fg_wire_send_raw(g->s.sock, &m, FG_HEADER_SIZE, fds, 253));
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS / 4);
	assert_int_equal(descriptor_slots(), slots);
}

static void a_descriptor_lingers_on_the_control_socket(void **state)
{
	static const char line[] = "{\"command\": \"lcores\"}\n";
	int sock = connect_to(fixture.sw.control);
	struct fg_linger linger;

	OK(fg_linger_open(&linger, LINGER_S));
	pass(sock, line, sizeof(line) - 1, &linger);
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	fg_linger_release(&linger);
	close(sock);
}

static void assert_calls_lost(const char *port, const char *which, json_int_t n)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	json_t *calls = json_object_get(json_object_get(answer, "port"), which);

	assert_int_equal(json_integer_value(json_object_get(calls, "lost")), n);
	assert_true(json_integer_value(json_object_get(calls, "late")) >= n);
	json_decref(answer);
}

static void assert_state_says(const char *port, const char *words)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const char *said = json_string_value(json_object_get(json_object_get(answer, "port"), "state"));

	assert_non_null(said);
	if (strstr(said, words) == NULL)
		fail_msg("%s does not say \"%s\": %s", port, words, said);
	json_decref(answer);
}

/* As many as a port may have under way, and as many connections as wait for it: that port waits, and no other does. */
static void a_port_that_lost_its_calls_waits(void **state)
{
	enum { MANY = 8 };
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct fg_linger linger[MANY];
	int sock[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		OK(fg_linger_open(&linger[i], LINGER_S));
	/* Stopped once for all of them: a signal would wake a close() that sleeps. */
	switch_stops();
	for (unsigned int i = 0; i < MANY; i++) {
		sock[i] = connect_to(fg_switch_socket(&fixture.sw, "h0"));
		OK(fg_wire_send_raw(sock[i], &m, FG_HEADER_SIZE, &linger[i].fd, 1));
		close(linger[i].fd);
	}
	switch_goes_on();
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	assert_state_says("h0", "4 calls on what front ends gave have not come back");
	assert_state_says("h0", "no message of a front end is read until one has");
	assert_calls_lost("h0", "calls", 4);
	assert_calls_lost("h0", "calls_refused", 0);
	guest_close(guest_run("h1", NULL));
	for (unsigned int i = 0; i < MANY; i++) {
		fg_linger_release(&linger[i]);
		close(sock[i]);
	}
}

/* Those who may connect need no VM: as many as like to come, each with a descriptor that lingers. */
static void two_thousand_refused_connections_linger(void **state)
{
	enum { CONNECTIONS = 2000, LINGERING = 48 };
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fg_linger linger[LINGERING];
	unsigned int came = 0;

	strcpy(address.sun_path, fg_switch_socket(&fixture.sw, "v0"));
	for (unsigned int i = 0; i < LINGERING; i++)
		OK(fg_linger_open(&linger[i], LINGER_S));
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		assert_true(sock >= 0);
		if (connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0) {
			/* The first ones that come in bring one each, and let go of it. */
			if (came < LINGERING && fg_wire_send_raw(sock, &m, FG_HEADER_SIZE, &linger[came].fd, 1) == 0) {
				close(linger[came].fd);
				linger[came].fd = -1;
			}
			came++;
		}
		close(sock);
		fg_sleep_us(500);
	}
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	print_message("%u of %d connections found room in the queue\n", came, CONNECTIONS);
	guest_close(guest_run("h1", NULL));
	for (unsigned int i = 0; i < LINGERING; i++)
		fg_linger_release(&linger[i]);
}

/* Its close() waits for the file system's server, which says nothing. */
static void a_file_lingers_whose_server_is_mute(void **state)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	int sock = connect_to(fg_switch_socket(&fixture.sw, "h0"));
	struct fg_fuse fuse;

	if (fg_fuse_start(&fuse) < 0) {
		close(sock);
		skip();
	}
	fg_fuse_mute(&fuse, fixture.sw.pid);
	OK(fg_wire_send_raw(sock, &m, FG_HEADER_SIZE, &fuse.file, 1));
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	assert_true(atomic_load(&fuse.state->left) > 0);
	assert_calls_lost("h0", "calls", 1);
	fg_fuse_stop(&fuse);
	close(sock);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(many_descriptors_find_room),
		TEST_CASE(a_descriptor_of_a_refused_message_lingers),
		TEST_CASE(a_descriptor_of_a_refused_connection_lingers),
		TEST_CASE(an_unread_descriptor_lingers),
		TEST_CASE(the_last_of_too_many_descriptors_lingers),
		TEST_CASE(a_descriptor_lingers_on_the_control_socket),
		TEST_CASE(a_port_that_lost_its_calls_waits),
		TEST_CASE(a_file_lingers_whose_server_is_mute),
		TEST_CASE(two_thousand_refused_connections_linger),
	};

	return fixture_main("disposal", CASES(cases));
}
