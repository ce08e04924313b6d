/* SPDX-License-Identifier: BSD-3-Clause */
/* A receive ring that is too small, too late or malicious: V1, V3, V5, V8 and V13 seen from the
 * receiving side. A frame that has no room is dropped and its sender gets its buffer back all the
 * same; no byte is written beyond a buffer (fg_net checks every one). */
#include "fixture.h"

#include <errno.h>
#include <string.h>

enum { NUM = 256, NEXT = FG_DESC_NEXT, WRITE = FG_DESC_WRITE };

#define BUFFER (GUEST_GPA + (8ull << 20))
#define WILD   0x13370000ull

/* @n frames to @to; the sender gets all its buffers back, or the switch has stalled. */
static void send_at(struct guest *from, struct guest *to, unsigned int n, size_t len)
{
	static uint8_t frame[FG_FRAME_MAX];
	struct fg_flow flow = {.id = 600};

	for (unsigned int i = 0; i < n; i++) {
		fg_flow_build(&flow, to->nic.mac, from->nic.mac, frame, len);
		OK(fg_nic_send(&from->nic, frame, len, &fg_layout_one));
		if (i % 64 == 63)
			OK(fg_nic_drain_tx(&from->nic, FG_WAIT_MS));
	}
	OK(fg_nic_drain_tx(&from->nic, FG_WAIT_MS));
}

static unsigned int take_all(struct guest *g)
{
	static uint8_t frame[FG_FRAME_MAX];
	unsigned int n = 0;
	int len;

	while ((len = fg_nic_recv(&g->nic, frame, sizeof(frame), 0)) > 0)
		n++;
	assert_int_equal(len, -ETIMEDOUT);
	return n;
}

/* V13. A receiver without buffers costs its sender nothing. Buffers come: frames do.
 */
static void a_receiver_without_buffers_stalls_no_sender(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	struct guest *g = guest_open("h0", NULL);

	OK(fg_session_start(&g->s));
	OK(fg_nic_init(&g->nic, &g->s, 0, 4711, NULL));
	settle(g, peer);
	send_at(peer, g, 1000, 500);
	assert_int_equal(fg_ring_used_idx(g->nic.rx), 0);
	OK(fg_nic_fill(&g->nic));
	assert_traffic(peer, g, 10, 500);
}

/* V13. A ring that fills up takes what fits, in order, and drops the rest. */
static void a_full_ring_drops_the_rest(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	struct guest *g = guest_open("h0", NULL);
	struct fg_flow flow = {.id = 601};
	uint8_t frame[2048];

	guest_start(g, &(struct fg_nic_options){.depth = 100, .region = -1});
	settle(g, peer);
	for (unsigned int i = 0; i < 240; i++) {
		fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, 200);
		OK(fg_nic_queue(&peer->nic, frame, 200, &fg_layout_one));
	}
	fg_nic_flush(&peer->nic);
	OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
	assert_int_equal(fg_ring_used_idx(g->nic.rx), 100);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(fg_nic_recv(&g->nic, frame, sizeof(frame), 0), 200);
		assert_true(fg_flow_check(&flow, frame, 200));
	}
	assert_int_equal(flow.received, 100);
	assert_int_equal(flow.lost + flow.duplicate + flow.reordered + flow.damaged, 0);
}

/* V8. A frame that needs more buffers than there are: dropped as a whole, and not one is consumed.
 */
static void too_few_buffers_are_not_consumed(void **state)
{
	struct guest *peer = guest_open("h1", NULL);
	struct guest *g = guest_open("h0", NULL);

	guest_start(peer, &(struct fg_nic_options){.tx_size = 9100, .depth = 64, .region = -1});
	guest_start(g, &(struct fg_nic_options){.rx_size = 1000, .depth = 5, .region = -1});
	settle(g, peer);
	assert_traffic(peer, g, 3, 4000);
	send_at(peer, g, 20, 9000);
	assert_int_equal(take_all(g), 0);
	assert_int_equal(g->nic.rx->last_used, fg_ring_used_idx(g->nic.rx));
	assert_traffic(peer, g, 3, 4988); /* exactly five */
	send_at(peer, g, 1, 4989);
	assert_int_equal(take_all(g), 0);
}

