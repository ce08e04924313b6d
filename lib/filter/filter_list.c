/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter_plan.h"

static const char between[] = "; ";

/* A list that is being read. */
struct reading {
	char *text; /* of all rules, with "; " between them */
	uint32_t text_len;
	uint32_t rules_n, insns_n;
	struct filter_rule rule[FILTER_RULES_MAX];
	struct filter *program[FILTER_RULES_MAX];
};

/* Where a rule ends that begins at `text`. */
static size_t rule_len(const char *text)
{
	return strcspn(text, ";\n");
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Without the spaces around it. */
static void trim(const char **text, size_t *len)
{
	while (*len > 0 && is_space(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && is_space((*text)[*len - 1]))
		(*len)--;
}

/* "allow" or "deny" at the beginning, which *text leaves behind. */
static int read_verb(const char **text, size_t *len, bool *allow)
{
	size_t verb = 0;

	while (verb < *len && !is_space((*text)[verb]))
		verb++;
	*allow = verb == 5 && strncmp(*text, "allow", 5) == 0;
	if (!*allow && (verb != 4 || strncmp(*text, "deny", 4) != 0))
		return -EINVAL;
	*text += verb;
	*len -= verb;
	trim(text, len);
	return 0;
}

static int compile(struct reading *r, const char *text, size_t len, struct fail *fail)
{
	struct filter_rule *rule = &r->rule[r->rules_n];
	char *expression = strndup(text, len);
	int error = expression == NULL ? fail_set(fail, -ENOMEM, "no memory")
				       : filter_compile(expression, &r->program[r->rules_n], fail);

	free(expression);
	if (error != 0)
		return error;
	rule->n = (uint16_t)r->program[r->rules_n]->n;
	r->insns_n += rule->n;
	if (r->insns_n > FILTER_LIST_INSNS_MAX)
		return fail_set(
			fail, -E2BIG,
			"the list's programs have more than %d instructions; use fewer rules",
			FILTER_LIST_INSNS_MAX);
	return 0;
}

static void add_text(struct reading *r, const char *text, size_t len)
{
	memcpy(r->text + r->text_len, text, len);
	r->text_len += (uint32_t)len;
}

/* The rule as it is shown: no longer than it was written. */
static void add_rule_text(struct reading *r, struct filter_rule *rule, const char *expression, size_t len)
{
	const char *verb = rule->allow ? "allow" : "deny";

	if (r->rules_n > 0)
		add_text(r, between, sizeof(between) - 1);
	rule->text = r->text_len;
	add_text(r, verb, strlen(verb));
	if (len > 0)
		add_text(r, " ", 1);
	add_text(r, expression, len);
	rule->text_len = r->text_len - rule->text;
	r->text[r->text_len] = '\0';
	for (char *c = r->text + rule->text; c < r->text + r->text_len; c++)
		if (is_space(*c))
			*c = ' ';
}

static int read_rule(struct reading *r, const char *text, size_t len, struct fail *fail)
{
	enum { SHOWN = 80 };
	const char *expression = text;
	size_t expression_len = len;
	struct filter_rule *rule;
	int error = 0;

	if (r->rules_n == FILTER_RULES_MAX)
		return fail_set(fail, -E2BIG, "there are more than %d rules", FILTER_RULES_MAX);
	if (r->rules_n > 0 && r->rule[r->rules_n - 1].n == 0)
		return fail_set(
			fail, -EINVAL,
			"rule %u has no expression, so rule %u is never asked; remove one of them",
			r->rules_n, r->rules_n + 1);
	rule = &r->rule[r->rules_n];
	*rule = (struct filter_rule){.insn = r->insns_n};
	if (read_verb(&expression, &expression_len, &rule->allow) != 0)
		return fail_set(
			fail, -EINVAL,
			"rule %u (\"%.*s\") has to begin with allow or deny, as in \"allow arp\"",
			r->rules_n + 1, (int)(len < SHOWN ? len : SHOWN), text);
	if (expression_len > 0)
		error = compile(r, expression, expression_len, fail);
	if (error != 0)
		return fail_prefix(fail, error, "rule %u (\"%.*s\")", r->rules_n + 1,
				   (int)(len < SHOWN ? len : SHOWN), text);
	add_rule_text(r, rule, expression, expression_len);
	r->rules_n++;
	return 0;
}

static int read_rules(struct reading *r, const char *whole, struct fail *fail)
{
	int error = 0;

	for (const char *at = whole; error == 0 && *at != '\0';) {
		const char *text = at;
		size_t len = rule_len(at);

		at += len + (at[len] != '\0');
		trim(&text, &len);
		if (len > 0)
			error = read_rule(r, text, len, fail);
	}
	if (error == 0 && (r->rules_n == 0 || r->rule[r->rules_n - 1].n != 0))
		return fail_set(fail, -EINVAL,
				"the last rule has to be allow or deny without an expression, "
				"which says what becomes of all other frames");
	return error;
}

/* Rules and programs, and where they end. NULL: no memory. */
static struct filter_list *join_programs(const struct reading *r)
{
	size_t bytes = sizeof(struct filter_list) + r->rules_n * sizeof(r->rule[0]) + r->insns_n * sizeof(struct filter_insn);
	struct filter_list *list = malloc(bytes);
	struct filter_insn *insn;

	if (list == NULL)
		return NULL;
	*list = (struct filter_list){.bytes = (uint32_t)bytes, .rules_n = r->rules_n, .insns_n = r->insns_n};
	atomic_init(&list->holders, 1);
	memcpy(list->rule, r->rule, r->rules_n * sizeof(r->rule[0]));
	insn = (struct filter_insn *)(uintptr_t)filter_list_insns(list);
	for (uint32_t i = 0; i < r->rules_n; i++)
		if (r->program[i] != NULL)
			memcpy(insn + r->rule[i].insn, r->program[i]->insn, r->rule[i].n * sizeof(*insn));
	return list;
}

/* Adds a part: where it begins. 0: no memory. */
static uint32_t append(struct filter_list **list, const void *part, uint32_t bytes)
{
	uint32_t at = (*list)->bytes;
	struct filter_list *longer = realloc(*list, at + bytes);

	if (longer == NULL)
		return 0;
	memcpy((char *)longer + at, part, bytes);
	longer->bytes = at + bytes;
	*list = longer;
	return at;
}

/* All of it in one piece. NULL: no memory. */
static struct filter_list *join(const struct reading *r)
{
	struct filter_list *list = join_programs(r);
	struct filter_plans *plans;
	uint32_t at = 0;

	if (list == NULL)
		return NULL;
	plans = filter_plans_make(list->rule, list->rules_n, filter_list_insns(list));
	if (plans != NULL)
		at = append(&list, plans, filter_plans_bytes(plans));
	free(plans);
	list->plans = at;
	at = append(&list, r->text, r->text_len + 1);
	list->text = at;
	if (at != 0)
		return list;
	free(list);
	return NULL;
}

int filter_list_read(const char *text, struct filter_list **list, struct fail *fail)
{
	struct reading *r = calloc(1, sizeof(*r));
	int error;

	*list = NULL;
	if (r == NULL)
		return fail_set(fail, -ENOMEM, "no memory");
	r->text = malloc(strlen(text) + FILTER_RULES_MAX * sizeof(between) + 1);
	error = r->text != NULL ? read_rules(r, text, fail) : fail_set(fail, -ENOMEM, "no memory");
	if (error == 0) {
		*list = join(r);
		if (*list == NULL)
			error = fail_set(fail, -ENOMEM, "no memory");
	}
	for (uint32_t i = 0; i < FILTER_RULES_MAX; i++)
		free(r->program[i]);
	free(r->text);
	free(r);
	return error;
}

struct filter_list *filter_list_hold(struct filter_list *list)
{
	if (list != NULL)
		atomic_fetch_add_explicit(&list->holders, 1, memory_order_relaxed);
	return list;
}

void filter_list_free(struct filter_list *list)
{
	/* Pairs with the other holders' filter_list_free(): what they have read comes before it is
	 * freed. */
	if (list != NULL && atomic_fetch_sub_explicit(&list->holders, 1, memory_order_acq_rel) == 1)
		free(list);
}

/* --- running ----------------------------------------------------------------------------------------------------- */

struct filter_outcome filter_list_run(const struct filter_list *list, const uint8_t *head, uint32_t head_len, uint32_t len)
{
	const struct filter_plans *plans = (const void *)((const char *)list + list->plans);

	if (__builtin_expect(list->plans == 0, 0))
		return filter_list_run_each(list, head, head_len, len);
	return filter_plans_run(plans, head, head_len, len);
}

struct filter_outcome filter_list_run_each(const struct filter_list *list, const uint8_t *head, uint32_t head_len, uint32_t len)
{
	const struct filter_insn *insns = filter_list_insns(list);
	uint32_t i = 0, steps = 0;

	/* The last rule has no program. */
	for (; list->rule[i].n != 0; i++) {
		enum filter_verdict verdict = filter_run(insns + list->rule[i].insn, head, head_len, len);

		steps += list->rule[i].n;
		if (verdict == FILTER_UNKNOWN)
			return (struct filter_outcome){.rule = i, .steps = steps, .verdict = verdict};
		if (verdict == FILTER_MATCH)
			break;
	}
	return (struct filter_outcome){
		.rule = i, .steps = steps, .verdict = list->rule[i].allow ? FILTER_MATCH : FILTER_NO_MATCH};
}
