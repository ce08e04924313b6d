/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_plan.h"

#include <stdlib.h>
#include <string.h>

#include "filter_machine.h"

enum {
	/* Instructions of our own, of which BPF has no code. */
	GOTO = 0x100,
	DECIDE,
	/* Of one plan; and of all: the class that does not fit has the plan of no class. */
	PLAN_MOST = 2 * (FILTER_LIST_INSNS_MAX + FILTER_RULES_MAX),
	STEPS_MOST = 2 * PLAN_MOST,
};

/* All programs of a list in one. What they do when they end has become jumps: to a DECIDE behind each, or to the next program. */
struct flat {
	uint16_t code;
	uint8_t rule;
	uint32_t k;
	uint32_t yes, no; /* where it goes on; and where a comparison does that does not hold, or a program that it ends */
};

/* Bits, of which those in `known` are known. */
struct value {
	uint32_t bits, known;
};

/* What is known where an instruction begins. */
struct state {
	bool reached;
	bool holds; /* the accumulator has what `load` loads from `at` */
	uint16_t load;
	uint32_t at;
	struct value a, x, memory[FILTER_WORDS];
};

/* What is live is a set of these. */
enum { LIVE_A = 1 << 0, LIVE_X = 1 << 1, LIVE_MEMORY = 1 << 2 };

struct planning {
	struct value byte[FILTER_CLASS_BYTES]; /* of the class */
	uint32_t bytes;			       /* frames of the class have so many; 0: of no class nothing is known */
	uint32_t n;			       /* instructions */
	struct flat *flat;
	struct state *state; /* one more than instructions */
	uint32_t *live, *place, *follower;
	uint32_t starts_n, start[FILTER_RULES_MAX];
};

static const struct value unknown = {0, 0};

static struct value constant(uint32_t bits)
{
	return (struct value){bits, UINT32_MAX};
}

static bool is_constant(struct value value)
{
	return value.known == UINT32_MAX;
}

static struct value meet(struct value one, struct value other)
{
	uint32_t known = one.known & other.known & ~(one.bits ^ other.bits);

	return (struct value){one.bits & known, known};
}

/* --- what frames of a class begin with --------------------------------------------------------------------------- */

static void know(struct value *byte, uint32_t at, uint32_t bits, uint32_t known)
{
	byte[at] = (struct value){bits, known};
}

static void know16(struct value *byte, uint32_t at, uint32_t bits, uint32_t known)
{
	know(byte, at, bits >> 8, known >> 8);
	know(byte, at + 1, bits & 0xff, known & 0xff);
}

/* As filter_class_of() finds them: how many bytes there are. */
static uint32_t know_class(enum filter_class class, struct value byte[FILTER_CLASS_BYTES])
{
	static const uint8_t protocol[] = {
		[FILTER_CLASS_TCP4] = FILTER_PROTOCOL_TCP,   [FILTER_CLASS_UDP4] = FILTER_PROTOCOL_UDP,
		[FILTER_CLASS_ICMP4] = FILTER_PROTOCOL_ICMP, [FILTER_CLASS_TCP6] = FILTER_PROTOCOL_TCP,
		[FILTER_CLASS_UDP6] = FILTER_PROTOCOL_UDP,   [FILTER_CLASS_ICMP6] = FILTER_PROTOCOL_ICMP6,
	};

	memset(byte, 0, FILTER_CLASS_BYTES * sizeof(*byte));
	switch (class) {
	case FILTER_CLASS_TCP4:
	case FILTER_CLASS_UDP4:
	case FILTER_CLASS_ICMP4:
		know16(byte, 12, FILTER_TYPE_IPV4, 0xffff);
		know(byte, 14, 0x45, 0xff);
		know16(byte, 20, 0, FILTER_FRAGMENT);
		know(byte, 23, protocol[class], 0xff);
		return FILTER_CLASS_BYTES_IPV4;
	case FILTER_CLASS_TCP6:
	case FILTER_CLASS_UDP6:
	case FILTER_CLASS_ICMP6:
		know16(byte, 12, FILTER_TYPE_IPV6, 0xffff);
		know(byte, 14, 0x60, 0xf0);
		know(byte, 20, protocol[class], 0xff);
		return FILTER_CLASS_BYTES_IPV6;
	case FILTER_CLASS_ARP:
		know16(byte, 12, FILTER_TYPE_ARP, 0xffff);
		return FILTER_CLASS_BYTES_ARP;
	default:
		return 0;
	}
}

/* Whether all frames of the class have these bytes. */
static bool has_bytes(const struct planning *p, uint32_t at, uint32_t size)
{
	return (uint64_t)at + size <= p->bytes;
}

static struct value load(const struct planning *p, uint32_t at, uint32_t size)
{
	struct value value = constant(0);

