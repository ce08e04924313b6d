/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segmentation through the real switch: what two guests agreed to passes between them untouched, any other
 * gets whole and right packets, and every frame is accounted for (E1, E2, with the pieces that the switch made).
 */
#include "account.h"

#include <stdlib.h>
#include <string.h>

#define ASKS (FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS)
#define TAKES (FG_FEATURES_DEFAULT | FG_F_GUEST_OFFLOADS)

static const struct fg_options asker = {.features = ASKS | FG_F_GUEST_OFFLOADS};
static const struct fg_options caps = {.features = TAKES};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};

static const struct fg_packet packets[] = {
	{.payload = 1},
	{.payload = 1400, .vlans = 1, .seed = 1},
	{.payload = 700, .udp = true, .ipv6 = true, .seed = 2},
	{.payload = 30000, .gso_size = 1448, .tcp_more = 12, .tcp_flags = FG_ACK | FG_PSH, .seed = 3},
	{.payload = 60001, .gso_size = 1428, .ipv6 = true, .ip_more = 8, .vlans = 2, .seed = 4},
	{.payload = 12000, .gso_size = 1200, .udp = true, .vlans = 1, .seed = 5},
	{.payload = 40000, .gso_size = 1232, .udp = true, .ipv6 = true, .seed = 6},
};
enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

static uint8_t frame[FG_FRAME_MAX + 64], got[FG_FRAME_MAX + 64];

static uint32_t pieces_of(const struct fg_packet *p)
{
	return p->gso_size == 0 ? 1 : (p->payload + p->gso_size - 1) / p->gso_size;
}

static uint32_t send_packet(struct guest *a, const uint8_t *dst, const struct fg_packet *p,
			    const struct fg_layout *layout)
{
	uint32_t len = fg_packet_build(p, dst, a->nic.mac, frame, &a->nic.tx_header);

	OK(fg_nic_send(&a->nic, frame, len, layout));
	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	memset(&a->nic.tx_header, 0, sizeof(a->nic.tx_header));
	return len;
}

/* The packet as it was sent, header and all. */
static void receive_whole(struct guest *b, uint32_t len, const struct fg_vnet *header)
{
	int n = fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS);

	assert_int_equal(n, len);
	assert_memory_equal(got, frame, len);
	assert_memory_equal(&b->nic.rx_header, header, sizeof(*header));
}

/* The packets it stands for. */
static void receive_finished(struct guest *b, const struct fg_packet *p)
{
	static const struct fg_vnet nothing;
	uint32_t done = 0;

	for (uint32_t i = 0; i < pieces_of(p); i++) {
		struct fg_parsed parsed;
		const char *wrong;
		int n = fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS);

		if (n < 0)
			fail_msg("piece %u of %u: %s", i, pieces_of(p), strerror(-n));
		assert_memory_equal(&b->nic.rx_header, &nothing, sizeof(nothing));
		wrong = fg_packet_check(p, got, (size_t)n, true, &parsed);
		if (wrong != NULL)
			fail_msg("piece %u: %s", i, wrong);
		for (uint32_t k = 0; k < parsed.len; k++)
			if (got[parsed.payload + k] != fg_packet_byte(p->seed, done + k))
				fail_msg("piece %u: byte %u", i, k);
		done += parsed.len;
	}
	assert_int_equal(done, p->payload);
}

static struct guest *run(const char *port, const struct fg_options *opt)
{
	const struct fg_nic_options *nic = opt == &asker ? &large : NULL;
	struct guest *g = guest_open(port, opt);

	assert_int_equal(g->s.features & opt->features, opt->features);
	guest_start(g, nic);
	g->nic.takes_offloads = true;
	return g;
}

static void between_guests_that_agreed_it_passes_untouched(void **state)
{
	static const struct fg_layout *layouts[] = {&fg_layout_one, &fg_layout_two, &fg_layout_indirect};
	struct guest *a = run("a", &asker);
	struct guest *b = run("b", &caps);
	struct account before;

	settle(b, a);
	read_account("b", &before);
	for (unsigned int i = 0; i < 3 * PACKETS; i++) {
		const struct fg_packet *p = &packets[i % PACKETS];
		struct fg_vnet header;

		fg_packet_build(p, b->nic.mac, a->nic.mac, frame, &header);
		receive_whole(b, send_packet(a, b->nic.mac, p, layouts[i / PACKETS]), &header);
	}
	expect_account("b", &before, &(struct account){.tx_ok = 3 * PACKETS});
	assert_silence(b);
}

