/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_checksum.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

/* One piece more, which may begin at an odd byte: there, high and low are the other way around. */
static uint32_t sum_piece(uint32_t sum, uint32_t at, const uint8_t *piece, uint32_t len)
{
	uint16_t part = rte_raw_cksum(piece, len);

	return sum + (at % 2 == 0 ? part : rte_bswap16(part));
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

uint16_t frame_sum(const struct frame *frame, uint32_t at)
{
	uint32_t done = frame->head_len - at;
	uint32_t sum = sum_piece(0, 0, frame->head + at, done);

	/* BURST_SPANS pieces at most: their sum fits. */
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		sum = sum_piece(sum, done, frame->body[i].at, frame->body[i].len);
		done += frame->body[i].len;
	}
	return fold(sum);
}

void frame_checksum(struct frame *frame, uint32_t start, uint32_t field)
{
	uint16_t checksum = (uint16_t)~frame_sum(frame, start);

	/* In UDP zero means that there is none; to everybody else both are the same (RFC 768, RFC 1624). */
	if (checksum == 0)
		checksum = 0xffff;
	memcpy(frame->head + field, &checksum, sizeof(checksum));
}
