/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ESCAPE_BYTES = 5 };

static int is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static void escape(char c, char out[ESCAPE_BYTES])
{
	if (c == '\n')
		strcpy(out, "\\n");
	else if (c == '\t')
		strcpy(out, "\\t");
	else
		snprintf(out, ESCAPE_BYTES, "\\x%02x", (unsigned char)c);
}

void mark_cut(char *text, size_t size, size_t wanted)
{
	static const char mark[] = "...";
	size_t at = size - sizeof(mark);

	if (wanted < size || size < sizeof(mark))
		return;
	/* The rest of a character. */
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, mark, sizeof(mark));
}

void only_ascii(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void one_line(char *text, size_t size)
{
	bool cut = false;
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		char out[ESCAPE_BYTES];
		size_t n, rest;

		if (!is_control(text[i]))
			continue;
		escape(text[i], out);
		n = strlen(out);
		if (i + n >= size) {
			memset(text + i, '.', size - 1 - i);
			text[size - 1] = '\0';
			cut = true;
			break;
		}
		rest = len - i - 1;
		if (i + n + rest >= size) {
			rest = size - 1 - i - n;
			cut = true;
		}
		memmove(text + i + n, text + i + 1, rest);
		memcpy(text + i, out, n);
		len = i + n + rest;
		text[len] = '\0';
		i += n - 1;
	}
	if (cut)
		mark_cut(text, size, size);
}
