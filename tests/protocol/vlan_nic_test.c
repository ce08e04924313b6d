/* SPDX-License-Identifier: BSD-3-Clause */
/* VLANs at a NIC that puts tags in itself: what comes out of it is what the switch would have sent, byte by byte. The device is
 * virtio-user, whose driver puts in the tag that an mbuf names, at a port of a second switch, where tags are bytes like others.
 *
 *	guests a, t, q -- switch (near, vlan-aware) -- up: net_virtio_user ==== x -- the fixture's switch -- guest y
 */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_MAX = 600 };

static const struct fg_options asker = {.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS};
static const struct fg_options taker = {.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};

/* What came out of the near switch. */
struct seen {
	unsigned int n;
	uint32_t len[SEEN_MAX];
	uint8_t *bytes[SEEN_MAX];
};

/* Guests are not the same in each run; their frames are. */
static const uint8_t station[3][6] = {{2, 0, 0, 0, 1, 1}, {2, 0, 0, 0, 1, 2}, {2, 0, 0, 0, 1, 3}};

static uint8_t frame[FG_FRAME_MAX + 64], got[FG_FRAME_MAX + 64];
static struct fg_switch near;

/* --- the two switches --------------------------------------------------------------------------------------------- */

/* The switch whose uplink is a port of the other. `up`: what else is said of the uplink. */
static void near_start(const char *up)
{
	static const char *const ports[] = {"a,access=10", "t,trunk=10+20-29", "q,qinq=20", NULL};
	static char vdev[FG_PATH_MAX + 64], ethdev[256], file[FG_PATH_MAX];
	static const char *const args[] = {"--config", file, "--ethdev", ethdev, NULL};
	static const char *const eal[] = {"--vdev", vdev, NULL};
	static const struct fg_switch_options opt = {.ports = ports, .args = args, .eal = eal};
	FILE *config;

	snprintf(ethdev, sizeof(ethdev), "up=net_virtio_user0,%s", up);
	snprintf(vdev, sizeof(vdev), "net_virtio_user0,path=%s,queues=1", fg_switch_socket(&fixture.sw, "x"));
	snprintf(file, sizeof(file), "%s/near.yaml", fixture.sw.dir);
	config = fopen(file, "w");
	assert_non_null(config);
	fputs("bridges:\n  - {name: br0, vlan-aware: on}\n", config);
	assert_int_equal(fclose(config), 0);
	OK(fg_switch_start(&near, &opt));
	assert_int_equal(remove(file), 0);
}

static void near_stop(void)
{
	OK(fg_switch_stop(&near));
	fg_switch_settle(&fixture.sw);
}

static struct guest *near_guest(const char *port, const struct fg_options *opt)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct guest *g = guest_idle();
	int err;

	/* Turned away while the one before has not been seen to go. */
	do {
		err = fg_session_open(&g->s, fg_switch_socket(&near, port), &g->mem, opt);
		g->mem.region[0].used = err == 0 ? g->mem.region[0].used : 0;
	} while (err == -ECONNRESET && fg_left_ms(deadline) > 0);
	OK(err);
	guest_start(g, &large);
	g->nic.takes_offloads = true;
	return g;
}

static struct guest *far_guest(const struct fg_options *opt)
{
	struct guest *g = guest_open("y", opt);

	guest_start(g, &large);
	g->nic.takes_offloads = true;
	return g;
}

/* Frames from one end arrive at the other. */
static void join(struct guest *from, struct guest *y)
{
	struct fg_flow flow = {.id = 4242};
	int n = -1;

	for (int tries = 0; tries < 100 && n < 0; tries++) {
		fg_flow_build(&flow, everybody, from->nic.mac, frame, 60);
		OK(fg_nic_send(&from->nic, frame, 60, NULL));
		n = fg_nic_recv(&y->nic, got, sizeof(got), 100);
	}
	assert_true(n > 0);
	while (fg_nic_recv(&y->nic, got, sizeof(got), 100) > 0)
		;
}

