/* SPDX-License-Identifier: BSD-3-Clause */
/* policy_filter.h: which frames may come from a port, and which may go to it: a list of rules for
 * each direction, and how many frames each rule has decided.
 *
 * The counters belong to the list: they go on when another part of the policy changes, and begin
 * anew with another list.
 *
 * Context: control makes and frees it, and reads the counters; an lcore runs the list and counts,
 * in a block of its own. Ownership: of the port (port.policy_part). One piece of memory, so that
 * free() frees all of it.
 */
#ifndef VUS_POLICY_FILTER_H
#define VUS_POLICY_FILTER_H

#include "filter_direction.h"
#include "filter_list.h"
#include "lines.h"
#include "port_counters.h"

struct filter_count {
	_Atomic uint64_t decided; /* frames of which the rule said what becomes of them */
	_Atomic uint64_t unknown; /* frames of which it could not: they were dropped */
};

struct port_filter {
	unsigned int threads_n;
	uint32_t block; /* bytes of a thread's counters */
	uint32_t list;	/* where the list begins */
	_Alignas(LINE_BYTES) struct filter_count count[];
};

/* For so many threads that count. NULL: no memory. The list is copied. */
struct port_filter *port_filter_create(const struct filter_list *list, unsigned int threads_n);
/* Whether its list is this one. */
bool port_filter_has(const struct port_filter *filter, const struct filter_list *list);
/* What all threads have counted of a rule. */
void port_filter_sum(const struct port_filter *filter, uint32_t rule, uint64_t *decided,
		     uint64_t *unknown);

static inline const struct filter_list *port_filter_list(const struct port_filter *filter)
{
	return (const struct filter_list *)(const void *)((const char *)filter + filter->list);
}

/* Those of a thread, for each rule. */
static inline struct filter_count *port_filter_counts(const struct port_filter *filter,
						      unsigned int thread)
{
	return (struct filter_count *)(void *)((char *)(uintptr_t)filter->count +
					       (size_t)thread * filter->block);
}

/* What the rule of an outcome has done, by a thread's own counters. */
static inline void port_filter_count(const struct port_filter *filter, unsigned int thread,
				     const struct filter_outcome *outcome)
{
	struct filter_count *at = &port_filter_counts(filter, thread)[outcome->rule];

	count(outcome->verdict == FILTER_UNKNOWN ? &at->unknown : &at->decided, 1);
}

#endif
