/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sender may ask: every packet a driver makes is understood, every header that does not fit the packet or the
 * agreement is refused (O1 to O4), and what is left in the frame is ours. The head lies at the end of
 * allocated memory, so that AddressSanitizer sees a look beyond it. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "fg_packet.h"
#include "frame_offload.h"

#define F(bit) (UINT64_C(1) << (bit))

_Static_assert(sizeof(struct fg_vnet) == sizeof(struct virtio_net_hdr), "one header");

static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};
static uint8_t bytes[70000];

/* A frame that a test may spoil: bytes and header. Its head is a copy that ends where memory ends. */
struct subject {
	struct fg_vnet header;
	uint32_t len;
	struct frame frame;
	struct mem_span body;
};

static void make(struct subject *s, const struct fg_packet *packet)
{
	s->len = fg_packet_build(packet, dst, src, bytes, &s->header);
}

static bool passes(struct subject *s, uint32_t agreed)
{
	uint16_t head_len = (uint16_t)(s->len < FRAME_HEAD ? s->len : FRAME_HEAD);
	static uint8_t *head; /* until the next one */

	free(head);
	head = malloc(head_len);
	assert_non_null(head);
	memcpy(head, bytes, head_len);
	s->body = (struct mem_span){bytes + head_len, s->len - head_len};
	s->frame = (struct frame){
		.head = head,
		.head_len = head_len,
		.len = s->len,
		.body = &s->body,
		.body_spans = s->len > head_len,
	};
	memcpy(&s->frame.offload, &s->header, sizeof(s->header));
	return frame_offload_check(&s->frame, agreed);
}

static const struct fg_packet packets[] = {
	{.payload = 100},
	{.payload = 0},
	{.payload = 1, .tcp_more = 12, .vlans = 1},
	{.payload = 3000, .tcp_more = 40, .ip_more = 16},
	{.payload = 1000, .tcp_more = 40, .ip_more = 40, .vlans = 2}, /* its options end beyond the head */
	{.payload = 100, .ipv6 = true, .vlans = 2},
	{.payload = 1000, .ipv6 = true, .ip_more = 24, .tcp_more = 12},
	{.payload = 17, .udp = true, .vlans = 1},
	{.payload = 1400, .udp = true, .ipv6 = true, .ip_more = 8},
	{.payload = 60000, .gso_size = 1448, .tcp_more = 12},
	{.payload = 64000, .gso_size = 1428, .tcp_more = 12, .ipv6 = true, .vlans = 2},
	{.payload = 64000, .gso_size = 1000, .udp = true},
	{.payload = 30000, .gso_size = 1232, .udp = true, .ipv6 = true, .ip_more = 16},
	{.payload = 1024, .gso_size = 8},
};
enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

static void what_drivers_send_is_understood(void **state)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct subject s;
		struct virtio_net_hdr want;

		make(&s, &packets[i]);
		memcpy(&want, &s.header, sizeof(want));
		/* What they get wrong, and what is nothing to go by. */
		s.header.hdr_len = (uint16_t)(i % 2 != 0 ? 65535 : 0);
		s.header.flags |= i % 3 == 0 ? 0xfe : 0;
		if (!passes(&s, FRAME_OFFLOADS))
			fail_msg("packet %u was refused", i);
		assert_memory_equal(&s.frame.offload, &want, sizeof(want));
	}
}

static uint32_t needs(const struct fg_packet *p)
{
	if (p->gso_size == 0)
		return FRAME_CSUM;
	if (p->udp)
		return FRAME_CSUM | (p->ipv6 ? FRAME_USO6 : FRAME_USO4);
	return FRAME_CSUM | (p->ipv6 ? FRAME_TSO6 : FRAME_TSO4);
}

/* O3: whatever was not agreed upon is refused, all else notwithstanding. */
static void only_what_was_agreed_passes(void **state)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint32_t needed = needs(&packets[i]);
		struct subject s;

		for (uint32_t bit = 1; bit < FRAME_OFFLOADS; bit <<= 1) {
			make(&s, &packets[i]);
			assert_int_equal(passes(&s, FRAME_OFFLOADS & ~bit), (needed & bit) == 0);
		}
		make(&s, &packets[i]);
		assert_true(passes(&s, needed));
		assert_int_equal(frame_offloads_needed(&s.frame), needed);
		make(&s, &packets[i]);
		assert_false(passes(&s, 0));
	}
}

