/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_checksum.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

/* A sum so far, and over how many bytes. */
struct sum {
	uint32_t sum;
	uint32_t len;
};

/* The rest of one piece more. It may begin at an odd byte: there, high and low are the other way around. */
static void frame_checksum_add(struct sum *sum, const uint8_t *piece, uint32_t len, uint32_t *skip)
{
	uint32_t from = *skip < len ? *skip : len;
	uint16_t part = rte_raw_cksum(piece + from, len - from);

	/* BURST_SPANS pieces at most: their sum fits. */
	sum->sum += sum->len % 2 == 0 ? part : rte_bswap16(part);
	sum->len += len - from;
	*skip -= from;
}

uint16_t frame_sum(const struct frame *frame, uint32_t at)
{
	struct sum sum = {0};

	frame_checksum_add(&sum, frame->head, frame->head_len, &at);
	/* A body that changes between its sum and its copy arrives with a sum that is wrong, as its sender wants it. */
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		frame_checksum_add(&sum, frame->body[i].at, frame->body[i].len, &at);
		mem_fetch_body(frame->body[i].at, frame->body[i].len);
	}
	sum.sum = (sum.sum & 0xffff) + (sum.sum >> 16);
	return (uint16_t)(sum.sum + (sum.sum >> 16));
}

uint16_t frame_checksum(const struct frame *frame, uint32_t start)
{
	uint16_t checksum = (uint16_t)~frame_sum(frame, start);

	/* In UDP zero means that there is none; to everybody else both are the same (RFC 768, RFC 1624). */
	return checksum != 0 ? checksum : 0xffff;
}
