/* SPDX-License-Identifier: BSD-3-Clause */
/* Every frame that is not delivered is counted under exactly one name, at exactly one port.
 */
#include "account.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Each reason to refuse a frame at its entry, 7 times each. */
static void every_drop_at_the_entry_has_its_name(void **state)
{
	static const uint8_t zero[6], group[6] = {0x01, 0, 0x5e, 0, 0, 1};
	struct guest *a = guest_open("a", NULL);
	struct guest *b = guest_run("b", NULL);
	struct guest *d = guest_run("d", NULL);
	struct account before;
	struct fg_flow flow = {.id = 50};
	uint8_t frame[100], *header;

	guest_start(a, &(struct fg_nic_options){.tx_size = 65600, .depth = 16, .region = -1});
	settle(a, b);
	read_account("a", &before);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 13);
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_SHORT] = 7});
	read_account("a", &before);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 65535 + 14 + 8 + 1);
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_LONG] = 7});
	read_account("a", &before);
	for (unsigned int i = 0; i < 7; i++) { /* needs a checksum, which was not agreed to */
		header = fg_memory_ptr(&a->mem, a->nic.tx_gpa[a->nic.tx_next], 12);
		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&a->nic, frame, sizeof(frame), NULL));
		header[0] = 1;
		fg_nic_flush(&a->nic);
		OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	}
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_OFFLOAD] = 7});
	read_account("a", &before);
	send_raw(a, b->nic.mac, zero, 3, 100);
	send_raw(a, b->nic.mac, group, 4, 100);
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_SOURCE] = 7});
	read_account("a", &before);
	send_raw(a, a->nic.mac, a->nic.mac, 7, 100);
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_REFLECTION] = 7});
	OK(fg_enable_ring(&a->s, 1, false)); /* taken and thrown away */
	read_account("a", &before);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 100);
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_DISABLED] = 7});
	read_account("d", &before);
	send_raw(d, everybody, d->nic.mac, 7, 100);
	expect_account("d", &before, &(struct account){.rx_drop[RX_DROP_ALONE] = 7});
	assert_silence(b);
}

/* Each reason to fail at the exit: the frame was accepted, and is counted where it was to go. */
static void every_drop_at_the_exit_has_its_name(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct guest *a = guest_open("a", NULL);
	struct guest *e = guest_run("e", NULL);
	struct guest *b = guest_open("b", &plain);
	struct account a0, b0, z0;

	guest_start(a, &(struct fg_nic_options){.tx_size = 9100, .depth = 16, .region = -1});
	read_account("z", &z0); /* on br3 with e, without a front end */
	send_raw(e, everybody, e->nic.mac, 7, 100);
	expect_account("z", &z0, &(struct account){.tx_drop[TX_DROP_NOT_READY] = 7});

	guest_start(b, &(struct fg_nic_options){.rx_size = 1526, .depth = 2, .region = -1});
	settle(b, a);
	read_account("b", &b0);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 9000);
	expect_account("b", &b0, &(struct account){.tx_drop[TX_DROP_TOO_BIG] = 7});
	read_account("a", &a0);
	read_account("b", &b0);
	send_raw(a, b->nic.mac, a->nic.mac, 9, 100); /* two buffers, nine frames */
	expect_account("a", &a0, &(struct account){.rx_ok = 9});
	expect_account("b", &b0, &(struct account){.tx_ok = 2, .tx_drop[TX_DROP_NO_BUFFER] = 7});
	read_account("b", &b0);
	fg_ring_avail(b->nic.rx, 0xffff);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 100);
	assert_true(fg_ring_error(b->nic.rx, FG_WAIT_MS));
	expect_account("b", &b0, &(struct account){.tx_drop[TX_DROP_BROKEN] = 7});
}

/* A frame to everybody counts once where it came from, and its further copies there too. */
static void copies_are_counted(void **state)
{
	struct guest *a = guest_run("a", NULL);
	struct guest *b = guest_run("b", NULL);
	struct guest *c = guest_run("c", NULL);
	struct account a0, b0, c0;
	uint8_t got[2048];

	read_account("a", &a0);
	read_account("b", &b0);
	read_account("c", &c0);
	send_raw(a, everybody, a->nic.mac, 20, 300);
	expect_account("a", &a0, &(struct account){.rx_ok = 20, .copies = 20});
	expect_account("b", &b0, &(struct account){.tx_ok = 20});
	expect_account("c", &c0, &(struct account){.tx_ok = 20});
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), 300);
		assert_int_equal(fg_nic_recv(&c->nic, got, sizeof(got), FG_WAIT_MS), 300);
	}
	assert_silence(b);
	assert_silence(c);
}

