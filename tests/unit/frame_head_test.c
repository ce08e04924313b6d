/* SPDX-License-Identifier: BSD-3-Clause */
/* Tags that are pushed and popped: the frame is the one before with four bytes more or less behind the addresses, what is
 * left to be done to it is where it was, no byte of the body is touched, and a NIC's buffer is never written. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "fg_packet.h"
#include "frame_finish.h"
#include "frame_head.h"
#include "frame_offload.h"

enum { LONGEST = 70000, VLAN = 0xa064 };

static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};
static uint8_t bytes[LONGEST], before[LONGEST], want[LONGEST], flat[LONGEST];
static struct frame_room room;
static struct mem_span body, spans[8];

static const struct fg_packet packets[] = {
	{.payload = 100},
	{.payload = 0, .vlans = 1},
	{.payload = 3000, .vlans = 2, .ipv6 = true},
	{.payload = 1000, .udp = true},
	{.payload = 9000, .gso_size = 1400, .tcp_more = 12},
	{.payload = 9000, .gso_size = 1400, .tcp_more = 12, .vlans = 2, .ipv6 = true},
	{.payload = 9000, .gso_size = 1000, .udp = true, .ipv6 = true, .ip_more = 24},
	/* Headers of 126 bytes: with a tag of ours they are longer than FRAME_HEAD. */
	{.payload = 9000, .gso_size = 1000, .vlans = 2, .ipv6 = true, .ip_more = 8, .tcp_more = 36},
	{.payload = 9000, .gso_size = 1000, .ip_more = 40, .tcp_more = 32},
	{.payload = 9000, .gso_size = 1000, .vlans = 1, .ipv6 = true, .ip_more = 48},
};
enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

/* A guest's frame as receive() leaves it, its head in the room. */
static struct frame make(const struct fg_packet *packet)
{
	struct fg_vnet header;
	uint32_t len = fg_packet_build(packet, dst, src, bytes, &header);
	uint16_t head_len = (uint16_t)(len < FRAME_HEAD ? len : FRAME_HEAD);
	struct frame frame = {.head = room.head, .head_len = head_len, .len = len, .body = &body};

	memset(room.front, 0xee, sizeof(room.front));
	memcpy(room.head, bytes, head_len);
	body = (struct mem_span){bytes + head_len, len - head_len};
	frame.body_spans = len > head_len;
	memcpy(&frame.offload, &header, sizeof(frame.offload));
	assert_true(frame_offload_check(&frame, FRAME_OFFLOADS));
	memcpy(before, bytes, len);
	return frame;
}

/* The same bytes with a tag. */
static void tag_bytes(uint8_t *to, const uint8_t *from, uint32_t len)
{
	static const uint8_t tag[] = {0x81, 0x00, VLAN >> 8, VLAN & 0xff};

	memcpy(to, from, 12);
	memcpy(to + 12, tag, sizeof(tag));
	memcpy(to + 16, from + 12, len - 12);
}

static void same_bytes(const struct frame *frame, const uint8_t *as, uint32_t len)
{
	uint32_t sum = frame->head_len;

	for (uint16_t i = 0; i < frame->body_spans; i++)
		sum += frame->body[i].len;
	assert_int_equal(frame->len, len);
	assert_int_equal(sum, len);
	frame_copy(frame, flat);
	assert_memory_equal(flat, as, len);
}

static void a_tag_is_pushed_and_popped(void **state)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct frame frame = make(&packets[i]), was = frame;
		struct frame_layers layers, layers_were;

		assert_true(frame_layers_find(&frame, &layers_were));
		frame.vlan = VLAN;
		assert_true(frame_head_push_tag(&frame));
		assert_true(frame_layers_find(&frame, &layers));
		assert_int_equal(layers.l4, layers_were.l4 + 4);
		tag_bytes(want, before, was.len);
		same_bytes(&frame, want, was.len + 4);
		assert_ptr_equal(frame.body, was.body);
		assert_int_equal(frame.offload.csum_start, was.offload.csum_start + 4);
		assert_int_equal(frame.offload.csum_offset, was.offload.csum_offset);
		assert_int_equal(frame.offload.gso_size, was.offload.gso_size);
		assert_int_equal(frame.offload.hdr_len, was.offload.gso_type ? was.offload.hdr_len + 4 : 0);
		assert_int_equal(frame_wire_len(&frame), frame_wire_len(&was) + 4);
		assert_int_equal(frame_offloads_needed(&frame), frame_offloads_needed(&was));
		for (unsigned int b = 0; b < FRAME_HEADROOM - 4; b++)
			assert_int_equal(room.front[b], 0xee);
		frame.vlan = 0;
		assert_true(frame_head_pop_tag(&frame));
		assert_int_equal(frame.vlan, VLAN);
		frame.vlan = 0;
		assert_memory_equal(&frame, &was, sizeof(frame));
		same_bytes(&frame, before, was.len);
		assert_memory_equal(bytes, before, was.len);
	}
}

/* What a frame comes to at a receiver that takes nothing: the pieces, one after the other. */
static uint32_t finished(struct frame *frame, uint8_t *to, uint32_t *len, bool tagged)
{
	static const struct frame_capabilities caps = {.len_max = 9000, .cut_max = 0};
	static struct frame_finish finish;
	uint32_t n = 0, at = 0;
	uint16_t out;

	frame_finish_begin(&finish, &frame, 1, &caps);
	while ((out = frame_finish_next(&finish)) > 0) {
		for (uint16_t i = 0; i < out; i++, n++) {
			const struct frame *piece = finish.out[i];

			frame_copy(piece, flat);
			if (tagged)
				tag_bytes(to + at, flat, piece->len);
			else
				memcpy(to + at, flat, piece->len);
			len[n] = piece->len + (tagged ? 4 : 0);
			at += len[n];
		}
	}
	assert_int_equal(finish.too_big, 0);
	return n;
}

