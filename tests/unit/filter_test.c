/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters beside libpcap's own interpreter: expressions over generated packets, and programs that
 * no compiler would write, over whole frames and over heads. What differs is what has to: an answer
 * that depends on bytes beyond the head is no answer. */
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "fg_packet.h"
#include "filter.h"

enum { BYTES_MAX = 400, PACKETS = 400, PROGRAMS = 20000, INSNS_MAX = 40, FIRST = 17, WORDS = 16 };

struct packet {
	uint32_t len;
	uint8_t byte[BYTES_MAX];
};

static const char *const expressions[] = {
	"",
	"arp",
	"ip",
	"ip6",
	"tcp",
	"udp",
	"port 80",
	"not port 80",
	"tcp dst port 25 or udp dst port 53",
	"tcp portrange 20-90",
	"tcp port http and not udp port domain",
	"host 198.18.0.1",
	"dst host 198.18.0.254 and src net 198.18.0.0/15",
	"ip6 host 5863:6e79:848f:9aa5:b0bb:c6d1:dce7:f2fd",
	"ip6 proto 6",
	"ip6[6] == 0 and ip6[40] == 6",
	"ip[6:2] & 0x1fff != 0",
	"ip[6:2] & 0x3fff != 0 and not tcp",
	"ip[0] & 0xf > 5",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
	"tcp[tcpflags] & tcp-fin != 0",
	"tcp[100:4] = 5 or udp",
	"not tcp[100:4] = 5",
	"vlan",
	"vlan 100",
	"vlan 100 and vlan 101",
	"vlan 100 and vlan 101 and ip and tcp port 80",
	"vlan and ip6 and udp",
	"not vlan and udp",
	"ether host 52:54:00:00:00:01",
	"ether broadcast or ether multicast",
	"ether proto 0x88b5",
	"len <= 100",
	"greater 200",
	"ether[len - 1] & 1 = 0",
	"ip[len - 20] * 3 / 2 % 7 > 2",
	"(ip[8] << 2) + (ip[9] >> 1) ^ 5 != ip[8] & 3 | 6",
	"icmp[icmptype] = icmp-echo",
	"ip multicast or ip[0] - 2 = 0x43",
	"ip[200] = 3 and ip[300:2] < 5000",
};
enum { EXPRESSIONS = sizeof(expressions) / sizeof(expressions[0]) };

static unsigned int seen[3]; /* by verdict */

static unsigned int dice(unsigned int n)
{
	return (unsigned int)random() % n;
}

/* --- what is generated
 * ------------------------------------------------------------------------------------------- */

static void scatter(struct packet *p, uint32_t from)
{
	for (uint32_t i = from; i < BYTES_MAX; i++)
		p->byte[i] = (uint8_t)random();
}

/* Headers as there may be, some of them damaged; frames of other kinds, and cut off anywhere. */
static void make_packet(struct packet *p)
{
	static const uint8_t station[6] = {0x52, 0x54, 0, 0, 0, 1},
			     other[6] = {0x52, 0x54, 0, 0, 0, 2};
	static const uint16_t ports[] = {80, 25, 53, 443};
	const struct fg_packet of = {.ipv6 = dice(2) == 0,
				     .udp = dice(2) == 0,
				     .vlans = dice(3),
				     .ip_more = 8 * dice(4),
				     .tcp_more = 4 * dice(5),
				     .tcp_flags = (uint8_t)random(),
				     .payload = dice(150),
				     .seed = dice(100)};
	uint32_t ip = 14 + 4 * of.vlans, l4 = ip + (of.ipv6 ? 40 : 20) + of.ip_more;
	struct fg_vnet header;

	scatter(p, 0);
	p->len = fg_packet_build(&of, dice(2) == 0 ? station : other, other, p->byte, &header);
	p->byte[l4 + 1] = (uint8_t)ports[dice(4)];
	p->byte[l4] = (uint8_t)(ports[dice(4)] >> 8);
	p->byte[l4 + 3] = (uint8_t)ports[dice(4)];
	p->byte[l4 + 2] = 0;
	if (!of.ipv6 && dice(3) == 0)
		p->byte[ip + 6 + dice(2)] = (uint8_t)dice(64); /* a fragment */
	if (dice(4) == 0)
		p->byte[dice(l4 + 20)] = (uint8_t)random();
	if (dice(8) == 0)
		p->byte[12] = (uint8_t)random();
	if (dice(5) == 0)
		p->len = 14 + dice(p->len - 14);
}

