/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor_test.c: events reach those who want them, and docs/events.md is what the table says.
 *
 * `monitor_test --print` writes the page. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "monitor.h"

/* --- the page --------------------------------------------------------------------------------------------------- */

static const char page_head[] =
	"# Events\n"
	"\n"
	"What happens to a running switch, as it happens: `vusctl events`, or this request on the control\n"
	"socket:\n"
	"\n"
	"```json\n"
	"{\"command\": \"events\"}\n"
	"{\"command\": \"events\", \"port\": \"vm1\"}\n"
	"```\n"
	"\n"
	"From then on the connection carries events, a line of JSON each, and what the client sends is not\n"
	"looked at. With a port it hears what is about that one, and what is about none. Each event has\n"
	"`event`, its name, `time` (UTC, `2026-11-29T22:50:01.123456Z`), the `port` it is about, if there is\n"
	"one, and the fields below. Names and fields that are there stay; others may come, so what is not\n"
	"known is to be passed over.\n"
	"\n"
	"Nobody waits for a listener: each has a queue of 64 KiB, and one that does not read in time misses\n"
	"what does not fit. As soon as there is room `missed` says how many events that were; to see what has\n"
	"become of things meanwhile, ask for them (`ports`, `port`). There may be 64 listeners; they do not\n"
	"count among the clients that ask.\n"
	"\n"
	"`build/tests/unit/monitor_test --print` writes this page from the table in the source, and a test\n"
	"compares it.\n"
	"\n"
	"| event | what has happened | fields |\n"
	"|---|---|---|\n";

static void print_page(FILE *to)
{
	fputs(page_head, to);
	for (int i = 0; i < MONITOR_EVENTS; i++) {
		const struct monitor_spec *spec = &monitor_table[i];
		const char *separator = spec->has_port ? "; " : "";

		fprintf(to, "| `%s` | %s | %s", spec->name, spec->help, spec->has_port ? "`port`" : "");
		for (const struct monitor_field *field = spec->field; field->key != NULL; field++) {
			fprintf(to, "%s`%s` (%s): %s", separator, field->key, field->type, field->help);
			separator = "; ";
		}
		fprintf(to, " |\n");
	}
}

static void page_is_what_the_table_says(void **state)
{
	static char text[1 << 16];
	char *wanted;
	size_t size, n;
	FILE *to = open_memstream(&wanted, &size), *file = fopen(PROJECT_ROOT "/docs/events.md", "r");

	(void)state;
	if (file == NULL)
		fail_msg("docs/events.md: %s", strerror(errno));
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	print_page(to);
	fclose(to);
	if (n != size || memcmp(text, wanted, n) != 0)
		fail_msg("docs/events.md differs from the table: build/tests/unit/monitor_test --print writes it");
	free(wanted);
}

static void names_are_different(void **state)
{
	(void)state;
	for (int i = 0; i < MONITOR_EVENTS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(monitor_table[i].name, monitor_table[j].name);
}

/* --- who hears -------------------------------------------------------------------------------------------------- */

struct ear {
	struct monitor_listener listener;
	const char *port; /* it wants this one */
	unsigned int heard;
	char line[MONITOR_LINE_MAX + 1];
};

static bool ear_wants(struct monitor_listener *listener, const char *port)
{
	const struct ear *ear = (struct ear *)(void *)listener;

	return ear->port == NULL || port == NULL || strcmp(port, ear->port) == 0;
}

static void ear_takes(struct monitor_listener *listener, const char *line, size_t len)
{
	struct ear *ear = (struct ear *)(void *)listener;

	ear->heard++;
	memcpy(ear->line, line, len);
	ear->line[len] = '\0';
}

static unsigned int looked;

static const char *look(void)
{
	looked++;
	return "up";
}

static void nobody_listens(void **state)
{
	role_assert_control();
	(void)state;
	looked = 0;
	monitor_emit(MONITOR_LINK, "vm1", "{s:s}", "link", look());
	assert_int_equal(looked, 0);
}

static void all_hear_what_they_want(void **state)
{
	struct ear all = {.listener = {.wants = ear_wants, .take = ear_takes}};
	struct ear one = {.listener = all.listener, .port = "vm2"};
	json_t *event;

	role_assert_control();
	(void)state;
	monitor_attach(&all.listener);
	monitor_attach(&one.listener);
	monitor_emit(MONITOR_LINK, "vm1", "{s:s}", "link", "up");
	assert_int_equal(all.heard, 1);
	assert_int_equal(one.heard, 0);
	monitor_emit(MONITOR_CONFIG_CHANGED, NULL, "{s:i, s:i}", "ports", 3, "failed", 0);
	monitor_emit(MONITOR_PORT_LET_IN, "vm2", NULL);
	assert_int_equal(all.heard, 3);
	assert_int_equal(one.heard, 2);
	assert_string_equal(all.line, one.line);
	event = json_loads(all.line, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "port.let_in");
	assert_string_equal(json_string_value(json_object_get(event, "port")), "vm2");
	json_decref(event);
	monitor_detach(&all.listener);
	monitor_emit(MONITOR_PORT_LET_IN, "vm2", NULL);
	assert_int_equal(all.heard, 3);
	assert_int_equal(one.heard, 3);
	monitor_detach(&one.listener);
	assert_null(monitor_listeners);
}

/* A path may be in any encoding. */
static void texts_are_ascii(void **state)
{
	struct ear all = {.listener = {.wants = ear_wants, .take = ear_takes}};

	role_assert_control();
	(void)state;
	monitor_attach(&all.listener);
	monitor_emit(MONITOR_PORT_FAILED, "vm1", "{s:s}", "reason", monitor_text("/run/\xe4\xff\n: no"));
	monitor_detach(&all.listener);
	assert_non_null(strstr(all.line, "\"reason\":\"/run/???: no\"}\n"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_is_what_the_table_says),
		cmocka_unit_test(names_are_different),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(all_hear_what_they_want),
		cmocka_unit_test(texts_are_ascii),
	};

	role_take(ROLE_CONTROL);
	if (argc > 1 && strcmp(argv[1], "--print") == 0) {
		print_page(stdout);
		return 0;
	}
	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
