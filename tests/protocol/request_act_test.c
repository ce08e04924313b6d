/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that change the running switch, and nothing of its configuration: the link of a port, addresses that are forgotten, a
 * queue that stays at an lcore, and what the log says. */
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "log.h"
#include "requester.h"

/* What `port NAME` has. The caller's, but only until it asks again. */
static json_t *port_now(const char *name)
{
	static json_t *reply;

	json_decref(reply);
	reply = fg_switch_query(&fixture.sw, "port", name);
	return json_object_get(reply, "port");
}

static const char *link_of(const char *name)
{
	return json_string_value(json_object_get(port_now(name), "link"));
}

static void a_link_that_is_down(void **state)
{
	uint8_t frame[60] = {2, 0, 0, 0, 0, 0x77};
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct client client = client_open();
	struct account a0;
	uint8_t got[2048];

	memcpy(frame + 6, a->nic.mac, 6);
	settle(a, b);
	settle(b, a);
	expect(&client, "changed", "frames go neither way",
	       "{'command': 'port.link', 'name': 'h0', 'link': 'down', 'dry-run': true}");
	assert_string_equal(link_of("h0"), "up");
	expect(&client, "changed", "frames go neither way", "{'command': 'port.link', 'name': 'h0', 'link': 'down'}");
	expect(&client, "same", "[]", "{'command': 'port.link', 'name': 'h0', 'link': 'down'}");
	assert_string_equal(link_of("h0"), "down");
	assert_string_equal(json_string_value(json_object_get(port_now("h0"), "link_set")), "down");
	assert_true(json_is_true(json_object_get(port_now("h0"), "connected")));
	read_account("h0", &a0);
	/* What its guest sends stays in the ring; what is for it is flooded, as to one that is not there. */
	for (int i = 0; i < 5; i++)
		OK(fg_nic_queue(&a->nic, frame, sizeof(frame), NULL));
	fg_nic_flush(&a->nic);
	send_raw(b, a->nic.mac, b->nic.mac, 7, 100);
	assert_silence(a);
	assert_silence(b);
	expect_account("h0", &a0, &(struct account){0});
	/* A reload, or another change of it, leaves it down. */
	expect(&client, "same", "[]", "{'command': 'reload'}");
	assert_string_equal(link_of("h0"), "down");
	expect(&client, "changed", "link down -> up", "{'command': 'port.link', 'name': 'h0', 'link': 'up'}");
	assert_string_equal(link_of("h0"), "up");
	expect_account("h0", &a0, &(struct account){.rx_ok = 5});
	for (int i = 0; i < 5; i++)
		assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), sizeof(frame));
	settle(a, b);
	settle(b, a);
	assert_traffic(a, b, 20, 1500);
	assert_traffic(b, a, 20, 1500);
	client_close(&client);
}

static void it_is_the_names(void **state)
{
	struct client client = client_open();

	expect(&client, "changed", "comes",
	       "{'command': 'port.add', 'port': {'name': 'p', 'type': 'vhost-user', 'socket': '@/p'}}");
	expect(&client, "changed", "link up -> down", "{'command': 'port.link', 'name': 'p', 'link': 'down'}");
	expect(&client, "changed", "queues 1 -> 2", "{'command': 'port.set', 'port': {'name': 'p', 'queues': 2}}");
	assert_string_equal(json_string_value(json_object_get(port_now("p"), "link_set")), "down");
	expect(&client, "changed", "isolated", "{'command': 'port.set', 'port': {'name': 'p', 'isolated': true}}");
	expect(&client, "changed", "goes", "{'command': 'port.remove', 'name': 'p'}");
	expect(&client, "changed", "comes",
	       "{'command': 'port.add', 'port': {'name': 'p', 'type': 'vhost-user', 'socket': '@/p'}}");
	assert_null(json_object_get(port_now("p"), "link_set"));
	clean(&client);
	/* A port that could not be made is nowhere but in the configuration. */
	write_file("ports:\n- {name: q, type: ethdev, device: net_nope0}\n");
	expect(&client, "failed", "no DPDK driver of this name", "{'command': 'reload'}");
	expect(&client, "changed", "link up -> down", "{'command': 'port.link', 'name': 'q', 'link': 'down'}");
	clean(&client);
	expect(&client, "changed", "comes",
	       "{'command': 'port.add', 'port': {'name': 'q', 'type': 'vhost-user', 'socket': '@/q'}}");
	assert_null(json_object_get(port_now("q"), "link_set"));
	clean(&client);
	client_close(&client);
}

