/* SPDX-License-Identifier: BSD-3-Clause */
/* Multicast snooping from the message to the counter: members of each version of IGMP and MLD get their group and others do not,
 * routers get all, a leave is heard, the switch asks for members itself, in each VLAN; and a guest that says more than it may
 * takes nothing from its neighbours.
 */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fg_group.h"

static const char *const ports[] = {
	"a", "b", "c", "r",
	"d,bridge=br1,access=10", "e,bridge=br1,access=20,multicast-fast-leave=on", "t,bridge=br1,trunk=10+20",
	"h,bridge=br2,multicast-router=off", "v,bridge=br2", "w,bridge=br2", "s,bridge=br2,multicast-router=on",
	NULL,
};
static const char text[] = "bridges:\n"
			   "  - {name: br0, multicast-snooping: on, multicast-unregistered: routers}\n"
			   "  - {name: br1, multicast-snooping: on, multicast-unregistered: routers, multicast-querier: on, "
			   "multicast-query-interval: 1, "
			   "vlan-aware: on}\n"
			   "  - {name: br2, multicast-snooping: on, multicast-unregistered: routers, multicast-querier: on, "
			   "multicast-query-interval: 1, "
			   "multicast-groups-per-port: 3}\n";

/* --- the switch's view -------------------------------------------------------------------------------------------- */

/* What it says of groups, as one line. */
static bool groups_say(const char *words)
{
	json_t *answer = fg_switch_query(&fixture.sw, "groups", NULL);
	char *line = answer != NULL ? json_dumps(json_object_get(answer, "groups"), JSON_COMPACT) : NULL;
	bool said = line != NULL && strstr(line, words) != NULL;

	free(line);
	json_decref(answer);
	return said;
}

static void await_groups(const char *words, bool wanted)
{
	for (int waited = 0; groups_say(words) != wanted; waited += 5) {
		if (waited > 3 * FG_WAIT_MS)
			fail_msg("groups %s %s", wanted ? "never say" : "still say", words);
		usleep(5000);
	}
}

static void add_port(const char *name, const char *bridge)
{
	char line[300];

	snprintf(line, sizeof(line),
		 "{\"command\": \"port.add\", \"port\": {\"name\": \"%s\", \"type\": \"vhost-user\", \"socket\": \"%s\", "
		 "\"bridge\": \"%s\"}}\n",
		 name, fg_switch_socket(&fixture.sw, name), bridge);
	ask_ok(line);
}

static int64_t counter(const char *port, const char *name)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	int64_t value = json_integer_value(json_object_get(json_object_get(answer, "port"), name));

	json_decref(answer);
	return value;
}

/* --- guests ------------------------------------------------------------------------------------------------------- */

static const struct fg_layout *layouts[] = {&fg_layout_one, &fg_layout_two, &fg_layout_indirect};
static unsigned int said_n;

static void say(struct guest *g, struct fg_said said)
{
	uint8_t frame[FG_GROUP_FRAME];
	size_t len = fg_group_write(frame, g->nic.mac, &said);

	OK(fg_nic_send(&g->nic, frame, len, layouts[said_n++ % 3]));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
}

static void send_data(struct guest *g, const char *group, uint16_t vlan)
{
	say(g, (struct fg_said){.what = FG_DATA, .group = group, .len = 20, .vlan = vlan});
}

enum { MARKER_TYPE = 0x88b6 };
static uint8_t marker;

/* For all: what came before it has come. */
static void send_marker(struct guest *g, uint16_t vlan)
{
	uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	size_t at = 12;

	memcpy(frame + 6, g->nic.mac, 6);
	if (vlan != 0) {
		frame[at] = 0x81;
		frame[at + 3] = (uint8_t)vlan;
		at += 4;
	}
	frame[at] = MARKER_TYPE >> 8;
	frame[at + 1] = MARKER_TYPE & 0xff;
	frame[at + 2] = ++marker;
	OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
}

struct heard {
	unsigned int data, queries, reports, others;
};

static void sort_heard(struct heard *heard, const uint8_t *frame)
{
	const uint8_t *ip = frame + fg_group_ip(frame), *m = frame + fg_group_message(frame);
	bool v6 = ip[0] >> 4 == 6;
	uint8_t protocol = v6 ? ip[6] : ip[9];

	if (protocol == 17)
		heard->data++;
	else if (m[0] == (v6 ? 130 : 0x11))
		heard->queries++;
	else if (v6 ? m[0] == 131 || m[0] == 132 || m[0] == 143 : m[0] == 0x12 || m[0] == 0x16 || m[0] == 0x17 || m[0] == 0x22)
		heard->reports++;
	else
		heard->others++;
}

