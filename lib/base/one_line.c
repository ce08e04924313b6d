/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_line.h"

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

void one_line(char *text, size_t size)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		char out[ESCAPE_BYTES];
		size_t n, rest;

		if (!is_control(text[i]))
			continue;
		escape(text[i], out);
		n = strlen(out);
		if (i + n >= size) {
			text[i] = '\0';
			return;
		}
		rest = len - i - 1;
		if (i + n + rest >= size)
			rest = size - 1 - i - n;
		memmove(text + i + n, text + i + 1, rest);
		memcpy(text + i, out, n);
		len = i + n + rest;
		text[len] = '\0';
		i += n - 1;
	}
}
