/* SPDX-License-Identifier: BSD-3-Clause */
/* guard_frames.c: frames for guard_model.h. */
#include "guard_model.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "vus_limits.h"

enum { ROOM = 700 };

static uint8_t take(struct model_source *source)
{
	if (source->left == 0)
		return 0;
	source->left--;
	return *source->at++;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

#define PICK(source, list) ((list)[take(source) % (sizeof(list) / sizeof((list)[0]))])

/* Most are the port's own. */
static void put_mac(struct model_source *source, uint8_t *at)
{
	static const uint8_t lasts[] = {1, 1, 1, 1, 1, 2, 2, 3};

	memcpy(at, "\x52\x54\0\0\0", 5);
	at[5] = PICK(source, lasts);
}

static void put_ip4(struct model_source *source, uint8_t *at)
{
	static const uint32_t ips[] = {0xc0000201, 0xc0000201, 0xc0000201, 0xc6336407, 0xc63364ff,
				       0,	   0,	       0xffffffff, 0xc0000202, 0xc6336507};
	uint32_t ip = PICK(source, ips);

	put16(at, ip >> 16);
	put16(at + 2, ip & 0xffff);
}

static void put_ip6(struct model_source *source, uint8_t *at)
{
	static const char *const ips[] = {
		"2001:db8::1", "2001:db8::1", "2001:db8:1::77",	      "fe80::5054:ff:fe00:1", "fe80::5054:ff:fe00:2",
		"::",	       "::",	      "fe80::5054:ff:fe00:3", "2001:db8::2",	      "2001:db8:2::77"};

	inet_pton(AF_INET6, PICK(source, ips), at);
}

static uint32_t put_arp(struct model_source *source, uint8_t *at, bool reverse)
{
	static const uint8_t start[] = {0, 1, 8, 0, 6, 4, 0};

	memcpy(at, start, sizeof(start));
	at[7] = (uint8_t)((reverse ? 3 : 1) + take(source) % 2 + (take(source) < 8 ? 2 : 0));
	put_mac(source, at + 8);
	put_ip4(source, at + 14);
	put_mac(source, at + 18);
	put_ip4(source, at + 24);
	return 28u + take(source) % 32;
}

static uint32_t put_udp(struct model_source *source, uint8_t *at)
{
	static const uint16_t ports[] = {68, 67, 68, 67, 546, 547, 547, 53, 4789};
	static const uint8_t kinds[] = {1, 1, 1, 2, 2, 7, 10, 13, 21, 12, 3};

	put16(at, PICK(source, ports));
	put16(at + 2, PICK(source, ports));
	at[8] = PICK(source, kinds);
	at[9] = 1;
	at[10] = take(source) < 16 ? 8 : 6;
	put_mac(source, at + 8 + 28);
	return 8u + (take(source) < 32 ? take(source) % 50 : 100);
}

static uint32_t put_ip4_packet(struct model_source *source, uint8_t *at)
{
	static const uint8_t protocols[] = {17, 17, 17, 6, 1, 1, 4, 50}, icmp[] = {8, 5, 9, 0};
	static const uint16_t offsets[] = {0, 0, 0, 0x4000, 0x4000, 0x2000, 0x2001, 0x0001, 0x8000};
	uint32_t options = take(source) < 64 ? take(source) % 11 : 0, l4 = 20 + 4 * options, len;

	at[0] = (uint8_t)(0x45 + options);
	put16(at + 6, PICK(source, offsets));
	at[9] = PICK(source, protocols);
	put_ip4(source, at + 12);
	put_ip4(source, at + 16);
	at[l4] = PICK(source, icmp);
	len = l4 + (at[9] == 17 ? put_udp(source, at + l4) : take(source) % 64u);
	put16(at + 2, len);
	return len;
}

static uint32_t put_icmp6(struct model_source *source, uint8_t *at)
{
	static const uint8_t types[] = {133, 134, 135, 135, 135, 136, 136, 136, 137, 131, 132, 143, 128, 130},
			     lens[] = {8, 16, 24, 24, 40};
	uint32_t len = 8;

	at[0] = PICK(source, types);
	if (at[0] < 133 || at[0] > 137)
		return 8u + take(source) % 32;
	len = lens[at[0] - 133];
	put_ip6(source, at + 8);
	for (uint32_t n = take(source) % 4; n > 0; n--) {
		static const uint8_t kinds[] = {1, 1, 2, 2, 3, 14};
		uint8_t *option = at + len;

		option[0] = PICK(source, kinds);
		option[1] = (uint8_t)(option[0] == 3 ? 4 : 1);
		put_mac(source, option + 2);
		if (take(source) < 8)
			option[1] = take(source) % 8;
		len += option[1] * 8u;
	}
	return len + (take(source) < 8 ? take(source) % 8 : 0);
}

/* Options of a header of 8 bytes: padding, a home address, or what is no option. Returns: how much longer it is now. */
static uint32_t put_options(struct model_source *source, uint8_t *header)
{
	static const uint8_t home[] = {1, 2, 0, 0, 0xc9, 16};
	uint8_t kind = take(source) % 8;

	if (kind == 0)
		header[2] = take(source);
	if (kind > 3 || header[1] != 0)
		return 0;
	header[1] = 2;
	memcpy(header + 2, home, sizeof(home));
	put_ip6(source, header + 8);
	return 16;
}

static uint32_t put_ip6_packet(struct model_source *source, uint8_t *at)
{
	static const uint8_t kinds[] = {0, 43, 60, 44, 51, 135, 139, 140},
			     uppers[] = {58, 58, 58, 58, 17, 17, 17, 6, 59, 253, 50};
	static const uint16_t offsets[] = {0, 0, 1, 9, 8};
	uint32_t n = take(source) < 80 ? 1 + take(source) % 3 : 0, len = 40;
	uint8_t *next = at + 6, upper = PICK(source, uppers);

	at[0] = 0x60;
	put_ip6(source, at + 8);
	put_ip6(source, at + 24);
	for (; n > 0; n--) {
		uint8_t *header = at + len;

		*next = PICK(source, kinds);
		header[1] = take(source) < 200 ? 0 : take(source) % 5;
		len += *next == 44 ? 8 : *next == 51 ? 8u + header[1] * 4u : 8u + header[1] * 8u;
		if (*next == 44)
			put16(header + 2, PICK(source, offsets));
		if (*next == 60)
			len += put_options(source, header);
		next = header;
	}
	*next = upper;
	len += upper == 58 ? put_icmp6(source, at + len) : upper == 17 ? put_udp(source, at + len) : take(source) % 32u;
	put16(at + 4, len - 40);
	return len;
}

static uint32_t put_llc(struct model_source *source, uint8_t *type, uint8_t *at)
{
	static const uint8_t access[] = {0x42, 0xaa, 0xfe, 0x06};

	at[0] = at[1] = PICK(source, access);
	at[2] = 3;
	memcpy(at + 3, "\0\0\0\x08\x06", 5);
	put16(type, 38);
	return 38;
}

static uint32_t put_packet(struct model_source *source, uint8_t *type, uint8_t *at)
{
	static const uint16_t others[] = {0x88cc, 0x888e, 0x8809, 0x8847, 0x8864, 0x9100, 0x05dd, 0x88b5};
	uint8_t kind = take(source) % 16;

	if (kind < 3 || kind == 15) {
		put16(type, kind == 0 ? 0x8035 : 0x0806);
		return put_arp(source, at, kind == 0);
	}
	put16(type, kind < 8 ? 0x0800 : 0x86dd);
	if (kind < 8)
		return put_ip4_packet(source, at);
	if (kind < 13)
		return put_ip6_packet(source, at);
	if (kind == 13)
		return put_llc(source, type, at);
	put16(type, PICK(source, others));
	return 46;
}

uint32_t model_frame(struct model_source *source, uint8_t *bytes, uint32_t *seen)
{
	static const char groups[][7] = {"\xff\xff\xff\xff\xff\xff", "\x33\x33\0\0\0\1",       "\x01\x80\xc2\0\0\0",
					 "\x01\x80\xc2\0\0\x08",     "\x01\0\x0c\xcc\xcc\xcd", "\x52\x54\0\0\0\x09",
					 "\x52\x54\0\0\0\x09"};
	uint32_t tags = take(source) < 64 ? 1 + take(source) % 3 : 0, at = 12, len;

	memset(bytes, 0, MODEL_FRAME_MAX);
	memcpy(bytes, PICK(source, groups), 6);
	put_mac(source, bytes + 6);
	for (; tags > 0; tags--, at += 4) {
		put16(bytes + at, take(source) < 128 ? 0x8100 : 0x88a8);
		put16(bytes + at + 2, take(source));
	}
	len = at + 2 + put_packet(source, bytes + at, bytes + at + 2);
	if (len > ROOM)
		len = ROOM;
	/* A lie here and there, something behind the packet, and an end that comes early. */
	for (uint32_t n = take(source) < 48 ? 1 + take(source) % 3 : 0; n > 0; n--) {
		uint32_t where = take(source) % len;

		bytes[where] = take(source);
	}
	if (take(source) < 32)
		len += take(source) % 64;
	if (take(source) < 16)
		len = FRAME_LEN_MIN + take(source) % len;
	*seen = take(source) < 16 ? FRAME_LEN_MIN + take(source) : FRAME_HEAD;
	if (*seen > len)
		*seen = len;
	return len;
}