/* One that filter_check() may accept, and that goes on to `left` others. */
static struct filter_insn make_insn(unsigned int left)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_H | BPF_ABS,
		BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_W | BPF_IND,
		BPF_LD | BPF_H | BPF_IND,
		BPF_LD | BPF_B | BPF_IND,
		BPF_LD | BPF_IMM,
		BPF_LD | BPF_LEN,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_IMM,
		BPF_LDX | BPF_MEM,
		BPF_LDX | BPF_LEN,
		BPF_LDX | BPF_B | BPF_MSH,
		BPF_ST,
		BPF_STX,
		BPF_ALU | BPF_ADD | BPF_K,
		BPF_ALU | BPF_SUB | BPF_X,
		BPF_ALU | BPF_MUL | BPF_X,
		BPF_ALU | BPF_DIV | BPF_X,
		BPF_ALU | BPF_DIV | BPF_K,
		BPF_ALU | BPF_MOD | BPF_X,
		BPF_ALU | BPF_AND | BPF_K,
		BPF_ALU | BPF_OR | BPF_X,
		BPF_ALU | BPF_XOR | BPF_K,
		BPF_ALU | BPF_LSH | BPF_X,
		BPF_ALU | BPF_RSH | BPF_X,
		BPF_ALU | BPF_NEG,
		BPF_JMP | BPF_JA,
		BPF_JMP | BPF_JEQ | BPF_K,
		BPF_JMP | BPF_JGT | BPF_K,
		BPF_JMP | BPF_JGE | BPF_X,
		BPF_JMP | BPF_JSET | BPF_K,
		BPF_RET | BPF_K,
		BPF_RET | BPF_A,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
	};
	static const uint32_t far[] = {UINT32_MAX, UINT32_MAX - 2, UINT32_MAX - 0x1000,
				       BYTES_MAX - 2, 1u << 31};
	struct filter_insn insn = {.code = codes[dice(sizeof(codes) / sizeof(codes[0]))]};

	insn.k = dice(12) == 0 ? far[dice(5)] : dice(3) > 0 ? dice(80) : dice(BYTES_MAX);
	switch (BPF_CLASS(insn.code)) {
	case BPF_ST:
	case BPF_STX:
		insn.k %= WORDS;
		break;
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(insn.code) == BPF_MEM)
			insn.k %= WORDS;
		if (BPF_MODE(insn.code) == BPF_ABS && insn.k > UINT32_MAX - 0x1000)
			insn.k = 3;
		break;
	case BPF_ALU:
		insn.k += insn.k == 0;
		break;
	case BPF_JMP:
		insn.k = BPF_OP(insn.code) == BPF_JA ? dice(left) : insn.k;
		insn.jt = (uint8_t)dice(left);
		insn.jf = (uint8_t)dice(left);
		break;
	}
	return insn;
}

/* All words are written first: libpcap's interpreter does not clear them. */
static unsigned int make_program(struct filter_insn *insn)
{
	unsigned int n = FIRST + 2 + dice(INSNS_MAX - FIRST - 2);

	insn[0] = (struct filter_insn){.code = BPF_LD | BPF_IMM, .k = (uint32_t)random()};
	for (unsigned int i = 0; i < WORDS; i++)
		insn[1 + i] = (struct filter_insn){.code = BPF_ST, .k = i};
	for (unsigned int i = FIRST; i < n - 1; i++)
		insn[i] = make_insn(n - 1 - i);
	insn[n - 1] = (struct filter_insn){.code = BPF_RET | BPF_A};
	return n;
}

/* --- comparing
 * ---------------------------------------------------------------------------------------------------
 */

