/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames through the switch in every form a driver may give them (virtio 1.2, 2.7.4 and 5.1.6):
 * what one guest sends is what the other gets, byte for byte, and nothing beside it is written.
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>

/* Every way to cut header and frame that has broken a back end (V7, V6's short pieces). */
static const struct fg_layout cuts[] = {
	{.name = "header and frame in one", .n = 1, .len = {UINT32_MAX}},
	{.name = "header apart", .n = 2, .len = {0, UINT32_MAX}},
	{.name = "header in bytes",
	 .n = 13,
	 .len = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, UINT32_MAX}},
	{.name = "cut inside the header", .n = 2, .len = {5, UINT32_MAX}},
	{.name = "header with the first byte", .n = 2, .len = {13, UINT32_MAX}},
	{.name = "header with the addresses", .n = 2, .len = {24, UINT32_MAX}},
	{.name = "cut inside the addresses", .n = 3, .len = {0, 7, UINT32_MAX}},
	{.name = "pieces of 64", .n = 1, .len = {64}},
	{.name = "pieces of 127", .n = 2, .len = {3, 127}},
	{.name = "last piece of one byte", .n = 3, .len = {0, 59, 1}},
	{.name = "indirect", .n = 2, .len = {0, UINT32_MAX}, .indirect = true},
	{.name = "indirect, one", .n = 1, .len = {UINT32_MAX}, .indirect = true},
	{.name = "indirect, pieces of 17", .n = 1, .len = {17}, .indirect = true},
};
enum { N_CUTS = sizeof(cuts) / sizeof(cuts[0]) };

static const size_t lengths[] = {60, 61, 127, 128, 129, 300, 1500, 1514};
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static void send_cut(struct guest *a, struct guest *b, const struct fg_layout *cut, size_t len)
{
	static uint8_t frame[FG_FRAME_MAX], got[FG_FRAME_MAX];
	static uint32_t id = 1000;
	struct fg_flow flow = {.id = ++id};
	int n;

	if (cut->indirect && !(a->s.features & FG_F_INDIRECT))
		return;
	fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, len);
	n = fg_nic_send(&a->nic, frame, len, cut);
	if (n == -E2BIG)
		return;
	OK(n);
	do {
		n = fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS);
		if (n < 0)
			fail_msg("%s, %zu bytes: %s", cut->name, len, strerror(-n));
	} while (!fg_flow_check(&flow, got, (size_t)n));
	if ((size_t)n != len || memcmp(frame, got, len) != 0 || !fg_flow_whole(&flow))
		fail_msg("%s, %zu bytes: arrived as %d others", cut->name, len, n);
	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
}

static void all_cuts(struct guest *a, struct guest *b)
{
	for (unsigned int c = 0; c < N_CUTS; c++)
		for (unsigned int l = 0; l < N_LENGTHS; l++)
			send_cut(a, b, &cuts[c], lengths[l]);
}

static void any_cut_of_a_frame_arrives_whole(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);

	all_cuts(a, b);
	all_cuts(b, a);
}

/* The same with each set of features that changes the form of a frame. */
static void every_feature_set_carries_frames(void **state)
{
	static const uint64_t sets[] = {
		FG_F_PROTOCOL, /* legacy: header of 10 */
		FG_F_PROTOCOL | FG_F_ANY_LAYOUT,
		FG_F_PROTOCOL | FG_F_MRG_RXBUF, /* legacy: header of 12 */
		FG_F_PROTOCOL | FG_F_MRG_RXBUF | FG_F_ANY_LAYOUT | FG_F_INDIRECT | FG_F_EVENT_IDX,
		FG_F_PROTOCOL | FG_F_VERSION_1,
		FG_F_PROTOCOL | FG_F_VERSION_1 | FG_F_INDIRECT,
		FG_F_PROTOCOL | FG_F_VERSION_1 | FG_F_EVENT_IDX,
		FG_F_PROTOCOL | FG_F_VERSION_1 | FG_F_MRG_RXBUF,
		FG_F_PROTOCOL | FG_F_VERSION_1 | FG_F_IN_ORDER,
	};
	struct guest *b = guest_run("h1", NULL);

	for (unsigned int i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		const struct fg_options opt = {.features = sets[i]};
		struct guest *a = guest_run("h0", &opt);

		assert_int_equal(a->s.features, sets[i]);
		for (unsigned int c = 0; c < N_CUTS; c++) {
			send_cut(a, b, &cuts[c], 777);
			send_cut(b, a, &cuts[c], 777);
		}
		guest_close(a);
	}
}

/* An old front end: no protocol features at all, rings begin enabled, memory as one table. */
static void an_old_front_end_works(void **state)
{
	const struct fg_options old = {.no_protocol = true, .features = FG_F_VERSION_1};
	struct guest *a = guest_run("h0", &old);
	struct guest *b = guest_run("h1", NULL);

	assert_traffic(a, b, 20, 1000);
	assert_traffic(b, a, 20, 1000);
}

