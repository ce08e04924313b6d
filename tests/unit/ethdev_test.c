/* SPDX-License-Identifier: BSD-3-Clause */
/* The ethdev driver on devices that need no hardware: net_ring gives back on a receive queue what was sent on the
 * transmit queue of the same number, net_pcap reads and writes files, net_null is whatever is asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "cases.h"
#include "device.h"
#include "eal.h"
#include "ethdev_options.h"
#include "ethdev_queues.h"
#include "frame_head.h"
#include "log.h"
#include "loop.h"

enum { LCORES = 3, LONGEST = 9018 };

static struct port_host host = {.lcores = LCORES};
static struct burst burst;
static struct lcore_ctx lcore = {.index = 1, .burst = &burst};
static struct rte_mempool *foreign; /* mbufs of another port */
static uint8_t bytes[LONGEST];

/* --- tools ------------------------------------------------------------------------------------------------------- */

static struct port *port_on_mtu(const char *name, const char *device, unsigned int mtu)
{
	const struct ethdev_options options = {.device = (char *)(uintptr_t)device, .mtu = mtu, .offloads = true};
	struct port_spec spec = {.name = name, .type = "ethdev", .options = &options};
	struct port *port = NULL;
	struct fail fail = {""};

	role_assert_control();
	if (device_start(&host, &spec, &port, &fail) != 0)
		fail_msg("%s: %s", device, fail.text);
	return port;
}

static struct port *port_on(const char *name, const char *device)
{
	return port_on_mtu(name, device, 1500);
}

/* Fails as it should, with `word` in the sentence. */
static void refused(const char *device, const char *word)
{
	const struct ethdev_options options = {.device = (char *)(uintptr_t)device, .offloads = true};
	struct port_spec spec = {.name = "no", .type = "ethdev", .options = &options};
	struct port *port = NULL;
	struct fail fail = {""};

	role_assert_control();
	assert_true(device_start(&host, &spec, &port, &fail) < 0);
	assert_null(port);
	if (strstr(fail.text, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", fail.text, word);
}

static json_int_t shown(struct port *port, const char *key)
{
	json_t *object = json_object();
	json_int_t value;

	port->ops->show(port, object);
	value = json_integer_value(json_object_get(object, key));
	json_decref(object);
	return value;
}

/* Ends a port that must have all its buffers back (E4). */
static void end(struct port *port)
{
	role_assert_control();
	assert_int_equal(shown(port, "buffers_free"), shown(port, "buffers"));
	assert_true(device_end(port, NULL));
}

static uint16_t device_of(const char *name)
{
	uint16_t id;

	assert_int_equal(rte_eth_dev_get_port_by_name(name, &id), 0);
	return id;
}

static struct frame guest_frame(uint32_t len, struct mem_span *body)
{
	struct frame frame = {.head = bytes, .len = len, .body = body};

	frame.head_len = (uint16_t)RTE_MIN(len, (uint32_t)FRAME_HEAD);
	if (len > FRAME_HEAD) {
		*body = (struct mem_span){bytes + FRAME_HEAD, len - FRAME_HEAD};
		frame.body_spans = 1;
	}
	return frame;
}

static void deliver_one(struct port *port, struct frame *frame)
{
	port->ops->deliver(port, &lcore, &frame, 1);
}

static uint16_t receive(struct port *port, uint16_t queue)
{
	return port->ops->receive(port->rxq[queue], &lcore);
}

static void complete(struct port *port, uint16_t queue)
{
	port->ops->complete(port->rxq[queue], &lcore);
}

static void assert_frame(const struct frame *frame, uint32_t len, uint32_t padded)
{
	uint8_t got[LONGEST] = {0xff};

	assert_int_equal(frame->len, padded);
	frame_copy(frame, got);
	assert_memory_equal(got, bytes, len);
	for (uint32_t i = len; i < padded; i++)
		assert_int_equal(got[i], 0);
}

/* One frame of `n` segments of `part` bytes each, of which `short_one` is one byte long. */
static struct rte_mbuf *foreign_chain(unsigned int n, uint16_t part, unsigned int short_one)
{
	struct rte_mbuf *chain = NULL, *seg;
	uint32_t at = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint16_t len = i == short_one ? 1 : part;

		seg = rte_pktmbuf_alloc(foreign);
		assert_non_null(seg);
		memcpy(rte_pktmbuf_append(seg, len), bytes + at, len);
		at += len;
		if (chain == NULL)
			chain = seg;
		else
			assert_int_equal(rte_pktmbuf_chain(chain, seg), 0);
	}
	return chain;
}

static uint64_t tx_drops(struct port *port, enum tx_drop why)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return counted(&sum.tx_drop[why]);
}