static bool pcap_says(const struct filter_insn *insn, const struct packet *p, uint32_t caplen)
{
	return bpf_filter((const struct bpf_insn *)(const void *)insn, p->byte, p->len, caplen) !=
	       0;
}

/* A copy of the head that ends where the memory does. */
static enum filter_verdict run(const struct filter_insn *insn, const struct packet *p,
			       uint32_t head_len)
{
	uint8_t *head = malloc(head_len);
	enum filter_verdict verdict;

	assert_non_null(head);
	memcpy(head, p->byte, head_len);
	verdict = filter_run(insn, head, head_len, p->len);
	free(head);
	seen[verdict]++;
	return verdict;
}

/* Of the whole frame libpcap's answer; of a head the same, or none, and none only where libpcap
 * stops at its end. An answer is as true of any other frame with this head. */
static void compare(const struct filter_insn *insn, const struct packet *p)
{
	bool matches = pcap_says(insn, p, p->len);
	uint32_t head_len = 1 + dice(p->len);
	enum filter_verdict verdict;
	struct packet like = *p;

	assert_int_equal(run(insn, p, p->len), matches ? FILTER_MATCH : FILTER_NO_MATCH);
	verdict = run(insn, p, head_len);
	if (verdict == FILTER_UNKNOWN) {
		assert_false(pcap_says(insn, p, head_len));
		return;
	}
	assert_int_equal(verdict == FILTER_MATCH, matches);
	for (int i = 0; i < 3; i++) {
		scatter(&like, head_len);
		assert_int_equal(pcap_says(insn, &like, like.len), matches);
	}
}

static void each_was_seen(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(seen[i] > 1000);
		seen[i] = 0;
	}
}

static void expressions_are_libpcaps(void **state)
{
	unsigned int matched[EXPRESSIONS] = {0};

	srandom(15);
	for (unsigned int i = 0; i < EXPRESSIONS; i++) {
		struct filter *filter;
		struct fail why;

		if (filter_compile(expressions[i], &filter, &why) != 0)
			fail_msg("%s: %s", expressions[i], why.text);
		for (unsigned int j = 0; j < PACKETS; j++) {
			struct packet packet;

			make_packet(&packet);
			compare(filter->insn, &packet);
			matched[i] += run(filter->insn, &packet, packet.len) == FILTER_MATCH;
		}
		free(filter);
	}
	each_was_seen();
	/* Packets are generated so that most expressions mean something. */
	for (unsigned int i = 6; i < 12; i++)
		assert_in_range(matched[i], 1, PACKETS - 1);
	assert_in_range(matched[26], 1, PACKETS - 1);
}

static void programs_run_as_libpcap_runs_them(void **state)
{
	unsigned int ran = 0;

	srandom(16);
	for (unsigned int i = 0; i < PROGRAMS; i++) {
		struct filter_insn insn[INSNS_MAX];
		unsigned int n = make_program(insn);
		struct packet packet;

		if (filter_check(insn, n) != 0)
			continue;
		make_packet(&packet);
		compare(insn, &packet);
		ran++;
	}
	assert_true(ran > PROGRAMS / 2);
	each_was_seen();
}

/* A 16-bit offset, an address that wraps, and a load that ends within the head but for its last
 * byte. */
static void a_load_ends_at_the_heads_end(void **state)
{
	struct filter_insn insn[] = {{.code = BPF_LDX | BPF_IMM, .k = 0},
				     {.code = BPF_LD | BPF_W | BPF_IND, .k = 0},
				     {.code = BPF_RET | BPF_K, .k = 1}};
	uint8_t head[64] = {0};

	for (uint32_t at = 0; at < 100; at++)
		for (uint32_t k = 0; k < 2; k++) {
			insn[0].k = k == 0 ? 0 : at;
			insn[1].k = k == 0 ? at : 0;
			assert_int_equal(filter_run(insn, head, 64, 90), at <= 60 ? FILTER_MATCH
									 : at <= 86
										 ? FILTER_UNKNOWN
										 : FILTER_NO_MATCH);
		}
	insn[0].k = UINT32_MAX;
	insn[1].k = UINT32_MAX;
	assert_int_equal(filter_run(insn, head, 64, 90), FILTER_NO_MATCH);
	insn[1].k = 5;
	assert_int_equal(filter_run(insn, head, 64, 90), FILTER_NO_MATCH);
}

