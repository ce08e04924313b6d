/* SPDX-License-Identifier: BSD-3-Clause */
/* Plans of lists beside their programs, run one after the other: lists of expressions, and of programs that no compiler would
 * write, over packets that are of a class, nearly so, or not at all; whole and as heads. And that a plan is worth it: of ten
 * rules little is left.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "fg_packet.h"
#include "filter_cases.h"
#include "filter_plan.h"

enum { LISTS = 400, PACKETS = 100, PROGRAM_LISTS = 3000, RULES = 8 };

static unsigned int seen[3], classes[FILTER_CLASSES];

/* A copy of the head that ends where the memory does. */
static uint8_t *head_of(const struct packet *p, uint32_t head_len)
{
	uint8_t *head = malloc(head_len);

	assert_non_null(head);
	memcpy(head, p->byte, head_len);
	return head;
}

static void assert_same(struct filter_outcome plan, struct filter_outcome each)
{
	assert_int_equal(plan.verdict, each.verdict);
	assert_int_equal(plan.rule, each.rule);
	assert_true(plan.steps <= each.steps);
	seen[plan.verdict]++;
}

static void each_was_seen(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(seen[i] > 1000);
		seen[i] = 0;
	}
	for (unsigned int i = 0; i < FILTER_CLASSES; i++) {
		assert_true(classes[i] > 100);
		classes[i] = 0;
	}
}

/* Half of them of a class: TCP and UDP, and some that become other ones, of which the rest makes no sense. */
static void make_any(struct packet *p)
{
	const struct fg_packet plain = {.ipv6 = dice(2), .udp = dice(2), .payload = dice(150), .seed = dice(100)};
	static const uint8_t station[6] = {0x52, 0x54, 0, 0, 0, 1};
	struct fg_vnet header;

	make_packet(p);
	if (dice(2) != 0)
		p->len = fg_packet_build(&plain, station, station, p->byte, &header);
	switch (dice(10)) {
	case 0:
		p->byte[plain.ipv6 ? 20 : 23] = plain.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		break;
	case 1:
		memcpy(p->byte + 12, (uint8_t[]){0x08, 0x06}, 2);
		break;
	default:
		break;
	}
}

static struct filter_list *make_list(void)
{
	char text[RULES * 128 + 8] = "";
	unsigned int rules = 1 + dice(RULES);
	struct filter_list *list;
	struct fail why;

	for (unsigned int i = 0; i < rules; i++) {
		/* The first one matches all. */
		const char *expression = expressions[1 + dice(CASE_EXPRESSIONS - 1)];

		sprintf(text + strlen(text), dice(3) ? "%s %s; " : "%s not (%s); ", dice(2) ? "allow" : "deny", expression);
	}
	strcat(text, dice(2) ? "allow" : "deny");
	if (filter_list_read(text, &list, &why) != 0)
		fail_msg("%s: %s", text, why.text);
	return list;
}

static void lists_decide_as_their_programs(void **state)
{
	srandom(31);
	for (unsigned int i = 0; i < LISTS; i++) {
		struct filter_list *list = make_list();

		assert_int_not_equal(list->plans, 0);
		for (unsigned int j = 0; j < PACKETS; j++) {
			struct packet p;
			uint32_t head_len;
			uint8_t *head;

			make_any(&p);
			head_len = dice(2) ? p.len : 1 + dice(p.len);
			head = head_of(&p, head_len);
			classes[filter_class_of(head, head_len)]++;
			assert_same(filter_list_run(list, head, head_len, p.len),
				    filter_list_run_each(list, head, head_len, p.len));
			free(head);
		}
		filter_list_free(list);
	}
	each_was_seen();
}

/* --- programs that no compiler would write ----------------------------------------------------------------------- */

static struct filter_outcome run_each(const struct filter_rule *rules, const struct filter_insn *insns, const uint8_t *head,
				      uint32_t head_len, uint32_t len)
{
	struct filter_outcome outcome = {0};

	for (; rules[outcome.rule].n != 0; outcome.rule++) {
		outcome.steps += rules[outcome.rule].n;
		outcome.verdict = filter_run(insns + rules[outcome.rule].insn, head, head_len, len);
		if (outcome.verdict == FILTER_UNKNOWN)
			return outcome;
		if (outcome.verdict == FILTER_MATCH)
			break;
	}
	outcome.verdict = rules[outcome.rule].allow ? FILTER_MATCH : FILTER_NO_MATCH;
	return outcome;
}

