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

void view_drops(const struct replies *replies)
{
	static const char *const titles[] = {"PORT", "REASON", ">FRAMES", ">/s", ">FIRST", ">LAST", "THE LAST FRAME", NULL};
	const json_t *before = replies->before[0], *now = replies->now[0], *ports = json_object_get(now, "drops");
	double seconds = seconds_between(before, now);
	const json_t *port, *reason;
	size_t i, k;

	if (json_array_size(ports) == 0) {
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
	table_end("");
	if (options.hex)
		put_each_bytes(ports);
}
