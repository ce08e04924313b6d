/* SPDX-License-Identifier: BSD-3-Clause */
#include "screen.h"

#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "out.h"
#include "table.h"

enum {
	KEY_ESCAPE = 27,
	FILTER_BYTES = 32,
	/* A key that begins with Escape comes whole within this time. */
	ESCAPE_MS = 50,
};

static struct {
	const struct screen *view;
	struct page page;
	size_t first; /* of the lines below the heading */
	bool drawn, ends, helps, types;
	char filter[FILTER_BYTES];
	char sort[sizeof(table_seen.sort)];
} screen;

static const char *const keys[] = {
	"space, PgDn   next page",
	"b, PgUp       page before",
	"up, down      a line",
	"Home, End     first page, last page",
	"left, right   columns that do not fit",
	"s, S          sort by the next column",
	"              or by the one before",
	"r             the other way round",
	"/             filter: Enter keeps it,",
	"              Escape drops it",
	"Tab           the other table of top",
	"q             quit",
};

bool screen_is_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

void screen_leave(void)
{
	if (screen.drawn)
		endwin();
	screen.drawn = false;
}

/* False: the terminal is not known. */
static bool screen_enter(void)
{
	const char *no_color = getenv("NO_COLOR");

	setlocale(LC_CTYPE, "");
	if (newterm(NULL, stdout, stdin) == NULL)
		return false;
	screen.drawn = true;
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	if (has_colors() && (no_color == NULL || no_color[0] == '\0')) {
		start_color();
		use_default_colors();
		init_pair(MARK_GOOD[0], COLOR_GREEN, -1);
		init_pair(MARK_WARN[0], COLOR_YELLOW, -1);
		init_pair(MARK_BAD[0], COLOR_RED, -1);
	}
	return true;
}

/* --- drawing ---------------------------------------------------------------------------------------------------- */

static void draw_line(int row, const char *text)
{
	move(row, 0);
	attrset(A_NORMAL);
	while (*text != '\0') {
		size_t len = 0;

		while (text[len] != '\0' && !(text[len] >= MARK_FIRST && text[len] <= MARK_LAST))
			len++;
		addnstr(text, (int)len);
		text += len;
		if (*text == MARK_TITLE[0])
			attrset(A_BOLD);
		else if (*text != '\0')
			attrset(*text == MARK_PLAIN[0] ? A_NORMAL : COLOR_PAIR(*text));
		text += *text != '\0';
	}
	attrset(A_NORMAL);
}

/* How many lines of the page stay at the top, and how many others fit below them, above the last line of the screen. */
static size_t head_lines(void)
{
	size_t most = LINES > 2 ? (size_t)LINES - 2 : 0;

	return screen.page.head < most ? screen.page.head : most;
}

static size_t room(void)
{
	size_t rows = LINES > 1 ? (size_t)LINES - 1 : 1;

	return rows > head_lines() ? rows - head_lines() : 1;
}

/* The last line: what is shown of how much, in which order, and how to learn the keys. */
static void draw_status(size_t shown, size_t all)
{
	char text[256];
	size_t n;

	if (screen.types)
		n = (size_t)snprintf(text, sizeof(text), "filter: %s_", screen.filter);
	else
		n = (size_t)snprintf(text, sizeof(text), "%zu-%zu of %zu", screen.first + (shown > 0), screen.first + shown, all);
	if (!screen.types && !screen.helps && screen.sort[0] != '\0')
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", by %s%s", screen.sort,
				      table_shape.reverse ? " reversed" : "");
	if (!screen.types && !screen.helps && screen.filter[0] != '\0')
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", with %s", screen.filter);
	snprintf(text + n, sizeof(text) - n, "%s", screen.helps ? "  ? back" : "  ? keys");
	attrset(A_REVERSE);
	mvprintw(LINES - 1, 0, "%-*.*s", COLS - 1, COLS - 1, text);
	attrset(A_NORMAL);
}

