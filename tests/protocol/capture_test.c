/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures from the request to the file: each frame once with what became of it, on rings of both formats; readers that are slow,
 * or die; and victims beside, who lose nothing.
 */
#include "account.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture_read.h"
#include "fg_packet.h"
#include "vus_limits.h"

static const char *const ports[] = {
	"h0,queues=4,bridge=br1",
	"h1,bridge=br1",
	"v0,bridge=br1",
	"v1,bridge=br1",
	"a",
	"b",
	"alone,bridge=br2",
	"e,bridge=br3",
	"z,bridge=br3",
	"f,bridge=br4,filter-from-vm=deny udp; deny ether[400] = 7; allow",
	"g,bridge=br4,filter-to-vm=deny tcp dst port 25; allow",
	"p,bridge=br5,access=10",
	"t,bridge=br5,trunk=10",
	"m,bridge=br6",
	"n,bridge=br6",
	"s,bridge=br6",
	NULL,
};

/* A client that captures. */
struct reader {
	int fd;
	struct cr_capture is;
	bool over;
};

static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];

/* --- a reader ---------------------------------------------------------------------------------------------------- */

/* False: nothing has come for so long, or it is over. */
static bool read_some(struct reader *reader, int ms)
{
	static uint8_t piece[1 << 16];
	struct pollfd pfd = {.fd = reader->fd, .events = POLLIN};
	ssize_t n;

	if (reader->over || poll(&pfd, 1, ms) <= 0)
		return false;
	n = recv(reader->fd, piece, sizeof(piece), 0);
	reader->over = n <= 0;
	if (n > 0)
		cr_take(&reader->is, piece, (size_t)n);
	return n > 0;
}

static void read_packets(struct reader *reader, unsigned int n)
{
	int64_t end = fg_now_ms() + FG_WAIT_MS;

	while (reader->is.packets < n && fg_now_ms() < end)
		read_some(reader, 100);
	assert_int_equal(reader->is.packets, n);
}

/* Asks, and reads the reply: NULL, or the error, which the caller frees. */
static char *ask_capture(struct reader *reader, const char *request)
{
	const char *error;
	char line[4096], *result;
	json_t *reply;
	size_t n = 0;

	*reader = (struct reader){.fd = fg_wire_connect(fixture.sw.control, FG_WAIT_MS)};
	assert_true(reader->fd >= 0);
	cr_begin(&reader->is);
	n = (size_t)snprintf(line, sizeof(line), "{\"command\": \"capture\", %s}\n", request);
	assert_int_equal(send(reader->fd, line, n, MSG_NOSIGNAL), n);
	for (n = 0; n < sizeof(line) - 1 && (n == 0 || line[n - 1] != '\n'); n++) {
		struct pollfd pfd = {.fd = reader->fd, .events = POLLIN};

		assert_int_equal(poll(&pfd, 1, FG_WAIT_MS), 1);
		assert_int_equal(recv(reader->fd, line + n, 1, 0), 1);
	}
	line[n] = '\0';
	reply = json_loads(line, 0, NULL);
	assert_non_null(reply);
	error = json_string_value(json_object_get(reply, "error"));
	result = error != NULL ? strdup(error) : NULL;
	assert_true(error != NULL || json_object_get(reply, "capture") != NULL);
	json_decref(reply);
	return result;
}

static void capture(struct reader *reader, const char *request)
{
	assert_null(ask_capture(reader, request));
}

static void forget(struct reader *reader)
{
	close(reader->fd);
	cr_end(&reader->is);
}

/* What it has until it is over; the switch is asked to end it. */
static void finish(struct reader *reader)
{
	int64_t end = fg_now_ms() + FG_WAIT_MS;

	shutdown(reader->fd, SHUT_WR);
	while (!reader->over && fg_now_ms() < end)
		read_some(reader, 100);
	assert_true(reader->over);
	assert_int_equal(reader->is.statistics, reader->is.interfaces);
	assert_int_equal(reader->is.n, 0);
}

