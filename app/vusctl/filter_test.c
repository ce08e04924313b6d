/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_test.c: what a filter's expression says to a frame, by the code that the switch runs. No switch is asked. */
#include <ctype.h>
#include <jansson.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "filter.h"
#include "options.h"
#include "out.h"
#include "views.h"
#include "vus_limits.h"

enum { FRAME_MIN = 14 };

static const char *const words[] = {[FILTER_NO_MATCH] = "no match", [FILTER_MATCH] = "match", [FILTER_UNKNOWN] = "unknown"};

static json_t *results;

/* A guest's frame of `len` bytes, of which `n` are there: lcores have its first bytes. */
static void test_frame(const struct filter *filter, const uint8_t *bytes, uint32_t n, uint32_t len)
{
	enum filter_verdict verdict = filter_run(filter->insn, bytes, n < FRAME_HEAD ? n : FRAME_HEAD, len);

	json_array_append_new(results, json_string(words[verdict]));
	if (options.json)
		return;
	if (verdict == FILTER_UNKNOWN)
		put(MARK_WARN "unknown" MARK_PLAIN ": it asks for a byte that is not among the first %u of %u\n",
		    n < FRAME_HEAD ? n : FRAME_HEAD, len);
	else
		put("%s\n", words[verdict]);
}

/* "0c:00 01..." as bytes, in the text's own memory, which is of no use else; -1: it is no such text. */
static int hex_bytes(char *text)
{
	unsigned int byte;
	int n = 0, used;

	for (const char *at = text; *at != '\0'; at += used) {
		used = 1;
		if (*at == ' ' || *at == ':')
			continue;
		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) || sscanf(at, "%2x", &byte) != 1)
			return -1;
		text[n++] = (char)byte;
		used = 2;
	}
	return n;
}

static void test_file(const struct filter *filter, const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(file, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int got;

	if (pcap == NULL)
		die("\"%s\" is neither a frame in hexadecimal digits nor a capture: %s", file, error);
	if (pcap_datalink(pcap) != DLT_EN10MB)
		die("%s: these are no Ethernet frames", file);
	while ((got = pcap_next_ex(pcap, &header, &bytes)) == 1)
		test_frame(filter, bytes, header->caplen, header->len);
	if (got == PCAP_ERROR)
		die("%s: %s", file, pcap_geterr(pcap));
	pcap_close(pcap);
}

void run_filter_test(void)
{
	char *frame = strdup(command_word(1));
	struct filter *filter;
	struct fail why;
	int n;

	if (frame == NULL)
		die("no memory");
	if (filter_compile(command_word(0), &filter, &why) != 0)
		die("%s", why.text);
	out_to_terminal(out_terminal_width());
	results = json_array();
	n = hex_bytes(frame);
	if (n >= 0 && n < FRAME_MIN)
		die("\"%s\" is shorter than an Ethernet header, 14 bytes", command_word(1));
	if (n >= 0)
		test_frame(filter, (const uint8_t *)frame, (uint32_t)n, (uint32_t)n);
	else
		test_file(filter, command_word(1));
	if (options.json) {
		json_dumpf(results, stdout, 0);
		putchar('\n');
	}
	json_decref(results);
	free(filter);
	free(frame);
}
