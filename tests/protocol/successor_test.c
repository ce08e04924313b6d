/* SPDX-License-Identifier: BSD-3-Clause */
/* A front end passes a descriptor the close() of which never returns, and the switch is killed: its process cannot end, and all
 * that it had open stays open. The next one serves every port all the same: L10, X1.
 */
#include "account.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fg_fuse.h"

enum { FRAMES = 1024, QUEUE_MAX = 64, LIMIT_MS = 2000, DYING_MS = 200, STOPS_MAX = 400 };

static const struct fg_options long_rings = {.ring_size = FRAMES};

/* The switch closes a file that does not let it. */
static void get_stuck(struct fg_fuse *fuse)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	int sock = fg_wire_connect(fg_switch_socket(&fixture.sw, "h2"), FG_WAIT_MS);

	assert_true(sock >= 0);
	fg_fuse_mute(fuse, fixture.sw.pid);
	OK(fg_wire_send_raw(sock, &m, FG_HEADER_SIZE, &fuse->file, 1));
	while (atomic_load(&fuse->state->left) == 0) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(1000);
	}
	close(sock);
}

/* The process that is left of it. */
static pid_t kill_it(void)
{
	pid_t corpse = fixture.sw.pid;

	kill(corpse, SIGKILL);
	close(fixture.sw.input);
	fixture.sw.pid = 0;
	fg_sleep_us(DYING_MS * 1000);
	assert_int_equal(waitpid(corpse, NULL, WNOHANG), 0);
	return corpse;
}

/* It accepts nothing any more, and its queue can be filled by whoever may connect. */
static unsigned int fill_queue(const char *port, int *sock)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned int n = 0;

	strcpy(address.sun_path, fg_switch_socket(&fixture.sw, port));
	while (n < QUEUE_MAX) {
		sock[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(sock[n] >= 0);
		if (connect(sock[n++], (struct sockaddr *)&address, sizeof(address)) != 0)
			break;
	}
	return n;
}

/* Half a ring: what is on its way, and as much that has just arrived, has room at the receiver. */
static void fill(struct guest *from, const struct guest *to, struct fg_flow *flow)
{
	static uint8_t frame[1500];

	OK(fg_nic_reap(&from->nic));
	for (uint64_t room = FRAMES / 2 - (from->nic.sent - from->nic.returned); room > 0; room--) {
		fg_flow_build(flow, to->nic.mac, from->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&from->nic, frame, sizeof(frame), &fg_layout_one));
	}
	fg_nic_flush(&from->nic);
}

static void take_arrivals(struct guest *to, struct fg_flow *flow)
{
	static uint8_t frame[2048];
	int len;

	while ((len = fg_nic_recv(&to->nic, frame, sizeof(frame), 0)) > 0)
		fg_flow_check(flow, frame, (size_t)len);
}

/* Frames that have arrived, and the buffers of which are not back. */
static uint16_t in_hand(const struct guest *from, const struct guest *to, uint16_t before)
{
	return (uint16_t)(fg_ring_used_idx(to->nic.rx) - fg_ring_used_idx(from->nic.tx) - before);
}

/* Stops the switch in the middle of a flow, again and again, until it stands between the delivery of a burst and the return of
 * its buffers. False: that did not happen. */
static bool stop_with_frames_in_hand(struct guest *from, struct guest *to, struct fg_flow *flow)
{
	uint16_t before;

	OK(fg_nic_drain_tx(&from->nic, FG_WAIT_MS));
	before = (uint16_t)(fg_ring_used_idx(to->nic.rx) - fg_ring_used_idx(from->nic.tx));
	for (unsigned int i = 0; i < STOPS_MAX; i++) {
		uint16_t returned = fg_ring_used_idx(from->nic.tx);
		int64_t deadline = fg_deadline(FG_WAIT_MS);

		fill(from, to, flow);
		while ((uint16_t)(fg_ring_used_idx(from->nic.tx) - returned) <= i % (FRAMES / 4) && fg_left_ms(deadline) > 0)
			;
		kill(fixture.sw.pid, SIGSTOP);
		fg_sleep_us(500);
		if (in_hand(from, to, before) > 0)
			return true;
		take_arrivals(to, flow);
		kill(fixture.sw.pid, SIGCONT);
	}
	return false;
}

static void come_back(struct guest *g)
{
	fg_session_drop(&g->s);
	OK(fg_session_reopen(&g->s, fg_switch_socket(&fixture.sw, g->port)));
}

/* Every frame comes once, but for those that the dead one had in its hands. */
static void settle_accounts(struct guest *a, struct guest *b, struct fg_flow *flow)
{
	int64_t counted, missing;

	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	assert_int_equal(a->nic.returned, a->nic.sent);
	take_arrivals(b, flow);
	assert_int_equal(flow->duplicate + flow->reordered + flow->damaged, 0);
	counted = fg_counter(&fixture.sw, a->port, "rx_drop.restart");
	missing = (int64_t)(flow->next_tx - flow->received);
	print_message("%d frames of %d were in hand, %d are missing\n", (int)counted, (int)flow->next_tx, (int)missing);
	assert_true(missing >= 0 && missing <= counted);
}

static void a_successor_serves_beside_a_corpse(void **state)
{
	struct guest *a = guest_run("h0", &long_rings), *b = guest_run("h1", &long_rings), *c;
	struct fg_flow flow = {.id = 31};
	int queue[QUEUE_MAX];
	struct fg_fuse fuse;
	unsigned int queued;
	int64_t began, took;
	pid_t corpse;
	bool held;

	if (fg_fuse_start(&fuse) < 0) {
		guest_close(a);
		guest_close(b);
		skip();
	}
	settle(a, b);
	settle(b, a);
	get_stuck(&fuse);
	held = stop_with_frames_in_hand(a, b, &flow);
	corpse = kill_it();
	take_arrivals(b, &flow);
	print_message("%s\n", held ? "killed with a burst in hand" : "killed, and no burst was seen to be in hand");
	queued = fill_queue("h1", queue);
	began = fg_now_ms();
	OK(fg_switch_restart(&fixture.sw));
	if (!fg_wire_closed(a->s.sock, FG_WAIT_MS) || !fg_wire_closed(b->s.sock, FG_WAIT_MS)) {
		fg_switch_show_log(&fixture.sw);
		fail_msg("the front ends of the dead switch do not see that it is dead");
	}
	assert_true(fg_wire_closed(queue[0], FG_WAIT_MS));
	come_back(b);
	come_back(a);
	assert_traffic(b, a, 1, 300);
	c = guest_run("h2", NULL);
	assert_traffic(c, a, 1, 300);
	took = fg_now_ms() - began;
	print_message("served %d ms after its start, %d of which it waited for a CPU\n", (int)took,
		      (int)fg_cpu_of(fixture.sw.pid).waited_ms);
	assert_true(took - fg_cpu_of(fixture.sw.pid).waited_ms < LIMIT_MS);
	settle_accounts(a, b, &flow);
	assert_int_equal(waitpid(corpse, NULL, WNOHANG), 0);
	assert_true(log_lines("was killed and cannot end") > 0);
	assert_int_equal(log_lines("no journal"), 0);
	fg_fuse_stop(&fuse);
	assert_int_equal(waitpid(corpse, NULL, 0), corpse);
	for (unsigned int i = 0; i < queued; i++)
		close(queue[i]);
	guest_close(a);
	guest_close(b);
	guest_close(c);
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

int main(void)
{
	static const char *const ports[] = {"h0", "h1", "h2", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_successor_serves_beside_a_corpse),
	};

	return fixture_main_on(&opt, "successor", CASES(cases));
}
