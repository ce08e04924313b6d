/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM may send, from 10 Mbit/s to 100 Gbit/s, while the limit changes all the time, and where its frames leave a lane
 * (postcopy).
 *
 * That no more comes than may, to within the burst and a frame, holds in every try. That no less does, by 2 %, is seen in one of
 * several tries, since the machine may keep the switch from its work. Above 1 Gbit/s a busy machine may do so in all of them:
 * half of the rate has to come there, where half as much again comes without a limit. (unit/rate_range_test has no machine.)
 */
#include "account.h"
#include "migration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	WIRE_MORE = 24,
	PIECES = 45,
	PIECE_BITS = 8 * (14 + 20 + 32 + 1448 + WIRE_MORE),
	LANE_FRAME = 1400,
	LANE_BITS = 8 * (LANE_FRAME + WIRE_MORE),
	BURST_MS = 50,
	MEASURED_MS = 300,
	TRIES = 20,
	CLOCK_US = 10, /* ours and the switch's are read one after the other */
};
static const double JUDGED = 1e9; /* always, up to here */

static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];

/* Ports of requests, which a request can change, before the fixture counts what the switch holds. */
static int open_with_ports(void **state)
{
	static const char *const names[] = {"f", "l"};
	static bool there;
	char options[256];

	for (unsigned int i = 0; !there && i < 2; i++) {
		snprintf(options, sizeof(options),
			 ", \"type\": \"vhost-user\", \"bridge\": \"br0\", \"postcopy\": true, \"socket\": \"%s\"",
			 fg_switch_socket(&fixture.sw, names[i]));
		ask_port_ok("add", names[i], options);
	}
	there = true;
	return migration_open_case(state);
}

static void limit(const char *port, double rate, unsigned int burst_ms)
{
	char options[128];

	snprintf(options, sizeof(options), ", \"rate-from-vm\": \"%.0fk\", \"burst-from-vm\": %u", rate / 1e3, burst_ms);
	ask_port_ok("set", port, rate > 0 ? options : ", \"rate-from-vm\": \"off\"");
}

/* What may have come by now, in bits, since `began`. */
static double may_come(double rate, uint64_t began_us, double at_once)
{
	return rate * (double)(fg_now_us() - began_us + CLOCK_US) / 1e6 + at_once;
}

/* --- a guest that could send more ------------------------------------------------------------------------------------ */

static struct guest *open_sender(void)
{
	static const struct fg_options offloads = {.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS, .ring_size = 1024};
	static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};
	struct guest *f = guest_open("f", &offloads), *peer = guest_run("h1", NULL);

	guest_start(f, &large);
	settle(f, peer);
	f->nic.tx_depth = 512; /* as many frames in the ring, in the room of one */
	return f;
}

/* Sends a packet to an address of the guest's own: the switch takes it, and has nothing to copy. Its length. */
static uint32_t write_packet(struct guest *f, unsigned int pieces)
{
	const struct fg_packet packet = {
		.payload = pieces * 1448,
		.gso_size = pieces > 1 ? 1448 : 0,
		.tcp_more = 12,
		.tcp_flags = FG_ACK,
		.seed = 3,
	};
	uint32_t len = fg_packet_build(&packet, f->nic.mac, f->nic.mac, frame, &f->nic.tx_header);

	f->nic.tx_next = 0;
	OK(fg_nic_send(&f->nic, frame, len, &fg_layout_one));
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	return len;
}

/* As many of the packet as there is room for; all of them lie in the same place, where it has been written. */
static void post(struct guest *f, uint32_t len)
{
	struct fg_nic *nic = &f->nic;
	const struct fg_buf buf = {.gpa = nic->tx_gpa[0], .len = nic->header + len};

	OK(fg_nic_reap(nic));
	while (fg_nic_room(nic, 1)) {
		assert_true(fg_ring_post(nic->tx, &buf, 1, nic->tx_next) >= 0);
		nic->tx_busy[nic->tx_next] = true;
		nic->tx_next = (uint16_t)((nic->tx_next + 1) % nic->tx_depth);
		nic->sent++;
	}
	fg_nic_flush(nic);
}

