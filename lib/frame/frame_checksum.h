/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_checksum.h: the Internet checksum of what lies in pieces. Any thread. RFC 1071. */
#ifndef VUS_FRAME_CHECKSUM_H
#define VUS_FRAME_CHECKSUM_H

#include <stdint.h>

#include "frame.h"

/* The sum, not complemented, of the frame's bytes from `at` to its end; `at` is in the head. */
uint16_t frame_sum(const struct frame *frame, uint32_t at);

/* Finishes the checksum whose field, at `field` in the head, holds the sum of what precedes `start` (a pseudo header):
 * writes it into the head, which must be the caller's. */
void frame_checksum(struct frame *frame, uint32_t start, uint32_t field);

#endif
