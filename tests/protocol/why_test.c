/* SPDX-License-Identifier: BSD-3-Clause */
/* `why` against what happens: it is asked about generated frames from ports with generated options, the frame is sent, and each
 * counter and each receiver has to agree. It is asked once more then: where the answers differ, an address was learned or
 * a group joined meanwhile, and the case says nothing. And requests that ask for nonsense.
 */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dice.h"
#include "fg_packet.h"

enum { ROUNDS = 20, FRAMES = 24, SENT_MAX = 384, ASK_MAX = 1023, SIDES = 2, SIDE = 5 };

/* The last but one of each bridge has no guest, and the last is the sink of its mirrors. */
static const char *const names[SIDES][SIDE] = {{"a", "b", "c", "down", "s"}, {"p", "q", "r", "gone", "t"}};
enum { TALKERS = 3, SINK = 4 };
static const char text[] =
	"bridges:\n"
	"  - name: br0\n"
	"  - {name: br1, forward-link-local: off, mirrors: [{name: both, to: s}]}\n"
	"  - name: br2\n"
	"    vlan-aware: on\n"
	"    multicast-snooping: on\n"
	"    multicast-unregistered: routers\n"
	"    mirrors: [{name: ten, vlans: 10, to: t}, {name: to, direction: to, filter: udp, to: t}]\n";

static const struct fg_options asker = {.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS};
static const struct fg_options sender = {.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_MTU, .mtu = 1000};
static const struct fg_options plain = {.features = FG_FEATURES_DEFAULT};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};

static struct guest *guests[SIDES][SIDE];
static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];

/* What a frame is asked about with. */
struct made {
	uint32_t len;
	char offload[24];
	struct fg_vnet header;
};

static unsigned int compared, skipped, dropped_by_bridge, refused, cut, punted, mirrored;

/* --- options ------------------------------------------------------------------------------------------------------- */

static const char *one_of(const char *const *values, unsigned int n)
{
	return values[dice(n)];
}
#define ONE_OF(...) one_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Values of JSON. */
static void set_options(unsigned int side, unsigned int port)
{
	static char own[64], line[1024];
	const uint8_t *mac = guests[side][port] != NULL ? guests[side][port]->nic.mac : (const uint8_t *)"\2\0\0\0\0\1";
	int n;

	snprintf(own, sizeof(own), "\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	n = snprintf(line, sizeof(line),
		     "{\"command\": \"port.set\", \"port\": {\"name\": \"%s\", \"isolated\": %s, \"macs\": %s, \"ips\": %s, "
		     "\"dhcp-guard\": %s, \"loop-guard\": %s, \"bpdu-guard\": %s, \"filter-from-vm\": %s, \"filter-to-vm\": %s",
		     names[side][port], ONE_OF("true", "false", "false"), ONE_OF("null", "null", "null", "null", own),
		     ONE_OF("null", "null", "null", "null", "null", "\"10.0.0.0/8\""), ONE_OF("true", "false", "false", "false"),
		     ONE_OF("true", "false", "false", "false"), ONE_OF("\"drop\"", "\"off\"", "\"off\""),
		     ONE_OF("null", "null", "null", "\"deny udp dst port 53; allow\"", "\"deny ether[300] = 7; allow\""),
		     ONE_OF("null", "null", "\"deny arp; allow\"", "\"deny vlan 20; deny udp; allow\"",
			    "\"deny ether[200] = 7; allow\""));
	if (side == 1)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", %s, \"multicast-router\": %s",
			      ONE_OF("\"access\": 10, \"trunk\": null, \"native-vlan\": null, \"qinq\": null",
				     "\"access\": 20, \"trunk\": null, \"native-vlan\": null, \"qinq\": null",
				     "\"access\": null, \"trunk\": \"10,20\", \"native-vlan\": null, \"qinq\": null",
				     "\"access\": null, \"trunk\": \"10,20\", \"native-vlan\": 10, \"qinq\": null",
				     "\"access\": null, \"trunk\": null, \"native-vlan\": null, \"qinq\": 10",
				     "\"access\": null, \"trunk\": null, \"native-vlan\": null, \"qinq\": null"),
			      ONE_OF("\"auto\"", "\"on\""));
	snprintf(line + n, sizeof(line) - (size_t)n, "}}\n");
	ask_ok(line);
}

