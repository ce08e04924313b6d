/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The option of this code among those at `at`; NULL: none. */
static const uint8_t *option_of(const uint8_t *at, const uint8_t *end, uint32_t code, uint32_t *n)
{
	while (at + 4 <= end && (word(at) & 0xffff) != 0) {
		*n = word(at) >> 16;
		assert_true(at + 4 + *n <= end);
		if ((word(at) & 0xffff) == code)
			return at + 4;
		at += 4 + (*n + 3) / 4 * 4;
	}
	return NULL;
}

static uint64_t number_option(const uint8_t *at, const uint8_t *end, uint32_t code)
{
	const uint8_t *value;
	uint64_t number;
	uint32_t n;

	value = option_of(at, end, code, &n);
	assert_non_null(value);
	assert_int_equal(n, sizeof(number));
	memcpy(&number, value, sizeof(number));
	return number;
}

/* A copy: blocks are gone when the next ones come. */
static const uint8_t *kept(const uint8_t *bytes, uint32_t n)
{
	uint8_t *copy = malloc(n + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	return copy;
}

static void take_packet(struct cr_capture *capture, const uint8_t *block, const uint8_t *end)
{
	struct cr_packet *packet = &capture->packet[capture->packets++];
	const uint8_t *option;
	uint32_t n;

	assert_true(capture->packets <= CR_PACKETS_MAX);
	*packet = (struct cr_packet){
		.interface = word(block + 8),
		.n = word(block + 20),
		.len = word(block + 24),
		.bytes = kept(block + 28, word(block + 20)),
	};
	packet->time_ns = (uint64_t)word(block + 12) << 32 | word(block + 16);
	option = option_of(block + 28 + (packet->n + 3) / 4 * 4, end, 2, &n);
	assert_non_null(option);
	packet->direction = word(option);
	option = option_of(block + 28 + (packet->n + 3) / 4 * 4, end, 1, &n);
	if (option != NULL)
		snprintf(packet->why, sizeof(packet->why), "%.*s", (int)n, option);
	assert_true(packet->interface < capture->interfaces);
}

static void take_statistics(struct cr_capture *capture, const uint8_t *block, const uint8_t *end)
{
	uint32_t i = word(block + 8), n;
	const uint8_t *comment = option_of(block + 20, end, 1, &n);

	assert_true(i < capture->interfaces);
	capture->statistics++;
	capture->seen[i] = number_option(block + 20, end, 4);
	capture->lost[i] = number_option(block + 20, end, 5);
	capture->accepted[i] = number_option(block + 20, end, 6);
	capture->unknown[i] = comment != NULL ? strtoul((const char *)comment, NULL, 10) : 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------ */

static void take_interface(struct cr_capture *capture, const uint8_t *block, const uint8_t *end)
{
	const uint8_t *name, *resolution;
	uint32_t n = 0;

	name = option_of(block + 16, end, 2, &n);
	assert_non_null(name);
	assert_true(capture->interfaces < CR_INTERFACES_MAX);
	snprintf(capture->name[capture->interfaces++], sizeof(capture->name[0]), "%.*s", (int)n, name);
	assert_int_equal(word(block + 8), 1); /* Ethernet */
	resolution = option_of(block + 16, end, 9, &n);
	assert_non_null(resolution);
	assert_int_equal(n, 1);
	assert_int_equal(resolution[0], 9); /* nanoseconds */
}

/* Returns: its length; 0: there is more to come of it. */
static uint32_t take_block(struct cr_capture *capture, const uint8_t *block, size_t n)
{
	uint32_t len = n >= 8 ? word(block + 4) : 0;

	if (n < 12 || n < len)
		return 0;
	assert_true(len >= 12 && len % 4 == 0);
	assert_int_equal(word(block + len - 4), len);
	if (word(block) == 1)
		take_interface(capture, block, block + len - 4);
	else if (word(block) == 6)
		take_packet(capture, block, block + len - 4);
	else if (word(block) == 5)
		take_statistics(capture, block, block + len - 4);
	else
		assert_int_equal(word(block), 0x0a0d0d0a);
	return len;
}

void cr_begin(struct cr_capture *capture)
{
	*capture = (struct cr_capture){.packet = malloc(CR_PACKETS_MAX * sizeof(struct cr_packet))};
	assert_non_null(capture->packet);
}

void cr_take(struct cr_capture *capture, const uint8_t *bytes, size_t n)
{
	size_t at = 0;
	uint32_t len;

	if (capture->n + n > capture->room) {
		capture->room = 2 * (capture->n + n);
		capture->bytes = realloc(capture->bytes, capture->room);
		assert_non_null(capture->bytes);
	}
	memcpy(capture->bytes + capture->n, bytes, n);
	capture->n += n;
	while ((len = take_block(capture, capture->bytes + at, capture->n - at)) > 0)
		at += len;
	capture->n -= at;
	memmove(capture->bytes, capture->bytes + at, capture->n);
}

void cr_end(struct cr_capture *capture)
{
	for (unsigned int i = 0; i < capture->packets; i++)
		free((void *)(uintptr_t)capture->packet[i].bytes);
	free(capture->packet);
	free(capture->bytes);
}

unsigned int cr_count(const struct cr_capture *capture, const char *interface, unsigned int direction, const char *why)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < capture->packets; i++) {
		const struct cr_packet *packet = &capture->packet[i];

		n += strcmp(capture->name[packet->interface], interface) == 0 && packet->direction == direction &&
		     strcmp(packet->why, why) == 0;
	}
	return n;
}
