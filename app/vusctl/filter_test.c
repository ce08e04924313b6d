/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_test.c: what a filter says to a frame, by the code that the switch runs: an expression, or rules as a port has them. No
 * switch is asked. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "filter.h"
#include "filter_list.h"
#include "frame_arg.h"
#include "options.h"
#include "out.h"
#include "views.h"
#include "vus_limits.h"

static json_t *results;

/* lcores have a frame's first bytes in hand. */
static uint32_t head_of(uint32_t n)
{
	return n < FRAME_HEAD ? n : FRAME_HEAD;
}

static void put_unknown(uint32_t n, uint32_t len)
{
	put(MARK_WARN "unknown" MARK_PLAIN ": it asks for a byte that is not among the first %u of %u", head_of(n), len);
}

/* A guest's frame of `len` bytes, of which `n` are there. */
static bool test_frame(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len)
{
	static const char *const words[] = {
		[FILTER_NO_MATCH] = "no match", [FILTER_MATCH] = "match", [FILTER_UNKNOWN] = "unknown"};
	const struct filter *filter = arg;
	enum filter_verdict verdict = filter_run(filter->insn, bytes, head_of(n), len);

	json_array_append_new(results, json_string(words[verdict]));
	if (options.json)
		return true;
	if (verdict == FILTER_UNKNOWN)
		put_unknown(n, len);
	else
		put("%s", words[verdict]);
	put("\n");
	return true;
}

/* The same, and which rule it is. */
static bool test_rules(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len)
{
	static const char *const words[] = {
		[FILTER_NO_MATCH] = "deny", [FILTER_MATCH] = "allow", [FILTER_UNKNOWN] = "unknown"};
	const struct filter_list *list = arg;
	struct filter_outcome outcome = filter_list_run(list, bytes, head_of(n), len);
	const struct filter_rule *rule = &list->rule[outcome.rule];

	json_array_append_new(results, json_pack("{s:s, s:i}", "verdict", words[outcome.verdict], "rule", (int)outcome.rule + 1));
	if (options.json)
		return true;
	if (outcome.verdict == FILTER_UNKNOWN)
		put_unknown(n, len);
	else
		put("%s", words[outcome.verdict]);
	put("%s rule %u: %.*s\n", outcome.verdict == FILTER_UNKNOWN ? ", at" : ", by", outcome.rule + 1, (int)rule->text_len,
	    filter_list_text(list) + rule->text);
	return true;
}

/* Neither verb is a word of pcap-filter(7). */
static bool is_rules(const char *text)
{
	size_t len;

	text += strspn(text, " \t\n;");
	len = strcspn(text, " \t\n;");
	return (len == 5 && strncmp(text, "allow", len) == 0) || (len == 4 && strncmp(text, "deny", len) == 0);
}

static void run_rules(const char *text)
{
	struct filter_list *list;
	struct fail why;

	if (filter_list_read(text, &list, &why) != 0)
		die("%s; an expression alone stands here without allow or deny", why.text);
	frames_of_word(command_word(1), test_rules, list);
	filter_list_free(list);
}

static void run_expression(const char *text)
{
	struct filter *filter;
	struct fail why;

	if (filter_compile(text, &filter, &why) != 0)
		die("%s", why.text);
	frames_of_word(command_word(1), test_frame, filter);
	free(filter);
}

void run_filter_test(void)
{
	out_to_terminal(out_terminal_width());
	results = json_array();
	if (is_rules(command_word(0)))
		run_rules(command_word(0));
	else
		run_expression(command_word(0));
	if (options.json) {
		json_dumpf(results, stdout, 0);
		putchar('\n');
	}
	json_decref(results);
}
