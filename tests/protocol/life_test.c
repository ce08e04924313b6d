/* SPDX-License-Identifier: BSD-3-Clause */
/* Coming and going: guests that reboot, front ends that die at any moment or come twice, queues
 * that are switched on and off. (Classes L1 and L2 stand here beside the list.)
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A guest reboots: rings stop and start from nothing, each time with other features. */
static void a_guest_may_reboot(void **state)
{
	static const uint64_t lives[] = {
		FG_FEATURES_DEFAULT, FG_F_PROTOCOL, FG_F_PROTOCOL | FG_F_VERSION_1,
		FG_F_PROTOCOL | FG_F_MRG_RXBUF | FG_F_EVENT_IDX, FG_FEATURES_DEFAULT};
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int i = 0; i < 15; i++) {
		bool v1;

		OK(fg_session_stop(&g->s));
		OK(i % 2 ? fg_request_none(&g->s, FG_RESET_DEVICE)
			 : fg_request_u64(&g->s, FG_SET_STATUS, 0));
		g->s.features = lives[i % 5];
		v1 = (g->s.features & FG_F_VERSION_1) != 0;
		g->nic.mergeable = (g->s.features & FG_F_MRG_RXBUF) != 0;
		g->nic.header = v1 || g->nic.mergeable ? 12 : 10;
		OK(fg_send_features(&g->s));
		for (unsigned int k = 0; k < 2; k++) {
			fg_ring_reset(&g->s.ring[k], (g->s.features & FG_F_EVENT_IDX) != 0);
			g->s.ring[k].in_order = (g->s.features & FG_F_IN_ORDER) != 0;
			OK(fg_start_ring(&g->s, k, 0));
		}
		OK(fg_barrier(&g->s));
		OK(fg_nic_fill(&g->nic));
		assert_traffic(g, peer, 3, 700);
		assert_traffic(peer, g, 3, 700);
	}
}

/* A ring that stops is given back whole: what GET_VRING_BASE says is what was used, nothing is used
 * or written afterwards, and starting there again loses and repeats nothing. */
static void a_stopped_ring_is_complete(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 900};
	uint8_t frame[256], got[2048];
	uint16_t base;
	int len;

	settle(peer, g);
	for (unsigned int round = 0; round < 30; round++) {
		for (unsigned int i = 0; i < 100; i++) {
			fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&g->nic, frame, sizeof(frame), NULL));
			if (i % 10 == round % 10)
				fg_nic_flush(&g->nic);
		}
		fg_nic_flush(&g->nic);
		OK(fg_stop_ring(&g->s, 1, &base));
		assert_int_equal(base, fg_ring_used_idx(g->nic.tx));
		fg_sleep_us(1000);
		assert_int_equal(base, fg_ring_used_idx(g->nic.tx));
		OK(fg_start_ring(&g->s, 1, base));
		fg_ring_kick_now(g->nic.tx);
		while (flow.received < flow.next_tx) {
			len = fg_nic_recv(&peer->nic, got, sizeof(got), FG_WAIT_MS);
			if (len < 0)
				fail_msg("round %u: %s", round, strerror(-len));
			fg_flow_check(&flow, got, (size_t)len);
		}
		assert_true(fg_flow_whole(&flow));
		OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	}
}

/* A receive ring that stops under traffic: after the answer not one buffer more is used. */
static void a_stopped_receive_ring_is_left_alone(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 901};
	uint8_t frame[256];
	uint16_t base;

	settle(g, peer);
	for (unsigned int i = 0; i < 100; i++) {
		fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&peer->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&peer->nic);
	OK(fg_stop_ring(&g->s, 0, &base));
	assert_int_equal(base, fg_ring_used_idx(g->nic.rx));
	OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
	assert_int_equal(base, fg_ring_used_idx(g->nic.rx));
	OK(fg_start_ring(&g->s, 0, base));
	while (fg_nic_recv(&g->nic, frame, sizeof(frame), 0) > 0)
		fg_flow_check(&flow, frame, sizeof(frame));
	assert_int_equal(flow.lost + flow.duplicate + flow.reordered + flow.damaged, 0);
	assert_traffic(peer, g, 5, 200);
}

