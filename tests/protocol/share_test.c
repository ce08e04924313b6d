/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods that are left in the middle, for other queues of the lcore: who sends beside them has its share of the lcore. And while
 * something else happens: the flooder's ring stops, its receivers hang up and come back, its address is another one with each
 * frame, the switch is killed. Each frame is accounted for once for each receiver, no buffer is lost, and two victims on another
 * bridge lose nothing.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "account.h"

/* Receivers beside those that a test case connects: nobody is there, which costs the flood as much. */
enum { RECEIVERS = 14, DEPTH = 128, ROUNDS = 40, KILLS = 8 };
/* Of those who send beside a flood: how often, how many frames at once, and how many of the flood may be delivered before all of
 * them are. A frame of the flood is work for 14 receivers, so a fair share is a burst or two. */
enum { TURNS = 10, BESIDE = 256, BETWEEN = BESIDE / 2, RING = 1024 };

/* The flooder has no limit to broadcast: every frame of it counts. */
static const char *const ports[] = {
	"v0", "v1", "f,bridge=br1,storm-broadcast=off", "r0,bridge=br1", "r1,bridge=br1", "r2,bridge=br1", "r3,bridge=br1",
	"r4,bridge=br1", "r5,bridge=br1", "r6,bridge=br1", "r7,bridge=br1", "r8,bridge=br1", "r9,bridge=br1", "r10,bridge=br1",
	"r11,bridge=br1", "r12,bridge=br1", "r13,bridge=br1", NULL,
};
static const struct fg_switch_options share_fixture = {.ports = ports};

/* As many frames at once as there is room for: their number. */
static unsigned int flood(struct guest *f, const uint8_t dst[6], unsigned int *source)
{
	uint8_t frame[60] = {0};
	unsigned int n = 0;

	memcpy(frame, dst, 6);
	for (; n < DEPTH && fg_nic_room(&f->nic, 1); n++) {
		memcpy(frame + 6, f->nic.mac, 6);
		if (source != NULL)
			memcpy(frame + 8, &(uint32_t){++*source}, 4);
		OK(fg_nic_queue(&f->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&f->nic);
	return n;
}

static void read_all(struct account accounts[RECEIVERS])
{
	char name[16];

	for (int i = 0; i < RECEIVERS; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		read_account(name, &accounts[i]);
	}
}

/* Since then the flooder's port took `sent` frames, and each of them was delivered or counted once at each receiver. */
static void expect_all(const struct account *f0, const struct account r0[RECEIVERS], int64_t sent)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS / 2);
	struct account f;
	char name[16];

	do
		f = since("f", f0);
	while ((taken(&f) != sent || f.rx_ok + f.copies != RECEIVERS * sent) && fg_left_ms(deadline) > 0);
	assert_int_equal(taken(&f), sent);
	assert_int_equal(f.rx_ok, sent);
	assert_int_equal(f.copies, (RECEIVERS - 1) * sent);
	for (int i = 0; i < RECEIVERS; i++) {
		struct account r;

		snprintf(name, sizeof(name), "r%d", i);
		r = since(name, &r0[i]);
		assert_int_equal(given(&r), sent);
	}
}

static void victims_begin(struct fg_victims *victims)
{
	OK(fg_victims_start(victims, &fixture.sw, "v0", "v1"));
	OK(fg_victims_run(victims));
}

static void victims_end(struct fg_victims *victims)
{
	OK(fg_victims_pause(victims));
	assert_true(victims->frames > 0);
	fg_victims_stop(victims);
}

/* How many others a receiver has between the first and the last frame that one guest has sent it. The order in its ring is that
 * of the lcore's work, whenever anybody looks. */
static unsigned int others_between(struct guest *r, const struct guest *from)
{
	unsigned int own = 0, others = 0, before_the_last = 0;
	static uint8_t frame[2048];
	int len;

	while ((len = fg_nic_recv(&r->nic, frame, sizeof(frame), 0)) > 0) {
		if (memcmp(frame + 6, from->nic.mac, 6) != 0) {
			others += own > 0;
		} else {
			own++;
			before_the_last = others;
		}
	}
	assert_int_equal(len, -ETIMEDOUT);
	assert_int_equal(own, BESIDE);
	return before_the_last;
}

/* A flood, and frames of another guest for one of its receivers, are all there when the lcore begins: one write is the kick of
 * both. */
