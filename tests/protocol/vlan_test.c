/* SPDX-License-Identifier: BSD-3-Clause */
/* VLANs from the option to the counter: access ports and trunks, frames that a guest leaves to be summed and cut up, tags cut
 * anywhere into descriptors, announcements, what is dropped and under which name, and a VLAN that changes while the guest runs.
 */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASKS (FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS)
#define TAKES (FG_FEATURES_DEFAULT | FG_F_GUEST_OFFLOADS)

static const char *const ports[] = {
	"a,access=10", "b,access=10", "c,access=20", "t,trunk=10+20-29", "n,trunk=20,native-vlan=10",
	"m,trunk=20,native-vlan=10,native-tagged=on", "p,bridge=br1",
	"q,bridge=br2,qinq=200", "r,bridge=br2,qinq=200,qinq-type=802.1q", "s,bridge=br2,trunk=200", "u,bridge=br2,access=200",
	NULL,
};
static const struct fg_options asker = {.features = ASKS | FG_F_GUEST_OFFLOADS};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};

static const struct fg_packet packets[] = {
	{.payload = 1},
	{.payload = 700, .udp = true, .ipv6 = true, .seed = 2},
	{.payload = 30000, .gso_size = 1448, .tcp_more = 12, .tcp_flags = FG_ACK | FG_PSH, .seed = 3},
	{.payload = 12000, .gso_size = 1200, .udp = true, .seed = 5},
	{.payload = 40000, .gso_size = 1232, .udp = true, .ipv6 = true, .seed = 6},
	/* Headers of 126 bytes: with the tag they are longer than what is read of a frame. */
	{.payload = 60000, .gso_size = 1428, .ipv6 = true, .ip_more = 24, .tcp_more = 28, .seed = 7},
};
enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

/* The tag lies in several descriptors. */
static const struct fg_layout cut_up = {.name = "cut up", .n = 7, .len = {5, 7, 13, 1, 2, 1, 900}};
static const struct fg_layout *const layouts[] = {&fg_layout_one, &fg_layout_two, &fg_layout_indirect, &cut_up};
enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

static uint8_t frame[FG_FRAME_MAX + 64], got[FG_FRAME_MAX + 64];

/* --- tags -------------------------------------------------------------------------------------------------------- */

static uint32_t add_tag(uint8_t *at, uint32_t len, uint16_t type, uint16_t tci, struct fg_vnet *header)
{
	memmove(at + 16, at + 12, len - 12);
	at[12] = (uint8_t)(type >> 8);
	at[13] = (uint8_t)type;
	at[14] = (uint8_t)(tci >> 8);
	at[15] = (uint8_t)tci;
	if (header != NULL && header->flags != 0)
		header->csum_start = (uint16_t)(header->csum_start + 4);
	if (header != NULL && header->gso_type != 0)
		header->hdr_len = (uint16_t)(header->hdr_len + 4);
	return len + 4;
}

/* Takes the tag out of `got`, of n bytes, and says what is left. */
static int take_tag(int n, uint16_t tci)
{
	assert_true(n >= 18);
	assert_int_equal(got[12] << 8 | got[13], 0x8100);
	assert_int_equal(got[14] << 8 | got[15], tci);
	memmove(got + 12, got + 16, (size_t)n - 16);
	return n - 4;
}

static uint32_t pieces_of(const struct fg_packet *p)
{
	return p->gso_size == 0 ? 1 : (p->payload + p->gso_size - 1) / p->gso_size;
}

/* The packets that one stands for, each with a tag, or, if `tci` is 0, without. */
static void receive_finished(struct guest *g, const struct fg_packet *p, uint16_t tci)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < pieces_of(p); i++) {
		int n = fg_nic_recv(&g->nic, got, sizeof(got), FG_WAIT_MS);
		struct fg_parsed parsed;
		const char *wrong;

		if (n < 0)
			fail_msg("piece %u of %u: %s", i, pieces_of(p), strerror(-n));
		if (tci != 0)
			n = take_tag(n, tci);
		wrong = fg_packet_check(p, got, (size_t)n, true, &parsed);
		if (wrong != NULL)
			fail_msg("piece %u: %s", i, wrong);
		for (uint32_t k = 0; k < parsed.len; k++)
			assert_int_equal(got[parsed.payload + k], fg_packet_byte(p->seed, done + k));
		done += parsed.len;
	}
	assert_int_equal(done, p->payload);
}

