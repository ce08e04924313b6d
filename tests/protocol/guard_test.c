/* SPDX-License-Identifier: BSD-3-Clause */
/* Identity of a port, from the option to the counter: a guest that says it is somebody else, in thousands of made-up frames cut
 * anywhere into descriptors, beside victims who lose nothing; options that change while it is connected; the log's lines; a port
 * that closes and opens; an address that comes back from a guest.
 */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dice.h"
#include "guard_model.h"
#include "vus_limits.h"

enum { SOURCE = 96, FRAMES = 400 };

static const struct fg_layout cut_up = {.name = "cut up", .n = 9, .len = {5, 7, 13, 1, 2, 1, 17, 30, 900}};
static const struct fg_layout split_head = {.name = "split head", .n = 4, .len = {12, 14, 20, 1500}};
static const struct fg_layout *const layouts[] = {&fg_layout_one, &fg_layout_two, &fg_layout_indirect, &cut_up, &split_head};
enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

static uint8_t frame[MODEL_FRAME_MAX], got[2048];

/* A port x on the victims' bridge, with these options. */
static void add_port(const char *more)
{
	char options[512];

	snprintf(options, sizeof(options), ", \"type\": \"vhost-user\", \"socket\": \"%s\"%s", fg_switch_socket(&fixture.sw, "x"),
		 more);
	ask_port_ok("add", "x", options);
}

static void remove_port(struct guest *x)
{
	guest_close(x);
	ask_ok("{\"command\": \"port.remove\", \"name\": \"x\"}\n");
}

/* A value of JSON. */
static const char *quoted(const char *value, char text[128])
{
	if (value == NULL)
		return "null";
	snprintf(text, 128, "\"%s\"", value);
	return text;
}

static void set_guards(unsigned int set)
{
	char options[512], macs[128], ips[128];

	snprintf(options, sizeof(options),
		 ", \"macs\": %s, \"ips\": %s, \"dhcp-guard\": %s, \"ra-guard\": %s, \"bpdu-guard\": \"%s\"",
		 quoted(model_macs(set), macs), quoted(model_ips(set), ips), (set & MODEL_DHCP) != 0 ? "true" : "false",
		 (set & MODEL_RA) != 0 ? "true" : "false", (set & MODEL_BPDU) != 0 ? "drop" : "off");
	ask_port_ok("set", "x", options);
}

