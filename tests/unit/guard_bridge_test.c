/* SPDX-License-Identifier: BSD-3-Clause */
/* Guards on a bridge: what is dropped goes nowhere and is learned nowhere, control is shown some of it, no address is taken from
 * another port, and a closed port is as if it were not there. */
#include <string.h>

#include "bridge_rig.h"
#include "cases.h"
#include "guard.h"
#include "offence.h"

static void set_guard(unsigned int i, const char *macs, uint32_t checks, bool closed)
{
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	role_assert_control();
	OK(policy_guard_read(&guard, macs, NULL, checks, &wrong));
	OK(port_policy_set(&port[i].port, &(struct policy_config){.guard = &guard, .closed = closed}));
}

/* Reports of a kind; others are put aside. */
static unsigned int reports_of(enum report_kind kind, uint16_t from)
{
	struct report reports[64];
	unsigned int n, found = 0;

	role_assert_control();
	while ((n = report_drain(ctx[0].reports, reports, 64)) > 0)
		for (unsigned int i = 0; i < n; i++)
			found += reports[i].kind == kind && reports[i].port == from;
	return found;
}

/* Station 1's address, from port 1 only: others are dropped and not learned. */
static void a_station_that_is_not_in_macs(void **state)
{
	struct frame frame;

	role_assert_control();
	open_bridge(PORTS, 0);
	set_guard(1, "02:00:00:00:00:01", 0, false);
	put(&ctx[0], EVERYBODY, home(7));
	put(&ctx[0], EVERYBODY, home(7));
	put(&ctx[0], EVERYBODY, home(7));
	forward(&port[1]);
	for (int i = 0; i < PORTS; i++)
		got(&port[i], 0);
	assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_MAC), 3);
	assert_int_equal(reports_of(REPORT_OFFENCE, 1), 1);
	assert_int_equal(offence_take(&port[1].port, &frame), RX_DROP_GUARD_MAC);
	assert_int_equal(frame.len, ROOM);
	assert_true(mac_key(frame.head + 6) == home(7));
	/* One place for one frame, until control has read it; and not more than so many. */
	for (unsigned int i = 0, shown = 1; i < 30; i++) {
		offence_done(&port[1].port);
		put(&ctx[0], EVERYBODY, home(7));
		put(&ctx[0], EVERYBODY, home(7));
		forward(&port[1]);
		shown += reports_of(REPORT_OFFENCE, 1);
		assert_true(shown <= OFFENCES_BURST + 2);
	}
	balanced(PORTS, 63);
	close_bridge(PORTS);
}

/* --- what is to be done to a frame later ---------------------------------------------------------------------------- */

/* A frame of ARP, from 192.0.2.7, in the burst. */
static struct frame *put_arp(void)
{
	static const uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 1, 0, 2, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
	struct frame *frame = &ctx[0].burst->frame[ctx[0].burst->n];

	put(&ctx[0], EVERYBODY, home(1));
	memcpy(frame->head + 12, (const uint8_t[]){8, 6}, 2);
	memcpy(frame->head + 14, arp, sizeof(arp));
	return frame;
}

/* Where a sender leaves a checksum to be done, receivers see what comes out of it, and so do guards. */
static void a_checksum_is_done_before_it_is_judged(void **state)
{
	enum { SENDER = 28, FLAG = 1 };
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	role_assert_control();
	open_bridge(PORTS, 0);
	OK(policy_guard_read(&guard, NULL, "192.0.2.7", 0, &wrong));
	OK(port_policy_set(&port[1].port, &(struct policy_config){.guard = &guard}));
	put_arp();
	forward(&port[1]);
	assert_int_equal(port[0].n, 1);
	/* Into the lower half of the sender's address. */
	put_arp()->offload = (struct virtio_net_hdr){.flags = FLAG, .csum_start = SENDER, .csum_offset = 2};
	forward(&port[1]);
	assert_int_equal(port[0].n, 1);
	assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_IP), 1);
	/* Behind all that is looked at it may be what it likes. */
	put_arp()->offload = (struct virtio_net_hdr){.flags = FLAG, .csum_start = SENDER, .csum_offset = 20};
	forward(&port[1]);
	assert_int_equal(port[0].n, 2);
	/* With one byte in the head it is neither. */
	put_arp()->offload = (struct virtio_net_hdr){.flags = FLAG, .csum_start = SENDER, .csum_offset = ROOM - 1 - SENDER};
	forward(&port[1]);
	assert_int_equal(port[0].n, 2);
	assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_ODD), 1);
	close_bridge(PORTS);
}

/* --- addresses of other ports ------------------------------------------------------------------------------------ */

