/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames cut up and checksums finished: every piece is a packet that a distrustful receiver and DPDK's own check find
 * right, the payloads put together are the one that was sent, and the frame itself is as it was (O6). */
#include <string.h>
#include <rte_ip.h>

#include "cases.h"
#include "dice.h"
#include "fg_packet.h"
#include "frame_checksum.h"
#include "frame_finish.h"

enum { LONGEST = 70000, BODY_MAX = 256 };

static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};
static uint8_t bytes[LONGEST], before[LONGEST], flat[LONGEST];
static struct mem_span body[BODY_MAX];
static struct frame_finish finish;

/* The packet as a checked frame, its body in up to `pieces` spans of any length. */
static struct frame make(const struct fg_packet *packet, uint32_t pieces)
{
	struct fg_vnet header;
	uint32_t len = fg_packet_build(packet, dst, src, bytes, &header);
	uint32_t at = len < FRAME_HEAD ? len : FRAME_HEAD;
	struct frame frame = {.head = bytes, .head_len = (uint16_t)at, .len = len, .body = body};

	memcpy(before, bytes, len);
	while (at < len) {
		uint32_t part = frame.body_spans + 1u == pieces ? len - at : dice(2 * len / pieces);

		if (part > len - at)
			part = len - at;
		body[frame.body_spans++] = (struct mem_span){bytes + at, part};
		at += part;
	}
	memcpy(&frame.offload, &header, sizeof(frame.offload));
	assert_true(frame_offload_check(&frame, FRAME_OFFLOADS));
	return frame;
}

/* DPDK's verdict on packets whose headers it can walk. */
static void check_by_dpdk(const struct fg_packet *packet, const struct fg_parsed *parsed)
{
	const void *l3 = flat + parsed->l3, *l4 = flat + parsed->l4;
	uint8_t *field = flat + parsed->l4 + (packet->udp ? 6 : 16);
	uint16_t have, want;

	if (packet->ipv6 && packet->ip_more > 0)
		return;
	memcpy(&have, field, sizeof(have));
	memset(field, 0, sizeof(have));
	want = packet->ipv6 ? rte_ipv6_udptcp_cksum(l3, l4) : rte_ipv4_udptcp_cksum(l3, l4);
	memcpy(field, &have, sizeof(have));
	assert_int_equal(have, want == 0 ? 0xffff : want);
}

/* One piece of `packet`, `done` bytes of whose payload came before it. */
static uint32_t check_piece(const struct fg_packet *packet, const struct frame *piece, uint32_t done,
			    uint32_t number)
{
	struct fg_parsed parsed;
	const char *wrong;
	bool last;

	assert_false(frame_needs_offload(piece));
	assert_null(piece->mbuf);
	frame_copy(piece, flat);
	wrong = fg_packet_check(packet, flat, piece->len, true, &parsed);
	if (wrong != NULL)
		fail_msg("piece %u: %s", number, wrong);
	check_by_dpdk(packet, &parsed);
	for (uint32_t i = 0; i < parsed.len; i++)
		if (flat[parsed.payload + i] != fg_packet_byte(packet->seed, done + i))
			fail_msg("piece %u: byte %u of the payload", number, i);
	last = done + parsed.len == packet->payload;
	assert_true(last || parsed.len == packet->gso_size);
	if (!packet->ipv6)
		assert_int_equal(parsed.ip_id, (uint16_t)(packet->ip_id + number));
	if (!packet->udp) {
		uint8_t flags = packet->tcp_flags;

		if (!last)
			flags &= (uint8_t)~(FG_FIN | FG_PSH);
		if (number > 0)
			flags &= (uint8_t)~FG_CWR;
		assert_int_equal(parsed.seq, packet->seq + done);
		assert_int_equal(parsed.tcp_flags, flags);
	}
	return parsed.len;
}

static void cut_up(const struct fg_packet *packet, uint32_t spans)
{
	static struct mem_span room[BODY_MAX + 2 * FRAME_SEGMENTS_MAX];
	struct frame whole = make(packet, spans), piece;
	uint8_t head[FRAME_HEAD];
	uint32_t done = 0, n = 0, used = 0;
	struct frame_cut cut;

	frame_cut_begin(&cut, &whole);
	while (!frame_cut_ends(&cut)) {
		frame_cut_next(&cut, &piece, head, room + used);
		used += piece.body_spans;
		done += check_piece(packet, &piece, done, n++);
	}
	assert_int_equal(done, packet->payload);
	assert_int_equal(n, (packet->payload + packet->gso_size - 1) / packet->gso_size);
	/* What frame_finish.h reckons with. */
	assert_true(used <= whole.body_spans + 1u + n);
	assert_memory_equal(bytes, before, whole.len);
}

