/* SPDX-License-Identifier: BSD-3-Clause */
/* Offloads from one guest's ring to another's, in both formats: between guests that both agreed a frame passes as it is,
 * header and all; for any other receiver it is finished, and a plain one never sees a header that asks (O6, O7). */
#include <linux/virtio_config.h>
#include <string.h>

#include "cases.h"
#include "fg_packet.h"
#include "frame_offload.h"
#include "rig.h"
#include "vnet.h"

#define PLAIN (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC))
#define MERGEABLE (PLAIN | F(VIRTIO_NET_F_MRG_RXBUF))
#define HOST_ALL                                                                                   \
	(F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) |            \
	 F(VIRTIO_NET_F_HOST_ECN) | F(VIRTIO_NET_F_HOST_USO))
#define GUEST_ALL                                                                                  \
	(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6) |    \
	 F(VIRTIO_NET_F_GUEST_ECN) | F(VIRTIO_NET_F_GUEST_USO4) | F(VIRTIO_NET_F_GUEST_USO6))

enum { HEADER = 12, LONGEST = 70000, WIRE = 1522 };

static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};
static struct ring from, to;
static struct port_counters in, out;
static uint8_t message[LONGEST], seen[LONGEST];

static void open_rings(uint64_t sender, uint64_t receiver)
{
	rig_reset(&rig);
	memset(&in, 0, sizeof(in));
	memset(&out, 0, sizeof(out));
	ring_open(&from, &rig, 256, sender, 0);
	ring_open(&to, &rig, 256, receiver, 0);
}

static void close_rings(void)
{
	ring_close(&from);
	ring_close(&to);
}

/* The receiver offers n buffers. */
static uint64_t offer(uint32_t len, uint16_t n)
{
	uint64_t at = rig_alloc(&rig, (uint64_t)len * n, 8);

	for (uint16_t i = 0; i < n; i++) {
		struct piece one = {at + (uint64_t)i * len, len};

		ring_offer(&to, ring_chain(&to, &one, 1, true, CHAIN_DIRECT));
	}
	ring_show(&to);
	return at;
}

/* The sender posts the packet with the header built for it (or `header`), in a few pieces. */
static uint32_t post(const struct fg_packet *packet, const struct fg_vnet *header)
{
	struct fg_vnet own;
	uint32_t len = fg_packet_build(packet, dst, src, message + HEADER, &own);
	uint64_t at = rig_alloc(&rig, HEADER + len, 8);
	struct piece pieces[3] = {{at, 40}, {at + 40, 7}, {at + 47, HEADER + len - 47}};

	memset(message, 0, HEADER);
	memcpy(message, header != NULL ? header : &own, sizeof(own));
	rig_put(&rig, at, message, HEADER + len);
	ring_offer(&from, ring_chain(&from, pieces, 3, false, CHAIN_INDIRECT));
	ring_show(&from);
	return len;
}

static void pass_on(uint32_t len_max)
{
	struct frame *frames[BURST_MAX];

	role_assert_lcore();
	if (vnet_receive(&from.q, &burst, BURST_MAX, &in) == 0)
		return;
	for (uint16_t i = 0; i < burst.n; i++)
		frames[i] = &burst.frame[i];
	vnet_deliver(&to.q, frames, burst.n, len_max, &out);
	vnet_complete(&from.q, &burst);
}

static const struct fg_packet packets[] = {
	{.payload = 1000},
	{.payload = 3, .udp = true, .vlans = 1},
	{.payload = 20000, .gso_size = 1448, .tcp_more = 12, .tcp_flags = FG_ACK | FG_PSH | FG_CWR},
	{.payload = 20001, .gso_size = 1428, .ipv6 = true, .tcp_more = 12, .vlans = 2},
	{.payload = 20000, .gso_size = 1400, .udp = true},
	{.payload = 20000, .gso_size = 1400, .udp = true, .ipv6 = true},
};
enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

