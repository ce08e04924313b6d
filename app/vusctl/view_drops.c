/* SPDX-License-Identifier: BSD-3-Clause */
/* view_drops.c: what was dropped, where and why, since when, and what the last frame of each reason was. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "frame_line.h"
#include "options.h"
#include "out.h"
#include "table.h"
#include "units.h"
#include "views.h"

#define EACH(list, i, entry) json_array_foreach((json_t *)(list), i, entry)

enum { HEAD_MAX = 128, LINE = 16 };

/* The digits of a frame's head; how many bytes. */
static size_t head_of(const json_t *frame, uint8_t *bytes)
{
	const char *digits = text_of(frame, "bytes");
	unsigned int byte;
	size_t n = 0;

	while (n < HEAD_MAX && digits[0] != '\0' && digits[1] != '\0' && sscanf(digits, "%2x", &byte) == 1) {
		bytes[n++] = (uint8_t)byte;
		digits += 2;
	}
	return n;
}

static void ago_cell(const json_t *reason, const char *key)
{
	double seconds = number_of(reason, key) / 1e3;

	if (json_object_get(reason, key) == NULL)
		table_cell("-");
	else
		table_number(seconds, seconds < 1e-3 ? "now" : time_text(seconds));
}

static void put_reason(const json_t *port, const json_t *reason, const json_t *then, double seconds)
{
	const json_t *frame = json_object_get(reason, "frame");
	double rate = growth(then, reason, "frames") / seconds;
	uint8_t bytes[HEAD_MAX];
	char line[256] = "-";

	if (frame != NULL)
		frame_line(bytes, head_of(frame, bytes), (size_t)number_of(frame, "len"), line, sizeof(line));
	table_cell("%s", text_of(port, "port"));
	table_cell("%s", text_of(reason, "reason"));
	table_number(number_of(reason, "frames"), human(number_of(reason, "frames")));
	table_number(rate, human(rate));
	if (rate > 0)
		table_mark(MARK_WARN);
	ago_cell(reason, "first_ms");
	ago_cell(reason, "last_ms");
	table_cell("%s", line);
}

/* Sixteen bytes a line. */
static void put_bytes(const json_t *port, const json_t *reason)
{
	const json_t *frame = json_object_get(reason, "frame");
	uint8_t bytes[HEAD_MAX];
	size_t n;

	if (frame == NULL)
		return;
	n = head_of(frame, bytes);
	put("\n%s %s: %zu of %.0f bytes\n", text_of(port, "port"), text_of(reason, "reason"), n, number_of(frame, "len"));
	for (size_t i = 0; i < n; i++) {
		if (i % LINE == 0)
			put("  %04zx ", i);
		put(" %02x%s", bytes[i], i % LINE == LINE - 1 || i == n - 1 ? "\n" : "");
	}
}

static void put_each_bytes(const json_t *ports)
{
	const json_t *port, *reason;
	size_t i, k;

	EACH(ports, i, port)
		EACH(json_object_get(port, "reasons"), k, reason)
			put_bytes(port, reason);
}

/* What is the switch's own: where it was, and a word on what it is. */
static const struct own {
	const char *of, *reason, *help;
} owns[] = {
	{"switch", "reports_lost", "what lcores had to tell control, addresses above all, while it was behind"},
	{"bridge", "inject_drops", "frames of the switch's own"},
	{"mirror", "dropped", "copies that its sink had no room for, or is not there for"},
	{"capture", "lost", "frames that its reader was too slow for"},
};

static const char *help_of(const json_t *entry)
{
	for (size_t i = 0; i < sizeof(owns) / sizeof(owns[0]); i++)
		if (strcmp(owns[i].of, text_of(entry, "of")) == 0 && strcmp(owns[i].reason, text_of(entry, "reason")) == 0)
			return owns[i].help;
	return "-";
}

/* The same one, in an answer before; NULL: it is new. */
static const json_t *own_before(const json_t *before, const json_t *entry)
{
	const json_t *then;
	size_t i;

	EACH(json_object_get(before, "switch"), i, then)
		if (strcmp(text_of(then, "of"), text_of(entry, "of")) == 0 &&
		    strcmp(text_of(then, "name"), text_of(entry, "name")) == 0 &&
		    strcmp(text_of(then, "bridge"), text_of(entry, "bridge")) == 0 &&
		    strcmp(text_of(then, "reason"), text_of(entry, "reason")) == 0)
			return then;
	return NULL;
}

/* No port has this name. */
static void put_own(const json_t *entry, const json_t *then, double seconds)
{
	const char *of = text_of(entry, "of");
	double rate = growth(then, entry, "count") / seconds;

	if (strcmp(of, "mirror") == 0)
		table_cell("(mirror %s of %s)", text_of(entry, "name"), text_of(entry, "bridge"));
	else if (json_object_get(entry, "name") != NULL)
		table_cell("(%s %s)", of, text_of(entry, "name"));
	else
		table_cell("(%s)", of);
	table_cell("%s", text_of(entry, "reason"));
	table_number(number_of(entry, "count"), human(number_of(entry, "count")));
	table_number(rate, human(rate));
	if (rate > 0)
		table_mark(MARK_WARN);
	table_cell("-");
	table_cell("-");
	table_cell("%s", help_of(entry));
}

void view_drops(const struct replies *replies)
{
	static const char *const titles[] = {"PORT", "REASON", ">FRAMES", ">/s", ">FIRST", ">LAST", "THE LAST FRAME", NULL};
	const json_t *before = replies->before[0], *now = replies->now[0], *ports = json_object_get(now, "drops");
	const json_t *own = json_object_get(now, "switch"), *entry, *port, *reason;
	double seconds = seconds_between(before, now);
	size_t i, k;

	if (json_array_size(ports) == 0 && json_array_size(own) == 0) {
		put("nothing was dropped\n");
		return;
	}
	table_begin(titles);
	EACH(ports, i, port)
	{
		const json_t *then = same_in(json_object_get(before, "drops"), port, "port");

		EACH(json_object_get(port, "reasons"), k, reason)
			put_reason(port, reason, same_in(json_object_get(then, "reasons"), reason, "reason"), seconds);
	}
	EACH(own, i, entry)
		put_own(entry, own_before(before, entry), seconds);
	table_end("");
	if (options.hex)
		put_each_bytes(ports);
}