	if (!has_bytes(p, at, size))
		return (struct value){0, size == 4 ? 0 : UINT32_MAX << 8 * size};
	for (uint32_t i = 0; i < size; i++) {
		value.bits = value.bits << 8 | p->byte[at + i].bits;
		value.known = value.known << 8 | p->byte[at + i].known;
	}
	return value;
}

/* --- forwards: what is known, and what follows from it ----------------------------------------------------------- */

static struct value shift(struct value a, uint32_t by, bool left)
{
	if (by >= 32)
		return constant(0);
	if (left)
		return (struct value){a.bits << by, a.known << by | ((UINT32_C(1) << by) - 1)};
	return (struct value){a.bits >> by, a.known >> by | ~(UINT32_MAX >> by)};
}

static struct value arithmetic(uint16_t op, struct value a, struct value b)
{
	uint32_t zeros_a = a.known & ~a.bits, zeros_b = b.known & ~b.bits, ones = a.bits | b.bits;

	switch (op) {
	case BPF_AND:
		return (struct value){a.bits & b.bits, (a.known & b.known) | zeros_a | zeros_b};
	case BPF_OR:
		return (struct value){ones, (a.known & b.known) | ones};
	case FILTER_XOR:
		return (struct value){(a.bits ^ b.bits) & a.known & b.known, a.known & b.known};
	case BPF_LSH:
	case BPF_RSH:
		return is_constant(b) ? shift(a, b.bits, op == BPF_LSH) : unknown;
	default:
		break;
	}
	return is_constant(a) && is_constant(b) && filter_compute(op, &a.bits, b.bits) ? a : unknown;
}

/* Whether a comparison is decided, and how. */
static bool decided(uint16_t op, struct value a, struct value b, bool *holds)
{
	*holds = filter_compares(op, a.bits, b.bits);
	if (is_constant(a) && is_constant(b))
		return true;
	/* Some bits may be enough. */
	if (op == BPF_JEQ)
		return ((a.bits ^ b.bits) & a.known & b.known) != 0;
	return op == BPF_JSET && (*holds || (~(a.known & ~a.bits) & ~(b.known & ~b.bits)) == 0);
}

/* A load that may end its program: into the accumulator, with `s` as it is when it has loaded. */
static void fold_load(const struct planning *p, struct flat *flat, struct state *s)
{
	struct value value;

	if (BPF_MODE(flat->code) == BPF_IND && is_constant(s->x) && flat->k <= UINT32_MAX - s->x.bits) {
		flat->k += s->x.bits;
		flat->code = (uint16_t)(BPF_LD | BPF_ABS | BPF_SIZE(flat->code));
	}
	if (BPF_MODE(flat->code) == BPF_IND) {
		s->a = (struct value){0, load(p, UINT32_MAX, filter_size_of(flat->code)).known};
		s->holds = false;
		return;
	}
	value = load(p, flat->k, filter_size_of(flat->code));
	if (s->holds && s->load == flat->code && s->at == flat->k) {
		flat->code = GOTO;
		return;
	}
	s->a = value;
	if (is_constant(value)) {
		s->holds = false;
		*flat = (struct flat){BPF_LD | BPF_IMM, flat->rule, value.bits, flat->yes, flat->no};
		return;
	}
	s->holds = true;
	s->load = flat->code;
	s->at = flat->k;
}

static void fold_ld(const struct planning *p, struct flat *flat, struct state *s)
{
	if (BPF_MODE(flat->code) == BPF_ABS || BPF_MODE(flat->code) == BPF_IND) {
		fold_load(p, flat, s);
		return;
	}
	s->holds = false;
	s->a = BPF_MODE(flat->code) == BPF_IMM ? constant(flat->k)
	       : BPF_MODE(flat->code) == BPF_MEM ? s->memory[flat->k]
						 : unknown;
}

static void fold_ldx(const struct planning *p, struct flat *flat, struct state *s)
{
	struct value byte;

	switch (BPF_MODE(flat->code)) {
	case BPF_MSH:
		byte = load(p, flat->k, 1);
		s->x = (struct value){(byte.bits & 0xf) << 2, (byte.known & 0xf) << 2 | ~UINT32_C(0x3c)};
		if (is_constant(s->x))
			*flat = (struct flat){BPF_LDX | BPF_IMM, flat->rule, s->x.bits, flat->yes, flat->no};
		break;
	case BPF_IMM:
		s->x = constant(flat->k);
		break;
	case BPF_MEM:
		s->x = s->memory[flat->k];
		break;
	default: /* BPF_LEN */
		s->x = unknown;
		break;
	}
}

/* The other operand, which becomes a constant in the instruction where it is known. */
static struct value operand_of(struct flat *flat, const struct state *s)
{
	if (BPF_SRC(flat->code) == BPF_X && is_constant(s->x)) {
		flat->code &= (uint16_t)~BPF_X;
		flat->k = s->x.bits;
	}
	return BPF_SRC(flat->code) == BPF_X ? s->x : constant(flat->k);
}

static bool divides(uint16_t code)
{
	return BPF_CLASS(code) == BPF_ALU && (BPF_OP(code) == BPF_DIV || BPF_OP(code) == FILTER_MOD);
}

