/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch dies and comes back, or its peer does, in both roles of the socket: the port returns
 * by itself and goes on where the ring stands, and other ports notice nothing.
 */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Client mode looks for its peer again and again; it may take this long to notice one. */
enum { RETRY_MS = 5000 };
/* $VUSWITCH_KILLS says otherwise. FRAMES is the largest ring the fake guest has. */
enum { KILLS = 6, KILLS_MAX = 2000, FRAMES = 1024, BURST = 128 };

static int listen_as(const char *port)
{
	int listener = fg_wire_listen(fg_switch_socket(&fixture.sw, port));

	assert_true(listener >= 0);
	return listener;
}

static struct guest *accept_guest(int listener)
{
	int sock = fg_wire_accept(listener, RETRY_MS);
	struct guest *g;

	if (sock < 0)
		fail_msg("the switch does not come: %s", strerror(-sock));
	g = guest_open_on(sock, NULL);
	guest_start(g, NULL);
	return g;
}

static void restart_switch(void)
{
	fg_switch_kill(&fixture.sw);
	OK(fg_switch_restart(&fixture.sw));
}

static void come_back(struct guest *g, int listener)
{
	int sock;

	fg_session_drop(&g->s);
	if (listener < 0) {
		OK(fg_session_reopen(&g->s, fg_switch_socket(&fixture.sw, g->port)));
		return;
	}
	sock = fg_wire_accept(listener, RETRY_MS);
	assert_true(sock >= 0);
	OK(fg_session_reopen_on(&g->s, sock));
}

/* Server mode. What was posted while no switch ran is sent afterwards, once. */
static void a_killed_server_is_found_again(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 20};
	uint8_t frame[300];

	assert_traffic(a, b, 10, 300);
	assert_traffic(b, a, 10, 300);
	for (unsigned int round = 0; round < 3; round++) {
		restart_switch();
		for (unsigned int i = 0; i < 5; i++) {
			fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&a->nic, frame, sizeof(frame), NULL));
		}
		fg_nic_flush(&a->nic);
		come_back(b, -1);
		come_back(a, -1);
		for (unsigned int i = 0; i < 5; i++) {
			assert_int_equal(fg_nic_recv(&b->nic, frame, sizeof(frame), FG_WAIT_MS),
					 sizeof(frame));
			assert_true(fg_flow_check(&flow, frame, sizeof(frame)));
		}
		assert_true(fg_flow_whole(&flow));
		OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
		assert_traffic(b, a, 10, 300);
	}
	guest_close(a);
	guest_close(b);
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

/* --- killed under traffic ---------------------------------------------------------------------------------------- */

/* What many kills came to. */
struct tally {
	unsigned int kills, in_hand, gaps;
	uint64_t lost;
	unsigned int gap_ms[KILLS_MAX]; /* from the kill to the first frame of the next switch */
	unsigned int own_ms[KILLS_MAX]; /* ... without the time that it and we waited for a CPU */
};

/* How often it is killed: a few times, or what the environment says. */
static unsigned int kills_wanted(void)
{
	const char *text = getenv("VUSWITCH_KILLS");
	int n = text != NULL ? atoi(text) : KILLS;

	return n < 1 || n > KILLS_MAX ? KILLS_MAX : (unsigned int)n;
}

/* Frames the switch, which may be dead, has not returned. */
static uint16_t outstanding(const struct guest *a)
{
	return (uint16_t)(a->nic.tx->avail_idx - fg_ring_used_idx(a->nic.tx));
}

static void take_arrivals(struct guest *b, struct fg_flow *flow)
{
	static uint8_t frame[2048];
	int len;

	while ((len = fg_nic_recv(&b->nic, frame, sizeof(frame), 0)) > 0)
		fg_flow_check(flow, frame, (size_t)len);
	assert_int_equal(len, -ETIMEDOUT);
}

/* As many frames as a's ring has room for. */
static void fill(struct guest *a, const struct guest *b, struct fg_flow *flow)
{
	static uint8_t frame[600];
	unsigned int room = FRAMES - (unsigned int)(a->nic.sent - a->nic.returned);

	while (room-- > 0) {
		fg_flow_build(flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&a->nic, frame, sizeof(frame), &fg_layout_one));
	}
	fg_nic_flush(&a->nic);
}

