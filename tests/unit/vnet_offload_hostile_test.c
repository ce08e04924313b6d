/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that asks for segmentation and rewrites header and frame while they are read (O1 to O4, V9). */
#include <linux/virtio_config.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "cases.h"
#include "fg_packet.h"
#include "frame_offload.h"
#include "rig.h"
#include "vnet.h"

#define FEATURES (F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4))

enum { HEADER = 12 };

static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};
static struct ring from, to;
static struct port_counters in, out;
static uint8_t message[4000];

/* Two buffers for a frame that becomes six: some pieces find none. */
static void offer(uint64_t at)
{
	for (int i = 0; i < 2; i++) {
		struct piece one = {at + (uint64_t)i * 2048, 2048};

		ring_offer(&to, ring_chain(&to, &one, 1, true, CHAIN_DIRECT));
	}
	ring_show(&to);
}

static uint16_t pass_on(void)
{
	struct frame *frames[BURST_MAX];

	role_assert_lcore();
	if (vnet_receive(&from.q, &burst, BURST_MAX, &in) == 0)
		return 0;
	for (uint16_t i = 0; i < burst.n; i++)
		frames[i] = &burst.frame[i];
	vnet_deliver(&to.q, frames, burst.n, FRAME_LEN_MAX, &out);
	vnet_complete(&from.q, &burst);
	return burst.n;
}

/* Of the frame that is in the ring: header, headers of the packet and a little payload, one byte after the other. */
static atomic_bool scribbles;

static void *scribbler(void *at)
{
	uint8_t *bytes = at;
	uint32_t state = 1;

	while (atomic_load_explicit(&scribbles, memory_order_relaxed)) {
		state = state * 1664525u + 1013904223u;
		__atomic_store_n(&bytes[state >> 8 & 127],
				 state >> 27 == 0 ? (uint8_t)state : message[state >> 8 & 127],
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A guest that goes on writing into what it has sent: what was checked is what is used, so every frame is finished without
 * a look beyond it, or dropped, and each of its pieces is accounted for. (AddressSanitizer looks on.) */
static void a_guest_that_rewrites_what_it_sent(void **state)
{
	const struct fg_packet packet = {.payload = 3000, .gso_size = 500, .tcp_more = 12};
	uint64_t at, sent = 0, given = 0, dropped = 0;
	pthread_t thread;
	struct fg_vnet header;
	uint32_t len, id, written;

	ring_open(&from, &rig, 256, FEATURES, 0);
	ring_open(&to, &rig, 256, F(VIRTIO_F_VERSION_1), 0);
	len = HEADER + fg_packet_build(&packet, dst, src, message + HEADER, &header);
	memcpy(message, &header, sizeof(header));
	at = rig_alloc(&rig, len, 8);
	rig_put(&rig, at, message, len);
	atomic_store(&scribbles, true);
	assert_int_equal(pthread_create(&thread, NULL, scribbler, rig_at(&rig, at)), 0);
	/* For as long as the other thread needs to have had its turns, where CPUs are shared. */
	while (sent < 20000 || (sent < 2000000 && (given < 100 || dropped < 100))) {
		struct piece one = {at, len};
		uint64_t keep = rig.free_at;

		ring_offer(&from, ring_chain(&from, &one, 1, false, CHAIN_DIRECT));
		ring_show(&from);
		offer(rig_alloc(&rig, 2 * 2048, 8));
		given += pass_on();
		dropped = counted(&in.rx_drop[RX_DROP_OFFLOAD]);
		sent++;
		while (ring_take(&to, &id, &written))
			;
		while (ring_take(&from, &id, &written))
			;
		rig.free_at = keep;
	}
	atomic_store(&scribbles, false);
	pthread_join(thread, NULL);
	assert_int_equal(given + dropped, sent);
	assert_true(given >= 100 && dropped >= 100 && counted(&out.tx_segmented) > 0);
	assert_int_equal(given + counted(&out.tx_segments), counted(&out.tx_ok) + drops_of_tx(&out));
	ring_close(&from);
	ring_close(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_rewrites_what_it_sent),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