static void check_shown(const char *begins)
{
	json_t *answer = fg_switch_query(&near, "port", "up");
	const char *text = json_string_value(json_object_get(json_object_get(answer, "port"), "vlan_offload"));

	if (text == NULL || strncmp(text, begins, strlen(begins)) != 0)
		fail_msg("vlan_offload is \"%s\" and not \"%s...\"", text != NULL ? text : "", begins);
	json_decref(answer);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static uint32_t add_tag(uint32_t len, uint16_t type, uint16_t tci, struct fg_vnet *header)
{
	const uint8_t tag[] = {(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(tci >> 8), (uint8_t)tci};

	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, tag, sizeof(tag));
	if (header->flags != 0)
		header->csum_start = (uint16_t)(header->csum_start + 4);
	if (header->gso_type != 0)
		header->hdr_len = (uint16_t)(header->hdr_len + 4);
	return len + 4;
}

static void send_it(struct guest *g, uint32_t len, const struct fg_vnet *header)
{
	g->nic.tx_header = *header;
	OK(fg_nic_send(&g->nic, frame, len, NULL));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	memset(&g->nic.tx_header, 0, sizeof(g->nic.tx_header));
}

static const struct fg_packet packets[] = {
	{.payload = 0},
	{.payload = 0, .udp = true}, /* 42 bytes: padded */
	{.payload = 6, .udp = true},
	{.payload = 14, .udp = true, .seed = 1}, /* 60 with a tag */
	{.payload = 1446, .ipv6 = true, .udp = true, .seed = 2},
	{.payload = 30000, .gso_size = 1440, .tcp_more = 12, .tcp_flags = FG_ACK | FG_PSH, .seed = 3},
	{.payload = 20000, .gso_size = 1400, .ipv6 = true, .tcp_more = 12, .seed = 4},
	/* Cut up before the device has them. */
	{.payload = 12000, .gso_size = 1200, .udp = true, .seed = 5},
	{.payload = 9000, .gso_size = 1200, .ipv6 = true, .ip_more = 8, .seed = 6},
};
enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

static uint32_t pieces_of(const struct fg_packet *p)
{
	return p->gso_size == 0 ? 1 : (p->payload + p->gso_size - 1) / p->gso_size;
}

static void see(struct seen *seen, struct guest *y, uint32_t pieces)
{
	for (uint32_t i = 0; i < pieces; i++) {
		int n = fg_nic_recv(&y->nic, got, sizeof(got), FG_WAIT_MS);

		if (n < 0)
			fail_msg("frame %u, piece %u: %s", seen->n, i, strerror(-n));
		assert_true(seen->n < SEEN_MAX);
		seen->bytes[seen->n] = malloc((size_t)n);
		assert_non_null(seen->bytes[seen->n]);
		memcpy(seen->bytes[seen->n], got, (size_t)n);
		seen->len[seen->n++] = (uint32_t)n;
	}
}

/* All kinds of packets from all kinds of ports, with priorities and tags of guests' own, to a receiver that agreed to nothing:
 * each piece is seen. */
static void run_through(const char *up, const char *shown, struct seen *seen)
{
	static const uint16_t tcis[] = {10, 0xa00a, 0xb014, 20};
	struct guest *a, *t, *q, *y;
	struct fg_vnet header;
	struct account before;

	near_start(up);
	check_shown(shown);
	y = far_guest(NULL);
	a = near_guest("a", &asker);
	join(a, y);
	t = near_guest("t", &asker);
	q = near_guest("q", &asker);
	read_account("x", &before);
	for (unsigned int i = 0; i < PACKETS; i++) {
		const struct fg_packet *p = &packets[i];
		uint32_t pieces = pieces_of(p), len = fg_packet_build(p, everybody, station[0], frame, &header);

		send_it(a, len, &header);
		see(seen, y, pieces);
		len = add_tag(len, 0x8100, 0xe000, &header); /* a priority only */
		send_it(a, len, &header);
		see(seen, y, pieces);
		for (unsigned int k = 0; k < 4; k++) {
			len = fg_packet_build(p, everybody, station[1], frame, &header);
			len = add_tag(len, k % 2 ? 0x8100 : 0x88a8, tcis[k], &header);
			send_it(t, len, &header);
			see(seen, y, pieces);
		}
		/* A service tag, before a tag and before none. */
		len = fg_packet_build(p, everybody, station[2], frame, &header);
		send_it(q, len, &header);
		see(seen, y, pieces);
		len = add_tag(len, 0x8100, 7, &header);
		send_it(q, len, &header);
		see(seen, y, pieces);
	}
	assert_silence(y);
	assert_int_equal(since("x", &before).rx_drop[RX_DROP_OFFLOAD], 0);
	assert_int_equal(fg_counter(&near, "up", "tx_drop.refused"), 0);
	guest_close(a);
	guest_close(t);
	guest_close(q);
	guest_close(y);
	near_stop();
}

static void forget(struct seen *seen)
{
	while (seen->n > 0)
		free(seen->bytes[--seen->n]);
}

/* --- the cases ---------------------------------------------------------------------------------------------------- */

static void the_wire_is_the_same(void **state)
{
	static const char *const ups[] = {
		"trunk=10+20-29", "trunk=20-29,native-vlan=10", "trunk=20-29,native-vlan=10,native-tagged=on",
		"trunk=10+20-29,offloads=off",
	};
	static struct seen with, without;

	for (unsigned int u = 0; u < sizeof(ups) / sizeof(ups[0]); u++) {
		char up[128];

		snprintf(up, sizeof(up), "%s,vlan-offload=on", ups[u]);
		run_through(up, "on: the device puts tags", &with);
		snprintf(up, sizeof(up), "%s,vlan-offload=off", ups[u]);
		run_through(up, "off", &without);
		assert_int_equal(with.n, without.n);
		for (unsigned int i = 0; i < with.n; i++) {
			if (with.len[i] != without.len[i])
				fail_msg("%s, frame %u: %u bytes and not %u", ups[u], i, with.len[i], without.len[i]);
			assert_memory_equal(with.bytes[i], without.bytes[i], with.len[i]);
		}
		/* The first is a guest's without a tag. */
		assert_int_equal(with.bytes[0][12], u == 1 ? 0x08 : 0x81);
		forget(&with);
		forget(&without);
	}
}

/* Segmentation stays the device's: a receiver that takes long frames gets them long, with the tag in front. */
static void a_long_frame_stays_one(void **state)
{
	struct guest *a, *y;
	struct fg_vnet header;
	uint32_t len;

	near_start("trunk=10+20-29,vlan-offload=on");
	y = far_guest(&taker);
	a = near_guest("a", &asker);
	join(a, y);
	for (unsigned int i = 5; i <= 6; i++) {
		len = fg_packet_build(&packets[i], everybody, a->nic.mac, frame, &header);
		send_it(a, len, &header);
		len = add_tag(len, 0x8100, 10, &header);
		assert_int_equal(fg_nic_recv(&y->nic, got, sizeof(got), FG_WAIT_MS), len);
		assert_memory_equal(got, frame, len);
		assert_int_equal(y->nic.rx_header.gso_size, header.gso_size);
		assert_int_equal(y->nic.rx_header.csum_start, header.csum_start);
		assert_int_equal(y->nic.rx_header.hdr_len, header.hdr_len);
	}
	assert_int_equal(fg_counter(&near, "up", "tx_segmented"), 0);
	guest_close(a);
	guest_close(y);
	near_stop();
}

/* A driver that uses our CPU for it is not asked unless the user says so. */
static void a_slow_driver_is_left_in_peace(void **state)
{
	near_start("trunk=10+20-29");
	check_shown("on, but the switch puts tags in: the device's driver");
	near_stop();
}

int main(void)
{
	static const char *const ports[] = {"x", "y", NULL};
	static const struct fg_switch_options fixture_options = {.ports = ports};
	static const struct CMUnitTest cases[] = {
		TEST_CASE(the_wire_is_the_same),
		TEST_CASE(a_long_frame_stays_one),
		TEST_CASE(a_slow_driver_is_left_in_peace),
	};

	return fixture_main_on(&fixture_options, "vlan_nic", CASES(cases));
}