static void fold_alu(struct flat *flat, struct state *s)
{
	struct value operand = BPF_OP(flat->code) == BPF_NEG ? constant(0) : operand_of(flat, s);

	s->a = arithmetic(BPF_OP(flat->code), s->a, operand);
	s->holds = false;
	if (divides(flat->code) && is_constant(operand) && operand.bits == 0)
		*flat = (struct flat){GOTO, flat->rule, 0, flat->no, flat->no};
	else if (is_constant(s->a))
		*flat = (struct flat){BPF_LD | BPF_IMM, flat->rule, s->a.bits, flat->yes, flat->no};
}

static void fold_jump(struct flat *flat, struct state *s)
{
	struct value operand = operand_of(flat, s);
	bool holds;

	if (!decided(BPF_OP(flat->code), s->a, operand, &holds))
		return;
	*flat = (struct flat){GOTO, flat->rule, 0, holds ? flat->yes : flat->no, flat->no};
}

/* Makes of an instruction what it is where so much is known, and of the state what is known behind it. */
static void fold(const struct planning *p, struct flat *flat, struct state *s)
{
	if (flat->code >= GOTO)
		return;
	switch (BPF_CLASS(flat->code)) {
	case BPF_LD:
		fold_ld(p, flat, s);
		break;
	case BPF_LDX:
		fold_ldx(p, flat, s);
		break;
	case BPF_ST:
		s->memory[flat->k] = s->a;
		break;
	case BPF_STX:
		s->memory[flat->k] = s->x;
		break;
	case BPF_ALU:
		fold_alu(flat, s);
		break;
	case BPF_JMP:
		fold_jump(flat, s);
		break;
	default: /* BPF_MISC */
		if (BPF_MISCOP(flat->code) == BPF_TAX) {
			s->x = s->a;
		} else {
			s->a = s->x;
			s->holds = false;
		}
		break;
	}
}

/* Whether an instruction may go on at `no`. */
static bool has_other(const struct planning *p, const struct flat *flat)
{
	if (flat->code >= GOTO)
		return false;
	switch (BPF_CLASS(flat->code)) {
	case BPF_LD:
		return BPF_MODE(flat->code) == BPF_IND ||
		       (BPF_MODE(flat->code) == BPF_ABS && !has_bytes(p, flat->k, filter_size_of(flat->code)));
	case BPF_LDX:
		return BPF_MODE(flat->code) == BPF_MSH && !has_bytes(p, flat->k, 1);
	case BPF_ALU:
		return divides(flat->code) && (BPF_SRC(flat->code) == BPF_X || flat->k == 0);
	default:
		return BPF_CLASS(flat->code) == BPF_JMP;
	}
}

static void arrive(struct state *at, const struct state *from)
{
	if (!at->reached) {
		*at = *from;
		return;
	}
	at->holds = at->holds && from->holds && at->load == from->load && at->at == from->at;
	at->a = meet(at->a, from->a);
	at->x = meet(at->x, from->x);
	for (int i = 0; i < FILTER_WORDS; i++)
		at->memory[i] = meet(at->memory[i], from->memory[i]);
}

static void forget(struct state *s)
{
	s->a = s->x = unknown;
	for (int i = 0; i < FILTER_WORDS; i++)
		s->memory[i] = unknown;
}

static void go_forwards(struct planning *p)
{
	memset(p->state, 0, (p->n + 1) * sizeof(*p->state));
	p->state[0].reached = true;
	for (uint32_t i = 0; i < p->n; i++) {
		struct flat *flat = &p->flat[i];
		struct state before = p->state[i], after = before;

		if (!before.reached || flat->code == DECIDE)
			continue;
		/* A program may read what it has written itself. What the accumulator holds may be what it is about to load. */
		if (i > 0 && flat->rule != p->flat[i - 1].rule)
			forget(&after);
		fold(p, flat, &after);
		arrive(&p->state[flat->yes], &after);
		/* A load or a division that ends its program has changed nothing. */
		if (has_other(p, flat))
			arrive(&p->state[flat->no], &before);
	}
}

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
		if (flat->code != GOTO && !has_other(p, flat) && (writes(flat) & live) == 0)
			*flat = (struct flat){GOTO, flat->rule, 0, flat->yes, flat->no};
		if (flat->code != GOTO) {
			live = (live & ~writes(flat)) | reads(flat);
			/* There the next program begins; or it is a comparison. */
			live |= has_other(p, flat) ? p->live[flat->no] : 0;
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
		if (has_other(p, flat))
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
	if (has_other(p, flat))
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

	p->bytes = know_class(class, p->byte);
	flatten(p, rules, rules_n, insns);
	if (!begins_with_nothing(p))
		return false;
	/* Twice: what was left out does not come between a load and the same load any more. */
	for (int i = 0; i < 2; i++) {
		go_forwards(p);
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