static void assert_turns(const char *what, struct guest *f, uint8_t *frame, size_t len, unsigned int n, bool new_sources)
{
	static const struct fg_options large = {.ring_size = RING};
	struct guest *r = guest_run("r3", &large), *beside = guest_run("r9", &large);
	static struct fg_victims victims;
	uint8_t own[60] = {0};
	unsigned int most = 0;

	victims_begin(&victims);
	settle(r, beside);
	assert_true(dup2(beside->nic.tx->kick, f->nic.tx->kick) >= 0);
	OK(fg_send_kick(&f->s, 1));
	memcpy(own, r->nic.mac, 6);
	memcpy(own + 6, beside->nic.mac, 6);
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		unsigned int between;

		for (unsigned int i = 0; i < BESIDE; i++)
			OK(fg_nic_queue(&beside->nic, own, sizeof(own), &fg_layout_one));
		for (unsigned int i = 0; i < n; i++) {
			memcpy(frame + 8, &(uint32_t){new_sources ? turn * n + i : 0}, 4);
			OK(fg_nic_queue(&f->nic, frame, len, &fg_layout_one));
		}
		fg_ring_publish(beside->nic.tx);
		fg_ring_publish(f->nic.tx);
		fg_ring_kick_now(f->nic.tx);
		OK(fg_nic_drain_tx(&beside->nic, FG_WAIT_MS));
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
		between = others_between(r, beside);
		most = between > most ? between : most;
	}
	print_message("%s: at most %u frames of it between %u of another guest's\n", what, most, BESIDE);
	victims_end(&victims);
	if (most > BETWEEN)
		fail_msg("%s: %u frames of it are delivered between %u of another guest's", what, most, BESIDE);
	guest_close(f);
	guest_close(r);
	guest_close(beside);
}

static struct guest *flooder(uint64_t features, const struct fg_nic_options *nic)
{
	const struct fg_options opt = {.features = features, .ring_size = RING};
	struct guest *f = guest_open("f", &opt);

	guest_start(f, nic);
	return f;
}

static void a_broadcast_leaves_others_their_turn(void **state)
{
	struct guest *f = flooder(FG_FEATURES_DEFAULT, NULL);
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};

	assert_turns("broadcast", f, frame, sizeof(frame), 2 * BESIDE, false);
}

static void a_flood_of_new_addresses_leaves_others_their_turn(void **state)
{
	struct guest *f = flooder(FG_FEATURES_DEFAULT, NULL);
	uint8_t frame[60] = {2, 0, 0, 0, 9, 9, 2, 1};

	assert_turns("unknown unicast, each frame from another address", f, frame, sizeof(frame), 2 * BESIDE, true);
}

static void large_tcp_leaves_others_their_turn(void **state)
{
	enum { PAYLOAD = 60000, SEGMENT = 1448, PACKETS = 12 };
	const struct fg_nic_options large = {.tx_size = FG_FRAME_MAX, .depth = 16};
	struct guest *f = flooder(FG_FEATURES_DEFAULT | FG_F_CSUM | FG_F_HOST_TSO4, &large);
	const struct fg_packet packet = {.payload = PAYLOAD, .gso_size = SEGMENT};
	static uint8_t frame[PAYLOAD + FG_PACKET_ROOM];
	size_t len = fg_packet_build(&packet, everybody, (uint8_t[6]){2}, frame, &f->nic.tx_header);

	assert_turns("TCP of 60 000 bytes to guests that take none", f, frame, len, PACKETS, false);
}

/* GET_VRING_BASE in the middle: the front end is told of a place up to which all is back, and flooded. */
static void the_ring_stops_in_the_middle(void **state)
{
	struct guest *f = guest_run("f", NULL), *r = guest_run("r3", NULL);
	static struct fg_victims victims;
	struct account f0, r0[RECEIVERS];
	int64_t sent = 0;

	victims_begin(&victims);
	read_account("f", &f0);
	read_all(r0);
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t base;

		flood(f, everybody, NULL);
		fg_sleep_us((unsigned int)(round * 7 % 50));
		OK(fg_stop_ring(&f->s, 1, &base));
		assert_int_equal(base, (uint16_t)fg_ring_base(f->nic.tx));
		sent += fg_ring_used_idx(f->nic.tx);
		guest_close(f);
		f = guest_run("f", NULL);
	}
	expect_all(&f0, r0, sent);
	print_message("%d frames of %d were flooded before the ring stopped\n", (int)sent, ROUNDS * DEPTH);
	victims_end(&victims);
	guest_close(r);
}

/* Receivers that hang up, and come back, in the middle of it. */
static void receivers_come_and_go(void **state)
{
	struct guest *f = guest_run("f", NULL);
	static struct fg_victims victims;
	struct account f0, r0[RECEIVERS];
	int64_t sent = 0;

	victims_begin(&victims);
	read_account("f", &f0);
	read_all(r0);
	for (int round = 0; round < ROUNDS; round++) {
		struct guest *a, *b;

		sent += flood(f, everybody, NULL);
		a = guest_run("r2", NULL);
		sent += flood(f, everybody, NULL);
		b = guest_run("r9", NULL);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
		sent += flood(f, everybody, NULL);
		guest_close(a);
		guest_close(b);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	}
	expect_all(&f0, r0, sent);
	victims_end(&victims);
}

