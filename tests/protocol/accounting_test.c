/* SPDX-License-Identifier: BSD-3-Clause */
/* "Nothing lost", exactly: E1 to E6, counted by the drivers' side and compared
 * with what the switch says of itself. There is no counter for anything else; any residue fails.
 */
#include "account.h"

#include <errno.h>
#include <string.h>

/* The three of br0 in a crowd of frames of every kind; receivers that cannot keep up. */
struct crowd {
	struct guest *g[3];
	struct account before[3];
	uint64_t sent[3], got[3];
	struct fg_flow flow[3][3]; /* from, to */
	uint32_t seed;
};

static uint32_t dice(struct crowd *w, uint32_t sides)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % sides;
}

static void crowd_receive(struct crowd *w, unsigned int to)
{
	static uint8_t got[FG_FRAME_MAX];
	int len;

	while ((len = fg_nic_recv(&w->g[to]->nic, got, sizeof(got), 0)) > 0) {
		w->got[to]++;
		for (unsigned int from = 0; from < 3; from++)
			if (fg_flow_check(&w->flow[from][to], got, (size_t)len))
				break;
	}
	assert_int_equal(len, -ETIMEDOUT);
}

static void crowd_send(struct crowd *w)
{
	static uint8_t frame[2048];
	unsigned int from = dice(w, 3), to = dice(w, 3), kind = dice(w, 20);
	struct fg_nic *nic = &w->g[from]->nic;
	size_t len = 60 + dice(w, 1455);

	OK(fg_nic_reap(nic));
	if (!fg_nic_room(nic, 2)) {
		fg_nic_flush(nic);
		fg_sleep_us(20);
		return;
	}
	memset(frame, 0, sizeof(frame));
	memcpy(frame, w->g[to]->nic.mac, 6);
	memcpy(frame + 6, nic->mac, 6);
	if (kind == 0) /* to everybody */
		memcpy(frame, everybody, 6);
	else if (kind == 1) /* to an unknown address */
		frame[5] ^= 0x80;
	else if (kind == 2) /* too short */
		len = 1 + dice(w, 13);
	else if (kind == 3) /* from an invalid source */
		memset(frame + 6, 0, 6);
	else if (from != to)
		fg_flow_build(&w->flow[from][to], w->g[to]->nic.mac, nic->mac, frame, len);
	OK(fg_nic_queue(nic, frame, len, dice(w, 2) ? &fg_layout_one : NULL));
	w->sent[from]++;
	if (dice(w, 8) == 0)
		fg_nic_flush(nic);
}

static void crowd_settle_accounts(struct crowd *w)
{
	static const char *const names[] = {"a", "b", "c"};
	int64_t accepted = 0, delivered = 0;

	for (unsigned int i = 0; i < 3; i++) {
		struct account now;
		int64_t deadline = fg_deadline(FG_WAIT_MS / 4);

		do {
			now = since(names[i], &w->before[i]);
		} while (taken(&now) < (int64_t)w->sent[i] && fg_left_ms(deadline) > 0);
		assert_int_equal(taken(&now), w->sent[i]); /* E1 */
		assert_int_equal(w->g[i]->nic.returned, w->g[i]->nic.sent);
		assert_int_equal(now.tx_ok, w->got[i]);
		accepted += now.rx_ok + now.copies;
		delivered += given(&now);
		print_message("%s: %d taken, %d accepted, %d delivered of %d\n", names[i],
			      (int)taken(&now), (int)now.rx_ok, (int)now.tx_ok, (int)given(&now));
	}
	assert_int_equal(accepted, delivered); /* E2 */
}

