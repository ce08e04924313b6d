/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of rules: how they are written, and which rule decides. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "filter_list.h"

enum { ROUNDS = 300, FRAMES = 20, HEAD = 40 };

/* Rules are generated of these: a byte that is compared, or the end. */
struct generated {
	bool allow;
	uint8_t at, value;
};

static unsigned int dice(unsigned int n)
{
	return (unsigned int)random() % n;
}

static struct filter_list *list_of(const char *text)
{
	struct filter_list *list;
	struct fail why;

	if (filter_list_read(text, &list, &why) != 0)
		fail_msg("\"%s\": %s", text, why.text);
	return list;
}

static void rules_are_separated(void **state)
{
	static const char *const same[] = {
		"allow arp; deny tcp port 25; allow",
		"allow arp\ndeny tcp port 25\nallow\n",
		"\n\n ;allow \t arp ; ; deny tcp port 25;\r\n allow;;",
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct filter_list *list = list_of(same[i]);

		assert_int_equal(list->rules_n, 3);
		assert_true(list->rule[0].allow && !list->rule[1].allow && list->rule[2].allow);
		assert_int_equal(list->rule[2].n, 0);
		assert_int_equal(list->rule[1].text_len, strlen("deny tcp port 25"));
		assert_memory_equal(filter_list_text(list) + list->rule[1].text, "deny tcp port 25",
				    list->rule[1].text_len);
		assert_string_equal(filter_list_text(list), same[0]);
		assert_ptr_equal(filter_list_hold(list), list);
		filter_list_free(list);
		filter_list_free(list);
	}
	filter_list_free(NULL);
	assert_null(filter_list_hold(NULL));
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const wrong[][2] = {
		{"", "the last rule has to be allow or deny without an expression"},
		{" ;\n", "the last rule"},
		{"allow arp", "the last rule"},
		{"deny; allow arp; allow", "rule 1 has no expression, so rule 2 is never asked"},
		{"arp; deny", "rule 1 (\"arp\") has to begin with allow or deny"},
		{"allow arp; denytcp; deny",
		 "rule 2 (\"denytcp\") has to begin with allow or deny"},
		{"allow arp; allow tcp port; deny",
		 "rule 2 (\"allow tcp port\"): can't parse filter expression: syntax error"},
	};
	struct filter_list *list;
	struct fail why;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_not_equal(filter_list_read(wrong[i][0], &list, &why), 0);
		assert_null(list);
		if (strstr(why.text, wrong[i][1]) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why.text, wrong[i][1]);
	}
}

/* As many as there may be, and one more; and programs that are too long together. */
static void a_list_is_bounded(void **state)
{
	char text[FILTER_RULES_MAX * FILTER_TEXT_MAX];
	struct filter_list *list;
	struct fail why;
	size_t n = 0;

	for (int i = 0; i < FILTER_RULES_MAX - 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "deny tcp port %d;", i);
	snprintf(text + n, sizeof(text) - n, "allow");
	list = list_of(text);
	assert_int_equal(list->rules_n, FILTER_RULES_MAX);
	filter_list_free(list);
	snprintf(text + n, sizeof(text) - n, "deny arp; allow");
	assert_int_not_equal(filter_list_read(text, &list, &why), 0);
	assert_non_null(strstr(why.text, "more than 64 rules"));
	n = 0;
	for (int i = 0; i < FILTER_RULES_MAX - 1; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, ";deny ether[0] = 1");
		for (int j = 0; j < 60; j++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " or ether[%d:2] = %d", j,
					      i + j);
	}
	snprintf(text + n, sizeof(text) - n, ";allow");
	if (filter_list_read(text, &list, &why) == 0) {
		assert_true(list->insns_n <= FILTER_LIST_INSNS_MAX);
		filter_list_free(list);
	} else {
		assert_non_null(strstr(why.text, "instructions"));
	}
}

/* What should come of a frame. */
static struct filter_outcome model(const struct generated *rule, uint32_t rules,
				   const uint8_t *frame, uint32_t len)
{
	for (uint32_t i = 0; i < rules; i++) {
		if (rule[i].at < len && rule[i].at >= HEAD)
			return (struct filter_outcome){.rule = i, .verdict = FILTER_UNKNOWN};
		if (rule[i].at < len && frame[rule[i].at] == rule[i].value)
			return (struct filter_outcome){.rule = i,
						       .verdict = rule[i].allow ? FILTER_MATCH
										: FILTER_NO_MATCH};
	}
	return (struct filter_outcome){
		.rule = rules, .verdict = rule[rules].allow ? FILTER_MATCH : FILTER_NO_MATCH};
}

static void the_first_rule_that_matches_decides(void **state)
{
	unsigned int seen[3] = {0};

	srandom(18);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t rules = dice(6);
		struct generated rule[6];
		struct filter_list *list;
		char text[512] = "";
		size_t n = 0;

		for (uint32_t i = 0; i <= rules; i++) {
			rule[i] = (struct generated){.allow = dice(2) == 0,
						     .at = (uint8_t)dice(HEAD + 10),
						     .value = (uint8_t)dice(4)};
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, i < rules ? "%s ether[%u] = %u;" : "%s",
				rule[i].allow ? "allow" : "deny", rule[i].at, rule[i].value);
		}
		list = list_of(text);
		for (int i = 0; i < FRAMES; i++) {
			uint8_t frame[HEAD];
			uint32_t len = 14 + dice(HEAD), head_len = len < HEAD ? len : HEAD;
			struct filter_outcome want, got;

			for (int j = 0; j < HEAD; j++)
				frame[j] = (uint8_t)dice(4);
			want = model(rule, rules, frame, len);
			got = filter_list_run(list, frame, head_len, len);
			assert_int_equal(got.verdict, want.verdict);
			assert_int_equal(got.rule, want.rule);
			assert_true(got.steps <= list->insns_n);
			seen[got.verdict]++;
		}
		filter_list_free(list);
	}
	for (int i = 0; i < 3; i++)
		assert_true(seen[i] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_separated),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_list_is_bounded),
		cmocka_unit_test(the_first_rule_that_matches_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