/* Bits a second that the switch takes of the packet, from when the burst is used up on, and no more than `rate` (0: no limit).
 * *idle_us: for how long nothing was taken, or nobody looked, at most. */
static double taken_at(struct guest *f, uint32_t len, unsigned int pieces, double rate, uint64_t *idle_us)
{
	const double each = (double)pieces * PIECE_BITS;
	uint64_t first = f->nic.returned, began = fg_now_us(), from = 0, before = 0, last = began, seen = first;
	int64_t deadline = fg_deadline(3 * BURST_MS + MEASURED_MS);

	*idle_us = 0;
	while (fg_left_ms(deadline) > 0) {
		uint64_t now;

		post(f, len);
		if (rate > 0)
			assert_true((double)(f->nic.returned - first) * each <=
				    may_come(rate, began, rate * BURST_MS / 1e3 + each));
		now = fg_now_us();
		if (now - last > *idle_us)
			*idle_us = now - last;
		if (f->nic.returned != seen)
			last = now;
		seen = f->nic.returned;
		if (from == 0 && now - began > 3000 * BURST_MS) {
			from = now;
			before = seen;
		}
	}
	return (double)(f->nic.returned - before) * each / (double)(fg_now_us() - from) * 1e6;
}

/* In one of some tries the rate is reached, or the machine has to do with it. */
static void assert_kept(struct guest *f, unsigned int pieces, double rate)
{
	uint32_t len = write_packet(f, pieces);
	unsigned int judged = 0, tries = rate > JUDGED ? TRIES / 2 : TRIES;
	double share = 0, best = 0, free;
	uint64_t idle_us;

	for (unsigned int try = 0; share < 0.98 && try < tries; try++) {
		limit("f", 0, 0);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
		free = taken_at(f, len, pieces, 0, &idle_us);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
		if (rate > JUDGED && free < rate * 1.5) {
			print_message("%7.0f Mbit/s: not judged, %.0f without a limit\n", rate / 1e6, free / 1e6);
			continue;
		}
		limit("f", rate, BURST_MS);
		share = taken_at(f, len, pieces, rate, &idle_us) / rate;
		judged += rate <= JUDGED || idle_us < 500 * BURST_MS;
		best = share > best ? share : best;
		print_message("%7.0f Mbit/s: %.4f (%.0f without a limit; %llu us without a frame)\n", rate / 1e6, share,
			      free / 1e6, (unsigned long long)idle_us);
	}
	limit("f", 0, 0);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	assert_true(best >= (rate > JUDGED ? 0.5 : 0.98) || judged == 0);
}

static void every_rate_is_kept(void **state)
{
	static const double rates[] = {10e6, 100e6, 1e9, 10e9, 40e9, 100e9};
	struct guest *f = open_sender();

	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		assert_kept(f, rates[i] > JUDGED ? PIECES : 1, rates[i]);
}

/* The limit is another one fifty times a second, and the frames are larger than its burst: what a frame takes beyond that is not
 * forgiven, and what was taken before counts. */
static void a_limit_that_changes_lets_no_more_through(void **state)
{
	enum { LASTS_MS = 1500, EVERY_US = 20000 };
	const double lower = 10e6, upper = 11e6, each = (double)PIECES * PIECE_BITS;
	struct guest *f = open_sender();
	uint32_t len = write_packet(f, PIECES);
	bool enough = false;

	for (unsigned int try = 0; !enough && try < TRIES; try++) {
		uint64_t first, began, set_at = 0;
		int64_t deadline;

		limit("f", upper, 2);
		first = f->nic.returned;
		began = fg_now_us();
		for (deadline = fg_deadline(LASTS_MS); fg_left_ms(deadline) > 0; fg_sleep_us(100)) {
			post(f, len);
			assert_true((double)(f->nic.returned - first) * each <= may_come(upper, began, upper * 2 / 1e3 + each));
			if (fg_now_us() - set_at < EVERY_US)
				continue;
			set_at = fg_now_us();
			limit("f", set_at / EVERY_US % 2 == 0 ? lower : upper, 1 + set_at / EVERY_US % 2);
		}
		enough = (double)(f->nic.returned - first + 1) * each >= may_come(lower, began, 0) * 0.9;
		print_message("%.4f of the upper limit\n", (double)(f->nic.returned - first) * each / may_come(upper, began, 0));
		limit("f", 0, 0);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	}
	assert_true(enough);
}

