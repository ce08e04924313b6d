/* SPDX-License-Identifier: BSD-3-Clause */
/* options_doc_test.c: docs/options.md is what the tables say, and the manual pages leave no row out.
 *
 * `options_doc_test --print` writes the page. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "config.h"
#include "ethdev_port.h"
#include "vhost_port.h"

static const struct port_driver *const drivers[] = {&vhost_port_driver, &ethdev_port_driver};
enum { DRIVERS = sizeof(drivers) / sizeof(drivers[0]) };

/* --- the page --------------------------------------------------------------------------------------------------- */

/* A bar would end a cell. */
static void print_cell(FILE *to, const char *text)
{
	for (; *text != '\0'; text++)
		fprintf(to, *text == '|' ? "\\|" : "%c", *text);
}

/* `changed`: what a change may cost, "port" or "bridge"; NULL: nothing is said of that. */
static void print_head(FILE *to, const char *changed)
{
	fprintf(to, "| key | value | what it is |%s\n|---|---|---|%s\n", changed != NULL ? " a reload that changes it |" : "",
		changed != NULL ? "---|" : "");
}

static void print_rows(FILE *to, const struct option_table *table, const char *changed)
{
	char usage[96], bounds[192];

	for (unsigned int i = 0; i < table->n; i++) {
		const struct option_row *row = &table->row[i];

		option_value_usage(row, usage, sizeof(usage));
		option_bounds(row, bounds, sizeof(bounds));
		fprintf(to, "| `%s` | `", row->key);
		print_cell(to, usage);
		fprintf(to, "` (%s) | %s%s |", bounds, row->help,
			row->common ? "; may also stand at the top of the file, for all ports" : "");
		if (changed != NULL)
			fprintf(to, row->live ? " keeps the %s |" : " makes the %s anew |", changed);
		fprintf(to, "\n");
	}
}

static void print_entries(FILE *to, const struct option_row *list)
{
	fprintf(to, "\nAn entry of `%s`:\n\n", list->key);
	print_head(to, NULL);
	print_rows(to, list->entries, NULL);
}

static void print_page(FILE *to)
{
	fprintf(to, "# Options\n\n"
		    "Each key of [the configuration file](man/vuswitch.yaml.5).\n"
		    "`build/tests/unit/options_doc_test --print` writes this page from the tables in the source, and a test\n"
		    "compares it. A flag is `on` or `off`; `yes`, `no`, `true` and `false` say the same. The same keys go after\n"
		    "the first comma of `--vhost` and `--ethdev`.\n\n"
		    "## The file\n\n");
	print_head(to, NULL);
	print_rows(to, &switch_options, NULL);
	fprintf(to, "\n## An entry of `profiles`\n\n"
		    "A set of options, which a port with `profile: NAME` has; what the port says itself counts. Beside its\n"
		    "name it has what an entry of `ports` may have (of its type, or of any), but for the socket or the device,\n"
		    "which are each port's own, and another profile. When it changes, the ports that have it do.\n\n");
	print_head(to, NULL);
	print_rows(to, &config_profile_names, NULL);
	fprintf(to, "\n## An entry of `bridges`\n\n"
		    "One that is made anew learns its addresses again; no VM loses its connection.\n\n");
	print_head(to, "bridge");
	print_rows(to, &config_bridge_names, "bridge");
	print_rows(to, &bridge_options, "bridge");
	for (unsigned int i = 0; i < bridge_options.n; i++)
		if (bridge_options.row[i].entries != NULL)
			print_entries(to, &bridge_options.row[i]);
	fprintf(to, "\n## An entry of `ports`\n\nOf any type:\n\n");
	print_head(to, "port");
	print_rows(to, &config_port_names, "port");
	print_rows(to, &bridge_port_options, "port");
	for (unsigned int i = 0; i < DRIVERS; i++) {
		fprintf(to, "\n### `type: %s`, or `%s NAME=%s`\n\nWhen it is made anew, %s.\n\n", drivers[i]->type,
			drivers[i]->option, drivers[i]->options->row[0].value, drivers[i]->anew);
		print_head(to, "port");
		print_rows(to, drivers[i]->options, "port");
	}
}

static char *read_file(const char *name)
{
	char path[512], *text = calloc(1, 1 << 18);
	FILE *file;

	assert_non_null(text);
	snprintf(path, sizeof(path), "%s/%s", PROJECT_ROOT, name);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	assert_true(fread(text, 1, (1 << 18) - 1, file) > 0);
	fclose(file);
	return text;
}

