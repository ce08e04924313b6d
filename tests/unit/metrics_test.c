/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_test.c: sets of metrics as text: what has to be escaped, numbers with decimals,
 * histograms, a thousand objects; and addresses to listen at. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "dice.h"
#include "metrics_listen.h"
#include "metrics_text.h"

static const uint64_t bounds[] = {5, 250, 1000, 25000};
enum { BOUNDS = 4, CASES_N = 2000 };

static const struct metrics_row rows[] = {
	{.name = "t_thing", .type = METRICS_INFO, .help = "what \"it\" is \\ was"},
	{.name = "t_bytes", .type = METRICS_COUNTER, .unit = "bytes", .help = "two\nlines"},
	{.name = "t_drop",
	 .type = METRICS_COUNTER,
	 .help = "drops",
	 .label = "reason",
	 .value = "short"},
	{.name = "t_drop",
	 .type = METRICS_COUNTER,
	 .help = "drops",
	 .label = "reason",
	 .value = "long"},
	{.name = "t_time_seconds",
	 .type = METRICS_GAUGE,
	 .unit = "seconds",
	 .decimals = METRICS_NS,
	 .help = "time"},
};
static const struct metrics_kind kind = {
	.title = "Things", METRICS_ROWS(rows), .label = {"thing"}, .info = {"colour"}};

static const struct metrics_row histogram_rows[] = {
	{.name = "t_took_seconds",
	 .type = METRICS_HISTOGRAM,
	 .unit = "seconds",
	 .decimals = METRICS_MS,
	 .bounds = bounds,
	 .bounds_n = BOUNDS,
	 .help = "how long"},
};
static const struct metrics_kind histogram_kind = {.title = "Times", METRICS_ROWS(histogram_rows)};

static struct metrics_set *set_of(const struct metrics_kind *one)
{
	struct metrics_set *set = metrics_set_create(&one, 1);

	assert_non_null(set);
	return set;
}

/* The text, with a 0 behind it; the caller's. */
static char *text_of(const struct metrics_set *set, enum metrics_form form)
{
	struct metrics_text text = {0};
	char *string;

	metrics_text_write(&text, set, form);
	assert_false(text.failed);
	string = strndup(text.bytes != NULL ? text.bytes : "", text.n);
	assert_non_null(string);
	assert_int_equal(strlen(string), text.n);
	free(text.bytes);
	return string;
}

static void each_form_is_what_its_readers_expect(void **state)
{
	static const uint64_t values[] = {7, 1, 0, 1500000000};
	struct metrics_set *set = set_of(&kind);
	char *text;

	metrics_set_add(set, &kind, (const char *const[]){"a\\b", "\"red\"\n"}, values);
	metrics_set_add(set, &kind, (const char *const[]){"two", ""},
			(const uint64_t[]){UINT64_MAX, 0, 2, 1});
	text = text_of(set, METRICS_OPENMETRICS);
	assert_string_equal(text, "# TYPE t_thing info\n"
				  "# HELP t_thing what \\\"it\\\" is \\\\ was\n"
				  "t_thing_info{thing=\"a\\\\b\",colour=\"\\\"red\\\"\\n\"} 1\n"
				  "t_thing_info{thing=\"two\",colour=\"\"} 1\n"
				  "# TYPE t_bytes counter\n"
				  "# UNIT t_bytes bytes\n"
				  "# HELP t_bytes two\\nlines\n"
				  "t_bytes_total{thing=\"a\\\\b\"} 7\n"
				  "t_bytes_total{thing=\"two\"} 18446744073709551615\n"
				  "# TYPE t_drop counter\n"
				  "# HELP t_drop drops\n"
				  "t_drop_total{thing=\"a\\\\b\",reason=\"short\"} 1\n"
				  "t_drop_total{thing=\"a\\\\b\",reason=\"long\"} 0\n"
				  "t_drop_total{thing=\"two\",reason=\"short\"} 0\n"
				  "t_drop_total{thing=\"two\",reason=\"long\"} 2\n"
				  "# TYPE t_time_seconds gauge\n"
				  "# UNIT t_time_seconds seconds\n"
				  "# HELP t_time_seconds time\n"
				  "t_time_seconds{thing=\"a\\\\b\"} 1.500000000\n"
				  "t_time_seconds{thing=\"two\"} 0.000000001\n"
				  "# EOF\n");
	free(text);
	text = text_of(set, METRICS_PROMETHEUS);
	assert_non_null(strstr(text, "# TYPE t_thing_info gauge\n# HELP t_thing_info what \"it\" "
				     "is \\\\ was\nt_thing_info{"));
	assert_non_null(strstr(
		text,
		"# TYPE t_bytes_total counter\n# HELP t_bytes_total two\\nlines\nt_bytes_total{"));
	assert_null(strstr(text, "# UNIT"));
	assert_null(strstr(text, "# EOF"));
	free(text);
	metrics_set_free(set);
}