/* Any instructions at all: what is accepted can be run, and libpcap would run it, too. */
static void what_is_accepted_can_be_run(void **state)
{
	unsigned int accepted = 0;

	srandom(17);
	for (unsigned int i = 0; i < 400000; i++) {
		struct filter_insn insn[4];
		unsigned int n = 1 + dice(4);
		struct packet packet;

		for (unsigned int j = 0; j < n; j++)
			insn[j] = (struct filter_insn){
				.code = (uint16_t)(dice(100) == 0 ? dice(65536) : dice(256)),
				.jt = (uint8_t)dice(4),
				.jf = (uint8_t)dice(4),
				.k = dice(3) > 0 ? dice(20) : (uint32_t)random()};
		if (dice(2) == 0)
			insn[n - 1].code = BPF_RET | BPF_K;
		if (filter_check(insn, n) != 0)
			continue;
		accepted++;
		assert_true(bpf_validate((const struct bpf_insn *)(const void *)insn, (int)n));
		make_packet(&packet);
		run(insn, &packet, 1 + dice(packet.len));
	}
	assert_true(accepted > 1000);
	assert_int_not_equal(filter_check(NULL, 0), 0);
}

/* --- words
 * -------------------------------------------------------------------------------------------------------
 */

static void no_name_server_is_asked(void **state)
{
	static const char *const names[][2] = {
		{"host gw", "gw"},
		{"gw", "gw"},
		{"port ssh or host example.com", "example.com"},
		{"port ssh and src gw", "gw"},
		{"port 22 or ip gw", "gw"},
		{"tcp prot 5", "prot"},
		{"ether host lion", "lion"},
		{"gateway lion", "lion"},
		{"net lan1", "lan1"},
		{"ip host \xc3\xa4.de", "\xc3\xa4.de"},
	};
	static const char *const fine[] = {
		"port ssh or domain",
		"ip proto \\icmp or \\udp",
		"host fe80::1 or ::1 or ::ffff:10.0.0.1",
		"ether host 52:54:00:12:34:56",
		"tcp[0xd] & tcp-syn != 0",
		"net 10/8 or net 192.168.1.0 mask 255.255.255.0",
		"icmp6[icmp6type] == icmp6-echo",
	};
	const char *word;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsigned int len = filter_find_name(names[i][0], &word);

		assert_int_equal(len, strlen(names[i][1]));
		assert_memory_equal(word, names[i][1], len);
	}
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_int_equal(filter_find_name(fine[i], &word), 0);
}

static void what_cannot_be_run_is_refused_in_words(void **state)
{
	static const char *const wrong[][2] = {
		{"tcp port", "syntax error"},
		{"port 70000", "illegal port number 70000"},
		{"ip6 protochain 6", "goes round in a loop"},
		{"inbound", "not in a frame"},
		{"host gw", "\"gw\" is no word"},
		{"tcp and udp", "rejects all packets"},
		{"ip host 10.0.0.300", "10.0.0.300"},
	};
	char text[FILTER_TEXT_MAX + 2];
	struct filter *filter;
	struct fail why;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_not_equal(filter_compile(wrong[i][0], &filter, &why), 0);
		assert_null(filter);
		if (strstr(why.text, wrong[i][1]) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i][0], why.text,
				 wrong[i][1]);
	}
	memset(text, ' ', sizeof(text));
	text[FILTER_TEXT_MAX + 1] = '\0';
	assert_int_not_equal(filter_compile(text, &filter, &why), 0);
	assert_non_null(strstr(why.text, "longer than"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_are_libpcaps),
		cmocka_unit_test(programs_run_as_libpcap_runs_them),
		cmocka_unit_test(a_load_ends_at_the_heads_end),
		cmocka_unit_test(what_is_accepted_can_be_run),
		cmocka_unit_test(no_name_server_is_asked),
		cmocka_unit_test(what_cannot_be_run_is_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