/* A disabled ring receives nothing, and what is sent there is thrown away; enabled again, it does
 * both. */
static void a_disabled_ring_rests(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 902};
	uint8_t frame[200];
	uint16_t used;

	settle(g, peer);
	for (unsigned int round = 0; round < 5; round++) {
		OK(fg_enable_ring(&g->s, 0, false));
		OK(fg_enable_ring(&g->s, 1, false));
		used = fg_ring_used_idx(g->nic.rx);
		fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, sizeof(frame));
		OK(fg_nic_send(&peer->nic, frame, sizeof(frame), NULL));
		OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
		fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
		OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
		OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
		assert_int_equal(used, fg_ring_used_idx(g->nic.rx));
		assert_silence(peer);
		OK(fg_enable_ring(&g->s, 0, true));
		OK(fg_enable_ring(&g->s, 1, true));
		fg_ring_kick_now(g->nic.tx);
		assert_traffic(g, peer, 2, 200);
		assert_traffic(peer, g, 2, 200);
	}
}

/* A ring may be told in any order of NUM, BASE, ADDR, CALL and ENABLE before its KICK. */
static void a_ring_may_be_told_in_any_order(void **state)
{
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int order = 0; order < 24; order++) {
		const struct fg_options opt = {.leave_disabled = true};
		struct guest *g = guest_open("h0", &opt);

		OK(fg_send_features(&g->s));
		if (order % 3)
			OK(fg_send_memory(&g->s));
		for (unsigned int i = 0; i < 2; i++) {
			fg_ring_reset(&g->s.ring[i], true);
			for (unsigned int k = 0; k < 5; k++) {
				switch ((k * (order % 4 + 1) + order) % 5) {
				case 0:
					OK(fg_request_state(&g->s, FG_SET_VRING_NUM, i, 256));
					break;
				case 1:
					OK(fg_request_state(&g->s, FG_SET_VRING_BASE, i, 0));
					break;
				case 2:
					if (order % 3)
						OK(fg_send_addr(&g->s, i));
					break;
				case 3:
					OK(fg_send_call(&g->s, i));
					break;
				case 4:
					OK(fg_enable_ring(&g->s, i, true));
					break;
				}
			}
		}
		if (order % 3 == 0) { /* memory last of all but the kick */
			OK(fg_send_memory(&g->s));
			OK(fg_send_addr(&g->s, 0));
			OK(fg_send_addr(&g->s, 1));
		}
		OK(fg_send_kick(&g->s, 0));
		OK(fg_send_kick(&g->s, 1));
		OK(fg_nic_init(&g->nic, &g->s, 0, 0x3000 + order, NULL));
		OK(fg_nic_fill(&g->nic));
		assert_traffic(g, peer, 2, 100);
		assert_traffic(peer, g, 2, 100);
		guest_close(g);
	}
}

/* L2. The front end dies before each of its messages in turn, with traffic running as soon as it
 * can: the port is back for the next one every time, and nothing is kept. */
static void a_front_end_may_die_at_any_message(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	unsigned int messages = 0;
	int err = -ECONNRESET;

	while (err != 0) {
		struct guest *g = guest_idle();

		assert_true(messages < 200);
		do { /* the switch may not have seen the last one go */
			fg_wire_fuse((int)messages);
			g->mem.region[0].used = 0;
			err = fg_session_open(&g->s, fg_switch_socket(&fixture.sw, "h0"), &g->mem,
					      NULL);
			if (err == 0)
				err = fg_session_start(&g->s);
			fg_wire_fuse(-1);
			fg_sleep_us(1000);
		} while (err == -ENOENT);
		if (err == 0) {
			OK(fg_nic_init(&g->nic, &g->s, 0, 0x2000 + messages, NULL));
			OK(fg_nic_fill(&g->nic));
			assert_traffic(g, peer, 1, 100);
		}
		guest_close(g);
		messages++;
	}
	assert_true(messages > 20);
}

