/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture fixture;

struct guest *guest_blank(void)
{
	for (unsigned int i = 0; i < GUESTS; i++) {
		struct guest *g = &fixture.guest[i];

		if (g->open)
			continue;
		memset(g, 0, sizeof(*g));
		g->s.sock = -1;
		g->open = true;
		fg_memory_init(&g->mem);
		return g;
	}
	fail_msg("too many guests");
	return NULL;
}

struct guest *guest_idle(void)
{
	struct guest *g = guest_blank();

	assert_true(fg_memory_add(&g->mem, GUEST_GPA, GUEST_MEMORY) >= 0);
	return g;
}

/* The switch may not yet have seen that the guest before has gone; then it turns us away, as it
 * turns away any second connection, and we come again. */
void guest_connect(struct guest *g, const char *port, const struct fg_options *opt)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	int err;

	snprintf(g->port, sizeof(g->port), "%s", port);
	do {
		err = fg_session_open(&g->s, fg_switch_socket(&fixture.sw, port), &g->mem, opt);
		if (err == 0)
			return;
		for (unsigned int i = 0; i < g->mem.n; i++)
			g->mem.region[i].used = 0;
		fg_sleep_us(2000);
	} while (err == -ECONNRESET && fg_left_ms(deadline) > 0);
	fail_msg("%s: cannot connect: %s", port, strerror(-err));
}

struct guest *guest_open(const char *port, const struct fg_options *opt)
{
	struct guest *g = guest_idle();

	guest_connect(g, port, opt);
	return g;
}

struct guest *guest_open_on(int sock, const struct fg_options *opt)
{
	struct guest *g = guest_idle();

	OK(fg_session_open_on(&g->s, sock, &g->mem, opt));
	return g;
}

struct guest *guest_open_regions(const char *port, const struct fg_options *opt,
				 unsigned int regions)
{
	struct guest *g = guest_blank();

	for (unsigned int i = 0; i < regions; i++)
		assert_true(fg_memory_add(&g->mem, GUEST_GPA + i * (8ull << 20), 4 << 20) >= 0);
	guest_connect(g, port, opt);
	return g;
}

void guest_start(struct guest *g, const struct fg_nic_options *opt)
{
	static uint32_t serial;

	OK(fg_session_start(&g->s));
	OK(fg_nic_init(&g->nic, &g->s, 0, ++serial, opt));
	OK(fg_nic_fill(&g->nic));
}

struct guest *guest_run(const char *port, const struct fg_options *opt)
{
	struct guest *g = guest_open(port, opt);

	guest_start(g, NULL);
	return g;
}

void guest_close(struct guest *g)
{
	if (!g->open)
		return;
	fg_session_close(&g->s);
	fg_memory_fini(&g->mem);
	g->open = false;
}

static void expect_frame(struct guest *to, struct fg_flow *flow, unsigned int i, unsigned int n)
{
	static uint8_t got[FG_FRAME_MAX];
	int len;

	do { /* floods of others may come in between */
		len = fg_nic_recv(&to->nic, got, sizeof(got), FG_WAIT_MS);
		if (len < 0)
			fail_msg("%s: frame %u of %u: %s", to->port, i, n, strerror(-len));
	} while (!fg_flow_check(flow, got, (size_t)len));
}

void assert_traffic(struct guest *a, struct guest *b, unsigned int n, size_t len)
{
	static uint8_t frame[FG_FRAME_MAX];
	static uint32_t id;
	struct fg_flow flow = {.id = ++id};

	for (unsigned int i = 0; i < n; i++) {
		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, len);
		OK(fg_nic_send(&a->nic, frame, len, NULL));
		expect_frame(b, &flow, i, n);
	}
	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	assert_true(fg_flow_whole(&flow));
}

/* Whether the switch has learned where @g lives. The stand-in learns nothing. */
bool is_known(const struct guest *g)
{
	json_t *answer = fg_switch_query(&fixture.sw, "macs", NULL);
	const json_t *macs = json_object_get(answer, "macs");
	bool known = fixture.sw.stand_in;
	char text[18];
	const json_t *entry;
	size_t i;

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", g->nic.mac[0], g->nic.mac[1],
		 g->nic.mac[2], g->nic.mac[3], g->nic.mac[4], g->nic.mac[5]);
	json_array_foreach(macs, i, entry)
	{
		const char *mac = json_string_value(json_object_get(entry, "mac"));

		known = known || (mac != NULL && strcmp(mac, text) == 0);
	}
	json_decref(answer);
	return known;
}