static void ecn_is_a_property_of_tso(void **state)
{
	const struct fg_packet tcp = {.payload = 5000, .gso_size = 1000, .tcp_flags = FG_CWR};
	const struct fg_packet udp = {.payload = 5000, .gso_size = 1000, .udp = true};
	struct subject s;

	make(&s, &tcp);
	s.header.gso_type |= FG_GSO_ECN;
	assert_true(passes(&s, FRAME_OFFLOADS));
	assert_int_equal(frame_offloads_needed(&s.frame), FRAME_CSUM | FRAME_TSO4 | FRAME_ECN);
	make(&s, &tcp);
	s.header.gso_type |= FG_GSO_ECN;
	assert_false(passes(&s, FRAME_OFFLOADS & ~(uint32_t)FRAME_ECN));
	make(&s, &tcp);
	s.header.gso_type = FG_GSO_ECN; /* alone */
	assert_false(passes(&s, FRAME_OFFLOADS));
	make(&s, &udp);
	s.header.gso_type |= FG_GSO_ECN;
	assert_false(passes(&s, FRAME_OFFLOADS));
}

/* --- hostile headers --------------------------------------------------------------------------------------------- */

/* Bytes of the frame or of the header, overwritten in a packet that was good. `at` in the frame; LEN: the frame's length. */
enum { HEADER = 0x10000, LEN = 0x20000 };

struct spoiled {
	const char *what;
	struct fg_packet packet;
	struct { int32_t at; uint16_t value; uint8_t bytes; } spot[3];
};

#define TCP4 {.payload = 3000, .gso_size = 1000}
#define TCP6 {.payload = 3000, .gso_size = 1000, .ipv6 = true}
#define UDP4 {.payload = 3000, .gso_size = 1000, .udp = true}
#define CSUM {.payload = 300}
#define FIELD(name) (HEADER + (int32_t)offsetof(struct fg_vnet, name))

static const struct spoiled spoiled[] = {
	/* O1 */
	{"start at the end of everything", CSUM, {{FIELD(csum_start), 0xffff, 2}}},
	{"start and offset that wrap", CSUM, {{FIELD(csum_start), 0xfff0, 2}, {FIELD(csum_offset), 0x32, 2}}},
	{"start in the Ethernet header", CSUM, {{FIELD(csum_start), 0, 2}}},
	{"start in the IP header", CSUM, {{FIELD(csum_start), 14, 2}}},
	{"start one off", CSUM, {{FIELD(csum_start), 35, 2}}},
	{"start behind TCP", TCP4, {{FIELD(csum_start), 54, 2}}},
	{"start in the last byte", CSUM, {{FIELD(csum_start), 353, 2}, {FIELD(csum_offset), 0, 2}}},
	{"start and offset that end beyond the frame", CSUM, {{FIELD(csum_start), 300, 2}, {FIELD(csum_offset), 53, 2}}},
	{"the field of UDP in TCP", CSUM, {{FIELD(csum_offset), 6, 2}}},
	{"the field beyond the frame", CSUM, {{FIELD(csum_offset), 0xffff, 2}}},
	{"a frame that ends in the field", CSUM, {{LEN, 34 + 17, 2}}},
	{"a frame that ends with IP", CSUM, {{LEN, 34, 2}}},
	{"a frame that ends in IP", CSUM, {{LEN, 33, 2}}},
	{"a frame that ends with Ethernet", CSUM, {{LEN, 14, 2}}},
	{"a fragment", TCP4, {{20, 0x0020, 2}}},
	{"a later fragment", TCP4, {{20, 0x0100, 2}}},
	{"neither TCP nor UDP", TCP4, {{23, 132, 1}}},
	{"not IP", TCP4, {{12, 0x0608, 2}}},
	{"IPv6 that says 4", TCP6, {{14, 0x40, 1}}},
	{"IPv4 that says 6", TCP4, {{14, 0x65, 1}}},
	{"three tags", {.payload = 300, .gso_size = 100, .vlans = 2}, {{20, 0x0081, 2}, {24, 0x0008, 2}}},
	/* O2 */
	{"pieces of nothing", TCP4, {{FIELD(gso_size), 0, 2}}},
	{"pieces of one byte", {.payload = 100, .gso_size = 50}, {{FIELD(gso_size), 1, 2}}},
	{"pieces of seven", {.payload = 100, .gso_size = 50}, {{FIELD(gso_size), 7, 2}}},
	{"129 pieces", {.payload = 128 * 100 + 1, .gso_size = 100}, {{0, 2, 1}}},
	/* O3 */
	{"TCPv6 in IPv4", TCP4, {{FIELD(gso_type), FG_GSO_TCPV6, 1}}},
	{"TCPv4 in IPv6", TCP6, {{FIELD(gso_type), FG_GSO_TCPV4, 1}}},
	{"UDP in TCP", TCP4, {{FIELD(gso_type), FG_GSO_UDP_L4, 1}}},
	{"TCP in UDP", UDP4, {{FIELD(gso_type), FG_GSO_TCPV4, 1}}},
	{"UFO", UDP4, {{FIELD(gso_type), FG_GSO_UDP, 1}}},
	{"a type nobody knows", TCP4, {{FIELD(gso_type), 0x7f, 1}}},
	{"all types", TCP4, {{FIELD(gso_type), 0xff, 1}}},
	{"to be cut up without a checksum", TCP4, {{FIELD(flags), 0, 1}}},
	{"a fragment to be cut up", TCP4, {{20, 0x0020, 2}}},
	/* O4 */
	{"IP header longer than the frame", CSUM, {{14, 0x4f, 1}, {LEN, 40, 2}}},
	{"IP header of 16 bytes", TCP4, {{14, 0x44, 1}}},
	{"IP header of 16 bytes, and TCP there", TCP4, {{14, 0x44, 1}, {42, 0x50, 1}, {FIELD(csum_start), 30, 2}}},
	{"TCP header longer than the frame", {.payload = 39, .gso_size = 8}, {{46, 0xf0, 1}, {LEN, 34 + 59, 2}}},
	{"TCP header of 16 bytes", TCP4, {{46, 0x40, 1}}},
	{"TCP header of nothing", TCP4, {{46, 0, 1}}},
	{"extension header longer than the frame",
	 {.payload = 100, .gso_size = 50, .ipv6 = true, .ip_more = 8}, {{55, 0xff, 1}}},
	{"an IPv6 fragment", {.payload = 100, .gso_size = 50, .ipv6 = true, .ip_more = 8}, {{20, 44, 1}}},
	{"extension headers without end",
	 {.payload = 100, .gso_size = 50, .ipv6 = true, .ip_more = 64}, {{110, 60, 1}}},
	{"headers that end beyond the head",
	 {.payload = 3000, .gso_size = 1000, .tcp_more = 40, .ip_more = 40, .vlans = 2}, {{0, 2, 1}}},
};

