/* SPDX-License-Identifier: BSD-3-Clause */
/* What is read of IGMP, MLD, PIM and MRD: each message as its RFC draws it, and each of them with a byte changed or bytes
 * missing, which must not be taken for another one; queries of our own, read back.
 */
#include "cases.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fg_group.h"
#include "group_message.h"
#include "group_query.h"

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

static const struct expected {
	struct fg_said said;
	enum group_message_kind kind;
	int what; /* of its only record; -1: it has none */
} all[] = {
	{{.what = FG_JOINS, .version = 1, .group = "239.1.2.3"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_JOIN},
	{{.what = FG_JOINS, .version = 2, .group = "239.129.2.3"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_JOIN},
	{{.what = FG_LEAVES, .version = 2, .group = "239.1.2.3"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_LEAVE},
	{{.what = FG_JOINS, .version = 3, .group = "239.1.2.3"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_JOIN},
	{{.what = FG_LEAVES, .version = 3, .group = "239.1.2.3", .vlan = 7}, GROUP_MESSAGE_REPORT, GROUP_RECORD_LEAVE},
	/* RFC 3376, 4.2.12, the types in turn: it includes, excludes, turns to either, allows, blocks. */
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 1, .sources = 2},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_JOIN},
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 1}, GROUP_MESSAGE_REPORT, GROUP_RECORD_NOTHING},
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 2, .sources = 3},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_JOIN},
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 3, .sources = 1},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_JOIN},
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 5, .sources = 1},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_JOIN},
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 6, .sources = 1},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_NOTHING},
	{{.what = FG_JOINS, .version = 3, .group = "232.1.2.3", .record = 9, .sources = 1},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_NOTHING},
	{{.what = FG_ASKS, .version = 1, .group = "0.0.0.0", .response_ms = 10000}, GROUP_MESSAGE_QUERY, -1},
	{{.what = FG_ASKS, .version = 2, .group = "0.0.0.0", .from = "0.0.0.0", .response_ms = 10000},
	 GROUP_MESSAGE_QUERY,
	 -1},
	{{.what = FG_ASKS, .version = 2, .group = "239.1.2.3", .response_ms = 1000}, GROUP_MESSAGE_QUERY, -1},
	{{.what = FG_ASKS, .version = 3, .group = "0.0.0.0", .response_ms = 2500, .interval_s = 60}, GROUP_MESSAGE_QUERY, -1},
	{{.what = FG_ASKS, .version = 3, .group = "239.1.2.3", .response_ms = 2500, .interval_s = 60, .sources = 2},
	 GROUP_MESSAGE_QUERY,
	 -1},
	{{.what = FG_PIM_HELLO, .group = "224.0.0.13", .response_ms = 105000}, GROUP_MESSAGE_ROUTER, -1},
	{{.what = FG_PIM_HELLO, .group = "224.0.0.13"}, GROUP_MESSAGE_ROUTER_GONE, -1},
	{{.what = FG_MRD, .group = "224.0.0.106", .response_ms = 60000}, GROUP_MESSAGE_ROUTER, -1},
	{{.what = FG_MRD_ENDS, .group = "224.0.0.106"}, GROUP_MESSAGE_ROUTER_GONE, -1},
	{{.what = FG_JOINS, .version = 1, .group = "ff1e::1:2"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_JOIN},
	{{.what = FG_JOINS, .version = 1, .group = "ff1e::1:2", .from = "::"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_JOIN},
	{{.what = FG_LEAVES, .version = 1, .group = "ff1e::1:2"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_LEAVE},
	{{.what = FG_JOINS, .version = 2, .group = "ff1e::1:2", .vlan = 4094}, GROUP_MESSAGE_REPORT, GROUP_RECORD_JOIN},
	{{.what = FG_LEAVES, .version = 2, .group = "ff1e::1:2"}, GROUP_MESSAGE_REPORT, GROUP_RECORD_LEAVE},
	{{.what = FG_JOINS, .version = 2, .group = "ff3e::1:2", .record = 5, .sources = 2},
	 GROUP_MESSAGE_REPORT,
	 GROUP_RECORD_JOIN},
	{{.what = FG_ASKS, .version = 1, .group = "::", .response_ms = 10000}, GROUP_MESSAGE_QUERY, -1},
	{{.what = FG_ASKS, .version = 2, .group = "::", .response_ms = 10000, .interval_s = 125}, GROUP_MESSAGE_QUERY, -1},
	{{.what = FG_ASKS, .version = 2, .group = "ff1e::1:2", .response_ms = 1000, .interval_s = 125},
	 GROUP_MESSAGE_QUERY,
	 -1},
	{{.what = FG_PIM_HELLO, .group = "ff02::d", .response_ms = 105000}, GROUP_MESSAGE_ROUTER, -1},
	{{.what = FG_MRD, .group = "ff02::6a", .response_ms = 60000}, GROUP_MESSAGE_ROUTER, -1},
	{{.what = FG_MRD_ENDS, .group = "ff02::6a"}, GROUP_MESSAGE_ROUTER_GONE, -1},
};
enum { ALL = sizeof(all) / sizeof(all[0]) };

/* The same bytes in memory that ends where they end. */
static int read_exactly(const uint8_t *frame, size_t len, struct group_message *m, uint8_t **copy)
{
	*copy = malloc(len > 0 ? len : 1);
	assert_non_null(*copy);
	memcpy(*copy, frame, len);
	return group_message_read(*copy, len, m);
}

static void check_message(const struct expected *e, struct group_message *m)
{
	bool v6 = strchr(e->said.group, ':') != NULL;
	struct group_record record;
	char text[GROUP_ADDRESS_TEXT];

	assert_int_equal(m->kind, e->kind);
	assert_int_equal(m->family, v6 ? GROUP_IPV6 : GROUP_IPV4);
	group_address_text(m->family, &m->from, text);
	assert_string_equal(text, e->said.from != NULL ? e->said.from : v6 ? "fe80::9" : "10.0.0.9");
	if (e->kind == GROUP_MESSAGE_QUERY) {
		group_address_text(m->family, &m->group, text);
		assert_string_equal(text, e->said.group);
		assert_int_equal(m->response_ms, e->said.response_ms);
		assert_int_equal(m->interval_ms, e->said.interval_s * 1000);
		assert_int_equal(m->of_sources, e->said.sources > 0);
	}
	if (e->kind == GROUP_MESSAGE_ROUTER)
		assert_int_equal(m->hold_ms, e->said.response_ms);
	if (e->what >= 0) {
		assert_true(group_message_next(m, &record));
		group_address_text(m->family, &record.group, text);
		assert_string_equal(text, e->said.group);
		assert_int_equal(record.what, e->what);
	}
	assert_false(group_message_next(m, &record));
}

static void each_is_read_as_it_is_drawn(void **state)
{
	uint8_t frame[FG_GROUP_FRAME + 32] = {0}, *copy;
	struct group_message m;

	for (unsigned int i = 0; i < ALL; i++) {
		size_t len = fg_group_write(frame, mac, &all[i].said);

		if (read_exactly(frame, len, &m, &copy) != 0)
			fail_msg("message %u is not read", i);
		check_message(&all[i], &m);
		free(copy);
		/* What a NIC adds behind a short frame is no part of it. */
		memset(frame + len, 0xa5, 18);
		OK(read_exactly(frame, len + 18, &m, &copy));
		check_message(&all[i], &m);
		free(copy);
	}
}

static void what_is_cut_off_is_not_read(void **state)
{
	uint8_t frame[FG_GROUP_FRAME], *copy;
	struct group_message m;

	for (unsigned int i = 0; i < ALL; i++) {
		size_t len = fg_group_write(frame, mac, &all[i].said);

		for (size_t n = 0; n < len; n++) {
			assert_true(read_exactly(frame, n, &m, &copy) < 0);
			free(copy);
		}
	}
}

/* The length of the packet is cut, too, and the sums are right: it is too short by its own rules, or a shorter message. */
static void what_is_shorter_inside_is_not_read(void **state)
{
	uint8_t frame[FG_GROUP_FRAME], *copy;
	struct group_message m;

	for (unsigned int i = 0; i < ALL; i++) {
		size_t whole = fg_group_write(frame, mac, &all[i].said), message = fg_group_message(frame),
		       ip = fg_group_ip(frame);
		bool v6 = frame[ip] >> 4 == 6;

		for (size_t n = message + 4; n < whole; n++) {
			int error;

			fg_group_write(frame, mac, &all[i].said);
			frame[ip + (v6 ? 4 : 2)] = 0;
			frame[ip + (v6 ? 5 : 3)] = (uint8_t)(n - ip - (v6 ? 40 : 0));
			fg_group_sum(frame, n);
			error = read_exactly(frame, n, &m, &copy);
			/* A query of an earlier version is shorter; a hello is one without options; MRD of IPv6 has four
			 * bytes. */
			if (error == 0)
				assert_true((all[i].kind == GROUP_MESSAGE_QUERY && n - message == (v6 ? 24 : 8)) ||
					    all[i].said.what == FG_PIM_HELLO || (v6 && all[i].said.what >= FG_MRD));
			free(copy);
		}
	}
}

/* Any bit of what checksums or rules hold changed, without the sums being made right. */
static void a_changed_bit_is_found(void **state)
{
	uint8_t frame[FG_GROUP_FRAME], *copy;
	struct group_message m;

	for (unsigned int i = 0; i < ALL; i++) {
		size_t len = fg_group_write(frame, mac, &all[i].said), message = fg_group_message(frame);

		for (size_t at = message; at < len; at++)
			for (int bit = 0; bit < 8; bit++) {
				frame[at] ^= (uint8_t)(1 << bit);
				assert_int_equal(read_exactly(frame, len, &m, &copy), -EBADMSG);
				frame[at] ^= (uint8_t)(1 << bit);
				free(copy);
			}
	}
}

static void what_the_rfcs_forbid_is_refused(void **state)
{
	static const struct {
		unsigned int of; /* `all` */
		size_t at;	 /* in the IP packet */
		uint8_t value;
		const char *why;
	} wrong[] = {
		{1, 8, 2, "TTL"}, {1, 6, 0x20, "more fragments"}, {1, 7, 1, "a later fragment"}, {1, 12, 225, "from a group"},
		{1, 0, 0x44, "no room for its header"}, {1, 0, 0x56, "version"}, {25, 7, 64, "hop limit"},
		{25, 8, 0x20, "not from the link"}, {25, 42, 1, "no router alert"}, {25, 45, 1, "the alert of another protocol"},
		{25, 41, 9, "options longer than the packet"}, {25, 43, 40, "an option longer than the options"},
		{28, 8, 0, "a query from nowhere"},
	};
	uint8_t frame[FG_GROUP_FRAME], *copy;
	struct group_message m;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t len = fg_group_write(frame, mac, &all[wrong[i].of].said), ip = fg_group_ip(frame);

		if (strcmp(wrong[i].why, "a query from nowhere") == 0)
			memset(frame + ip + 8, 0, 16);
		frame[ip + wrong[i].at] = wrong[i].value;
		if (wrong[i].at != 0)
			fg_group_sum(frame, len);
		if (read_exactly(frame, len, &m, &copy) != -EBADMSG)
			fail_msg("%s is not refused", wrong[i].why);
		free(copy);
	}
}

/* Each query to a group that is another one: by its IP address, by its Ethernet address, and by both, as no host would hear. */
static void a_query_that_members_do_not_hear_is_refused(void **state)
{
	enum { IP = 1, MAC = 2 };
	uint8_t frame[FG_GROUP_FRAME], *copy;
	struct group_message m;
	unsigned int refused = 0;

	for (unsigned int i = 0; i < ALL * 4; i++) {
		const struct expected *e = &all[i / 4];
		size_t len = fg_group_write(frame, mac, &e->said), ip = fg_group_ip(frame);
		bool v6 = frame[ip] >> 4 == 6, is_query = e->kind == GROUP_MESSAGE_QUERY && (i & (IP | MAC)) != 0;

		if ((i & IP) != 0)
			frame[ip + (v6 ? 39 : 19)] ^= 0x40;
		if ((i & MAC) != 0)
			frame[5] ^= 0x40;
		fg_group_sum(frame, len);
		if (read_exactly(frame, len, &m, &copy) != (is_query ? -EBADMSG : 0))
			fail_msg("message %u to %u is %s", i / 4, i & (IP | MAC), is_query ? "read" : "not read");
		refused += is_query;
		free(copy);
	}
	assert_true(refused >= 3 * 8);
}

/* A group that is none, in each place where one is. */
static void a_group_is_a_group(void **state)
{
	static const char *const none[] = {"10.1.2.3", "255.0.0.1", "fe80::1", "::1"};
	uint8_t frame[FG_GROUP_FRAME];
	struct group_message m;

	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int version = 1; version <= 3; version++)
			for (int what = FG_JOINS; what <= FG_ASKS; what++) {
				size_t len = fg_group_write(
					frame, mac, &(struct fg_said){.what = what, .version = version, .group = none[i]});

				assert_int_equal(group_message_read(frame, len, &m), -EBADMSG);
			}
}