static void add_ports(void)
{
	for (unsigned int side = 0; side < SIDES; side++)
		for (unsigned int i = 0; i < SINK; i++) {
			char line[512];

			snprintf(line, sizeof(line),
				 "{\"command\": \"port.add\", \"port\": {\"name\": \"%s\", \"type\": \"vhost-user\", "
				 "\"bridge\": \"br%u\", "
				 "\"socket\": \"%s\", \"storm-broadcast\": \"off\", \"storm-multicast\": \"off\"}}\n",
				 names[side][i], side + 1, fg_switch_socket(&fixture.sw, names[side][i]));
			ask_ok(line);
		}
}

static void remove_ports(void)
{
	for (unsigned int side = 0; side < SIDES; side++)
		for (unsigned int i = 0; i < SIDE; i++) {
			char line[128];

			if (guests[side][i] != NULL)
				guest_close(guests[side][i]);
			if (i == SINK)
				continue;
			snprintf(line, sizeof(line), "{\"command\": \"port.remove\", \"name\": \"%s\"}\n", names[side][i]);
			ask_ok(line);
		}
}

/* --- frames -------------------------------------------------------------------------------------------------------- */

static void put_destination(unsigned int side)
{
	static const uint8_t others[][6] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x52, 0x54, 0, 0xee, 0, 1},	      {0x01, 0x80, 0xc2, 0, 0, 0},
		{0x01, 0x80, 0xc2, 0, 0, 0x0e},	      {0x01, 0x00, 0x5e, 0x01, 0x01, 0x01},
	};
	unsigned int which = dice(TALKERS + 9);

	/* Everybody and the others once each, and more often a guest that is there. */
	memcpy(frame, which < 5 ? others[which] : which == 5 ? others[0] : guests[side][which % TALKERS]->nic.mac, 6);
}

static void put_source(unsigned int side, unsigned int from)
{
	unsigned int which = dice(16);

	memcpy(frame + 6, guests[side][which == 0 ? dice(TALKERS) : from]->nic.mac, 6);
	if (which == 1)
		frame[6] |= dice(2) != 0 ? 1 : 0;
	if (which == 2 && dice(2) != 0)
		memset(frame + 6, 0, 6);
}

static uint32_t put_tags(uint32_t at)
{
	static const uint16_t vids[] = {10, 20, 30, 0, 10};
	unsigned int tags = dice(3);

	tags = tags == 2 && dice(2) != 0 ? 0 : tags;
	for (unsigned int i = 0; i < tags; i++, at += 4) {
		uint16_t vid = vids[dice(5)];

		memcpy(frame + at, dice(4) == 0 ? "\x88\xa8" : "\x81\x00", 2);
		frame[at + 2] = (uint8_t)(dice(8) << 5 | vid >> 8);
		frame[at + 3] = (uint8_t)vid;
	}
	return at;
}

/* IPv4 of some protocol, ARP, or whatever: what guards, filters and snooping look at. */
static void put_packet(uint32_t at)
{
	static const uint8_t protocols[] = {2, 6, 17, 17, 1};
	static const uint8_t ports[] = {53, 67, 80};
	uint8_t *ip = frame + at + 2, *l4 = ip + 20;
	unsigned int kind = dice(4);

	memcpy(frame + at, kind == 0 ? "\x08\x06" : kind == 1 ? "\x88\xb5" : "\x08\x00", 2);
	if (kind == 0)
		memcpy(ip, "\0\1\x08\0\6\4\0\1", 8);
	if (kind < 2)
		return;
	memset(ip, 0, 20);
	memcpy(ip, "\x45\0\0\x30", 4);
	ip[8] = 1;
	ip[9] = protocols[dice(5)];
	memcpy(ip + 12, dice(2) != 0 ? "\x0a\0\0\1" : "\xc0\0\2\1", 4);
	memcpy(ip + 16, frame[0] == 1 ? "\xe1\1\1\1" : "\x0a\0\0\2", 4);
	memcpy(l4, "\x04\0\0\0", 4);
	l4[3] = ports[dice(3)];
	if (ip[9] == 2)
		l4[0] = dice(2) != 0 ? 0x16 : 0x11;
}