static uint64_t rx_drops(struct port *port, enum rx_drop why)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return counted(&sum.rx_drop[why]);
}

static uint64_t tx_ok(struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return counted(&sum.tx_ok);
}

/* --- devices ----------------------------------------------------------------------------------------------------- */

static void says_what_is_wrong(void **state)
{
	struct port *port;

	refused("", "not a name");
	refused("net_nosuchdriver0", "device net_nosuchdriver0: no DPDK driver of this name");
	refused("nosuch0", "device nosuch0: DPDK has no such device, and no driver");
	refused("0000:ff:1f.7", "--no-pci");
	refused("lo", "this is an interface of the kernel; net_af_packet0,iface=lo");
	refused("net_af_packet0,iface=nosuch0", "the kernel has no interface nosuch0");
	refused("net_af_packet0", "as in net_af_packet0,iface=eth1");
	refused("net_tap0,iface=a234567890123456", "at most 15 characters");
	/* A driver's own words, if nothing is known to be better. */
	rte_log_set_global_level(RTE_LOG_ERR);
	refused("net_pcap0,rx_pcap=/nosuch.pcap", "Couldn't open /nosuch.pcap");
	rte_log_set_global_level(RTE_LOG_CRIT);
	refused("net_null0,nosuch=1", "its driver refuses it and does not say why");
	port = port_on("up0", "net_null0");
	refused("net_null0", "up0");
	end(port);
}

/* What EAL made at its start can be taken, given back and taken again, with the same arguments. */
static void comes_back_under_its_name(void **state)
{
	for (int round = 0; round < 3; round++) {
		struct port *port = port_on("up0", "net_null_given");

		assert_string_equal(port->type, "ethdev");
		assert_int_equal(receive(port, 0), ETHDEV_BURST);
		assert_int_equal(burst.frame[0].len, 200); /* size=200 was given to EAL */
		complete(port, 0);
		end(port);
	}
}

static void thirty_two_is_all(void **state)
{
	struct port *ports[RTE_MAX_ETHPORTS];
	unsigned int n = 0, room = RTE_MAX_ETHPORTS - rte_eth_dev_count_total();
	char device[32];

	host.lcores = 1; /* small pools */
	for (n = 0; n < room; n++) {
		snprintf(device, sizeof(device), "net_null%u,size=64", 100 + n);
		ports[n] = port_on("up", device);
	}
	refused("net_null999", "room for 32 ethdevs");
	while (n > 0)
		end(ports[--n]);
	host.lcores = LCORES;
	end(port_on("up", "net_null999"));
}

static void shows_itself(void **state)
{
	struct port *port = port_on_mtu("up0", "net_ring0", 0);
	json_t *object = json_object();

	port->ops->show(port, object);
	assert_string_equal(json_string_value(json_object_get(object, "link")), "up");
	assert_string_equal(json_string_value(json_object_get(object, "state")), "up, 10 Gbit/s");
	assert_string_equal(json_string_value(json_object_get(object, "driver")), "net_ring");
	assert_string_equal(json_string_value(json_object_get(object, "device")), "net_ring0");
	assert_int_equal(strlen(json_string_value(json_object_get(object, "mac"))), 17);
	assert_int_equal(json_integer_value(json_object_get(object, "tx_queues")), LCORES);
	assert_true(json_is_false(json_object_get(object, "tx_queues_shared")));
	assert_int_equal(json_integer_value(json_object_get(object, "mtu")), 9216);
	assert_true(json_is_object(json_object_get(object, "device_counters")));
	assert_true(json_is_object(json_object_get(object, "xstats")));
	json_decref(object);
	end(port);
}