static void wrong_ones(void **state)
{
	static const struct {
		const char *verdict, *words, *request;
	} rows[] = {
		{"not-found", "there is no port p; `vusctl ports` lists them",
		 "{'command': 'port.link', 'name': 'p', 'link': 'down'}"},
		{"invalid", "use up or down", "{'command': 'port.link', 'name': 'h0', 'link': 'off'}"},
		{"invalid", "no \"link\"", "{'command': 'port.link', 'name': 'h0'}"},
		{"invalid", "there are name, link, command", "{'command': 'port.link', 'name': 'h0', 'link': 'up', 'force': 1}"},
		{"invalid", "whose addresses", "{'command': 'macs.flush'}"},
		{"invalid", "whose addresses", "{'command': 'macs.flush', 'port': 'h0', 'bridge': 'br0'}"},
		{"not-found", "there is no bridge none; `vusctl bridges` lists them",
		 "{'command': 'macs.flush', 'bridge': 'none'}"},
		{"not-found", "there is no bridge br0x; did you mean br0?", "{'command': 'macs.flush', 'bridge': 'br0x'}"},
		{"not-found", "there is no port none", "{'command': 'macs.flush', 'port': 'none'}"},
		{"not-found", "no lcore 77", "{'command': 'queue.pin', 'port': 'h0', 'queue': 0, 'lcore': 77}"},
		{"invalid", "out of range", "{'command': 'queue.pin', 'port': 'h0', 'queue': 300, 'lcore': 1}"},
		{"invalid", "has to be a number", "{'command': 'queue.pin', 'port': 'h0', 'queue': 'x', 'lcore': 1}"},
		{"invalid", "has to be a number", "{'command': 'queue.pin', 'port': 'h0', 'queue': 0}"},
		{"not-found", "there is no port none", "{'command': 'queue.unpin', 'port': 'none', 'queue': 0}"},
		{"same", "[]", "{'command': 'queue.unpin', 'port': 'h0', 'queue': 0}"},
		{"invalid", "use error, warning, info or debug", "{'command': 'log.level', 'level': 'loud'}"},
		{"invalid", "no \"level\"", "{'command': 'log.level', 'topic': 'h0'}"},
		{"not-found", "there is no topic loud; there are the names of ports and of bridges, and control,",
		 "{'command': 'log.level', 'topic': 'loud', 'level': 'warning'}"},
		{"not-found", "port h0 has no queue 1; its queues are 0 to 0",
		 "{'command': 'queue.pin', 'port': 'h0', 'queue': 1, 'lcore': 1}"},
		{"not-found", "port h0 has no queue 1", "{'command': 'queue.unpin', 'port': 'h0', 'queue': 1}"},
		{"same", "[]", "{'command': 'log.level', 'topic': 'h0', 'level': 'info'}"},
	};
	struct client client = client_open();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strchr(rows[i].words, '"') == NULL)
			expect(&client, rows[i].verdict, rows[i].words, rows[i].request);
		else
			expect(&client, rows[i].verdict, "the request has no", rows[i].request);
	client_close(&client);
}

static int addresses_at(const char *port)
{
	json_t *reply = fg_switch_query(&fixture.sw, "macs", NULL);
	const json_t *mac;
	int n = 0;
	size_t i;

	json_array_foreach(json_object_get(reply, "macs"), i, mac)
		n += strcmp(json_string_value(json_object_get(mac, "port")), port) == 0;
	json_decref(reply);
	return n;
}

static void addresses_are_forgotten(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct client client = client_open();

	settle(a, b);
	settle(b, a);
	assert_int_equal(addresses_at("h0"), 1);
	expect(&client, "changed", "are forgotten", "{'command': 'macs.flush', 'port': 'h0', 'dry-run': true}");
	assert_int_equal(addresses_at("h0"), 1);
	expect(&client, "changed", "addresses forgotten: 1", "{'command': 'macs.flush', 'port': 'h0'}");
	expect(&client, "same", "[]", "{'command': 'macs.flush', 'port': 'h0'}");
	assert_int_equal(addresses_at("h0"), 0);
	assert_int_equal(addresses_at("h1"), 1);
	expect(&client, "changed", "bridge br1", "{'command': 'macs.flush', 'bridge': 'br1'}");
	assert_int_equal(addresses_at("h1"), 0);
	client_close(&client);
}

static int lcore_of(const char *port, bool *pinned)
{
	const json_t *queue = json_array_get(json_object_get(port_now(port), "rx_queues"), 0);

	*pinned = json_is_true(json_object_get(queue, "pinned"));
	return (int)json_integer_value(json_object_get(queue, "lcore"));
}