static void send_bytes(struct guest *g, const uint8_t *bytes, uint32_t len, const struct fg_layout *layout)
{
	OK(fg_nic_send(&g->nic, bytes, len, layout));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* A made-up frame to `to`, from an address that no other guest has. */
static uint32_t make_frame(const uint8_t to[6])
{
	struct model_source source = {.left = SOURCE};
	uint8_t from[SOURCE];
	uint32_t len, seen;

	for (unsigned int i = 0; i < SOURCE; i++)
		from[i] = (uint8_t)dice(256);
	source.at = from;
	len = model_frame(&source, frame, &seen);
	memcpy(frame, to, 6);
	memcpy(frame + 6, "\x52\x54\0\0\0", 5);
	frame[11] = (uint8_t)(1 + frame[11] % 3);
	return len;
}

/* What the model lets pass arrives, whole and in order, and nothing else; the rest is counted, each by its name. */
static void send_made_up(struct guest *x, struct guest *to, unsigned int set)
{
	struct account before, want = {0}, now;

	read_account("x", &before);
	for (unsigned int i = 0; i < FRAMES; i++) {
		uint32_t len = make_frame(to->nic.mac), head = len < FRAME_HEAD ? len : FRAME_HEAD;
		enum rx_drop why = model_verdict(set, frame, len, head);

		send_bytes(x, frame, len, layouts[i % LAYOUTS]);
		if (why != RX_DROPS) {
			want.rx_drop[why]++;
			continue;
		}
		want.rx_ok++;
		assert_int_equal(fg_nic_recv(&to->nic, got, sizeof(got), FG_WAIT_MS), len);
		assert_memory_equal(got, frame, len);
	}
	now = since("x", &before);
	assert_int_equal(now.rx_ok, want.rx_ok);
	for (int why = 0; why < RX_DROPS; why++)
		if (now.rx_drop[why] != want.rx_drop[why])
			fail_msg("set 0x%x: reason %d: %ld and not %ld", set, why, (long)now.rx_drop[why],
				 (long)want.rx_drop[why]);
	assert_true(set == 0 || now.rx_ok < FRAMES);
	assert_silence(to);
}

static void made_up_frames(void **state)
{
	static const unsigned int sets[] = {0,
					    MODEL_MACS,
					    MODEL_IPS,
					    MODEL_DHCP | MODEL_RA,
					    MODEL_MACS | MODEL_IP4 | MODEL_BPDU,
					    MODEL_SETS - 1,
					    MODEL_MACS | MODEL_IP6};
	struct guest *h0 = guest_run("h0", NULL), *h1 = guest_run("h1", NULL), *x;

	settle(h0, h1);
	add_port("");
	x = guest_run("x", NULL);
	for (unsigned int i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		set_guards(sets[i]);
		send_made_up(x, h0, sets[i]);
	}
	/* Its connection is the same one. */
	set_guards(0);
	send_made_up(x, h0, 0);
	remove_port(x);
}

/* --- the log ----------------------------------------------------------------------------------------------------- */

static void the_log_names_the_addresses(void **state)
{
	static const uint8_t arp[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0,	1, 8, 6, 0, 1, 8, 0,   6, 4, 0,
				      1,    0x52, 0x54, 0,    0,    0,	  1,	192,  0, 2, 77, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
	static const char line[] =
		"a frame is dropped (guard_ip): 52:54:00:00:00:01 to ff:ff:ff:ff:ff:ff, ARP from 192.0.2.77 at "
		"52:54:00:00:00:01 for 192.0.2.1";
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct account before;
	struct guest *x;

	add_port(", \"ips\": \"192.0.2.1\"");
	x = guest_run("x", NULL);
	read_account("x", &before);
	for (int i = 0; i < 200; i++)
		send_bytes(x, arp, sizeof(arp), &cut_up);
	expect_account("x", &before, &(struct account){.rx_drop[RX_DROP_GUARD_IP] = 200});
	while (log_lines(line) == 0) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(2000);
	}
	/* Ten at once, and one a second. */
	assert_in_range(log_lines(line), 1, 10 + FIXTURE_LIMIT_S);
	remove_port(x);
}

/* --- closed ------------------------------------------------------------------------------------------------------ */

/* Of one port, or of the list of all: whether it says that it is closed, and the words for that. */
static bool says_closed(const json_t *port)
{
	bool closed = json_is_true(json_object_get(port, "closed"));
	const char *state = json_string_value(json_object_get(port, "state"));
	unsigned int left;

	assert_non_null(state);
	assert_int_equal(sscanf(state, "closed by bpdu-guard, %u s left", &left) == 1, closed);
	assert_true(!closed || (left >= 1 && left <= 3600));
	return closed;
}

static bool is_closed(void)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", "x");
	bool closed = says_closed(json_object_get(answer, "port"));

	json_decref(answer);
	return closed;
}

static bool is_closed_in_list(void)
{
	json_t *answer = fg_switch_ask(&fixture.sw, "{\"command\": \"ports\"}\n"), *port;
	bool closed = false, found = false;
	size_t i;

	json_array_foreach(json_object_get(answer, "ports"), i, port)
	{
		bool is_x = strcmp(json_string_value(json_object_get(port, "name")), "x") == 0, says = says_closed(port);

		assert_true(is_x || !says);
		found |= is_x;
		closed |= says;
	}
	assert_true(found);
	json_decref(answer);
	return closed;
}

static void await_closed(bool closed)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (is_closed() != closed) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(2000);
	}
}

static void send_bpdu(struct guest *x)
{
	static const uint8_t bpdu[60] = {0x01, 0x80, 0xc2, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 1, 0, 38, 0x42, 0x42, 3};

	send_bytes(x, bpdu, sizeof(bpdu), &split_head);
}