static void others_are_passed_over(void **state)
{
	uint8_t frame[FG_GROUP_FRAME] = {0};
	struct group_message m;
	size_t len = fg_group_write(frame, mac, &(struct fg_said){.what = FG_DATA, .group = "239.1.2.3", .len = 40});

	assert_int_equal(group_message_read(frame, len, &m), -ENOMSG);
	len = fg_group_write(frame, mac, &(struct fg_said){.what = FG_DATA, .group = "ff1e::1", .len = 40});
	assert_int_equal(group_message_read(frame, len, &m), -ENOMSG);
	len = fg_group_write(frame, mac, &all[1].said);
	frame[fg_group_message(frame)] = 0x13; /* DVMRP */
	fg_group_sum(frame, len);
	assert_int_equal(group_message_read(frame, len, &m), -ENOMSG);
	memset(frame + 12, 0x77, 2);
	assert_int_equal(group_message_read(frame, len, &m), -ENOMSG);
}

/* Many records, each of which may lie about its length. */
static void records_do_not_reach_beyond_the_report(void **state)
{
	uint8_t frame[FG_GROUP_FRAME];
	struct group_message m;
	struct group_record record;
	size_t len = fg_group_write(frame, mac,
				    &(struct fg_said){.what = FG_JOINS, .version = 3, .group = "239.1.2.3", .sources = 3});
	size_t message = fg_group_message(frame);

	for (unsigned int value = 0; value < 256; value++) {
		int error;

		frame[message + 9] = (uint8_t)value; /* auxiliary data */
		fg_group_sum(frame, len);
		error = group_message_read(frame, len, &m);
		assert_int_equal(error, value == 0 ? 0 : -EBADMSG);
		frame[message + 9] = 0;
		frame[message + 11] = (uint8_t)value; /* sources */
		fg_group_sum(frame, len);
		error = group_message_read(frame, len, &m);
		assert_int_equal(error, value <= 3 ? 0 : -EBADMSG);
		frame[message + 11] = 3;
		frame[message + 7] = (uint8_t)value; /* records */
		fg_group_sum(frame, len);
		error = group_message_read(frame, len, &m);
		assert_int_equal(error, value <= 1 ? 0 : -EBADMSG);
		assert_true(error != 0 || group_message_next(&m, &record) == (value == 1));
		frame[message + 7] = 1;
	}
}

