/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_plan.h: the programs of a list's rules as one, and once more for each kind of frame that most are; lib/filter only.
 *
 * libpcap's programs begin with the same questions: the type, the protocol, whether there are options. For a TCP segment in plain
 * IPv4 the answers are known, and with them the length of the header; most of a list's rules are then decided before they are
 * run, and of the others a load and a comparison remain. So a frame is first put into a class, by bytes that no program has to
 * look at again, and what is run is the plan of that class: what remains of all rules once all that follows from these bytes is
 * worked out. A plan answers as the programs do, one after the other, by filter_run() (tests/unit/filter_plan_test.c).
 *
 * How: bits of the accumulator, the index and the words of memory that are known at an instruction are what is known on every way
 * there; jumps go forward only, so one pass finds them. Jumps that they decide are followed; loads of what is known become
 * constants; a load of what the accumulator holds is left out; so is, in a pass backwards, what nobody reads.
 *
 * Context: making: any thread but an lcore. Running: any thread.
 */
#ifndef VUS_FILTER_PLAN_H
#define VUS_FILTER_PLAN_H

#include "filter_class.h"
#include "filter_list.h"

/* A load has three sizes: 4 bytes, 2 and 1. */
enum filter_op {
	FILTER_LD, /* k: where */
	FILTER_LD_2,
	FILTER_LD_1,
	FILTER_LD_IND, /* k and the index; code: the instruction's, here and below */
	FILTER_LD_IMM,
	FILTER_LD_LEN,
	FILTER_LD_MEM,
	FILTER_LDX_MSH,
	FILTER_LDX_IMM,
	FILTER_LDX_LEN,
	FILTER_LDX_MEM,
	FILTER_ST,
	FILTER_STX,
	FILTER_TAX,
	FILTER_TXA,
	FILTER_AND,
	FILTER_ALU,
	FILTER_JEQ, /* to `other` where the accumulator is not k */
	FILTER_JEQ_NOT,
	FILTER_JUMP, /* to `other` where a comparison does not hold */
	FILTER_JUMP_NOT,
	FILTER_GO,     /* to `other` */
	FILTER_DECIDE, /* by the rule; k: whether it allows */
};

/* The next one follows. That is what a processor runs ahead of: the way from step to step is no load. */
struct filter_step {
	uint8_t op, code;
	uint8_t rule;
	uint16_t other; /* from the beginning of the plan; of a load, where a program goes on that ends by it */
	uint32_t k;
};

struct filter_plans {
	uint32_t begin[FILTER_CLASSES]; /* a class's first step */
	uint32_t n;
	struct filter_step step[];
};

/* Plans for these rules, whose programs are in `insns`.
 * Returns: NULL: there is no memory; or a program reads what it has not written, which is not planned for (none of libpcap's
 * does). Then the programs are run one after the other. Ownership: free(). */
struct filter_plans *filter_plans_make(const struct filter_rule *rules, uint32_t rules_n, const struct filter_insn *insns);

/* What becomes of a frame. */
struct filter_outcome filter_plans_run(const struct filter_plans *plans, const uint8_t *head, uint32_t head_len, uint32_t len);

static inline uint32_t filter_plans_bytes(const struct filter_plans *plans)
{
	return (uint32_t)(sizeof(*plans) + plans->n * sizeof(plans->step[0]));
}

#endif
