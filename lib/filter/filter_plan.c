/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_plan.h"

#include <stdlib.h>

#include "filter_planning.h"

enum {
	/* Of one plan; and of all: the class that does not fit has the plan of no class. */
	PLAN_MOST = 2 * (FILTER_LIST_INSNS_MAX + FILTER_RULES_MAX),
	STEPS_MOST = 2 * PLAN_MOST,
};

/* What is live is a set of these. */
enum { LIVE_A = 1 << 0, LIVE_X = 1 << 1, LIVE_MEMORY = 1 << 2 };

/* --- backwards: what nobody reads -------------------------------------------------------------------------------- */

static uint32_t reads(const struct flat *flat)
{
	uint32_t index = BPF_SRC(flat->code) == BPF_X ? LIVE_X : 0;

	switch (BPF_CLASS(flat->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(flat->code) == BPF_MEM)
			return (uint32_t)LIVE_MEMORY << flat->k;
		return BPF_CLASS(flat->code) == BPF_LD && BPF_MODE(flat->code) == BPF_IND ? LIVE_X : 0;
	case BPF_ST:
		return LIVE_A;
	case BPF_STX:
		return LIVE_X;
	case BPF_ALU:
		return BPF_OP(flat->code) == BPF_NEG ? LIVE_A : LIVE_A | index;
	case BPF_JMP:
		return LIVE_A | index;
	default:
		return BPF_MISCOP(flat->code) == BPF_TAX ? LIVE_A : LIVE_X;
	}
}

static uint32_t writes(const struct flat *flat)
{
	switch (BPF_CLASS(flat->code)) {
	case BPF_LD:
	case BPF_ALU:
		return LIVE_A;
	case BPF_LDX:
		return LIVE_X;
	case BPF_ST:
	case BPF_STX:
		return (uint32_t)LIVE_MEMORY << flat->k;
	case BPF_JMP:
		return 0;
	default:
		return BPF_MISCOP(flat->code) == BPF_TAX ? LIVE_X : LIVE_A;
	}
}

static void go_backwards(struct planning *p)
{
	for (uint32_t i = p->n; i-- > 0;) {
		struct flat *flat = &p->flat[i];
		uint32_t live = 0;

		p->live[i] = 0;
		if (!p->state[i].reached || flat->code == DECIDE)
			continue;
		live = p->live[flat->yes];
		if (flat->code != GOTO && !filter_has_other(p, flat) && (writes(flat) & live) == 0)
			*flat = (struct flat){GOTO, flat->rule, 0, flat->yes, flat->no};
		if (flat->code != GOTO) {
			live = (live & ~writes(flat)) | reads(flat);
			/* There the next program begins; or it is a comparison. */
			live |= filter_has_other(p, flat) ? p->live[flat->no] : 0;
		}
		p->live[i] = live;
	}
}

/* So that none leads to another one. */
static void shorten_gotos(struct planning *p)
{
	for (uint32_t i = p->n; i-- > 0;)
		if (p->flat[i].code == GOTO && p->flat[p->flat[i].yes].code == GOTO)
			p->flat[i].yes = p->flat[p->flat[i].yes].yes;
}

/* --- the steps that remain --------------------------------------------------------------------------------------- */

static uint32_t through_gotos(const struct planning *p, uint32_t i)
{
	return p->flat[i].code == GOTO ? p->flat[i].yes : i;
}

static enum filter_op op_of_ld(uint16_t code)
{
	switch (BPF_MODE(code)) {
	case BPF_ABS:
		return filter_size_of(code) == 4 ? FILTER_LD : filter_size_of(code) == 2 ? FILTER_LD_2 : FILTER_LD_1;
	case BPF_IND:
		return FILTER_LD_IND;
	case BPF_IMM:
		return FILTER_LD_IMM;
	case BPF_LEN:
		return FILTER_LD_LEN;
	default:
		return FILTER_LD_MEM;
	}
}

static enum filter_op op_of_ldx(uint16_t code)
{
	switch (BPF_MODE(code)) {
	case BPF_MSH:
		return FILTER_LDX_MSH;
	case BPF_IMM:
		return FILTER_LDX_IMM;
	case BPF_LEN:
		return FILTER_LDX_LEN;
	default:
		return FILTER_LDX_MEM;
	}
}

