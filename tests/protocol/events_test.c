/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens is told to whoever listens (lib/monitor/monitor.h): each event with the fields that its row in the table names, to
 * each listener, and what a listener missed is counted exactly. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration.h"
#include "monitor.h"

enum { WAIT_MS = 5000, ADDRESSES = 64, ROUNDS = 80 };

/* A client that has asked for events. */
struct listener {
	FILE *stream;
	json_t *last; /* what next() has read */
};

static void listen_at(struct listener *listener, const char *control, const char *port)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	int fd = fg_socket_connect(control, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (port != NULL)
		dprintf(fd, "{\"command\": \"events\", \"port\": \"%s\"}\n", port);
	else
		dprintf(fd, "{\"command\": \"events\"}\n");
	*listener = (struct listener){.stream = fdopen(fd, "r")};
	assert_non_null(listener->stream);
}

static void listen_to(struct listener *listener, const char *port)
{
	listen_at(listener, fixture.sw.control, port);
}

static void hang_up(struct listener *listener)
{
	json_decref(listener->last);
	fclose(listener->stream);
}

static const struct monitor_spec *spec_of(const char *name)
{
	for (unsigned int i = 0; i < MONITOR_EVENTS; i++)
		if (strcmp(monitor_table[i].name, name) == 0)
			return &monitor_table[i];
	fail_msg("an event \"%s\" that is in no row of the table", name);
	return NULL;
}

static bool is_of_type(const json_t *value, const char *type)
{
	if (strcmp(type, "text") == 0)
		return json_is_string(value);
	if (strcmp(type, "flag") == 0)
		return json_is_boolean(value);
	return strcmp(type, "number") == 0 && json_is_number(value);
}

/* It has the fields that the table names, of their types, and no other. */
static void assert_as_in_table(const json_t *event)
{
	const struct monitor_spec *spec = spec_of(json_string_value(json_object_get(event, "event")));
	size_t fields = 2;

	assert_int_equal(strlen(json_string_value(json_object_get(event, "time"))), strlen("2026-11-29T22:50:01.123456Z"));
	assert_int_equal(json_is_string(json_object_get(event, "port")), spec->has_port);
	fields += spec->has_port;
	for (const struct monitor_field *field = spec->field; field->key != NULL; field++, fields++)
		if (!is_of_type(json_object_get(event, field->key), field->type))
			fail_msg("%s: no %s of type %s", spec->name, field->key, field->type);
	assert_int_equal(json_object_size(event), fields);
}

/* The next event, which is the listener's until the one after; NULL: none within WAIT_MS. */
static const json_t *next(struct listener *listener)
{
	char line[MONITOR_LINE_MAX];

	json_decref(listener->last);
	listener->last = NULL;
	if (fgets(line, sizeof(line), listener->stream) == NULL)
		return NULL;
	listener->last = json_loads(line, 0, NULL);
	assert_non_null(listener->last);
	assert_as_in_table(listener->last);
	return listener->last;
}

static bool is_about(const json_t *event, enum monitor_event kind, const char *port)
{
	const char *about = json_string_value(json_object_get(event, "port"));

	return strcmp(json_string_value(json_object_get(event, "event")), monitor_table[kind].name) == 0 &&
	       (port == NULL || (about != NULL && strcmp(about, port) == 0));
}

/* The next one of this kind, past others. */
static const json_t *await(struct listener *listener, enum monitor_event kind, const char *port)
{
	const json_t *event;

	while ((event = next(listener)) != NULL)
		if (is_about(event, kind, port))
			return event;
	fail_msg("no %s of %s", monitor_table[kind].name, port != NULL ? port : "any port");
	return NULL;
}

static const char *text_in(const json_t *event, const char *key)
{
	return json_string_value(json_object_get(event, key));
}

/* jansson's macros look at their argument more than once. */
static bool flag_in(const json_t *event, const char *key)
{
	return json_is_true(json_object_get(event, key));
}

static int64_t number_in(const json_t *event, const char *key)
{
	return (int64_t)json_number_value(json_object_get(event, key));
}

/* --- what is told ----------------------------------------------------------------------------------------------- */