static void spoil(struct subject *s, int32_t at, uint16_t value, uint8_t n)
{
	if (n == 0)
		return;
	if (at == LEN)
		s->len = value;
	else
		memcpy(at >= HEADER ? (uint8_t *)&s->header + (at - HEADER) : bytes + at, &value, n);
}

static void what_does_not_fit_is_refused(void **state)
{
	for (unsigned int i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		struct subject s;

		make(&s, &spoiled[i].packet);
		for (int k = 0; k < 3; k++)
			spoil(&s, spoiled[i].spot[k].at, spoiled[i].spot[k].value,
			      spoiled[i].spot[k].bytes);
		if (passes(&s, FRAME_OFFLOADS))
			fail_msg("passed: %s", spoiled[i].what);
	}
}

/* A guest's own tunnels: a sum that begins behind the headers that are found, up to the end of the frame. */
static void a_sum_in_a_tunnel_passes_and_is_not_cut_up(void **state)
{
	static const uint16_t starts[] = {54, 84, 200, 352};
	const struct fg_packet packet = {.payload = 300};
	struct subject s;

	for (unsigned int i = 0; i < 4; i++) {
		make(&s, &packet);
		s.header.csum_start = starts[i];
		s.header.csum_offset = (uint16_t)(352 - starts[i]);
		assert_true(passes(&s, FRAME_CSUM));
		assert_int_equal(s.frame.offload.csum_start, starts[i]);
		assert_int_equal(frame_offloads_needed(&s.frame), FRAME_CSUM);
		assert_false(passes(&s, 0));
		make(&s, &packet);
		s.header.csum_start = starts[i];
		s.header.csum_offset = 0;
		s.header.gso_type = FG_GSO_TCPV4;
		s.header.gso_size = 100;
		assert_false(passes(&s, FRAME_OFFLOADS));
	}
}

