/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "out.h"

enum {
	COLUMNS_MAX = 16,
	BETWEEN = 2,
	/* Text is not made narrower than this. */
	TEXT_COLUMNS = 16,
};

struct cell {
	char *text;
	const char *mark;
	double value;
	bool is_number;
};

struct table_shape table_shape;
struct table_seen table_seen;

static struct {
	int columns;
	char title[COLUMNS_MAX][32];
	bool right[COLUMNS_MAX];
	bool cut; /* the last one is, in place of going on below */
	unsigned int width[COLUMNS_MAX];
	struct cell *cell;
	size_t cells;
	int sort; /* the column; -1: none */
} table;

/* --- filling ---------------------------------------------------------------------------------------------------- */

void table_begin(const char *const *titles)
{
	memset(table.width, 0, sizeof(table.width));
	table.sort = -1;
	for (table.columns = 0; titles[table.columns] != NULL; table.columns++) {
		int i = table.columns;

		table.right[i] = titles[i][0] == '>';
		table.cut = titles[i][0] == '<';
		snprintf(table.title[i], sizeof(table.title[i]), "%s", titles[i] + (table.right[i] || table.cut));
		table.width[i] = columns_of(table.title[i]);
		if (table_shape.sort != NULL && strcasecmp(table_shape.sort, table.title[i]) == 0)
			table.sort = i;
	}
}

static void append(const char *text, double value, bool is_number)
{
	size_t column = table.cells % (size_t)table.columns;
	struct cell *cell = realloc(table.cell, (table.cells + 1) * sizeof(*cell));

	if (cell == NULL)
		die("no memory");
	table.cell = cell;
	cell += table.cells++;
	*cell = (struct cell){.text = strdup(text), .value = value, .is_number = is_number};
	if (cell->text == NULL)
		die("no memory");
	if (columns_of(text) > table.width[column])
		table.width[column] = columns_of(text);
}

void table_cell(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	append(text, 0, false);
}

void table_number(double value, const char *text)
{
	append(text, value, true);
}

void table_mark(const char *mark)
{
	table.cell[table.cells - 1].mark = mark;
}

bool table_had_column(const char *title)
{
	for (int i = 0; i < table.columns; i++)
		if (strcasecmp(table.title[i], title) == 0)
			return true;
	return false;
}

/* --- which rows, and in which order ----------------------------------------------------------------------------- */

static bool is_wanted(const struct cell *row)
{
	if (table_shape.filter == NULL)
		return true;
	for (int i = 0; i < table.columns; i++)
		if (strcasestr(row[i].text, table_shape.filter) != NULL)
			return true;
	return false;
}

/* Numbers from the largest, text from a to z with vm9 before vm10. */
static int compare(const void *a, const void *b)
{
	const struct cell *const *row = a, *const *other = b;
	const struct cell *left = *row + table.sort, *right = *other + table.sort;
	int order = left->is_number && right->is_number ? (left->value < right->value) - (left->value > right->value) :
							  strverscmp(left->text, right->text);

	if (order == 0)
		order = *row < *other ? -1 : 1;
	else if (table_shape.reverse)
		order = -order;
	return order;
}

/* The rows that are shown: `rows` is the caller's to free. */
static size_t pick_rows(const struct cell ***rows)
{
	size_t all = table.cells / (size_t)table.columns, n = 0;

	*rows = calloc(all + 1, sizeof(**rows));
	if (*rows == NULL)
		die("no memory");
	for (size_t i = 0; i < all; i++)
		if (is_wanted(table.cell + i * (size_t)table.columns))
			(*rows)[n++] = table.cell + i * (size_t)table.columns;
	if (table.sort >= 0)
		qsort(*rows, n, sizeof(**rows), compare);
	return n;
}

/* --- what fits -------------------------------------------------------------------------------------------------- */

static bool is_words(int column)
{
	return column == table.columns - 1 && !table.right[column];
}

/* What a column takes at least: the last one, if it is words, goes on below. */
static unsigned int least(int column)
{
	return is_words(column) && table.width[column] > TEXT_COLUMNS ? TEXT_COLUMNS : table.width[column];
}

