/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_planning.h: a plan while it is made (filter_plan.h): the programs of a list in one, and what is known at each
 * instruction; lib/filter only.
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_FILTER_PLANNING_H
#define VUS_FILTER_PLANNING_H

#include "filter_machine.h"
#include "filter_plan.h"

enum {
	/* Instructions of our own, of which BPF has no code. */
	GOTO = 0x100,
	DECIDE,
};

/* All programs of a list in one. What they do when they end has become jumps: to a DECIDE behind each, or to the next program. */
struct flat {
	uint16_t code;
	uint8_t rule;
	uint32_t k;
	uint32_t yes, no; /* where it goes on; and where a comparison does that does not hold, or a program that it ends */
};

/* Bits, of which those in `known` are known. */
struct value {
	uint32_t bits, known;
};

/* What is known where an instruction begins. */
struct state {
	bool reached;
	bool holds; /* the accumulator has what `load` loads from `at` */
	uint16_t load;
	uint32_t at;
	struct value a, x, memory[FILTER_WORDS];
};

struct planning {
	struct value byte[FILTER_CLASS_BYTES]; /* of the class */
	uint32_t bytes;			       /* frames of the class have so many; 0: of no class nothing is known */
	uint32_t n;			       /* instructions */
	struct flat *flat;
	struct state *state; /* one more than instructions */
	uint32_t *live, *place, *follower;
	uint32_t starts_n, start[FILTER_RULES_MAX];
};

/* What frames of a class begin with, in p->byte and p->bytes. */
void filter_know_class(struct planning *p, enum filter_class class);
/* Makes of each instruction that can be reached what it is where so much is known. */
void filter_go_forwards(struct planning *p);
/* Whether an instruction may go on at `no`. */
bool filter_has_other(const struct planning *p, const struct flat *flat);

#endif