static void receive_bytes(struct guest *g, const uint8_t *bytes, uint32_t len)
{
	assert_int_equal(fg_nic_recv(&g->nic, got, sizeof(got), FG_WAIT_MS), len);
	assert_memory_equal(got, bytes, len);
}

static struct guest *run_asker(const char *port)
{
	struct guest *g = guest_open(port, &asker);

	guest_start(g, &large);
	g->nic.takes_offloads = true;
	return g;
}

static void send_frame(struct guest *g, uint32_t len, const struct fg_vnet *header, const struct fg_layout *layout)
{
	if (header != NULL)
		g->nic.tx_header = *header;
	OK(fg_nic_send(&g->nic, frame, len, layout));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	memset(&g->nic.tx_header, 0, sizeof(g->nic.tx_header));
}

/* A plain frame with these tags, the first at first; 0 ends them. */
static uint32_t make_plain(const uint8_t dst[6], const uint8_t src[6], const uint32_t *tags, uint32_t len)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 31 + len);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5; /* for experiments */
	while (tags[n] != 0)
		n++;
	while (n-- > 0)
		len = add_tag(frame, len, (uint16_t)(tags[n] >> 16), (uint16_t)tags[n], NULL);
	return len;
}

/* --- the way through --------------------------------------------------------------------------------------------- */

static void offloads_move_with_the_tag(void **state)
{
	struct guest *a = run_asker("a"), *b = guest_run("b", NULL), *t, *n;
	struct fg_vnet header;
	uint32_t len;

	settle(a, b);
	settle(b, a);
	t = run_asker("t");
	n = guest_run("n", NULL);
	/* To all of the VLAN, in one flood: without a tag and with one, whole and in pieces. */
	for (unsigned int i = 0; i < PACKETS * LAYOUTS; i++) {
		const struct fg_packet *p = &packets[i % PACKETS];

		len = fg_packet_build(p, everybody, a->nic.mac, frame, &header);
		send_frame(a, len, &header, layouts[i / PACKETS]);
		receive_finished(b, p, 0);
		receive_finished(n, p, 0);
		len = add_tag(frame, len, 0x8100, 10, &header);
		receive_bytes(t, frame, len);
		assert_memory_equal(&t->nic.rx_header, &header, sizeof(header));
	}
	/* And back, with a priority; but for the last, whose headers a guest's tag makes too long. */
	for (unsigned int i = 0; i < (PACKETS - 1) * LAYOUTS; i++) {
		const struct fg_packet *p = &packets[i % (PACKETS - 1)];
		struct fg_vnet bare;

		len = fg_packet_build(p, a->nic.mac, t->nic.mac, frame, &header);
		bare = header;
		len = add_tag(frame, len, 0x8100, 0xa00a, &header);
		send_frame(t, len, &header, layouts[i / (PACKETS - 1)]);
		fg_packet_build(p, a->nic.mac, t->nic.mac, frame, &header);
		receive_bytes(a, frame, len - 4);
		assert_memory_equal(&a->nic.rx_header, &bare, sizeof(bare));
	}
	assert_silence(b);
	assert_silence(n);
	assert_silence(t);
}

/* A receiver that agreed to nothing, on a trunk that tags all: each piece is tagged. */
static void each_piece_has_the_tag(void **state)
{
	struct guest *a = run_asker("a"), *m = guest_run("m", NULL);
	struct account m0;
	struct fg_vnet header;
	uint64_t pieces = 0;

	read_account("m", &m0);
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint32_t len = fg_packet_build(&packets[i], everybody, a->nic.mac, frame, &header);

		send_frame(a, len, &header, &fg_layout_two);
		receive_finished(m, &packets[i], 10);
		pieces += pieces_of(&packets[i]);
	}
	assert_int_equal(since("m", &m0).tx_ok, pieces);
	assert_silence(m);
}