static void our_own_queries_are_right(void **state)
{
	static const uint32_t times[] = {100, 1000, 10000, 12700, 12800, 100000, 3000000};
	struct group_address group[2] = {{{239, 1, 2, 3}}, {{0xff, 0x1e, [15] = 5}}}, from[2] = {{{0}}, group_link_local_of(mac)};
	uint8_t frame[GROUP_QUERY_BYTES];

	for (unsigned int i = 0; i < 2 * 2 * 2 * 7; i++) {
		unsigned int family = i & 1;
		struct group_query q = {.family = (enum group_family)family, .mac = mac, .from = &from[family],
					.group = (i & 2) != 0 ? &group[family] : NULL, .vlan = (i & 4) != 0 ? 100 : 0,
					.response_ms = times[i / 8], .interval_ms = 125000};
		struct group_message m;
		uint16_t len = group_query_write(&q, frame);

		assert_true(len <= sizeof(frame));
		OK(group_message_read(frame, len, &m));
		assert_int_equal(m.kind, GROUP_MESSAGE_QUERY);
		assert_memory_equal(&m.from, &from[family], sizeof(m.from));
		assert_int_equal(group_address_is_none(&m.group), q.group == NULL);
		assert_true(q.group == NULL || memcmp(&m.group, q.group, sizeof(m.group)) == 0);
		/* What it says is no more than what is meant, and little less. */
		assert_true(m.response_ms <= q.response_ms && m.response_ms >= q.response_ms - q.response_ms / 16);
		assert_int_equal(m.interval_ms, 125000);
		assert_memory_equal(frame + 6, mac, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_read_as_it_is_drawn),
		cmocka_unit_test(what_is_cut_off_is_not_read),
		cmocka_unit_test(what_is_shorter_inside_is_not_read),
		cmocka_unit_test(a_changed_bit_is_found),
		cmocka_unit_test(what_the_rfcs_forbid_is_refused),
		cmocka_unit_test(a_query_that_members_do_not_hear_is_refused),
		cmocka_unit_test(a_group_is_a_group),
		cmocka_unit_test(others_are_passed_over),
		cmocka_unit_test(records_do_not_reach_beyond_the_report),
		cmocka_unit_test(our_own_queries_are_right),
	};

	return cmocka_run_group_tests_name("group_message", tests, NULL, NULL);
}