static void nothing_is_a_whole_text_too(void **state)
{
	struct metrics_set *set = set_of(&kind);
	char *text = text_of(set, METRICS_OPENMETRICS);

	assert_string_equal(text, "# EOF\n");
	free(text);
	/* A kind that the set does not have, as one short of memory would be: the text is not
	 * whole. */
	metrics_set_add(set, &histogram_kind, NULL, NULL);
	assert_true(set->failed);
	metrics_set_free(set);
	metrics_set_free(NULL);
}

/* What the line that begins with `name` says. */
static const char *value_in(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	assert_non_null(line);
	return line + strlen(name);
}

static void numbers_have_their_decimals(void **state)
{
	for (unsigned int i = 0; i < CASES_N; i++) {
		uint64_t number = ((uint64_t)dice(UINT32_MAX) << 33 ^ dice(UINT32_MAX)) >> dice(64);
		struct metrics_set *set = set_of(&kind);
		char wanted[48], *text;

		snprintf(wanted, sizeof(wanted), " %llu.%09llu\n",
			 (unsigned long long)(number / 1000000000),
			 (unsigned long long)(number % 1000000000));
		metrics_set_add(set, &kind, (const char *const[]){"x", ""},
				(const uint64_t[]){0, 0, 0, number});
		text = text_of(set, METRICS_OPENMETRICS);
		if (strncmp(value_in(text, "t_time_seconds{thing=\"x\"}"), wanted,
			    strlen(wanted)) != 0)
			fail_msg("%s is written as%s", wanted,
				 value_in(text, "t_time_seconds{thing=\"x\"}"));
		free(text);
		metrics_set_free(set);
	}
}

static void a_bucket_has_what_is_below_its_bound(void **state)
{
	static const char *const le[] = {"0.005", "0.25", "1.0", "25.0", "+Inf"};
	for (unsigned int i = 0; i < CASES_N / 10; i++) {
		uint64_t values[BOUNDS + 2] = {0}, below[BOUNDS + 1] = {0}, sum = 0;
		unsigned int n = dice(50);
		struct metrics_set *set = set_of(&histogram_kind);
		char line[96], *text;

		for (unsigned int j = 0; j < n; j++) {
			uint64_t measured = dice(4) == 0 ? bounds[dice(BOUNDS)] : dice(30000);

			metrics_observe(&histogram_rows[0], values, measured);
			for (unsigned int b = 0; b <= BOUNDS; b++)
				below[b] += b == BOUNDS || measured <= bounds[b];
			sum += measured;
		}
		metrics_set_add(set, &histogram_kind, NULL, values);
		text = text_of(set, METRICS_OPENMETRICS);
		for (unsigned int b = 0; b <= BOUNDS; b++) {
			snprintf(line, sizeof(line), "t_took_seconds_bucket{le=\"%s\"} %u\n", le[b],
				 (unsigned int)below[b]);
			assert_non_null(strstr(text, line));
		}
		snprintf(line, sizeof(line),
			 "t_took_seconds_count %u\nt_took_seconds_sum %u.%03u\n", n,
			 (unsigned int)(sum / 1000), (unsigned int)(sum % 1000));
		assert_non_null(strstr(text, line));
		free(text);
		metrics_set_free(set);
	}
}