/* One that is to be cut up, or summed. */
static void make_large(struct made *made, unsigned int side, unsigned int from)
{
	struct fg_packet packet = {.payload = 1 + dice(9000), .seed = 3, .tcp_flags = FG_ACK, .ipv6 = dice(3) == 0};

	packet.gso_size = dice(4) != 0 && packet.payload > 1500 ? (uint16_t)(500 + dice(900)) : 0;
	packet.vlans = side == 1 && dice(2) != 0;
	put_destination(side);
	memcpy(got, frame, 6);
	made->len = fg_packet_build(&packet, got, guests[side][from]->nic.mac, frame, &made->header);
	if (packet.vlans != 0)
		frame[15] = dice(2) != 0 ? 10 : 20;
	if (packet.gso_size == 0)
		snprintf(made->offload, sizeof(made->offload), "csum");
	else
		snprintf(made->offload, sizeof(made->offload), "%s:%u", packet.ipv6 ? "tcp6" : "tcp4", packet.gso_size);
}

static void make_frame(struct made *made, unsigned int side, unsigned int from)
{
	static const uint32_t lengths[] = {14, 16, 18, 30, 60, 100, 128, 129, 300, 900, 1014, 1018, 1100, 1514};

	memset(made, 0, sizeof(*made));
	if (dice(6) == 0) {
		make_large(made, side, from);
		return;
	}
	for (unsigned int i = 0; i < 1600; i++)
		frame[i] = (uint8_t)dice(9);
	put_destination(side);
	put_source(side, from);
	put_packet(put_tags(12));
	made->len = lengths[dice(sizeof(lengths) / sizeof(lengths[0]))];
}

/* --- a case -------------------------------------------------------------------------------------------------------- */

/* The caller's. */
static json_t *ask_why(const char *port, const struct made *made)
{
	char line[ASK_MAX + 1], hex[2 * SENT_MAX + 1] = "", offload[48] = "";
	uint32_t n = made->len < SENT_MAX ? made->len : SENT_MAX;
	json_t *answer, *why;

	for (uint32_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", frame[i]);
	if (made->offload[0] != '\0')
		snprintf(offload, sizeof(offload), ", \"offload\": \"%s\"", made->offload);
	snprintf(line, sizeof(line), "{\"command\": \"why\", \"name\": \"%s\", \"frame\": \"%s\", \"length\": %u%s}\n", port, hex,
		 made->len, offload);
	answer = fg_switch_ask(&fixture.sw, line);
	assert_non_null(answer);
	if (json_object_get(answer, "why") == NULL)
		fail_msg("%s: %s", line, json_string_value(json_object_get(answer, "error")));
	why = json_incref(json_object_get(answer, "why"));
	json_decref(answer);
	return why;
}

/* What becomes of it, without the words: where it is learned is another thing after the frame. */
static bool same_answer(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "dropped"), json_object_get(b, "dropped")) &&
	       json_equal(json_object_get(a, "receivers"), json_object_get(b, "receivers")) &&
	       json_equal(json_object_get(a, "mirrors"), json_object_get(b, "mirrors"));
}

static const json_t *entry_of(const json_t *list, const char *key, const char *value)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
		if (strcmp(json_string_value(json_object_get(entry, key)), value) == 0)
			return entry;
	return NULL;
}