static void the_page_is_what_the_tables_say(void **state)
{
	char *text = read_file("docs/options.md"), *wanted;
	size_t size, at = 0;
	FILE *to = open_memstream(&wanted, &size);

	print_page(to);
	fclose(to);
	while (text[at] != '\0' && text[at] == wanted[at])
		at++;
	if (text[at] != wanted[at])
		fail_msg("docs/options.md differs at \"%.60s\": build/tests/unit/options_doc_test --print writes it",
			 wanted + at);
	free(text);
	free(wanted);
}

/* --- the manual pages ------------------------------------------------------------------------------------------- */

/* vuswitch.yaml.5 has an item for each key, perhaps for several at once. */
static void assert_item(const char *page, const struct option_row *row)
{
	size_t len = strlen(row->key);

	for (const char *line = page; (line = strstr(line, "\n.It Li ")) != NULL; line++)
		for (const char *word = line + strlen("\n.It Li "); *word != '\n'; word++)
			if (word[-1] == ' ' && strncmp(word, row->key, len) == 0 && strchr(" \n", word[len]) != NULL)
				return;
	fail_msg("docs/man/vuswitch.yaml.5 has no \".It Li %s\"", row->key);
}

static void assert_word(const char *page, const char *before, const char *key, const char *after)
{
	char word[96];

	snprintf(word, sizeof(word), "%s%s%s", before, key, after);
	if (strstr(page, word) == NULL)
		fail_msg("docs/man/vuswitch.8 has no \"%s\"", word);
}

/* The item of vuswitch.8 that says what goes after --vhost. */
static char *usage_of(const char *page, const struct port_driver *driver)
{
	const char *line, *next;
	char item[64], *usage;

	snprintf(item, sizeof(item), "\n.It Fl %s ", driver->option + 1);
	line = strstr(page, item);
	if (line == NULL)
		fail_msg("docs/man/vuswitch.8 has no item of %s", driver->option);
	next = strstr(line + 1, "\n.It ");
	usage = strndup(line + 1, next != NULL ? (size_t)(next - line) : strlen(line + 1));
	assert_non_null(usage);
	return usage;
}

static void assert_key(const char *usage, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = usage; (at = strstr(at, key)) != NULL; at++)
		if (at > usage && strchr(", ", at[-1]) != NULL && at[len] == '=')
			return;
	fail_msg("docs/man/vuswitch.8 has no \"%s=\" in the item \"%.20s\"", key, usage);
}

static void the_manual_pages_have_each_row(void **state)
{
	char *file = read_file("docs/man/vuswitch.yaml.5"), *program = read_file("docs/man/vuswitch.8");

	for (unsigned int i = 0; i < bridge_options.n; i++)
		assert_item(file, &bridge_options.row[i]);
	for (unsigned int i = 0; i < bridge_port_options.n; i++)
		assert_item(file, &bridge_port_options.row[i]);
	for (unsigned int i = 0; i < config_port_names.n; i++)
		assert_item(file, &config_port_names.row[i]);
	for (unsigned int d = 0; d < DRIVERS; d++) {
		char *usage = usage_of(program, drivers[d]);

		for (unsigned int i = 0; i < bridge_port_options.n; i++)
			assert_key(usage, bridge_port_options.row[i].key);
		for (unsigned int i = 0; i < config_port_names.n; i++)
			if (config_port_names.row[i].live)
				assert_key(usage, config_port_names.row[i].key);
		for (unsigned int i = 0; i < drivers[d]->options->n; i++) {
			const struct option_row *row = &drivers[d]->options->row[i];

			assert_item(file, row);
			if (i > 0)
				assert_key(usage, row->key);
			if (row->common)
				assert_word(program, "Fl -", row->key, " ");
		}
		free(usage);
	}
	for (unsigned int i = 0; i < switch_options.n; i++) {
		assert_word(file, "Li ", switch_options.row[i].key, "");
		if (switch_options.row[i].kind != OPTION_TREE)
			assert_word(program, "Fl -", switch_options.row[i].key, " ");
	}
	free(file);
	free(program);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_what_the_tables_say),
		cmocka_unit_test(the_manual_pages_have_each_row),
	};

	if (argc == 2 && strcmp(argv[1], "--print") == 0) {
		print_page(stdout);
		return EXIT_SUCCESS;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