static void front_end_comes_and_goes(void **state)
{
	struct listener all, one, other;
	const json_t *event;
	struct guest *g;

	(void)state;
	listen_to(&all, NULL);
	listen_to(&one, "h0");
	listen_to(&other, "h1");
	await(&all, MONITOR_LISTENING, NULL);
	await(&one, MONITOR_LISTENING, NULL);
	await(&other, MONITOR_LISTENING, NULL);
	g = guest_run("h0", NULL);
	event = await(&all, MONITOR_PEER_CONNECTED, "h0");
	assert_int_equal(number_in(event, "pid"), getpid());
	assert_int_equal(number_in(event, "uid"), getuid());
	assert_string_equal(text_in(event, "program"), "events_test");
	event = await(&all, MONITOR_MEMORY, "h0");
	assert_int_equal(number_in(event, "slots"), 1);
	assert_int_equal(number_in(event, "bytes"), GUEST_MEMORY);
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "up");
	guest_close(g);
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "down");
	await(&one, MONITOR_PEER_GONE, "h0");
	/* The third one hears of none of that. */
	hang_up(&all);
	hang_up(&one);
	g = guest_run("h1", NULL);
	event = next(&other);
	assert_true(is_about(event, MONITOR_PEER_CONNECTED, "h1"));
	guest_close(g);
	assert_true(flag_in(await(&other, MONITOR_PEER_GONE, "h1"), "orderly"));
	hang_up(&other);
}

static void ring_breaks(void **state)
{
	struct listener all;
	const json_t *event;
	struct guest *g = guest_run("h0", NULL);

	(void)state;
	listen_to(&all, "h0");
	await(&all, MONITOR_LISTENING, NULL);
	fg_ring_set_avail_idx(g->nic.tx, (uint16_t)(g->nic.tx->avail_idx - 1));
	fg_ring_kick_now(g->nic.tx);
	event = await(&all, MONITOR_RING_BROKEN, "h0");
	assert_int_equal(number_in(event, "ring"), 1);
	assert_true(strlen(text_in(event, "reason")) > 0);
	hang_up(&all);
	guest_close(g);
}

static void migration_begins_and_ends(void **state)
{
	struct listener all;
	struct guest *g = guest_run("h0", NULL);

	(void)state;
	listen_to(&all, "h0");
	await(&all, MONITOR_LISTENING, NULL);
	assert_int_equal(fg_log_begin(&g->s), 0);
	await(&all, MONITOR_MIGRATION_BEGUN, "h0");
	assert_int_equal(fg_send_features(&g->s), 0);
	await(&all, MONITOR_MIGRATION_ENDED, "h0");
	hang_up(&all);
	guest_close(g);
}

static void guest_arrives_by_postcopy(void **state)
{
	struct guest *peer = guest_run("h0", NULL);
	struct listener all;

	(void)state;
	listen_to(&all, "h1");
	await(&all, MONITOR_LISTENING, NULL);
	migration_arrive("h1", peer, NULL);
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h1"), "link"), "up");
	await(&all, MONITOR_POSTCOPY_BEGUN, "h1");
	migration_end();
	assert_true(flag_in(await(&all, MONITOR_POSTCOPY_ENDED, "h1"), "complete"));
	await_lanes(0);
	migration_abandon();
	migration_close();
	/* And one that does not get here. */
	migration_arrive("h1", peer, NULL);
	await(&all, MONITOR_POSTCOPY_BEGUN, "h1");
	migration_abandon();
	migration_close();
	assert_false(flag_in(await(&all, MONITOR_POSTCOPY_ENDED, "h1"), "complete"));
	hang_up(&all);
	guest_close(peer);
}

/* By a frame of spanning tree, for a second. */
static void port_is_closed_and_changed(void **state)
{
	static const uint8_t bpdu[60] = {0x01, 0x80, 0xc2, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 1, 0, 38, 0x42, 0x42, 3};
	struct listener all;
	const json_t *event;
	struct guest *g;
	char line[512];

	(void)state;
	snprintf(line, sizeof(line),
		 "{\"command\": \"port.add\", \"port\": {\"name\": \"x\", \"socket\": \"%s\", \"bpdu-guard\": \"close\", "
		 "\"bpdu-close-time\": 1}}\n",
		 fg_switch_socket(&fixture.sw, "x"));
	ask_ok(line);
	listen_to(&all, "x");
	g = guest_run("x", NULL);
	OK(fg_nic_send(&g->nic, bpdu, sizeof(bpdu), NULL));
	event = await(&all, MONITOR_PORT_CLOSED, "x");
	assert_string_equal(text_in(event, "by"), "bpdu-guard");
	assert_int_equal(number_in(event, "seconds"), 1);
	await(&all, MONITOR_PORT_OPENED, "x");
	/* And what a request changes. */
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"x\", \"bpdu-close-time\": 7}}\n");
	event = await(&all, MONITOR_PORT_CHANGED, "x");
	assert_string_equal(text_in(event, "what"), "changed");
	assert_string_equal(text_in(event, "text"), "port x: bpdu-close-time 1 -> 7: changed while it runs");
	assert_non_null(strstr(text_in(event, "by"), "process"));
	assert_int_equal(log_lines("port x: bpdu-close-time 1 -> 7: changed while it runs"), 1);
	hang_up(&all);
	guest_close(g);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"x\"}\n");
	listen_to(&all, NULL);
	ask_ok("{\"command\": \"bridge.add\", \"bridge\": {\"name\": \"lan\"}}\n");
	event = await(&all, MONITOR_CONFIG_CHANGE, NULL);
	assert_string_equal(text_in(event, "kind"), "bridge");
	assert_string_equal(text_in(event, "name"), "lan");
	assert_string_equal(text_in(event, "what"), "comes");
	hang_up(&all);
	ask_ok("{\"command\": \"bridge.remove\", \"name\": \"lan\"}\n");
}

