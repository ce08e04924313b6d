/* SPDX-License-Identifier: BSD-3-Clause */
/* lines.h: fields that different threads write lie on different cache lines, and the compiler sees to it.
 *
 * A line that two cores write goes back and forth between them, whatever the fields mean: 60 to 300 ns each time. Where a
 * struct has groups of fields with different writers, each group begins a line (_Alignas(64)), and a line of these says so
 * beneath the struct: a field that is added or moved cannot quietly join another's line.
 *
 * Context: any thread; all of it happens at compile time.
 */
#ifndef VUS_LINES_H
#define VUS_LINES_H

#include <stddef.h>

enum { LINE_BYTES = 64 };

/* `member` begins a group with a writer of its own. */
#define BEGINS_A_LINE(type, member)                                                                \
	_Static_assert(offsetof(type, member) % LINE_BYTES == 0,                                   \
		       #type ": " #member " shares a cache line with fields of another writer")
/* In an array of these, no two elements share a line. */
#define WHOLE_LINES(type)                                                                          \
	_Static_assert(sizeof(type) % LINE_BYTES == 0 && _Alignof(type) % LINE_BYTES == 0,         \
		       #type ": neighbours in an array share a cache line")

#endif
