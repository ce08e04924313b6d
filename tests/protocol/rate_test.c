/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits, from the option to the counter. What comes from a VM waits in its ring: nothing is lost and nobody else waits,
 * whatever the frames are like, with several queues, while the limit changes, when a ring stops, is switched off or reset
 * meanwhile, and an lcore that sleeps wakes up in time. What goes to a VM, and what is flooded from one, is dropped beyond the
 * limit, by name.
 *
 * That no more comes than may holds whenever anybody looks. That no less does is seen in one of several tries, since the machine
 * may keep the switch from its work.
 */
#include "account.h"
#include "vus_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIRE_MORE = 24, FRAME = 1514, FRAME_BITS = 8 * (FRAME + WIRE_MORE), TRIES = 30, BURST_MS = 50, MEASURED_MS = 300 };

static const char *const ports[] = {
	"v0", "v1", "u,bridge=br1", NULL,
};
static const struct fg_switch_options rate_fixture = {.ports = ports};

static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void set(const char *port, const char *options)
{
	char behind[512];

	snprintf(behind, sizeof(behind), ", %s", options);
	ask_port_ok("set", port, behind);
}

/* What is a request's can be changed by one. */
static int open_with_ports(void **state)
{
	static const char *const names[] = {"f", "r", "m", "w"};
	static bool there;
	char options[256];

	for (unsigned int i = 0; !there && i < 4; i++) {
		snprintf(options, sizeof(options),
			 ", \"type\": \"vhost-user\", \"socket\": \"%s\", \"bridge\": \"br1\", \"queues\": %d",
			 fg_switch_socket(&fixture.sw, names[i]), names[i][0] == 'm' ? 2 : 1);
		ask_port_ok("add", names[i], options);
	}
	there = true;
	return fixture_open(state);
}

static void no_limits(const char *port)
{
	set(port, "\"rate-from-vm\": \"off\", \"packets-from-vm\": \"off\", \"rate-to-vm\": \"off\", \"packets-to-vm\": \"off\", "
		  "\"storm-broadcast\": \"off\", \"storm-multicast\": \"off\", \"storm-unknown\": \"off\"");
}

static int64_t number_of_queue(const char *port, unsigned int queue, const char *key)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const json_t *queues = json_object_get(json_object_get(answer, "port"), "rx_queues");
	const json_t *value = json_object_get(json_array_get(queues, queue), key);
	int64_t number = json_is_integer(value) ? json_integer_value(value) : -1;

	json_decref(answer);
	return number;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void make(const struct guest *from, const uint8_t to[6], uint32_t len)
{
	memset(frame, 0, len);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from->nic.mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5; /* for experiments */
}

/* As many as there is room for, of `frame`, at most n: their number. */
static unsigned int fill(struct guest *g, uint32_t len, unsigned int n)
{
	unsigned int i = 0;

	OK(fg_nic_reap(&g->nic));
	for (; i < n && fg_nic_room(&g->nic, 2); i++)
		OK(fg_nic_queue(&g->nic, frame, len, NULL));
	fg_nic_flush(&g->nic);
	return i;
}

static unsigned int receive_all(struct guest *g)
{
	unsigned int n = 0;
	int len;

	while ((len = fg_nic_recv(&g->nic, got, sizeof(got), 0)) > 0)
		n++;
	assert_int_equal(len, -ETIMEDOUT);
	return n;
}

/* What may have come by now at a rate, since `began`, in bits or packets. */
static double may_come(double rate, uint64_t began_us, double at_once)
{
	return rate * (double)(fg_now_us() - began_us) / 1e6 + at_once;
}

/* `f` sends to `r` all the time: what came of it, in frames of `frame`, is never more than may; and in one of the tries, from
 * when the burst is used up on, no less by 2 %. `each`: what a frame is of the rate. */