/* Every frame has another source, and nobody has its destination. */
static void addresses_that_change_with_each_frame(void **state)
{
	static const uint8_t nobody[6] = {2, 0, 0, 0, 9, 9};
	struct guest *f = guest_run("f", NULL);
	static struct fg_victims victims;
	struct account f0, r0[RECEIVERS];
	unsigned int source = 0;
	int64_t sent = 0;

	victims_begin(&victims);
	read_account("f", &f0);
	read_all(r0);
	for (int round = 0; round < ROUNDS; round++) {
		sent += flood(f, nobody, &source);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	}
	expect_all(&f0, r0, sent);
	victims_end(&victims);
}

/* Goes on where its rings stand, with the switch that is there now. */
static void come_back(struct guest *g)
{
	fg_session_drop(&g->s);
	OK(fg_session_reopen(&g->s, fg_switch_socket(&fixture.sw, g->port)));
}

static void take_arrivals(struct guest *r, struct fg_flow *flow)
{
	uint8_t frame[2048];
	int len;

	while ((len = fg_nic_recv(&r->nic, frame, sizeof(frame), 0)) > 0)
		fg_flow_check(flow, frame, (size_t)len);
	assert_int_equal(len, -ETIMEDOUT);
}

/* The flooder's port, once it has taken so many frames. */
static struct account await_taken(int64_t n)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct account now;

	do
		read_account("f", &now);
	while (taken(&now) < n && fg_left_ms(deadline) > 0);
	assert_int_equal(taken(&now), n);
	return now;
}

/* One switch is killed in the middle and the next one goes on: no receiver has a frame twice or in disorder, and misses no more
 * than the flooder's port says were in hand. Each frame that the next one took is accounted for at each receiver. */
static void the_switch_is_killed_in_the_middle(void **state)
{
	struct guest *f = guest_run("f", NULL), *r[2] = {guest_run("r3", NULL), guest_run("r9", NULL)};
	struct fg_flow sent = {.id = 870}, got[2] = {{.id = 870}, {.id = 870}};
	uint64_t lost[2] = {0, 0};
	unsigned int in_hand = 0;

	for (int round = 0; round < KILLS; round++) {
		struct account now;
		uint8_t frame[60];
		uint16_t left;

		for (unsigned int n = 0; n < DEPTH; n++) {
			fg_flow_build(&sent, everybody, f->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&f->nic, frame, sizeof(frame), NULL));
		}
		fg_nic_flush(&f->nic);
		fg_sleep_us((unsigned int)(round * 13 % 80));
		fg_switch_kill(&fixture.sw);
		OK(fg_nic_reap(&f->nic));
		left = (uint16_t)(f->nic.sent - f->nic.returned);
		for (int i = 0; i < 2; i++)
			take_arrivals(r[i], &got[i]);
		OK(fg_switch_restart(&fixture.sw));
		for (int i = 0; i < 2; i++)
			come_back(r[i]);
		come_back(f);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
		now = await_taken(left);
		assert_int_equal(now.rx_ok + now.copies, RECEIVERS * now.rx_ok);
		in_hand += now.rx_drop[RX_DROP_RESTART] > 0;
		for (int i = 0; i < 2; i++) {
			take_arrivals(r[i], &got[i]);
			assert_int_equal(got[i].duplicate + got[i].reordered + got[i].damaged, 0);
			assert_true(sent.next_tx - got[i].received <= lost[i] + (uint64_t)now.rx_drop[RX_DROP_RESTART]);
			lost[i] = sent.next_tx - got[i].received;
			got[i].next_rx = sent.next_tx;
		}
	}
	print_message("%d kills, %u with frames in hand, of which %u and %u were lost\n", KILLS, in_hand, (unsigned int)lost[0],
		      (unsigned int)lost[1]);
	guest_close(f);
	guest_close(r[0]);
	guest_close(r[1]);
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_broadcast_leaves_others_their_turn),
		TEST_CASE(a_flood_of_new_addresses_leaves_others_their_turn),
		TEST_CASE(large_tcp_leaves_others_their_turn),
		TEST_CASE(the_ring_stops_in_the_middle),
		TEST_CASE(receivers_come_and_go),
		TEST_CASE(addresses_that_change_with_each_frame),
		TEST_CASE(the_switch_is_killed_in_the_middle),
	};

	return fixture_main_on(&share_fixture, "share", CASES(cases));
}