/* Fills a's ring and kills the switch when it has returned some of it. The guests go on: what came is taken, and the ring
 * is filled up again, so that there is something to do for the next switch however late the kill was. */
static void kill_in_the_middle(struct guest *a, struct guest *b, struct fg_flow *flow,
			       unsigned int returned)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	fill(a, b, flow);
	while (outstanding(a) > FRAMES - returned && fg_left_ms(deadline) > 0)
		;
	fg_switch_kill(&fixture.sw);
	OK(fg_nic_reap(&a->nic));
	take_arrivals(b, flow);
	fill(a, b, flow);
}

/* Both are back as soon as they can be; the first frame of the new switch ends the silence. */
static void come_back_both(struct guest *a, struct guest *b, int listener, struct tally *tally)
{
	uint16_t before = fg_ring_used_idx(b->nic.rx);
	int64_t killed = fg_now_ms(), waited = (int64_t)fg_cpu_of(getpid()).waited_ms, deadline = fg_deadline(FG_WAIT_MS);
	int64_t gap;

	OK(fg_switch_restart(&fixture.sw));
	come_back(b, -1);
	come_back(a, listener);
	while (fg_ring_used_idx(b->nic.rx) == before && fg_left_ms(deadline) > 0)
		;
	gap = fg_now_ms() - killed;
	waited = (int64_t)fg_cpu_of(getpid()).waited_ms - waited + (int64_t)fg_cpu_of(fixture.sw.pid).waited_ms;
	tally->gap_ms[tally->gaps] = (unsigned int)gap;
	tally->own_ms[tally->gaps++] = (unsigned int)(gap > waited ? gap - waited : 0);
}

/* Everything has arrived when a's buffers are back. What did not is at most what the new switch says the old one had in
 * hand; it took what the old one had left, no more and no less. */
static void settle_accounts(struct guest *a, struct guest *b, struct fg_flow *flow, uint16_t left,
			    struct tally *tally)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	uint64_t missing;
	struct account now;

	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	assert_int_equal(a->nic.returned, a->nic.sent);
	take_arrivals(b, flow);
	assert_int_equal(flow->duplicate + flow->reordered + flow->damaged, 0);
	do {
		read_account(a->port, &now);
	} while (taken(&now) < left && fg_left_ms(deadline) > 0);
	assert_int_equal(taken(&now), left); /* E1 */
	missing = flow->next_tx - flow->received - tally->lost;
	if (now.rx_drop[RX_DROP_RESTART] > BURST || missing > (uint64_t)now.rx_drop[RX_DROP_RESTART])
		fail_msg("%u frames are missing, %d were in hand", (unsigned int)missing,
			 (int)now.rx_drop[RX_DROP_RESTART]);
	tally->in_hand += now.rx_drop[RX_DROP_RESTART] > 0;
	tally->lost += missing;
	flow->next_rx = flow->next_tx;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void tell(struct tally *t)
{
	qsort(t->gap_ms, t->gaps, sizeof(t->gap_ms[0]), compare);
	qsort(t->own_ms, t->gaps, sizeof(t->own_ms[0]), compare);
	print_message("%u kills, %u with frames in hand: 0 duplicates, %d lost; silence p50 %u ms, "
		      "p99 %u ms, most %u ms; without waiting for a CPU p50 %u ms\n",
		      t->kills, t->in_hand, (int)t->lost, t->gap_ms[t->gaps / 2],
		      t->gap_ms[t->gaps * 99 / 100], t->gap_ms[t->gaps - 1],
		      t->own_ms[t->gaps / 2]);
}

static void kill_again_and_again(struct guest *a, struct guest *b, int listener)
{
	struct tally tally = {.kills = kills_wanted()};
	struct fg_flow flow = {.id = 21};

	for (unsigned int i = 0; i < tally.kills; i++) {
		uint16_t left;

		settle(b, a);
		kill_in_the_middle(a, b, &flow, i * 37 % (FRAMES - 64));
		left = outstanding(a);
		come_back_both(a, b, listener, &tally);
		settle_accounts(a, b, &flow, left, &tally);
	}
	tell(&tally);
	if (!fixture.before.sanitizer)
		assert_true(tally.own_ms[tally.gaps / 2] < 1000);
	guest_close(a);
	guest_close(b);
}