static void assert_rate(struct guest *f, struct guest *r, uint32_t len, double each, double rate)
{
	bool enough = false;

	for (unsigned int try = 0; !enough && try < TRIES; try++) {
		uint64_t sent = 0, before = 0, came = 0, began = fg_now_us(), used_up = began + 3000 * BURST_MS, from = 0;
		int64_t deadline = fg_deadline(3 * BURST_MS + MEASURED_MS);

		while (fg_left_ms(deadline) > 0) {
			sent += fill(f, len, 512);
			came += receive_all(r);
			assert_true((double)came * each <= may_come(rate, began, rate * BURST_MS / 1000 + each));
			if (from == 0 && fg_now_us() > used_up) {
				from = fg_now_us();
				before = came;
			}
			fg_sleep_us(100);
		}
		enough = (double)(came - before) * each >= may_come(rate, from, 0) * 0.98 - each;
		if (!enough)
			print_message("try %u: %.3f of the rate\n", try,
				      (double)(came - before) * each / may_come(rate, from, 0));
		for (; came < sent && fg_left_ms(deadline) > -FG_WAIT_MS; fg_sleep_us(100))
			came += receive_all(r);
		/* Nothing is lost. */
		assert_int_equal(came, sent);
	}
	assert_true(enough);
}

static void open_pair(struct guest **f, struct guest **r, uint64_t features)
{
	static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1}, many = {.depth = 512};
	const struct fg_options asker = {.features = features, .ring_size = 1024};

	*r = guest_run("r", &asker);
	*f = guest_open("f", &asker);
	guest_start(*f, (features & FG_F_HOST_OFFLOADS) != 0 ? &large : &many);
	(*r)->nic.takes_offloads = true;
	settle(*r, *f);
	settle(*f, *r);
}

/* --- from a VM ---------------------------------------------------------------------------------------------------- */

static void a_rate_in_bits_is_kept(void **state)
{
	struct guest *f, *r;
	struct account f0;

	open_pair(&f, &r, 0);
	set("f", "\"rate-from-vm\": \"20M\", \"burst-from-vm\": 50");
	make(f, r->nic.mac, FRAME);
	read_account("f", &f0);
	assert_rate(f, r, FRAME, FRAME_BITS, 20e6);
	/* Short ones count as on a wire. */
	set("f", "\"rate-from-vm\": \"2M\"");
	make(f, r->nic.mac, 60);
	assert_rate(f, r, 60, 8 * (60 + WIRE_MORE), 2e6);
	for (int i = 0; i < RX_DROPS; i++)
		assert_int_equal(since("f", &f0).rx_drop[i], 0);
	assert_true(number_of_queue("f", 0, "waited_us") > 100000);
	no_limits("f");
	assert_int_equal(number_of_queue("f", 0, "waited_us"), -1);
}

static void a_rate_in_packets_is_kept(void **state)
{
	struct guest *f, *r;

	open_pair(&f, &r, 0);
	set("f", "\"packets-from-vm\": \"5k\", \"burst-from-vm\": 50");
	make(f, r->nic.mac, 200);
	assert_rate(f, r, 200, 1, 5e3);
	no_limits("f");
}

/* With buffers that are merged, and in the legacy format. */
static void whatever_the_rings_are_like(void **state)
{
	static const uint64_t features[] = {
		FG_FEATURES_DEFAULT & ~(uint64_t)FG_F_MRG_RXBUF,
		FG_FEATURES_DEFAULT & ~(uint64_t)(FG_F_INDIRECT | FG_F_EVENT_IDX),
	};

	for (unsigned int i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		struct guest *f, *r;

		open_pair(&f, &r, features[i]);
		set("f", "\"rate-from-vm\": \"20M\", \"burst-from-vm\": 50");
		make(f, r->nic.mac, FRAME);
		assert_rate(f, r, FRAME, FRAME_BITS, 20e6);
		no_limits("f");
		guest_close(f);
		guest_close(r);
	}
}

/* A frame that is to be cut up is as many packets, and their headers. */
static void what_is_cut_up_counts_as_its_pieces(void **state)
{
	static const struct fg_packet packet = {
		.payload = 28960, .gso_size = 1448, .tcp_more = 12, .tcp_flags = FG_ACK, .seed = 3,
	};
	enum { PIECES = 20, PIECE_BITS = 8 * (14 + 20 + 32 + 1448 + WIRE_MORE) };
	struct guest *f, *r;
	uint32_t len;

	open_pair(&f, &r, FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS);
	set("f", "\"rate-from-vm\": \"50M\", \"burst-from-vm\": 50");
	len = fg_packet_build(&packet, r->nic.mac, f->nic.mac, frame, &f->nic.tx_header);
	assert_rate(f, r, len, PIECES * PIECE_BITS, 50e6);
	set("f", "\"rate-from-vm\": \"off\", \"packets-from-vm\": \"10k\"");
	assert_rate(f, r, len, PIECES, 10e3);
	no_limits("f");
}