static unsigned int entries_of(const json_t *list, const char *key, const char *value)
{
	const json_t *entry;
	unsigned int n = 0;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		const char *is = json_string_value(json_object_get(entry, key));

		n += is != NULL && strcmp(is, value) == 0;
	}
	return n;
}

static void check_source(const json_t *why, const struct account *now)
{
	const char *dropped = json_string_value(json_object_get(why, "dropped"));
	bool control = entry_of(json_object_get(why, "steps"), "step", "control") != NULL;
	int64_t punts = now->punted;

	for (int i = 0; i < PUNT_DROPS; i++)
		punts += now->punt_drop[i];
	assert_int_equal(punts, control);
	punted += control;
	assert_int_equal(now->rx_ok, dropped == NULL);
	for (int i = 0; i < RX_DROPS; i++) {
		bool this = dropped != NULL && strcmp(port_counter_table[PORT_COUNTERS_ALONE + i].name, dropped) == 0;

		if (now->rx_drop[i] != this)
			fail_msg("%s: %ld; why said %s", port_counter_table[PORT_COUNTERS_ALONE + i].name, (long)now->rx_drop[i],
				 dropped != NULL ? dropped : "nothing of a drop");
	}
	dropped_by_bridge += dropped != NULL;
}

/* "delivered, cut into 3": how many frames more. */
static int64_t more_of(const json_t *entry)
{
	const char *at = strstr(json_string_value(json_object_get(entry, "text")), "cut into ");

	return at != NULL ? strtol(at + strlen("cut into "), NULL, 10) - 1 : 0;
}

static void check_receiver(const json_t *why, const char *name, const struct account *now)
{
	const json_t *entry = entry_of(json_object_get(why, "receivers"), "port", name);
	const char *counter = json_string_value(json_object_get(entry, "counter"));
	bool delivered = json_is_true(json_object_get(entry, "delivered"));
	int64_t more = entry != NULL ? more_of(entry) : 0;

	if (now->tx_ok != (delivered ? 1 + more : 0) || now->tx_segments != more)
		fail_msg("%s: %ld delivered, %ld segments; why said %s", name, (long)now->tx_ok, (long)now->tx_segments,
			 entry != NULL ? json_string_value(json_object_get(entry, "text")) : "nothing");
	for (int i = 0; i < TX_DROPS; i++) {
		const char *reason = port_counter_table[PORT_COUNTERS_ALONE + RX_DROPS + i].name;
		bool this = counter != NULL && strcmp(counter + strlen("tx_drop."), reason) == 0;

		if (now->tx_drop[i] != this)
			fail_msg("%s: %s: %ld; why said %s", name, reason, (long)now->tx_drop[i],
				 entry != NULL ? json_string_value(json_object_get(entry, "text")) : "nothing");
	}
	refused += counter != NULL;
	cut += more > 0;
}

static void check_sink(const json_t *why, const char *name, const struct account *now)
{
	unsigned int copies = entries_of(json_object_get(why, "mirrors"), "sink", name);

	if (now->mirrored != copies)
		fail_msg("%s: %ld copies, and why said %u", name, (long)now->mirrored, copies);
	mirrored += copies;
}

static void receive_all(struct guest *g, int64_t n)
{
	while (g != NULL && n-- > 0)
		assert_true(fg_nic_recv(&g->nic, got, sizeof(got), FG_WAIT_MS) > 0);
}

/* What came of it, once the source has counted it. */
static void await(unsigned int side, unsigned int from, const struct account before[SIDE], struct account now[SIDE])
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	do
		now[from] = since(names[side][from], &before[from]);
	while (taken(&now[from]) < 1 && fg_left_ms(deadline) > 0);
	assert_int_equal(taken(&now[from]), 1);
	for (unsigned int i = 0; i < SIDE; i++)
		if (i != from)
			now[i] = since(names[side][i], &before[i]);
}