static void follows_the_link(void **state)
{
	struct port *port = port_on("up0", "net_ring0");
	struct mem_span body;
	struct frame frame = guest_frame(100, &body);
	uint16_t id = device_of("net_ring0");

	role_assert_control();
	assert_int_equal(rte_eth_dev_set_link_down(id), 0);
	for (int i = 0; i < 20; i++)
		loop_turn(host.loop, UINT64_C(50000000));
	deliver_one(port, &frame);
	assert_int_equal(tx_drops(port, TX_DROP_NOT_READY), 1);
	assert_int_equal(rte_eth_dev_set_link_up(id), 0);
	for (int i = 0; i < 20; i++)
		loop_turn(host.loop, UINT64_C(50000000));
	deliver_one(port, &frame);
	assert_int_equal(tx_drops(port, TX_DROP_NOT_READY), 1);
	assert_int_equal(tx_ok(port), 1);
	assert_int_equal(receive(port, 1), 1);
	complete(port, 1);
	end(port);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static void guest_frames_are_copied_and_padded(void **state)
{
	static const uint32_t lengths[] = {14, 42, 59, 60, 61, 128, 129, 1514, 1518, 1522};
	struct port *port = port_on("up0", "net_ring0");

	for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
		struct mem_span body;
		struct frame frame = guest_frame(lengths[i], &body);

		deliver_one(port, &frame);
		assert_int_equal(receive(port, lcore.index), 1);
		assert_int_equal(receive(port, 0), 0); /* each lcore has a queue of its own */
		burst.n = 1;
		complete(port, 0);
		assert_non_null(burst.frame[0].mbuf);
		assert_frame(&burst.frame[0], lengths[i], RTE_MAX(lengths[i], 60u));
		complete(port, lcore.index);
	}
	assert_int_equal(tx_ok(port), RTE_DIM(lengths));
	end(port);
}

static void too_long_is_told(void **state)
{
	struct port *port = port_on("up0", "net_ring0");
	struct mem_span body[3];
	struct frame frame[3] = {guest_frame(1522, &body[0]), guest_frame(1523, &body[1]),
				 guest_frame(60, &body[2])};
	struct frame *frames[3] = {&frame[0], &frame[1], &frame[2]};

	port->ops->deliver(port, &lcore, frames, 3);
	assert_int_equal(tx_ok(port), 2);
	assert_int_equal(tx_drops(port, TX_DROP_TOO_BIG), 1);
	assert_int_equal(receive(port, 1), 2);
	complete(port, 1);
	end(port);
}

/* A driver that has taken tags off says so: they are part of the frame. */
static void tags_that_were_taken_off_are_back(void **state)
{
	static const struct {
		uint64_t flags;
		unsigned int taken, at; /* bytes, and where they stood */
	} cases[] = {{RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, 4, 12},
		     {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED, 8, 12},
		     {RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED, 4, 12}};
	static const uint8_t outer[] = {0x88, 0xa8, 0x20, 0x64}, inner[] = {0x81, 0x00, 0x40, 0x0a};
	struct port *port = port_on("up0", "net_ring0");
	uint16_t id = device_of("net_ring0");
	uint8_t want[100], got[LONGEST];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(foreign);
		uint32_t tags = i == 0 ? 4 : 8;
		uint8_t *data;

		assert_non_null(mbuf);
		memcpy(want, bytes, 12);
		memcpy(want + 12, i == 0 ? inner : outer, 4);
		memcpy(want + 16, inner, 4);
		memcpy(want + 12 + tags, bytes + 12, sizeof(want) - 12 - tags);
		data = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)(sizeof(want) - cases[i].taken));
		memcpy(data, want, cases[i].at);
		memcpy(data + cases[i].at, want + cases[i].at + cases[i].taken, sizeof(want) - cases[i].at - cases[i].taken);
		mbuf->ol_flags |= cases[i].flags;
		mbuf->vlan_tci = 0x400a;
		mbuf->vlan_tci_outer = 0x2064;
		assert_int_equal(rte_eth_tx_burst(id, 1, &mbuf, 1), 1);
		assert_int_equal(receive(port, 1), 1);
		assert_int_equal(burst.frame[0].len, sizeof(want));
		frame_copy(&burst.frame[0], got);
		assert_memory_equal(got, want, sizeof(want));
		assert_int_equal(burst.frame[0].mbuf->ol_flags, 0);
		complete(port, 1);
	}
	end(port);
}

