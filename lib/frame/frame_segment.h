/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_segment.h: cuts a checked TCP or UDP frame (frame_offload.h) up into the packets it stands for.
 *
 * Each piece has headers of its own, made from those of the whole, in memory of the caller's; its payload stays where it
 * is, as spans of the same body. So a piece is written once, by the driver that delivers it, and its payload is not copied
 * before.
 * TSO and USO, IPv4 and IPv6 with or without extension headers, any number of tags. What is written anew: IP lengths,
 * the IPv4 identification and checksum; TCP's sequence number, and FIN and PSH in the last, CWR in the first piece only;
 * UDP's length; the checksum, finished. RFC 791, 8200, 9293, 768, 3168.
 *
 * Context: any thread.
 * Ownership: the whole must outlive its pieces.
 */
#ifndef VUS_FRAME_SEGMENT_H
#define VUS_FRAME_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame_offload.h"

struct frame_cut {
	const struct frame *whole;
	struct frame_layers layers;
	uint32_t payload; /* bytes in all */
	uint32_t done;	  /* bytes in the pieces before the next one */
	uint16_t pieces;  /* before the next one */
	uint16_t span;	  /* where the next one begins: 0 the rest of the head, i the body's i-1 */
	uint32_t offset;  /* in that span */
};

/* `whole` asks to be cut up. */
void frame_cut_begin(struct frame_cut *cut, const struct frame *whole);

static inline bool frame_cut_ends(const struct frame_cut *cut)
{
	return cut->done == cut->payload;
}

/* Fills the next piece: headers to `head`, which has room for whole->offload.hdr_len bytes; spans to `spans`, over all
 * pieces at most those of the body, one more, and one more for each piece. */
void frame_cut_next(struct frame_cut *cut, struct frame *piece, uint8_t *head,
		    struct mem_span *spans);

#endif