static const struct fg_options long_rings = {.ring_size = FRAMES};

static void a_killed_server_returns_everything_once(void **state)
{
	struct guest *a = guest_run("h0", &long_rings);
	struct guest *b = guest_run("h1", &long_rings);

	kill_again_and_again(a, b, -1);
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

static void a_killed_client_returns_everything_once(void **state)
{
	int listener = listen_as("c0");
	int sock = fg_wire_accept(listener, RETRY_MS);
	struct guest *a, *b = guest_run("h1", &long_rings);

	assert_true(sock >= 0);
	a = guest_open_on(sock, &long_rings);
	guest_start(a, NULL);
	snprintf(a->port, sizeof(a->port), "c0");
	kill_again_and_again(a, b, listener);
	close(listener);
	unlink(fg_switch_socket(&fixture.sw, "c0"));
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

/* Client mode. The switch was there first and finds its peer when that comes; loses it and finds it
 * again; dies and finds it again. */
static void a_client_finds_its_peer(void **state)
{
	struct guest *b = guest_run("h1", NULL);
	int listener = listen_as("c0");
	struct guest *a = accept_guest(listener);

	assert_traffic(a, b, 5, 300);
	assert_traffic(b, a, 5, 300);
	for (unsigned int round = 0; round < 3; round++) { /* the peer hangs up and listens on */
		guest_close(a);
		a = accept_guest(listener);
		assert_traffic(b, a, 5, 300);
	}
	close(listener); /* the peer goes away for good, file and all, and another comes */
	guest_close(a);
	unlink(fg_switch_socket(&fixture.sw, "c0"));
	fg_sleep_us(100000);
	listener = listen_as("c0");
	a = accept_guest(listener);
	assert_traffic(a, b, 5, 300);
	restart_switch();
	come_back(a, listener);
	come_back(b, -1);
	assert_traffic(a, b, 5, 300);
	assert_traffic(b, a, 5, 300);
	guest_close(a);
	guest_close(b);
	close(listener);
	unlink(fg_switch_socket(&fixture.sw, "c0"));
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

/* A client may be kept waiting at the door, or be accepted and not answered; no other port notices. */
static void a_silent_peer_of_a_client_delays_no_port(void **state)
{
	int listener = listen_as("c0");
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	int sock;

	assert_traffic(a, b, 5, 300);
	sock = fg_wire_accept(listener, RETRY_MS);
	assert_true(sock >= 0);
	assert_traffic(a, b, 5, 300);
	close(sock);
	close(listener);
	unlink(fg_switch_socket(&fixture.sw, "c0"));
}

/* SIGTERM ends it within a second, whatever its guests are doing. */
static void it_ends_when_told(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	int64_t began;

	assert_traffic(a, b, 5, 300);
	began = fg_now_ms();
	OK(fg_switch_stop(&fixture.sw));
	print_message("ended in %d ms\n", (int)(fg_now_ms() - began));
	assert_true(fg_now_ms() - began < (fixture.before.sanitizer ? 15000 : 1500));
	assert_true(fg_wire_closed(a->s.sock, FG_WAIT_MS));
	guest_close(a);
	guest_close(b);
	OK(fg_switch_start(&fixture.sw, &fixture.opt)); /* for fixture_check() */
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

int main(void)
{
	static const char *const ports[] = {"h0", "h1", "c0,mode=client", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_killed_server_is_found_again),
		TEST_CASE(a_killed_server_returns_everything_once),
		TEST_CASE(a_killed_client_returns_everything_once),
		TEST_CASE(a_client_finds_its_peer),
		TEST_CASE(a_silent_peer_of_a_client_delays_no_port),
		TEST_CASE(it_ends_when_told),
	};

	return fixture_main_on(&opt, "restart", CASES(cases));
}
