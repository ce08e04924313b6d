/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirrors from the option to the sink: rings of both formats, VLANs, offloads, a NIC, mirrors that change while guests run, sinks
 * that are slow or hostile; and victims who are mirrored to one that takes nothing.
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
	"full,bridge=br1",
	"a,bridge=br2",
	"b,bridge=br2",
	"s,bridge=br2",
	"z,bridge=br2",
	"p,bridge=br3,access=10",
	"q,bridge=br3,access=20",
	"t,bridge=br3,trunk=10+20",
	"w,bridge=br3",
	"n,bridge=br4",
	"m,bridge=br4",
	NULL,
};
static const char text[] = "bridges:\n"
			   "  - name: br0\n"
			   "  - {name: br1, mirrors: [{name: victims, ports: \"v0,v1\", to: full}]}\n"
			   "  - name: br2\n"
			   "    mirrors:\n"
			   "      - {name: a, ports: a, to: s}\n"
			   "      - {name: dns, ports: \"a,b\", direction: to, filter: udp dst port 53, snap: 64, to: z}\n"
			   "  - {name: br3, vlan-aware: on, mirrors: [{name: ten, vlans: 10, to: w}]}\n"
			   "  - {name: br4, mirrors: [{name: nic, direction: from, ports: \"n,m\", to: up}]}\n";

static const struct fg_options split = {.features = FG_FEATURES_DEFAULT};
static const struct fg_options packed = {.features = FG_FEATURES_DEFAULT | FG_F_PACKED};
static const struct fg_options asker = {.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};
static const struct fg_layout in_pieces = {.name = "in pieces", .n = 4, .len = {26, 22, 3, 900}};

static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];

static uint32_t make(const struct guest *g, const uint8_t *to, bool udp, uint16_t dst, uint32_t payload)
{
	const struct fg_packet packet = {.udp = udp, .payload = payload, .seed = 3};
	struct fg_vnet header;
	uint32_t len = fg_packet_build(&packet, to, g->nic.mac, frame, &header);

	frame[14 + 20 + 2] = (uint8_t)(dst >> 8);
	frame[14 + 20 + 3] = (uint8_t)dst;
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

/* "copied", "dropped" or "unknown" of a mirror. */
static int64_t counted_of(const char *mirror, const char *what)
{
	json_t *answer = fg_switch_query(&fixture.sw, "mirrors", NULL);
	const json_t *entry;
	int64_t n = -1;
	size_t i;

	json_array_foreach(json_object_get(answer, "mirrors"), i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "name")), mirror) == 0)
			n = json_integer_value(json_object_get(entry, what));
	json_decref(answer);
	return n;
}

/* Counters may follow their frames by a moment. */
static void expect_count(const char *mirror, const char *what, int64_t want)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (counted_of(mirror, what) != want && fg_left_ms(deadline) > 0)
		fg_sleep_us(2000);
	assert_int_equal(counted_of(mirror, what), want);
}

/* --- the way through --------------------------------------------------------------------------------------------- */

static void copies_are_the_frames(const struct fg_options *opt)
{
	enum { FRAMES = 20 };
	struct guest *a = guest_run("a", opt), *b = guest_run("b", opt), *s, *z;
	int64_t copied, snapped;
	struct account s0;
	uint32_t len;

	settle(a, b);
	settle(b, a);
	s = guest_run("s", opt);
	z = guest_run("z", opt);
	copied = counted_of("a", "copied");
	snapped = counted_of("dns", "copied");
	read_account("s", &s0);
	for (unsigned int i = 0; i < FRAMES; i++) {
		const struct fg_layout *layout = i % 2 != 0 ? &in_pieces : &fg_layout_two;

		len = make(a, b->nic.mac, false, 80, 20 + 60 * i);
		send_frame(a, len, layout);
		receive_frame(b, len);
		receive_frame(s, len);
		len = make(b, a->nic.mac, true, 53, 20 + 60 * i);
		send_frame(b, len, layout);
		receive_frame(a, len);
		receive_frame(s, len);
		/* What is longer is cut. */
		receive_frame(z, len < 64 ? len : 64);
		/* To everybody is not to sinks. */
		len = make(a, everybody, false, 80, 30);
		send_frame(a, len, layout);
		receive_frame(b, len);
		receive_frame(s, len);
	}
	expect_count("a", "copied", copied + 3 * FRAMES);
	expect_count("dns", "copied", snapped + FRAMES);
	expect_account("s", &s0, &(struct account){.tx_ok = 3 * FRAMES, .mirrored = 3 * FRAMES});
	assert_silence(s);
	assert_silence(z);
}

