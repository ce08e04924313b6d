/* SPDX-License-Identifier: BSD-3-Clause */
/* filter.h: an expression of pcap-filter(7), compiled by libpcap, and run over the head of a frame.
 *
 *	error = filter_compile("tcp dst port 25", &filter, &fail);
 *	... filter_run(filter->insn, frame->head, frame->head_len, frame->len) ...
 *
 * The program is that of the classic BPF machine. libpcap's own interpreter, bpf_filter(), takes a load beyond the
 * bytes that were captured for a load beyond the packet: no match. Of a frame of which we have the head only, that would let a
 * condition fail, or a `not` hold, by bytes that were never looked at. So the program is run by filter_run(), which tells the
 * two apart, and otherwise answers as bpf_filter() does (tests/unit/filter_test.c compares them).
 *
 * What a program may be: FILTER_INSNS_MAX instructions, all jumps forward (an expression with a loop, `protochain`, is refused),
 * so that a run takes no more steps than the program has. Names of hosts are refused: looking one up takes a name server.
 *
 * Context: compiling: any thread but an lcore; it allocates, and takes milliseconds for a long expression. Running: any thread.
 * Units: bytes.
 */
#ifndef VUS_FILTER_H
#define VUS_FILTER_H

#include <stdint.h>

#include "fail.h"

enum {
	FILTER_INSNS_MAX = 4096,
	/* The longest expression: libpcap's optimiser recurses, and takes its time. */
	FILTER_TEXT_MAX = 2048,
};

enum filter_verdict {
	FILTER_NO_MATCH,
	FILTER_MATCH,
	FILTER_UNKNOWN, /* the program reads a byte of the frame that is not in the head */
};

/* An instruction, as struct bpf_insn has it. */
struct filter_insn {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

struct filter {
	unsigned int n;
	struct filter_insn insn[];
};

/* Compiles an expression; an empty one matches every frame.
 * Returns: 0, or -errno with one line in `fail`.
 * Ownership: free() the program. */
int filter_compile(const char *text, struct filter **filter, struct fail *fail);

/* Whether these n instructions are a program that filter_run() may run. */
int filter_check(const struct filter_insn *insn, unsigned int n);

/* Runs a program over a frame of `len` bytes, of which the first `head_len` are at `head`. */
enum filter_verdict filter_run(const struct filter_insn *insn, const uint8_t *head,
			       uint32_t head_len, uint32_t len);

/* The first word of an expression that libpcap would ask a name server for, in `word`.
 * Returns: its length; 0: there is none. */
unsigned int filter_find_name(const char *text, const char **word);

#endif
