/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_checksum.h: the Internet checksum of what lies in pieces. RFC 1071.
 *
 * Context: any thread.
 */
#ifndef VUS_FRAME_CHECKSUM_H
#define VUS_FRAME_CHECKSUM_H

#include <stdint.h>

#include "frame.h"

/* The sum, not complemented, of the frame's bytes from `at` to its end. */
uint16_t frame_sum(const struct frame *frame, uint32_t at);

/* The checksum, as it stands in memory, of a frame in whose field stands the sum of what precedes `start` (a pseudo
 * header). */
uint16_t frame_checksum(const struct frame *frame, uint32_t start);

#endif