/* L2. Killed while frames fly in both directions. */
static void a_front_end_may_die_under_traffic(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	uint8_t frame[1000];

	for (unsigned int round = 0; round < 30; round++) {
		struct guest *g = guest_run("h0", NULL);
		struct fg_flow flow = {.id = 903};

		settle(g, peer);
		settle(peer, g);
		for (unsigned int i = 0; i < 30; i++) {
			fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&peer->nic, frame, sizeof(frame), NULL));
			fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&g->nic, frame, sizeof(frame), NULL));
		}
		fg_nic_flush(&g->nic);
		fg_nic_flush(&peer->nic);
		guest_close(g);
		OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
		while (fg_nic_recv(&peer->nic, frame, sizeof(frame), 0) > 0)
			;
	}
}

/* L1. While one front end talks, others knock by the hundred: the one is served, nothing is kept.
 */
static void a_storm_of_connections_disturbs_no_port(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	const char *path = fg_switch_socket(&fixture.sw, "h0");
	int socks[400];

	for (unsigned int i = 0; i < 400; i++) {
		socks[i] = fg_socket_connect(path, SOCK_NONBLOCK);
		assert_true(socks[i] >= 0 || socks[i] == -EAGAIN); /* more wait than are let */
		if (i % 50 == 0)
			assert_traffic(g, peer, 2, 300);
	}
	assert_traffic(peer, g, 2, 300);
	for (unsigned int i = 0; i < 400; i++)
		if (socks[i] >= 0)
			close(socks[i]);
	OK(fg_barrier(&g->s));
	assert_traffic(g, peer, 2, 300);
}

/* What one front end agreed to is nothing to the next: it begins with nothing agreed. */
static void a_new_connection_begins_from_nothing(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct fg_msg m = {.request = FG_GET_MAX_MEM_SLOTS, .flags = FG_VERSION};
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct fg_msg hello;
	int sock = -1;

	guest_close(g);
	do { /* until the one before is gone for the switch as well */
		if (sock >= 0)
			close(sock);
		sock = fg_wire_connect(fg_switch_socket(&fixture.sw, "h0"), FG_WAIT_MS);
		assert_true(sock >= 0 && fg_left_ms(deadline) > 0);
		hello = (struct fg_msg){.request = FG_GET_FEATURES, .flags = FG_VERSION};
	} while (fg_wire_send(sock, &hello, NULL, 0) < 0 ||
		 fg_wire_recv(sock, &hello, NULL, FG_WAIT_MS) < 0);
	assert_true(hello.u64 & FG_F_PROTOCOL);
	OK(fg_wire_send(sock, &m, NULL, 0)); /* needs a protocol feature */
	assert_true(fg_wire_closed(sock, FG_WAIT_MS));
	close(sock);
}

/* Queue pairs: each carries frames, and a guest may use fewer than it has (ethtool -L): frames then
 * come only where it listens. */
static void queue_pairs_may_be_switched(void **state)
{
	enum { PAIRS = 4 };
	const struct fg_options opt = {
		.pairs = PAIRS, .ring_size = 128, .features = FG_FEATURES_DEFAULT | FG_F_MQ};
	struct guest *peer = guest_run("h1", NULL);
	struct guest *g = guest_open("h0", &opt);
	static struct fg_nic nic[PAIRS];
	uint8_t frame[200], got[2048];

	assert_true(g->s.max_pairs >= PAIRS);
	OK(fg_session_start(&g->s));
	for (unsigned int i = 0; i < PAIRS; i++) {
		OK(fg_nic_init(&nic[i], &g->s, i, 0x6000, NULL));
		OK(fg_nic_fill(&nic[i]));
	}
	for (unsigned int active = PAIRS; active > 0; active /= 2) {
		struct fg_flow flow = {.id = 910 + active};
		unsigned int seen = 0;

		for (unsigned int i = 0; i < PAIRS; i++) {
			OK(fg_enable_ring(&g->s, 2 * i, i < active));
			OK(fg_enable_ring(&g->s, 2 * i + 1, i < active));
		}
		for (unsigned int i = 0; i < active; i++) { /* every transmit queue sends */
			fg_flow_build(&flow, peer->nic.mac, nic[i].mac, frame, sizeof(frame));
			OK(fg_nic_send(&nic[i], frame, sizeof(frame), NULL));
			assert_int_equal(fg_nic_recv(&peer->nic, got, sizeof(got), FG_WAIT_MS),
					 sizeof(frame));
			assert_true(fg_flow_check(&flow, got, sizeof(frame)));
		}
		for (unsigned int i = 0; i < 64;
		     i++) { /* 64 sources: spread or not, none is lost */
			uint8_t mac[6];

			fg_mac(mac, 0x7000 + i);
			fg_flow_build(&flow, nic[0].mac, mac, frame, sizeof(frame));
			OK(fg_nic_send(&peer->nic, frame, sizeof(frame), NULL));
		}
		OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
		for (unsigned int i = 0; i < PAIRS; i++)
			while (fg_nic_recv(&nic[i], got, sizeof(got), 0) > 0) {
				assert_true(i < active);
				seen++;
			}
		assert_int_equal(seen, 64);
	}
}