static void both_agreed_and_it_passes_as_it_is(void **state)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint32_t len, id, written;
		uint64_t at;

		open_rings(PLAIN | HOST_ALL, PLAIN | GUEST_ALL);
		at = offer(65562, 1);
		len = post(&packets[i], NULL);
		pass_on(WIRE);
		assert_int_equal(counted(&out.tx_ok), 1);
		assert_true(ring_take(&to, &id, &written));
		assert_int_equal(written, HEADER + len);
		rig_get(&rig, at, seen, HEADER + len);
		message[10] = 1; /* num_buffers */
		assert_memory_equal(seen, message, HEADER + len);
		assert_int_equal(counted(&out.tx_checksummed) + counted(&out.tx_segmented), 0);
		close_rings();
	}
}

/* The same into small buffers that are merged. */
static void a_large_frame_is_merged_from_small_buffers(void **state)
{
	const struct fg_packet *packet = &packets[2];
	uint32_t len, id, written, got = 0, n = 0;
	uint64_t at;

	open_rings(PLAIN | HOST_ALL, MERGEABLE | GUEST_ALL);
	at = offer(1536, 100);
	len = post(packet, NULL);
	pass_on(WIRE);
	while (ring_take(&to, &id, &written)) {
		rig_get(&rig, at + (uint64_t)n++ * 1536, seen + got, written);
		got += written;
	}
	assert_int_equal(got, HEADER + len);
	assert_int_equal(n, (HEADER + len + 1535) / 1536);
	message[10] = (uint8_t)n;
	assert_memory_equal(seen, message, HEADER + len);
	close_rings();
}

/* Takes the frames that one packet became: their headers are zero, and they are right. */
static uint32_t take_finished(const struct fg_packet *packet, uint64_t at)
{
	static const uint8_t nothing[10];
	uint32_t id, written, done = 0, n = 0;

	while (ring_take(&to, &id, &written)) {
		struct fg_parsed parsed;
		const char *wrong;

		rig_get(&rig, at + (uint64_t)n * 2048, seen, written);
		assert_memory_equal(seen, nothing, sizeof(nothing));
		wrong = fg_packet_check(packet, seen + HEADER, written - HEADER, true, &parsed);
		if (wrong != NULL)
			fail_msg("frame %u: %s", n, wrong);
		for (uint32_t i = 0; i < parsed.len; i++)
			assert_int_equal(seen[HEADER + parsed.payload + i],
					 fg_packet_byte(packet->seed, done + i));
		done += parsed.len;
		n++;
	}
	assert_int_equal(done, packet->payload);
	return n;
}

static void a_plain_receiver_gets_plain_frames(void **state)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint16_t size = packets[i].gso_size;
		uint32_t pieces = size == 0 ? 1 : (packets[i].payload + size - 1u) / size;
		uint64_t at;

		open_rings(PLAIN | HOST_ALL, PLAIN | (i % 2 == 0 ? 0 : F(VIRTIO_NET_F_MRG_RXBUF)));
		at = offer(2048, 20);
		post(&packets[i], NULL);
		pass_on(WIRE);
		assert_int_equal(take_finished(&packets[i], at), pieces);
		assert_int_equal(counted(&out.tx_ok), pieces);
		assert_int_equal(counted(&out.tx_checksummed), size == 0);
		assert_int_equal(counted(&out.tx_segmented), size != 0);
		assert_int_equal(counted(&out.tx_segments), pieces - 1);
		assert_int_equal(drops_of_tx(&out), 0);
		close_rings();
	}
}

/* One that checks sums and takes nothing large; one that takes IPv4 only. */
static void a_receiver_gets_no_more_than_it_agreed_to(void **state)
{
	uint64_t at;

	open_rings(PLAIN | HOST_ALL, PLAIN | F(VIRTIO_NET_F_GUEST_CSUM));
	at = offer(2048, 20);
	post(&packets[2], NULL);
	pass_on(WIRE);
	assert_int_equal(take_finished(&packets[2], at), 14);
	close_rings();
	open_rings(PLAIN | HOST_ALL,
		   PLAIN | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4));
	at = offer(2048, 20);
	post(&packets[3], NULL);
	pass_on(WIRE);
	assert_int_equal(take_finished(&packets[3], at), 15);
	close_rings();
	/* TSO without GUEST_CSUM is no agreement (virtio 1.2, 5.1.3.1). */
	open_rings(PLAIN | HOST_ALL, PLAIN | F(VIRTIO_NET_F_GUEST_TSO4));
	at = offer(2048, 20);
	post(&packets[2], NULL);
	pass_on(WIRE);
	assert_int_equal(take_finished(&packets[2], at), 14);
	close_rings();
}