/* A tagged frame is summed and cut up into what the frame without a tag is, with the tag in each. */
static void a_tagged_frame_is_finished(void **state)
{
	static uint8_t got[2 * LONGEST], pieces[2 * LONGEST];
	static uint32_t got_len[FRAME_SEGMENTS_MAX], len[FRAME_SEGMENTS_MAX];

	for (unsigned int i = 0; i < PACKETS; i++) {
		struct frame frame = make(&packets[i]);
		uint32_t n = finished(&frame, pieces, len, true), at = 0;

		frame.vlan = VLAN;
		assert_true(frame_head_push_tag(&frame));
		assert_int_equal(finished(&frame, got, got_len, false), n);
		assert_true(n > 1 || packets[i].gso_size == 0);
		for (uint32_t k = 0; k < n; k++) {
			assert_int_equal(got_len[k], len[k]);
			assert_memory_equal(got + at, pieces + at, len[k]);
			at += len[k];
		}
	}
}

/* A sum of a guest's own at the end of the longest frame there is: with a tag it does not begin anew at the first byte, where it
 * could be written into the tag. */
static void a_sum_far_behind_does_not_come_to_the_front(void **state)
{
	static const uint16_t starts[] = {0xffff, 0xfffc, 0xfffb};

	for (unsigned int i = 0; i < 3; i++) {
		struct frame frame = {.head = room.head, .head_len = FRAME_HEAD, .len = FRAME_LEN_MAX - FRAME_TAG, .vlan = VLAN};

		memset(room.head, 0x55, sizeof(room.head));
		frame.offload = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = starts[i], .csum_offset = 14};
		assert_int_equal(frame_offload_check(&frame, FRAME_OFFLOADS), starts[i] <= 0xfffb);
		if (starts[i] > 0xfffb)
			continue;
		assert_true(frame_head_push_tag(&frame));
		assert_int_equal(frame.offload.csum_start, starts[i] + 4);
	}
}

static void what_has_no_tag_stays(void **state)
{
	struct frame frame = {.head = room.head, .head_len = 17, .len = 17}, was;

	/* Something that looks like a tag, in a frame that ends in it. */
	memset(room.head, 0x55, sizeof(room.head));
	room.head[12] = 0x81;
	room.head[13] = 0;
	was = frame;
	assert_false(frame_head_pop_tag(&frame));
	assert_memory_equal(&frame, &was, sizeof(frame));
	frame.head_len = 18;
	frame.len = 18;
	assert_true(frame_head_pop_tag(&frame));
	assert_int_equal(frame.len, 14);
	assert_int_equal(frame.vlan, 0x5555);
	assert_false(frame_head_pop_tag(&frame));
	/* The longest there is has no room for one. */
	frame = (struct frame){.head = room.head, .head_len = FRAME_HEAD, .len = FRAME_LEN_MAX - 3};
	was = frame;
	assert_false(frame_head_push_tag(&frame));
	assert_memory_equal(&frame, &was, sizeof(frame));
}

/* A NIC's frame of any shape: its head is copied, all its bytes are there, and its buffer stays as it was. */
static void a_head_in_a_buffer_is_not_written(void **state)
{
	static const uint16_t heads[] = {14, 60, 127, 128, 129, 1514, 9000};
	/* An mbuf is a name here: nothing looks into it. */
	struct rte_mbuf *mbuf = (struct rte_mbuf *)(void *)flat;

	for (uint32_t i = 0; i < LONGEST; i++)
		bytes[i] = before[i] = (uint8_t)(i * 7 + i / 256);
	for (unsigned int i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (uint16_t n = 0; n <= 3; n++) {
			struct mem_span rest[3];
			struct frame frame = {.head = bytes, .head_len = heads[i], .len = heads[i],
					      .body = rest, .body_spans = n, .mbuf = mbuf};

			for (uint16_t k = 0; k < n; k++, frame.len += 1000)
				rest[k] = (struct mem_span){bytes + frame.len, 1000};
			assert_false(frame_head_is_own(&frame));
			frame_head_own(&frame, &room, spans);
			assert_true(frame_head_is_own(&frame));
			assert_ptr_equal(frame.head, room.head);
			assert_int_equal(frame.mbuf_skip, heads[i] < 128 ? heads[i] : 128);
			same_bytes(&frame, before, heads[i] + n * 1000u);
			frame.vlan = VLAN;
			assert_true(frame_head_push_tag(&frame));
			tag_bytes(want, before, heads[i] + n * 1000u);
			same_bytes(&frame, want, heads[i] + n * 1000u + 4);
			/* A second time changes nothing. */
			frame_head_own(&frame, &room, spans);
			same_bytes(&frame, want, heads[i] + n * 1000u + 4);
			assert_memory_equal(bytes, before, LONGEST);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_is_pushed_and_popped),
		cmocka_unit_test(a_tagged_frame_is_finished),
		cmocka_unit_test(a_sum_far_behind_does_not_come_to_the_front),
		cmocka_unit_test(what_has_no_tag_stays),
		cmocka_unit_test(a_head_in_a_buffer_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