/* A guest that agreed to an MTU gets no longer frames, however large its buffers. */
static void the_mtu_is_kept(void **state)
{
	const struct fg_options opt = {.features = FG_FEATURES_DEFAULT | FG_F_MTU, .mtu = 1500};
	struct guest *a = guest_open("a", NULL);
	struct guest *b = guest_run("b", &opt);
	struct account b0;

	guest_start(a, &(struct fg_nic_options){.tx_size = 9100, .depth = 16, .region = -1});
	settle(b, a);
	assert_traffic(a, b, 3, 1514);
	read_account("b", &b0);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 1500 + 14 + 8 + 1);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 9000);
	expect_account("b", &b0, &(struct account){.tx_drop[TX_DROP_TOO_BIG] = 14});
	OK(fg_request_u64(&b->s, FG_NET_SET_MTU, 9000));
	assert_traffic(a, b, 3, 9014);
}

/* The reason's entry in the reply to `drops`, which the caller releases with the reply. */
static json_t *reason_of(const char *port, const char *reason, json_t **reply)
{
	json_t *ports, *entry;
	char line[128];
	size_t i;

	snprintf(line, sizeof(line), "{\"command\": \"drops\", \"ports\": [\"%s\"]}\n", port);
	*reply = fg_switch_ask(&fixture.sw, line);
	ports = json_object_get(*reply, "drops");
	assert_int_equal(json_array_size(ports), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(ports, 0), "port")), port);
	json_array_foreach(json_object_get(json_array_get(ports, 0), "reasons"), i, entry)
	{
		if (strcmp(json_string_value(json_object_get(entry, "reason")), reason) == 0)
			return entry;
	}
	return NULL;
}

static json_int_t number_in(const json_t *entry, const char *key)
{
	const json_t *value = json_object_get(entry, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

/* This many frames so far, the last of which began with these addresses. */
static void expect_kept(const char *port, const char *reason, json_int_t frames, json_int_t len, const uint8_t *to,
			const uint8_t *from)
{
	char digits[25] = "";
	const char *bytes;
	json_t *reply, *entry = reason_of(port, reason, &reply), *kept = json_object_get(entry, "frame");

	assert_non_null(entry);
	assert_true(number_in(entry, "frames") >= frames);
	assert_true(number_in(entry, "first_ms") >= number_in(entry, "last_ms"));
	assert_int_equal(number_in(kept, "len"), len);
	assert_true(number_in(kept, "ago_ms") >= number_in(entry, "last_ms"));
	bytes = json_string_value(json_object_get(kept, "bytes"));
	for (int i = 0; i < 12; i++)
		snprintf(digits + (size_t)2 * i, 3, "%02x", i < 6 ? to[i] : from[i - 6]);
	assert_int_equal(strlen(bytes), 2 * (len < 128 ? len : 128));
	assert_memory_equal(bytes, digits, 24);
	json_decref(reply);
}

/* At the entry, at the exit, and of what has no bytes to show. */
static void the_last_frame_is_kept(void **state)
{
	static const uint8_t zero[6];
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *e = guest_run("e", NULL);
	json_t *reply, *entry;

	settle(a, b);
	settle(b, a);
	send_raw(a, b->nic.mac, zero, 3, 300);
	expect_kept("a", "rx_drop.source", 3, 300, b->nic.mac, zero);
	usleep(20000);
	send_raw(a, b->nic.mac, zero, 2, 90);
	expect_kept("a", "rx_drop.source", 5, 90, b->nic.mac, zero);
	send_raw(a, a->nic.mac, a->nic.mac, 4, 100);
	expect_kept("a", "rx_drop.reflection", 4, 100, a->nic.mac, a->nic.mac);
	send_raw(e, everybody, e->nic.mac, 7, 1000);
	expect_kept("z", "tx_drop.not_ready", 7, 1000, everybody, e->nic.mac);
	send_raw(a, b->nic.mac, a->nic.mac, 2, 13);
	entry = reason_of("a", "rx_drop.short", &reply);
	assert_non_null(entry);
	assert_true(number_in(entry, "first_ms") >= 0);
	assert_null(json_object_get(entry, "frame"));
	json_decref(reply);
	reply = fg_switch_ask(&fixture.sw, "{\"command\": \"drops\", \"ports\": [\"nobody\"]}\n");
	assert_non_null(json_object_get(reply, "error"));
	json_decref(reply);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(every_drop_at_the_entry_has_its_name),
		TEST_CASE(every_drop_at_the_exit_has_its_name),
		TEST_CASE(copies_are_counted),
		TEST_CASE(the_mtu_is_kept),
		TEST_CASE(the_last_frame_is_kept),
	};

	return fixture_main_on(&account_fixture, "drops", CASES(cases));
}
