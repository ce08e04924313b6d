/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_segment.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "frame_checksum.h"

void frame_cut_begin(struct frame_cut *cut, const struct frame *whole)
{
	*cut = (struct frame_cut){
		.whole = whole,
		.payload = whole->len - whole->offload.hdr_len,
	};
	/* Found when the frame was checked: it is there. */
	frame_layers_find(whole, &cut->layers);
}

/* The next `len` bytes of payload. */
static uint16_t take_spans(struct frame_cut *cut, uint32_t len, struct mem_span *spans)
{
	const struct frame *whole = cut->whole;
	const struct mem_span rest = {
		.at = whole->head + whole->offload.hdr_len,
		.len = (uint32_t)whole->head_len - whole->offload.hdr_len,
	};
	uint16_t n = 0;

	while (len > 0) {
		const struct mem_span *from = cut->span == 0 ? &rest : &whole->body[cut->span - 1];
		uint32_t part = RTE_MIN(from->len - cut->offset, len);

		if (part > 0)
			spans[n++] = (struct mem_span){.at = from->at + cut->offset, .len = part};
		len -= part;
		cut->offset += part;
		if (cut->offset == from->len) {
			cut->span++;
			cut->offset = 0;
		}
	}
	return n;
}

static void write_ip(const struct frame_cut *cut, struct frame *piece)
{
	uint8_t *at = piece->head + cut->layers.l3;

	if (cut->layers.ipv6) {
		struct rte_ipv6_hdr *ip = (void *)at;

		ip->payload_len = rte_cpu_to_be_16(
			(uint16_t)(piece->len - cut->layers.l3 - sizeof(*ip)));
	} else {
		struct rte_ipv4_hdr *ip = (void *)at;
		uint16_t id = rte_be_to_cpu_16(ip->packet_id);

		ip->total_length = rte_cpu_to_be_16((uint16_t)(piece->len - cut->layers.l3));
		ip->packet_id = rte_cpu_to_be_16((uint16_t)(id + cut->pieces));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
}

static void write_tcp(const struct frame_cut *cut, struct rte_tcp_hdr *tcp, bool last)
{
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + cut->done);
	if (!last)
		tcp->tcp_flags &= (uint8_t)~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	if (cut->pieces > 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
}

/* The field holds the sum of the whole's pseudo header. Only the length in it is another for the piece: taken out, which
 * is adding its complement, and put in. (Computed anew it would be wrong behind a routing header.) */
static void write_checksum(const struct frame_cut *cut, struct frame *piece)
{
	const struct virtio_net_hdr *offload = &cut->whole->offload;
	uint32_t field = (uint32_t)offload->csum_start + offload->csum_offset, sum;
	uint16_t before = rte_cpu_to_be_16((uint16_t)(cut->whole->len - cut->layers.l4));
	uint16_t now = rte_cpu_to_be_16((uint16_t)(piece->len - cut->layers.l4));
	uint16_t partial;

	memcpy(&partial, piece->head + field, sizeof(partial));
	sum = (uint32_t)partial + (uint16_t)~before + now;
	sum = (sum & 0xffff) + (sum >> 16);
	partial = (uint16_t)(sum + (sum >> 16));
	memcpy(piece->head + field, &partial, sizeof(partial));
	partial = frame_checksum(piece, offload->csum_start);
	memcpy(piece->head + field, &partial, sizeof(partial));
}

void frame_cut_next(struct frame_cut *cut, struct frame *piece, uint8_t *head,
		    struct mem_span *spans)
{
	const struct virtio_net_hdr *offload = &cut->whole->offload;
	uint32_t len = RTE_MIN((uint32_t)offload->gso_size, cut->payload - cut->done);
	bool last = cut->done + len == cut->payload;

	memcpy(head, cut->whole->head, offload->hdr_len);
	*piece = (struct frame){
		.head = head,
		.head_len = offload->hdr_len,
		.len = offload->hdr_len + len,
		.body = spans,
		.body_spans = take_spans(cut, len, spans),
		.tag = cut->whole->tag,
		.vlan = cut->whole->vlan,
	};
	write_ip(cut, piece);
	if (cut->layers.tcp)
		write_tcp(cut, (void *)(head + cut->layers.l4), last);
	else
		((struct rte_udp_hdr *)(void *)(head + cut->layers.l4))->dgram_len =
			rte_cpu_to_be_16((uint16_t)(piece->len - cut->layers.l4));
	write_checksum(cut, piece);
	cut->done += len;
	cut->pieces++;
}
