/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segmentation handed to a device, and taken from one. The device is virtio-user, DPDK's own driver, at a port
 * of a second switch: what the first one leaves to its uplink, the second one sees as a guest's request.
 *
 *	guest a -- switch (near) -- up: net_virtio_user ==== x -- the fixture's switch -- guest y
 */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct fg_options offloads = {
	.features = FG_FEATURES_DEFAULT | FG_F_HOST_OFFLOADS | FG_F_GUEST_OFFLOADS};
static const struct fg_nic_options large = {.tx_size = 65550, .depth = 64, .region = -1};

static uint8_t frame[FG_FRAME_MAX + 64], got[FG_FRAME_MAX + 64];
static struct fg_switch near;

/* The switch whose uplink is a port of the other. */
static void near_start(const char *ethdev)
{
	static const char *const ports[] = {"a", NULL};
	static char vdev[FG_PATH_MAX + 64];
	static const char *args[] = {"--ethdev", NULL, NULL};
	static const char *const eal[] = {"--vdev", vdev, NULL};
	static struct fg_switch_options opt = {.ports = ports, .args = args, .eal = eal};

	args[1] = ethdev;
	snprintf(vdev, sizeof(vdev), "net_virtio_user0,path=%s,queues=1",
		 fg_switch_socket(&fixture.sw, "x"));
	OK(fg_switch_start(&near, &opt));
}

static struct guest *near_guest(const struct fg_options *opt, const struct fg_nic_options *nic)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct guest *g = guest_idle();
	int err;

	/* Turned away while the one before has not been seen to go. */
	do {
		err = fg_session_open(&g->s, fg_switch_socket(&near, "a"), &g->mem, opt);
		g->mem.region[0].used = err == 0 ? g->mem.region[0].used : 0;
	} while (err == -ECONNRESET && fg_left_ms(deadline) > 0);
	OK(err);
	guest_start(g, nic);
	g->nic.takes_offloads = true;
	return g;
}

static struct guest *far_guest(const struct fg_options *opt, const struct fg_nic_options *nic)
{
	struct guest *g = guest_open("y", opt);

	guest_start(g, nic);
	g->nic.takes_offloads = true;
	return g;
}

/* Both switches have their ports up: a frame from one end arrives at the other. */
static void join(struct guest *a, struct guest *y)
{
	struct fg_flow flow = {.id = 4242};
	int n = -1;

	for (int tries = 0; tries < 100 && n < 0; tries++) {
		fg_flow_build(&flow, everybody, a->nic.mac, frame, 60);
		OK(fg_nic_send(&a->nic, frame, 60, NULL));
		n = fg_nic_recv(&y->nic, got, sizeof(got), 100);
	}
	assert_int_equal(n, 60);
	while (fg_nic_recv(&y->nic, got, sizeof(got), 100) > 0)
		;
}

static uint32_t send_packet(struct guest *from, const struct fg_packet *p)
{
	uint32_t len = fg_packet_build(p, everybody, from->nic.mac, frame, &from->nic.tx_header);

	OK(fg_nic_send(&from->nic, frame, len, NULL));
	OK(fg_nic_drain_tx(&from->nic, FG_WAIT_MS));
	return len;
}

static void receive_finished(struct guest *to, const struct fg_packet *p, uint32_t pieces)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < pieces; i++) {
		struct fg_parsed parsed;
		int n = fg_nic_recv(&to->nic, got, sizeof(got), FG_WAIT_MS);
		/* A checksum may still be open, for a guest that takes it so. */
		bool open = to->nic.rx_header.flags == FG_NEEDS_CSUM;
		const char *wrong = n < 0 ? strerror(-n)
					  : fg_packet_check(p, got, (size_t)n, !open, &parsed);

		if (wrong != NULL)
			fail_msg("piece %u: %s", i, wrong);
		assert_int_equal(to->nic.rx_header.gso_type, 0);
		for (uint32_t k = 0; k < parsed.len; k++)
			assert_int_equal(got[parsed.payload + k], fg_packet_byte(p->seed, done + k));
		done += parsed.len;
	}
	assert_int_equal(done, p->payload);
}