/* Its front end takes back that an interrupt does not block, and fills it (interrupt_test). */
static void port_is_held_down(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 1};
	int call = a->s.ring[1].call;
	uint8_t frame[80];
	struct listener all;
	const json_t *event;

	(void)state;
	listen_to(&all, "h0");
	assert_traffic(a, b, 1, 100);
	OK(fcntl(call, F_SETFL, fcntl(call, F_GETFL) & ~O_NONBLOCK));
	eventfd_write(call, 1);
	OK(eventfd_read(call, &(eventfd_t){0}));
	OK(eventfd_write(call, 0xfffffffffffffffe));
	a->s.ring[1].avail->ring[a->s.ring[1].num] = a->s.ring[1].last_used;
	fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
	OK(fg_nic_send(&a->nic, frame, sizeof(frame), NULL));
	event = await(&all, MONITOR_PORT_HELD_DOWN, "h0");
	assert_true(json_number_value(json_object_get(event, "seconds")) > 0);
	assert_true(strlen(text_in(event, "reason")) > 0);
	event = await(&all, MONITOR_PEER_GONE, "h0");
	assert_false(flag_in(event, "orderly"));
	await(&all, MONITOR_PORT_LET_IN, "h0");
	hang_up(&all);
	guest_close(a);
	guest_close(b);
}

/* --- addresses, and a listener that does not read ---------------------------------------------------------------- */

/* Each of them speaks at this guest. */
static void speak(struct guest *g, unsigned int addresses)
{
	static const uint8_t nobody[6] = {0x02, 0xff, 0, 0, 0, 1};
	struct fg_flow flow = {.id = 7};

	for (unsigned int i = 0; i < addresses; i++) {
		const uint8_t mac[6] = {0x02, 0xee, 0, 0, 0, (uint8_t)i};
		uint8_t frame[80];

		fg_flow_build(&flow, nobody, mac, frame, sizeof(frame));
		OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
	}
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
}

static void address_moves(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct listener all;
	const json_t *event;

	(void)state;
	speak(a, 1);
	fg_sleep_us(QUIET_MS * 1000);
	listen_to(&all, NULL);
	await(&all, MONITOR_LISTENING, NULL);
	speak(b, 1);
	event = await(&all, MONITOR_MAC_MOVED, "h1");
	assert_string_equal(text_in(event, "mac"), "02:ee:00:00:00:00");
	assert_string_equal(text_in(event, "from"), "h0");
	assert_string_equal(text_in(event, "bridge"), "br0");
	hang_up(&all);
	guest_close(a);
	guest_close(b);
}

/* How many events this listener has heard or missed, until @total are reached. */
static uint64_t heard(struct listener *listener, uint64_t total, uint64_t *missed)
{
	const json_t *event;
	uint64_t n = 0;

	*missed = 0;
	while (n + *missed < total && (event = next(listener)) != NULL) {
		if (is_about(event, MONITOR_MISSED, NULL))
			*missed += (uint64_t)number_in(event, "count");
		else if (!is_about(event, MONITOR_LISTENING, NULL))
			n++;
	}
	return n + *missed;
}