static void tags_without_room_are_told(void **state)
{
	struct port *port = port_on("up0", "net_ring0");
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(foreign);

	assert_non_null(mbuf);
	assert_non_null(rte_pktmbuf_prepend(mbuf, rte_pktmbuf_headroom(mbuf)));
	assert_non_null(rte_pktmbuf_append(mbuf, 60));
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	assert_int_equal(rte_eth_tx_burst(device_of("net_ring0"), 1, &mbuf, 1), 1);
	assert_int_equal(receive(port, 1), 0);
	assert_int_equal(rx_drops(port, RX_DROP_VLAN_STRIPPED), 1);
	complete(port, 1);
	end(port);
}

static void jumbo_frames_become_chains(void **state)
{
	struct port *port = port_on_mtu("up0", "net_ring0", 9000);
	struct mem_span body;
	struct frame frame = guest_frame(9014, &body);

	deliver_one(port, &frame);
	assert_int_equal(receive(port, 1), 1);
	assert_int_equal(burst.frame[0].body_spans, 4);
	assert_frame(&burst.frame[0], 9014, 9014);
	complete(port, 1);
	end(port);
}

/* Without scatter and gather (net_null has no scatter), one buffer must hold it all. */
static void jumbo_frames_in_big_buffers(void **state)
{
	struct port *port = port_on_mtu("up0", "net_null0", 9000);
	struct mem_span body;
	struct frame frame = guest_frame(9014, &body);

	deliver_one(port, &frame);
	assert_int_equal(tx_ok(port), 1);
	end(port);
}

static void heads_are_whole(void **state)
{
	static const struct {
		unsigned int n, short_one;
		uint16_t part, head;
	} shapes[] = {
		{1, 9, 64, 64},		 {2, 9, 700, 700},	  {3, 0, 100, FRAME_HEAD},
		{30, 99, 10, FRAME_HEAD}, {2, 0, 127, FRAME_HEAD}, {5, 99, 4, 20},
	};
	struct port *port = port_on("up0", "net_ring0");
	uint16_t id = device_of("net_ring0");

	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		struct rte_mbuf *mbuf =
			foreign_chain(shapes[i].n, shapes[i].part, shapes[i].short_one);
		uint32_t len = mbuf->pkt_len;

		assert_int_equal(rte_eth_tx_burst(id, 0, &mbuf, 1), 1);
		assert_int_equal(receive(port, 0), 1);
		assert_int_equal(burst.frame[0].head_len, shapes[i].head);
		assert_frame(&burst.frame[0], len, len);
		complete(port, 0);
	}
	end(port);
}

