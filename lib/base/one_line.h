/* SPDX-License-Identifier: BSD-3-Clause */
/* one_line.h: text from outside (a file, a peer, a command line) in a message that has to stay one line.
 *
 * Context: any thread.
 */
#ifndef VUS_ONE_LINE_H
#define VUS_ONE_LINE_H

#include <stddef.h>

/* Writes every control character of `text` as C does (\n, \t, \x1b), in place: a newline would begin a second line, and an
 * escape sequence would be obeyed by the terminal. What no longer fits into `size` bytes is cut off, and
 * "..." stands for it. */
void one_line(char *text, size_t size);

/* Writes '?' for each byte that is not printable ASCII, in place: a peer's bytes may be no UTF-8, which jansson refuses. */
void only_ascii(char *text);

/* Where a text of `wanted` bytes, as snprintf() counts them, was written into `size` and did not fit, it ends in "...", behind a
 * whole character of UTF-8. */
void mark_cut(char *text, size_t size, size_t wanted);

#endif
