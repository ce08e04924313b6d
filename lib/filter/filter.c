/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "filter_machine.h"

_Static_assert(sizeof(struct filter_insn) == sizeof(struct bpf_insn) &&
		       offsetof(struct filter_insn, k) == offsetof(struct bpf_insn, k),
	       "an instruction is libpcap's");

/* --- what may be run
 * -------------------------------------------------------------------------------------------- */

/* Linux's own loads from here on: of what is known of a frame beside its bytes. */
static const uint32_t BESIDE_FRAME = UINT32_MAX - 0xfff;

static bool check_load(const struct filter_insn *insn)
{
	bool is_index = BPF_CLASS(insn->code) == BPF_LDX;

	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
	case BPF_IND:
		return !is_index && BPF_SIZE(insn->code) != 0x18 && insn->k < BESIDE_FRAME;
	case BPF_MSH:
		return is_index && BPF_SIZE(insn->code) == BPF_B;
	case BPF_IMM:
	case BPF_LEN:
		return BPF_SIZE(insn->code) == BPF_W;
	case BPF_MEM:
		return BPF_SIZE(insn->code) == BPF_W && insn->k < FILTER_WORDS;
	default:
		return false;
	}
}

static bool check_alu(const struct filter_insn *insn)
{
	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_LSH:
	case BPF_RSH:
	case FILTER_XOR:
		return true;
	case BPF_NEG:
		return BPF_SRC(insn->code) == BPF_K;
	case BPF_DIV:
	case FILTER_MOD:
		return BPF_SRC(insn->code) == BPF_X || insn->k != 0;
	default:
		return false;
	}
}

/* `left` instructions follow it. */
static bool check_jump(const struct filter_insn *insn, unsigned int left)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return BPF_SRC(insn->code) == BPF_K && insn->k < left;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return insn->jt < left && insn->jf < left;
	default:
		return false;
	}
}

static bool check_insn(const struct filter_insn *insn, unsigned int left)
{
	if (insn->code > UINT8_MAX)
		return false;
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
	case BPF_LDX:
		return check_load(insn);
	case BPF_ST:
	case BPF_STX:
		return insn->code == BPF_CLASS(insn->code) && insn->k < FILTER_WORDS;
	case BPF_ALU:
		return check_alu(insn);
	case BPF_JMP:
		return check_jump(insn, left);
	case BPF_RET:
		return insn->code == (BPF_RET | BPF_A) || insn->code == (BPF_RET | BPF_K);
	default:
		return BPF_MISCOP(insn->code) == BPF_TAX || BPF_MISCOP(insn->code) == BPF_TXA;
	}
}

int filter_check(const struct filter_insn *insn, unsigned int n)
{
	if (n == 0 || n > FILTER_INSNS_MAX || BPF_CLASS(insn[n - 1].code) != BPF_RET)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++)
		if (!check_insn(&insn[i], n - 1 - i))
			return -EINVAL;
	return 0;
}

/* --- compiling
 * --------------------------------------------------------------------------------------------------
 */

static int take_program(const struct bpf_program *program, struct filter **filter,
			struct fail *fail)
{
	const struct filter_insn *insn =
		(const struct filter_insn *)(const void *)program->bf_insns;

	if (program->bf_len > FILTER_INSNS_MAX)
		return fail_set(fail, -E2BIG,
				"its program has %u instructions, which is more than %d; make "
				"several rules of it",
				program->bf_len, FILTER_INSNS_MAX);
	if (filter_check(insn, program->bf_len) != 0)
		return fail_set(fail, -EINVAL,
				"it asks for what is not in a frame (inbound, outbound), or goes "
				"round in a loop (protochain), which is not "
				"run here; use proto in place of protochain");
	*filter = malloc(sizeof(**filter) + program->bf_len * sizeof(*insn));
	if (*filter == NULL)
		return fail_set(fail, -ENOMEM, "no memory");
	(*filter)->n = program->bf_len;
	memcpy((*filter)->insn, insn, program->bf_len * sizeof(*insn));
	return 0;
}

int filter_compile(const char *text, struct filter **filter, struct fail *fail)
{
	enum { OPTIMIZE = 1, SNAP = 65535 };
	struct bpf_program program;
	unsigned int name_len;
	const char *name;
	pcap_t *pcap;
	int error;

	*filter = NULL;
	if (strlen(text) > FILTER_TEXT_MAX)
		return fail_set(fail, -E2BIG,
				"the expression is longer than %d bytes; make several rules of it",
				FILTER_TEXT_MAX);
	name_len = filter_find_name(text, &name);
	if (name_len > 0)
		return fail_set(fail, -EINVAL,
				"\"%.*s\" is no word of pcap-filter(7), and names of hosts are not "
				"looked up; write the address",
				(int)name_len, name);
	pcap = pcap_open_dead(DLT_EN10MB, SNAP);
	if (pcap == NULL)
		return fail_set(fail, -ENOMEM, "no memory");
	if (pcap_compile(pcap, &program, text, OPTIMIZE, PCAP_NETMASK_UNKNOWN) != 0) {
		error = fail_set(fail, -EINVAL, "%s", pcap_geterr(pcap));
	} else {
		error = take_program(&program, filter, fail);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return error;
}
