/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters from the option to the counter: headers cut anywhere into descriptors, rings of both formats, frames that are made to
 * pass by being odd, a victim beside, and lists that change while the guest runs.
 */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fg_packet.h"

static const char *const ports[] = {
	"h0,queues=4,bridge=br1",
	"h1,bridge=br1",
	"v0,bridge=br1",
	"v1,bridge=br1",
	"a,filter-from-vm=deny tcp dst port 25; allow not tcp[100] = 1; deny ether[400] = 7; allow",
	"b,filter-to-vm=deny udp dst port 53; allow",
	"c",
	"p,bridge=br2,access=10,filter-from-vm=deny vlan; allow",
	"t,bridge=br2,trunk=10,filter-to-vm=allow vlan 10 and tcp; deny",
	NULL,
};
static const struct fg_options split = {.features = FG_FEATURES_DEFAULT};
static const struct fg_options packed = {.features = FG_FEATURES_DEFAULT | FG_F_PACKED};

/* The ports of TCP and UDP lie in a descriptor of their own, or in two. */
static const struct fg_layout in_pieces = {.name = "in pieces", .n = 4, .len = {26, 22, 3, 900}};
static const struct fg_layout bytewise = {.name = "bytewise", .n = 9, .len = {24, 2, 1, 19, 1, 1, 1, 1, 900}};
static const struct fg_layout *const layouts[] = {&fg_layout_one, &fg_layout_two, &fg_layout_indirect, &in_pieces, &bytewise};
enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];

/* A packet of TCP or UDP to a port; with the options of IP that are asked for. */
static uint32_t make(const struct guest *g, bool udp, uint16_t port, unsigned int ip_more, uint32_t payload)
{
	const struct fg_packet packet = {.udp = udp, .ip_more = ip_more, .payload = payload, .seed = 3};
	struct fg_vnet header;
	uint32_t len = fg_packet_build(&packet, everybody, g->nic.mac, frame, &header), at = 14 + 20 + ip_more + 2;

	frame[at] = (uint8_t)(port >> 8);
	frame[at + 1] = (uint8_t)port;
	return len;
}

static void send_frame(struct guest *g, uint32_t len, const struct fg_layout *layout)
{
	OK(fg_nic_send(&g->nic, frame, len, layout));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
}

static void receive_frame(struct guest *g, uint32_t len)
{
	assert_int_equal(fg_nic_recv(&g->nic, got, sizeof(got), FG_WAIT_MS), len);
	assert_memory_equal(got, frame, len);
}

/* --- the way through --------------------------------------------------------------------------------------------- */

static void what_is_denied_does_not_pass(const struct fg_options *opt)
{
	struct guest *a = guest_run("a", opt), *b = guest_run("b", opt), *c = guest_run("c", opt);
	struct account a0, b0;
	uint32_t len;

	read_account("a", &a0);
	read_account("b", &b0);
	for (unsigned int i = 0; i < 4 * LAYOUTS; i++) {
		const struct fg_layout *layout = layouts[i % LAYOUTS];
		unsigned int options = 8 * (i / LAYOUTS);

		len = make(a, false, 25, options, 40);
		send_frame(a, len, layout);
		/* One that passes, so that it would be seen what came before. */
		len = make(a, false, 26, options, 20);
		send_frame(a, len, layout);
		receive_frame(b, len);
		receive_frame(c, len);
		len = make(a, true, 53, options, 40);
		send_frame(a, len, layout);
		receive_frame(c, len);
	}
	expect_account("a", &a0,
		       &(struct account){.rx_ok = 8 * LAYOUTS, .copies = 8 * LAYOUTS, .rx_drop[RX_DROP_FILTER] = 4 * LAYOUTS});
	expect_account("b", &b0, &(struct account){.tx_ok = 4 * LAYOUTS, .tx_drop[TX_DROP_FILTER] = 4 * LAYOUTS});
	assert_silence(b);
	assert_silence(c);
}

static void split_rings(void **state)
{
	what_is_denied_does_not_pass(&split);
}

static void packed_rings(void **state)
{
	what_is_denied_does_not_pass(&packed);
}

