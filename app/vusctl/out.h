/* SPDX-License-Identifier: BSD-3-Clause */
/* out.h: where the views write: lines for standard output, or for a page that a screen shows.
 *
 * No line is longer than the terminal is wide: it goes on below, at a column that the view chooses, or is cut. Where standard
 * output is no terminal lines are as long as they are. Marks in a text say what it means; on a terminal they are colours, unless
 * NO_COLOR is set or the terminal has none, and elsewhere nothing. Control characters in what the switch says are shown as '?'.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_OUT_H
#define VUSCTL_OUT_H

#include <stdbool.h>
#include <stddef.h>

#define MARK_PLAIN "\001"
#define MARK_TITLE "\002"
#define MARK_GOOD  "\003"
#define MARK_WARN  "\004"
#define MARK_BAD   "\005"
/* The first and the last of them. */
enum { MARK_FIRST = 1, MARK_LAST = 5 };

/* Lines with their marks. */
struct page {
	char **line;
	size_t n;
	size_t head; /* the first lines that are a heading, and stay when the page is scrolled */
};

/* The width of the terminal behind standard output, or 0: it is none. */
unsigned int out_terminal_width(void);
/* Lines go to standard output, `width` columns wide at most (0: any). */
void out_to_terminal(unsigned int width);
/* Lines are added to a page, cut at `width`; until the next call. */
void out_to_page(struct page *page, unsigned int width);
void page_clear(struct page *page);
/* How wide a line may be; 0: any. */
unsigned int out_width(void);
/* The page that is being written, or NULL. */
struct page *out_page(void);

/* Writes; lines are ended by '\n'. */
void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* From here on the line that is being written goes on below at this column. */
void put_hang(unsigned int column);
/* "  USAGE            help": an entry of a --help. */
void put_entry(const char *usage, const char *help);
/* Columns that a text takes: its characters without marks. */
unsigned int columns_of(const char *text);
/* How many of its bytes fit into so many columns. */
size_t bytes_in_columns(const char *text, unsigned int columns);

#endif
