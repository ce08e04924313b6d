/* SPDX-License-Identifier: BSD-3-Clause */
/* view_events.c: what happens to the switch, a line each. An event is shown with whatever fields it has, so that vusctl need not
 * know every one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "options.h"
#include "out.h"
#include "views.h"

enum { NAME_COLUMNS = 16, PORT_COLUMNS = 12, HANG = 45 };

/* "2026-11-29T22:50:01.123456Z" as the time of day here: "23:50:01.123". */
static void time_of_day(const char *text, char *shown, size_t size)
{
	struct tm utc = {0};
	struct tm local;
	time_t seconds;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	size_t n;

	seconds = timegm(&utc);
	if (rest == NULL || localtime_r(&seconds, &local) == NULL) {
		snprintf(shown, size, "%s", text);
		return;
	}
	n = strftime(shown, size, "%H:%M:%S", &local);
	snprintf(shown + n, size - n, "%.4s", rest);
}

static const char *mark_of(const char *event)
{
	static const char *const bad[] = {"ring.broken", "port.held_down", "port.failed", "port.closed", "missed"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(event, bad[i]) == 0)
			return MARK_WARN;
	return MARK_TITLE;
}

static void put_field(const char *key, const json_t *value, const char *separator)
{
	if (json_is_string(value))
		put("%s%s %s", separator, key, json_string_value(value)[0] != '\0' ? json_string_value(value) : "-");
	else if (json_is_boolean(value))
		put("%s%s %s", separator, key, json_is_true(value) ? "yes" : "no");
	else
		put("%s%s %.12g", separator, key, json_number_value(value));
}

static void put_event(const json_t *event)
{
	const char *name = text_of(event, "event"), *key, *separator = "";
	const json_t *value;
	char when[64];

	time_of_day(text_of(event, "time"), when, sizeof(when));
	put("%s  %s%-*s" MARK_PLAIN "  %-*s  ", when, mark_of(name), NAME_COLUMNS, name, PORT_COLUMNS, text_of(event, "port"));
	put_hang(HANG);
	if (strcmp(name, "listening") == 0)
		put("all that happens from here on");
	json_object_foreach((json_t *)event, key, value)
	{
		if (strcmp(key, "event") == 0 || strcmp(key, "time") == 0 || strcmp(key, "port") == 0)
			continue;
		put_field(key, value, separator);
		separator = ", ";
	}
	put("\n");
}

void run_events(void)
{
	const char *line;

	out_to_terminal(out_terminal_width());
	line = client_listen(json_pack("{s:s, s:s*}", "command", "events", "port", options.port));
	/* The first line says that all others are heard: it is none that was asked for. */
	for (long i = 0; line != NULL; i++) {
		json_t *event = json_loads(line, 0, NULL);

		if (options.json)
			fputs(line, stdout);
		else if (event != NULL)
			put_event(event);
		json_decref(event);
		if (fflush(stdout) != 0 || (options.count > 0 && i == options.count))
			return;
		line = client_next_line();
	}
	die("the switch has ended");
}
