/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_offload.h"

#include <stddef.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* --- what the device can do -------------------------------------------------------------------------------------- */

static bool has(uint64_t capabilities, uint64_t all)
{
	return (capabilities & all) == all;
}

/* Segmentation takes several buffers for a frame, and writes IPv4 headers; a TSO device knows about CWR. */
uint32_t ethdev_offload_plan(const struct rte_eth_dev_info *info, bool virtio,
			     struct rte_eth_conf *conf)
{
	const uint64_t sums = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t seen = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t ipv4 = virtio ? 0 : RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	uint64_t can = info->tx_offload_capa, use = sums;
	uint32_t offloads = FRAME_CSUM;

	if (has(info->rx_offload_capa, seen))
		conf->rxmode.offloads |= seen;
	if (!has(can, sums))
		return 0;
	if (has(can, RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | ipv4)) {
		use |= RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | ipv4;
		offloads |= FRAME_TSO4 | FRAME_TSO6 | FRAME_ECN;
	}
	if (has(can, RTE_ETH_TX_OFFLOAD_UDP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | ipv4)) {
		use |= RTE_ETH_TX_OFFLOAD_UDP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | ipv4;
		offloads |= FRAME_USO4 | FRAME_USO6;
	}
	conf->txmode.offloads |= use;
	return offloads;
}

/* --- out --------------------------------------------------------------------------------------------------------- */

struct frame_capabilities ethdev_capabilities(const struct ethdev *dev)
{
	return (struct frame_capabilities){
		.offloads = dev->offloads,
		.len_max = dev->frame_max,
		.cut_max = dev->cut_max,
		.plain = true,
		.too_big = 1 + TX_DROP_TOO_BIG,
	};
}

void ethdev_deliver_offloads(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
			     struct frame *const *frames, uint16_t n, bool inserts)
{
	struct frame_capabilities caps = ethdev_capabilities(dev);
	struct port_counters *counters = port_counters_of(port, ctx);
	struct frame_finish finish;

	caps.inserts = inserts;
	frame_finish_begin(&finish, frames, n, &caps);
	while ((n = frame_finish_next(&finish)) > 0) {
		if (inserts)
			ethdev_send_inserting(dev, port, ctx, finish.out, n);
		else
			ethdev_send(dev, port, ctx, finish.out, n);
		frame_finish_tell(&finish, n);
	}
	count_tx_drop(counters, TX_DROP_TOO_BIG, finish.too_big, finish.big);
	count(&counters->tx_checksummed, finish.checksummed);
	count(&counters->tx_segmented, finish.segmented);
	count(&counters->tx_segments, finish.segments);
	ctx->cost += (uint32_t)(finish.checksummed + finish.segments) * SHARE_FINISH;
}

void ethdev_offload_request(const struct ethdev *dev, const struct frame *frame, struct rte_mbuf *mbuf)
{
	struct frame_layers layers;

	if (!frame_layers_find(frame, &layers))
		return; /* cannot be: it was checked */
	mbuf->l2_len = layers.l3;
	mbuf->l3_len = (uint16_t)(layers.l4 - layers.l3);
	mbuf->l4_len = (uint8_t)(layers.payload - layers.l4);
	mbuf->ol_flags |= layers.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	mbuf->ol_flags |= layers.tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (frame->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return;
	mbuf->tso_segsz = frame->offload.gso_size;
	mbuf->ol_flags |= layers.tcp ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_UDP_SEG;
	if (!layers.ipv6 && dev->writes_ipv4)
		mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
}

uint16_t ethdev_offload_prepare(const struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
				struct rte_mbuf **mbuf, struct frame **frame, uint16_t n)
{
	uint16_t done = 0;

	while (done < n) {
		done = (uint16_t)(done + rte_eth_tx_prepare(dev->id, ctx->index % dev->txq_n,
							    mbuf + done, (uint16_t)(n - done)));
		if (done == n)
			break;
		rte_pktmbuf_free(mbuf[done]);
		port_drop_tx_frames(port, ctx, TX_DROP_REFUSED, &frame[done], 1);
		n--;
		for (uint16_t i = done; i < n; i++) {
			mbuf[i] = mbuf[i + 1];
			frame[i] = frame[i + 1];
		}
	}
	return n;
}

/* --- in ---------------------------------------------------------------------------------------------------------- */

void ethdev_offload_receive(struct frame *frame)
{
	struct frame_layers layers;
	uint16_t sum;
	void *l3;

	if (!frame_layers_find(frame, &layers))
		return;
	frame->offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = layers.l4,
		.csum_offset = layers.tcp ? offsetof(struct rte_tcp_hdr, cksum)
					  : offsetof(struct rte_udp_hdr, dgram_cksum),
	};
	if (!layers.plain)
		return;
	/* What is in the field is the driver's affair; we want the pseudo header's sum there. */
	l3 = frame->head + layers.l3;
	sum = layers.ipv6 ? rte_ipv6_phdr_cksum(l3, 0) : rte_ipv4_phdr_cksum(l3, 0);
	memcpy(frame->head + layers.l4 + frame->offload.csum_offset, &sum, sizeof(sum));
}
