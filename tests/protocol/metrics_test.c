/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics are read over HTTP: they are what vusctl says, whatever readers do nobody notices, a
 * thousand ports cost control little, and the socket has the rights it is given. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

enum { READ_MS = 10000, REPLY_MAX = 16 << 20, PLACES = 8 };

static char folder[] = "/tmp/fg-metrics-XXXXXX", socket_path[64];
static const char get[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/* --- a reader ---------------------------------------------------------------------------------------------------- */

static int reader_open(const char *path)
{
	int fd = fg_socket_connect(path, SOCK_CLOEXEC);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	return fd;
}

/* What comes until the other side hangs up, or NULL if it does not; the caller's. */
static char *reader_finish(int fd)
{
	int64_t end = fg_now_ms() + READ_MS;
	char *reply = malloc(REPLY_MAX);
	size_t n = 0;
	ssize_t got = 1;

	assert_non_null(reply);
	while (got > 0 && n < REPLY_MAX - 1 && fg_now_ms() < end) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};

		if (poll(&ready, 1, 100) == 0)
			continue;
		got = recv(fd, reply + n, REPLY_MAX - 1 - n, 0);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	reply[n] = '\0';
	if (got <= 0)
		return reply;
	free(reply);
	return NULL;
}

static char *ask(const char *path, const char *request)
{
	int fd = reader_open(path);
	char *reply;

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	reply = reader_finish(fd);
	assert_non_null(reply);
	return reply;
}

static void assert_status(const char *reply, const char *status)
{
	char line[64];

	snprintf(line, sizeof(line), "HTTP/1.1 %s", status);
	if (strncmp(reply, line, strlen(line)) != 0)
		fail_msg("not \"%s\", but \"%.60s\"", line, reply);
}

/* The whole text; the caller's. */
static char *scrape(const char *path)
{
	char *reply = ask(path, get);

	assert_status(reply, "200");
	assert_non_null(strstr(reply, "application/openmetrics-text; version=1.0.0"));
	assert_string_equal(reply + strlen(reply) - 6, "# EOF\n");
	return reply;
}

/* -1: there is no such sample. */
static double sample(const char *text, const char *name)
{
	char line[160];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	return at != NULL ? strtod(at + strlen(line), NULL) : -1;
}

static double port_sample(const char *text, const char *name, const char *labels)
{
	char whole[128];

	snprintf(whole, sizeof(whole), "%s{%s}", name, labels);
	return sample(text, whole);
}