/* Receive buffers of every shape: a frame fills them in order, header first. */
static void any_receive_buffer_is_filled_right(void **state)
{
	struct guest *a = guest_run("h0", NULL);

	for (unsigned int c = 0; c < N_CUTS; c++) {
		const struct fg_nic_options opt = {
			.rx_layout = &cuts[c], .rx_size = 1700, .depth = 24, .region = -1};
		struct guest *b;

		if (cuts[c].len[cuts[c].n - 1] < 60)
			continue; /* more pieces than this driver's ring has for 24 buffers */
		b = guest_open("h1", NULL);
		guest_start(b, &opt);
		for (unsigned int l = 0; l < N_LENGTHS; l++)
			send_cut(a, b, &fg_layout_two, lengths[l]);
		guest_close(b);
	}
}

/* Mergeable buffers: a frame larger than one takes as many as it needs, each full but the last. */
static void a_jumbo_frame_takes_several_buffers(void **state)
{
	static const size_t sizes[] = {489,  490,  500,	 501,  502,  1000,
				       1001, 4500, 9014, 9018, 15000};
	const struct fg_nic_options big = {.tx_size = 16384, .depth = 64, .region = -1};
	const struct fg_nic_options small = {.rx_size = 501, .depth = 200, .region = -1};
	struct guest *a = guest_open("h0", NULL);
	struct guest *b = guest_open("h1", NULL);

	guest_start(a, &big);
	guest_start(b, &small);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned int want = (unsigned int)((sizes[i] + 12 + 500) / 501);

		send_cut(a, b, &fg_layout_two, sizes[i]);
		assert_int_equal(b->nic.num_buffers, want);
		send_cut(a, b, &cuts[8], sizes[i]);
	}
}

/* Without mergeable buffers a large frame needs one large buffer. */
static void a_jumbo_frame_fits_a_large_buffer(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	const struct fg_nic_options big = {
		.tx_size = 9100, .rx_size = 9100, .depth = 64, .region = -1};
	struct guest *a = guest_open("h0", &plain);
	struct guest *b = guest_open("h1", &plain);

	guest_start(a, &big);
	guest_start(b, &big);
	send_cut(a, b, &fg_layout_two, 9014);
	send_cut(b, a, &fg_layout_one, 9014);
}

/* A frame may lie across regions, and its pieces in different ones. */
static void a_frame_may_cross_adjacent_regions(void **state)
{
	struct guest *a = guest_open("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	uint64_t end = GUEST_GPA + GUEST_MEMORY;
	uint8_t frame[600], got[2048];
	struct fg_flow flow = {.id = 77};
	struct fg_buf buf = {.gpa = end - 200, .len = 612};
	int n;

	assert_int_equal(fg_memory_add(&a->mem, end, 1 << 20), 1);
	guest_start(a, NULL);
	fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
	memset(fg_memory_ptr(&a->mem, end - 200, 12), 0, 12);
	memcpy(fg_memory_ptr(&a->mem, end - 188, 188), frame, 188);
	memcpy(fg_memory_ptr(&a->mem, end, 412), frame + 188, 412);
	assert_true(fg_ring_post(a->nic.tx, &buf, 1, 0) >= 0);
	fg_ring_publish(a->nic.tx);
	fg_ring_kick(a->nic.tx);
	do {
		n = fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS);
		assert_true(n > 0);
	} while (!fg_flow_check(&flow, got, (size_t)n));
	assert_memory_equal(frame, got, sizeof(frame));
}

/* Order and number hold under load while a ring of 64 entries takes its 16-bit indexes through all
 * their values. Each frame is published on its own, so that the switch reads the available index
 * while it changes, over and over: one torn read (V12) would be a jump and break the ring. */
static void a_long_flow_keeps_its_order(void **state)
{
	const struct fg_options tiny = {.ring_size = 64};
	struct guest *a = guest_run("h0", &tiny);
	struct guest *b = guest_run("h1", &tiny);
	struct fg_flow flow = {.id = 78};
	uint8_t frame[128], got[2048];
	int64_t deadline = fg_deadline(4 * FG_WAIT_MS);

	settle(b, a);
	while (flow.received < 70000) {
		int n;

		assert_true(fg_left_ms(deadline) > 0);
		if (flow.received == flow.next_tx) /* all arrived; the buffers follow */
			OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
		OK(fg_nic_reap(&a->nic));
		while (flow.next_tx < 70000 && flow.next_tx - flow.received < 60 &&
		       fg_nic_room(&a->nic, 2)) {
			fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&a->nic, frame, sizeof(frame), NULL));
			fg_nic_flush(&a->nic);
		}
		n = fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS);
		if (n < 0)
			fail_msg("%s: %llu sent, %llu received, %llu lost", strerror(-n),
				 (unsigned long long)flow.next_tx,
				 (unsigned long long)flow.received, (unsigned long long)flow.lost);
		while (n > 0) {
			fg_flow_check(&flow, got, (size_t)n);
			n = fg_nic_recv(&b->nic, got, sizeof(got), 0);
		}
		assert_int_equal(n, -ETIMEDOUT);
	}
	assert_true(fg_flow_whole(&flow));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(any_cut_of_a_frame_arrives_whole),
		TEST_CASE(every_feature_set_carries_frames),
		TEST_CASE(an_old_front_end_works),
		TEST_CASE(any_receive_buffer_is_filled_right),
		TEST_CASE(a_jumbo_frame_takes_several_buffers),
		TEST_CASE(a_jumbo_frame_fits_a_large_buffer),
		TEST_CASE(a_frame_may_cross_adjacent_regions),
		TEST_CASE(a_long_flow_keeps_its_order),
	};

	return fixture_main("net", CASES(cases));
}