static void refused(const char *request, const char *words)
{
	struct reader reader;
	char *error = ask_capture(&reader, request);

	assert_non_null(error);
	if (strstr(error, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, words);
	free(error);
	forget(&reader);
}

/* --- whole frames ------------------------------------------------------------------------------------------------ */

static void expect_packet(const struct reader *reader, unsigned int i, const char *port, unsigned int direction,
			  const void *bytes, uint32_t n, uint32_t len)
{
	const struct cr_packet *packet = &reader->is.packet[i];

	assert_string_equal(reader->is.name[packet->interface], port);
	assert_int_equal(packet->direction, direction);
	assert_string_equal(packet->why, "");
	assert_int_equal(packet->n, n);
	assert_int_equal(packet->len, len);
	assert_memory_equal(packet->bytes, bytes, n);
	assert_true(i == 0 || packet->time_ns >= packet[-1].time_ns);
}

static void each_frame_is_there_once(const struct fg_options *opt)
{
	static const uint32_t lens[] = {60, 127, 128, 129, 1514, 9014, 65549};
	struct guest *a = guest_open("a", opt), *b = guest_open("b", opt);
	struct reader whole, some;
	struct fg_flow flow = {.id = 70};
	time_t now = time(NULL);
	unsigned int n = 0;

	guest_start(a, &(struct fg_nic_options){.tx_size = 65600, .depth = 8, .region = -1});
	guest_start(b, &(struct fg_nic_options){.rx_size = 65600, .depth = 8, .region = -1});
	settle(a, b);
	settle(b, a);
	capture(&whole, "\"ports\": [\"a\", \"b\"]");
	capture(&some, "\"ports\": [\"b\"], \"direction\": \"to\", \"snap\": 200");
	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, lens[i]);
		OK(fg_nic_send(&a->nic, frame, lens[i], &fg_layout_two));
		assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), lens[i]);
		read_packets(&whole, n + 2);
		read_packets(&some, i + 1);
		expect_packet(&whole, n++, "a", 1, frame, lens[i], lens[i]);
		expect_packet(&whole, n++, "b", 2, frame, lens[i], lens[i]);
		expect_packet(&some, i, "b", 2, frame, lens[i] < 200 ? lens[i] : 200, lens[i]);
	}
	assert_true(whole.is.packet[0].time_ns / 1000000000 >= (uint64_t)now - 2 &&
		    whole.is.packet[0].time_ns / 1000000000 <= (uint64_t)now + 200);
	finish(&whole);
	finish(&some);
	assert_int_equal(whole.is.packets, n);
	assert_int_equal(whole.is.seen[0] + whole.is.seen[1], n);
	assert_int_equal(whole.is.lost[0] + whole.is.lost[1] + some.is.lost[0], 0);
	forget(&whole);
	forget(&some);
}

static void split_rings(void **state)
{
	each_frame_is_there_once(&(struct fg_options){.features = FG_FEATURES_DEFAULT});
}

static void packed_rings(void **state)
{
	each_frame_is_there_once(&(struct fg_options){.features = FG_FEATURES_DEFAULT | FG_F_PACKED});
}

/* A frame that is still to be cut up is captured as the guest sent it; it reaches a guest that takes no such frames in pieces. */
static void a_frame_that_is_cut_up_is_one(void **state)
{
	const struct fg_options offloads = {.features = FG_FEATURES_DEFAULT | 1ull << 0 | 1ull << 11};
	struct guest *a = guest_open("a", &offloads), *b = guest_run("b", NULL);
	const struct fg_packet packet = {.payload = 10000, .seed = 3, .gso_size = 1000, .tcp_flags = FG_ACK};
	struct reader reader;
	uint32_t len;

	guest_start(a, &(struct fg_nic_options){.tx_size = 20000, .depth = 8, .region = -1});
	settle(b, a);
	capture(&reader, "\"ports\": [\"a\", \"b\"]");
	len = fg_packet_build(&packet, b->nic.mac, a->nic.mac, frame, &a->nic.tx_header);
	OK(fg_nic_send(&a->nic, frame, len, &fg_layout_two));
	for (int i = 0; i < 10; i++)
		assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), 54 + 1000);
	read_packets(&reader, 2);
	expect_packet(&reader, 0, "a", 1, frame, len, len);
	expect_packet(&reader, 1, "b", 2, frame, len, len);
	finish(&reader);
	forget(&reader);
}

/* At each port as it is on that port's wire. */
static void each_port_has_its_own_form(void **state)
{
	struct guest *p = guest_run("p", NULL), *t = guest_run("t", NULL);
	struct reader reader;
	struct fg_flow flow = {.id = 71};

	capture(&reader, "\"ports\": [\"p\", \"t\"]");
	fg_flow_build(&flow, everybody, p->nic.mac, frame, 300);
	OK(fg_nic_send(&p->nic, frame, 300, NULL));
	assert_int_equal(fg_nic_recv(&t->nic, got, sizeof(got), FG_WAIT_MS), 304);
	read_packets(&reader, 2);
	expect_packet(&reader, 0, "p", 1, frame, 300, 300);
	expect_packet(&reader, 1, "t", 2, got, 304, 304);
	finish(&reader);
	forget(&reader);
}