/* The one that reads hears all; the other, which reads at the end, has missed as many as it is told, and goes on hearing. */
static void listener_does_not_read(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct listener reads, sleeps;
	uint64_t total = 0, missed;
	struct answers answers = {0};

	(void)state;
	listen_to(&reads, NULL);
	listen_to(&sleeps, NULL);
	await(&reads, MONITOR_LISTENING, NULL);
	fg_sleep_us(QUIET_MS * 1000);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct guest *speaker = i % 2 == 0 ? a : b;

		speak(speaker, ADDRESSES);
		for (unsigned int n = 0; i > 0 && n < ADDRESSES; total++)
			n += is_about(next(&reads), MONITOR_MAC_MOVED, speaker->port);
		ask_control(&fixture.sw, &answers);
	}
	/* The one that sleeps has heard of it all, or not: but it is not told of more than there was. */
	guest_close(a);
	while (!is_about(next(&reads), MONITOR_LINK, "h0"))
		total++;
	total++;
	assert_int_equal(heard(&sleeps, total, &missed), total);
	print_message("of %llu events %llu were missed; control's slowest answer took %.1f ms\n", (unsigned long long)total,
		      (unsigned long long)missed, answers.slowest_ms);
	assert_true(missed > 0 && missed < total);
	guest_close(b);
	assert_true(is_about(await(&sleeps, MONITOR_PEER_GONE, "h1"), MONITOR_PEER_GONE, "h1"));
	hang_up(&reads);
	hang_up(&sleeps);
}

/* --- configurations ---------------------------------------------------------------------------------------------- */

static void write_config(const char *path, const char *ports)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file, "bridges: [{name: br0}, {name: br7}]\nports:\n%s", ports);
	fclose(file);
}

static void configuration_changes(void **state)
{
	char top[] = "/tmp/events-XXXXXX", file[64], ports[512];
	struct fg_switch sw;
	struct listener all;
	const json_t *event;

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(file, sizeof(file), "%s/file.yaml", top);
	snprintf(ports, sizeof(ports), "  - {name: p0, type: vhost-user, socket: %s/p0}\n", top);
	write_config(file, ports);
	OK(fg_switch_start(&sw, &(struct fg_switch_options){.ports = (const char *const[]){NULL},
							     .args = (const char *const[]){"--config", file, NULL}}));
	listen_at(&all, sw.control, NULL);
	await(&all, MONITOR_LISTENING, NULL);
	snprintf(ports, sizeof(ports),
		 "  - {name: p1, type: vhost-user, bridge: br7, socket: %s/p1}\n"
		 "  - {name: p2, type: vhost-user, socket: %s/file.yaml/p2}\n"
		 "  - {name: n0, type: ethdev, device: net_null0}\n",
		 top, top);
	write_config(file, ports);
	kill(sw.pid, SIGHUP);
	event = await(&all, MONITOR_PORT_ADDED, "p1");
	assert_string_equal(text_in(event, "bridge"), "br7");
	assert_string_equal(text_in(event, "type"), "vhost-user");
	event = await(&all, MONITOR_CONFIG_CHANGED, NULL);
	assert_int_equal(number_in(event, "failed"), 1);
	assert_int_equal(number_in(event, "ports"), 2);
	hang_up(&all);

	listen_at(&all, sw.control, NULL);
	await(&all, MONITOR_LISTENING, NULL);
	kill(sw.pid, SIGHUP);
	assert_non_null(strstr(text_in(await(&all, MONITOR_PORT_FAILED, "p2"), "reason"), "p2"));
	write_config(file, "  - {name: n1, type: ethdev, device: net_null1}\n");
	kill(sw.pid, SIGHUP);
	await(&all, MONITOR_PORT_REMOVED, "p1");
	hang_up(&all);
	fg_switch_stop(&sw);
	unlink(file);
	rmdir(top);
}

static void set_link(const char *link)
{
	char line[96];

	snprintf(line, sizeof(line), "{\"command\": \"port.link\", \"name\": \"h0\", \"link\": \"%s\"}\n", link);
	json_decref(fg_switch_ask(&fixture.sw, line));
}

/* A link is up where a front end has it up and no request has set it down; what does not change is not told. */
static void a_request_sets_the_link(void **state)
{
	struct listener all;
	struct guest *g;

	(void)state;
	listen_to(&all, "h0");
	await(&all, MONITOR_LISTENING, NULL);
	set_link("down");
	set_link("up");
	g = guest_run("h0", NULL);
	/* The first of all. */
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "up");
	set_link("down");
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "down");
	set_link("up");
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "up");
	set_link("down");
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "down");
	guest_close(g);
	set_link("up");
	g = guest_run("h0", NULL);
	assert_string_equal(text_in(await(&all, MONITOR_LINK, "h0"), "link"), "up");
	hang_up(&all);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(front_end_comes_and_goes),
		TEST_CASE(ring_breaks),
		TEST_CASE(migration_begins_and_ends),
		MIGRATION_CASE(guest_arrives_by_postcopy),
		TEST_CASE(port_is_held_down),
		TEST_CASE(port_is_closed_and_changed),
		TEST_CASE(address_moves),
		TEST_CASE(listener_does_not_read),
		TEST_CASE(configuration_changes),
		TEST_CASE(a_request_sets_the_link),
	};

	return fixture_main("events", CASES(cases));
}
