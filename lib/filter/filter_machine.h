/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_machine.h: what the classic BPF machine computes and compares; lib/filter only.
 *
 * Context: any thread.
 */
#ifndef VUS_FILTER_MACHINE_H
#define VUS_FILTER_MACHINE_H

#include <linux/bpf_common.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	FILTER_WORDS = 16, /* of memory */
	/* What Linux's header does not name. */
	FILTER_MOD = 0x90,
	FILTER_XOR = 0xa0,
};

/* linux/filter.h has these, but for libpcap's header. */
#ifndef BPF_RVAL
#define BPF_RVAL(code) ((code)&0x18)
#define BPF_A	       0x10
#endif
#ifndef BPF_MISCOP
#define BPF_MISCOP(code) ((code)&0xf8)
#define BPF_TAX		 0x00
#define BPF_TXA		 0x80
#endif

static inline uint32_t filter_size_of(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* The accumulator after an instruction of BPF_ALU. False: it divides by zero, and the program ends. */
static inline bool filter_compute(uint16_t code, uint32_t *a, uint32_t operand)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		*a += operand;
		break;
	case BPF_SUB:
		*a -= operand;
		break;
	case BPF_MUL:
		*a *= operand;
		break;
	case BPF_DIV:
	case FILTER_MOD:
		if (operand == 0)
			return false;
		*a = BPF_OP(code) == BPF_DIV ? *a / operand : *a % operand;
		break;
	case BPF_OR:
		*a |= operand;
		break;
	case BPF_AND:
		*a &= operand;
		break;
	case FILTER_XOR:
		*a ^= operand;
		break;
	case BPF_LSH:
		*a = operand < 32 ? *a << operand : 0;
		break;
	case BPF_RSH:
		*a = operand < 32 ? *a >> operand : 0;
		break;
	default: /* BPF_NEG */
		*a = 0 - *a;
		break;
	}
	return true;
}

/* Whether a comparison of BPF_JMP holds. */
static inline bool filter_compares(uint16_t code, uint32_t a, uint32_t operand)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == operand;
	case BPF_JGT:
		return a > operand;
	case BPF_JGE:
		return a >= operand;
	default: /* BPF_JSET */
		return (a & operand) != 0;
	}
}

#endif
