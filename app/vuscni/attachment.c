/* SPDX-License-Identifier: BSD-3-Clause */
#include "attachment.h"

#include <stdint.h>
#include <stdio.h>

/* 50 bits of the network, 64 of the attachment, five a digit: 28 characters with "cni-" and '-'. */
enum { NETWORK_DIGITS = 10, ATTACHMENT_DIGITS = 13, DIGIT_BITS = 5 };

/* FNV-1a. The end of a text counts, so that "a", "bc" is not "ab", "c". */
static uint64_t hash(uint64_t so_far, const char *text)
{
	do {
		so_far = (so_far ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	} while (*text++ != '\0');
	return so_far;
}

static uint64_t hash_begin(const char *text)
{
	return hash(UINT64_C(0xcbf29ce484222325), text);
}

/* The lower bits of FNV are not as good as what a multiplication carries up: fold those down. */
static void digits(uint64_t value, unsigned int n, char *out)
{
	value ^= value >> 32;
	for (unsigned int i = 0; i < n; i++, value >>= DIGIT_BITS)
		out[i] = "0123456789abcdefghjkmnpqrstvwxyz"[value % 32];
	out[n] = '\0';
}

struct attachment_name attachment_prefix(const char *network)
{
	char first[NETWORK_DIGITS + 1];
	struct attachment_name name;

	digits(hash_begin(network), NETWORK_DIGITS, first);
	snprintf(name.text, sizeof(name.text), "cni-%s-", first);
	return name;
}

struct attachment_name attachment_name(const char *network, const char *container, const char *ifname)
{
	char second[ATTACHMENT_DIGITS + 1];
	struct attachment_name prefix = attachment_prefix(network), name;

	digits(hash(hash_begin(container), ifname), ATTACHMENT_DIGITS, second);
	snprintf(name.text, sizeof(name.text), "%.17s%s", prefix.text, second);
	return name;
}

void attachment_mac(const char *network, const char *container, const char *ifname, char mac[MAC_TEXT_BYTES])
{
	uint64_t value = hash(hash(hash_begin(network), container), ifname);

	value ^= value >> 32;
	snprintf(mac, MAC_TEXT_BYTES, "02:%02x:%02x:%02x:%02x:%02x", (unsigned int)(value & 0xff),
		 (unsigned int)(value >> 8 & 0xff), (unsigned int)(value >> 16 & 0xff), (unsigned int)(value >> 24 & 0xff),
		 (unsigned int)(value >> 32 & 0xff));
}