/* V8. Without mergeable buffers a frame longer than its buffer is dropped; the buffer stays. */
static void a_frame_too_long_for_its_buffer_is_dropped(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct guest *peer = guest_open("h1", NULL);
	struct guest *g = guest_open("h0", &plain);

	guest_start(peer, &(struct fg_nic_options){.tx_size = 9100, .depth = 64, .region = -1});
	guest_start(g, &(struct fg_nic_options){.rx_size = 1526, .depth = 3, .region = -1});
	settle(g, peer);
	assert_traffic(peer, g, 4, 1514);
	send_at(peer, g, 10, 1515);
	send_at(peer, g, 10, 9000);
	assert_int_equal(take_all(g), 0);
	assert_traffic(peer, g, 7, 1514);
}

/* V8. Buffers that are too short even for the header: whatever becomes of them, nothing is written beyond
 * them, and no other port notices. */
static void tiny_buffers_cost_others_nothing(void **state)
{
	static const uint64_t features[] = {FG_FEATURES_DEFAULT, FG_F_PROTOCOL | FG_F_VERSION_1,
					    FG_F_PROTOCOL};
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int f = 0; f < 3; f++) {
		for (uint32_t size = 0; size < 14; size++) {
			const struct fg_options opt = {.features = features[f]};
			struct guest *g = guest_open("h0", &opt);
			uint8_t *at = fg_memory_ptr(&g->mem, BUFFER, 64 * NUM);

			OK(fg_session_start(&g->s));
			OK(fg_nic_init(&g->nic, &g->s, 0, 0x5000 + f * 16 + size, NULL));
			settle(g, peer);
			memset(at, 0xa5, 64 * NUM);
			for (uint16_t i = 0; i < NUM; i++) {
				fg_ring_desc(&g->s.ring[0], i, BUFFER + 64 * i, size, WRITE, 0);
				fg_ring_avail(&g->s.ring[0], i);
			}
			send_at(peer, g, 3, 100);
			for (uint32_t i = 0; i < 64 * NUM; i++)
				if (i % 64 >= size && at[i] != 0xa5)
					fail_msg("buffers of %u: byte %u written", size, i % 64);
			guest_close(g);
		}
	}
}

/* What breaks a receive ring (V1, V3, V5, V6): said by its error eventfd, mended by a reset. */
static void a_malicious_receive_ring_breaks(void **state)
{
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int kind = 0; kind < 8; kind++) {
		struct guest *g = guest_open("h0", NULL);
		struct fg_ring *rx = &g->s.ring[0];

		OK(fg_session_start(&g->s));
		OK(fg_nic_init(&g->nic, &g->s, 0, 0x4000 + kind, NULL));
		settle(g, peer);
		fg_ring_desc(rx, 0, BUFFER, 2048, WRITE, 0);
		switch (kind) {
		case 0: /* a loop */
			fg_ring_desc(rx, 0, BUFFER, 1, WRITE | NEXT, 1);
			fg_ring_desc(rx, 1, BUFFER, 1, WRITE | NEXT, 0);
			break;
		case 1: /* a loop of nothing */
			fg_ring_desc(rx, 0, BUFFER, 0, WRITE | NEXT, 0);
			break;
		case 2: /* next beyond the ring */
			fg_ring_desc(rx, 0, BUFFER, 20, WRITE | NEXT, NUM);
			break;
		case 3: /* nowhere */
			fg_ring_desc(rx, 0, WILD, 2048, WRITE, 0);
			break;
		case 4: /* over the end of memory */
			fg_ring_desc(rx, 0, GUEST_GPA + GUEST_MEMORY - 64, 2048, WRITE, 0);
			break;
		case 5: /* not to be written */
			fg_ring_desc(rx, 0, BUFFER, 2048, 0, 0);
			break;
		}
		if (kind == 6)
			fg_ring_avail(rx, 0xffff);
		else if (kind == 7)
			fg_ring_set_avail_idx(rx, NUM + 1);
		else
			fg_ring_avail(rx, 0);
		send_at(peer, g, 3, 200);
		if (!fg_ring_error(rx, FG_WAIT_MS))
			fail_msg("kind %u goes unnoticed", kind);
		guest_restart(g);
		assert_traffic(peer, g, 3, 200);
		guest_close(g);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_receiver_without_buffers_stalls_no_sender),
		TEST_CASE(a_full_ring_drops_the_rest),
		TEST_CASE(too_few_buffers_are_not_consumed),
		TEST_CASE(a_frame_too_long_for_its_buffer_is_dropped),
		TEST_CASE(tiny_buffers_cost_others_nothing),
		TEST_CASE(a_malicious_receive_ring_breaks),
	};

	return fixture_main("receive", CASES(cases));
}
