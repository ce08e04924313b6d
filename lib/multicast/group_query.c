/* SPDX-License-Identifier: BSD-3-Clause */
#include "group_query.h"

#include <netinet/in.h>
#include <string.h>

#include "group_wire.h"

enum { ROBUSTNESS = 2, IPV4_WITH_ALERT = IPV4_BYTES + 4, ALERT_IPV6_BYTES = 8 };

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The sum is one of bytes as they lie: so is the checksum. */
static void put_checksum(uint8_t *at, uint16_t sum)
{
	uint16_t checksum = (uint16_t)~sum;

	memcpy(at, &checksum, sizeof(checksum));
}

/* The largest code that stands for no more (group_message.c: code8() and code16()). */
static uint8_t to_code8(uint32_t value)
{
	uint32_t exponent = 0;

	if (value < 128)
		return (uint8_t)value;
	while (exponent < 7 && value >> (exponent + 3) > 0x1f)
		exponent++;
	value >>= exponent + 3;
	return (uint8_t)(0x80 | exponent << 4 | ((value > 0x1f ? 0x1f : value) & 0xf));
}

static uint16_t to_code16(uint32_t value)
{
	uint32_t exponent = 0;

	if (value < 32768)
		return (uint16_t)value;
	while (exponent < 7 && value >> (exponent + 3) > 0x1fff)
		exponent++;
	value >>= exponent + 3;
	return (uint16_t)(0x8000 | exponent << 12 | ((value > 0x1fff ? 0x1fff : value) & 0xfff));
}

/* The Ethernet header. Returns where the packet begins. */
static uint8_t *write_ethernet(const struct group_query *q, const struct group_address *to, uint8_t *frame)
{
	uint8_t *at = frame + 12;

	group_mac(q->family, to, frame);
	memcpy(frame + 6, q->mac, 6);
	if (q->vlan != 0) {
		put16(at, ETH_P_8021Q);
		put16(at + 2, q->vlan);
		at += 4;
	}
	put16(at, q->family == GROUP_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	return at + 2;
}

static uint8_t *write_ipv4(const struct group_query *q, const struct group_address *to, uint8_t *ip)
{
	static const uint8_t alert[4] = {0x94, 4, 0, 0}; /* RFC 2113 */
	enum { IGMP_V3_BYTES = 12, PRECEDENCE = 0xc0 };
	uint8_t *igmp = ip + IPV4_WITH_ALERT;

	memset(ip, 0, IPV4_WITH_ALERT + IGMP_V3_BYTES);
	ip[0] = 0x40 | IPV4_WITH_ALERT / 4;
	ip[1] = PRECEDENCE;
	put16(ip + 2, IPV4_WITH_ALERT + IGMP_V3_BYTES);
	ip[8] = 1;
	ip[9] = IPPROTO_IGMP;
	memcpy(ip + 12, q->from->bytes, 4);
	memcpy(ip + 16, to->bytes, 4);
	memcpy(ip + IPV4_BYTES, alert, sizeof(alert));
	put_checksum(ip + 10, group_wire_sum(0, ip, IPV4_WITH_ALERT));
	igmp[0] = IGMP_QUERY;
	igmp[1] = to_code8(q->response_ms / 100);
	if (q->group != NULL)
		memcpy(igmp + 4, q->group->bytes, 4);
	igmp[8] = ROBUSTNESS;
	igmp[9] = to_code8(q->interval_ms / 1000);
	put_checksum(igmp + 2, group_wire_sum(0, igmp, IGMP_V3_BYTES));
	return igmp + IGMP_V3_BYTES;
}

static uint8_t *write_ipv6(const struct group_query *q, const struct group_address *to, uint8_t *ip)
{
	static const uint8_t alert[ALERT_IPV6_BYTES] = {IPPROTO_ICMPV6, 0, IPV6_OPTION_ALERT, 2, 0, 0, 1, 0};
	enum { MLD_V2_BYTES = 28 };
	uint8_t *mld = ip + IPV6_BYTES + ALERT_IPV6_BYTES;

	memset(ip, 0, IPV6_BYTES + ALERT_IPV6_BYTES + MLD_V2_BYTES);
	ip[0] = 0x60;
	put16(ip + 4, ALERT_IPV6_BYTES + MLD_V2_BYTES);
	ip[6] = IPPROTO_HOPOPTS;
	ip[7] = 1;
	memcpy(ip + 8, q->from->bytes, 16);
	memcpy(ip + 24, to->bytes, 16);
	memcpy(ip + IPV6_BYTES, alert, sizeof(alert));
	mld[0] = MLD_QUERY;
	put16(mld + 4, to_code16(q->response_ms));
	if (q->group != NULL)
		memcpy(mld + 8, q->group->bytes, 16);
	mld[24] = ROBUSTNESS;
	mld[25] = to_code8(q->interval_ms / 1000);
	put_checksum(mld + 2, group_wire_sum(group_wire_pseudo_sum(ip, IPPROTO_ICMPV6, MLD_V2_BYTES), mld, MLD_V2_BYTES));
	return mld + MLD_V2_BYTES;
}

uint16_t group_query_write(const struct group_query *q, uint8_t frame[GROUP_QUERY_BYTES])
{
	static const struct group_address all[GROUP_FAMILIES] = {
		[GROUP_IPV4] = {{224, 0, 0, 1}},
		[GROUP_IPV6] = {{0xff, 2, [15] = 1}},
	};
	const struct group_address *to = q->group != NULL ? q->group : &all[q->family];
	uint8_t *packet = write_ethernet(q, to, frame), *end;

	end = q->family == GROUP_IPV4 ? write_ipv4(q, to, packet) : write_ipv6(q, to, packet);
	return (uint16_t)(end - frame);
}

struct group_address group_link_local_of(const uint8_t mac[6])
{
	struct group_address address = {
		{0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}};

	return address;
}