/* E1, E2, E6. */
static void the_sums_agree_in_a_crowd(void **state)
{
	enum { FRAMES = 30000 };
	static const char *const names[] = {"a", "b", "c"};
	static struct crowd w;
	struct fg_nic_options opt = {.depth = 100, .region = -1};
	int64_t deadline = fg_deadline(5000);

	memset(&w, 0, sizeof(w));
	for (unsigned int i = 0; i < 3; i++) {
		w.g[i] = guest_open(names[i], NULL);
		opt.depth = (uint16_t)(100 - 40 * i); /* b and c are often full */
		guest_start(w.g[i], &opt);
	}
	for (unsigned int i = 0; i < 3; i++) {
		settle(w.g[i], w.g[(i + 1) % 3]);
		for (unsigned int k = 0; k < 3; k++)
			w.flow[i][k].id = 30 + 3 * i + k;
	}
	fg_sleep_us(10000);
	for (unsigned int i = 0; i < 3; i++) {
		crowd_receive(&w, i); /* what settling flooded */
		w.got[i] = 0;
		read_account(names[i], &w.before[i]);
	}
	while (w.sent[0] + w.sent[1] + w.sent[2] < FRAMES && fg_left_ms(deadline) > 0) {
		crowd_send(&w);
		if (dice(&w, 40) == 0)
			crowd_receive(&w, dice(&w, 3));
	}
	for (unsigned int i = 0; i < 3; i++) {
		fg_nic_flush(&w.g[i]->nic);
		OK(fg_nic_drain_tx(&w.g[i]->nic, FG_WAIT_MS));
	}
	fg_sleep_us(20000);
	for (unsigned int i = 0; i < 3; i++)
		crowd_receive(&w, i);
	for (unsigned int i = 0; i < 9; i++) {
		const struct fg_flow *f = &w.flow[i / 3][i % 3];

		assert_int_equal(f->duplicate + f->reordered + f->damaged, 0);
	}
	crowd_settle_accounts(&w);
}

/* E3, E4, E6. Frames through an ethdev that hands them all back: every byte returns, and so does
 * every mbuf. */
static void every_buffer_of_an_uplink_returns(void **state)
{
	struct guest *n = guest_run("n", NULL);
	struct fg_flow flow = {.id = 40};
	static const uint8_t unknown_mac[6] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
	int64_t at_start = fg_counter(&fixture.sw, "up", "buffers_free");
	struct account n0, up0, n1, up1;
	uint8_t frame[1514], got[2048];

	assert_true(at_start > 0);
	read_account("n", &n0);
	read_account("up", &up0);
	for (unsigned int i = 0; i < 5000; i++) {
		size_t len = 60 + i % 1455;
		int back;

		fg_flow_build(&flow, unknown_mac, n->nic.mac, frame, len);
		OK(fg_nic_send(&n->nic, frame, len, i % 2 ? NULL : &fg_layout_one));
		back = fg_nic_recv(&n->nic, got, sizeof(got), FG_WAIT_MS);
		if (back != (int)len || !fg_flow_check(&flow, got, (size_t)back))
			fail_msg("frame %u: %d bytes came back for %zu", i, back, len);
		OK(fg_nic_drain_tx(&n->nic, FG_WAIT_MS));
	}
	assert_true(fg_flow_whole(&flow));
	fg_sleep_us(20000);
	n1 = since("n", &n0);
	up1 = since("up", &up0);
	assert_int_equal(taken(&n1), 5000);
	assert_int_equal(n1.tx_ok, 5000);
	assert_int_equal(up1.tx_ok, 5000);
	assert_int_equal(taken(&up1), 5000);
	assert_int_equal(n1.rx_ok + n1.copies + up1.rx_ok + up1.copies, given(&n1) + given(&up1));
	assert_int_equal(fg_counter(&fixture.sw, "up", "buffers_free"), at_start); /* E4 */
}

/* E5. Guests come and go: descriptors, mappings and threads as at the start, memory within a MiB.
 */
static void nothing_is_left_of_a_hundred_guests(void **state)
{
	struct fg_usage after;

	for (unsigned int i = 0; i < 110; i++) {
		struct guest *a, *b;

		if (i == 10) /* by now every lazy table is there */
			OK(fg_switch_usage(&fixture.sw, &fixture.before));
		a = guest_run("a", NULL);
		b = guest_run("b", NULL);
		assert_traffic(a, b, 2, 300);
		guest_close(a);
		guest_close(b);
		if (i == 9)
			assert_nothing_held();
	}
	assert_held_as(&fixture.before, 0);
	OK(fg_switch_usage(&fixture.sw, &after));
	assert_int_equal(after.threads, fixture.before.threads);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(the_sums_agree_in_a_crowd),
		TEST_CASE(every_buffer_of_an_uplink_returns),
		TEST_CASE(nothing_is_left_of_a_hundred_guests),
	};

	return fixture_main_on(&account_fixture, "accounting", CASES(cases));
}