static void any_packet_is_cut_up_right(void **state)
{
	for (unsigned int i = 0; i < 3000; i++) {
		struct fg_packet packet = {
			.ipv6 = dice(2),
			.udp = dice(2),
			.vlans = dice(3),
			.ip_more = dice(2) * 8 * dice(3),
			.tcp_more = dice(3) * 4,
			.tcp_flags = FG_ACK | FG_FIN | FG_PSH | FG_CWR,
			.seq = 0xffffff00u + dice(512),
			.ip_id = (uint16_t)(0xfff0 + dice(32)),
			.seed = i,
			.gso_size = (uint16_t)(8 + dice(i % 5 == 0 ? 9000 : 300)),
		};

		packet.payload = packet.gso_size + 1 +
				 dice(packet.gso_size * (FRAME_SEGMENTS_MAX - 1u));
		if (packet.payload > 65000)
			packet.payload = 65000;
		if (packet.payload > packet.gso_size)
			cut_up(&packet, 1 + dice(40));
	}
}

/* --- what a receiver gets ---------------------------------------------------------------------------------------- */

static const struct frame_capabilities nothing_taken = {.len_max = 1522, .cut_max = FRAME_LEN_MAX};

static uint32_t outputs(struct frame *const *frames, uint16_t n, const struct frame_capabilities *caps,
			void (*look)(struct frame *, uint32_t))
{
	uint32_t total = 0;
	uint16_t got;

	frame_finish_begin(&finish, frames, n, caps);
	while ((got = frame_finish_next(&finish)) > 0) {
		assert_true(got <= BURST_MAX);
		for (uint16_t i = 0; i < got; i++)
			look(finish.out[i], total++);
	}
	return total;
}

static struct frame *expected[BURST_MAX];

static void look_at_same(struct frame *frame, uint32_t number)
{
	assert_ptr_equal(frame, expected[number]);
}

static const struct fg_packet *sent;
static uint32_t sent_done;

static void look_at_piece(struct frame *frame, uint32_t number)
{
	sent_done += check_piece(sent, frame, sent_done, number);
}

/* A frame whose checksum alone is asked for; of a guest, and of a NIC that has all of it in one buffer. */
static void a_checksum_is_finished_in_a_head_of_its_own(void **state)
{
	static const uint32_t lengths[] = {0, 1, 2, 73, 74, 75, 1000, 1439, 1440};

	for (unsigned int i = 0; i < 4 * sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct fg_packet packet = {
			.payload = lengths[i / 4],
			.seed = i,
			.udp = i & 1,
			.ipv6 = i >> 1 & 1,
			.tcp_flags = FG_ACK | FG_FIN,
		};
		struct frame frame = make(&packet, 1 + i % 7), *one = &frame;

		if (i % 3 == 0) {
			frame.head_len = (uint16_t)frame.len;
			frame.body_spans = 0;
		}
		sent = &packet;
		sent_done = 0;
		assert_int_equal(outputs(&one, 1, &nothing_taken, look_at_piece), 1);
		assert_int_equal(sent_done, packet.payload);
		assert_int_equal(finish.checksummed, 1);
		assert_int_equal(finish.segmented + finish.segments + finish.too_big, 0);
		assert_memory_equal(bytes, before, frame.len);
		assert_true(frame_needs_offload(&frame));
	}
}

static const struct fg_packet *inner;
static uint32_t inner_at;

static void look_at_inner(struct frame *frame, uint32_t number)
{
	struct fg_parsed parsed;
	const char *wrong;

	assert_int_equal(number, 0);
	assert_false(frame_needs_offload(frame));
	frame_copy(frame, flat);
	assert_memory_equal(flat, before, inner_at);
	wrong = fg_packet_check(inner, flat + inner_at, frame->len - inner_at, true, &parsed);
	if (wrong != NULL)
		fail_msg("behind %u bytes: %s", inner_at, wrong);
	for (uint32_t i = 0; i < parsed.len; i++)
		assert_int_equal(flat[inner_at + parsed.payload + i], fg_packet_byte(inner->seed, i));
}

/* A guest's own tunnel: the frame of another lies behind any number of bytes, its checksum in the head, behind it, or on the
 * border; and the receiver does it, if it can at all, but no device that wants to know the headers. */
