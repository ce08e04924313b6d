/* SPDX-License-Identifier: BSD-3-Clause */
/* An allowance ends a burst anywhere: of chains in every form, with some among them that hold no frame or ask for what was not
 * agreed upon, exactly those are taken that it is enough for; the others are found again, whole and in order. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "rig.h"
#include "vnet.h"

#define FEATURES (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC))

enum { ROUNDS = 60, CHAINS = 40, RING = 256, HEADER = 12, LONGEST_FRAME = 1600, WIRE_MORE = 24, LEAST_BITS = 8 * 84 };

/* What a chain holds. */
enum kind { FRAME_GOOD, FRAME_REFUSED, NO_FRAME };

static struct {
	enum kind kind;
	uint32_t len;
	uint16_t head;
} chain[CHAINS];

static void offer(struct ring *ring, uint32_t i)
{
	static uint8_t bytes[HEADER + LONGEST_FRAME];
	struct virtio_net_hdr *header = (struct virtio_net_hdr *)(void *)bytes;
	struct piece pieces[8];
	uint32_t whole, n, done = 0;
	uint64_t at;

	chain[i].kind = dice(6) == 0 ? NO_FRAME : dice(6) == 0 ? FRAME_REFUSED : FRAME_GOOD;
	chain[i].len = chain[i].kind == NO_FRAME ? 1 + dice(13) : 14 + dice(LONGEST_FRAME - 14);
	whole = HEADER + chain[i].len;
	memset(bytes, 0, HEADER);
	if (chain[i].kind == FRAME_REFUSED)
		header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	pattern_fill(bytes + HEADER, i, chain[i].len);
	n = 1 + dice(whole < 60 ? 2 : 5);
	at = rig_alloc(&rig, whole + 8, 1);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t len = k + 1 == n ? whole - done : 1 + dice((whole - done) / 2);

		pieces[k] = (struct piece){at + k, len};
		rig_put(&rig, at + k, bytes + done, len);
		at += len;
		done += len;
	}
	chain[i].head = ring_chain(ring, pieces, n, false, dice(2) == 0 ? CHAIN_DIRECT : CHAIN_INDIRECT);
	ring_offer(ring, chain[i].head);
}

static uint32_t bits_of(uint32_t i)
{
	return 8 * ((chain[i].len < 60 ? 60 : chain[i].len) + WIRE_MORE);
}

/* With room for so many bits, of the chains from `at` on: how many are taken. A chain without a frame ends a burst. */
static uint32_t taken_of(uint32_t at, uint32_t room)
{
	uint32_t look = (room + LEAST_BITS - 1) / LEAST_BITS, sum = 0, n = 0;

	for (; at + n < CHAINS && n < look && n < BURST_MAX; n++) {
		if (chain[at + n].kind == NO_FRAME)
			return n + 1;
		if (sum >= room)
			break;
		sum += bits_of(at + n);
	}
	return n;
}

/* They are these, and all that is taken is given back in order. */
static void check_taken(struct ring *ring, uint32_t at, uint32_t n, uint16_t got)
{
	static uint8_t seen[LONGEST_FRAME];
	uint16_t frames = 0;

	role_assert_lcore();
	for (uint32_t i = at; i < at + n; i++) {
		const struct frame *frame = &burst.frame[frames];

		if (chain[i].kind != FRAME_GOOD)
			continue;
		frames++;
		assert_true(frames <= got);
		assert_int_equal(frame->len, chain[i].len);
		frame_flatten(frame, seen);
		for (uint32_t k = 0; k < chain[i].len; k++)
			assert_int_equal(seen[k], pattern(i, k));
	}
	assert_int_equal(frames, got);
	if (got > 0)
		vnet_complete(&ring->q, &burst);
	for (uint32_t i = at; i < at + n; i++) {
		uint32_t id, len;

		assert_true(ring_take(ring, &id, &len));
		assert_int_equal(id, chain[i].head);
	}
}

static void an_allowance_ends_a_burst_anywhere(void **state)
{
	uint64_t refused = 0, no_frame = 0, held = 0;

	role_assert_lcore();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct ring *ring = fresh_ring(RING, FEATURES, (uint16_t)(round % 2 == 0 ? 0 : 65500));
		uint32_t at = 0;

		for (uint32_t i = 0; i < CHAINS; i++)
			offer(ring, i);
		ring_show(ring);
		while (at < CHAINS) {
			uint32_t room = dice(5) == 0 ? 0 : 1 + dice(40000), want = taken_of(at, room), id, len;
			struct frame_meters meters = {0};
			struct frame_limits limits;
			struct frame_allowance allowance = {.meters = &meters, .limits = &limits, .now_ns = NS_PER_S};
			uint16_t got;

			/* A bit is a microsecond. */
			frame_limits_set(&limits, 1000000, 0, (room > 0 ? room : 1) * NS_PER_US);
			if (room == 0)
				rate_meter_charge(&meters.bits, &limits.bits, NS_PER_S, 1 + dice(1000));
			got = vnet_receive_within(&ring->q, &burst, BURST_MAX, &counters, &allowance);
			assert_int_equal(allowance.wait_ns > 0, room == 0);
			held += room == 0;
			check_taken(ring, at, want, got);
			assert_false(ring_take(ring, &id, &len));
			for (uint32_t i = at; i < at + want; i++) {
				refused += chain[i].kind == FRAME_REFUSED;
				no_frame += chain[i].kind == NO_FRAME;
			}
			at += want;
			assert_int_equal(virtq_fault(&ring->q), VIRTQ_OK);
		}
		assert_int_equal(counters.rx_drop[RX_DROP_OFFLOAD], refused);
		assert_int_equal(counters.rx_drop[RX_DROP_SHORT], no_frame);
		refused = no_frame = 0;
		ring_close(ring);
	}
	assert_true(held > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowance_ends_a_burst_anywhere),
	};

	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
