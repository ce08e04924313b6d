/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch dies and comes back, or its peer does, in both roles of the socket: the port returns
 * by itself and goes on where the ring stands, and other ports notice nothing.
 */
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Client mode looks for its peer again and again; it may take this long to notice one. */
enum { RETRY_MS = 5000 };

static int listen_as(const char *port)
{
	int listener = fg_wire_listen(fg_switch_socket(&stage.sw, port));

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
	fg_switch_kill(&stage.sw);
	OK(fg_switch_restart(&stage.sw));
}

static void come_back(struct guest *g, int listener)
{
	int sock;

	fg_session_drop(&g->s);
	if (listener < 0) {
		OK(fg_session_reopen(&g->s, fg_switch_socket(&stage.sw, g->port)));
		return;
	}
	sock = fg_wire_accept(listener, RETRY_MS);
	assert_true(sock >= 0);
	OK(fg_session_reopen_on(&g->s, sock));
}

/* Server mode. What was posted while nobody was there is sent afterwards, once. */
static void a_killed_server_is_found_again(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 20};
	uint8_t frame[300];

	(void)state;
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
	OK(fg_switch_usage(&stage.sw, &stage.before));
}

/* Killed in the middle of traffic: nothing is lost or damaged; at most what was in hand comes
 * twice. */
static void a_switch_killed_under_traffic_loses_nothing(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 21};
	uint8_t frame[300];
	uint64_t repeated;

	(void)state;
	settle(b, a);
	for (unsigned int i = 0; i < 120; i++) {
		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&a->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&a->nic);
	restart_switch();
	come_back(b, -1);
	come_back(a, -1);
	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	while (flow.next_rx < flow.next_tx) {
		assert_int_equal(fg_nic_recv(&b->nic, frame, sizeof(frame), FG_WAIT_MS),
				 sizeof(frame));
		fg_flow_check(&flow, frame, sizeof(frame));
	}
	repeated = flow.duplicate + flow.reordered;
	assert_int_equal(flow.lost + flow.damaged, 0);
	assert_true(repeated <= 64);
	guest_close(a);
	guest_close(b);
	fg_sleep_us(200000);
	OK(fg_switch_usage(&stage.sw, &stage.before));
}

/* Client mode. The switch was there first and finds its peer when that comes; loses it and finds it
 * again; dies and finds it again. */
static void a_client_finds_its_peer(void **state)
{
	struct guest *b = guest_run("h1", NULL);
	int listener = listen_as("c0");
	struct guest *a = accept_guest(listener);

	(void)state;
	assert_traffic(a, b, 5, 300);
	assert_traffic(b, a, 5, 300);
	for (unsigned int round = 0; round < 3; round++) { /* the peer hangs up and listens on */
		guest_close(a);
		a = accept_guest(listener);
		assert_traffic(b, a, 5, 300);
	}
	close(listener); /* the peer goes away for good, file and all, and another comes */
	guest_close(a);
	unlink(fg_switch_socket(&stage.sw, "c0"));
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
	unlink(fg_switch_socket(&stage.sw, "c0"));
	fg_sleep_us(200000);
	OK(fg_switch_usage(&stage.sw, &stage.before));
}

/* A client may be kept waiting at the door, or be let in and not spoken to; nobody else notices. */
static void a_silent_peer_of_a_client_holds_up_nobody(void **state)
{
	int listener = listen_as("c0");
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	int sock;

	(void)state;
	assert_traffic(a, b, 5, 300);
	sock = fg_wire_accept(listener, RETRY_MS);
	assert_true(sock >= 0);
	assert_traffic(a, b, 5, 300);
	close(sock);
	close(listener);
	unlink(fg_switch_socket(&stage.sw, "c0"));
}

/* SIGTERM ends it within a second, whatever its guests are doing. */
static void it_ends_when_told(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	int64_t began;

	(void)state;
	assert_traffic(a, b, 5, 300);
	began = fg_now_ms();
	OK(fg_switch_stop(&stage.sw));
	print_message("ended in %d ms\n", (int)(fg_now_ms() - began));
	assert_true(fg_now_ms() - began < (stage.before.sanitizer ? 15000 : 1500));
	assert_true(fg_wire_closed(a->s.sock, FG_WAIT_MS));
	guest_close(a);
	guest_close(b);
	OK(fg_switch_start(&stage.sw, &stage.opt)); /* for the judge */
	OK(fg_switch_usage(&stage.sw, &stage.before));
}

int main(void)
{
	static const char *const ports[] = {"h0", "h1", "c0,mode=client", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest stories[] = {
		STORY(a_killed_server_is_found_again),
		STORY(a_switch_killed_under_traffic_loses_nothing),
		STORY(a_client_finds_its_peer),
		STORY(a_silent_peer_of_a_client_holds_up_nobody),
		STORY(it_ends_when_told),
	};

	return stage_main_on(&opt, "restart", stories, sizeof(stories) / sizeof(stories[0]));
}