static void short_frames_are_counted(void **state)
{
	struct port *port = port_on("up0", "net_ring0");
	uint16_t id = device_of("net_ring0");
	struct rte_mbuf *mbuf[4] = {foreign_chain(1, 13, 9), foreign_chain(1, 14, 9),
				    foreign_chain(3, 2, 9), foreign_chain(1, 60, 9)};
	struct port_counters sum;

	assert_int_equal(rte_eth_tx_burst(id, 2, mbuf, 4), 4);
	assert_int_equal(receive(port, 2), 2);
	assert_int_equal(burst.frame[0].len, 14);
	assert_int_equal(burst.frame[1].len, 60);
	complete(port, 2);
	port_counters_sum(port, &sum);
	assert_int_equal(counted(&sum.rx_drop[RX_DROP_SHORT]), 2);
	end(port);
}

/* A flood: two ports send the mbuf a third one received, and both have it whole when the source is done with it. */
static void flooded_mbufs_are_shared(void **state)
{
	struct port *in = port_on("in", "net_ring0"), *a = port_on("a", "net_ring1"),
		    *b = port_on("b", "net_ring2");
	struct rte_mbuf *mbuf = foreign_chain(2, 600, 9), *small = foreign_chain(1, 42, 9);
	struct rte_mbuf *both[2] = {mbuf, small};
	struct frame *frames[2];

	small->ol_flags |= RTE_MBUF_F_TX_TCP_SEG; /* left over from its last sender */
	assert_int_equal(rte_eth_tx_burst(device_of("net_ring0"), 1, both, 2), 2);
	assert_int_equal(receive(in, 1), 2);
	assert_int_equal(small->ol_flags, 0);
	frames[0] = &burst.frame[0];
	frames[1] = &burst.frame[1];
	a->ops->deliver(a, &lcore, frames, 2);
	b->ops->deliver(b, &lcore, frames, 2);
	/* The one of two segments may not be sent as it is where chains were not asked for; the short one is padded
	 * in a copy. The originals are untouched. */
	assert_int_equal(small->data_len, 42);
	assert_int_equal(rte_mbuf_refcnt_read(small), 1);
	complete(in, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(receive(i ? a : b, 1), 2);
		assert_frame(&burst.frame[0], 1200, 1200);
		assert_frame(&burst.frame[1], 42, 60);
		complete(i ? a : b, 1);
	}
	assert_true(rte_mempool_full(foreign));
	end(a);
	end(b);
	end(in);
}

static void nic_to_nic_is_the_mbuf_itself(void **state)
{
	struct port *in = port_on("in", "net_ring0"), *a = port_on_mtu("a", "net_ring1", 9000),
		    *b = port_on("b", "net_ring2");
	struct rte_mbuf *mbuf = foreign_chain(1, 1000, 9);
	struct frame *frame = &burst.frame[0];

	assert_int_equal(rte_eth_tx_burst(device_of("net_ring0"), 1, &mbuf, 1), 1);
	assert_int_equal(receive(in, 1), 1);
	deliver_one(a, frame);
	assert_int_equal(rte_mbuf_refcnt_read(mbuf), 2);
	deliver_one(b, frame);
	assert_int_equal(rte_mbuf_refcnt_read(mbuf), 3);
	complete(in, 1);
	assert_int_equal(receive(a, 1), 1);
	assert_ptr_equal(burst.frame[0].mbuf, mbuf);
	complete(a, 1);
	assert_int_equal(receive(b, 1), 1);
	assert_frame(&burst.frame[0], 1000, 1000);
	complete(b, 1);
	assert_true(rte_mempool_full(foreign));
	end(a);
	end(b);
	end(in);
}

/* One frame of a burst with a tag in its head and without, to two NICs that send later than both are given it: each sends
 * what it was given, the buffer they share is never written, and long frames are not copied. */