/* Longer than the head, and a rule asks beyond it: neither `not` nor `deny` lets it pass. A short frame has no such byte. */
static void what_is_not_known_does_not_pass(void **state)
{
	struct guest *a = guest_run("a", NULL), *c = guest_run("c", NULL);
	struct account a0;
	uint32_t len;

	read_account("a", &a0);
	for (unsigned int i = 0; i < LAYOUTS; i++) {
		send_frame(a, make(a, false, 26, 0, 600), layouts[i]);
		send_frame(a, make(a, false, 25, 0, 600), layouts[i]);
		/* It is not asked for the byte. */
		len = make(a, true, 99, 0, 600);
		send_frame(a, len, layouts[i]);
		receive_frame(c, len);
		len = make(a, false, 26, 0, 20);
		send_frame(a, len, layouts[i]);
		receive_frame(c, len);
	}
	expect_account("a", &a0,
		       &(struct account){.rx_ok = 2 * LAYOUTS,
					 .copies = 2 * LAYOUTS,
					 .rx_drop[RX_DROP_FILTER_UNKNOWN] = LAYOUTS,
					 .rx_drop[RX_DROP_FILTER] = LAYOUTS});
	assert_silence(c);
}

/* An access port's frames have no tag, a trunk's do. */
static void each_port_has_its_own_form(void **state)
{
	struct guest *p = guest_run("p", NULL), *t = guest_run("t", NULL);
	struct account p0, t0;
	uint32_t len = make(p, false, 80, 0, 40);

	read_account("p", &p0);
	read_account("t", &t0);
	send_frame(p, len, &in_pieces);
	assert_int_equal(fg_nic_recv(&t->nic, got, sizeof(got), FG_WAIT_MS), len + 4);
	assert_memory_equal(got + 12, "\x81\x00\x00\x0a", 4);
	send_frame(p, make(p, true, 80, 0, 40), &bytewise);
	expect_account("t", &t0, &(struct account){.tx_ok = 1, .tx_drop[TX_DROP_FILTER] = 1});
	/* With a tag that only has a priority. */
	len = make(p, false, 80, 0, 40);
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, "\x81\x00\xa0\x00", 4);
	send_frame(p, len + 4, &in_pieces);
	expect_account("p", &p0, &(struct account){.rx_ok = 2, .rx_drop[RX_DROP_FILTER] = 1});
	assert_silence(t);
}

/* --- what control does ------------------------------------------------------------------------------------------- */

static json_t *rules_of(const char *port)
{
	char line[80];
	json_t *answer, *rules;

	snprintf(line, sizeof(line), "{\"command\": \"filters\", \"name\": \"%s\"}\n", port);
	answer = fg_switch_ask(&fixture.sw, line);
	rules = json_incref(json_object_get(answer, "filters"));
	json_decref(answer);
	return rules;
}

static void expect_rule(const char *port, size_t i, const char *direction, const char *words, int frames, int unknown)
{
	json_t *rules = rules_of(port), *rule = json_array_get(rules, i);

	assert_non_null(rule);
	assert_string_equal(json_string_value(json_object_get(rule, "direction")), direction);
	assert_string_equal(json_string_value(json_object_get(rule, "text")), words);
	assert_int_equal(json_integer_value(json_object_get(rule, "frames")), frames);
	assert_int_equal(json_integer_value(json_object_get(rule, "unknown")), unknown);
	json_decref(rules);
}

/* NULL: it was done; else the error, which the caller frees. */
static char *set_filter(const char *what, const char *more)
{
	char line[512];
	json_t *answer;
	char *error;

	snprintf(line, sizeof(line), "{\"command\": \"port.%s\", \"port\": {\"name\": \"x\"%s}}\n", what, more);
	answer = fg_switch_ask(&fixture.sw, line);
	assert_non_null(answer);
	error = json_object_get(answer, "error") != NULL ? strdup(json_string_value(json_object_get(answer, "error"))) : NULL;
	json_decref(answer);
	return error;
}