static bool is_served(const char *path)
{
	int fd = fg_socket_connect(path, SOCK_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void await_served(const char *path, bool served)
{
	for (int64_t end = fg_now_ms() + READ_MS; is_served(path) != served;) {
		if (fg_now_ms() > end)
			fail_msg("%s is %s", path, served ? "not there" : "there still");
		poll(NULL, 0, 20);
	}
}

/* --- what is read ------------------------------------------------------------------------------------------------ */

static void they_are_what_vusctl_says(void **state)
{
	static const struct {
		const char *name, *labels, *path;
	} same[] = {
		{"vuswitch_port_rx_ok_total", "port=\"h0\"", "rx_ok"},
		{"vuswitch_port_rx_bytes_total", "port=\"h0\"", "rx_bytes"},
		{"vuswitch_port_tx_ok_total", "port=\"h1\"", "tx_ok"},
		{"vuswitch_port_rx_drop_total", "port=\"h0\",reason=\"source\"", "rx_drop.source"},
		{"vuswitch_port_tx_drop_total", "port=\"h0\",reason=\"not_ready\"",
		 "tx_drop.not_ready"},
		{"vuswitch_vhost_memory_slots", "port=\"h0\"", "slots_used"},
		{"vuswitch_vhost_memory_bytes", "port=\"h0\"", "memory_bytes"},
	};
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	char *text;

	settle(a, b);
	settle(b, a);
	assert_traffic(a, b, 100, 200);
	/* What is as old as that is not given again. */
	poll(NULL, 0, 200);
	text = scrape(socket_path);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		double value = port_sample(text, same[i].name, same[i].labels);

		if ((int64_t)value !=
		    fg_counter(&fixture.sw, same[i].labels[7] == '0' ? "h0" : "h1", same[i].path))
			fail_msg("%s{%s} is %.0f, and %s is not", same[i].name, same[i].labels,
				 value, same[i].path);
	}
	assert_true(port_sample(text, "vuswitch_port_rx_ok_total", "port=\"h0\"") >= 100);
	assert_true(port_sample(text, "vuswitch_port_up", "port=\"h0\"") == 1);
	assert_true(port_sample(text, "vuswitch_vhost_connected", "port=\"h1\"") == 1);
	assert_true(port_sample(text, "vuswitch_port_info",
				"port=\"h0\",bridge=\"br0\",type=\"vhost-user\"") == 1);
	assert_true(port_sample(text, "vuswitch_bridge_ports", "bridge=\"br0\"") == 4);
	assert_true(port_sample(text, "vuswitch_ring_frames_total",
				"port=\"h0\",queue=\"0\",direction=\"from_guest\"") >= 100);
	assert_true(sample(text, "vuswitch_ports") == 4);
	free(text);
}

/* How much is in a histogram: of all samples that have these labels first. */
static double added_n(const char *text, const char *name, const char *labels)
{
	char count[128];
	double sum = 0;

	snprintf(count, sizeof(count), "\n%s_count{%s", name, labels);
	for (const char *at = strstr(text, count); at != NULL; at = strstr(at + 1, count))
		sum += strtod(strchr(at, ' '), NULL);
	return sum;
}

/* What a front end and vusctl ask is in the histograms, once each; lcores that sleep are woken by each reader. */
static void waiting_is_measured(void **state)
{
	static const struct {
		const char *name, *labels;
		unsigned int more; /* at least */
	} grows[] = {
		{"vuswitch_vhost_request_seconds", "about=\"device\"", 5},
		{"vuswitch_vhost_request_seconds", "about=\"memory\"", 1},
		{"vuswitch_vhost_request_seconds", "about=\"ring\"", 8},
		{"vuswitch_control_request_seconds", "request=\"look\"", 3},
		{"vuswitch_control_request_seconds", "request=\"change\"", 1},
		{"vuswitch_lcore_wake_seconds", "lcore=", 1},
		{"vuswitch_lcore_first_frame_seconds", "lcore=", 1},
	};
	enum { GROWS = sizeof(grows) / sizeof(grows[0]) };
	double before[GROWS];
	int64_t end = fg_now_ms() + READ_MS;
	char *text = scrape(socket_path);
	json_t *change;

	for (size_t i = 0; i < GROWS; i++)
		before[i] = added_n(text, grows[i].name, grows[i].labels);
	free(text);
	OK(fg_victims_pause(&fixture.victims));
	settle(guest_run("h0", NULL), guest_run("h1", NULL));
	for (unsigned int i = 0; i < 3; i++)
		fg_counter(&fixture.sw, "h0", "rx_ok");
	change = fg_switch_ask(&fixture.sw,
			       "{\"command\": \"log.level\", \"topic\": \"h1\", \"level\": \"info\"}\n");
	assert_non_null(change);
	if (json_object_get(change, "error") != NULL)
		fail_msg("%s", json_string_value(json_object_get(change, "error")));
	json_decref(change);
	for (size_t i = 0; i < GROWS;) {
		text = scrape(socket_path);
		if (added_n(text, grows[i].name, grows[i].labels) >= before[i] + grows[i].more)
			i++;
		else if (fg_now_ms() > end)
			fail_msg("%s{%s} is %.0f, and was %.0f", grows[i].name, grows[i].labels,
				 added_n(text, grows[i].name, grows[i].labels), before[i]);
		else
			poll(NULL, 0, 150);
		free(text);
	}
	OK(fg_victims_run(&fixture.victims));
}

static void other_requests_are_answered(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
		{"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"},
		{"GET /metrics/../metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"},
		{"POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
		 "3\r\n\r\nabc",
		 "405"},
		{"DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		{"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
		 "3\r\n\r\nabc",
		 "200"},
		{"GET /metrics HTTP/1.0\r\n\r\n", "200"},
	};
	char *reply;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reply = ask(socket_path, cases[i].request);
		if (strncmp(reply + strlen("HTTP/1.x "), cases[i].status, 3) != 0)
			fail_msg("\"%.40s\": not %s, but \"%.40s\"", cases[i].request,
				 cases[i].status, reply);
		free(reply);
	}
	reply = ask(socket_path, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: "
				 "text/plain\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(reply, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(reply, "# TYPE vuswitch_port_rx_ok_total counter"));
	assert_null(strstr(reply, "# EOF"));
	free(reply);
}

/* --- readers that misbehave -------------------------------------------------------------------------------------- */