/* Cuts names, the widest first, until the table fits or none is wide. */
static void cut_names(unsigned int room)
{
	for (;;) {
		unsigned int total = 0;
		int widest = -1;

		for (int i = 0; i < table.columns; i++) {
			total += least(i) + (i > 0 ? BETWEEN : 0);
			if (!table.right[i] && !is_words(i) && table.width[i] > TEXT_COLUMNS &&
			    (widest < 0 || table.width[i] > table.width[widest]))
				widest = i;
		}
		if (total <= room || widest < 0)
			return;
		table.width[widest]--;
	}
}

/* The column behind the last one that fits in a line beside the first one, from `from` on. */
static int group_end(int from, unsigned int room)
{
	unsigned int total = table.width[0];
	int end;

	for (end = from; end < table.columns; end++) {
		total += BETWEEN + least(end);
		if (total > room && end > from)
			break;
	}
	return end;
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

/* A cell's text, padded, at column `at` of the line; what is cut ends in "..". */
static void put_text(const char *text, const char *mark, int column, unsigned int at, bool pad)
{
	unsigned int width = table.width[column], len = columns_of(text), blank = len < width ? width - len : 0;
	unsigned int line = out_width();
	bool cut = !is_words(column);

	if (table.cut && is_words(column) && line >= at + TEXT_COLUMNS) {
		width = line - at;
		cut = true;
	}

	if (mark != NULL)
		put("%s", mark);
	if (table.right[column])
		put("%*s%s", (int)blank, "", text);
	else if (len > width && cut)
		put("%.*s..", (int)bytes_in_columns(text, width - 2), text);
	else
		put("%s%*s", text, pad ? (int)blank : 0, "");
	if (mark != NULL)
		put(MARK_PLAIN);
}

/* The first column, and those from `from` to before `end`; `row` NULL: the titles. */
static void put_row(const struct cell *row, const char *indent, int from, int end)
{
	unsigned int at = (unsigned int)strlen(indent);

	put("%s", indent);
	if (row == NULL)
		put(MARK_TITLE);
	for (int i = 0; i < end; i = i == 0 ? from : i + 1) {
		const char *text = row != NULL ? row[i].text : table.title[i];

		if (is_words(i))
			put_hang(at);
		put_text(text, row != NULL ? row[i].mark : NULL, i, at, i < end - 1);
		at += table.width[i] + BETWEEN;
		if (i < end - 1)
			put("%*s", BETWEEN, "");
	}
	put(row == NULL ? MARK_PLAIN "\n" : "\n");
}

static void note_seen(int from, int end)
{
	int n = table.columns, at = table.sort;

	table_seen = (struct table_seen){.columns = n, .columns_shown = end - from};
	snprintf(table_seen.sort, sizeof(table_seen.sort), "%s", at >= 0 ? table.title[at] : "");
	snprintf(table_seen.behind, sizeof(table_seen.behind), "%s", table.title[(at + 1) % n]);
	snprintf(table_seen.before, sizeof(table_seen.before), "%s", table.title[at > 0 ? at - 1 : n - 1]);
}

static void put_group(const struct cell **rows, size_t n, const char *indent, int from, int end)
{
	struct page *page = out_page();

	put_row(NULL, indent, from, end);
	if (page != NULL && page->head == 0 && page->n <= 3)
		page->head = page->n;
	for (size_t i = 0; i < n; i++)
		put_row(rows[i], indent, from, end);
}

void table_end(const char *indent)
{
	unsigned int width = out_width(), room = width > 0 ? width - (unsigned int)strlen(indent) : ~0u;
	const struct cell **rows;
	size_t n = pick_rows(&rows);
	int from = 1, end;

	cut_names(room);
	if (out_page() != NULL) {
		if (table_shape.first_column > 0)
			from = table_shape.first_column < table.columns ? table_shape.first_column : table.columns - 1;
		end = group_end(from, room);
		note_seen(from, end);
		put_group(rows, n, indent, from, end);
	} else {
		do {
			end = group_end(from, room);
			put_group(rows, n, indent, from, end);
			from = end;
		} while (from < table.columns);
	}
	free(rows);
	for (size_t i = 0; i < table.cells; i++)
		free(table.cell[i].text);
	free(table.cell);
	table.cell = NULL;
	table.cells = 0;
}