/* Up to the last marker. */
static struct heard hear(struct guest *g)
{
	struct heard heard = {.data = 0};
	uint8_t frame[2048];

	for (;;) {
		int n = fg_nic_recv(&g->nic, frame, sizeof(frame), FG_WAIT_MS);
		size_t type;

		if (n < 0)
			fail_msg("%s hears no marker: %s", g->port, strerror(-n));
		type = fg_group_ip(frame) - 2;
		if (frame[type] != MARKER_TYPE >> 8 || frame[type + 1] != (MARKER_TYPE & 0xff))
			sort_heard(&heard, frame);
		else if (frame[type + 2] == marker)
			return heard;
	}
}

/* The next query that a guest gets of the switch's own; its group is returned as in the frame. */
static void await_query(struct guest *g, bool v6, bool of_group, uint16_t vlan)
{
	static const uint8_t none[16];
	uint8_t frame[2048];

	for (unsigned int tries = 0; tries < 1000; tries++) {
		int n = fg_nic_recv(&g->nic, frame, sizeof(frame), FG_WAIT_MS);
		const uint8_t *ip = frame + fg_group_ip(frame), *m = frame + fg_group_message(frame);

		if (n < 0)
			fail_msg("%s gets no query: %s", g->port, strerror(-n));
		if (fg_group_ip(frame) != (vlan != 0 ? 18 : 14) || (vlan != 0 && frame[15] != vlan) || ip[0] >> 4 != (v6 ? 6 : 4))
			continue;
		if (m[0] != (v6 ? 130 : 0x11) || (memcmp(m + (v6 ? 8 : 4), none, v6 ? 16 : 4) != 0) != of_group)
			continue;
		return;
	}
	fail_msg("%s gets no such query", g->port);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *group, *other, *local, *none;
	unsigned int version;
} kinds[] = {
	{"239.1.2.3", "239.1.2.4", "224.0.0.251", "0.0.0.0", 1}, {"239.1.2.3", "239.1.2.4", "224.0.0.251", "0.0.0.0", 2},
	{"239.1.2.3", "239.1.2.4", "224.0.0.251", "0.0.0.0", 3}, {"ff1e::2:3", "ff1e::2:4", "ff02::fb", "::", 1},
	{"ff1e::2:3", "ff1e::2:4", "ff02::fb", "::", 2},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void assert_data(struct guest *from, struct guest *const *to, const unsigned int *wanted, uint16_t vlan)
{
	send_marker(from, vlan);
	for (unsigned int i = 0; to[i] != NULL; i++) {
		unsigned int got = hear(to[i]).data;

		if (got != wanted[i])
			fail_msg("%s gets %u of %u", to[i]->port, got, wanted[i]);
	}
}

/* Somebody asks, one joins and leaves, and the others hear nothing of it. */
static void story_of(unsigned int kind, struct guest *a, struct guest *b, struct guest *c, struct guest *r)
{
	struct guest *const all[] = {a, c, r, NULL};
	const char *group = kinds[kind].group;
	char member[100];

	snprintf(member, sizeof(member), "\"group\":\"%s\",\"ports\":[{\"port\":\"a\"", group);
	say(r, (struct fg_said){.what = FG_ASKS, .version = kinds[kind].version, .group = kinds[kind].none, .response_ms = 100});
	await_groups(strchr(group, ':') != NULL ? "\"family\":\"ipv6\",\"querier\":\"fe80::9\",\"snooped\":true"
						: "\"family\":\"ipv4\",\"querier\":\"10.0.0.9\",\"snooped\":true",
		     true);
	/* The query is everybody's, the report the router's alone. */
	say(a, (struct fg_said){.what = FG_JOINS, .version = kinds[kind].version, .group = group});
	await_groups(member, true);
	send_marker(a, 0);
	assert_true(hear(b).queries > 0);
	assert_int_equal(hear(r).reports, 1);
	assert_int_equal(hear(c).reports, 0);
	for (unsigned int i = 0; i < 5; i++) {
		send_data(b, group, 0);
		send_data(b, kinds[kind].other, 0);
		send_data(b, kinds[kind].local, 0);
	}
	assert_data(b, all, (const unsigned int[]){10, 5, 15}, 0);
	if (kinds[kind].version == 1 && strchr(group, ':') == NULL)
		return; /* who leaves says nothing */
	/* The router asks whether there are others: nobody answers. */
	say(a, (struct fg_said){.what = FG_LEAVES, .version = kinds[kind].version, .group = group});
	await_groups(member, true);
	say(r, (struct fg_said){.what = FG_ASKS, .version = kinds[kind].version, .group = group, .response_ms = 100});
	await_groups(member, false);
	send_data(b, group, 0);
	assert_data(b, all, (const unsigned int[]){0, 0, 1}, 0);
}

static void members_get_their_group(void **state)
{
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *c = guest_run("c", NULL), *r = guest_run("r", NULL);
	struct account b0;

	for (unsigned int kind = 0; kind < KINDS; kind++)
		story_of(kind, a, b, c, r);
	/* The router goes: what nobody wants goes nowhere, and is counted. */
	guest_close(r);
	read_account("b", &b0);
	send_data(b, "239.9.9.9", 0);
	expect_account("b", &b0, &(struct account){.rx_ok = 1});
	ask_ok("{\"command\": \"port.link\", \"name\": \"r\", \"link\": \"down\"}\n");
	read_account("b", &b0);
	send_data(b, "239.9.9.9", 0);
	/* Without a router nobody asks. */
	expect_account("b", &b0, &(struct account){.rx_drop[RX_DROP_MCAST_NO_MEMBER] = 1});
	ask_ok("{\"command\": \"port.link\", \"name\": \"r\", \"link\": \"up\"}\n");
}

/* --- VLANs, and a querier of the switch's own --------------------------------------------------------------------- */

static void each_vlan_by_itself(void **state)
{
	struct guest *d = guest_run("d", NULL), *e = guest_run("e", NULL), *t = guest_run("t", NULL);
	struct guest *const ten[] = {d, NULL}, *const twenty[] = {e, NULL};
	struct account t0;

	await_query(d, false, false, 0);
	await_query(d, true, false, 0);
	await_query(t, false, false, 10);
	await_query(t, true, false, 20);
	await_groups("\"vlan\":20,\"family\":\"ipv6\",\"querier\":\"self\",\"snooped\":true", true);
	await_groups("\"vlan\":10,\"family\":\"ipv4\",\"querier\":\"self\",\"snooped\":true", true);
	say(d, (struct fg_said){.what = FG_JOINS, .version = 3, .group = "239.1.2.3"});
	await_groups("\"vlan\":10,\"group\":\"239.1.2.3\",\"ports\":[{\"port\":\"d\"", true);
	read_account("t", &t0);
	send_data(t, "239.1.2.3", 20);
	send_data(t, "239.1.2.3", 10);
	expect_account("t", &t0, &(struct account){.rx_ok = 1, .rx_drop[RX_DROP_MCAST_NO_MEMBER] = 1});
	assert_data(t, ten, (const unsigned int[]){1}, 10);
	assert_data(t, twenty, (const unsigned int[]){0}, 20);
	/* The switch asks who else there is; with a tag where the port has one. */
	say(d, (struct fg_said){.what = FG_LEAVES, .version = 2, .group = "239.1.2.3"});
	await_query(d, false, true, 0);
	await_groups("\"vlan\":10,\"group\":\"239.1.2.3\"", false);
	say(t, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "ff1e::9", .vlan = 20});
	await_groups("\"vlan\":20,\"group\":\"ff1e::9\",\"ports\":[{\"port\":\"t\"", true);
	say(t, (struct fg_said){.what = FG_LEAVES, .version = 2, .group = "ff1e::9", .vlan = 20});
	await_query(t, true, true, 20);
	await_groups("ff1e::9", false);
	/* A port with fast leave is asked nothing. */
	say(e, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "239.1.2.3"});
	await_groups("\"vlan\":20,\"group\":\"239.1.2.3\",\"ports\":[{\"port\":\"e\"", true);
	say(e, (struct fg_said){.what = FG_LEAVES, .version = 2, .group = "239.1.2.3"});
	await_groups("\"vlan\":20,\"group\":\"239.1.2.3\"", false);
	/* Who does not answer for two queries is forgotten. */
	say(e, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "239.7.7.7"});
	await_groups("239.7.7.7", true);
	await_groups("239.7.7.7", false);
}

