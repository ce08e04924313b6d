/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_cases.h: expressions, packets and programs for tests of filters: what they have to do with headers as there may be, and
 * with what no compiler would write. From random(): who seeds it gets the same ones.
 *
 * Context: the thread of the test.
 */
#ifndef FILTER_CASES_H
#define FILTER_CASES_H

#include <stdint.h>

#include "filter.h"

enum { CASE_BYTES = 400, CASE_INSNS = 40, CASE_EXPRESSIONS = 40 };

struct packet {
	uint32_t len;
	uint8_t byte[CASE_BYTES];
};

extern const char *const expressions[CASE_EXPRESSIONS];

unsigned int dice(unsigned int n);
/* Anything from byte `from` on. */
void scatter(struct packet *, uint32_t from);
/* Headers as there may be, some of them damaged; frames of other kinds, and cut off anywhere. */
void make_packet(struct packet *);
/* CASE_INSNS at most, which filter_check() may accept: how many. All words of memory are written first, for libpcap's
 * interpreter does not clear them. */
unsigned int make_program(struct filter_insn *);

#endif
