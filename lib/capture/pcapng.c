/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcapng.h"

#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINK_ETHERNET = 1,
	NANOSECONDS = 9, /* of if_tsresol: 10^-9 */
};

/* Codes of options; those from 2 on mean something else in each block. */
enum {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_RESOLUTION = 9,
	INTERFACE_FILTER = 11,
	PACKET_FLAGS = 2,
	STATISTICS_BEGUN = 2,
	STATISTICS_ENDED = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_LOST = 5,
	STATISTICS_ACCEPTED = 6,
};

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(at, bytes, n);
	return at + n;
}

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	return put(at, &value, sizeof(value));
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put(at, &value, sizeof(value));
}

/* Bytes, and zeros up to a whole word of 32 bits. */
static uint8_t *put_padded(uint8_t *at, const void *bytes, size_t n)
{
	size_t more = (4 - n % 4) % 4;

	at = put(at, bytes, n);
	memset(at, 0, more);
	return at + more;
}

static uint8_t *put_option(uint8_t *at, uint16_t code, const void *value, uint16_t n)
{
	at = put16(at, code);
	at = put16(at, n);
	return put_padded(at, value, n);
}

/* NULL: no option. */
static uint8_t *put_text(uint8_t *at, uint16_t code, const char *text)
{
	size_t n = text != NULL ? strnlen(text, PCAPNG_TEXT_MAX) : 0;

	return text != NULL ? put_option(at, code, text, (uint16_t)n) : at;
}

/* A stamp is two halves, the upper one first. */
static uint8_t *put_time(uint8_t *at, uint64_t ns)
{
	at = put32(at, (uint32_t)(ns >> 32));
	return put32(at, (uint32_t)ns);
}

static uint8_t *put_time_option(uint8_t *at, uint16_t code, uint64_t ns)
{
	at = put16(at, code);
	at = put16(at, sizeof(ns));
	return put_time(at, ns);
}

static uint8_t *begin(uint8_t *to, uint32_t type)
{
	return put32(put32(to, type), 0);
}

/* The length is at both ends. */
static size_t end(uint8_t *to, uint8_t *at)
{
	uint32_t len = (uint32_t)(at - to) + (uint32_t)sizeof(len);

	put32(to + sizeof(uint32_t), len);
	put32(at, len);
	return len;
}

static size_t end_options(uint8_t *to, uint8_t *at)
{
	return end(to, put_option(at, OPTION_END, NULL, 0));
}

size_t pcapng_section(uint8_t *to, const char *application)
{
	const uint64_t length_unknown = UINT64_MAX;
	uint8_t *at = begin(to, BLOCK_SECTION);

	at = put32(at, BYTE_ORDER_MAGIC);
	at = put16(at, 1);
	at = put16(at, 0);
	at = put(at, &length_unknown, sizeof(length_unknown));
	return end_options(to, put_text(at, SECTION_APPLICATION, application));
}

size_t pcapng_interface(uint8_t *to, const struct pcapng_interface *interface)
{
	const uint8_t resolution = NANOSECONDS;
	uint8_t filter[1 + PCAPNG_TEXT_MAX];
	uint8_t *at = begin(to, BLOCK_INTERFACE);
	size_t n;

	at = put16(at, LINK_ETHERNET);
	at = put16(at, 0);
	at = put32(at, interface->snap);
	at = put_text(at, INTERFACE_NAME, interface->name);
	at = put_option(at, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	if (interface->filter != NULL) {
		n = strnlen(interface->filter, PCAPNG_TEXT_MAX);
		filter[0] = 0; /* as libpcap reads it */
		memcpy(filter + 1, interface->filter, n);
		at = put_option(at, INTERFACE_FILTER, filter, (uint16_t)(1 + n));
	}
	return end_options(to, at);
}

size_t pcapng_packet(uint8_t *to, const struct pcapng_packet *packet)
{
	const uint32_t flags = packet->direction;
	uint8_t *at = begin(to, BLOCK_PACKET);

	at = put32(at, packet->interface);
	at = put_time(at, packet->time_ns);
	at = put32(at, packet->n);
	at = put32(at, packet->len);
	at = put_padded(at, packet->bytes, packet->n);
	at = put_option(at, PACKET_FLAGS, &flags, sizeof(flags));
	return end_options(to, put_text(at, OPTION_COMMENT, packet->comment));
}

size_t pcapng_statistics(uint8_t *to, const struct pcapng_statistics *statistics)
{
	uint8_t *at = begin(to, BLOCK_STATISTICS);

	at = put32(at, statistics->interface);
	at = put_time(at, statistics->ended_ns);
	at = put_time_option(at, STATISTICS_BEGUN, statistics->begun_ns);
	at = put_time_option(at, STATISTICS_ENDED, statistics->ended_ns);
	at = put_option(at, STATISTICS_RECEIVED, &statistics->received, sizeof(uint64_t));
	at = put_option(at, STATISTICS_LOST, &statistics->lost, sizeof(uint64_t));
	at = put_option(at, STATISTICS_ACCEPTED, &statistics->accepted, sizeof(uint64_t));
	return end_options(to, put_text(at, OPTION_COMMENT, statistics->comment));
}