static void split_rings(void **state)
{
	copies_are_the_frames(&split);
}

static void packed_rings(void **state)
{
	copies_are_the_frames(&packed);
}

/* As it is on the wire of the port that is mirrored: without a tag at an access port, with one at a trunk. And only VLAN 10. */
static void each_port_has_its_own_form(void **state)
{
	struct guest *p = guest_run("p", NULL), *q = guest_run("q", NULL), *t = guest_run("t", NULL), *w = guest_run("w", NULL);
	uint32_t len;

	len = make(q, everybody, false, 80, 40);
	send_frame(q, len, &in_pieces);
	assert_int_equal(fg_nic_recv(&t->nic, got, sizeof(got), FG_WAIT_MS), len + 4);
	assert_silence(w);
	len = make(p, everybody, false, 80, 40);
	send_frame(p, len, &in_pieces);
	assert_int_equal(fg_nic_recv(&t->nic, got, sizeof(got), FG_WAIT_MS), len + 4);
	receive_frame(w, len);
	assert_int_equal(fg_nic_recv(&w->nic, got, sizeof(got), FG_WAIT_MS), len + 4);
	assert_memory_equal(got + 12, "\x81\x00\x00\x0a", 4);
	assert_memory_equal(got + 16, frame + 12, len - 12);
	assert_silence(w);
	assert_silence(q);
}

/* A sink gets a TSO frame whole if it takes such frames, or the packets that it becomes, of which none is cut. A copy that is cut
 * asks for nothing. */
static void what_is_to_be_cut_up(void **state)
{
	static const struct fg_packet tso = {.payload = 30000, .gso_size = 1448, .tcp_flags = FG_ACK, .seed = 3},
				      uso = {.payload = 12000, .gso_size = 1200, .udp = true, .seed = 5};
	static const struct fg_vnet nothing;
	struct guest *a = guest_open("a", &asker), *b = guest_open("b", &asker), *s, *z;
	struct fg_vnet header;
	uint32_t len;

	guest_start(a, &large);
	guest_start(b, &large);
	a->nic.takes_offloads = b->nic.takes_offloads = true;
	settle(a, b);
	settle(b, a);
	s = guest_open("s", &asker);
	guest_start(s, NULL);
	s->nic.takes_offloads = true;
	z = guest_run("z", &asker);
	z->nic.takes_offloads = true;
	len = fg_packet_build(&tso, b->nic.mac, a->nic.mac, frame, &a->nic.tx_header);
	header = a->nic.tx_header;
	send_frame(a, len, NULL);
	receive_frame(b, len);
	receive_frame(s, len);
	assert_memory_equal(&s->nic.rx_header, &header, sizeof(header));
	guest_close(s);
	s = guest_run("s", NULL);
	send_frame(a, len, NULL);
	receive_frame(b, len);
	for (uint32_t done = 0; done < tso.payload;) {
		struct fg_parsed parsed;
		int n = fg_nic_recv(&s->nic, got, sizeof(got), FG_WAIT_MS);

		assert_true(n > 0);
		assert_null(fg_packet_check(&tso, got, (size_t)n, true, &parsed));
		done += parsed.len;
	}
	memset(&a->nic.tx_header, 0, sizeof(a->nic.tx_header));
	/* From b to a, for port 53: the second mirror cuts it. */
	len = fg_packet_build(&uso, a->nic.mac, b->nic.mac, frame, &b->nic.tx_header);
	frame[36] = 0;
	frame[37] = 53;
	send_frame(b, len, NULL);
	receive_frame(a, len);
	receive_frame(z, 64);
	assert_memory_equal(&z->nic.rx_header, &nothing, sizeof(nothing));
	memset(&b->nic.tx_header, 0, sizeof(b->nic.tx_header));
	assert_silence(z);
}