static enum filter_op op_of_jump(uint16_t code)
{
	return BPF_SRC(code) == BPF_K && BPF_OP(code) == BPF_JEQ ? FILTER_JEQ : FILTER_JUMP;
}

static enum filter_op op_of(uint16_t code)
{
	if (code == DECIDE)
		return FILTER_DECIDE;
	switch (BPF_CLASS(code)) {
	case BPF_LD:
		return op_of_ld(code);
	case BPF_LDX:
		return op_of_ldx(code);
	case BPF_ST:
		return FILTER_ST;
	case BPF_STX:
		return FILTER_STX;
	case BPF_ALU:
		return BPF_OP(code) == BPF_AND && BPF_SRC(code) == BPF_K ? FILTER_AND : FILTER_ALU;
	case BPF_JMP:
		return op_of_jump(code);
	default:
		return BPF_MISCOP(code) == BPF_TAX ? FILTER_TAX : FILTER_TXA;
	}
}

static void reach(struct planning *p, uint32_t i)
{
	p->place[through_gotos(p, i)] = 0;
}

/* Which instruction stands behind each in the plan; UINT32_MAX: none. What decides stands at the end. */
static void find_followers(struct planning *p)
{
	uint32_t follower = UINT32_MAX;

	for (uint32_t i = p->n; i-- > 0;) {
		p->follower[i] = follower;
		if (p->place[i] != UINT32_MAX && p->flat[i].code != DECIDE)
			follower = i;
	}
}

static bool compares(const struct flat *flat)
{
	return flat->code < GOTO && BPF_CLASS(flat->code) == BPF_JMP;
}

/* Whether behind an instruction has to stand a step that goes where it goes on. */
static bool needs_go(const struct planning *p, uint32_t i)
{
	const struct flat *flat = &p->flat[i];
	uint32_t follows = p->follower[i];

	return through_gotos(p, flat->yes) != follows && !(compares(flat) && through_gotos(p, flat->no) == follows);
}

/* Numbers the steps that are left: how many. What decides comes last: most frames are what most rules are not about, and so
 * what follows a rule stands behind it. */
static uint32_t number(struct planning *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n; i++)
		p->place[i] = UINT32_MAX;
	reach(p, 0);
	for (uint32_t i = 0; i < p->n; i++) {
		const struct flat *flat = &p->flat[i];

		if (p->place[i] == UINT32_MAX || flat->code == DECIDE)
			continue;
		reach(p, flat->yes);
		if (filter_has_other(p, flat))
			reach(p, flat->no);
	}
	find_followers(p);
	for (uint32_t i = 0; i < p->n; i++)
		if (p->place[i] != UINT32_MAX && p->flat[i].code != DECIDE) {
			p->place[i] = n;
			n += needs_go(p, i) ? 2 : 1;
		}
	for (uint32_t i = 0; i < p->n; i++)
		if (p->place[i] != UINT32_MAX && p->flat[i].code == DECIDE)
			p->place[i] = n++;
	return n;
}

static uint16_t place_of(const struct planning *p, uint32_t i)
{
	return (uint16_t)p->place[through_gotos(p, i)];
}

static void write_step(const struct planning *p, uint32_t i, struct filter_step *step)
{
	const struct flat *flat = &p->flat[i];

	*step = (struct filter_step){
		.op = (uint8_t)op_of(flat->code), .code = (uint8_t)flat->code, .rule = flat->rule, .k = flat->k};
	if (flat->code == DECIDE)
		return;
	if (filter_has_other(p, flat))
		step->other = place_of(p, flat->no);
	if (needs_go(p, i)) {
		step[1] = (struct filter_step){.op = FILTER_GO, .rule = flat->rule, .other = place_of(p, flat->yes)};
	} else if (through_gotos(p, flat->yes) != p->follower[i]) {
		/* It goes on where it does not hold. */
		step->op = step->op == FILTER_JEQ ? FILTER_JEQ_NOT : FILTER_JUMP_NOT;
		step->other = place_of(p, flat->yes);
	}
}

