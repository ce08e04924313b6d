/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy_filter.h"

#include <stdlib.h>
#include <string.h>

static size_t whole_lines(size_t bytes)
{
	return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

struct port_filter *port_filter_create(const struct filter_list *list, unsigned int threads_n)
{
	size_t block = whole_lines(list->rules_n * sizeof(struct filter_count));
	size_t counts = sizeof(struct port_filter) + threads_n * block;
	struct port_filter *filter = aligned_alloc(LINE_BYTES, whole_lines(counts + list->bytes));

	if (filter == NULL)
		return NULL;
	memset(filter, 0, counts);
	filter->threads_n = threads_n;
	filter->block = (uint32_t)block;
	filter->list = (uint32_t)counts;
	memcpy((char *)filter + counts, list, list->bytes);
	return filter;
}

bool port_filter_has(const struct port_filter *filter, const struct filter_list *list)
{
	return strcmp(filter_list_text(port_filter_list(filter)), filter_list_text(list)) == 0;
}

void port_filter_sum(const struct port_filter *filter, uint32_t rule, uint64_t *decided,
		     uint64_t *unknown)
{
	*decided = *unknown = 0;
	for (unsigned int i = 0; i < filter->threads_n; i++) {
		const struct filter_count *at = &port_filter_counts(filter, i)[rule];

		*decided += counted(&at->decided);
		*unknown += counted(&at->unknown);
	}
}