/* As much as there is room for on both queues: the number of frames. */
static uint64_t fill_both(struct fg_nic *const nic[2])
{
	uint64_t sent = 0;

	for (int i = 0; i < 2; i++) {
		OK(fg_nic_reap(nic[i]));
		for (; fg_nic_room(nic[i], 2); sent++)
			OK(fg_nic_queue(nic[i], frame, FRAME, NULL));
		fg_nic_flush(nic[i]);
	}
	return sent;
}

/* The rings of two pairs, which several lcores may poll, together get what one would, and neither has all of it. */
static void queues_share_one_budget(void **state)
{
	static const struct fg_options two = {.pairs = 2};
	struct guest *r = guest_run("r", NULL), *m = guest_open("m", &two);
	struct fg_nic second, *const nic[2] = {&m->nic, &second};
	const double rate = 20e6;
	bool shared = false;

	guest_start(m, NULL);
	OK(fg_nic_init(&second, &m->s, 1, 0x77, NULL));
	settle(m, r);
	set("m", "\"rate-from-vm\": \"20M\", \"burst-from-vm\": 50");
	make(m, r->nic.mac, FRAME);
	for (unsigned int try = 0; !shared && try < TRIES; try++) {
		int64_t first[2] = {number_of_queue("m", 0, "frames"), number_of_queue("m", 1, "frames")}, by[2];
		int64_t deadline = fg_deadline(3 * BURST_MS + MEASURED_MS);
		uint64_t sent = 0, came = 0, began = fg_now_us();

		for (; fg_left_ms(deadline) > 0; fg_sleep_us(100)) {
			sent += fill_both(nic);
			came += receive_all(r);
			assert_true((double)came * FRAME_BITS <= may_come(rate, began, rate * BURST_MS / 1000 + FRAME_BITS));
		}
		for (int i = 0; i < 2; i++)
			by[i] = number_of_queue("m", (unsigned int)i, "frames") - first[i];
		shared = (double)came * FRAME_BITS >= may_come(rate, began, 0) * 0.98 - FRAME_BITS &&
			 by[0] > (by[0] + by[1]) / 4 && by[1] > (by[0] + by[1]) / 4;
		print_message("try %u: %.3f of the rate, %lld and %lld frames\n", try,
			      (double)came * FRAME_BITS / may_come(rate, began, 0), (long long)by[0], (long long)by[1]);
		for (; came < sent && fg_left_ms(deadline) > -FG_WAIT_MS; fg_sleep_us(100))
			came += receive_all(r);
		assert_int_equal(came, sent);
	}
	assert_true(shared);
	no_limits("m");
}

/* --- while frames wait -------------------------------------------------------------------------------------------- */

/* A queue with n frames of which one or two have gone, and the next ones have their time in seconds. */
static void hold(struct guest *f, struct guest *r, unsigned int n)
{
	set("f", "\"rate-from-vm\": \"64k\", \"burst-from-vm\": 1");
	make(f, r->nic.mac, FRAME);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(frame + 14, &i, sizeof(i));
		OK(fg_nic_queue(&f->nic, frame, FRAME, NULL));
	}
	fg_nic_flush(&f->nic);
	assert_int_equal(fg_nic_recv(&r->nic, got, sizeof(got), FG_WAIT_MS), FRAME);
}

/* Those from number `at` on up to n, once each and in order, and fast. */
static void receive_rest(struct guest *r, unsigned int at, unsigned int n)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	unsigned int number;

	for (; at < n; at++) {
		int left = fg_left_ms(deadline);

		assert_int_equal(fg_nic_recv(&r->nic, got, sizeof(got), left > 0 ? left : 0), FRAME);
		memcpy(&number, got + 14, sizeof(number));
		assert_int_equal(number, at);
	}
}

