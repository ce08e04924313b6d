/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_run.c: the classic BPF machine. An accumulator, an index register and 16 words; a load
 * beyond the frame ends the program, as in bpf_filter(), with "no match". */
#include "filter.h"
#include "filter_machine.h"

struct machine {
	const uint8_t *head;
	uint32_t head_len, len;
	uint32_t a, x;
	uint32_t memory[FILTER_WORDS];
};

/* `size` bytes from `at` on, the first is the highest. False: *end is what the program ends with.
 */
static inline bool load(const struct machine *m, uint64_t at, uint32_t size, uint32_t *value,
			enum filter_verdict *end)
{
	*value = 0;
	if (__builtin_expect(at + size > m->head_len, 0)) {
		*end = at + size > m->len ? FILTER_NO_MATCH : FILTER_UNKNOWN;
		return false;
	}
	for (uint32_t i = 0; i < size; i++)
		*value = *value << 8 | m->head[at + i];
	return true;
}

/* Into the accumulator. */
static inline bool run_ld(struct machine *m, const struct filter_insn *pc, enum filter_verdict *end)
{
	switch (BPF_MODE(pc->code)) {
	case BPF_ABS:
		return load(m, pc->k, filter_size_of(pc->code), &m->a, end);
	case BPF_IND:
		return load(m, (uint64_t)m->x + pc->k, filter_size_of(pc->code), &m->a, end);
	case BPF_IMM:
		m->a = pc->k;
		return true;
	case BPF_LEN:
		m->a = m->len;
		return true;
	default: /* BPF_MEM */
		m->a = m->memory[pc->k];
		return true;
	}
}

/* Into the index register. */
static inline bool run_ldx(struct machine *m, const struct filter_insn *pc,
			   enum filter_verdict *end)
{
	bool loaded = true;

	switch (BPF_MODE(pc->code)) {
	case BPF_MSH: /* the length of an IPv4 header */
		loaded = load(m, pc->k, 1, &m->x, end);
		m->x = (m->x & 0xf) << 2;
		return loaded;
	case BPF_IMM:
		m->x = pc->k;
		return true;
	case BPF_LEN:
		m->x = m->len;
		return true;
	default: /* BPF_MEM */
		m->x = m->memory[pc->k];
		return true;
	}
}

/* How many instructions are passed over. */
static inline uint32_t run_jmp(const struct machine *m, const struct filter_insn *pc)
{
	if (BPF_OP(pc->code) == BPF_JA)
		return pc->k;
	return filter_compares(pc->code, m->a, BPF_SRC(pc->code) == BPF_X ? m->x : pc->k) ? pc->jt : pc->jf;
}

enum filter_verdict filter_run(const struct filter_insn *pc, const uint8_t *head, uint32_t head_len, uint32_t len)
{
	struct machine m = {.head = head, .head_len = head_len, .len = len};
	enum filter_verdict end = FILTER_NO_MATCH;

	for (;; pc++) {
		switch (BPF_CLASS(pc->code)) {
		case BPF_LD:
			if (!run_ld(&m, pc, &end))
				return end;
			break;
		case BPF_LDX:
			if (!run_ldx(&m, pc, &end))
				return end;
			break;
		case BPF_ST:
			m.memory[pc->k] = m.a;
			break;
		case BPF_STX:
			m.memory[pc->k] = m.x;
			break;
		case BPF_ALU:
			if (!filter_compute(pc->code, &m.a, BPF_SRC(pc->code) == BPF_X ? m.x : pc->k))
				return FILTER_NO_MATCH;
			break;
		case BPF_JMP:
			pc += run_jmp(&m, pc);
			break;
		case BPF_RET:
			return (BPF_RVAL(pc->code) == BPF_A ? m.a : pc->k) != 0 ? FILTER_MATCH : FILTER_NO_MATCH;
		default: /* BPF_MISC */
			if (BPF_MISCOP(pc->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
			break;
		}
	}
}