/* Its copies, beside what other ports of its bridge get; and what it sends, which is dropped. */
static void a_sink_is_a_port(void **state)
{
	struct guest *m = guest_run("m", NULL), *n = guest_run("n", NULL), *s = guest_run("s", NULL);
	struct reader reader;
	struct fg_flow flow = {.id = 72};

	capture(&reader, "\"ports\": [\"m\", \"n\", \"s\"]");
	fg_flow_build(&flow, everybody, m->nic.mac, frame, 300);
	OK(fg_nic_send(&m->nic, frame, 300, NULL));
	assert_int_equal(fg_nic_recv(&s->nic, got, sizeof(got), FG_WAIT_MS), 300);
	assert_int_equal(fg_nic_recv(&n->nic, got, sizeof(got), FG_WAIT_MS), 300);
	read_packets(&reader, 3);
	send_raw(s, m->nic.mac, s->nic.mac, 2, 200);
	read_packets(&reader, 5);
	finish(&reader);
	assert_int_equal(cr_count(&reader.is, "m", 1, ""), 1);
	assert_int_equal(cr_count(&reader.is, "n", 2, ""), 1);
	assert_int_equal(cr_count(&reader.is, "s", 2, ""), 1);
	assert_int_equal(cr_count(&reader.is, "s", 1, "rx_drop.mirror_sink"), 2);
	for (int i = 0; i < 3; i++)
		assert_memory_equal(reader.is.packet[i].bytes, frame, 300);
	forget(&reader);
}

/* --- drops ------------------------------------------------------------------------------------------------------- */

static void drops_at_the_entry(void **state)
{
	static const uint8_t zero[6];
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *alone = guest_run("alone", NULL);
	struct reader all, drops;

	settle(a, b);
	settle(b, a);
	capture(&all, "\"ports\": [\"a\", \"alone\"], \"direction\": \"from\"");
	capture(&drops, "\"ports\": [\"a\", \"alone\"], \"drops\": true");
	send_raw(a, b->nic.mac, zero, 3, 300);
	send_raw(a, a->nic.mac, a->nic.mac, 4, 300);
	send_raw(a, b->nic.mac, a->nic.mac, 5, 300);
	send_raw(alone, everybody, alone->nic.mac, 6, 300);
	read_packets(&all, 18);
	read_packets(&drops, 13);
	finish(&all);
	finish(&drops);
	assert_int_equal(cr_count(&all.is, "a", 1, ""), 5);
	for (int i = 0; i < 2; i++) {
		const struct reader *reader = i == 0 ? &all : &drops;

		assert_int_equal(cr_count(&reader->is, "a", 1, "rx_drop.source"), 3);
		assert_int_equal(cr_count(&reader->is, "a", 1, "rx_drop.reflection"), 4);
		assert_int_equal(cr_count(&reader->is, "alone", 1, "rx_drop.alone"), 6);
	}
	forget(&all);
	forget(&drops);
}

static void drops_at_the_exit(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct guest *a = guest_open("a", NULL), *e = guest_run("e", NULL), *b = guest_open("b", &plain);
	struct reader reader;

	guest_start(a, &(struct fg_nic_options){.tx_size = 9100, .depth = 16, .region = -1});
	guest_start(b, &(struct fg_nic_options){.rx_size = 1526, .depth = 2, .region = -1});
	settle(b, a);
	capture(&reader, "\"ports\": [\"b\", \"z\"], \"direction\": \"to\"");
	send_raw(e, everybody, e->nic.mac, 7, 100);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 9000);
	send_raw(a, b->nic.mac, a->nic.mac, 9, 100); /* two buffers, nine frames */
	read_packets(&reader, 23);
	for (unsigned int i = 14; i < 23; i++)
		assert_string_equal(reader.is.packet[i].why, i < 16 ? "" : "tx_drop.no_buffer");
	/* A packed ring has no such index, and no buffer for the last seven either. */
	if (!b->nic.rx->packed)
		fg_ring_avail(b->nic.rx, 0xffff);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 100);
	read_packets(&reader, 30);
	finish(&reader);
	assert_int_equal(cr_count(&reader.is, "z", 2, "tx_drop.not_ready"), 7);
	assert_int_equal(cr_count(&reader.is, "b", 2, "tx_drop.too_big"), 7);
	assert_int_equal(cr_count(&reader.is, "b", 2, "tx_drop.no_buffer"), b->nic.rx->packed ? 14 : 7);
	assert_int_equal(cr_count(&reader.is, "b", 2, "tx_drop.broken"), b->nic.rx->packed ? 0 : 7);
	forget(&reader);
}