/* And without one it is not asked in any more. */
static void a_vlan_is_known_while_a_port_is_in_it(void **state)
{
	struct guest *u;

	add_port("u", "br1");
	await_groups("\"bridge\":\"br1\",\"vlan\":1,", true);
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"u\", \"trunk\": \"10,30\"}}\n");
	assert_false(groups_say("\"bridge\":\"br1\",\"vlan\":1,"));
	u = guest_run("u", NULL);
	say(u, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "ff1e::9", .vlan = 30});
	await_groups("\"vlan\":30,\"group\":\"ff1e::9\",\"ports\":[{\"port\":\"u\"", true);
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"u\", \"trunk\": \"10\"}}\n");
	assert_false(groups_say("\"bridge\":\"br1\",\"vlan\":30,"));
	assert_true(groups_say("\"bridge\":\"br1\",\"vlan\":10,"));
	guest_close(u);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"u\"}\n");
}

/* --- hostile guests ----------------------------------------------------------------------------------------------- */

static void a_malformed_one(struct guest *h, unsigned int i)
{
	uint8_t frame[FG_GROUP_FRAME];
	const struct fg_said said = {.what = i % 2 == 0 ? FG_JOINS : FG_ASKS,
				     .version = 3,
				     .group = i % 4 < 2 ? "239.3.3.3" : "ff1e::3",
				     .sources = 2};
	size_t len = fg_group_write(frame, h->nic.mac, &said);

	frame[fg_group_message(frame) + 1 + i % 20] ^= (uint8_t)(1u + i % 255);
	OK(fg_nic_send(&h->nic, frame, len, layouts[i % 3]));
	OK(fg_nic_drain_tx(&h->nic, FG_WAIT_MS));
}

