/* SPDX-License-Identifier: BSD-3-Clause */
#include "out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client.h"

enum {
	ENTRY_COLUMN = 27,
	/* Of a terminal that does not say. */
	WIDTH_DEFAULT = 80,
	/* A line goes on at its beginning where the column leaves less than this. */
	HANG_ROOM = 12,
};

static struct {
	unsigned int width, hang;
	bool colour;
	struct page *page;
	char *line;
	size_t n, room;
} out;

static const char *const colours[MARK_LAST + 1] = {
	[1] = "\033[0m", [2] = "\033[1m", [3] = "\033[32m", [4] = "\033[33m", [5] = "\033[31m",
};

static bool is_mark(char c)
{
	return c >= MARK_FIRST && c <= MARK_LAST;
}

/* Whether a column begins with this byte: not with a mark, nor with the second byte of a character. */
static bool is_column(char c)
{
	return !is_mark(c) && ((unsigned char)c & 0xc0) != 0x80;
}

unsigned int columns_of(const char *text)
{
	unsigned int n = 0;

	for (; *text != '\0'; text++)
		n += is_column(*text);
	return n;
}

unsigned int out_terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

void out_to_terminal(unsigned int width)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	out.page = NULL;
	out.width = width;
	out.colour = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
		     strcmp(term, "dumb") != 0;
}

void out_to_page(struct page *page, unsigned int width)
{
	out.page = page;
	out.width = width;
}

void page_clear(struct page *page)
{
	for (size_t i = 0; i < page->n; i++)
		free(page->line[i]);
	free(page->line);
	*page = (struct page){0};
}

unsigned int out_width(void)
{
	return out.width;
}

struct page *out_page(void)
{
	return out.page;
}

/* --- a line ----------------------------------------------------------------------------------------------------- */

static void add_to_page(const char *text, size_t len)
{
	struct page *page = out.page;
	char **line = realloc(page->line, (page->n + 1) * sizeof(*line));

	if (line == NULL)
		die("no memory");
	page->line = line;
	line[page->n] = strndup(text, len);
	if (line[page->n++] == NULL)
		die("no memory");
}

static void print_marked(const char *text, size_t len)
{
	bool coloured = false;

	for (size_t i = 0; i < len; i++) {
		if (!is_mark(text[i])) {
			putchar(text[i]);
		} else if (out.colour) {
			coloured = text[i] != MARK_PLAIN[0];
			fputs(colours[(int)text[i]], stdout);
		}
	}
	fputs(coloured ? "\033[0m\n" : "\n", stdout);
}

/* How many bytes of `text` fit into `columns`; `word`: only whole words, as far as there is a space at which to break. */
static size_t fitting(const char *text, unsigned int columns, bool word)
{
	unsigned int n = 0;
	size_t at, space = 0;

	for (at = 0; text[at] != '\0'; at++) {
		if (is_column(text[at]) && n++ == columns)
			break;
		if (text[at] == ' ' && n > 1)
			space = at;
	}
	if (text[at] == '\0' || !word || text[at] == ' ')
		return at;
	return space > 0 && text[space - 1] != ' ' ? space : at;
}

size_t bytes_in_columns(const char *text, unsigned int columns)
{
	return fitting(text, columns, false);
}

static void end_line(void)
{
	unsigned int hang = out.hang + HANG_ROOM <= out.width ? out.hang : 0;
	const char *text = out.line;
	size_t len = out.width > 0 ? fitting(text, out.width, false) : out.n;

	if (out.page != NULL) {
		add_to_page(text, len);
		return;
	}
	if (len < out.n)
		len = fitting(text, out.width, true);
	print_marked(text, len);
	for (text += len; *text != '\0'; text += len) {
		text += strspn(text, " ");
		len = fitting(text, out.width - hang, true);
		printf("%*s", (int)hang, "");
		print_marked(text, len);
	}
}

static void add(const char *text, size_t len)
{
	if (out.n + len + 1 > out.room) {
		out.room = 2 * (out.n + len + 1);
		out.line = realloc(out.line, out.room);
		if (out.line == NULL)
			die("no memory");
	}
	for (size_t i = 0; i < len; i++) {
		bool strange = !is_mark(text[i]) && ((unsigned char)text[i] < ' ' || text[i] == 0x7f);

		out.line[out.n++] = strange ? '?' : text[i];
	}
	out.line[out.n] = '\0';
}

void put(const char *fmt, ...)
{
	char *text;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		die("no memory");
	for (const char *at = text, *end; at != NULL; at = end) {
		end = strchr(at, '\n');
		add(at, end != NULL ? (size_t)(end - at) : strlen(at));
		if (end == NULL)
			break;
		end_line();
		end++;
		out.n = out.hang = 0;
		out.line[0] = '\0';
	}
	free(text);
}

void put_hang(unsigned int column)
{
	out.hang = column;
}

void put_entry(const char *usage, const char *help)
{
	unsigned int column = (unsigned int)strlen(usage) + 2, width = out.width > 0 ? out.width : WIDTH_DEFAULT;

	put("  %s", usage);
	if (column + 1 > ENTRY_COLUMN) {
		put("\n");
		column = 0;
	}
	put("%*s", (int)(ENTRY_COLUMN - column), "");
	for (const char *text = help; *text != '\0';) {
		size_t len = fitting(text, width > 2 * ENTRY_COLUMN ? width - ENTRY_COLUMN : ENTRY_COLUMN, true);

		put("%.*s\n", (int)len, text);
		text += len + strspn(text + len, " ");
		if (*text != '\0')
			put("%*s", ENTRY_COLUMN, "");
	}
}