/* The device's own: TCP to be cut up, and open checksums. */
static void a_device_gets_what_it_can_do(void **state)
{
	static const struct fg_packet packets[] = {
		{.payload = 800},
		{.payload = 900, .udp = true, .ipv6 = true},
		{.payload = 30000, .gso_size = 1448, .tcp_more = 12},
		{.payload = 60000, .gso_size = 1428, .tcp_more = 12, .ipv6 = true, .vlans = 1},
	};
	enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };
	struct guest *a, *y;

	near_start("up=net_virtio_user0");
	y = far_guest(&offloads, NULL);
	a = near_guest(&offloads, &large);
	join(a, y);
	for (unsigned int i = 0; i < 3 * PACKETS; i++) {
		const struct fg_packet *p = &packets[i % PACKETS];
		uint32_t len = send_packet(a, p);
		struct fg_parsed parsed;
		const char *wrong;

		assert_int_equal(fg_nic_recv(&y->nic, got, sizeof(got), FG_WAIT_MS), len);
		assert_int_equal(y->nic.rx_header.flags, FG_NEEDS_CSUM);
		assert_memory_equal(&y->nic.rx_header, &a->nic.tx_header, sizeof(struct fg_vnet));
		wrong = fg_packet_check(p, got, len, false, &parsed);
		if (wrong != NULL)
			fail_msg("packet %u: %s", i, wrong);
		assert_memory_equal(got, frame, len);
	}
	assert_int_equal(fg_counter(&near, "up", "tx_checksummed"), 0);
	assert_int_equal(fg_counter(&near, "up", "tx_segmented"), 0);
	assert_int_equal(fg_counter(&fixture.sw, "x", "rx_drop.offload"), 0);
	guest_close(a);
	OK(fg_switch_stop(&near));
}

/* What it cannot do is done before: UDP to be cut up, headers that a device may not know. */
static void what_a_device_cannot_is_done_for_it(void **state)
{
	static const struct fg_packet udp = {.payload = 12000, .gso_size = 1200, .udp = true};
	static const struct fg_packet odd = {
		.payload = 12000, .gso_size = 1200, .ipv6 = true, .ip_more = 8};
	struct guest *a, *y;

	near_start("up=net_virtio_user0");
	y = far_guest(&offloads, NULL);
	a = near_guest(&offloads, &large);
	join(a, y);
	send_packet(a, &udp);
	receive_finished(y, &udp, 10);
	send_packet(a, &odd);
	receive_finished(y, &odd, 10);
	assert_int_equal(fg_counter(&near, "up", "tx_segmented"), 2);
	assert_int_equal(fg_counter(&near, "up", "tx_segments"), 18);
	guest_close(a);
	OK(fg_switch_stop(&near));
}

/* A frame the device says is right but whose checksum is open: finished for a guest that did not agree, passed on to one
 * that did. */
static void what_a_device_left_open_is_finished(void **state)
{
	static const struct fg_packet packets[] = {
		{.payload = 800}, {.payload = 901, .udp = true, .ipv6 = true, .vlans = 1}};
	static const struct fg_options plain = {.features = FG_FEATURES_DEFAULT};
	struct guest *a, *y;

	near_start("up=net_virtio_user0");
	for (int agrees = 0; agrees < 2; agrees++) {
		y = far_guest(&offloads, &large);
		a = near_guest(agrees ? &offloads : &plain, NULL);
		join(y, a);
		for (unsigned int i = 0; i < 2; i++) {
			send_packet(y, &packets[i]);
			receive_finished(a, &packets[i], 1);
			assert_int_equal(a->nic.rx_header.flags, agrees ? FG_NEEDS_CSUM : 0);
		}
		guest_close(a);
		guest_close(y);
	}
	assert_int_equal(fg_counter(&near, "a", "tx_checksummed"), 2);
	OK(fg_switch_stop(&near));
}

/* offloads: off at the uplink: nothing is asked of it. */
static void a_device_may_be_left_in_peace(void **state)
{
	static const struct fg_packet packet = {.payload = 12000, .gso_size = 1200};
	struct guest *a, *y;

	near_start("up=net_virtio_user0,offloads=off");
	y = far_guest(&offloads, NULL);
	a = near_guest(&offloads, &large);
	join(a, y);
	send_packet(a, &packet);
	receive_finished(y, &packet, 10);
	assert_int_equal(fg_counter(&near, "up", "tx_segmented"), 1);
	guest_close(a);
	OK(fg_switch_stop(&near));
}

int main(void)
{
	static const char *const ports[] = {"x", "y", NULL};
	static const struct fg_switch_options fixture_options = {.ports = ports};
	static const struct CMUnitTest cases[] = {
		TEST_CASE(a_device_gets_what_it_can_do),
		TEST_CASE(what_a_device_cannot_is_done_for_it),
		TEST_CASE(what_a_device_left_open_is_finished),
		TEST_CASE(a_device_may_be_left_in_peace),
	};

	return fixture_main_on(&fixture_options, "offload_nic", CASES(cases));
}