static void a_limit_changes_while_frames_wait(void **state)
{
	struct guest *f, *r;

	open_pair(&f, &r, 0);
	for (unsigned int i = 0; i < 5; i++) {
		hold(f, r, 60);
		/* At 64 kbit/s it would be 11 seconds. */
		set("f", i % 2 == 0 ? "\"rate-from-vm\": \"off\"" : "\"rate-from-vm\": \"1G\"");
		receive_rest(r, 1, 60);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	}
	no_limits("f");
	assert_traffic(f, r, 50, 1000);
}

/* What a frame took of a low rate does not hold back those behind it when the rate is higher: neither in the ring, nor on the way
 * to a port, where they would be dropped. */
static void a_raised_limit_forgets_the_debt(void **state)
{
	/* 128 packets and their headers: more than 9 seconds at 64 kbit/s. */
	static const struct fg_packet packet = {
		.payload = 61440, .gso_size = 480, .tcp_more = 12, .tcp_flags = FG_ACK, .seed = 3,
	};
	struct guest *f, *r;
	struct account r0;
	uint32_t len;

	open_pair(&f, &r, FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS);
	set("f", "\"rate-from-vm\": \"64k\"");
	len = fg_packet_build(&packet, r->nic.mac, f->nic.mac, frame, &f->nic.tx_header);
	for (unsigned int i = 0; i < 3; i++)
		OK(fg_nic_queue(&f->nic, frame, len, NULL));
	fg_nic_flush(&f->nic);
	assert_int_equal(fg_nic_recv(&r->nic, got, sizeof(got), FG_WAIT_MS), len);
	assert_int_equal(receive_all(r), 0);
	set("f", "\"rate-from-vm\": \"100G\"");
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(fg_nic_recv(&r->nic, got, sizeof(got), FG_WAIT_MS), len);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	no_limits("f");
	set("r", "\"rate-to-vm\": \"64k\"");
	read_account("r", &r0);
	for (unsigned int i = 0; i < 2; i++)
		OK(fg_nic_queue(&f->nic, frame, len, NULL));
	fg_nic_flush(&f->nic);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	assert_int_equal(since("r", &r0).tx_ok, 1);
	assert_int_equal(since("r", &r0).tx_drop[TX_DROP_RATE], 1);
	set("r", "\"rate-to-vm\": \"100G\"");
	OK(fg_nic_queue(&f->nic, frame, len, NULL));
	fg_nic_flush(&f->nic);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	assert_int_equal(since("r", &r0).tx_ok, 2);
	receive_all(r);
	no_limits("r");
}

/* GET_VRING_BASE does not wait, and says that all but what has gone is in the ring. */
static void a_ring_that_stops_keeps_what_waits(void **state)
{
	struct guest *f, *r;
	struct account f0;
	uint64_t began;
	int64_t went;
	uint16_t base;

	open_pair(&f, &r, 0);
	read_account("f", &f0);
	hold(f, r, 60);
	began = fg_now_us();
	OK(fg_stop_ring(&f->s, 1, &base));
	assert_true(fg_now_us() - began < 5000000);
	went = since("f", &f0).rx_ok;
	assert_true(went < 60);
	assert_int_equal(went, 1 + (int64_t)receive_all(r));
	set("f", "\"rate-from-vm\": \"off\"");
	OK(fg_start_ring(&f->s, 1, base));
	OK(fg_enable_ring(&f->s, 1, true));
	for (int64_t deadline = fg_deadline(FG_WAIT_MS); since("f", &f0).rx_ok < 60 && fg_left_ms(deadline) > 0;)
		fg_sleep_us(1000);
	assert_int_equal(since("f", &f0).rx_ok, 60);
	no_limits("f");
}

