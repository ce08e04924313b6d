/* SPDX-License-Identifier: BSD-3-Clause */
/* option_private.h: what the files of option.h share: one value, by its kind (option_value.c).
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_OPTION_PRIVATE_H
#define VUS_OPTION_PRIVATE_H

#include "option.h"

static inline void *option_at(const struct option_row *row, void *values)
{
	return (char *)values + row->offset;
}

static inline const void *option_at_const(const struct option_row *row, const void *values)
{
	return (const char *)values + row->offset;
}

static inline bool option_is_given(const struct option_table *table, const struct option_row *row, const void *values)
{
	return (*(const uint64_t *)values >> (row - table->row) & 1) != 0;
}

/* Whether the row's value means something only where it is given. */
bool option_has_no_normal(const struct option_row *row);
/* Of the row's member. */
size_t option_value_size(const struct option_row *row);
int option_value_init(const struct option_row *row, void *values);
int option_value_read(const struct option_row *row, void *values, const struct option_entry *entry,
		      const struct tree *node, struct fail *fail);
void option_value_clear(const struct option_row *row, void *values);
/* Of a struct that was copied byte by byte: makes what the row points to its own. */
int option_value_own(const struct option_row *row, void *values);
bool option_value_same(const struct option_row *row, const void *a, const void *b);

#endif