static void a_guest_that_agreed_to_nothing_gets_it_finished(void **state)
{
	struct account want = {0}, a0, b0;
	struct guest *a = run("a", &asker);
	struct guest *b = guest_run("b", NULL);

	settle(b, a);
	read_account("a", &a0);
	read_account("b", &b0);
	for (unsigned int i = 0; i < PACKETS; i++) {
		const struct fg_packet *p = &packets[i];

		send_packet(a, b->nic.mac, p, i % 2 ? &fg_layout_two : &fg_layout_indirect);
		receive_finished(b, p);
		want.tx_ok += pieces_of(p);
		want.tx_segments += pieces_of(p) - 1;
		want.tx_segmented += p->gso_size != 0;
		want.tx_checksummed += p->gso_size == 0;
	}
	expect_account("a", &a0, &(struct account){.rx_ok = PACKETS});
	expect_account("b", &b0, &want);
	assert_silence(b);
}

/* To everybody: each receiver gets what it agreed to. */
static void a_flooded_frame_is_finished_for_each_receiver(void **state)
{
	const struct fg_packet *p = &packets[3];
	struct account a0, b0, c0;
	struct guest *a = run("a", &asker);
	struct guest *b = run("b", &caps);
	struct guest *c = guest_run("c", NULL);
	struct fg_vnet header;

	read_account("a", &a0);
	read_account("b", &b0);
	read_account("c", &c0);
	fg_packet_build(p, everybody, a->nic.mac, frame, &header);
	receive_whole(b, send_packet(a, everybody, p, NULL), &header);
	receive_finished(c, p);
	expect_account("a", &a0, &(struct account){.rx_ok = 1, .copies = 1});
	expect_account("b", &b0, &(struct account){.tx_ok = 1});
	expect_account("c", &c0,
		       &(struct account){.tx_ok = 21, .tx_segmented = 1, .tx_segments = 20});
}

/* A receiver without merged buffers whose driver keeps to virtio 1.2, 5.1.6.3.1: 65562 bytes each. */
static void large_buffers_take_large_frames(void **state)
{
	const struct fg_options opt = {.features = TAKES & ~FG_F_MRG_RXBUF};
	struct guest *a = run("a", &asker);
	struct guest *b = guest_open("b", &opt);
	struct fg_vnet header;

	guest_start(b, &(struct fg_nic_options){.rx_size = 65562, .depth = 4, .region = -1});
	b->nic.takes_offloads = true;
	fg_packet_build(&packets[4], b->nic.mac, a->nic.mac, frame, &header);
	receive_whole(b, send_packet(a, b->nic.mac, &packets[4], &fg_layout_indirect), &header);
}

/* O1 to O4 over a real socket: 7 headers of each kind, dropped and counted, and the good one after them arrives. */
static void hostile_headers_are_dropped_and_counted(void **state)
{
	static const struct fg_vnet bad[] = {
		{FG_NEEDS_CSUM, 0, 0, 0, 0xffff, 16},
		{FG_NEEDS_CSUM, 0, 0, 0, 34, 0xffff},
		{FG_NEEDS_CSUM, 0, 0, 0, 0, 16},
		{FG_NEEDS_CSUM, 0, 0, 0, 14, 10},
		{FG_NEEDS_CSUM, FG_GSO_TCPV4, 54, 0, 34, 16},
		{FG_NEEDS_CSUM, FG_GSO_TCPV4, 54, 1, 34, 16},
		{FG_NEEDS_CSUM, FG_GSO_TCPV6, 54, 1000, 34, 16},
		{FG_NEEDS_CSUM, FG_GSO_UDP, 54, 1000, 34, 16},
		{FG_NEEDS_CSUM, FG_GSO_UDP_L4, 54, 1000, 34, 16},
		{FG_NEEDS_CSUM, FG_GSO_ECN, 54, 1000, 34, 16},
		{FG_NEEDS_CSUM, 0x7f, 65535, 1000, 34, 16},
		{0, FG_GSO_TCPV4, 54, 1000, 34, 16},
		{0xff, 0xff, 0xffff, 0xffff, 0xffff, 0xffff},
	};
	enum { BAD = sizeof(bad) / sizeof(bad[0]) };
	const struct fg_packet good = {.payload = 3000, .gso_size = 1000};
	struct account before;
	struct guest *a = run("a", &asker);
	struct guest *b = run("b", &caps);
	struct fg_vnet header;
	uint32_t len = fg_packet_build(&good, b->nic.mac, a->nic.mac, frame, &header);

	settle(b, a);
	read_account("a", &before);
	for (unsigned int i = 0; i < 7 * BAD; i++) {
		a->nic.tx_header = bad[i % BAD];
		OK(fg_nic_send(&a->nic, frame, len, i & 1 ? &fg_layout_two : &fg_layout_one));
		OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	}
	expect_account("a", &before, &(struct account){.rx_drop[RX_DROP_OFFLOAD] = 7 * BAD});
	receive_whole(b, send_packet(a, b->nic.mac, &good, NULL), &header);
	assert_silence(b);
}