/* What a disabled queue has is discarded at once, and does not wait for its time. */
static void a_queue_that_is_switched_off_is_let_go(void **state)
{
	struct guest *f, *r;
	struct account f0;
	int64_t deadline;

	open_pair(&f, &r, 0);
	read_account("f", &f0);
	hold(f, r, 60);
	OK(fg_enable_ring(&f->s, 1, false));
	OK(fg_barrier(&f->s));
	deadline = fg_deadline(5000);
	while (since("f", &f0).rx_ok + since("f", &f0).rx_drop[RX_DROP_DISABLED] < 60 && fg_left_ms(deadline) > 0)
		fg_sleep_us(1000);
	assert_true(since("f", &f0).rx_drop[RX_DROP_DISABLED] > 50);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	OK(fg_enable_ring(&f->s, 1, true));
	receive_all(r);
	no_limits("f");
	assert_traffic(f, r, 50, 1000);
}

static void a_guest_that_begins_anew_or_goes_is_let_go(void **state)
{
	struct guest *f, *r;
	uint64_t began;

	open_pair(&f, &r, 0);
	hold(f, r, 60);
	began = fg_now_us();
	guest_restart(f);
	assert_true(fg_now_us() - began < 5000000);
	no_limits("f");
	receive_all(r);
	assert_traffic(f, r, 50, 1000);
	hold(f, r, 60);
	began = fg_now_us();
	guest_close(f);
	while (is_connected("f"))
		fg_sleep_us(1000);
	assert_true(fg_now_us() - began < 5000000);
	no_limits("f");
}

/* The queue is not armed, so its driver need not kick; its time wakes the lcore. */
static void an_lcore_that_sleeps_wakes_in_time(void **state)
{
	enum { FRAMES = 40, ENOUGH = 5, GAP_US = FRAME_BITS /* at 1 Mbit/s */, SLACK_US = 300 };
	struct guest *f, *r;
	unsigned int good = 0;
	uint64_t kicks;

	open_pair(&f, &r, 0);
	set("f", "\"rate-from-vm\": \"1M\", \"burst-from-vm\": 1");
	for (unsigned int try = 0; good < ENOUGH && try < TRIES; try++) {
		uint64_t last = 0;

		make(f, r->nic.mac, FRAME);
		assert_int_equal(fill(f, FRAME, FRAMES), FRAMES);
		kicks = f->nic.tx->kicks;
		for (unsigned int i = 0; i < FRAMES; i++) {
			uint64_t now;

			assert_int_equal(fg_nic_recv(&r->nic, got, sizeof(got), FG_WAIT_MS), FRAME);
			now = fg_now_us();
			/* It waits for a part of the burst more, and we have to be woken, too. The machine may be busy: some gaps
			 * show it. */
			good += last != 0 && now - last > GAP_US - SLACK_US && now - last < GAP_US + SLACK_US;
			last = now;
			/* One more does not ask for a kick while others wait. */
			if (i == FRAMES / 2)
				fg_ring_kick(f->nic.tx);
		}
		assert_int_equal(f->nic.tx->kicks, kicks);
		OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	}
	assert_true(good >= ENOUGH);
	no_limits("f");
}

/* How long each lcore has been awake so far, in seconds. */
static void read_awake(double awake[LCORES_MAX])
{
	json_t *answer = fg_switch_query(&fixture.sw, "lcores", NULL);
	double hz = (double)json_integer_value(json_object_get(answer, "cycles_per_second"));
	const json_t *lcore;
	size_t i;

	json_array_foreach(json_object_get(answer, "lcores"), i, lcore)
		awake[i] = (double)(json_integer_value(json_object_get(lcore, "busy_cycles")) +
				    json_integer_value(json_object_get(lcore, "idle_cycles"))) / hz;
	json_decref(answer);
}

/* The part of a while for which the one lcore is awake that is so for longest, while `f` sends all the time. */
static double awake_while_sending(struct guest *f, struct guest *r)
{
	double before[LCORES_MAX] = {0}, after[LCORES_MAX] = {0}, most = 0;
	int64_t deadline = fg_deadline(MEASURED_MS);
	uint64_t began = fg_now_us();

	read_awake(before);
	for (; fg_left_ms(deadline) > 0; fg_sleep_us(1000)) {
		fill(f, FRAME, 512);
		receive_all(r);
	}
	read_awake(after);
	for (unsigned int i = 0; i < LCORES_MAX; i++)
		if (after[i] - before[i] > most)
			most = after[i] - before[i];
	return most / ((double)(fg_now_us() - began) / 1e6);
}