void await_known(const struct guest *g)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (!is_known(g)) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(2000);
	}
}

void settle(struct guest *g, struct guest *peer)
{
	struct fg_flow flow = {.id = 1};
	uint8_t frame[FG_FLOW_MIN];

	fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
	OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
	expect_frame(peer, &(struct fg_flow){.id = 1}, 0, 1);
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	await_known(g);
}

void guest_restart(struct guest *g)
{
	OK(fg_session_stop(&g->s));
	OK(fg_send_features(&g->s));
	for (unsigned int i = 0; i < g->s.n_rings; i++) {
		fg_ring_reset(&g->s.ring[i], g->s.ring[i].event_idx);
		OK(fg_start_ring(&g->s, i, 0));
	}
	OK(fg_barrier(&g->s));
	OK(fg_nic_fill(&g->nic));
}

enum outcome outcome_of(struct fg_ring *r)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS / 2);
	uint16_t used = r->last_used;

	do {
		if (fg_ring_error(r, 1))
			return F_BROKEN;
		if (fg_ring_used_idx(r) != used)
			return F_RETURNED;
	} while (fg_left_ms(deadline) > 0);
	return F_STUCK;
}

void assert_silence(struct guest *g)
{
	uint8_t frame[2048];
	int len = fg_nic_recv(&g->nic, frame, sizeof(frame), 0);

	if (len != -ETIMEDOUT)
		fail_msg("%s received %d bytes that were never sent", g->port, len);
}

static enum verdict receive_verdict(struct fg_session *s, const struct fg_msg *m)
{
	struct fg_msg answer;
	int err = fg_wire_recv(s->sock, &answer, NULL, FG_WAIT_MS);

	if (err == -ETIMEDOUT)
		return V_SILENT;
	if (err < 0)
		return V_CLOSED;
	if (answer.request != m->request || answer.flags != (FG_VERSION | FG_REPLY))
		fail_msg("request %u answered by %u, flags 0x%x", m->request, answer.request,
			 answer.flags);
	switch (m->request) {
	case FG_GET_FEATURES:
	case FG_GET_PROTOCOL_FEATURES:
	case FG_GET_QUEUE_NUM:
	case FG_GET_VRING_BASE:
	case FG_GET_MAX_MEM_SLOTS:
	case FG_GET_STATUS:
		return V_OK;
	default:
		return answer.size == 8 && answer.u64 == 0 ? V_OK : V_REFUSED;
	}
}

enum verdict verdict_of(struct fg_session *s, struct fg_msg *m, const int *fds, unsigned int n_fds)
{
	if (m->flags == 0)
		m->flags = FG_VERSION | FG_NEED_REPLY;
	if (fg_wire_send(s->sock, m, fds, n_fds) < 0)
		return V_CLOSED;
	return receive_verdict(s, m);
}

enum verdict verdict_of_u64(struct fg_session *s, uint32_t request, uint64_t value)
{
	struct fg_msg m = {.request = request, .size = 8, .u64 = value};

	return verdict_of(s, &m, NULL, 0);
}

enum verdict verdict_of_state(struct fg_session *s, uint32_t request, uint32_t index, uint32_t num)
{
	struct fg_msg m = {.request = request, .size = 8, .state = {.index = index, .num = num}};

	return verdict_of(s, &m, NULL, 0);
}

bool is_connected(const char *port)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	bool connected = json_is_true(json_object_get(json_object_get(answer, "port"), "connected"));

	json_decref(answer);
	return connected;
}

unsigned int log_lines_of(const struct fg_switch *sw, const char *words)
{
	FILE *f = fopen(sw->log, "r");
	char line[1024];
	unsigned int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, words) != NULL;
	fclose(f);
	return n;
}

unsigned int log_lines(const char *words)
{
	return log_lines_of(&fixture.sw, words);
}

void assert_last_error(const char *port, const char *words)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const char *error = json_string_value(json_object_get(json_object_get(answer, "port"), "last_error"));
	char text[200];

	snprintf(text, sizeof(text), "%s", error != NULL ? error : "(none)");
	json_decref(answer);
	print_message("%s: %s\n", port, text);
	if (strstr(text, words) == NULL)
		fail_msg("%s gives as its last error: %s, not \"%s\"", port, text, words);
}