/* A guest's MTU applies to what the frame becomes on a wire. */
static void an_mtu_is_about_the_pieces(void **state)
{
	const struct fg_packet fits = {.payload = 9000, .gso_size = 1000};
	const struct fg_packet large = {.payload = 9000, .gso_size = 1600};

	for (int plain = 0; plain < 2; plain++) {
		open_rings(PLAIN | HOST_ALL, PLAIN | (plain ? 0 : GUEST_ALL));
		offer(plain ? 2048 : 12000, 12);
		post(&fits, NULL);
		post(&large, NULL);
		pass_on(WIRE);
		assert_int_equal(counted(&out.tx_ok), plain ? 9 : 1);
		assert_int_equal(counted(&out.tx_drop[TX_DROP_TOO_BIG]), 1);
		close_rings();
	}
}

/* Too few buffers for the pieces: what there was room for arrives, the rest is counted. */
static void pieces_without_a_buffer_are_counted(void **state)
{
	open_rings(PLAIN | HOST_ALL, PLAIN);
	offer(2048, 9);
	post(&packets[2], NULL);
	pass_on(WIRE);
	assert_int_equal(counted(&out.tx_ok), 9);
	assert_int_equal(counted(&out.tx_drop[TX_DROP_NO_BUFFER]), 5);
	assert_int_equal(1 + counted(&out.tx_segments), counted(&out.tx_ok) + drops_of_tx(&out));
	close_rings();
}

/* O3: who did not agree may not ask; and the frames around one that is refused pass. */
static void what_was_not_agreed_is_dropped_and_counted(void **state)
{
	const struct fg_packet plain = {.payload = 100};
	const struct fg_vnet nothing = {0};
	uint32_t id, written, n = 0;

	open_rings(PLAIN | F(VIRTIO_NET_F_CSUM), PLAIN | GUEST_ALL);
	offer(65562, 4);
	post(&plain, &nothing);
	for (unsigned int i = 2; i < PACKETS; i++)
		post(&packets[i], NULL);
	post(&plain, NULL);
	pass_on(WIRE);
	assert_int_equal(counted(&in.rx_drop[RX_DROP_OFFLOAD]), PACKETS - 2);
	assert_int_equal(drops_of_rx(&in), PACKETS - 2);
	assert_int_equal(counted(&out.tx_ok), 2);
	while (ring_take(&from, &id, &written))
		n++;
	assert_int_equal(n, PACKETS);
	close_rings();
}

/* A NIC's word for the checksums goes to guests that agreed to it, and to no others. */
static void validity_is_told_to_those_who_listen(void **state)
{
	static const uint64_t features[] = {PLAIN, PLAIN | F(VIRTIO_NET_F_GUEST_CSUM)};
	static uint8_t bytes[60];

	role_assert_lcore();
	for (unsigned int i = 0; i < 2; i++) {
		struct frame frame = {.head = bytes, .head_len = 60, .len = 60};
		struct frame *one = &frame;
		uint64_t at;

		frame.valid = VIRTIO_NET_HDR_F_DATA_VALID;
		open_rings(PLAIN, features[i]);
		at = offer(2048, 1);
		vnet_deliver(&to.q, &one, 1, WIRE, &out);
		rig_get(&rig, at, seen, HEADER);
		assert_int_equal(seen[0], i == 0 ? 0 : FG_DATA_VALID);
		close_rings();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_agreed_and_it_passes_as_it_is),
		cmocka_unit_test(a_large_frame_is_merged_from_small_buffers),
		cmocka_unit_test(a_plain_receiver_gets_plain_frames),
		cmocka_unit_test(a_receiver_gets_no_more_than_it_agreed_to),
		cmocka_unit_test(an_mtu_is_about_the_pieces),
		cmocka_unit_test(pieces_without_a_buffer_are_counted),
		cmocka_unit_test(what_was_not_agreed_is_dropped_and_counted),
		cmocka_unit_test(validity_is_told_to_those_who_listen),
	};
	return rig_run_both(CASES(tests), rig_setup, rig_teardown);
}