/* An lcore that has nothing else sleeps until the time has come: in one of some tries, for the machine may keep it from that. */
static void what_waits_costs_no_lcores_time(void **state)
{
	static const double rates[] = {10e6, 50e6};
	struct guest *f, *r;

	open_pair(&f, &r, 0);
	for (unsigned int i = 0; i < 2; i++) {
		double awake = 1;
		char options[64];

		snprintf(options, sizeof(options), "\"rate-from-vm\": \"%.0f\", \"burst-from-vm\": 10", rates[i]);
		set("f", options);
		make(f, r->nic.mac, FRAME);
		for (unsigned int try = 0; awake > 0.15 && try < TRIES; try++) {
			awake = awake_while_sending(f, r);
			print_message("%.0f Mbit/s: an lcore is awake for %.3f of the time\n", rates[i] / 1e6, awake);
		}
		assert_true(awake <= 0.15);
		no_limits("f");
		for (int64_t deadline = fg_deadline(FG_WAIT_MS); fg_nic_drain_tx(&f->nic, 0) != 0 && fg_left_ms(deadline) > 0;)
			receive_all(r);
		receive_all(r);
	}
}

/* Two that talk beside one that waits with a full ring. */
static void nobody_else_waits(void **state)
{
	static struct fg_victims victims;
	struct guest *f, *r, *w = guest_run("w", NULL);
	int64_t deadline;
	uint64_t quiet;

	open_pair(&f, &r, 0);
	settle(w, r);
	OK(fg_victims_start(&victims, &fixture.sw, "v0", "v1"));
	OK(fg_victims_run(&victims));
	fg_sleep_us(300000);
	OK(fg_victims_pause(&victims));
	quiet = victims.frames;
	set("f", "\"rate-from-vm\": \"10M\", \"burst-from-vm\": 1");
	make(f, r->nic.mac, FRAME);
	OK(fg_victims_run(&victims));
	for (deadline = fg_deadline(1000); fg_left_ms(deadline) > 0;) {
		fill(f, FRAME, 64);
		receive_all(r);
		assert_traffic(w, r, 1, 700);
		make(f, r->nic.mac, FRAME);
	}
	OK(fg_victims_pause(&victims));
	assert_true(victims.frames > 0 && quiet > 0);
	fg_victims_stop(&victims);
	no_limits("f");
}

/* --- to a VM ------------------------------------------------------------------------------------------------------ */

static void what_exceeds_the_rate_to_a_vm_is_dropped(void **state)
{
	struct guest *f, *r;
	struct account r0, r1;
	uint64_t began;

	open_pair(&f, &r, 0);
	set("r", "\"rate-to-vm\": \"10M\", \"burst-to-vm\": 2");
	make(f, r->nic.mac, FRAME);
	read_account("r", &r0);
	began = fg_now_us();
	for (unsigned int n = 0; n < 2000; receive_all(r))
		n += fill(f, FRAME, 64);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	r1 = since("r", &r0);
	assert_true((double)r1.tx_ok * FRAME_BITS <= may_come(10e6, began, 2 * 10e6 / 1000 + FRAME_BITS));
	assert_true(r1.tx_ok >= 2 && r1.tx_drop[TX_DROP_RATE] > 1000);
	assert_int_equal(given(&r1), r1.tx_ok + r1.tx_drop[TX_DROP_RATE]);
	set("r", "\"rate-to-vm\": \"off\", \"packets-to-vm\": \"100\"");
	read_account("r", &r0);
	receive_all(r);
	assert_int_equal(fill(f, FRAME, 60), 60);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
	r1 = since("r", &r0);
	assert_int_equal(given(&r1), 60);
	assert_true(r1.tx_drop[TX_DROP_RATE] > 0);
	no_limits("r");
}

/* --- storms ------------------------------------------------------------------------------------------------------- */

enum { SOME = 60 };

static void send_some(struct guest *f, struct guest *r, const uint8_t to[6])
{
	make(f, to, 100);
	for (unsigned int sent = 0; sent < SOME;) {
		sent += fill(f, 100, SOME - sent);
		receive_all(r);
	}
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
}

