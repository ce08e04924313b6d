/* SPDX-License-Identifier: BSD-3-Clause */
/* table.h: aligned columns, and numbers a person reads at a glance.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_TABLE_H
#define VUSCTL_TABLE_H

#include <stdint.h>

/* Begins a table; `titles` is a list ended by NULL, a title that begins with '>' stands over numbers (right-aligned). */
void table_begin(const char *const *titles);
/* The next cell, row by row. */
void table_cell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints it to standard output, each line after `indent`. */
void table_end(const char *indent);

/* "0", "9876", "26.3 M": in a buffer that is used again after eight calls. */
const char *human(double number);

#endif
