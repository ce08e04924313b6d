/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters beside libpcap's interpreter: programs of any instructions, and lists of any words. What is accepted is run over a
 * frame and over heads of it: the answer is libpcap's, or none, and none only where libpcap stops at the head's end. A list
 * decides as its rules do one by one, and reads the same when it is read again.
 */
#include "fuzz.h"

#include <pcap/pcap.h>

#include "filter_plan.h"

enum { INSNS_MAX = 24, WORDS = 16, FRAME = 200, TEXT = 1024 };

static uint8_t frame[FRAME];

static const char *const words[] = {
	"allow",
	"deny",
	";",
	"\n",
	" ",
	" ",
	" ",
	"ip",
	"ip6",
	"tcp",
	"udp",
	"arp",
	"vlan",
	"port",
	"host",
	"net",
	"and",
	"or",
	"not",
	"src",
	"dst",
	"10.0.0.1",
	"fe80::1",
	"25",
	"0",
	"4294967295",
	"ether",
	"[",
	"]",
	"[12:2]",
	"[0]",
	"=",
	">",
	"&",
	"(",
	")",
	"+",
	"*",
	"/",
	"len",
	"tcpflags",
	"tcp-syn",
	"proto",
	"\\icmp",
	"protochain",
	"inbound",
	"52:54:00:12:34:56",
	"ssh",
	"-",
	"<<",
	"portrange",
	"20-30",
	"multicast",
	"\xff",
	"a.b",
};

static void take_frame(struct fuzz *in)
{
	static const uint8_t start[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0};

	memset(frame, 0, sizeof(frame));
	memcpy(frame, start, sizeof(start));
	for (unsigned int n = fuzz_below(in, 16); n > 0; n--)
		frame[fuzz_below(in, 64)] = fuzz_uint8(in);
}

static bool pcap_says(const struct filter_insn *insn, uint32_t len, uint32_t caplen)
{
	return bpf_filter((const struct bpf_insn *)(const void *)insn, frame, len, caplen) != 0;
}

/* The head is a copy that ends where its memory does. */
static enum filter_verdict run(const struct filter_insn *insn, uint32_t head_len, uint32_t len)
{
	uint8_t *head = malloc(head_len + 1);
	enum filter_verdict verdict;

	FUZZ_CHECK(head != NULL);
	memcpy(head + 1, frame, head_len);
	verdict = filter_run(insn, head + 1, head_len, len);
	free(head);
	return verdict;
}

static enum filter_verdict compare(const struct filter_insn *insn, uint32_t head_len, uint32_t len)
{
	bool matches = pcap_says(insn, len, len);
	enum filter_verdict verdict = run(insn, head_len, len);

	FUZZ_CHECK(run(insn, len, len) == (matches ? FILTER_MATCH : FILTER_NO_MATCH));
	if (verdict == FILTER_UNKNOWN)
		FUZZ_CHECK(head_len < len && !pcap_says(insn, len, head_len));
	else
		FUZZ_CHECK((verdict == FILTER_MATCH) == matches);
	return verdict;
}

/* A list of this program: its plan decides as it does. */
static void fuzz_plan(const struct filter_insn *insn, unsigned int n, enum filter_verdict verdict, uint32_t head_len,
		      uint32_t len)
{
	const struct filter_rule rules[] = {{.allow = true, .n = (uint16_t)n}, {.insn = n}};
	struct filter_plans *plans = filter_plans_make(rules, 2, insn);
	struct filter_outcome outcome;

	/* It reads what it has not written. */
	if (plans == NULL)
		return;
	outcome = filter_plans_run(plans, frame, head_len, len);
	FUZZ_CHECK(outcome.verdict == verdict && outcome.rule == (verdict == FILTER_NO_MATCH));
	free(plans);
}

/* Of any instructions; but shifts by 32 and more are no number in libpcap. */
static void fuzz_program(struct fuzz *in, uint32_t head_len, uint32_t len)
{
	struct filter_insn insn[WORDS + INSNS_MAX];
	unsigned int n = WORDS;

	for (unsigned int i = 0; i < WORDS; i++)
		insn[i] = (struct filter_insn){.code = BPF_ST, .k = i};
	while (in->left > 0 && n < WORDS + INSNS_MAX) {
		struct filter_insn *at = &insn[n++];

		*at = (struct filter_insn){.code = fuzz_uint8(in),
					   .jt = fuzz_below(in, 12),
					   .jf = fuzz_below(in, 12),
					   .k = fuzz_chance(in, 230) ? fuzz_uint8(in) : fuzz_uint32(in)};
		if (BPF_CLASS(at->code) == BPF_ALU && (BPF_OP(at->code) == BPF_LSH || BPF_OP(at->code) == BPF_RSH))
			at->k %= 32;
	}
	if (filter_check(insn, n) != 0)
		return;
	FUZZ_CHECK(bpf_validate((const struct bpf_insn *)(const void *)insn, (int)n));
	fuzz_plan(insn, n, compare(insn, head_len, len), head_len, len);
}

static void take_text(struct fuzz *in, char *text)
{
	size_t n = 0;

	text[0] = '\0';
	while (in->left > 0 && n < TEXT - 32)
		n += (size_t)snprintf(text + n, 32, "%s", words[fuzz_uint8(in) % (sizeof(words) / sizeof(words[0]))]);
}

/* By its rules one by one. */
static void check_outcome(const struct filter_list *list, uint32_t head_len, uint32_t len)
{
	struct filter_outcome outcome = filter_list_run(list, frame, head_len, len);
	uint32_t i = 0;
	enum filter_verdict verdict = FILTER_NO_MATCH;

	for (; list->rule[i].n != 0 && verdict == FILTER_NO_MATCH; i++)
		verdict = compare(filter_list_insns(list) + list->rule[i].insn, head_len, len);
	i -= verdict != FILTER_NO_MATCH;
	if (verdict != FILTER_UNKNOWN)
		verdict = list->rule[i].allow ? FILTER_MATCH : FILTER_NO_MATCH;
	FUZZ_CHECK(outcome.rule == i && outcome.verdict == verdict);
}

static void fuzz_list(struct fuzz *in, uint32_t head_len, uint32_t len)
{
	struct filter_list *list, *again;
	char text[TEXT];
	struct fail why;

	take_text(in, text);
	if (filter_list_read(text, &list, &why) != 0) {
		FUZZ_CHECK(why.text[0] != '\0' && strchr(why.text, '\n') == NULL);
		return;
	}
	FUZZ_CHECK(list->rules_n > 0 && list->rule[list->rules_n - 1].n == 0);
	check_outcome(list, head_len, len);
	FUZZ_CHECK(filter_list_read(filter_list_text(list), &again, &why) == 0);
	FUZZ_CHECK(again->bytes == list->bytes && strcmp(filter_list_text(list), filter_list_text(again)) == 0);
	filter_list_free(again);
	filter_list_free(list);
}

void fuzz_begin(void)
{
}

void fuzz_input(struct fuzz *in)
{
	bool is_list = fuzz_chance(in, 128);
	uint32_t len = 14 + fuzz_below(in, FRAME - 14), head_len = 1 + fuzz_uint8(in) % len;

	take_frame(in);
	if (is_list)
		fuzz_list(in, head_len, len);
	else
		fuzz_program(in, head_len, len);
}
