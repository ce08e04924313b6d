/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 4096 };

static bool make_room(struct ctl_text *text, size_t n)
{
	size_t room = text->room > 0 ? text->room : ROOM_FIRST;
	char *bytes;

	while (room - text->n < n)
		room *= 2;
	bytes = room > text->room ? realloc(text->bytes, room) : text->bytes;
	if (bytes == NULL) {
		text->failed = true;
		return false;
	}
	text->bytes = bytes;
	text->room = room;
	return true;
}

void ctl_text_add(struct ctl_text *text, const char *bytes, size_t n)
{
	if (!make_room(text, n))
		return;
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
}

void ctl_text_put(struct ctl_text *text, const char *words)
{
	ctl_text_add(text, words, strlen(words));
}

/* Most strings are copied. */
static bool is_plain(const char *string)
{
	for (; *string != '\0'; string++)
		if (*string < ' ' || *string > '~' || *string == '"' || *string == '\\')
			return false;
	return true;
}

void ctl_text_string(struct ctl_text *text, const char *string)
{
	json_t *value;
	char *escaped;

	if (is_plain(string)) {
		ctl_text_add(text, "\"", 1);
		ctl_text_put(text, string);
		ctl_text_add(text, "\"", 1);
		return;
	}
	value = json_string(string);
	if (value == NULL)
		value = json_string("(not UTF-8)");
	escaped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(value);
	if (escaped != NULL)
		ctl_text_put(text, escaped);
	else
		text->failed = true;
	free(escaped);
}

void ctl_text_number(struct ctl_text *text, uint64_t number)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	ctl_text_add(text, digits + i, sizeof(digits) - i);
}