/* Asks for as much as goes out, and reads nothing. */
static int mute_reader(void)
{
	static const char again[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = reader_open(socket_path);

	for (unsigned int i = 0; i < 1000; i++)
		if (send(fd, again, strlen(again), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	return fd;
}

static void send_rubbish(unsigned int seed)
{
	int fd = reader_open(socket_path);
	unsigned char bytes[4096];
	uint64_t state = seed;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		state = state * UINT64_C(6364136223846793005) + 1;
		bytes[i] = (unsigned char)(state >> 40);
	}
	if (seed % 2 == 0)
		memcpy(bytes, "GET /metrics HTTP/1.1\r\n", 23);
	/* It may hang up in the middle. */
	if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET || errno == EAGAIN);
	close(fd);
}

static void whatever_readers_do_nobody_notices(void **state)
{
	int mute[PLACES], silent[2 * PLACES];
	char *text;

	for (unsigned int i = 0; i < PLACES; i++)
		mute[i] = mute_reader();
	assert_control_keeps_answering(&fixture.sw, 300);
	/* One more that asks is served: one that was there is hung up on. */
	text = scrape(socket_path);
	free(text);
	for (unsigned int i = 0; i < PLACES; i++)
		close(mute[i]);
	for (unsigned int i = 0; i < 50; i++)
		send_rubbish(i);
	for (unsigned int i = 0; i < 2 * PLACES; i++) {
		silent[i] = reader_open(socket_path);
		if (i % 2 == 0)
			assert_int_equal(send(silent[i], get, 10, MSG_NOSIGNAL), 10);
	}
	assert_control_keeps_answering(&fixture.sw, 300);
	text = scrape(socket_path);
	free(text);
	for (unsigned int i = 0; i < 2 * PLACES; i++)
		close(silent[i]);
	await_served(socket_path, true);
}

/* A few bytes at a time, with somebody else served meanwhile. The text is more than fits between
 * the two: @path is of a thousand ports. */
static void assert_slow_reader_gets_all(const char *path)
{
	int64_t end = fg_now_ms() + READ_MS;
	int slow = reader_open(path);
	char bytes[4096], *text, *rest;

	assert_int_equal(send(slow, get, strlen(get), MSG_NOSIGNAL), strlen(get));
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(recv(slow, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
		poll(NULL, 0, 5);
	}
	text = scrape(path);
	assert_true(strlen(text) > 1 << 20);
	free(text);
	rest = reader_finish(slow);
	assert_non_null(rest);
	assert_true(strlen(rest) > 1 << 20 && fg_now_ms() < end);
	assert_string_equal(rest + strlen(rest) - 6, "# EOF\n");
	free(rest);
}

static void descriptors_that_are_sent_are_dropped(void **state)
{
	int fd = reader_open(socket_path), file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int many[4] = {file, file, file, file};
	char *reply;

	assert_true(file >= 0);
	assert_int_equal(fg_socket_send(fd, get, strlen(get), many, 4), strlen(get));
	close(file);
	reply = reader_finish(fd);
	assert_non_null(reply);
	assert_status(reply, "200");
	free(reply);
}

/* --- a thousand ports -------------------------------------------------------------------------------------------- */

static void write_ports(const char *path, const char *top, unsigned int n, const char *more)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file, "%sports:\n", more);
	for (unsigned int i = 0; i < n; i++)
		fprintf(file, "  - {name: vm%u, type: vhost-user, socket: %s/vm%u.sock}\n", i, top,
			i);
	fclose(file);
}