/* O2: pieces as long as the whole are no pieces; an IP packet that no length field could tell of is none. */
static void a_cap_on_what_is_cut_up(void **state)
{
	const struct fg_packet whole = {.payload = 3000, .gso_size = 3000};
	const struct fg_packet long4 = {.payload = 65535 - 40, .gso_size = 60000};
	struct subject s;

	make(&s, &whole);
	assert_true(passes(&s, FRAME_OFFLOADS));
	assert_int_equal(frame_offloads_needed(&s.frame), FRAME_CSUM);
	assert_int_equal(s.frame.offload.gso_size, 0);
	s.header.gso_size = 65535;
	assert_true(passes(&s, FRAME_OFFLOADS));
	assert_int_equal(frame_offloads_needed(&s.frame), FRAME_CSUM);
	make(&s, &long4);
	assert_true(passes(&s, FRAME_OFFLOADS));
	make(&s, &long4);
	s.len++;
	assert_false(passes(&s, FRAME_OFFLOADS));
}

/* Nothing asked for: all the rest of the header is nothing. */
static void what_is_not_asked_leaves_nothing(void **state)
{
	static const struct virtio_net_hdr nothing;
	const struct fg_packet packet = {.payload = 300};
	struct subject s;

	for (unsigned int flags = 0; flags < 256; flags += 2) {
		make(&s, &packet);
		s.header = (struct fg_vnet){(uint8_t)flags, 0, 1, 2, 3, 4};
		assert_true(passes(&s, 0));
		assert_memory_equal(&s.frame.offload, &nothing, sizeof(nothing));
	}
}

/* Any bytes at all: an answer, no look beyond the head, and what passes satisfies what frame_offload.h promises. */
static void any_bytes_get_an_answer(void **state)
{
	uint64_t dice = 88172645463325252u;
	unsigned int passed = 0;

	for (unsigned int i = 0; i < 200000; i++) {
		struct fg_packet packet = packets[i % PACKETS];
		struct subject s;

		packet.payload %= 200;
		make(&s, &packet);
		for (int k = 0; k < 3; k++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			if (dice % 3 == 0)
				((uint8_t *)&s.header)[dice >> 8 & 7] = (uint8_t)(dice >> 16);
			else
				bytes[12 + (dice >> 8 & 63)] = (uint8_t)(dice >> 16);
		}
		if (dice % 4 == 0)
			s.len = 14 + (uint32_t)(dice >> 32) % (s.len - 13);
		if (!passes(&s, FRAME_OFFLOADS) || s.frame.offload.flags == 0)
			continue;
		passed++;
		assert_true(s.frame.offload.csum_start >= 14);
		assert_true(s.frame.offload.csum_start + s.frame.offload.csum_offset + 2u <= s.frame.len);
		if (s.frame.offload.gso_type != 0)
			assert_true(s.frame.offload.csum_start + s.frame.offload.csum_offset + 2u <=
				    s.frame.offload.hdr_len);
		assert_true(s.frame.offload.hdr_len <= s.frame.head_len);
	}
	assert_true(passed > 1000);
}

/* virtio 1.3, 5.1.3.1: a bit whose requirement is missing is none. */
static void features_make_an_agreement(void **state)
{
	uint64_t host = F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_USO);
	uint64_t guest = F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO6) |
			 F(VIRTIO_NET_F_GUEST_ECN) | F(VIRTIO_NET_F_GUEST_USO4);

	assert_int_equal(frame_offloads_from_guest(host | guest),
			 FRAME_CSUM | FRAME_TSO4 | FRAME_USO4 | FRAME_USO6);
	assert_int_equal(frame_offloads_to_guest(host | guest),
			 FRAME_CSUM | FRAME_TSO6 | FRAME_ECN | FRAME_USO4);
	assert_int_equal(frame_offloads_from_guest(host & ~F(VIRTIO_NET_F_CSUM)), 0);
	assert_int_equal(frame_offloads_to_guest(guest & ~F(VIRTIO_NET_F_GUEST_CSUM)), 0);
	assert_int_equal(frame_offloads_from_guest(guest), 0);
	assert_int_equal(frame_offloads_to_guest(host), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_drivers_send_is_understood),
		cmocka_unit_test(only_what_was_agreed_passes),
		cmocka_unit_test(ecn_is_a_property_of_tso),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(a_sum_in_a_tunnel_passes_and_is_not_cut_up),
		cmocka_unit_test(a_cap_on_what_is_cut_up),
		cmocka_unit_test(what_is_not_asked_leaves_nothing),
		cmocka_unit_test(any_bytes_get_an_answer),
		cmocka_unit_test(features_make_an_agreement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