void assert_no(enum verdict v, const char *what)
{
	if (v != V_REFUSED && v != V_CLOSED)
		fail_msg("%s: %s", what, v == V_OK ? "was accepted" : "got no answer");
}

void assert_yes(enum verdict v, const char *what)
{
	if (v != V_OK)
		fail_msg("%s: %s", what,
			 v == V_REFUSED	 ? "was refused"
			 : v == V_CLOSED ? "was hung up on"
					 : "got no answer");
}

static bool uses_as_much_as(const struct fg_usage *then, unsigned int fewer, struct fg_usage *now)
{
	OK(fg_switch_usage(&fixture.sw, now));
	return now->fds <= then->fds && now->fds + fewer >= then->fds &&
	       now->guest_maps == then->guest_maps && now->guest_bytes == then->guest_bytes;
}

static void await_held(const struct fg_usage *then, unsigned int fewer)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct fg_usage now;

	while (!uses_as_much_as(then, fewer, &now)) {
		if (fg_left_ms(deadline) == 0)
			fail_msg("held: %u descriptors (before: %u), %u guest mappings (%u)",
				 now.fds, then->fds, now.guest_maps, then->guest_maps);
		fg_sleep_us(5000);
	}
}

void assert_nothing_held(void)
{
	await_held(&fixture.before, 0);
}

void assert_held_as(const struct fg_usage *then, unsigned int fewer)
{
	struct fg_usage now;

	await_held(then, fewer);
	OK(fg_switch_usage(&fixture.sw, &now));
	if (!now.sanitizer && now.rss_kib > then->rss_kib + 1024)
		fail_msg("RSS grew from %llu to %llu KiB", (unsigned long long)then->rss_kib,
			 (unsigned long long)now.rss_kib);
}

/* For how long the victims get nothing while nobody attacks: what the machine makes of it. */
static int fixture_measure_quiet(void)
{
	int err = fg_victims_run(&fixture.victims);

	if (err < 0)
		return err;
	fg_sleep_us(QUIET_MS * 1000);
	err = fg_victims_pause(&fixture.victims);
	fixture.quiet_us = fixture.victims.longest_us;
	fixture.quiet_own_us = fixture.victims.longest_own_us;
	return err;
}

static int fixture_start(void **state)
{
	if (fg_switch_start(&fixture.sw, &fixture.opt) < 0)
		return -1;
	if (!fixture.with_victims)
		return 0;
	if (fg_victims_start(&fixture.victims, &fixture.sw, "v0", "v1") < 0)
		return -1;
	return fixture_measure_quiet();
}

static int fixture_stop(void **state)
{
	fg_victims_stop(&fixture.victims);
	return fg_switch_stop(&fixture.sw);
}

int fixture_open(void **state)
{
	if (!fg_switch_alive(&fixture.sw)) { /* the test case before killed it: this one is to be told all
					      the same */
		fixture_stop(state);
		OK(fixture_start(state));
	}
	fg_victims_pause(&fixture.victims); /* a check that failed left them running */
	for (unsigned int i = 0; i < GUESTS; i++)
		guest_close(&fixture.guest[i]);
	fg_switch_settle(&fixture.sw);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
	return fixture.with_victims ? fg_victims_run(&fixture.victims) : 0;
}

/* The control thread has nothing to wait for, so it answers at once; the bound allows for starting
 * a process on a busy machine. */
static void assert_control_answers(void)
{
	int64_t began = fg_now_ms();
	json_t *answer;

	if (fixture.sw.stand_in)
		return;
	answer = fg_switch_query(&fixture.sw, "ports", NULL);
	assert_non_null(answer);
	json_decref(answer);
	assert_true(fg_now_ms() - began < FG_STALL_MS);
}

void tell_gaps(const struct fg_victims *victims, uint64_t quiet_us, uint64_t quiet_own_us)
{
	print_message("victims: longest gap %.1f ms, %.1f when quiet; without waiting for a CPU %.1f ms, %.1f when quiet\n",
		      (double)victims->longest_us / 1e3, (double)quiet_us / 1e3, (double)victims->longest_own_us / 1e3,
		      (double)quiet_own_us / 1e3);
}