static void a_thousand_ports_cost_control_little(void **state)
{
	enum { MANY = 1000, ROUNDS = 8, MANY_MS = 60000 };
	static const char sum[] = "vuswitch_scrape_slice_seconds_sum",
			  count[] = "vuswitch_scrape_slice_seconds_count";
	char top[] = "/tmp/fg-metrics-XXXXXX", file[64], path[64], *text;
	double least = 1, before = 0, slices_before = 0;
	int64_t end = fg_now_ms() + MANY_MS;
	struct fg_switch sw = {0};

	assert_non_null(mkdtemp(top));
	snprintf(file, sizeof(file), "%s/file.yaml", top);
	snprintf(path, sizeof(path), "%s/metrics", top);
	write_ports(file, top, MANY, "");
	OK(fg_switch_start(&sw, &(struct fg_switch_options){
					.ports = (const char *const[]){NULL},
					.args = (const char *const[]){"--config", file, "--metrics",
								      path, NULL}}));
	await_served(path, true);
	for (int i = 0; i < ROUNDS; i++) {
		double slices;

		text = scrape(path);
		assert_true(sample(text, "vuswitch_ports") == MANY);
		assert_true(port_sample(text, "vuswitch_port_up", "port=\"vm999\"") == 0);
		slices = sample(text, count);
		/* It may be what was gathered before still. */
		assert_true(slices >= slices_before && fg_now_ms() < end);
		i -= slices == slices_before;
		/* What others have of the CPU meanwhile is in it: the least is the switch's own. */
		if (slices > slices_before && sample(text, sum) - before < least)
			least = sample(text, sum) - before;
		before = sample(text, sum);
		slices_before = slices;
		free(text);
		poll(NULL, 0, 150);
	}
	assert_slow_reader_gets_all(path);
	print_message("a thousand ports: %.2f ms of control, %.0f slices in %u rounds\n",
		      1e3 * least, slices_before, ROUNDS);
	if (!fixture.before.sanitizer && least > 0.020)
		fail_msg("a thousand ports take %.1f ms of control's time", 1e3 * least);
	assert_true(slices_before >= 2 * ROUNDS);
	OK(fg_switch_stop(&sw));
	assert_false(is_served(path));
	unlink(file);
	rmdir(top);
}

/* --- the socket -------------------------------------------------------------------------------------------------- */

static bool has(const char *path, gid_t group, mode_t mode)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_gid == group && (st.st_mode & 07777) == mode;
}

static void the_socket_has_its_rights_and_moves_with_a_reload(void **state)
{
	gid_t group = geteuid() == 0 ? 107 : getegid();
	char top[] = "/tmp/fg-metrics-XXXXXX", file[64], path[64], other[64], more[256];
	struct fg_switch sw = {0};
	char *text;

	assert_non_null(mkdtemp(top));
	snprintf(file, sizeof(file), "%s/file.yaml", top);
	snprintf(path, sizeof(path), "%s/metrics", top);
	snprintf(other, sizeof(other), "%s/other", top);
	snprintf(more, sizeof(more), "metrics: %s\n", path);
	write_ports(file, top, 1, more);
	OK(fg_switch_start(&sw, &(struct fg_switch_options){
					.ports = (const char *const[]){NULL},
					.args = (const char *const[]){"--config", file, NULL}}));
	await_served(path, true);
	assert_true(has(path, getegid(), 0660));
	/* Killed, it leaves the file behind; the next takes its place. */
	fg_switch_kill(&sw);
	assert_true(has(path, getegid(), 0660));
	OK(fg_switch_restart(&sw));
	await_served(path, true);
	free(scrape(path));

	snprintf(more, sizeof(more), "metrics: %s\nmetrics-group: %u\nmetrics-mode: 0620\n", other,
		 group);
	write_ports(file, top, 1, more);
	OK(kill(sw.pid, SIGHUP));
	await_served(other, true);
	await_served(path, false);
	assert_true(access(path, F_OK) != 0);
	assert_true(has(other, group, 0620));
	text = scrape(other);
	assert_true(sample(text, "vuswitch_ports") == 1);
	free(text);
	write_ports(file, top, 1, "");
	OK(kill(sw.pid, SIGHUP));
	await_served(other, false);
	OK(fg_switch_stop(&sw));
	unlink(file);
	rmdir(top);
}

/* The error that a reload is answered with, the caller's, or NULL. It is of the switch itself. */
static json_t *reload(struct fg_switch *sw)
{
	json_t *answer = fg_switch_ask(sw, "{\"command\": \"reload\"}\n");
	json_t *failed = json_array_get(json_object_get(answer, "failed"), 0), *error;

	assert_non_null(answer);
	error = json_incref(json_object_get(answer, "error"));
	if (error != NULL) {
		assert_string_equal(json_string_value(json_object_get(answer, "code")), "failed");
		assert_string_equal(json_string_value(json_object_get(failed, "kind")), "switch");
		assert_true(json_equal(json_object_get(failed, "error"), error));
	}
	json_decref(answer);
	return error;
}