static void await_lcore(const char *port, int lcore, bool pinned)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	bool is_pinned;

	while (lcore_of(port, &is_pinned) != lcore || is_pinned != pinned) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(5000);
	}
}

static void a_queue_stays(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct client client = client_open();

	for (int lcore = 1; lcore <= 2; lcore++) {
		char text[128];

		snprintf(text, sizeof(text), "{'command': 'queue.pin', 'port': 'h0', 'queue': 0, 'lcore': %d}", lcore);
		expect(&client, "changed", "stays at lcore", text);
		expect(&client, "same", "[]", text);
		await_lcore("h0", lcore, true);
		settle(a, b);
		settle(b, a);
		assert_traffic(a, b, 20, 1500);
	}
	/* Another guest at the port begins there. */
	guest_close(a);
	a = guest_run("h0", NULL);
	settle(a, b);
	await_lcore("h0", 2, true);
	expect(&client, "changed", "may move again", "{'command': 'queue.unpin', 'port': 'h0', 'queue': 0}");
	await_lcore("h0", 2, false);
	client_close(&client);
}

static void a_topic_is_silent(void **state)
{
	static const char add[] =
		"{'command': 'port.ensure', 'port': {'name': 'loud', 'type': 'vhost-user', 'socket': '@/loud'}}";
	struct client client = client_open();

	expect(&client, "changed", "comes", add);
	assert_int_equal(log_lines(" loud: port vhost-user"), 1);
	expect(&client, "changed", "info -> warning", "{'command': 'log.level', 'topic': 'loud', 'level': 'warning'}");
	/* As long as the configuration has one of this name; and its last line is still its. */
	expect(&client, "changed", "queues 1 -> 2", "{'command': 'port.set', 'port': {'name': 'loud', 'queues': 2}}");
	expect(&client, "changed", "goes", "{'command': 'port.remove', 'name': 'loud'}");
	assert_int_equal(log_lines(" loud: port "), 1);
	expect(&client, "changed", "comes", add);
	assert_int_equal(log_lines(" loud: port vhost-user"), 2);
	expect(&client, "changed", "log: info -> error", "{'command': 'log.level', 'level': 'error'}");
	expect(&client, "changed", "goes", "{'command': 'port.remove', 'name': 'loud'}");
	assert_int_equal(log_lines(" loud: port removed"), 0);
	expect(&client, "changed", "log: error -> info", "{'command': 'log.level', 'level': 'info'}");
	expect(&client, "changed", "info -> debug", "{'command': 'log.level', 'topic': 'vuswitch', 'level': 'debug'}");
	expect(&client, "changed", "debug -> info", "{'command': 'log.level', 'topic': 'vuswitch', 'level': 'info'}");
	clean(&client);
	client_close(&client);
}

/* However many have come and gone: a level is no longer there than the port or the bridge. */
static void levels_are_forgotten(void **state)
{
	struct client client = client_open();

	for (int i = 0; i < LOG_TOPICS_MAX + 6; i++) {
		bool port = i % 2 == 0;
		const char *kind = port ? "port" : "bridge";
		const char *more = port ? ", 'type': 'vhost-user', 'socket': '@/t'" : "";
		char text[256];

		snprintf(text, sizeof(text), "{'command': '%s.add', '%s': {'name': 't%d'%s}}", kind, kind, i, more);
		expect(&client, "changed", "comes", text);
		snprintf(text, sizeof(text), "{'command': 'log.level', 'topic': 't%d', 'level': 'debug'}", i);
		expect(&client, "changed", "info -> debug", text);
		snprintf(text, sizeof(text), "{'command': '%s.remove', 'name': 't%d'}", kind, i);
		expect(&client, "changed", "goes", text);
	}
	client_close(&client);
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "h0,bridge=br1", "h1,bridge=br1", NULL};
	const char *const args[] = {"--config", requester_begin(), "--rebalance", "off", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args, .lcores = "0@0,1@0,2@1"};
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_link_that_is_down),
		TEST_CASE(it_is_the_names),
		TEST_CASE(wrong_ones),
		TEST_CASE(addresses_are_forgotten),
		TEST_CASE(a_queue_stays),
		TEST_CASE(a_topic_is_silent),
		TEST_CASE(levels_are_forgotten),
	};
	int failed = fixture_main_on(&opt, "request_act", CASES(cases));

	return requester_end() != 0 || failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
