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
struct registers {
	uint32_t a, x;
	uint32_t memory[FILTER_WORDS];
};

/* What neither loads from the frame nor decides anything. Few plans have it. */
static inline void move(const struct filter_step *step, const struct packet *packet, struct registers *r)
{
	switch ((enum filter_op)step->op) {
	case FILTER_LD_IMM:
		r->a = step->k;
		break;
	case FILTER_LD_LEN:
		r->a = packet->len;
		break;
	case FILTER_LD_MEM:
		r->a = r->memory[step->k];
		break;
	case FILTER_LDX_IMM:
		r->x = step->k;
		break;
	case FILTER_LDX_LEN:
		r->x = packet->len;
		break;
	case FILTER_LDX_MEM:
		r->x = r->memory[step->k];
		break;
	case FILTER_ST:
		r->memory[step->k] = r->a;
		break;
	case FILTER_STX:
		r->memory[step->k] = r->x;
		break;
	case FILTER_TAX:
		r->x = r->a;
		break;
	default: /* FILTER_TXA */
		r->a = r->x;
		break;
	}
}

static inline uint32_t operand(const struct filter_step *step, const struct registers *r)
{
	return BPF_SRC(step->code) == BPF_X ? r->x : step->k;
}

static struct filter_outcome run(const struct filter_step *plan, const struct packet packet)
{
	const struct filter_step *step = plan;
	struct registers r;
	uint32_t steps = 0;

	for (r.a = r.x = 0;; steps++) {
		enum loaded loaded = LOADED;
		bool follows = true;

		switch ((enum filter_op)step->op) {
		case FILTER_LD:
			loaded = load(&packet, step->k, 4, &r.a);
			break;
		case FILTER_LD_2:
			loaded = load(&packet, step->k, 2, &r.a);
			break;
		case FILTER_LD_1:
			loaded = load(&packet, step->k, 1, &r.a);
			break;
		case FILTER_LD_IND:
			loaded = load(&packet, (uint64_t)r.x + step->k, filter_size_of(step->code), &r.a);
			break;
		case FILTER_LDX_MSH:
			loaded = load(&packet, step->k, 1, &r.x);
			r.x = loaded == LOADED ? (r.x & 0xf) << 2 : r.x;
			break;
		case FILTER_AND:
			r.a &= step->k;
			break;
		case FILTER_ALU:
			follows = filter_compute(step->code, &r.a, operand(step, &r));
			break;
		case FILTER_JEQ:
			if (r.a != step->k)
				goto other;
			break;
		case FILTER_JEQ_NOT:
			if (r.a == step->k)
				goto other;
			break;
		case FILTER_JUMP:
		case FILTER_JUMP_NOT:
			follows = filter_compares(step->code, r.a, operand(step, &r)) == (step->op == FILTER_JUMP);
			break;
		case FILTER_GO:
			goto other;
		case FILTER_DECIDE:
			return outcome_of(step, steps, step->k != 0 ? FILTER_MATCH : FILTER_NO_MATCH);
		default:
			move(step, &packet, &r);
			break;
		}
		if (__builtin_expect(loaded == UNSEEN, 0))
			return outcome_of(step, steps, FILTER_UNKNOWN);
		if (__builtin_expect(loaded == LOADED && follows, 1)) {
			step++;
			continue;
		}
other:
		step = plan + step->other;
	}
}

struct filter_outcome filter_plans_run(const struct filter_plans *plans, const uint8_t *head, uint32_t head_len, uint32_t len)
{
	const struct packet packet = {.head = head, .head_len = head_len, .len = len};

	return run(&plans->step[plans->begin[filter_class_of(head, head_len)]], packet);
}