static void send_packet(struct guest *g, bool udp, uint16_t port, uint32_t payload)
{
	const struct fg_packet packet = {.udp = udp, .payload = payload, .seed = 3};
	struct fg_vnet header;
	uint32_t len = fg_packet_build(&packet, everybody, g->nic.mac, frame, &header), at = 14 + 20 + 2;

	frame[at] = (uint8_t)(port >> 8);
	frame[at + 1] = (uint8_t)port;
	OK(fg_nic_send(&g->nic, frame, len, &fg_layout_two));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
}

static void drops_by_filters(void **state)
{
	struct guest *f = guest_run("f", NULL), *g = guest_run("g", NULL);
	struct reader reader;

	capture(&reader, "\"ports\": [\"f\", \"g\"], \"drops\": true");
	send_packet(f, true, 53, 40);
	send_packet(f, false, 26, 600);
	send_packet(f, false, 25, 40);
	send_packet(f, false, 26, 40);
	assert_true(fg_nic_recv(&g->nic, got, sizeof(got), FG_WAIT_MS) > 0);
	read_packets(&reader, 3);
	finish(&reader);
	assert_int_equal(cr_count(&reader.is, "f", 1, "rx_drop.filter"), 1);
	assert_int_equal(cr_count(&reader.is, "f", 1, "rx_drop.filter_unknown"), 1);
	assert_int_equal(cr_count(&reader.is, "g", 2, "tx_drop.filter"), 1);
	forget(&reader);
}

/* --- what is asked for ------------------------------------------------------------------------------------------- */

/* Two captures of a port, each with a filter of its own; one has enough. What a filter cannot know is told at the end. */
static void a_filter_chooses(void **state)
{
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL);
	struct reader mail, deep, two;

	capture(&mail, "\"ports\": [\"a\"], \"direction\": \"from\", \"filter\": \"tcp dst port 25\"");
	capture(&deep, "\"ports\": [\"a\"], \"direction\": \"from\", \"filter\": \"not ether[400] = 1\"");
	capture(&two, "\"ports\": [\"a\"], \"direction\": \"from\", \"count\": 2");
	for (int i = 0; i < 5; i++) {
		send_packet(a, false, 25, 40);
		send_packet(a, true, 25, 600);
		while (fg_nic_recv(&b->nic, got, sizeof(got), 0) > 0)
			;
	}
	read_packets(&mail, 5);
	read_packets(&two, 2);
	/* It ends by itself. */
	while (read_some(&two, FG_WAIT_MS))
		;
	assert_true(two.over);
	assert_int_equal(two.is.packets, 2);
	assert_int_equal(two.is.statistics, 1);
	finish(&mail);
	finish(&deep);
	assert_int_equal(mail.is.packets, 5);
	assert_int_equal(mail.is.seen[0], 10);
	assert_int_equal(mail.is.accepted[0], 5);
	assert_int_equal(mail.is.unknown[0], 0);
	/* A short frame has no such byte: that is known. */
	assert_int_equal(deep.is.seen[0], 10);
	assert_int_equal(deep.is.unknown[0], 5);
	forget(&mail);
	forget(&deep);
	forget(&two);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct reader reader[CAPTURES_MAX];

	refused("\"ports\": [\"nobody\"]", "there is no port \"nobody\"");
	refused("\"ports\": []", "of which ports?");
	refused("\"ports\": [\"a\", \"a\"]", "named twice");
	refused("\"ports\": [\"a\"], \"filter\": \"tcp port\"", "can't parse filter expression");
	refused("\"ports\": [\"a\"], \"snap\": 1", "snap is a number of bytes");
	refused("\"ports\": [\"a\"], \"count\": 0", "count is a number of frames");
	refused("\"ports\": [\"a\"], \"direction\": \"up\"", "direction is");
	for (unsigned int i = 0; i < CAPTURES_MAX; i++)
		capture(&reader[i], "\"ports\": [\"a\"]");
	refused("\"ports\": [\"a\"]", "more cannot");
	for (unsigned int i = 0; i < CAPTURES_MAX; i++) {
		finish(&reader[i]);
		forget(&reader[i]);
	}
}

/* --- ends -------------------------------------------------------------------------------------------------------- */