static void write_steps(const struct planning *p, struct filter_step *steps)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->place[i] != UINT32_MAX)
			write_step(p, i, &steps[p->place[i]]);
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static struct flat flatten_one(const struct filter_insn *insn, uint32_t at, uint8_t rule, uint32_t decide, uint32_t next)
{
	struct flat flat = {.code = insn->code, .rule = rule, .k = insn->k, .yes = at + 1, .no = next};

	if (BPF_CLASS(insn->code) == BPF_RET && BPF_RVAL(insn->code) == BPF_A)
		return (struct flat){BPF_JMP | BPF_JEQ | BPF_K, rule, 0, next, decide};
	if (BPF_CLASS(insn->code) == BPF_RET)
		return (struct flat){GOTO, rule, 0, insn->k != 0 ? decide : next, next};
	if (BPF_CLASS(insn->code) != BPF_JMP)
		return flat;
	if (BPF_OP(insn->code) == BPF_JA)
		return (struct flat){GOTO, rule, 0, at + 1 + insn->k, next};
	flat.yes = at + 1 + insn->jt;
	flat.no = at + 1 + insn->jf;
	return flat;
}

/* Behind each program stands what its rule decides; the last rule has nothing else. */
static void flatten(struct planning *p, const struct filter_rule *rules, uint32_t rules_n, const struct filter_insn *insns)
{
	uint32_t at = 0;

	for (uint32_t rule = 0; rule < rules_n; rule++) {
		uint32_t decide = at + rules[rule].n;

		p->start[rule] = at;
		for (; at < decide; at++)
			p->flat[at] = flatten_one(&insns[rules[rule].insn + at - p->start[rule]], at, (uint8_t)rule, decide,
						  decide + 1);
		p->flat[at++] = (struct flat){DECIDE, (uint8_t)rule, rules[rule].allow, 0, 0};
	}
	p->n = at;
	p->starts_n = rules_n;
}

/* A program begins with zeros; in a plan with what the one before has left. So nothing of that may be read. Before anything is
 * left out because of what the accumulator holds. */
static bool begins_with_nothing(struct planning *p)
{
	uint32_t live = 0;

	for (uint32_t i = 0; i < p->n; i++)
		p->state[i].reached = true;
	go_backwards(p);
	for (uint32_t i = 0; i < p->starts_n; i++)
		live |= p->live[p->start[i]];
	return live == 0;
}

static bool plan_one(struct planning *p, enum filter_class class, const struct filter_rule *rules, uint32_t rules_n,
		     const struct filter_insn *insns, struct filter_plans *plans)
{
	uint32_t n;

	filter_know_class(p, class);
	flatten(p, rules, rules_n, insns);
	if (!begins_with_nothing(p))
		return false;
	/* Twice: what was left out does not come between a load and the same load any more. */
	for (int i = 0; i < 2; i++) {
		filter_go_forwards(p);
		go_backwards(p);
	}
	shorten_gotos(p);
	n = number(p);
	plans->begin[class] = plans->begin[FILTER_CLASS_ANY];
	if (class != FILTER_CLASS_ANY && plans->n + n > STEPS_MOST)
		return true;
	plans->begin[class] = plans->n;
	write_steps(p, &plans->step[plans->n]);
	plans->n += n;
	return true;
}

static uint32_t length_of(const struct filter_rule *rules, uint32_t rules_n)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rules_n; i++)
		n += rules[i].n + 1u;
	return n;
}

struct filter_plans *filter_plans_make(const struct filter_rule *rules, uint32_t rules_n, const struct filter_insn *insns)
{
	uint32_t n = length_of(rules, rules_n);
	struct planning p = {.flat = calloc(n, sizeof(*p.flat)),
			     .state = calloc(n + 1, sizeof(*p.state)),
			     .live = calloc(n, sizeof(*p.live)),
			     .place = calloc(n, sizeof(*p.place)),
			     .follower = calloc(n, sizeof(*p.follower))};
	struct filter_plans *plans = calloc(1, sizeof(*plans) + STEPS_MOST * sizeof(plans->step[0]));
	bool made = p.flat != NULL && p.state != NULL && p.live != NULL && p.place != NULL && p.follower != NULL && plans != NULL;

	made = made && plan_one(&p, FILTER_CLASS_ANY, rules, rules_n, insns, plans);
	for (int class = 0; made && class < FILTER_CLASS_ANY; class++)
		made = plan_one(&p, (enum filter_class)class, rules, rules_n, insns, plans);
	free(p.flat);
	free(p.state);
	free(p.live);
	free(p.place);
	free(p.follower);
	if (made)
		return plans;
	free(plans);
	return NULL;
}