/* A label of the row's own stands before the bound, and is in the sum and the count, too. */
static void a_histogram_has_labels(void **state)
{
	static const struct metrics_row both[] = {
		{.name = "t_seconds", METRICS_TIMES, .help = "h", .label = "of", .value = "a"},
		{.name = "t_seconds", METRICS_TIMES, .help = "h", .label = "of", .value = "b"},
	};
	static const struct metrics_kind two = {
		.title = "Two", METRICS_ROWS(both), .label = {"thing"}};
	static const char *const lines[] = {
		"# HELP t_seconds h\nt_seconds_bucket{thing=\"x\",of=\"a\",le=\"0.000001\"} 0\n",
		"t_seconds_bucket{thing=\"x\",of=\"a\",le=\"0.000256\"} 0\n",
		"t_seconds_bucket{thing=\"x\",of=\"a\",le=\"0.000512\"} 1\n",
		"t_seconds_bucket{thing=\"x\",of=\"a\",le=\"8.388608\"} 1\n"
		"t_seconds_bucket{thing=\"x\",of=\"a\",le=\"+Inf\"} 2\n"
		"t_seconds_count{thing=\"x\",of=\"a\"} 2\n"
		"t_seconds_sum{thing=\"x\",of=\"a\"} 9.000300000\n"
		"t_seconds_bucket{thing=\"x\",of=\"b\",le=\"0.000001\"} 0\n",
		"t_seconds_count{thing=\"x\",of=\"b\"} 0\n",
	};
	struct metrics_set *set = set_of(&two);
	uint64_t values[2 * HISTOGRAM_VALUES];
	struct histogram a = {0}, b = {0};
	char *text;

	histogram_add(&a, 300000);
	histogram_add(&a, UINT64_C(9000000000));
	histogram_read(&a, values);
	histogram_read(&b, values + HISTOGRAM_VALUES);
	metrics_set_add(set, &two, (const char *const[]){"x"}, values);
	text = text_of(set, METRICS_OPENMETRICS);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strstr(text, lines[i]) == NULL)
			fail_msg("not there: %s", lines[i]);
	free(text);
	metrics_set_free(set);
}

/* Each family stands in one place, with a sample for each object and reason, in the order of the
 * objects. */
static void a_thousand_objects_are_all_there(void **state)
{
	enum { OBJECTS = 1000, SAMPLES = 5 };
	struct metrics_set *set = set_of(&kind);
	unsigned int lines = 0, heads = 0, at = 0;
	char *text, *rest, *line;

	for (unsigned int i = 0; i < OBJECTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vm%u", i);
		metrics_set_add(set, &kind, (const char *const[]){name, "blue"},
				(const uint64_t[]){i, i, i, i});
	}
	assert_false(set->failed);
	text = rest = text_of(set, METRICS_OPENMETRICS);
	while ((line = strsep(&rest, "\n")) != NULL && strcmp(line, "# EOF") != 0) {
		char wanted[32];

		if (strncmp(line, "# TYPE", 6) == 0) {
			assert_true(heads == 0 || at == OBJECTS);
			heads++;
			at = 0;
		}
		if (line[0] == '#')
			continue;
		lines++;
		snprintf(wanted, sizeof(wanted), "{thing=\"vm%u\"", at);
		assert_non_null(strstr(line, wanted));
		at += strncmp(line, "t_drop", 6) != 0 || strstr(line, "long") != NULL;
	}
	assert_int_equal(heads, 4);
	assert_int_equal(lines, OBJECTS * SAMPLES);
	free(text);
	metrics_set_free(set);
}

static void addresses_are_read_or_refused(void **state)
{
	static const char *const wrong[] = {"",
					    ":",
					    "0",
					    "65536",
					    "99999999999",
					    "x",
					    "127.0.0.1:",
					    ":9321",
					    "-1",
					    "1.2.3:x",
					    "::1:9321",
					    "[::1]9321",
					    "[::1:9321",
					    "[]:9321",
					    "localhost:9321",
					    "9321 ",
					    "1.2.3.4.5:9",
					    "[::1]:",
					    "127.0.0.1:9321:1",
					    "a\nb:1"};
	struct sockaddr_storage address;
	struct fail fail;
	socklen_t len;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (metrics_listen_parse(wrong[i], &address, &len, &fail) != -EINVAL)
			fail_msg("\"%s\" is taken as an address", wrong[i]);
	OK(metrics_listen_parse("9321", &address, &len, &fail));
	assert_int_equal(address.ss_family, AF_INET);
	assert_int_equal(((struct sockaddr_in *)&address)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(((struct sockaddr_in *)&address)->sin_port, htons(9321));
	OK(metrics_listen_parse("0.0.0.0:1", &address, &len, &fail));
	assert_int_equal(((struct sockaddr_in *)&address)->sin_addr.s_addr, 0);
	OK(metrics_listen_parse("[::1]:65535", &address, &len, &fail));
	assert_int_equal(address.ss_family, AF_INET6);
	assert_int_equal(((struct sockaddr_in6 *)&address)->sin6_port, htons(65535));
	OK(metrics_listen_check_path("/run/x.sock", "metrics", &fail));
	assert_int_equal(metrics_listen_check_path("x.sock", "metrics", &fail), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_is_what_its_readers_expect),
		cmocka_unit_test(nothing_is_a_whole_text_too),
		cmocka_unit_test(numbers_have_their_decimals),
		cmocka_unit_test(a_bucket_has_what_is_below_its_bound),
		cmocka_unit_test(a_histogram_has_labels),
		cmocka_unit_test(a_thousand_objects_are_all_there),
		cmocka_unit_test(addresses_are_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