/* A customer's tags, and what is left to be done, are carried below the service tag. */
static void a_service_carries_customers_tags(void **state)
{
	struct guest *q = run_asker("q"), *r = guest_run("r", NULL), *s = run_asker("s"), *u = guest_run("u", NULL);
	struct fg_vnet header, bare;
	uint32_t len;

	for (unsigned int i = 0; i < 2 * (PACKETS - 1); i++) {
		const struct fg_packet *p = &packets[i % (PACKETS - 1)];
		bool tagged = i >= PACKETS - 1;

		len = fg_packet_build(p, everybody, q->nic.mac, frame, &header);
		if (tagged)
			len = add_tag(frame, len, 0x8100, 0x6007, &header);
		send_frame(q, len, &header, layouts[i % LAYOUTS]);
		receive_finished(r, p, tagged ? 0x6007 : 0);
		/* Where there is no room for a second tag, frames that have one do not go. */
		if (!tagged)
			receive_finished(u, p, 0);
		len = add_tag(frame, len, 0x88a8, 200, &header);
		receive_bytes(s, frame, len);
		assert_memory_equal(&s->nic.rx_header, &header, sizeof(header));
	}
	/* And back, with a service tag of the other type. */
	len = fg_packet_build(&packets[3], everybody, s->nic.mac, frame, &header);
	len = add_tag(frame, len, 0x8100, 7, &header);
	bare = header;
	len = add_tag(frame, len, 0x8100, 200, &header);
	send_frame(s, len, &header, &cut_up);
	memmove(frame + 12, frame + 16, len - 16);
	receive_bytes(q, frame, len - 4);
	assert_memory_equal(&q->nic.rx_header, &bare, sizeof(bare));
	receive_finished(r, &packets[3], 7);
	assert_silence(u);
	/* The type of the tag is the port's that it came from. */
	send_raw(r, everybody, r->nic.mac, 1, 100);
	assert_int_equal(take_tag(fg_nic_recv(&s->nic, got, sizeof(got), FG_WAIT_MS), 200), 100);
}

static void vlans_do_not_meet(void **state)
{
	static const uint32_t none[] = {0}, tag20[] = {0x81000014, 0}, priority[] = {0x8100a000, 0};
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *c = guest_run("c", NULL), *t;
	uint32_t len;

	settle(a, b);
	t = guest_run("t", NULL);
	len = make_plain(everybody, c->nic.mac, none, 100);
	send_frame(c, len, NULL, NULL);
	len = make_plain(everybody, c->nic.mac, tag20, 100);
	receive_bytes(t, frame, len);
	assert_silence(a);
	/* What only has a priority is in the port's VLAN, and keeps it where there is a tag. */
	len = make_plain(everybody, c->nic.mac, priority, 100);
	send_frame(c, len, NULL, &cut_up);
	assert_int_equal(take_tag(fg_nic_recv(&t->nic, got, sizeof(got), FG_WAIT_MS), 0xa014), 100);
	/* The same address behind two ports, in two VLANs. */
	len = make_plain(everybody, a->nic.mac, tag20, 100);
	send_frame(t, len, NULL, NULL);
	make_plain(everybody, a->nic.mac, none, 100);
	receive_bytes(c, frame, 100);
	fg_sleep_us(50000);
	make_plain(a->nic.mac, b->nic.mac, none, 200);
	send_frame(b, 200, NULL, NULL);
	receive_bytes(a, frame, 200);
	make_plain(a->nic.mac, c->nic.mac, none, 300);
	send_frame(c, 300, NULL, NULL);
	len = make_plain(a->nic.mac, c->nic.mac, tag20, 300);
	receive_bytes(t, frame, len);
	assert_silence(a);
	assert_silence(b);
}

/* --- what is dropped --------------------------------------------------------------------------------------------- */

struct refusal {
	const char *port;
	uint32_t tags[4];
	uint32_t len; /* without tags, or of all of it if that is less */
	enum rx_drop why;
};

static const struct refusal refusals[] = {
	{"a", {0x8100000a}, 100, RX_DROP_VLAN_TAGGED},
	{"a", {0x88a8000a}, 100, RX_DROP_VLAN_TAGGED},
	{"a", {0x81000014}, 100, RX_DROP_VLAN_TAGGED},
	{"a", {0x81000fff}, 100, RX_DROP_VLAN_TAGGED},
	{"a", {0x81000000, 0x81000014}, 100, RX_DROP_VLAN_TAGGED},
	{"t", {0}, 100, RX_DROP_VLAN_UNTAGGED},
	{"t", {0x81002000}, 100, RX_DROP_VLAN_UNTAGGED},
	{"t", {0x8100000b}, 100, RX_DROP_VLAN_NOT_MEMBER},
	{"t", {0x88a8000b}, 100, RX_DROP_VLAN_NOT_MEMBER},
	{"t", {0x81000fff}, 100, RX_DROP_VLAN_NOT_MEMBER},
	{"t", {0x8100000a, 0x81000014}, 100, RX_DROP_VLAN_INNER},
	{"t", {0x8100000a, 0x88a80014}, 100, RX_DROP_VLAN_INNER},
	{"t", {0x81000014, 0x8100000a}, 100, RX_DROPS}, /* m and n are given it: they tag VLAN 20 */
	{"t", {0x81000019}, 100, RX_DROP_ALONE},
	{"t", {0x8100000a}, 17, RX_DROP_VLAN_SHORT},
	{"a", {0x81000000}, 14, RX_DROP_VLAN_SHORT},
};