/* A guest's own tunnel (VXLAN here): the checksum that is left open is that of the packet inside. */
static void a_tunnel_of_the_guests_own_passes(void **state)
{
	static const struct fg_packet in = {.payload = 1000, .ipv6 = true, .seed = 8};
	enum { OUTER = 14 + 20 + 8 + 8 };
	struct guest *a = run("a", &asker);
	struct guest *b = run("b", &caps);
	struct guest *c = guest_run("c", NULL);
	struct fg_vnet header, unused;
	struct fg_parsed parsed;
	uint32_t len;

	len = fg_packet_build(&in, b->nic.mac, a->nic.mac, frame + OUTER, &header);
	fg_packet_build(&(struct fg_packet){.udp = true, .payload = 0}, everybody, a->nic.mac, frame,
			&unused);
	header.csum_start += OUTER;
	a->nic.tx_header = header;
	OK(fg_nic_send(&a->nic, frame, OUTER + len, &fg_layout_indirect));
	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	receive_whole(b, OUTER + len, &header);
	assert_int_equal(fg_nic_recv(&c->nic, got, sizeof(got), FG_WAIT_MS), OUTER + len);
	assert_int_equal(c->nic.rx_header.flags, 0);
	assert_memory_equal(got, frame, OUTER);
	assert_null(fg_packet_check(&in, got + OUTER, len, true, &parsed));
}

/* A burst that mixes all kinds, posted at once: nothing changes its place. */
static void a_mixed_burst_keeps_its_order(void **state)
{
	struct guest *a = run("a", &asker);
	struct guest *b = guest_run("b", NULL);
	struct fg_flow flow = {.id = 77};

	settle(b, a);
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint32_t len = fg_packet_build(&packets[i], b->nic.mac, a->nic.mac, frame,
					       &a->nic.tx_header);

		OK(fg_nic_queue(&a->nic, frame, len, NULL));
		memset(&a->nic.tx_header, 0, sizeof(a->nic.tx_header));
		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, 200);
		OK(fg_nic_queue(&a->nic, frame, 200, NULL));
	}
	fg_nic_flush(&a->nic);
	for (unsigned int i = 0; i < PACKETS; i++) {
		int n;

		receive_finished(b, &packets[i]);
		n = fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS);
		assert_int_equal(n, 200);
		assert_true(fg_flow_check(&flow, got, (size_t)n));
	}
	assert_true(fg_flow_whole(&flow));
}

/* A NIC that can do nothing by itself: a ring, which gives back all it is given. */
static void a_nic_that_cannot_gets_it_finished(void **state)
{
	struct guest *r = run("r", &asker);
	struct account r0, up0, want = {0};

	read_account("r", &r0);
	read_account("up", &up0);
	for (unsigned int i = 0; i < PACKETS; i++) {
		send_packet(r, everybody, &packets[i], NULL);
		receive_finished(r, &packets[i]);
		want.tx_ok += pieces_of(&packets[i]);
		want.tx_segments += pieces_of(&packets[i]) - 1;
		want.tx_segmented += packets[i].gso_size != 0;
		want.tx_checksummed += packets[i].gso_size == 0;
	}
	want.rx_ok = want.tx_ok;
	expect_account("up", &up0, &want);
	expect_account("r", &r0, &(struct account){.rx_ok = PACKETS, .tx_ok = want.tx_ok});
}

/* offloads: off */
static void a_port_may_offer_none(void **state)
{
	struct guest *c = guest_open("n", &asker);

	assert_int_equal(c->s.offered & (FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS), 0);
}

int main(void)
{
	static const char *const ports[] = {
		"a", "b", "c", "n,offloads=off,bridge=br1", "r,bridge=br2", NULL};
	static const char *const args[] = {"--ethdev", "up=net_ring0,bridge=br2", NULL};
	static const char *const eal[] = {"--vdev", "net_ring0", NULL};
	static const struct fg_switch_options fixture_options = {
		.ports = ports, .args = args, .eal = eal};
	static const struct CMUnitTest cases[] = {
		TEST_CASE(between_guests_that_agreed_it_passes_untouched),
		TEST_CASE(a_guest_that_agreed_to_nothing_gets_it_finished),
		TEST_CASE(a_flooded_frame_is_finished_for_each_receiver),
		TEST_CASE(large_buffers_take_large_frames),
		TEST_CASE(hostile_headers_are_dropped_and_counted),
		TEST_CASE(a_tunnel_of_the_guests_own_passes),
		TEST_CASE(a_mixed_burst_keeps_its_order),
		TEST_CASE(a_nic_that_cannot_gets_it_finished),
		TEST_CASE(a_port_may_offer_none),
	};

	return fixture_main_on(&fixture_options, "offload", CASES(cases));
}