/* The guest keeps its connection; a list that is wrong changes nothing. */
static void a_list_changes_while_the_guest_runs(void **state)
{
	struct guest *c = guest_run("c", NULL), *x;
	char more[300], *error;
	uint32_t len;

	snprintf(more, sizeof(more), ", \"socket\": \"%s\", \"filter-from-vm\": \"deny udp; allow\"",
		 fg_switch_socket(&fixture.sw, "x"));
	assert_null(set_filter("add", more));
	x = guest_run("x", NULL);
	send_frame(x, make(x, true, 80, 0, 40), NULL);
	len = make(x, false, 80, 0, 40);
	send_frame(x, len, NULL);
	receive_frame(c, len);
	expect_rule("x", 0, "from-vm", "deny udp", 1, 0);
	expect_rule("x", 1, "from-vm", "allow", 1, 0);
	error = set_filter("set", ", \"filter-from-vm\": \"deny tcp port; allow\"");
	assert_non_null(error);
	assert_non_null(
		strstr(error, "filter-from-vm: rule 1 (\"deny tcp port\"): can't parse filter expression: syntax error"));
	free(error);
	/* The counters go on when something else changes. */
	assert_null(set_filter("set", ", \"isolated\": true"));
	expect_rule("x", 0, "from-vm", "deny udp", 1, 0);
	assert_null(set_filter("set", ", \"filter-from-vm\": \"deny tcp\\nallow ether[300] = 1\\nallow\""));
	expect_rule("x", 0, "from-vm", "deny tcp", 0, 0);
	send_frame(x, len, NULL);
	send_frame(x, make(x, true, 80, 0, 500), NULL);
	len = make(x, true, 80, 0, 40);
	send_frame(x, len, NULL);
	receive_frame(c, len);
	expect_rule("x", 0, "from-vm", "deny tcp", 1, 0);
	expect_rule("x", 1, "from-vm", "allow ether[300] = 1", 0, 1);
	expect_rule("x", 2, "from-vm", "allow", 1, 0);
	assert_null(set_filter("set", ", \"filter-from-vm\": null"));
	len = make(x, false, 80, 0, 500);
	send_frame(x, len, NULL);
	receive_frame(c, len);
	assert_silence(c);
	guest_close(x);
	json_decref(fg_switch_ask(&fixture.sw, "{\"command\": \"port.remove\", \"name\": \"x\"}\n"));
}

/* Frames of any bytes and lengths, cut anywhere: all of them are taken and accounted for. The victims beside lose none. */
static void any_frame_is_accounted_for(void **state)
{
	enum { FRAMES = 3000 };
	struct guest *a = guest_run("a", NULL);
	struct account a0, now;

	srandom(20);
	read_account("a", &a0);
	for (int i = 0; i < FRAMES; i++) {
		uint32_t len = i % 3 == 0 ? 14 + (uint32_t)random() % 1400
					  : make(a, random() % 2, random() % 3 == 0 ? 25 : 80, 8 * (uint32_t)(random() % 4),
						 (uint32_t)random() % 800);

		if (i % 3 == 0)
			for (uint32_t j = 12; j < len; j++)
				frame[j] = (uint8_t)random();
		for (int j = 0; j < 3; j++)
			frame[12 + (uint32_t)random() % (len - 12 < 40 ? len - 12 : 40)] = (uint8_t)random();
		memcpy(frame + 6, a->nic.mac, 6);
		send_frame(a, len, layouts[random() % LAYOUTS]);
	}
	now = since("a", &a0);
	assert_int_equal(taken(&now), FRAMES);
	assert_true(now.rx_drop[RX_DROP_FILTER] > 100 && now.rx_drop[RX_DROP_FILTER_UNKNOWN] > 100 && now.rx_ok > 100);
	assert_int_equal(now.rx_ok + now.rx_drop[RX_DROP_FILTER] + now.rx_drop[RX_DROP_FILTER_UNKNOWN], FRAMES);
}

int main(void)
{
	static const char text[] = "bridges:\n  - {name: br0}\n  - {name: br1}\n  - {name: br2, vlan-aware: on}\n";
	const struct CMUnitTest cases[] = {
		TEST_CASE(split_rings),
		TEST_CASE(packed_rings),
		TEST_CASE(what_is_not_known_does_not_pass),
		TEST_CASE(each_port_has_its_own_form),
		TEST_CASE(a_list_changes_while_the_guest_runs),
		TEST_CASE(any_frame_is_accounted_for),
	};
	const struct fg_switch_options options = {.ports = ports};

	fixture.with_victims = true;
	return fixture_main_with_file(text, &options, "filter", CASES(cases));
}