/* A ring that gives back what it is given: that comes from a sink, and goes nowhere. */
static void to_a_nic(void **state)
{
	struct guest *n = guest_run("n", NULL), *m = guest_run("m", NULL);
	struct account up0;
	uint32_t len;

	settle(n, m);
	settle(m, n);
	expect_count("nic", "copied", 2);
	read_account("up", &up0);
	for (unsigned int i = 0; i < 10; i++) {
		len = make(n, i % 2 != 0 ? everybody : m->nic.mac, false, 80, 100 * i);
		send_frame(n, len, &in_pieces);
		receive_frame(m, len);
	}
	expect_account("up", &up0, &(struct account){.tx_ok = 10, .mirrored = 10, .rx_drop[RX_DROP_MIRROR_SINK] = 10});
	assert_silence(n);
	assert_silence(m);
}

/* --- sinks -------------------------------------------------------------------------------------------------------- */

/* It takes nothing once its buffers are used up. The victims, who are mirrored to it, are looked at when the test case is
 * over. */
static void a_sink_that_takes_nothing(void **state)
{
	int64_t dropped = counted_of("victims", "dropped"), deadline = fg_deadline(FG_WAIT_MS);
	struct guest *full = guest_run("full", NULL);
	struct account before, after;

	read_account("full", &before);
	while (counted_of("victims", "dropped") < dropped + 2000)
		assert_true(fg_left_ms(deadline) > 0);
	after = since("full", &before);
	assert_true(after.tx_drop[TX_DROP_NO_BUFFER] > 1000 && after.tx_ok > 0);
	assert_int_equal(after.mirrored, given(&after));
	guest_close(full);
}

/* What a sink sends goes nowhere, however much it is, and its broken ring is its own affair. */
static void a_hostile_sink(void **state)
{
	enum { FRAMES = 2000 };
	struct guest *full = guest_run("full", NULL), *h0 = guest_run("h0", NULL);
	struct account before, after;

	read_account("full", &before);
	for (unsigned int i = 0; i < FRAMES; i++) {
		/* In the name of another, too. */
		uint32_t len = make(i % 2 != 0 ? full : h0, everybody, i % 3 == 0, (uint16_t)i, i % 1000);

		send_frame(full, len, i % 2 != 0 ? &in_pieces : NULL);
	}
	after = since("full", &before);
	assert_int_equal(after.rx_drop[RX_DROP_MIRROR_SINK], FRAMES);
	assert_int_equal(after.rx_ok, 0);
	assert_false(is_known(full));
	assert_silence(h0);
	/* Descriptors that are nowhere. */
	for (uint16_t i = 0; i < full->nic.rx->num; i++)
		fg_ring_desc(full->nic.rx, i, UINT64_MAX - 4096, UINT32_MAX, 0xffff, i);
	fg_ring_set_avail_idx(full->nic.rx, (uint16_t)(full->nic.rx->avail_idx + 7000));
	fg_sleep_us(20000);
	guest_close(full);
}

/* --- while guests run --------------------------------------------------------------------------------------------- */

static bool ask(const char *line, const char *words)
{
	json_t *answer = fg_switch_ask(&fixture.sw, line);
	const char *error = json_string_value(json_object_get(answer, "error"));
	bool as_asked = words == NULL ? error == NULL : error != NULL && strstr(error, words) != NULL;

	if (!as_asked)
		print_error("%s: %s\n", line, error != NULL ? error : "no error");
	json_decref(answer);
	return as_asked;
}

static void add_port(const char *name)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "{\"command\": \"port.add\", \"port\": {\"name\": \"%s\", \"socket\": \"%s\", \"bridge\": \"live\"}}\n", name,
		 fg_switch_socket(&fixture.sw, name));
	assert_true(ask(line, NULL));
}