/* A bridge that asks at once, and then once in hours. */
static void make_tv(void)
{
	ask_ok("{\"command\": \"bridge.add\", \"bridge\": {\"name\": \"tv\", \"multicast-snooping\": true, "
	       "\"multicast-querier\": true, \"multicast-query-interval\": 31744}}\n");
	add_port("k", "tv");
	add_port("l", "tv");
	add_port("o", "tv");
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"tv\", "
	       "\"static-macs\": [{\"mac\": \"52:54:00:00:00:aa\", \"port\": \"l\"}]}}\n");
}

static void remove_tv(struct guest *a, struct guest *b, struct guest *c)
{
	guest_close(a);
	guest_close(b);
	if (c != NULL)
		guest_close(c);
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"tv\", \"static-macs\": []}}\n");
	ask_ok("{\"command\": \"port.remove\", \"name\": \"k\"}\n");
	ask_ok("{\"command\": \"port.remove\", \"name\": \"l\"}\n");
	ask_ok("{\"command\": \"port.remove\", \"name\": \"o\"}\n");
	ask_ok("{\"command\": \"bridge.remove\", \"name\": \"tv\"}\n");
}

/* Asks for the victim's group, in a way that nobody hears: to a group that nobody has joined, by both addresses. */
static void ask_nobody(struct guest *h, const struct fg_said *said)
{
	uint8_t frame[FG_GROUP_FRAME];
	size_t len = fg_group_write(frame, h->nic.mac, said);

	memcpy(frame + 3, "\x00\x00\x4d", 3);
	memcpy(frame + fg_group_ip(frame) + 16, "\xe0\x00\x00\x4d", 4);
	fg_group_sum(frame, len);
	OK(fg_nic_send(&h->nic, frame, len, NULL));
	OK(fg_nic_drain_tx(&h->nic, FG_WAIT_MS));
}

/* A guest whose port may be a router's by what it says ends no membership of its neighbours, and does not become the querier by
 * what nobody hears. Of itself it may say that it leaves. */