static void flooded_with_a_tag_and_without(const unsigned int *shape, bool tagged_first)
{
	const uint32_t len = shape[0] * shape[1];
	const uint8_t tag[] = {0x81, 0, 0x20, 0x07};
	struct port *in = port_on("in", "net_ring0"), *ports[2] = {port_on_mtu("a", "net_ring1", 9000),
								   port_on_mtu("b", "net_ring2", 9000)};
	struct rte_mbuf *mbuf = foreign_chain(shape[0], (uint16_t)shape[1], 99);
	struct frame *frame = &burst.frame[0];
	uint8_t got[LONGEST];
	struct mem_span spans[64];
	const char *reason;

	assert_int_equal(rte_eth_tx_burst(device_of("net_ring0"), 1, &mbuf, 1), 1);
	assert_int_equal(receive(in, 1), 1);
	deliver_one(ports[0], frame);
	assert_int_equal(rte_mbuf_refcnt_read(mbuf), 2);
	frame_head_own(frame, &burst.room[0], spans);
	frame->vlan = 0x2007;
	assert_true(frame_head_push_tag(frame));
	assert_memory_equal(rte_pktmbuf_mtod(mbuf, uint8_t *), bytes, mbuf->data_len);
	deliver_one(ports[1], frame);
	assert_true(frame_head_pop_tag(frame));
	deliver_one(ports[0], frame);
	assert_int_equal(rte_mbuf_refcnt_read(mbuf), shape[2]);
	complete(in, 1);
	for (int turn = 0; turn < 2; turn++) {
		bool tagged = (turn == 0) == tagged_first;

		assert_int_equal(receive(ports[tagged], 1), tagged ? 1 : 2);
		assert_int_equal(rte_mbuf_check(burst.frame[0].mbuf, 1, &reason), 0);
		frame_copy(&burst.frame[0], got);
		assert_int_equal(burst.frame[0].len, len + 4 * tagged);
		assert_memory_equal(got, bytes, 12);
		assert_memory_equal(got + 12, tag, 4 * tagged);
		assert_memory_equal(got + 12 + 4 * tagged, bytes + 12, len - 12);
		if (!tagged)
			assert_frame(&burst.frame[1], len, len);
		complete(ports[tagged], 1);
	}
	assert_true(rte_mempool_full(foreign));
	end(ports[0]);
	end(ports[1]);
	end(in);
}

static void shared_heads_are_not_rewritten(void **state)
{
	/* Segments and bytes of each; references to the first in the end. A head in one segment and in two; one that is a
	 * segment and nothing more; short frames, which are copied. */
	static const unsigned int shapes[][3] = {
		{1, 1600, 4}, {2, 1000, 4}, {30, 99, 2}, {12, 128, 2}, {1, 1000, 2}, {1, 60, 2}, {3, 100, 2},
	};

	for (unsigned int i = 0; i < 2 * RTE_DIM(shapes); i++)
		flooded_with_a_tag_and_without(shapes[i / 2], i % 2 == 0);
}

/* A tag is put into the mbuf itself as long as nobody else has it, and the mbuf is sent as it is; for the next port, which
 * wants the frame without, it is not touched any more. */
static void a_head_of_nobody_elses_is_rewritten(void **state)
{
	const uint8_t tag[] = {0x81, 0, 0x20, 0x07};
	struct port *in = port_on("in", "net_ring0"), *a = port_on("a", "net_ring1"), *b = port_on("b", "net_ring2");
	struct rte_mbuf *mbuf = foreign_chain(1, 1000, 9);
	struct frame *frame = &burst.frame[0];
	const char *reason;

	assert_int_equal(rte_eth_tx_burst(device_of("net_ring0"), 1, &mbuf, 1), 1);
	assert_int_equal(receive(in, 1), 1);
	frame_head_own_in(&burst, frame);
	frame->vlan = 0x2007;
	frame->tag = 0;
	assert_true(frame_head_push_tag(frame));
	deliver_one(a, frame);
	assert_int_equal(rte_mbuf_refcnt_read(mbuf), 2);
	frame_head_own_in(&burst, frame);
	assert_true(frame_head_pop_tag(frame));
	deliver_one(b, frame);
	complete(in, 1);
	assert_int_equal(receive(a, 1), 1);
	assert_ptr_equal(burst.frame[0].mbuf, mbuf);
	assert_int_equal(rte_mbuf_check(mbuf, 1, &reason), 0);
	assert_int_equal(burst.frame[0].len, 1004);
	assert_memory_equal(burst.frame[0].head, bytes, 12);
	assert_memory_equal(burst.frame[0].head + 12, tag, 4);
	assert_memory_equal(burst.frame[0].head + 16, bytes + 12, 1000 - 12);
	complete(a, 1);
	assert_int_equal(receive(b, 1), 1);
	assert_frame(&burst.frame[0], 1000, 1000);
	complete(b, 1);
	assert_true(rte_mempool_full(foreign));
	end(a);
	end(b);
	end(in);
}

