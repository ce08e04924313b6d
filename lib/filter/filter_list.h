/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_list.h: an ordered list of rules, each with an expression of pcap-filter(7), of which the
 * first that matches a frame says what becomes of it.
 *
 *	allow arp; allow ip and src host 10.0.0.5; deny
 *
 * Rules are separated by ';' or a new line. The last one has no expression, and so says what
 * becomes of all that no rule before it matches. A rule that has to look at a byte that is not in a
 *frame's head decides nothing, and no later rule is asked: the frame is to be dropped.
 *
 * A list is one object without a pointer, and never changed.
 *
 * Context: reading: any thread but an lcore. Running, and holding and letting go: any thread.
 */
#ifndef VUS_FILTER_LIST_H
#define VUS_FILTER_LIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"
#include "filter.h"

enum {
	FILTER_RULES_MAX = 64,
	/* Of all rules of a list together. */
	FILTER_LIST_INSNS_MAX = 4 * FILTER_INSNS_MAX,
};

struct filter_rule {
	bool allow;
	uint16_t n;    /* instructions; 0: every frame matches */
	uint32_t insn; /* the first of them, of the list's */
	uint32_t text; /* where its text begins in the list's */
	uint32_t text_len;
};

struct filter_list {
	atomic_uint holders;
	uint32_t bytes; /* of the whole object */
	uint32_t rules_n, insns_n;
	uint32_t text;	/* where the text begins, from the list's own beginning: all rules, "; " between them */
	uint32_t plans; /* where the plans begin (filter_plan.h); 0: there are none, and the programs are run */
	struct filter_rule rule[];
	/* struct filter_insn insn[insns_n]; struct filter_plans; char text[]; */
};

/* What becomes of a frame, and by which rule. */
struct filter_outcome {
	uint32_t rule;
	uint32_t steps; /* instructions that were run */
	/* FILTER_MATCH: it may pass; FILTER_NO_MATCH: a rule denies it; FILTER_UNKNOWN: it is dropped. */
	enum filter_verdict verdict;
};

/* Returns: 0, or -errno with one line in `fail`: which rule, and libpcap's words.
 * Ownership: filter_list_free(). */
int filter_list_read(const char *text, struct filter_list **list, struct fail *fail);
/* NULL is fine. */
struct filter_list *filter_list_hold(struct filter_list *list);
/* The last who holds it frees it. NULL is fine. */
void filter_list_free(struct filter_list *list);

static inline const struct filter_insn *filter_list_insns(const struct filter_list *list)
{
	return (const struct filter_insn *)(const void *)&list->rule[list->rules_n];
}

static inline const char *filter_list_text(const struct filter_list *list)
{
	return (const char *)list + list->text;
}

/* What becomes of a frame of `len` bytes, of which the first `head_len` are at `head`. */
struct filter_outcome filter_list_run(const struct filter_list *list, const uint8_t *head, uint32_t head_len, uint32_t len);
/* The same as filter_run() has it for one program after the other: slower, and what the other is held to. */
struct filter_outcome filter_list_run_each(const struct filter_list *list, const uint8_t *head, uint32_t head_len, uint32_t len);

#endif
