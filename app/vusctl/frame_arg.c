/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_arg.h"

#include <ctype.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { FRAME_MIN = 14 };

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

static void frames_of_file(const char *file, bool (*each)(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len), void *arg)
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
		if (!each(arg, bytes, header->caplen, header->len))
			break;
	if (got == PCAP_ERROR)
		die("%s: %s", file, pcap_geterr(pcap));
	pcap_close(pcap);
}

void frames_of_stream(int fd, bool (*each)(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len), void *arg)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	FILE *stream = fdopen(fd, "r");
	pcap_t *pcap = stream != NULL ? pcap_fopen_offline(stream, error) : NULL;

	if (pcap == NULL)
		return;
	while (pcap_next_ex(pcap, &header, &bytes) == 1)
		if (!each(arg, bytes, header->caplen, header->len))
			break;
	pcap_close(pcap);
}

void frames_of_word(const char *word, bool (*each)(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len), void *arg)
{
	char *text = strdup(word);
	int n;

	if (text == NULL)
		die("no memory");
	n = hex_bytes(text);
	if (n >= 0 && n < FRAME_MIN)
		die("\"%s\" is shorter than an Ethernet header, 14 bytes", word);
	if (n >= 0)
		each(arg, (const uint8_t *)text, (uint32_t)n, (uint32_t)n);
	else
		frames_of_file(word, each, arg);
	free(text);
}