/* --- a lane ---------------------------------------------------------------------------------------------------------- */

static unsigned int receive_all(struct guest *g)
{
	unsigned int n = 0;
	int len;

	while ((len = fg_nic_recv(&g->nic, got, sizeof(got), 0)) > 0)
		n++;
	assert_int_equal(len, -ETIMEDOUT);
	return n;
}

/* The share of the rate that comes of frames from the guest, when the burst is used up; all that it sent arrives. */
static double passed_at(double rate)
{
	struct guest *g = migration.g, *peer = migration.peer;
	uint64_t sent = 0, came = 0, before = 0, began = fg_now_us(), from = 0;
	int64_t deadline = fg_deadline(3 * BURST_MS + MEASURED_MS);
	double share;

	for (; fg_left_ms(deadline) > 0; fg_sleep_us(100)) {
		OK(fg_nic_reap(&g->nic));
		for (; fg_nic_room(&g->nic, 2); sent++)
			OK(fg_nic_queue(&g->nic, frame, LANE_FRAME, NULL));
		fg_nic_flush(&g->nic);
		came += receive_all(peer);
		assert_true((double)came * LANE_BITS <= may_come(rate, began, rate * BURST_MS / 1e3 + LANE_BITS));
		if (from == 0 && fg_now_us() - began > 3000 * BURST_MS) {
			from = fg_now_us();
			before = came;
		}
	}
	share = (double)(came - before + 1) * LANE_BITS / rate / (double)(fg_now_us() - from) * 1e6;
	for (; came < sent && fg_left_ms(deadline) > -FG_WAIT_MS; fg_sleep_us(100))
		came += receive_all(peer);
	assert_int_equal(came, sent);
	return share;
}

static void what_leaves_a_lane_is_metered(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	struct account before, after;
	double share = 0;

	read_account("l", &before);
	migration_arrive("l", peer, NULL);
	for (unsigned int i = 0; i < WAITING; i++)
		assert_true(fg_nic_recv(&peer->nic, got, sizeof(got), FG_WAIT_MS) > 0);
	await_lanes(1);
	settle(migration.g, peer);
	settle(peer, migration.g);
	memset(frame, 0, LANE_FRAME);
	memcpy(frame, peer->nic.mac, 6);
	memcpy(frame + 6, migration.g->nic.mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5; /* for experiments */
	receive_all(peer);
	limit("l", 20e6, BURST_MS);
	for (unsigned int try = 0; share < 0.98 && try < TRIES; try++) {
		share = passed_at(20e6);
		print_message("from a lane: %.4f of the rate\n", share);
	}
	assert_true(share >= 0.98);
	assert_int_equal(lanes(NULL), 1);
	limit("l", 0, 0);
	migration_end();
	await_lanes(0);
	after = since("l", &before);
	for (int i = 0; i < RX_DROPS; i++)
		assert_int_equal(after.rx_drop[i], 0);
	assert_traffic(migration.g, peer, 50, 1000);
}

#define RANGE_CASE(f) cmocka_unit_test_setup_teardown(f, open_with_ports, migration_close_case)

int main(void)
{
	const struct CMUnitTest cases[] = {
		RANGE_CASE(every_rate_is_kept),
		RANGE_CASE(a_limit_that_changes_lets_no_more_through),
		RANGE_CASE(what_leaves_a_lane_is_metered),
	};

	return migration_main("rate_range", CASES(cases));
}