static void storms_are_dropped_by_name(void **state)
{
	static const uint8_t group[6] = {3, 0, 0, 0, 0, 1}, nobody[6] = {2, 0, 0, 0, 0x99, 1};
	const struct {
		const char *key;
		const uint8_t *to;
		enum rx_drop why;
	} storms[] = {
		{"storm-broadcast", everybody, RX_DROP_STORM_BROADCAST},
		{"storm-multicast", group, RX_DROP_STORM_MULTICAST},
		{"storm-unknown", nobody, RX_DROP_STORM_UNKNOWN},
	};
	struct guest *f, *r;

	open_pair(&f, &r, 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct account f0, f1;
		char options[64];

		no_limits("f");
		snprintf(options, sizeof(options), "\"%s\": \"20\"", storms[i].key);
		set("f", options);
		read_account("f", &f0);
		for (unsigned int k = 0; k < 3; k++)
			send_some(f, r, storms[k].to);
		send_some(f, r, r->nic.mac);
		f1 = since("f", &f0);
		assert_int_equal(taken(&f1), 4 * SOME);
		assert_in_range(f1.rx_drop[storms[i].why], 1, SOME - 20);
		assert_int_equal(f1.rx_ok + f1.rx_drop[storms[i].why], 4 * SOME);
		receive_all(r);
	}
	no_limits("f");
}

/* Broadcasts, until one is beyond the limit. */
static void exceed_broadcasts(struct guest *f, struct guest *r)
{
	int64_t deadline = fg_deadline(60000);
	struct account f0;

	read_account("f", &f0);
	make(f, everybody, 60);
	while (since("f", &f0).rx_drop[RX_DROP_STORM_BROADCAST] == 0 && fg_left_ms(deadline) > 0)
		for (unsigned int sent = 0; sent < 10000;) {
			sent += fill(f, 60, 512);
			receive_all(r);
		}
	assert_true(since("f", &f0).rx_drop[RX_DROP_STORM_BROADCAST] > 0);
	OK(fg_nic_drain_tx(&f->nic, FG_WAIT_MS));
}

/* The limit that is there by itself goes when it is switched off, and comes back when nothing is said of it any more. */
static void a_storm_limit_goes_and_comes_back(void **state)
{
	struct guest *f, *r;
	struct account f0;

	open_pair(&f, &r, 0);
	set("f", "\"storm-broadcast\": null");
	for (unsigned int i = 0; i < 2; i++) {
		exceed_broadcasts(f, r);
		set("f", "\"storm-broadcast\": \"off\"");
		read_account("f", &f0);
		for (unsigned int k = 0; k < 50; k++)
			send_some(f, r, everybody);
		assert_int_equal(since("f", &f0).rx_drop[RX_DROP_STORM_BROADCAST], 0);
		assert_int_equal(since("f", &f0).rx_ok, 50 * SOME);
		set("f", "\"storm-broadcast\": null");
	}
	no_limits("f");
}

#define RATE_CASE(f) cmocka_unit_test_setup_teardown(f, open_with_ports, fixture_check)

int main(void)
{
	const struct CMUnitTest cases[] = {
		RATE_CASE(a_rate_in_bits_is_kept),
		RATE_CASE(a_rate_in_packets_is_kept),
		RATE_CASE(whatever_the_rings_are_like),
		RATE_CASE(what_is_cut_up_counts_as_its_pieces),
		RATE_CASE(queues_share_one_budget),
		RATE_CASE(a_limit_changes_while_frames_wait),
		RATE_CASE(a_raised_limit_forgets_the_debt),
		RATE_CASE(a_ring_that_stops_keeps_what_waits),
		RATE_CASE(a_queue_that_is_switched_off_is_let_go),
		RATE_CASE(a_guest_that_begins_anew_or_goes_is_let_go),
		RATE_CASE(an_lcore_that_sleeps_wakes_in_time),
		RATE_CASE(what_waits_costs_no_lcores_time),
		RATE_CASE(nobody_else_waits),
		RATE_CASE(what_exceeds_the_rate_to_a_vm_is_dropped),
		RATE_CASE(storms_are_dropped_by_name),
		RATE_CASE(a_storm_limit_goes_and_comes_back),
	};

	return fixture_main_on(&rate_fixture, "rate", CASES(cases));
}
