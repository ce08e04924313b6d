/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_read: reads a capture (pcapng) as it comes, strictly, without the code that writes it.
 *
 * Context: one thread. Failures are cmocka's.
 */
#ifndef CAPTURE_READ_H
#define CAPTURE_READ_H

#include <stddef.h>
#include <stdint.h>

enum { CR_PACKETS_MAX = 20000, CR_INTERFACES_MAX = 8 };

struct cr_packet {
	uint32_t interface, n, len;
	uint64_t time_ns;
	unsigned int direction; /* 1: in, 2: out */
	char why[48];		/* its comment; "": none */
	const uint8_t *bytes;
};

/* What came of a capture so far. */
struct cr_capture {
	uint8_t *bytes; /* of a block that is not whole yet: n */
	size_t n, room;
	unsigned int packets, interfaces, statistics;
	struct cr_packet *packet;
	char name[CR_INTERFACES_MAX][32];
	uint64_t seen[CR_INTERFACES_MAX], accepted[CR_INTERFACES_MAX], lost[CR_INTERFACES_MAX], unknown[CR_INTERFACES_MAX];
};

void cr_begin(struct cr_capture *);
void cr_take(struct cr_capture *, const uint8_t *bytes, size_t n);
void cr_end(struct cr_capture *);

/* The packets of an interface and a direction with this comment: their number. */
unsigned int cr_count(const struct cr_capture *, const char *interface, unsigned int direction, const char *why);

#endif
