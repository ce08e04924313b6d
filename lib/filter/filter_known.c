/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_known.c: forwards through the programs of a list: what is known at each instruction, and what follows from it. */
#include <string.h>

#include "filter_planning.h"

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
		[FILTER_CLASS_TCP4] = IPPROTO_TCP,   [FILTER_CLASS_UDP4] = IPPROTO_UDP,
		[FILTER_CLASS_ICMP4] = IPPROTO_ICMP, [FILTER_CLASS_TCP6] = IPPROTO_TCP,
		[FILTER_CLASS_UDP6] = IPPROTO_UDP,   [FILTER_CLASS_ICMP6] = IPPROTO_ICMPV6,
	};

	memset(byte, 0, FILTER_CLASS_BYTES * sizeof(*byte));
	switch (class) {
	case FILTER_CLASS_TCP4:
	case FILTER_CLASS_UDP4:
	case FILTER_CLASS_ICMP4:
		know16(byte, 12, ETH_P_IP, 0xffff);
		know(byte, 14, 0x45, 0xff);
		know16(byte, 20, 0, FILTER_FRAGMENT);
		know(byte, 23, protocol[class], 0xff);
		return FILTER_CLASS_BYTES_IPV4;
	case FILTER_CLASS_TCP6:
	case FILTER_CLASS_UDP6:
	case FILTER_CLASS_ICMP6:
		know16(byte, 12, ETH_P_IPV6, 0xffff);
		know(byte, 14, 0x60, 0xf0);
		know(byte, 20, protocol[class], 0xff);
		return FILTER_CLASS_BYTES_IPV6;
	case FILTER_CLASS_ARP:
		know16(byte, 12, ETH_P_ARP, 0xffff);
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

bool filter_has_other(const struct planning *p, const struct flat *flat)
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

void filter_go_forwards(struct planning *p)
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
		if (filter_has_other(p, flat))
			arrive(&p->state[flat->no], &before);
	}
}

void filter_know_class(struct planning *p, enum filter_class class)
{
	p->bytes = know_class(class, p->byte);
}
