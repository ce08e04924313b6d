/* SPDX-License-Identifier: BSD-3-Clause */
/* zc_cost [ROUNDS [RING]]: what a guest's frame on its way to a device costs an lcore, copied into an mbuf and lent where
 * it lies (ethdev_zc.h).
 *
 * The device is net_null, which takes what it is given and reads nothing, as a NIC does as far as our CPU is concerned.
 * One thread plays guest, switch and device, so that frames lie in its caches as far as the ring
 * lets them; windows of both ways take turns. Prints for each length the median ticks of a
 * frame, of ring, head, body and mbuf together, and the ratio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "device.h"
#include "eal.h"
#include "ethdev_options.h"
#include "ethdev_queues.h"
#include "frame_ref.h"
#include "loop.h"
#include "quick_guest.h"
#include "rcu.h"
#include "vnet.h"

enum { ROUNDS_MAX = 1001,
       FRAMES = 20000 };

static uint16_t ring_size = 256;

static struct port_host host = {.lcores = 1};
static struct burst burst;
static struct lcore_ctx ctx = {.burst = &burst};
static struct port *ports[2]; /* that copies, and that reads in place */
static struct port_counters counters;

static struct port *port_on(const char *device, bool zero_copy) RUNS_ON(control_thread)
{
	const struct ethdev_options options = {
		.device = (char *)(uintptr_t)device, .mtu = 9000, .offloads = true, .zero_copy_tx = zero_copy};
	struct port_spec spec = {.name = device, .type = "ethdev", .options = &options};
	struct port *port = NULL;
	struct fail fail = {""};

	if (device_start(&host, &spec, &port, &fail) != 0)
		fprintf(stderr, "zc_cost: %s: %s\n", device, fail.text);
	return port;
}

/* All buffers hold a frame of so many bytes, and stay where they are. */
static void fill_ring(struct qg_guest *guest, uint32_t bytes)
{
	for (uint16_t i = 0; i < ring_size; i++) {
		guest->tx.v.desc[i] = (struct fg_desc){.addr = guest->tx_gpa[i], .len = QG_HEADER + bytes};
		memset(guest->tx_at[i], 0, QG_HEADER);
	}
}

/* Ticks of a frame. */
static double window(struct qg_guest *guest, struct port *port, uint32_t frames) RUNS_ON(lcore_thread)
{
	struct frame *out[BURST_MAX];
	uint64_t before = rte_rdtsc();

	for (uint32_t done = 0; done < frames;) {
		uint16_t n;

		fg_fast_post_again(&guest->tx, BURST_MAX);
		fg_fast_show(&guest->tx);
		while ((n = vnet_receive(&guest->from, &burst, BURST_MAX, &counters)) > 0) {
			for (uint16_t i = 0; i < n; i++)
				out[i] = &burst.frame[i];
			port->ops->deliver(port, &ctx, out, n);
			vnet_complete(&guest->from, &burst);
			done += n;
		}
	}
	return (double)(rte_rdtsc() - before) / frames;
}

static int ascending(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

static int measure(uint32_t bytes, int rounds)
{
	struct qg_shape shape = {.bytes = bytes, .ring = ring_size, .regions = 1, .pairs = 1, .macs = 2};
	static double ticks[2][ROUNDS_MAX];
	static struct qg_guest guest;
	struct frame_refs *refs;

	role_assert_control();
	role_assert_lcore();
	refs = frame_refs_create();
	if (refs == NULL || qg_open(&guest, &shape) != 0)
		return 1;
	guest.from.refs = refs;
	fill_ring(&guest, bytes);
	for (int i = -1; i < rounds; i++) {
		for (int way = 0; way < 2; way++) {
			double took;

			frame_ref_users = (unsigned int)way;
			took = window(&guest, ports[way], FRAMES);
			if (i >= 0)
				ticks[way][i] = took;
		}
	}
	frame_ref_users = 1;
	for (int way = 0; way < 2; way++)
		qsort(ticks[way], (size_t)rounds, sizeof(double), ascending);
	printf("{\"bytes\": %u, \"copied\": %.0f, \"lent\": %.0f, \"ratio\": %.2f, \"lent_frames\": %llu}\n",
	       bytes, ticks[0][rounds / 2], ticks[1][rounds / 2],
	       ticks[1][rounds / 2] / ticks[0][rounds / 2],
	       (unsigned long long)counted(&guest.from.counters.zero_copy));
	qg_close(&guest);
	frame_refs_destroy(refs);
	return 0;
}

int main(int argc, char **argv)
{
	static const uint32_t lengths[] = {256, 512, 1024, 1518, 2048, 4096, 9014};
	int rounds = argc > 1 ? atoi(argv[1]) : 21;

	role_assert_control();
	if (argc > 2)
		ring_size = (uint16_t)atoi(argv[2]);
	if (rounds < 1 || rounds > ROUNDS_MAX || eal_start("0@0,1@0", NULL) != 0 || rcu_init(1) != 0)
		return 1;
	host.loop = loop_create();
	if (host.loop == NULL)
		return 1;
	ports[0] = port_on("net_null0,no-rx=1", false);
	ports[1] = port_on("net_null1,no-rx=1", true);
	if (ports[0] == NULL || ports[1] == NULL)
		return 1;
	loop_turn(host.loop, 0);
	for (unsigned int i = 0; i < RTE_DIM(lengths); i++)
		if (measure(lengths[i], rounds) != 0)
			return 1;
	return 0;
}