static void fill_page(void)
{
	page_clear(&screen.page);
	out_to_page(&screen.page, (unsigned int)COLS);
	table_shape.sort = screen.sort[0] != '\0' ? screen.sort : NULL;
	table_shape.filter = screen.filter[0] != '\0' ? screen.filter : NULL;
	if (!screen.helps) {
		screen.view->show();
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put("%s\n", keys[i]);
}

static void draw(void)
{
	size_t head, all, shown;

	fill_page();
	head = head_lines();
	all = screen.page.n - head;
	if (screen.first + room() > all)
		screen.first = all > room() ? all - room() : 0;
	shown = all - screen.first < room() ? all - screen.first : room();
	erase();
	for (size_t i = 0; i < head; i++)
		draw_line((int)i, screen.page.line[i]);
	for (size_t i = 0; i < shown; i++)
		draw_line((int)(head + i), screen.page.line[head + screen.first + i]);
	draw_status(shown, all);
	refresh();
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

static void back(size_t lines)
{
	screen.first = screen.first > lines ? screen.first - lines : 0;
}

static void type_key(int key)
{
	size_t n = strlen(screen.filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER || key == KEY_ESCAPE) {
		screen.types = false;
		if (key == KEY_ESCAPE)
			screen.filter[0] = '\0';
	} else if ((key == KEY_BACKSPACE || key == 0x7f || key == '\b') && n > 0) {
		screen.filter[n - 1] = '\0';
	} else if (key < 0x80 && isprint(key) && n + 1 < sizeof(screen.filter)) {
		screen.filter[n] = (char)key;
		screen.filter[n + 1] = '\0';
	}
}

static void sort_by(const char *title)
{
	snprintf(screen.sort, sizeof(screen.sort), "%s", title);
	screen.first = 0;
}

/* The columns that do not fit; the last group begins with the last column at the latest. */
static void turn_columns(int by)
{
	int first = (table_shape.first_column > 0 ? table_shape.first_column : 1) + by;

	table_shape.first_column = first < 1 || (by > 0 && first >= table_seen.columns) ? table_shape.first_column : first;
	if (first < 1)
		table_shape.first_column = 1;
}

static void move_key(int key)
{
	switch (key) {
	case ' ':
	case KEY_NPAGE:
		screen.first += room();
		break;
	case 'b':
	case KEY_PPAGE:
		back(room());
		break;
	case KEY_DOWN:
		screen.first++;
		break;
	case KEY_UP:
		back(1);
		break;
	case KEY_HOME:
		screen.first = 0;
		break;
	case KEY_END:
		screen.first = screen.page.n;
		break;
	case KEY_RIGHT:
		turn_columns(1);
		break;
	case KEY_LEFT:
		turn_columns(-1);
		break;
	}
}

static void handle_key(int key)
{
	if (screen.types) {
		type_key(key);
		return;
	}
	switch (key) {
	case 'q':
		screen.ends = true;
		break;
	case '?':
	case 'h':
		screen.helps = !screen.helps;
		screen.first = 0;
		break;
	case 's':
		sort_by(table_seen.behind);
		break;
	case 'S':
		sort_by(table_seen.before);
		break;
	case 'r':
		table_shape.reverse = !table_shape.reverse;
		break;
	case '/':
		screen.types = true;
		break;
	case '\t':
		if (screen.view->turn != NULL)
			screen.view->turn();
		table_shape.first_column = 0;
		screen.first = 0;
		break;
	default:
		move_key(key);
	}
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool screen_run(const struct screen *view)
{
	double next = 0;
	long shown = 0;

	screen.view = view;
	snprintf(screen.filter, sizeof(screen.filter), "%s", table_shape.filter != NULL ? table_shape.filter : "");
	snprintf(screen.sort, sizeof(screen.sort), "%s", table_shape.sort != NULL ? table_shape.sort : "");
	if (!screen_enter())
		return false;
	view->ask_first();
	for (; !screen.ends; shown++) {
		if (shown > 0)
			view->ask();
		next = now() + view->seconds;
		draw();
		if (view->count > 0 && shown + 1 == view->count)
			break;
		for (double left = view->seconds; left > 0 && !screen.ends; left = next - now()) {
			int key;

			timeout((int)(left * 1000) + 1);
			key = getch();
			if (key == ERR)
				continue;
			handle_key(key);
			draw();
		}
	}
	page_clear(&screen.page);
	screen_leave();
	if (!screen.ends) {
		out_to_terminal(out_terminal_width());
		view->show();
	}
	return true;
}