static void a_checksum_anywhere_is_finished(void **state)
{
	struct frame_capabilities caps = {FRAME_OFFLOADS, 9000, FRAME_LEN_MAX, true, false, 0};

	for (uint32_t at = 14; at < 300; at++) {
		const struct fg_packet packet = {
			.payload = 500 + dice(500), .seed = at, .udp = at & 1, .ipv6 = at >> 1 & 1};
		struct frame frame, *one = &frame;
		struct fg_vnet header;

		frame = make(&packet, 1 + at % 5);
		memmove(bytes + at, bytes, frame.len);
		memset(bytes, 0x5a, at); /* an unknown type */
		memcpy(&header, &frame.offload, sizeof(header));
		frame.len += at;
		frame.body_spans = 0;
		for (uint32_t from = FRAME_HEAD; from < frame.len; frame.body_spans++) {
			uint32_t part = 1 + dice(at % 3 == 0 ? 20 : 400);

			part = part < frame.len - from ? part : frame.len - from;
			body[frame.body_spans] = (struct mem_span){bytes + from, part};
			from += part;
		}
		header.csum_start = (uint16_t)(header.csum_start + at);
		memcpy(&frame.offload, &header, sizeof(header));
		memcpy(before, bytes, frame.len);
		assert_true(frame_offload_check(&frame, FRAME_CSUM));
		inner = &packet;
		inner_at = at;
		caps.plain = true;
		assert_int_equal(outputs(&one, 1, &caps, look_at_inner), 1);
		assert_int_equal(finish.checksummed, 1);
		assert_memory_equal(bytes, before, frame.len);
		caps.plain = false;
		expected[0] = &frame;
		assert_int_equal(outputs(&one, 1, &caps, look_at_same), 1);
	}
}

/* RFC 768: a UDP checksum that comes out as zero is sent as all ones. Of TCP's either will do. */
static void a_checksum_of_zero_is_none(void **state)
{
	struct fg_packet packet = {.payload = 2, .udp = true};
	struct frame frame, *one = &frame;
	struct fg_parsed parsed;

	frame = make(&packet, 1);
	/* The payload that makes the sum all ones. */
	bytes[42] = bytes[43] = 0;
	{
		uint16_t sum = fg_sum_end(fg_sum(bytes + 34, 10, 0)), rest = (uint16_t)~sum;

		bytes[42] = (uint8_t)(rest >> 8);
		bytes[43] = (uint8_t)rest;
	}
	frame_finish_begin(&finish, &one, 1, &nothing_taken);
	assert_int_equal(frame_finish_next(&finish), 1);
	frame_copy(finish.out[0], flat);
	assert_int_equal(flat[40] << 8 | flat[41], 0xffff);
	assert_null(fg_packet_check(&packet, flat, frame.len, true, &parsed));
}

static void a_frame_for_a_plain_receiver_comes_in_rounds(void **state)
{
	const struct fg_packet packet = {.payload = 65000, .gso_size = 1000, .seed = 9};
	struct frame frame = make(&packet, 17), *one = &frame;

	sent = &packet;
	sent_done = 0;
	assert_int_equal(outputs(&one, 1, &nothing_taken, look_at_piece), 65);
	assert_int_equal(sent_done, packet.payload);
	assert_int_equal(finish.segmented, 1);
	assert_int_equal(finish.segments, 64);
	assert_int_equal(finish.checksummed, 0);
}

/* What the receiver takes goes through untouched, if its wire takes what the frame becomes. */
static void what_is_taken_goes_through(void **state)
{
	const struct fg_packet packet = {.payload = 65000, .gso_size = 1400, .tcp_flags = FG_CWR};
	struct frame frame = make(&packet, 17), plain = {.head = bytes, .head_len = 60, .len = 60};
	struct frame *both[2] = {&plain, &frame};
	struct frame_capabilities caps = nothing_taken;

	caps.offloads = FRAME_CSUM | FRAME_TSO4;
	expected[0] = &plain;
	expected[1] = &frame;
	assert_int_equal(outputs(both, 2, &caps, look_at_same), 2);
	caps.len_max = 1453; /* its pieces have 1454 */
	assert_int_equal(outputs(both, 2, &caps, look_at_same), 1);
	assert_int_equal(finish.too_big, 1);
	caps.len_max = 1522;
	caps.offloads = FRAME_OFFLOADS & ~(uint32_t)FRAME_ECN;
	frame.offload.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	sent = &packet;
	sent_done = 0;
	assert_int_equal(outputs(&both[1], 1, &caps, look_at_piece), 47);
	caps.offloads = FRAME_OFFLOADS;
	caps.cut_max = frame.len - 1;
	sent_done = 0;
	assert_int_equal(outputs(&both[1], 1, &caps, look_at_piece), 47);
	assert_int_equal(sent_done, packet.payload);
}