/* `m` is not there: it would take what has two tags. */
static void what_is_refused_has_a_name(void **state)
{
	struct guest *a = guest_run("a", NULL), *t = guest_run("t", NULL);

	for (unsigned int i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];
		struct guest *g = r->port[0] == 'a' ? a : t;
		uint32_t len = make_plain(everybody, g->nic.mac, r->tags, r->len);
		struct account before, now;

		if (r->len < 20)
			len = r->len;
		read_account(r->port, &before);
		send_frame(g, len, NULL, i % 2 ? &fg_layout_one : &cut_up);
		now = since(r->port, &before);
		assert_int_equal(taken(&now), 1);
		if (r->why == RX_DROPS ? now.rx_ok != 1 : r->why != RX_DROP_VLAN_INNER && now.rx_drop[r->why] != 1)
			fail_msg("case %u: not counted as expected", i);
		/* Ports that tag VLAN 10 take what has a second tag. */
		if (r->why == RX_DROP_VLAN_INNER)
			assert_int_equal(now.rx_ok, 1);
	}
	assert_silence(a);
}

static void link_local_groups_stay(void **state)
{
	static const uint8_t stp[6] = {0x01, 0x80, 0xc2, 0, 0, 0}, lldp[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	static const uint8_t not_local[6] = {0x01, 0x80, 0xc2, 0, 0, 0x10};
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL);
	struct account a0;

	read_account("a", &a0);
	send_raw(a, stp, a->nic.mac, 2, 100);
	send_raw(a, lldp, a->nic.mac, 3, 100);
	expect_account("a", &a0, &(struct account){.rx_drop[RX_DROP_LINK_LOCAL] = 5});
	send_raw(a, not_local, a->nic.mac, 1, 100);
	assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), 100);
	assert_silence(b);
}

/* --- what control does ------------------------------------------------------------------------------------------- */

static void an_arrival_is_announced_in_its_vlan(void **state)
{
	const struct fg_options opt = {.protocol = FG_PROTOCOL_DEFAULT | FG_P_RARP};
	struct guest *b = guest_run("b", NULL), *c = guest_run("c", NULL), *t = guest_run("t", NULL), *a = guest_open("a", &opt);
	struct fg_msg m = {.request = FG_SEND_RARP, .size = 8};
	json_t *answer;

	guest_start(a, NULL);
	memcpy(m.raw, a->nic.mac, 6);
	OK(fg_request(&a->s, &m, NULL, 0));
	assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), 60);
	assert_memory_equal(got + 12, "\x80\x35", 2);
	assert_int_equal(take_tag(fg_nic_recv(&t->nic, got, sizeof(got), FG_WAIT_MS), 10), 60);
	assert_memory_equal(got + 12, "\x80\x35", 2);
	assert_silence(c);
	await_known(a);
	answer = fg_switch_ask(&fixture.sw, "{\"command\": \"macs\", \"vlan\": 20}\n");
	assert_int_equal(json_integer_value(json_object_get(answer, "total")), 0);
	json_decref(answer);
	answer = fg_switch_ask(&fixture.sw, "{\"command\": \"macs\", \"vlan\": 10, \"bridge\": \"br0\", \"limit\": 0}\n");
	assert_int_equal(json_array_size(json_object_get(answer, "macs")), 0);
	json_decref(answer);
	answer = fg_switch_ask(&fixture.sw, "{\"command\": \"macs\", \"vlan\": 10}\n");
	assert_int_equal(json_integer_value(json_object_get(answer, "total")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(answer, "macs"), 0), "vlan")), 10);
	json_decref(answer);
}