static void it_ends_with_its_port(void **state)
{
	struct reader reader;
	char line[256];
	json_t *answer;

	snprintf(line, sizeof(line), "{\"command\": \"port.add\", \"port\": {\"name\": \"x\", \"socket\": \"%s\"}}\n",
		 fg_switch_socket(&fixture.sw, "x"));
	answer = fg_switch_ask(&fixture.sw, line);
	assert_null(json_object_get(answer, "error"));
	json_decref(answer);
	capture(&reader, "\"ports\": [\"x\"]");
	json_decref(fg_switch_ask(&fixture.sw, "{\"command\": \"port.remove\", \"name\": \"x\"}\n"));
	while (read_some(&reader, FG_WAIT_MS))
		;
	assert_true(reader.over);
	assert_int_equal(reader.is.statistics, 1);
	forget(&reader);
}

/* Whoever does not read loses captures, and nobody a frame; what is lost is told. */
static void a_slow_reader_loses_captures_only(void **state)
{
	enum { FRAMES = 6000, LEN = 1500, AT_ONCE = 16 };
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL);
	struct reader slow;
	struct account b0;

	settle(b, a);
	capture(&slow, "\"ports\": [\"a\"], \"direction\": \"from\"");
	read_account("b", &b0);
	for (int i = 0; i < FRAMES; i += AT_ONCE) {
		send_raw(a, b->nic.mac, a->nic.mac, AT_ONCE, LEN);
		for (int j = 0; j < AT_ONCE; j++)
			assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), LEN);
	}
	expect_account("b", &b0, &(struct account){.tx_ok = FRAMES});
	finish(&slow);
	assert_int_equal(slow.is.seen[0], FRAMES);
	assert_int_equal(slow.is.accepted[0], FRAMES);
	assert_int_equal(slow.is.packets + slow.is.lost[0], FRAMES);
	assert_true(slow.is.lost[0] > 0 && slow.is.packets > 0);
	forget(&slow);
}

/* In the midst of it, with its half open or closed, and before the answer. */
static void a_reader_may_die(void **state)
{
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL);

	settle(b, a);
	for (int i = 0; i < 30; i++) {
		struct reader reader, kept;

		if (i % 3 == 2) {
			int fd = fg_wire_connect(fixture.sw.control, FG_WAIT_MS);

			assert_true(fd >= 0);
			dprintf(fd, "{\"command\": \"capture\", \"ports\": [\"a\"]}\n");
			close(fd);
			continue;
		}
		capture(&reader, "\"ports\": [\"a\", \"b\"]");
		capture(&kept, "\"ports\": [\"b\"], \"direction\": \"to\"");
		assert_traffic(a, b, 20, 1000);
		if (i % 3 == 1)
			shutdown(reader.fd, SHUT_WR);
		forget(&reader);
		assert_traffic(a, b, 20, 1000);
		finish(&kept);
		assert_int_equal(kept.is.packets, 40);
		forget(&kept);
	}
	assert_control_keeps_answering(&fixture.sw, 100);
}

int main(void)
{
	static const char text[] = "bridges:\n  - {name: br0}\n  - {name: br1}\n  - {name: br2}\n  - {name: br3}\n"
				   "  - {name: br4}\n  - {name: br5, vlan-aware: on}\n"
				   "  - {name: br6, mirrors: [{name: all, ports: m, to: s}]}\n";
	const struct CMUnitTest cases[] = {
		TEST_CASE(split_rings),
		TEST_CASE(packed_rings),
		TEST_CASE(a_frame_that_is_cut_up_is_one),
		TEST_CASE(each_port_has_its_own_form),
		TEST_CASE(a_sink_is_a_port),
		TEST_CASE(drops_at_the_entry),
		TEST_CASE(drops_at_the_exit),
		TEST_CASE(drops_by_filters),
		TEST_CASE(a_filter_chooses),
		TEST_CASE(what_makes_no_sense_is_refused),
		TEST_CASE(it_ends_with_its_port),
		TEST_CASE(a_slow_reader_loses_captures_only),
		TEST_CASE(a_reader_may_die),
	};
	char file[] = "/tmp/capture-test-XXXXXX";
	const char *const args[] = {"--config", file, NULL};
	const struct fg_switch_options fixture_options = {.ports = ports, .args = args};
	int fd = mkstemp(file), result;

	if (fd < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
		return 1;
	close(fd);
	fixture.with_victims = true;
	result = fixture_main_on(&fixture_options, "capture", CASES(cases));
	unlink(file);
	return result;
}
