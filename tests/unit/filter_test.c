/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters beside libpcap's own interpreter: expressions over generated packets, and programs that
 * no compiler would write, over whole frames and over heads. What differs is what has to: an answer
 * that depends on bytes beyond the head is no answer. */
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "filter_cases.h"

enum { PACKETS = 400, PROGRAMS = 20000 };

static unsigned int seen[3]; /* by verdict */

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
	unsigned int matched[CASE_EXPRESSIONS] = {0};

	srandom(15);
	for (unsigned int i = 0; i < CASE_EXPRESSIONS; i++) {
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
		struct filter_insn insn[CASE_INSNS];
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