static void vlans_are_listed(void **state)
{
	static const char want[] =
		"[{\"bridge\":\"br0\",\"first\":10,\"last\":10,\"untagged\":[\"a\",\"b\",\"n\"],\"tagged\":[\"t\",\"m\"]},"
		"{\"bridge\":\"br0\",\"first\":20,\"last\":20,\"untagged\":[\"c\"],\"tagged\":[\"t\",\"n\",\"m\"]},"
		"{\"bridge\":\"br0\",\"first\":21,\"last\":29,\"untagged\":[],\"tagged\":[\"t\"]},"
		"{\"bridge\":\"br2\",\"first\":200,\"last\":200,\"untagged\":[\"q\",\"r\",\"u\"],\"tagged\":[\"s\"]}]";
	json_t *answer = fg_switch_ask(&fixture.sw, "{\"command\": \"vlans\"}\n");
	char *text = json_dumps(json_object_get(answer, "vlans"), JSON_COMPACT);

	assert_string_equal(text, want);
	assert_int_equal(json_integer_value(json_object_get(answer, "total")), 4);
	free(text);
	json_decref(answer);
	answer = fg_switch_ask(&fixture.sw, "{\"command\": \"vlans\", \"bridge\": \"br1\"}\n");
	assert_int_equal(json_array_size(json_object_get(answer, "vlans")), 0);
	json_decref(answer);
}

/* The guest keeps its connection, and what was learned of it in its old VLAN is forgotten. */
static void a_vlan_changes_while_the_guest_runs(void **state)
{
	static const uint32_t none[] = {0};
	struct guest *a = guest_run("a", NULL), *c = guest_run("c", NULL), *x;
	char options[300];

	snprintf(options, sizeof(options), ", \"type\": \"vhost-user\", \"socket\": \"%s\", \"bridge\": \"br0\", \"access\": 10",
		 fg_switch_socket(&fixture.sw, "x"));
	ask_port_ok("add", "x", options);
	x = guest_run("x", NULL);
	settle(x, a);
	make_plain(x->nic.mac, a->nic.mac, none, 100);
	send_frame(a, 100, NULL, NULL);
	receive_bytes(x, frame, 100);
	ask_port_ok("set", "x", ", \"access\": 20");
	assert_false(is_known(x));
	send_frame(a, 100, NULL, NULL);
	assert_silence(x);
	make_plain(x->nic.mac, c->nic.mac, none, 120);
	send_frame(c, 120, NULL, NULL);
	receive_bytes(x, frame, 120);
	guest_close(x);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"x\"}\n");
}

/* --- a bridge without VLANs -------------------------------------------------------------------------------------- */

static void without_vlans_tags_pass(void **state)
{
	static const uint32_t tags[] = {0x8100000a, 0x88a80014, 0};
	static const uint8_t lacp[6] = {0x01, 0x80, 0xc2, 0, 0, 2};
	struct guest *p = guest_run("p", NULL), *q;
	char options[300];
	uint32_t len;

	snprintf(options, sizeof(options), ", \"type\": \"vhost-user\", \"socket\": \"%s\", \"bridge\": \"br1\"",
		 fg_switch_socket(&fixture.sw, "x"));
	ask_port_ok("add", "x", options);
	q = guest_run("x", NULL);
	len = make_plain(everybody, p->nic.mac, tags, 100);
	send_frame(p, len, NULL, NULL);
	receive_bytes(q, frame, len);
	send_raw(p, lacp, p->nic.mac, 1, 100);
	assert_int_equal(fg_nic_recv(&q->nic, got, sizeof(got), FG_WAIT_MS), 100);
	guest_close(q);
	json_decref(fg_switch_ask(&fixture.sw, "{\"command\": \"port.remove\", \"name\": \"x\"}\n"));
}

int main(void)
{
	static const char text[] = "bridges:\n  - {name: br0, vlan-aware: on}\n  - {name: br1}\n"
				   "  - {name: br2, vlan-aware: on}\n";
	const struct CMUnitTest cases[] = {
		TEST_CASE(offloads_move_with_the_tag),
		TEST_CASE(each_piece_has_the_tag),
		TEST_CASE(a_service_carries_customers_tags),
		TEST_CASE(vlans_do_not_meet),
		TEST_CASE(what_is_refused_has_a_name),
		TEST_CASE(link_local_groups_stay),
		TEST_CASE(an_arrival_is_announced_in_its_vlan),
		TEST_CASE(vlans_are_listed),
		TEST_CASE(a_vlan_changes_while_the_guest_runs),
		TEST_CASE(without_vlans_tags_pass),
	};
	const struct fg_switch_options options = {.ports = ports};

	return fixture_main_with_file(text, &options, "vlan", CASES(cases));
}