/* To set its link up does not open it, and the answer says so. */
static void expect_note(const char *link, bool noted)
{
	char line[128];
	json_t *answer;
	const char *note;

	snprintf(line, sizeof(line), "{\"command\": \"port.link\", \"name\": \"x\", \"link\": \"%s\"}\n", link);
	answer = fg_switch_ask(&fixture.sw, line);
	assert_null(json_object_get(answer, "error"));
	note = json_string_value(json_object_get(answer, "note"));
	assert_int_equal(note != NULL, noted);
	if (noted) {
		assert_non_null(strstr(note, "port x is closed by bpdu-guard, and opens by itself in "));
		assert_non_null(strstr(note, " s; at once: vusctl port set x bpdu-guard=drop"));
	}
	json_decref(answer);
}

static void a_bpdu_closes_the_port(void **state)
{
	struct guest *h0 = guest_run("h0", NULL), *h1 = guest_run("h1", NULL), *x;
	struct account x0, h0_0;

	settle(h0, h1);
	/* For long, and nothing of it passes. */
	add_port(", \"bpdu-guard\": \"close\", \"bpdu-close-time\": 3600");
	x = guest_run("x", NULL);
	settle(x, h0);
	read_account("x", &x0);
	send_bpdu(x);
	await_closed(true);
	assert_true(is_closed_in_list());
	assert_int_equal(log_lines("a frame of spanning tree came from it: closed for 3600 seconds"), 1);
	assert_false(is_known(x));
	send_raw(x, h0->nic.mac, x->nic.mac, 5, 100);
	expect_account("x", &x0, &(struct account){.rx_drop[RX_DROP_GUARD_BPDU] = 1, .rx_drop[RX_DROP_CLOSED] = 5});
	read_account("h0", &h0_0);
	send_raw(h0, everybody, h0->nic.mac, 1, 100);
	assert_silence(x);
	expect_note("up", true);
	expect_note("down", false);
	expect_note("up", true);
	/* Another guard changes nothing of that; another answer to spanning tree opens it. */
	ask_port_ok("set", "x", ", \"loop-guard\": true");
	assert_true(is_closed());
	ask_port_ok("set", "x", ", \"bpdu-guard\": \"drop\"");
	assert_false(is_closed());
	assert_false(is_closed_in_list());
	expect_note("up", false);
	settle(x, h0);
	send_bpdu(x);
	settle(x, h0);
	assert_false(is_closed());
	/* For a second; again and again. */
	ask_port_ok("set", "x", ", \"bpdu-guard\": \"close\", \"bpdu-close-time\": 1");
	for (int i = 0; i < 2; i++) {
		send_bpdu(x);
		await_closed(true);
		await_closed(false);
		settle(x, h0);
	}
	remove_port(x);
}

/* --- addresses of others ----------------------------------------------------------------------------------------- */

static void an_address_comes_back_from_a_guest(void **state)
{
	struct guest *h0 = guest_run("h0", NULL), *h1 = guest_run("h1", NULL), *x;
	struct account x0;

	settle(h0, h1);
	settle(h1, h0);
	add_port(", \"loop-guard\": true");
	x = guest_run("x", NULL);
	settle(x, h0);
	read_account("x", &x0);
	for (int i = 0; i < 20; i++) {
		/* Whoever talks keeps its address. */
		settle(h0, h1);
		send_raw(x, everybody, h0->nic.mac, 1, 100);
	}
	expect_account("x", &x0, &(struct account){.rx_drop[RX_DROP_GUARD_LOOP] = 20});
	assert_traffic(h1, h0, 20, 200);
	assert_silence(x);
	assert_int_not_equal(log_lines("a frame is dropped (guard_loop)"), 0);
	remove_port(x);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(made_up_frames),
		TEST_CASE(the_log_names_the_addresses),
		TEST_CASE(a_bpdu_closes_the_port),
		TEST_CASE(an_address_comes_back_from_a_guest),
	};

	return fixture_main("guard", CASES(cases));
}