static void one_case(unsigned int side, unsigned int from)
{
	struct account before[SIDE], now[SIDE];
	struct guest *g = guests[side][from];
	json_t *why, *after;
	struct made made;
	bool injected = false;

	make_frame(&made, side, from);
	why = ask_why(names[side][from], &made);
	for (unsigned int i = 0; i < SIDE; i++)
		read_account(names[side][i], &before[i]);
	g->nic.tx_header = made.header;
	OK(fg_nic_send(&g->nic, frame, made.len, NULL));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	await(side, from, before, now);
	after = ask_why(names[side][from], &made);
	for (unsigned int i = 0; i < SIDE; i++) {
		receive_all(guests[side][i], now[i].tx_ok);
		injected |= now[i].injected > 0;
	}
	if (injected || !same_answer(why, after)) {
		skipped++;
	} else {
		check_source(why, &now[from]);
		for (unsigned int i = 0; i < SIDE; i++)
			if (i != SINK && i != from)
				check_receiver(why, names[side][i], &now[i]);
		check_sink(why, names[side][SINK], &now[SINK]);
		compared++;
	}
	json_decref(why);
	json_decref(after);
}

static void open_guests(void)
{
	static const struct fg_options *const options[SIDE] = {&asker, &sender, &plain, NULL, &asker};

	for (unsigned int side = 0; side < SIDES; side++)
		for (unsigned int i = 0; i < SIDE; i++) {
			if (options[i] == NULL)
				continue;
			guests[side][i] = guest_open(names[side][i], options[i]);
			guest_start(guests[side][i], &large);
			guests[side][i]->nic.takes_offloads = true;
		}
}

static void what_it_says_happens(void **state)
{
	add_ports();
	open_guests();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int side = 0; side < SIDES; side++)
			for (unsigned int i = 0; i < SIDE - 1; i++)
				set_options(side, i);
		for (unsigned int i = 0; i < FRAMES; i++)
			one_case(i % SIDES, dice(TALKERS));
	}
	print_message("%u frames compared, %u not; %u dropped, %u refused by receivers, %u cut up, %u to control, %u mirrored\n",
		      compared, skipped, dropped_by_bridge, refused, cut, punted, mirrored);
	assert_true(compared > ROUNDS * FRAMES / 2);
	assert_true(dropped_by_bridge > 20 && refused > 20 && cut > 0 && punted > 0 && mirrored > 20);
	remove_ports();
}

/* --- limits -------------------------------------------------------------------------------------------------------- */

/* What is left to be flooded, as the answer says. */
static int64_t storm_left(const json_t *why)
{
	const json_t *step = entry_of(json_object_get(why, "steps"), "step", "storm");

	assert_non_null(step);
	return strtol(strstr(json_string_value(json_object_get(step, "text")), ": ") + 2, NULL, 10);
}

/* A limit fills up by itself: a frame that is said to pass does. One that is said to be dropped may pass, if a packet's time has
 * come meanwhile: PER_SECOND times a second at most. */
static void limits_are_looked_at(void **state)
{
	enum { PER_SECOND = 16, DROPPED = 30, ASKED = 400, LONG_MS = 100000 };
	struct guest *h0 = guest_run("h0", NULL);
	unsigned int passed = 0, dropped = 0;
	struct made made = {.len = 60};
	int64_t begin, left = 0, late = 0;
	json_t *why;

	settle(h0, guest_run("h1", NULL));
	memset(frame, 0, 60);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, h0->nic.mac, 6);
	/* To be asked takes nothing. */
	for (int i = 0; i < 100; i++) {
		why = ask_why("h0", &made);
		assert_true(storm_left(why) >= left);
		left = storm_left(why);
		json_decref(why);
	}
	assert_true(left > 0);
	begin = fg_deadline(LONG_MS);
	for (unsigned int i = 0; i < ASKED && dropped < DROPPED; i++) {
		struct account before, now;
		bool drops;

		why = ask_why("h0", &made);
		drops = json_is_string(json_object_get(why, "dropped"));
		if (drops)
			assert_string_equal(json_string_value(json_object_get(why, "dropped")), "storm_broadcast");
		json_decref(why);
		read_account("h0", &before);
		OK(fg_nic_send(&h0->nic, frame, made.len, NULL));
		OK(fg_nic_drain_tx(&h0->nic, FG_WAIT_MS));
		do
			now = since("h0", &before);
		while (taken(&now) < 1);
		assert_true(drops || now.rx_ok == 1);
		late += drops && now.rx_ok == 1;
		passed += !drops;
		dropped += now.rx_drop[RX_DROP_STORM_BROADCAST] == 1;
	}
	assert_true(passed > 0 && dropped > 0);
	assert_true(late <= 1 + (LONG_MS - fg_left_ms(begin)) * PER_SECOND / 1000);
}

