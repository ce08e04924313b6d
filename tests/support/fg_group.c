/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_group.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

enum { ETHER = 14, V4_HEADER = 24, V6_HEADER = 40, V6_OPTIONS = 8, TAG = 4 };

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned int get16(const uint8_t *at)
{
	return at[0] * 256u + at[1];
}

static unsigned int add(unsigned int sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? bytes[i] * 256u : bytes[i];
	return sum;
}

static unsigned int folded(unsigned int sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

size_t fg_group_ip(const uint8_t *frame)
{
	return get16(frame + 12) == 0x8100 ? ETHER + TAG : ETHER;
}

static bool is_v6(const uint8_t *frame)
{
	return frame[fg_group_ip(frame)] >> 4 == 6;
}

size_t fg_group_message(const uint8_t *frame)
{
	const uint8_t *ip = frame + fg_group_ip(frame);

	if (!is_v6(frame))
		return fg_group_ip(frame) + 4u * (ip[0] & 15);
	return fg_group_ip(frame) + V6_HEADER + (ip[6] == 0 ? V6_OPTIONS : 0);
}

void fg_group_sum(uint8_t *frame, size_t len)
{
	uint8_t *ip = frame + fg_group_ip(frame), *m = frame + fg_group_message(frame);
	size_t rest = len - fg_group_message(frame);
	unsigned int protocol = is_v6(frame) ? (ip[6] == 0 ? 58 : ip[6]) : ip[9];
	unsigned int pseudo = is_v6(frame) ? add((unsigned int)rest + protocol, ip + 8, 32) : 0;

	if (!is_v6(frame)) {
		put16(ip + 10, 0);
		put16(ip + 10, folded(add(0, ip, 4u * (ip[0] & 15))));
	}
	if (protocol == 17)
		return;
	put16(m + 2, 0);
	put16(m + 2, folded(add(pseudo, m, rest)));
}

/* The eight bits of a time (RFC 3376, 4.1.1): small ones only. */
static uint8_t time8(unsigned int value)
{
	return (uint8_t)(value < 127 ? value : 127);
}

static size_t put_sources(uint8_t *at, bool v6, unsigned int n)
{
	size_t each = v6 ? 16 : 4;

	for (unsigned int i = 0; i < n; i++) {
		memset(at + i * each, 0, each);
		at[i * each] = v6 ? 0x20 : 10;
		at[i * each + each - 1] = (uint8_t)(i + 1);
	}
	return n * each;
}

static size_t put_report(uint8_t *m, bool v6, const struct fg_said *s, const uint8_t *group)
{
	unsigned int record = s->record != 0 ? s->record : s->what == FG_JOINS ? 4 : 3;
	size_t each = v6 ? 16 : 4;

	if (!v6 && s->version < 3) {
		m[0] = s->what == FG_LEAVES ? 0x17 : s->version == 1 ? 0x12 : 0x16;
		memcpy(m + 4, group, 4);
		return 8;
	}
	if (v6 && s->version < 2) {
		m[0] = s->what == FG_LEAVES ? 132 : 131;
		memcpy(m + 8, group, 16);
		return 24;
	}
	m[0] = v6 ? 143 : 0x22;
	put16(m + 6, 1);
	m[8] = (uint8_t)record;
	put16(m + 10, s->sources);
	memcpy(m + 12, group, each);
	return 12 + each + put_sources(m + 12 + each, v6, s->sources);
}

static size_t put_query(uint8_t *m, bool v6, const struct fg_said *s, const uint8_t *group)
{
	size_t n = v6 ? 24 : 8;

	m[0] = v6 ? 130 : 0x11;
	if (v6)
		put16(m + 4, s->response_ms);
	else
		m[1] = s->version == 1 ? 0 : time8(s->response_ms / 100);
	memcpy(m + (v6 ? 8 : 4), group, v6 ? 16 : 4);
	if (s->version < (v6 ? 2 : 3))
		return n;
	m[n] = 2;
	m[n + 1] = time8(s->interval_s);
	put16(m + n + 2, s->sources);
	return n + 4 + put_sources(m + n + 4, v6, s->sources);
}

static size_t put_hello(uint8_t *m, const struct fg_said *s)
{
	m[0] = 0x20;
	put16(m + 4, 1);
	put16(m + 6, 2);
	put16(m + 8, s->response_ms / 1000);
	return 10;
}

static size_t put_mrd(uint8_t *m, bool v6, const struct fg_said *s)
{
	m[0] = v6 ? (s->what == FG_MRD ? 151 : 153) : (s->what == FG_MRD ? 0x30 : 0x32);
	m[1] = s->what == FG_MRD ? (uint8_t)(s->response_ms / 3000) : 0;
	return 8;
}

static size_t put_data(uint8_t *m, const struct fg_said *s)
{
	put16(m, 5000);
	put16(m + 2, 5001);
	put16(m + 4, (unsigned int)(8 + s->len));
	return 8 + s->len;
}

/* Whom a message is for: the group itself, or those who are meant to hear it. */
static const char *to_whom(const struct fg_said *s, bool v6)
{
	bool none = strcmp(s->group, "0.0.0.0") == 0 || strcmp(s->group, "::") == 0;

	switch (s->what) {
	case FG_JOINS:
		if (s->version == (v6 ? 2u : 3u))
			return v6 ? "ff02::16" : "224.0.0.22";
		return s->group;
	case FG_LEAVES:
		if (s->version == (v6 ? 2u : 3u))
			return v6 ? "ff02::16" : "224.0.0.22";
		return v6 ? "ff02::2" : "224.0.0.2";
	case FG_ASKS:
		return none ? (v6 ? "ff02::1" : "224.0.0.1") : s->group;
	case FG_PIM_HELLO:
		return v6 ? "ff02::d" : "224.0.0.13";
	case FG_MRD:
	case FG_MRD_ENDS:
		return v6 ? "ff02::6a" : "224.0.0.106";
	case FG_DATA:
	default:
		return s->group;
	}
}

static size_t put_v4(uint8_t *ip, const struct fg_said *s, size_t len, const uint8_t *from, const uint8_t *to)
{
	ip[0] = 0x46;
	put16(ip + 2, (unsigned int)(V4_HEADER + len));
	ip[8] = s->what == FG_DATA ? 16 : 1;
	ip[9] = s->what == FG_DATA ? 17 : s->what == FG_PIM_HELLO ? 103 : 2;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
	ip[20] = 0x94;
	ip[21] = 4;
	return V4_HEADER;
}

static size_t put_v6(uint8_t *ip, const struct fg_said *s, size_t len, const uint8_t *from, const uint8_t *to)
{
	static const uint8_t alert[V6_OPTIONS] = {58, 0, 5, 2, 0, 0, 1, 0};
	bool options = s->what != FG_DATA && s->what != FG_PIM_HELLO;

	ip[0] = 0x60;
	put16(ip + 4, (unsigned int)(len + (options ? V6_OPTIONS : 0)));
	ip[6] = options ? 0 : s->what == FG_DATA ? 17 : 103;
	ip[7] = s->what == FG_DATA ? 16 : 1;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
	if (options)
		memcpy(ip + V6_HEADER, alert, sizeof(alert));
	return V6_HEADER + (options ? V6_OPTIONS : 0);
}

size_t fg_group_write(uint8_t *frame, const uint8_t mac[6], const struct fg_said *s)
{
	bool v6 = strchr(s->group, ':') != NULL;
	int family = v6 ? AF_INET6 : AF_INET;
	uint8_t group[16] = {0}, from[16] = {0}, to[16] = {0}, m[FG_GROUP_FRAME] = {0};
	size_t at = ETHER, len;

	inet_pton(family, s->group, group);
	inet_pton(family, s->from != NULL ? s->from : v6 ? "fe80::9" : "10.0.0.9", from);
	inet_pton(family, to_whom(s, v6), to);
	len = s->what <= FG_LEAVES	? put_report(m, v6, s, group)
	      : s->what == FG_ASKS	? put_query(m, v6, s, group)
	      : s->what == FG_PIM_HELLO ? put_hello(m, s)
	      : s->what == FG_DATA	? put_data(m, s)
					: put_mrd(m, v6, s);
	memset(frame, 0, FG_GROUP_FRAME);
	memcpy(frame + 6, mac, 6);
	frame[0] = v6 ? 0x33 : 0x01;
	frame[1] = v6 ? 0x33 : 0x00;
	frame[2] = v6 ? to[12] : 0x5e;
	frame[3] = v6 ? to[13] : to[1] & 0x7f;
	memcpy(frame + 4, to + (v6 ? 14 : 2), 2);
	if (s->vlan != 0) {
		put16(frame + 12, 0x8100);
		put16(frame + 14, s->vlan);
		at += TAG;
	}
	put16(frame + at - 2, v6 ? 0x86dd : 0x0800);
	at += v6 ? put_v6(frame + at, s, len, from, to) : put_v4(frame + at, s, len, from, to);
	memcpy(frame + at, m, len);
	fg_group_sum(frame, at + len);
	return at + len;
}