/* Rules with programs; in the last place one without. Each begins with both registers written, too. */
static uint32_t make_rules(struct filter_rule *rules, struct filter_insn *insns)
{
	uint32_t n = 1 + dice(RULES - 1), at = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned int len;

		insns[at] = (struct filter_insn){.code = BPF_LDX | BPF_IMM, .k = dice(60)};
		do
			len = make_program(insns + at + 1);
		while (filter_check(insns + at + 1, len) != 0);
		rules[i] = (struct filter_rule){.allow = dice(2), .n = (uint16_t)(1 + len), .insn = at};
		at += 1 + len;
	}
	rules[n] = (struct filter_rule){.allow = dice(2), .insn = at};
	return n + 1;
}

static void programs_are_planned_exactly(void **state)
{
	srandom(32);
	for (unsigned int i = 0; i < PROGRAM_LISTS; i++) {
		struct filter_insn insns[RULES * (1 + CASE_INSNS)];
		struct filter_rule rules[RULES];
		uint32_t rules_n = make_rules(rules, insns);
		struct filter_plans *plans = filter_plans_make(rules, rules_n, insns);

		assert_non_null(plans);
		for (unsigned int j = 0; j < 10; j++) {
			struct packet p;
			uint32_t head_len;
			uint8_t *head;

			make_any(&p);
			head_len = dice(2) ? p.len : 1 + dice(p.len);
			head = head_of(&p, head_len);
			classes[filter_class_of(head, head_len)]++;
			assert_same(filter_plans_run(plans, head, head_len, p.len),
				    run_each(rules, insns, head, head_len, p.len));
			free(head);
		}
		free(plans);
	}
	each_was_seen();
}

/* What the program before has left in the accumulator is not what a program begins with. */
static void what_was_not_written_is_not_planned_for(void **state)
{
	const struct filter_insn insns[] = {
		{.code = BPF_LD | BPF_IMM, .k = 7},
		{.code = BPF_RET | BPF_K},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .jf = 1, .k = 0},
		{.code = BPF_RET | BPF_K, .k = 1},
		{.code = BPF_RET | BPF_K},
	};
	const struct filter_rule rules[] = {{.n = 2}, {.n = 3, .insn = 2, .allow = true}, {.insn = 5}};

	assert_null(filter_plans_make(rules, 3, insns));
}

/* --- what it is for ---------------------------------------------------------------------------------------------- */

static void little_is_left_of_ten_rules(void **state)
{
	const char *text = "deny tcp dst port 25; deny udp dst port 53; deny tcp dst port 445; deny udp dst port 1900;"
			   "deny tcp dst port 23; deny ip proto 47; deny ip src net 10.0.0.0/8; deny ip dst net 192.168.0.0/16;"
			   "deny tcp dst port 139; deny udp src port 67; allow";
	const struct fg_packet of = {.udp = true, .payload = 18};
	struct filter_outcome plan, each;
	struct filter_list *list;
	struct fg_vnet header;
	struct packet p;
	struct fail why;

	assert_int_equal(filter_list_read(text, &list, &why), 0);
	p.len = fg_packet_build(&of, (uint8_t[]){2, 0, 0, 0, 0, 1}, (uint8_t[]){2, 0, 0, 0, 0, 2}, p.byte, &header);
	plan = filter_list_run(list, p.byte, p.len, p.len);
	each = filter_list_run_each(list, p.byte, p.len, p.len);
	assert_int_equal(plan.verdict, FILTER_MATCH);
	assert_int_equal(each.verdict, FILTER_MATCH);
	/* Three ports of UDP, of which two are the same two bytes; two nets: five comparisons, four loads, two masks. */
	print_message("%u steps of %u instructions\n", plan.steps, each.steps);
	assert_in_range(plan.steps, 1, 11);
	filter_list_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_decide_as_their_programs),
		cmocka_unit_test(programs_are_planned_exactly),
		cmocka_unit_test(what_was_not_written_is_not_planned_for),
		cmocka_unit_test(little_is_left_of_ten_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