/* A NIC that knows no extension headers. */
static void a_taker_of_plain_headers_gets_plain_headers(void **state)
{
	const struct fg_packet packet = {.payload = 9000, .gso_size = 1000, .ipv6 = true, .ip_more = 8};
	struct frame_capabilities caps = {FRAME_OFFLOADS, 1522, FRAME_LEN_MAX, true, false, 0};
	struct frame frame = make(&packet, 3), *one = &frame;

	sent = &packet;
	sent_done = 0;
	assert_int_equal(outputs(&one, 1, &caps, look_at_piece), 9);
	caps.plain = false;
	expected[0] = &frame;
	assert_int_equal(outputs(&one, 1, &caps, look_at_same), 1);
}

static uint32_t order_at;
static uint8_t order[BURST_MAX];

static void look_at_order(struct frame *frame, uint32_t number)
{
	(void)number;
	/* The address a frame came with is its name; pieces of one follow each other. */
	while (order_at < BURST_MAX && order[order_at] != frame->head[11])
		order_at++;
	assert_true(order_at < BURST_MAX);
}

/* A full burst of everything, with as many spans as a burst may have: order is kept and nothing runs over. */
static void a_burst_of_everything_keeps_its_order(void **state)
{
	static uint8_t heads[BURST_MAX][FRAME_HEAD];
	static struct frame frames[BURST_MAX];
	static struct mem_span spans[BURST_SPANS];
	struct frame *all[BURST_MAX];
	uint64_t want = 0;

	for (uint8_t i = 0; i < BURST_MAX; i++) {
		const struct fg_packet packet = {.payload = 6400, .gso_size = 200};
		struct frame frame = make(&packet, 1);
		uint32_t from = i * (BURST_SPANS / BURST_MAX), at = FRAME_HEAD;

		/* Spans of one byte, and the rest in the last. */
		for (uint32_t k = 0; k < BURST_SPANS / BURST_MAX; k++) {
			bool last = k + 1 == BURST_SPANS / BURST_MAX;

			spans[from + k] = (struct mem_span){bytes + at, last ? frame.len - at : 1};
			at++;
		}
		frames[i] = frame;
		frames[i].body = spans + from;
		frames[i].body_spans = BURST_SPANS / BURST_MAX;
		memcpy(heads[i], bytes, FRAME_HEAD);
		frames[i].head = heads[i];
		heads[i][11] = order[i] = i;
		if (i % 3 == 0) {
			frames[i].offload = (struct virtio_net_hdr){0};
			frames[i].len = frames[i].head_len = 100;
			frames[i].body_spans = 0;
		} else if (i % 3 == 1) {
			frames[i].offload.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		}
		want += i % 3 == 2 ? 32 : 1;
		all[i] = &frames[i];
	}
	order_at = 0;
	assert_int_equal(outputs(all, BURST_MAX, &(struct frame_capabilities){.len_max = 9000},
				 look_at_order),
			 want);
	assert_int_equal(order_at, BURST_MAX - 1);
}

static void a_sum_over_odd_pieces(void **state)
{
	for (unsigned int i = 0; i < 2000; i++) {
		uint32_t len = 20 + dice(3000), at = dice(20), pieces = 1 + dice(30);
		struct frame frame = {.head = bytes, .head_len = 20, .len = len, .body = body};
		uint16_t sum;

		for (uint32_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)dice(256);
		for (uint32_t from = 20; from < len; frame.body_spans++) {
			uint32_t part = frame.body_spans + 1u >= pieces ? len - from : dice(len - from);

			body[frame.body_spans] = (struct mem_span){bytes + from, part};
			from += part;
		}
		sum = frame_sum(&frame, at);
		assert_int_equal((uint16_t)(sum << 8 | sum >> 8),
				 fg_sum_end(fg_sum(bytes + at, len - at, 0)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sum_over_odd_pieces),
		cmocka_unit_test(any_packet_is_cut_up_right),
		cmocka_unit_test(a_checksum_is_finished_in_a_head_of_its_own),
		cmocka_unit_test(a_checksum_anywhere_is_finished),
		cmocka_unit_test(a_checksum_of_zero_is_none),
		cmocka_unit_test(a_frame_for_a_plain_receiver_comes_in_rounds),
		cmocka_unit_test(what_is_taken_goes_through),
		cmocka_unit_test(a_taker_of_plain_headers_gets_plain_headers),
		cmocka_unit_test(a_burst_of_everything_keeps_its_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