/* --- hostile requests ------------------------------------------------------------------------------------------------ */

static void assert_refused(const char *members)
{
	char line[ASK_MAX + 1];
	json_t *answer;

	snprintf(line, sizeof(line), "{\"command\": \"why\"%s}\n", members);
	answer = fg_switch_ask(&fixture.sw, line);
	assert_non_null(answer);
	if (!json_is_string(json_object_get(answer, "error")))
		fail_msg("%s was taken", line);
	json_decref(answer);
}

static void nonsense_is_refused(void **state)
{
	static const char *const members[] = {
		"",
		", \"name\": \"nobody\", \"frame\": \"00\"",
		", \"name\": 3, \"frame\": \"00\"",
		", \"name\": \"h0\"",
		", \"name\": \"h0\", \"frame\": 3",
		", \"name\": \"h0\", \"frame\": \"0\"",
		", \"name\": \"h0\", \"frame\": \"0g\"",
		", \"name\": \"h0\", \"frame\": \"00 11\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"length\": 1",
		", \"name\": \"h0\", \"frame\": \"0011\", \"length\": -1",
		", \"name\": \"h0\", \"frame\": \"0011\", \"length\": \"x\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"length\": 1000",
		", \"name\": \"h0\", \"frame\": \"0011\", \"length\": 9223372036854775807",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": \"tcp4\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": \"tcp4:\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": \"tcp4:0\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": \"tcp4:-1\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": \"tcp4:70000\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": \"csum1\"",
		", \"name\": \"h0\", \"frame\": \"0011\", \"offload\": 1",
	};

	for (unsigned int i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		assert_refused(members[i]);
}

/* Of any bytes at any length there is an answer. */
static void any_frame_has_an_answer(void **state)
{
	static const char *const offloads[] = {"", "csum", "tcp4:1448", "tcp6:1", "udp:65535"};

	for (unsigned int i = 0; i < 300; i++) {
		struct made made = {.len = dice(8) == 0 ? dice(70000) : dice(SENT_MAX + 1)};
		json_t *why;

		for (uint32_t at = 0; at < SENT_MAX; at++)
			frame[at] = (uint8_t)dice(256);
		snprintf(made.offload, sizeof(made.offload), "%s", offloads[dice(5)]);
		why = ask_why(i % 2 != 0 ? "h0" : "v0", &made);
		if (made.len < 14 || made.len > 65535 + 14 + 2 * 4)
			assert_true(json_is_string(json_object_get(why, "dropped")));
		json_decref(why);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(what_it_says_happens),
		TEST_CASE(limits_are_looked_at),
		TEST_CASE(nonsense_is_refused),
		TEST_CASE(any_frame_has_an_answer),
	};
	static const char *const ports[] = {"h0,storm-broadcast=16,bridge=br0", "h1,bridge=br0", "v0,bridge=br0", "v1,bridge=br0",
					     "s,bridge=br1", "t,bridge=br2", NULL};
	const struct fg_switch_options options = {.ports = ports};

	fixture.with_victims = true;
	return fixture_main_with_file(text, &options, "why", CASES(cases));
}