int fixture_check(void **state)
{
	struct guest *a, *b;
	int err;

	assert_true(fg_switch_alive(&fixture.sw));
	assert_control_answers();
	for (unsigned int i = 0; i < GUESTS; i++)
		guest_close(&fixture.guest[i]);
	assert_nothing_held();
	if (!fixture.with_victims)
		return 0;
	a = guest_run("h0", NULL);
	b = guest_run("h1", NULL);
	assert_traffic(a, b, 3, 100);
	assert_traffic(b, a, 3, 1514);
	guest_close(a);
	guest_close(b);
	assert_nothing_held();
	err = fg_victims_pause(&fixture.victims);
	tell_gaps(&fixture.victims, fixture.quiet_us, fixture.quiet_own_us);
	return err;
}

void ask_ok(const char *line)
{
	json_t *answer = fg_switch_ask(&fixture.sw, line);

	if (answer == NULL || json_object_get(answer, "error") != NULL)
		fail_msg("%s: %s", line, answer != NULL ? json_string_value(json_object_get(answer, "error")) : "no answer");
	json_decref(answer);
}

void ask_port_ok(const char *what, const char *port, const char *options)
{
	char line[768];

	snprintf(line, sizeof(line), "{\"command\": \"port.%s\", \"port\": {\"name\": \"%s\"%s}}\n", what, port, options);
	ask_ok(line);
}

static void keep_most(double *most, double ms)
{
	*most = ms > *most ? ms : *most;
}

void ask_control(const struct fg_switch *sw, struct answers *answers)
{
	double we = fg_cpu_of(getpid()).waited_ms, control = fg_cpu_of(sw->pid).waited_ms, ms;
	uint64_t from = fg_now_us();
	json_t *answer = fg_switch_query(sw, "ports", NULL);

	ms = (double)(fg_now_us() - from) / 1e3;
	if (answer == NULL)
		fail_msg("the control socket does not answer");
	json_decref(answer);
	keep_most(&answers->slowest_ms, ms);
	keep_most(&answers->own_ms, ms - (fg_cpu_of(sw->pid).waited_ms - control) - (fg_cpu_of(getpid()).waited_ms - we));
}

void assert_control_keeps_answering(const struct fg_switch *sw, unsigned int watched_ms)
{
	uint64_t end = fg_now_us() + watched_ms * 1000ull;
	struct answers answers = {0};

	while (fg_now_us() < end) {
		ask_control(sw, &answers);
		fg_sleep_us(10000);
	}
	print_message("slowest answer %.1f ms, %.1f ms without waiting for a CPU\n", answers.slowest_ms, answers.own_ms);
	if (answers.own_ms > ANSWER_MS)
		fail_msg("the control socket answered after %.1f ms", answers.own_ms);
}

int fixture_main_on(const struct fg_switch_options *opt, const char *name,
		  const struct CMUnitTest *cases, size_t n)
{
	const char *only = getenv("TEST_CASE"), *limit = getenv("FIXTURE_LIMIT_S");

	fixture.opt = *opt;
	if (only != NULL)
		cmocka_set_test_filter(only);
	alarm(limit != NULL ? (unsigned int)strtoul(limit, NULL, 10) : FIXTURE_LIMIT_S);
	return _cmocka_run_group_tests(name, cases, n, fixture_start, fixture_stop);
}

int fixture_main_with_file(const char *text, const struct fg_switch_options *opt, const char *name,
			   const struct CMUnitTest *cases, size_t n)
{
	enum { ARGS_MAX = 8 };
	char file[] = "/tmp/fixture-XXXXXX";
	const char *args[ARGS_MAX + 3] = {"--config", file};
	struct fg_switch_options with_file = *opt;
	int fd = mkstemp(file), result;

	for (int i = 0; i < ARGS_MAX && opt->args != NULL && opt->args[i] != NULL; i++)
		args[2 + i] = opt->args[i];
	with_file.args = args;
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return 1;
	close(fd);
	result = fixture_main_on(&with_file, name, cases, n);
	unlink(file);
	return result;
}

int fixture_main(const char *name, const struct CMUnitTest *cases, size_t n)
{
	static const char *const ports[] = {"v0", "v1", "h0,queues=4", "h1", NULL};

	fixture.with_victims = true;
	return fixture_main_on(&(struct fg_switch_options){.ports = ports}, name, cases, n);
}