/* The ring is not read: what does not fit is counted, and costs no buffer (A5, E4). */
static void full_ring_drops_and_counts(void **state)
{
	struct port *port = port_on("up0", "net_ring0");
	struct mem_span body;
	struct frame frame = guest_frame(60, &body), *frames[BURST_MAX];
	uint64_t got = 0;
	uint16_t n;

	for (int i = 0; i < BURST_MAX; i++)
		frames[i] = &frame;
	for (int i = 0; i < 1000; i++)
		port->ops->deliver(port, &lcore, frames, BURST_MAX);
	assert_true(tx_drops(port, TX_DROP_NO_BUFFER) > 0);
	assert_int_equal(tx_ok(port) + tx_drops(port, TX_DROP_NO_BUFFER), 1000 * BURST_MAX);
	while ((n = receive(port, 1)) > 0) {
		got += n;
		complete(port, 1);
	}
	assert_int_equal(got, tx_ok(port));
	end(port);
}

/* A port that gives its last buffers away could not receive: from a quarter on, copies are sent instead. */
static void does_not_zc_its_last_buffers(void **state)
{
	struct port *in = port_on("in", "net_ring0"), *out = port_on("out", "net_ring1");
	struct rte_mbuf *hoard[4096], *mbuf = foreign_chain(1, 100, 9);
	unsigned int hoarded = 0;

	while (rte_mempool_avail_count(foreign) > 100 &&
	       (hoard[hoarded] = rte_pktmbuf_alloc(foreign)) != NULL)
		hoarded++;
	assert_int_equal(rte_eth_tx_burst(device_of("net_ring0"), 1, &mbuf, 1), 1);
	assert_int_equal(receive(in, 1), 1);
	deliver_one(out, &burst.frame[0]);
	assert_int_equal(rte_mbuf_refcnt_read(mbuf), 1);
	complete(in, 1);
	assert_int_equal(receive(out, 1), 1);
	assert_frame(&burst.frame[0], 100, 100);
	complete(out, 1);
	rte_pktmbuf_free_bulk(hoard, hoarded);
	end(out);
	end(in);
}

/* A port ends while its buffers still lie in another's ring: they stay good until they have left it. */
static void ends_while_others_hold_its_buffers(void **state)
{
	struct port *in = port_on("in", "net_null_given"), *out = port_on("out", "net_ring0");
	struct frame *frame = &burst.frame[0];

	role_assert_control();
	assert_int_equal(receive(in, 0), ETHDEV_BURST);
	memset(frame->head, 0x5a, 200);
	deliver_one(out, frame);
	complete(in, 0);
	assert_true(device_end(in, NULL));
	assert_int_equal(receive(out, 1), 1);
	assert_int_equal(burst.frame[0].len, 200);
	assert_int_equal(burst.frame[0].head[199], 0x5a);
	complete(out, 1);
	end(out);
	end(port_on("in", "net_null_given"));
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void put32(FILE *file, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, file);
}

static void write_pcap(const char *path, const uint32_t *lengths, unsigned int n)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	put32(file, 0xa1b2c3d4);
	put32(file, 4u << 16 | 2); /* version 2.4 */
	put32(file, 0);
	put32(file, 0);
	put32(file, 65535);
	put32(file, 1); /* Ethernet */
	for (unsigned int i = 0; i < n; i++) {
		put32(file, i);
		put32(file, 0);
		put32(file, lengths[i]);
		put32(file, lengths[i]);
		fwrite(bytes, lengths[i], 1, file);
	}
	fclose(file);
}