#define SET(mirrors) "{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"live\", \"mirrors\": " mirrors "}}\n"

static void mirrors_change_while_guests_run(void **state)
{
	struct guest *x, *y, *o;
	uint32_t len;

	assert_true(ask("{\"command\": \"bridge.add\", \"bridge\": {\"name\": \"live\"}}\n", NULL));
	add_port("x");
	add_port("y");
	add_port("o");
	x = guest_run("x", NULL);
	y = guest_run("y", NULL);
	o = guest_run("o", NULL);
	settle(x, y);
	settle(o, y);
	fg_sleep_us(20000);
	while (fg_nic_recv(&o->nic, got, sizeof(got), 1) >= 0)
		;
	assert_true(ask(SET("[{\"name\": \"one\", \"ports\": \"x,o\", \"to\": \"o\"}]"), "port o gets the copies of a mirror"));
	assert_true(ask(SET("[{\"name\": \"one\", \"ports\": \"x\", \"to\": \"n\"}]"), "there is no port n on bridge live"));
	assert_true(ask(SET("[{\"name\": \"one\", \"vlans\": \"1\", \"to\": \"o\"}]"), "the bridge is not vlan-aware"));
	assert_true(ask(SET("[{\"name\": \"one\", \"filter\": \"tcp port\", \"to\": \"o\"}]"), "mirror one: filter: "));
	assert_true(ask(SET("[{\"name\": \"one\", \"to\": \"o\", \"direction\": \"from\"}]"), NULL));
	/* What was behind the sink is forgotten, and what it sends is not learned. */
	assert_false(is_known(o));
	len = make(x, y->nic.mac, false, 80, 200);
	send_frame(x, len, NULL);
	receive_frame(y, len);
	receive_frame(o, len);
	send_frame(o, make(o, everybody, false, 80, 200), NULL);
	assert_silence(y);
	/* Its counters go on when other ports are mirrored, and begin anew when other frames are. */
	assert_true(ask(SET("[{\"name\": \"one\", \"ports\": \"y\", \"to\": \"o\", \"direction\": \"from\"}]"), NULL));
	assert_int_equal(counted_of("one", "copied"), 1);
	assert_true(ask(SET("[{\"name\": \"one\", \"ports\": \"x\", \"to\": \"o\", \"filter\": \"udp\"}]"), NULL));
	assert_int_equal(counted_of("one", "copied"), 0);
	send_frame(x, make(x, y->nic.mac, false, 80, 200), NULL);
	len = make(x, y->nic.mac, true, 80, 200);
	send_frame(x, len, NULL);
	receive_frame(o, len);
	/* A port of its own again. */
	assert_true(ask(SET("null"), NULL));
	send_frame(o, make(o, everybody, false, 80, 200), NULL);
	await_known(o);
	guest_close(x);
	guest_close(y);
	guest_close(o);
	assert_true(ask("{\"command\": \"port.remove\", \"name\": \"x\"}\n", NULL));
	assert_true(ask("{\"command\": \"port.remove\", \"name\": \"y\"}\n", NULL));
	assert_true(ask("{\"command\": \"port.remove\", \"name\": \"o\"}\n", NULL));
	assert_true(ask("{\"command\": \"bridge.remove\", \"name\": \"live\"}\n", NULL));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(split_rings),
		TEST_CASE(packed_rings),
		TEST_CASE(each_port_has_its_own_form),
		TEST_CASE(what_is_to_be_cut_up),
		TEST_CASE(to_a_nic),
		TEST_CASE(a_sink_that_takes_nothing),
		TEST_CASE(a_hostile_sink),
		TEST_CASE(mirrors_change_while_guests_run),
	};
	static const char *const args[] = {"--ethdev", "up=net_ring0,bridge=br4", NULL};
	static const char *const eal[] = {"--vdev", "net_ring0", NULL};
	const struct fg_switch_options options = {.ports = ports, .args = args, .eal = eal};

	fixture.with_victims = true;
	return fixture_main_with_file(text, &options, "mirror", CASES(cases));
}
