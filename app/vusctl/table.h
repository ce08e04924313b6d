/* SPDX-License-Identifier: BSD-3-Clause */
/* table.h: aligned columns that fit the terminal; rows in the order, and those only, that are asked for.
 *
 * A table that is too wide has its names cut, then its columns in groups, each with the first column in front: one group below
 * the other, or, on a page, the one that is asked for. The last column, if it is words, goes on below itself, or is cut.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_TABLE_H
#define VUSCTL_TABLE_H

#include <stdbool.h>

/* What is asked of all tables. */
struct table_shape {
	const char *sort;   /* the title of a column; NULL: as the switch has them */
	bool reverse;
	const char *filter; /* NULL: all rows */
	int first_column;   /* on a page: the first one beside the names */
};
extern struct table_shape table_shape;

/* What the last table had to show: for a screen's keys. */
struct table_seen {
	char sort[32];	    /* titles of the columns before and behind that of table_shape.sort */
	char before[32], behind[32];
	int columns;	    /* of it */
	int columns_shown;  /* beside the first one, on a page */
};
extern struct table_seen table_seen;

/* Begins a table; `titles` is a list ended by NULL, a title that begins with '>' stands over numbers (right-aligned), a
 * last one that begins with '<' over words that do not go on below: where there is no room for all of them they end in "..". */
void table_begin(const char *const *titles);
/* The next cell, row by row: text; or what is a number, which rows are sorted by. */
void table_cell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void table_number(double value, const char *text);
/* The cell before is marked (out.h). */
void table_mark(const char *mark);
/* Writes it, each line after `indent`. */
void table_end(const char *indent);
/* Whether the last table had this column; titles are compared without regard to case. */
bool table_had_column(const char *title);

#endif