/* SEND_RARP: the switch says for a guest that cannot (it has just arrived) where it lives. */
static void an_arrival_is_announced(void **state)
{
	const struct fg_options opt = {.protocol = FG_PROTOCOL_DEFAULT | FG_P_RARP};
	struct guest *g = guest_open("h0", &opt);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_msg m = {.request = FG_SEND_RARP, .size = 8};
	uint8_t got[2048];

	guest_start(g, NULL);
	memcpy(m.raw, g->nic.mac, 6);
	OK(fg_request(&g->s, &m, NULL, 0));
	assert_int_equal(fg_nic_recv(&peer->nic, got, sizeof(got), FG_WAIT_MS), 60);
	assert_memory_equal(got, "\xff\xff\xff\xff\xff\xff", 6);
	assert_memory_equal(got + 6, g->nic.mac, 6);
	assert_memory_equal(got + 12, "\x80\x35", 2); /* RARP, RFC 903 */
	await_known(g);
	assert_silence(g); /* not to itself */
}

/* An lcore tells of an address once a second. */
static void await_heard(struct guest *g, struct guest *peer)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	do {
		assert_true(fg_left_ms(deadline) > 0);
		assert_traffic(g, peer, 1, 100);
		fg_sleep_us(2000);
	} while (!is_known(g));
}

/* A guest that stops may be about to run behind another port: what is for it goes to all until it is heard of, and not to
 * where it was. What it had still queued does not bring it back. */
static void a_guest_that_stops_is_forgotten(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	uint16_t base;

	settle(g, peer);
	OK(fg_stop_ring(&g->s, 0, &base));
	assert_false(is_known(g));
	for (unsigned int i = 0; i < 20; i++) {
		struct fg_flow flow = {.id = 31};
		uint8_t frame[100];

		fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
		OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
		assert_int_equal(fg_nic_recv(&peer->nic, frame, sizeof(frame), FG_WAIT_MS), 100);
		assert_false(is_known(g));
	}
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	OK(fg_start_ring(&g->s, 0, base));
	await_heard(g, peer);
	OK(fg_enable_ring(&g->s, 0, false));
	assert_false(is_known(g));
	OK(fg_enable_ring(&g->s, 0, true));
	await_heard(g, peer);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_guest_may_reboot),
		TEST_CASE(a_stopped_ring_is_complete),
		TEST_CASE(a_stopped_receive_ring_is_left_alone),
		TEST_CASE(a_disabled_ring_rests),
		TEST_CASE(a_ring_may_be_told_in_any_order),
		TEST_CASE(a_front_end_may_die_at_any_message),
		TEST_CASE(a_front_end_may_die_under_traffic),
		TEST_CASE(a_storm_of_connections_disturbs_no_port),
		TEST_CASE(a_new_connection_begins_from_nothing),
		TEST_CASE(queue_pairs_may_be_switched),
		TEST_CASE(an_arrival_is_announced),
		TEST_CASE(a_guest_that_stops_is_forgotten),
	};

	return fixture_main("life", CASES(cases));
}