static void a_querier_ends_no_membership_of_others(void **state)
{
	static const struct fg_said specific = {.what = FG_ASKS, .version = 2, .group = "239.5.5.5", .from = "10.0.0.66",
						.response_ms = 100},
				    general = {.what = FG_ASKS, .version = 3, .group = "0.0.0.0", .from = "0.0.0.1",
					       .response_ms = 100, .interval_s = 100};
	struct guest *k, *l, *o;
	int64_t malformed, ended;

	make_tv();
	k = guest_run("k", NULL), l = guest_run("l", NULL), o = guest_run("o", NULL);
	malformed = counter("k", "mcast_malformed");
	say(l, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "239.5.5.5"});
	say(o, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "239.5.5.5"});
	await_groups("\"group\":\"239.5.5.5\",\"ports\":[{\"port\":\"l\"", true);
	await_groups("{\"port\":\"o\"", true);
	ask_nobody(k, &specific);
	ask_nobody(k, &general);
	say(k, specific);
	for (int tries = 0; counter("k", "mcast_malformed") < malformed + 2; tries++) {
		assert_true(tries < 1000);
		usleep(10000);
	}
	assert_false(groups_say("\"querier\":\"0.0.0.1\""));
	/* A query for the group after a leave ends that one, in two seconds, and not the other. */
	say(l, (struct fg_said){.what = FG_LEAVES, .version = 2, .group = "239.5.5.5"});
	say(k, specific);
	await_groups("\"group\":\"239.5.5.5\",\"ports\":[{\"port\":\"o\"", true);
	ended = fg_deadline(500);
	while (fg_left_ms(ended) > 0) {
		assert_true(groups_say("\"group\":\"239.5.5.5\",\"ports\":[{\"port\":\"o\""));
		usleep(20000);
	}
	/* One that the operator calls a router is believed. */
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"k\", \"multicast-router\": \"on\"}}\n");
	say(k, specific);
	await_groups("\"bridge\":\"tv\",\"group\":\"239.5.5.5\"", false);
	remove_tv(k, l, o);
}

/* A bridge that has static addresses is not begun anew by what changes elsewhere, nor by an option that is not its querier's: it
 * would ask at once, and this one asks every three hours. */
static void what_changes_elsewhere_asks_nobody(void **state)
{
	struct guest *k, *o;

	make_tv();
	k = guest_run("k", NULL), o = guest_run("o", NULL);
	await_groups("\"bridge\":\"tv\",\"family\":\"ipv6\",\"querier\":\"self\",\"snooped\":true", true);
	send_marker(k, 0);
	hear(o);
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"l\", \"isolated\": true}}\n");
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"l\", \"isolated\": false}}\n");
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"tv\", \"multicast-groups\": 99}}\n");
	usleep(200000);
	send_marker(k, 0);
	assert_int_equal(hear(o).queries, 0);
	remove_tv(k, o, NULL);
}

/* It joins whatever there is, plays the router, sends rubbish, faster than control hears it. */
static void attack(struct guest *h, unsigned int i)
{
	char group[40];

	snprintf(group, sizeof(group), i % 2 == 0 ? "239.200.%u.%u" : "ff1e::%u:%u", i / 200 + 1, i % 200);
	say(h, (struct fg_said){.what = FG_JOINS, .version = 1 + i % 2, .group = group});
	say(h, (struct fg_said){.what = FG_LEAVES, .version = 2, .group = "239.5.5.5"});
	say(h, (struct fg_said){.what = FG_ASKS, .version = 2, .group = i % 3 == 0 ? "239.5.5.5" : "0.0.0.0", .from = "1.0.0.1",
				.response_ms = 100});
	say(h, (struct fg_said){.what = FG_PIM_HELLO, .group = "224.0.0.13", .response_ms = 60000});
	a_malformed_one(h, i);
}

/* The victim says again that it is a member, as one does that is asked. */
static void victim_answers(struct guest *v)
{
	say(v, (struct fg_said){.what = FG_JOINS, .version = 2, .group = "239.5.5.5"});
}

