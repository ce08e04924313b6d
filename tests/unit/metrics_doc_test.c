/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_doc_test.c: docs/metrics.md is what the tables say, and the tables keep to the rules of
 * OpenMetrics and of good names.
 *
 * `metrics_doc_test --print` writes the page. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "ctl_metrics.h"
#include "ethdev_port.h"
#include "metrics_text.h"
#include "vhost_port.h"

static const struct port_driver *const drivers[] = {&vhost_port_driver, &ethdev_port_driver, NULL};

static const char *const types[] = {[METRICS_COUNTER] = "counter",
				    [METRICS_GAUGE] = "gauge",
				    [METRICS_INFO] = "info",
				    [METRICS_HISTOGRAM] = "histogram"};

/* --- the page ---------------------------------------------------------------------------------------------------- */

static void print_labels(FILE *to, const char *const *labels, const char *between)
{
	for (; *labels != NULL; labels++) {
		fprintf(to, "%s`%s`", between, *labels);
		between = ", ";
	}
}

static bool is_family(const struct metrics_row *row, const struct metrics_row *other)
{
	return strcmp(row->name, other->name) == 0;
}

static void print_row(FILE *to, const struct metrics_kind *kind, unsigned int i)
{
	const struct metrics_row *row = &kind->rows[i];

	if (i == 0 || !is_family(row, row - 1)) {
		fprintf(to, "| `%s` | %s | %s", metrics_sample_name(row).text, types[row->type],
			row->help);
		if (row->type == METRICS_INFO)
			print_labels(to, kind->info, ": ");
		if (row->label != NULL)
			fprintf(to, "; by `%s`", row->label);
		fprintf(to, " |\n");
	}
	if (row->label != NULL)
		fprintf(to, "| | `%s` | %s |\n", row->value,
			row->value_help != NULL ? row->value_help : "");
}

static void print_kind(FILE *to, const struct metrics_kind *kind)
{
	fprintf(to, "\n## %s\n\n", kind->title);
	if (kind->note != NULL)
		fprintf(to, "Of %s. ", kind->note);
	if (kind->label[0] != NULL)
		print_labels(to, kind->label, "Labels: ");
	else
		fprintf(to, "No labels");
	fprintf(to, ".\n\n| metric | type | what it is |\n|---|---|---|\n");
	for (unsigned int i = 0; i < kind->rows_n; i++)
		print_row(to, kind, i);
}

static void print_page(FILE *to)
{
	const struct metrics_kind *kinds[METRICS_KINDS_MAX];
	unsigned int n = ctl_metrics_kinds(drivers, kinds);

	fprintf(to,
		"# Metrics\n\n"
		"What a switch with `metrics` or `metrics-listen` tells Prometheus and its like\n"
		"([how to read it](operations/watch.md#with-prometheus)).\n"
		"`build/tests/unit/metrics_doc_test --print` writes this page from the tables in "
		"the source, and a test\n"
		"compares it.\n\n"
		"These names, their types, labels and units are promised: they stay, with their "
		"meaning, within a major\n"
		"version. More may come, and more values of `reason`, `state`, `on`, `about` and "
		"`request`. Names end in their unit;\n"
		"times are seconds. A counter only grows while the process lives.\n\n"
		"Below a metric with a label of its own are the values of that label.\n");
	for (unsigned int i = 0; i < n; i++)
		print_kind(to, kinds[i]);
}

static void the_page_is_what_the_tables_say(void **state)
{
	char *text = calloc(1, 1 << 18), *wanted;
	FILE *file = fopen(PROJECT_ROOT "/docs/metrics.md", "r"), *to;
	size_t size, at = 0;

	assert_non_null(text);
	if (file == NULL)
		fail_msg("docs/metrics.md: %s", strerror(errno));
	assert_true(fread(text, 1, (1 << 18) - 1, file) > 0);
	fclose(file);
	to = open_memstream(&wanted, &size);
	print_page(to);
	fclose(to);
	while (text[at] != '\0' && text[at] == wanted[at])
		at++;
	if (text[at] != wanted[at])
		fail_msg("docs/metrics.md differs at \"%.60s\": build/tests/unit/metrics_doc_test "
			 "--print writes it",
			 wanted + at);
	free(text);
	free(wanted);
}

/* --- the tables -------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0 &&
	       name[len - end_len - 1] == '_';
}

static void assert_name(const char *name)
{
	assert_true(strncmp(name, "vuswitch_", 9) == 0);
	for (const char *c = name; *c != '\0'; c++)
		assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
}

static void check_row(const struct metrics_kind *kind, unsigned int i)
{
	static const char *const suffixes[] = {"total", "info", "created",
					       "count", "sum",	"bucket"};
	const struct metrics_row *row = &kind->rows[i];

	assert_name(row->name);
	for (size_t s = 0; s < sizeof(suffixes) / sizeof(suffixes[0]); s++)
		if (ends_with(row->name, suffixes[s]))
			fail_msg("%s: OpenMetrics adds _%s itself", row->name, suffixes[s]);
	if (row->unit != NULL && !ends_with(row->name, row->unit))
		fail_msg("%s does not end in its unit, %s", row->name, row->unit);
	if (row->decimals > 0 && row->unit == NULL)
		fail_msg("%s has decimals and no unit", row->name);
	if (row->help == NULL || strchr(row->help, '"') != NULL || strchr(row->help, '|') != NULL)
		fail_msg("%s: its help is missing, or does not fit a table", row->name);
	if (row->label != NULL && i > 0 && is_family(row, row - 1))
		assert_true(strcmp(row->label, row[-1].label) == 0 && row->type == row[-1].type &&
			    strcmp(row->help, row[-1].help) == 0);
}

/* A family is in one place, and a row with a label in it once. */
static void check_alone(const struct metrics_kind *const *kinds, unsigned int n, unsigned int k,
			unsigned int i)
{
	const struct metrics_row *row = &kinds[k]->rows[i];

	for (unsigned int l = 0; l < n; l++)
		for (unsigned int j = 0; j < kinds[l]->rows_n; j++) {
			const struct metrics_row *other = &kinds[l]->rows[j];

			if (row == other || !is_family(row, other))
				continue;
			if (l != k || row->label == NULL || other->label == NULL ||
			    strcmp(row->value, other->value) == 0)
				fail_msg("%s is there twice", row->name);
			/* All between the two are of the family. */
			for (unsigned int b = i < j ? i : j; b < (i < j ? j : i); b++)
				assert_true(is_family(row, &kinds[k]->rows[b]));
		}
}

static void the_tables_keep_to_the_rules(void **state)
{
	const struct metrics_kind *kinds[METRICS_KINDS_MAX];
	unsigned int n = ctl_metrics_kinds(drivers, kinds);

	assert_true(n < METRICS_KINDS_MAX);
	for (unsigned int k = 0; k < n; k++) {
		assert_true(metrics_kind_labels(kinds[k]) <= METRICS_LABELS_MAX);
		for (unsigned int i = 0; i < kinds[k]->rows_n; i++) {
			check_row(kinds[k], i);
			check_alone(kinds, n, k, i);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_what_the_tables_say),
		cmocka_unit_test(the_tables_keep_to_the_rules),
	};

	if (argc == 2 && strcmp(argv[1], "--print") == 0) {
		print_page(stdout);
		return EXIT_SUCCESS;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
