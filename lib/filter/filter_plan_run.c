/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_machine.h"
#include "filter_plan.h"

struct packet {
	const uint8_t *head;
	uint32_t head_len, len;
};

enum loaded { LOADED, BEYOND, UNSEEN };

static inline __attribute__((always_inline)) enum loaded load(const struct packet *packet, uint64_t at, uint32_t size,
							      uint32_t *value)
{
	const uint8_t *bytes = packet->head + at;

	if (__builtin_expect(at + size > packet->head_len, 0))
		return at + size > packet->len ? BEYOND : UNSEEN;
	*value = size == 4 ? filter_be16(bytes) << 16 | filter_be16(bytes + 2) : size == 2 ? filter_be16(bytes) : bytes[0];
	return LOADED;
}

static inline struct filter_outcome outcome_of(const struct filter_step *step, uint32_t steps, enum filter_verdict verdict)
{
	return (struct filter_outcome){.rule = step->rule, .steps = steps, .verdict = verdict};
}

/* A plan reads no word and no register that it has not written. */
static struct filter_outcome run(const struct filter_step *plan, const struct packet packet)
{
	uint32_t a = 0, x = 0, memory[FILTER_WORDS], steps = 0;

	for (const struct filter_step *step = plan;; steps++) {
		enum loaded loaded = LOADED;

		switch ((enum filter_op)step->op) {
		case FILTER_LD:
			loaded = load(&packet, step->k, 4, &a);
			break;
		case FILTER_LD_2:
			loaded = load(&packet, step->k, 2, &a);
			break;
		case FILTER_LD_1:
			loaded = load(&packet, step->k, 1, &a);
			break;
		case FILTER_LD_IND:
			loaded = load(&packet, (uint64_t)x + step->k, 4, &a);
			break;
		case FILTER_LD_IND_2:
			loaded = load(&packet, (uint64_t)x + step->k, 2, &a);
			break;
		case FILTER_LD_IND_1:
			loaded = load(&packet, (uint64_t)x + step->k, 1, &a);
			break;
		case FILTER_LD_IMM:
			a = step->k;
			break;
		case FILTER_LD_LEN:
			a = packet.len;
			break;
		case FILTER_LD_MEM:
			a = memory[step->k];
			break;
		case FILTER_LDX_MSH:
			loaded = load(&packet, step->k, 1, &x);
			x = loaded == LOADED ? (x & 0xf) << 2 : x;
			break;
		case FILTER_LDX_IMM:
			x = step->k;
			break;
		case FILTER_LDX_LEN:
			x = packet.len;
			break;
		case FILTER_LDX_MEM:
			x = memory[step->k];
			break;
		case FILTER_ST:
			memory[step->k] = a;
			break;
		case FILTER_STX:
			memory[step->k] = x;
			break;
		case FILTER_TAX:
			x = a;
			break;
		case FILTER_TXA:
			a = x;
			break;
		case FILTER_AND:
			a &= step->k;
			break;
		case FILTER_ALU:
			if (!filter_compute(step->code, &a, BPF_SRC(step->code) == BPF_X ? x : step->k))
				goto other;
			break;
		case FILTER_JEQ:
			if (a != step->k)
				goto other;
			break;
		case FILTER_JGT:
			if (a <= step->k)
				goto other;
			break;
		case FILTER_JGE:
			if (a < step->k)
				goto other;
			break;
		case FILTER_JSET:
			if ((a & step->k) == 0)
				goto other;
			break;
		case FILTER_JUMP:
			if (!filter_compares(step->code, a, x))
				goto other;
			break;
		case FILTER_JEQ_NOT:
			if (a == step->k)
				goto other;
			break;
		case FILTER_JGT_NOT:
			if (a > step->k)
				goto other;
			break;
		case FILTER_JGE_NOT:
			if (a >= step->k)
				goto other;
			break;
		case FILTER_JSET_NOT:
			if ((a & step->k) != 0)
				goto other;
			break;
		case FILTER_JUMP_NOT:
			if (filter_compares(step->code, a, x))
				goto other;
			break;
		case FILTER_GO:
			goto other;
		case FILTER_DECIDE:
			return outcome_of(step, steps, step->k != 0 ? FILTER_MATCH : FILTER_NO_MATCH);
		}
		if (__builtin_expect(loaded == LOADED, 1)) {
			step++;
			continue;
		}
		if (loaded == UNSEEN)
			return outcome_of(step, steps, FILTER_UNKNOWN);
other:
		step = plan + step->other;
	}
}

struct filter_outcome filter_plans_run(const struct filter_plans *plans, const uint8_t *head, uint32_t head_len, uint32_t len)
{
	const struct packet packet = {.head = head, .head_len = head_len, .len = len};

	return run(&plans->step[plans->begin[filter_class_of(head, head_len)]], packet);
}