static void a_greedy_guest_takes_nothing_from_others(void **state)
{
	enum { ROUNDS = 300 };
	struct guest *h = guest_run("h", NULL), *v = guest_run("v", NULL), *w = guest_run("w", NULL);
	struct guest *const victim[] = {v, NULL}, *const attacker[] = {h, NULL};
	uint64_t answered = 0;
	struct account h0;

	await_groups("\"bridge\":\"br2\",\"family\":\"ipv4\",\"querier\":\"self\",\"snooped\":true", true);
	victim_answers(v);
	await_groups("\"group\":\"239.5.5.5\",\"ports\":[{\"port\":\"v\"", true);
	read_account("h", &h0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		attack(h, i);
		if (fg_now_ms() - answered > 300) {
			victim_answers(v);
			answered = fg_now_ms();
			await_groups("\"group\":\"239.5.5.5\",\"ports\":[{\"port\":\"v\"", true);
		}
		send_data(w, "239.5.5.5", 0);
		assert_data(w, victim, (const unsigned int[]){1}, 0);
		assert_data(w, attacker, (const unsigned int[]){0}, 0);
	}
	assert_true(counter("h", "mcast_refused") > 0);
	assert_true(counter("h", "mcast_malformed") > 0);
	assert_true(counter("h", "mcast_heard") > 0);
	/* It is no router, and asks for nobody; its share of groups is three. */
	assert_false(groups_say("\"querier\":\"1.0.0.1\""));
	assert_false(groups_say("\"routers\":[{\"port\":\"h\""));
	assert_true(groups_say("\"routers\":[{\"port\":\"s\"}]"));
	/* And others have room. */
	say(w, (struct fg_said){.what = FG_JOINS, .version = 3, .group = "239.6.6.6"});
	await_groups("\"group\":\"239.6.6.6\",\"ports\":[{\"port\":\"w\"", true);
	assert_control_keeps_answering(&fixture.sw, 100);
}

/* --- changes while guests run ------------------------------------------------------------------------------------- */

static void it_is_switched_while_guests_run(void **state)
{
	struct guest *x, *y, *z;
	struct guest *both[3] = {NULL, NULL, NULL};

	ask_ok("{\"command\": \"bridge.add\", \"bridge\": {\"name\": \"lan\"}}\n");
	add_port("x", "lan");
	add_port("y", "lan");
	add_port("z", "lan");
	x = guest_run("x", NULL);
	y = guest_run("y", NULL);
	z = guest_run("z", NULL);
	both[0] = y;
	both[1] = z;
	send_data(x, "239.1.1.1", 0);
	assert_data(x, both, (const unsigned int[]){1, 1}, 0);
	assert_false(groups_say("\"lan\""));
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"lan\", \"multicast-snooping\": true, "
	       "\"multicast-querier\": true, "
	       "\"multicast-query-interval\": 1, \"multicast-unregistered\": \"routers\"}}\n");
	await_groups("\"bridge\":\"lan\",\"family\":\"ipv4\",\"querier\":\"self\",\"snooped\":true", true);
	send_data(x, "239.1.1.1", 0);
	assert_data(x, both, (const unsigned int[]){0, 0}, 0);
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"lan\", \"multicast-unregistered\": \"flood\"}}\n");
	send_data(x, "239.1.1.1", 0);
	assert_data(x, both, (const unsigned int[]){1, 1}, 0);
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"lan\", \"multicast-unregistered\": \"routers\"}}\n");
	ask_ok("{\"command\": \"port.set\", \"port\": {\"name\": \"z\", \"multicast-router\": \"on\"}}\n");
	await_groups("\"routers\":[{\"port\":\"z\"}]", true);
	send_data(x, "239.1.1.1", 0);
	assert_data(x, both, (const unsigned int[]){0, 1}, 0);
	ask_ok("{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"lan\", \"multicast-snooping\": false, "
	       "\"multicast-querier\": "
	       "false}}\n");
	send_data(x, "239.1.1.1", 0);
	assert_data(x, both, (const unsigned int[]){1, 1}, 0);
	guest_close(x);
	guest_close(y);
	guest_close(z);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"x\"}\n");
	ask_ok("{\"command\": \"port.remove\", \"name\": \"y\"}\n");
	ask_ok("{\"command\": \"port.remove\", \"name\": \"z\"}\n");
	ask_ok("{\"command\": \"bridge.remove\", \"name\": \"lan\"}\n");
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(members_get_their_group),
		TEST_CASE(each_vlan_by_itself),
		TEST_CASE(a_vlan_is_known_while_a_port_is_in_it),
		TEST_CASE(a_querier_ends_no_membership_of_others),
		TEST_CASE(what_changes_elsewhere_asks_nobody),
		TEST_CASE(a_greedy_guest_takes_nothing_from_others),
		TEST_CASE(it_is_switched_while_guests_run),
	};
	const struct fg_switch_options options = {.ports = ports};

	return fixture_main_with_file(text, &options, "multicast", CASES(cases));
}
