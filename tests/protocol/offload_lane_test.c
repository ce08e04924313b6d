/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segmentation by way of a lane: a guest whose memory is still arriving (postcopy) gets what it agreed to,
 * finished by the lane if need be, and what it leaves to be done is passed on.
 */
#include "account.h"
#include "migration.h"

#include <string.h>

static const struct fg_options caps = {
	.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};

static uint8_t frame[FG_FRAME_MAX + 64], got[FG_FRAME_MAX + 64];

static uint32_t send_packet(struct guest *from, struct guest *to, const struct fg_packet *p)
{
	uint32_t len = fg_packet_build(p, to->nic.mac, from->nic.mac, frame, &from->nic.tx_header);

	OK(fg_nic_send(&from->nic, frame, len, NULL));
	OK(fg_nic_drain_tx(&from->nic, FG_WAIT_MS));
	return len;
}

/* From the peer, cut up for the guest, which takes nothing that is to be. */
static void inwards(const struct fg_packet *p, uint32_t pieces)
{
	static const struct fg_vnet nothing;
	uint32_t done = 0;

	send_packet(migration.peer, migration.g, p);
	for (uint32_t i = 0; i < pieces; i++) {
		struct fg_parsed parsed;
		int n = fg_nic_recv(&migration.g->nic, got, sizeof(got), FG_WAIT_MS);
		const char *wrong = n < 0 ? strerror(-n)
					  : fg_packet_check(p, got, (size_t)n, true, &parsed);

		if (wrong != NULL)
			fail_msg("piece %u: %s", i, wrong);
		assert_memory_equal(&migration.g->nic.rx_header, &nothing, sizeof(nothing));
		for (uint32_t k = 0; k < parsed.len; k++)
			assert_int_equal(got[parsed.payload + k], fg_packet_byte(p->seed, done + k));
		done += parsed.len;
	}
	assert_int_equal(done, p->payload);
}

/* From the guest, as it is: the peer takes it. */
static void outwards(const struct fg_packet *p)
{
	uint32_t len = send_packet(migration.g, migration.peer, p);

	assert_int_equal(fg_nic_recv(&migration.peer->nic, got, sizeof(got), FG_WAIT_MS), len);
	assert_memory_equal(got, frame, len);
	assert_memory_equal(&migration.peer->nic.rx_header, &migration.g->nic.tx_header,
			    sizeof(struct fg_vnet));
}

static void both_ways(void)
{
	inwards(&(struct fg_packet){.payload = 20000, .gso_size = 1448, .tcp_more = 12}, 14);
	outwards(&(struct fg_packet){.payload = 900, .gso_size = 400, .ipv6 = true});
	inwards(&(struct fg_packet){.payload = 5000, .gso_size = 1000, .udp = true, .vlans = 1}, 5);
	outwards(&(struct fg_packet){.payload = 700, .udp = true});
	inwards(&(struct fg_packet){.payload = 1000, .ipv6 = true}, 1);
}

static void a_guest_on_its_way_gets_what_it_agreed_to(void **state)
{
	const struct migration_options arriving = {
		.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS, .delay_us = 100};
	struct account before;
	struct guest *peer = guest_open("h1", &caps);

	guest_start(peer, &large);
	peer->nic.takes_offloads = true;
	read_account("h0", &before);
	migration_arrive("h0", peer, &arriving);
	for (int i = 0; i < WAITING; i++)
		assert_true(fg_nic_recv(&peer->nic, got, sizeof(got), FG_WAIT_MS) > 0);
	await_lanes(1);
	both_ways();
	migration_end();
	both_ways();
	/* What the lane counted is the port's, and nothing is missing. */
	expect_account("h0", &before,
		       &(struct account){.rx_ok = WAITING + 4,
					 .copies = 3 * WAITING, /* the peer was unknown */
					 .tx_ok = 2 * 20,
					 .tx_checksummed = 2,
					 .tx_segmented = 4,
					 .tx_segments = 2 * 17});
	await_lanes(0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		MIGRATION_CASE(a_guest_on_its_way_gets_what_it_agreed_to),
	};

	return migration_main("offload_lane", CASES(cases));
}
