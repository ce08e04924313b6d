/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { COLUMNS_MAX = 16, HUMANS = 8 };

static struct {
	int columns;
	bool right[COLUMNS_MAX];
	int width[COLUMNS_MAX];
	char **cell;
	size_t cells;
} table;

static void append(const char *text)
{
	int column = (int)(table.cells % (size_t)table.columns), width = (int)strlen(text);
	char **cell = realloc(table.cell, (table.cells + 1) * sizeof(*cell));

	if (cell == NULL)
		die("no memory");
	table.cell = cell;
	cell[table.cells] = strdup(text);
	if (cell[table.cells++] == NULL)
		die("no memory");
	if (width > table.width[column])
		table.width[column] = width;
}

void table_begin(const char *const *titles)
{
	memset(table.width, 0, sizeof(table.width));
	for (table.columns = 0; titles[table.columns] != NULL; table.columns++)
		table.right[table.columns] = titles[table.columns][0] == '>';
	for (int i = 0; i < table.columns; i++)
		append(titles[i] + table.right[i]);
}

void table_cell(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	append(text);
}

void table_end(const char *indent)
{
	for (size_t i = 0; i < table.cells; i++) {
		int column = (int)(i % (size_t)table.columns), width = table.width[column];
		bool last = column == table.columns - 1;

		if (column == 0)
			fputs(indent, stdout);
		if (table.right[column])
			printf("%*s", width, table.cell[i]);
		else if (last)
			fputs(table.cell[i], stdout);
		else
			printf("%-*s", width, table.cell[i]);
		fputs(last ? "\n" : "  ", stdout);
		free(table.cell[i]);
	}
	free(table.cell);
	table.cell = NULL;
	table.cells = 0;
}

const char *human(double number)
{
	static const char *const units[] = {"", " k", " M", " G", " T", " P", " E"};
	static char text[HUMANS][16];
	static unsigned int turn;
	char *at = text[turn++ % HUMANS];
	unsigned int unit = 0;

	if (number >= 10000) {
		while (number >= 999.5 && unit < sizeof(units) / sizeof(units[0]) - 1) {
			number /= 1000;
			unit++;
		}
	}
	/* Three digits that count. */
	snprintf(at, sizeof(text[0]), "%.*f%s",
		 unit == 0 || number >= 99.95 ? 0 : (number >= 9.995 ? 1 : 2), number, units[unit]);
	return at;
}