static void an_address_stays_where_it_is(void **state)
{
	uint32_t a, b;

	role_assert_control();
	open_bridge(PORTS, 300);
	set_guard(1, NULL, GUARD_LOOP, false);
	a = put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(learn(), 1);
	got(&port[1], 1, a);
	/* A guest that bridges: it comes back. */
	put(&ctx[0], EVERYBODY, home(0));
	b = put(&ctx[0], home(0), home(1));
	forward(&port[1]);
	assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_LOOP), 1);
	got(&port[0], 1, b);
	assert_int_equal(reports_of(REPORT_OFFENCE, 1), 1);
	offence_done(&port[1].port);
	/* The lcore did not know of it yet; control does. */
	bridge_learn(bridge, fdb_key(FID_DEFAULT, home(0)), 1);
	put(&ctx[0], home(0), home(4));
	forward(&port[4]);
	assert_int_equal(port[0].n, 1);
	port[0].n = 0;
	/* A port without the guard takes it. */
	bridge_learn(bridge, fdb_key(FID_DEFAULT, home(0)), 2);
	put(&ctx[0], home(0), home(4));
	forward(&port[4]);
	assert_int_equal(port[2].n, 2); /* the first flood, and this */
	port[2].n = port[3].n = port[4].n = port[1].n = 0;
	/* After some seconds of silence it may have moved. */
	for (uint16_t epoch = 1; epoch <= 6; epoch++) {
		ctx[0].epoch = epoch;
		bridge_tick(bridge, epoch);
		put(&ctx[0], EVERYBODY, home(0));
		forward(&port[1]);
		assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_LOOP), epoch <= 5 ? 1u + epoch : 6);
		if (epoch <= 5)
			reports_of(REPORT_OFFENCE, 1);
	}
	learn();
	put(&ctx[0], home(0), home(4));
	forward(&port[4]);
	port[0].n = port[2].n = port[3].n = port[4].n = 0;
	assert_int_equal(port[1].n, 1);
	close_bridge(PORTS);
}

static void a_static_address_is_never_taken(void **state)
{
	role_assert_control();
	open_bridge(PORTS, 300);
	set_guard(1, NULL, GUARD_LOOP, false);
	OK(fdb_set_static(bridge_fdb(bridge), fdb_key(FID_DEFAULT, home(9)), 3));
	ctx[0].epoch = 1000;
	bridge_tick(bridge, 1000);
	put(&ctx[0], EVERYBODY, home(9));
	forward(&port[1]);
	assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_LOOP), 1);
	put(&ctx[0], EVERYBODY, home(9));
	forward(&port[3]);
	assert_int_equal(port[1].n, 1);
	reports_of(REPORT_OFFENCE, 1);
	close_bridge(PORTS);
}

/* Somebody else has used the port's own address. */
static void an_address_of_its_own_is_its_own(void **state)
{
	role_assert_control();
	open_bridge(PORTS, 300);
	set_guard(1, "02:00:00:01:00:02", GUARD_LOOP, false); /* home(1) */
	put_arp();
	forward(&port[0]);
	learn();
	put_arp();
	forward(&port[1]);
	assert_int_equal(rx_drop(&port[1], RX_DROP_GUARD_LOOP), 0);
	learn();
	port[0].n = port[1].n = port[2].n = port[3].n = port[4].n = 0;
	/* And it is where it was. */
	put(&ctx[0], home(1), home(4));
	forward(&port[4]);
	assert_int_equal(port[1].n, 1);
	assert_int_equal(port[0].n, 0);
	port[1].n = 0;
	close_bridge(PORTS);
}

/* --- closed ------------------------------------------------------------------------------------------------------ */

static void the_first_bpdu_is_told(void **state)
{
	static const mac_key_t bridges = UINT64_C(0x000000c28001);

	role_assert_control();
	open_bridge(PORTS, 0);
	set_guard(2, NULL, GUARD_BPDU | GUARD_CLOSES, false);
	for (int i = 0; i < 3; i++) {
		put(&ctx[0], bridges, home(2));
		forward(&port[2]);
		assert_int_equal(reports_of(REPORT_TO_CLOSE, 2), i == 0);
	}
	assert_int_equal(rx_drop(&port[2], RX_DROP_GUARD_BPDU), 3);
	offence_reset(&port[2].port);
	put(&ctx[0], bridges, home(2));
	forward(&port[2]);
	assert_int_equal(reports_of(REPORT_TO_CLOSE, 2), 1);
	balanced(PORTS, 4);
	close_bridge(PORTS);
}

static void a_closed_port(void **state)
{
	uint32_t a, b;

	role_assert_control();
	open_bridge(3, 0);
	bridge_learn(bridge, fdb_key(FID_DEFAULT, home(2)), 2);
	set_guard(2, NULL, GUARD_BPDU | GUARD_CLOSES, true);
	put(&ctx[0], EVERYBODY, home(2));
	put(&ctx[0], home(0), home(2));
	forward(&port[2]);
	assert_int_equal(rx_drop(&port[2], RX_DROP_CLOSED), 2);
	a = put(&ctx[0], EVERYBODY, home(0));
	put(&ctx[0], home(2), home(0));
	forward(&port[0]);
	assert_int_equal(rx_drop(&port[0], RX_DROP_CLOSED), 1);
	got(&port[0], 0);
	got(&port[1], 1, a);
	got(&port[2], 0);
	/* What it said last is not learned. */
	bridge_learn(bridge, fdb_key(FID_DEFAULT, home(5)), 2);
	b = put(&ctx[0], home(5), home(0));
	forward(&port[0]);
	got(&port[1], 1, b);
	set_guard(2, NULL, GUARD_BPDU | GUARD_CLOSES, false);
	a = put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	got(&port[2], 1, a);
	balanced(3, 6);
	reports_of(REPORT_OFFENCE, 2);
	close_bridge(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_station_that_is_not_in_macs),
		cmocka_unit_test(an_address_stays_where_it_is),
		cmocka_unit_test(an_address_of_its_own_is_its_own),
		cmocka_unit_test(a_checksum_is_done_before_it_is_judged),
		cmocka_unit_test(a_static_address_is_never_taken),
		cmocka_unit_test(the_first_bpdu_is_told),
		cmocka_unit_test(a_closed_port),
	};

	return bridge_rig_run(CASES(tests));
}