/* Who starts or reloads is told, and the next reload tries again, with the same file. */
static void what_cannot_be_served_is_told_and_tried_again(void **state)
{
	char top[] = "/tmp/fg-metrics-XXXXXX", file[64], path[64], more[256];
	struct fg_switch sw = {0};
	json_t *error;
	int in_the_way;

	assert_non_null(mkdtemp(top));
	snprintf(file, sizeof(file), "%s/file.yaml", top);
	snprintf(path, sizeof(path), "%s/metrics", top);
	snprintf(more, sizeof(more), "metrics: %s\n", path);
	write_ports(file, top, 1, more);
	in_the_way = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(in_the_way >= 0);
	close(in_the_way);
	OK(fg_switch_start(&sw, &(struct fg_switch_options){
					.ports = (const char *const[]){NULL},
					.args = (const char *const[]){"--config", file, NULL}}));
	error = reload(&sw);
	assert_non_null(error);
	assert_non_null(strstr(json_string_value(error), path));
	json_decref(error);
	OK(unlink(path));
	assert_null(reload(&sw));
	await_served(path, true);
	free(scrape(path));
	assert_null(reload(&sw));
	OK(fg_switch_stop(&sw));
	unlink(file);
	rmdir(top);
}

/* As long as bpdu-guard has it closed. */
static void a_closed_port_is_told(void **state)
{
	static const uint8_t bpdu[60] = {0x01, 0x80, 0xc2, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 1, 0, 38, 0x42, 0x42, 3};
	struct guest *g;
	char options[512];
	double closed;

	snprintf(options, sizeof(options), ", \"socket\": \"%s\", \"bpdu-guard\": \"close\", \"bpdu-close-time\": 3600",
		 fg_switch_socket(&fixture.sw, "x"));
	ask_port_ok("add", "x", options);
	g = guest_run("x", NULL);
	OK(fg_nic_send(&g->nic, bpdu, sizeof(bpdu), NULL));
	for (int64_t end = fg_now_ms() + READ_MS;;) {
		char *text = scrape(socket_path);

		closed = port_sample(text, "vuswitch_port_closed", "port=\"x\"");
		assert_true(port_sample(text, "vuswitch_port_closed", "port=\"h0\"") == 0);
		free(text);
		if (closed == 1 || fg_now_ms() > end)
			break;
		poll(NULL, 0, 20);
	}
	assert_true(closed == 1);
	guest_close(g);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"x\"}\n");
}

/* In the ring of a guest that sends more than it may; slow as the machine is, some do. */
static void frames_that_wait_are_told(void **state)
{
	struct guest *x, *to = guest_run("h1", NULL);
	int64_t begun = fg_now_ms();
	char options[512];
	double waited;

	snprintf(options, sizeof(options), ", \"socket\": \"%s\", \"packets-from-vm\": 100, \"burst-from-vm\": 10",
		 fg_switch_socket(&fixture.sw, "x"));
	ask_port_ok("add", "x", options);
	x = guest_run("x", NULL);
	settle(x, to);
	do {
		char *text;

		assert_traffic(x, to, 8, 100);
		/* What is as old as that is not given again. */
		poll(NULL, 0, 200);
		text = scrape(socket_path);
		waited = port_sample(text, "vuswitch_queue_waited_seconds_total", "port=\"x\",queue=\"0\"");
		assert_true(port_sample(text, "vuswitch_queue_waited_seconds_total", "port=\"h1\",queue=\"0\"") == 0);
		free(text);
	} while (waited == 0 && fg_now_ms() < begun + READ_MS);
	if (waited <= 0 || waited * 1e3 > (double)(fg_now_ms() - begun))
		fail_msg("frames have waited %.3f s", waited);
	guest_close(x);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"x\"}\n");
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "h0,queues=4", "h1", NULL};
	const char *const args[] = {"--metrics", socket_path, NULL};
	const struct CMUnitTest cases[] = {
		TEST_CASE(they_are_what_vusctl_says),
		TEST_CASE(a_closed_port_is_told),
		TEST_CASE(frames_that_wait_are_told),
		TEST_CASE(waiting_is_measured),
		TEST_CASE(other_requests_are_answered),
		TEST_CASE(whatever_readers_do_nobody_notices),
		TEST_CASE(descriptors_that_are_sent_are_dropped),
		TEST_CASE(a_thousand_ports_cost_control_little),
		TEST_CASE(the_socket_has_its_rights_and_moves_with_a_reload),
		TEST_CASE(what_cannot_be_served_is_told_and_tried_again),
	};
	int failed;

	if (mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	snprintf(socket_path, sizeof(socket_path), "%s/metrics.sock", folder);
	fixture.with_victims = true;
	failed = fixture_main_on(&(struct fg_switch_options){.ports = ports, .args = args},
				 "metrics", CASES(cases));
	rmdir(folder);
	return failed;
}