/* One transmit queue for three lcores, and frames that go from a file to a file. */
static void pcap_in_and_out(void **state)
{
	static const uint32_t lengths[] = {60, 1514, 42, 8000};
	static const uint32_t wanted[] = {60, 1514, 60, 8000};
	char in[] = "/tmp/ethdev_test_in.XXXXXX", out[] = "/tmp/ethdev_test_out.XXXXXX";
	char device[256];
	uint8_t got[LONGEST];
	uint32_t header[6];
	struct frame *frames[RTE_DIM(lengths)];
	struct port *port;
	FILE *file;

	role_assert_control();
	close(mkstemp(in));
	close(mkstemp(out));
	write_pcap(in, lengths, RTE_DIM(lengths));
	snprintf(device, sizeof(device), "net_pcap0,rx_pcap=%s,tx_pcap=%s", in, out);
	port = port_on_mtu("up0", device, 0);
	assert_int_equal(port->rxq_n, 1);
	assert_int_equal(shown(port, "tx_queues"), 1);
	assert_int_equal(receive(port, 0), RTE_DIM(lengths));
	for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
		assert_frame(&burst.frame[i], lengths[i], lengths[i]);
		frames[i] = &burst.frame[i];
	}
	port->ops->deliver(port, &lcore, frames, RTE_DIM(lengths));
	assert_int_equal(tx_ok(port), RTE_DIM(wanted));
	complete(port, 0);
	assert_true(device_end(port, NULL));
	file = fopen(out, "rb");
	assert_non_null(file);
	assert_int_equal(fread(header, sizeof(header), 1, file), 1);
	for (unsigned int i = 0; i < RTE_DIM(wanted); i++) {
		assert_int_equal(fread(header, 16, 1, file), 1);
		assert_int_equal(header[2], wanted[i]);
		assert_int_equal(fread(got, wanted[i], 1, file), 1);
		assert_memory_equal(got, bytes, lengths[i]);
		for (uint32_t at = lengths[i]; at < wanted[i]; at++)
			assert_int_equal(got[at], 0);
	}
	assert_int_equal(fread(header, 16, 1, file), 0);
	fclose(file);
	unlink(in);
	unlink(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(comes_back_under_its_name),
		cmocka_unit_test(thirty_two_is_all),
		cmocka_unit_test(shows_itself),
		cmocka_unit_test(follows_the_link),
		cmocka_unit_test(guest_frames_are_copied_and_padded),
		cmocka_unit_test(too_long_is_told),
		cmocka_unit_test(tags_that_were_taken_off_are_back),
		cmocka_unit_test(tags_without_room_are_told),
		cmocka_unit_test(jumbo_frames_become_chains),
		cmocka_unit_test(jumbo_frames_in_big_buffers),
		cmocka_unit_test(heads_are_whole),
		cmocka_unit_test(short_frames_are_counted),
		cmocka_unit_test(flooded_mbufs_are_shared),
		cmocka_unit_test(nic_to_nic_is_the_mbuf_itself),
		cmocka_unit_test(shared_heads_are_not_rewritten),
		cmocka_unit_test(a_head_of_nobody_elses_is_rewritten),
		cmocka_unit_test(full_ring_drops_and_counts),
		cmocka_unit_test(does_not_zc_its_last_buffers),
		cmocka_unit_test(ends_while_others_hold_its_buffers),
		cmocka_unit_test(pcap_in_and_out),
	};
	int failed;

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 13 + i / 256 + 2);
	bytes[0] = 0x02;
	if (eal_start("0@0", "net_null_given,size=200") != 0)
		return 1;
	log_set_level(LOG_ERROR);
	host.loop = loop_create();
	foreign = rte_pktmbuf_pool_create("foreign", 4095, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (host.loop == NULL || foreign == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	loop_destroy(host.loop);
	return failed;
}
