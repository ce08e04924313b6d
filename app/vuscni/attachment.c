/* SPDX-License-Identifier: BSD-3-Clause */
#include "attachment.h"

#include <sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Letters of which each stands for six bits: 78 bits of the network, 78 of the attachment. Who may choose a network's or an
 * interface's name finds no other one with these in any time. */
enum { DIGITS = 13, DIGIT_BITS = 6 };
_Static_assert(sizeof("cni--") - 1 + 2 * DIGITS <= NAME_LEN_MAX, "a port's name");

struct hash {
	uint8_t bytes[SHA256_DIGEST_LENGTH];
};

/* The end of a text counts, so that "a", "bc" is not "ab", "c". */
static struct hash hash_of(const char *const *texts, unsigned int n)
{
	struct hash hash;
	SHA2_CTX context;

	SHA256Init(&context);
	for (unsigned int i = 0; i < n; i++)
		SHA256Update(&context, (const uint8_t *)texts[i], strlen(texts[i]) + 1);
	SHA256Final(hash.bytes, &context);
	return hash;
}

static void digits(const struct hash *hash, char out[DIGITS + 1])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._";
	unsigned int bits = 0, bits_n = 0, at = 0;

	for (unsigned int i = 0; i < DIGITS; i++) {
		if (bits_n < DIGIT_BITS) {
			bits |= (unsigned int)hash->bytes[at++] << bits_n;
			bits_n += 8;
		}
		out[i] = letters[bits % (1u << DIGIT_BITS)];
		bits >>= DIGIT_BITS;
		bits_n -= DIGIT_BITS;
	}
	out[DIGITS] = '\0';
}

struct attachment_name attachment_prefix(const char *network)
{
	const struct hash hash = hash_of(&network, 1);
	char first[DIGITS + 1];
	struct attachment_name name;

	digits(&hash, first);
	snprintf(name.text, sizeof(name.text), "cni-%s-", first);
	return name;
}

struct attachment_name attachment_name(const char *network, const char *container, const char *ifname)
{
	const char *const texts[] = {container, ifname};
	const struct hash hash = hash_of(texts, 2);
	char second[DIGITS + 1];
	struct attachment_name prefix = attachment_prefix(network), name;

	digits(&hash, second);
	snprintf(name.text, sizeof(name.text), "%.*s%s", (int)sizeof("cni--") - 1 + DIGITS, prefix.text, second);
	return name;
}

struct mac_text attachment_mac(const char *network, const char *container, const char *ifname)
{
	const char *const texts[] = {network, container, ifname};
	const struct hash hash = hash_of(texts, 3);
	const uint8_t *bytes = hash.bytes, mac[] = {0x02, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]};

	return mac_text(mac);
}
