/* SPDX-License-Identifier: BSD-3-Clause */
#include "group_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "be16.h"
#include "group_wire.h"

/* A part of a frame that is still to be read. */
struct part {
	const uint8_t *at;
	size_t len;
};

/* Whom a frame is for. */
struct addressed {
	const uint8_t *mac, *ip;
};

/* --- addresses -------------------------------------------------------------------------------------------------- */

bool group_address_is_none(const struct group_address *address)
{
	static const struct group_address none;

	return memcmp(address, &none, sizeof(none)) == 0;
}

void group_address_text(enum group_family family, const struct group_address *address, char text[GROUP_ADDRESS_TEXT])
{
	_Static_assert(GROUP_ADDRESS_TEXT >= INET6_ADDRSTRLEN, "every address fits");
	inet_ntop(family == GROUP_IPV4 ? AF_INET : AF_INET6, address->bytes, text, GROUP_ADDRESS_TEXT);
}

static struct group_address address_at(enum group_family family, const uint8_t *at)
{
	struct group_address address = {0};

	memcpy(address.bytes, at, group_address_bytes(family));
	return address;
}

static bool is_group(enum group_family family, const struct group_address *address)
{
	return family == GROUP_IPV4 ? address->bytes[0] >> 4 == 0xe : address->bytes[0] == 0xff;
}

bool group_is_link_local(enum group_family family, const struct group_address *group)
{
	const uint8_t *b = group->bytes;

	if (family == GROUP_IPV4)
		return b[0] == 224 && b[1] == 0 && b[2] == 0;
	return b[0] == 0xff && (b[1] & 0xf) <= 2;
}

void group_mac(enum group_family family, const struct group_address *group, uint8_t mac[6])
{
	const uint8_t *b = group->bytes;

	if (family == GROUP_IPV4) {
		const uint8_t of[6] = {0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]};

		memcpy(mac, of, sizeof(of));
	} else {
		const uint8_t of[6] = {0x33, 0x33, b[12], b[13], b[14], b[15]};

		memcpy(mac, of, sizeof(of));
	}
}

/* --- times ------------------------------------------------------------------------------------------------------ */

/* RFC 3376, 4.1.1 and 4.1.7: eight bits, of which larger values are a mantissa and an exponent. */
static uint32_t code8(uint8_t code)
{
	return code < 128 ? code : ((code & 0xfu) | 0x10u) << ((code >> 4 & 7u) + 3);
}

/* RFC 3810, 5.1.3: the same with 16. */
static uint32_t code16(uint16_t code)
{
	return code < 32768 ? code : ((code & 0xfffu) | 0x1000u) << ((code >> 12 & 7u) + 3);
}

/* --- reports ---------------------------------------------------------------------------------------------------- */

static size_t record_bytes(enum group_family family)
{
	return 4 + group_address_bytes(family);
}

/* A record's own length: its sources, and auxiliary data behind them (RFC 3376, 4.2.6). 0: it ends too early. */
static size_t record_len(enum group_family family, struct part rest)
{
	size_t len;

	if (rest.len < record_bytes(family))
		return 0;
	len = record_bytes(family) + be16_at(rest.at + 2) * group_address_bytes(family) + 4u * rest.at[1];
	return len <= rest.len ? len : 0;
}

/* IGMP v3 and MLD v2: the number of records at 6, and the records at 8. */
static int read_records(struct part body, struct group_message *m)
{
	struct part rest = {body.at + 8, body.len - 8};

	m->kind = GROUP_MESSAGE_REPORT;
	m->records = rest.at;
	m->records_n = be16_at(body.at + 6);
	for (uint16_t i = 0; i < m->records_n; i++) {
		size_t len = record_len(m->family, rest);
		struct group_address group;

		if (len == 0)
			return -EBADMSG;
		group = address_at(m->family, rest.at + 4);
		if (!is_group(m->family, &group))
			return -EBADMSG;
		rest = (struct part){rest.at + len, rest.len - len};
	}
	return 0;
}

/* The others name one group. */
static int read_one(struct group_message *m, const uint8_t *group, bool leaves)
{
	m->kind = GROUP_MESSAGE_REPORT;
	m->group = address_at(m->family, group);
	m->leaves = leaves;
	m->records_n = 1;
	return is_group(m->family, &m->group) ? 0 : -EBADMSG;
}

/* RFC 3376, 4.2.12. */
static int meaning_of(uint8_t type, uint16_t sources)
{
	enum { IS_INCLUDE = 1, IS_EXCLUDE, TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK };

	switch (type) {
	case IS_EXCLUDE:
	case TO_EXCLUDE:
		return GROUP_RECORD_JOIN;
	case IS_INCLUDE:
	case ALLOW:
		return sources > 0 ? GROUP_RECORD_JOIN : GROUP_RECORD_NOTHING;
	case TO_INCLUDE:
		return sources > 0 ? GROUP_RECORD_JOIN : GROUP_RECORD_LEAVE;
	case BLOCK:
	default: /* to be ignored */
		return GROUP_RECORD_NOTHING;
	}
}

bool group_message_next(struct group_message *m, struct group_record *record)
{
	const uint8_t *at = m->records;

	if (m->records_n == 0)
		return false;
	m->records_n--;
	if (at == NULL) {
		record->group = m->group;
		record->what = m->leaves ? GROUP_RECORD_LEAVE : GROUP_RECORD_JOIN;
		return true;
	}
	record->group = address_at(m->family, at + 4);
	record->what = meaning_of(at[0], be16_at(at + 2));
	m->records += record_bytes(m->family) + be16_at(at + 2) * group_address_bytes(m->family) + 4u * at[1];
	return true;
}

/* --- queries ---------------------------------------------------------------------------------------------------- */

/* What v3 of IGMP and v2 of MLD add, at `at`. */
static int read_query_more(struct part body, size_t at, struct group_message *m)
{
	uint16_t sources;

	if (body.len < at + 4)
		return -EBADMSG;
	sources = be16_at(body.at + at + 2);
	if (body.len - at - 4 < sources * group_address_bytes(m->family))
		return -EBADMSG;
	m->suppress = (body.at[at] & 8) != 0;
	m->interval_ms = code8(body.at[at + 1]) * 1000;
	m->of_sources = sources > 0;
	return 0;
}

/* RFC 3376, 4.1.12, and RFC 3810, 5.1.15: a general query is for all nodes, another one for its group. One that is for somebody
 * else, or has the Ethernet address of somebody else, is one that members do not hear, and so cannot answer. */
static bool members_hear(const struct group_message *m, struct addressed to)
{
	static const struct group_address all[GROUP_FAMILIES] = {
		[GROUP_IPV4] = {{224, 0, 0, 1}},
		[GROUP_IPV6] = {{0xff, 0x02, [15] = 1}},
	};
	const struct group_address *wanted = group_address_is_none(&m->group) ? &all[m->family] : &m->group;
	uint8_t mac[6];

	group_mac(m->family, wanted, mac);
	return memcmp(to.ip, wanted, group_address_bytes(m->family)) == 0 && memcmp(to.mac, mac, sizeof(mac)) == 0;
}

static int check_query(const struct group_message *m, struct addressed to)
{
	if (group_address_is_none(&m->group) ? m->of_sources : !is_group(m->family, &m->group))
		return -EBADMSG;
	return members_hear(m, to) ? 0 : -EBADMSG;
}

/* RFC 3376, 7.1: the version is told by the length, and that of v1 and v2 by the code. */
static int read_igmp_query(struct part body, struct addressed to, struct group_message *m)
{
	enum { V1_RESPONSE_MS = 10000 };
	int error = 0;

	m->kind = GROUP_MESSAGE_QUERY;
	m->group = address_at(m->family, body.at + 4);
	m->response_ms = code8(body.at[1]) * 100;
	if (body.len > 8)
		error = read_query_more(body, 8, m);
	else if (body.at[1] == 0)
		m->response_ms = V1_RESPONSE_MS;
	else
		m->response_ms = body.at[1] * 100u;
	return error != 0 ? error : check_query(m, to);
}

/* RFC 3810, 8.1. */
static int read_mld_query(struct part body, struct addressed to, struct group_message *m)
{
	int error = 0;

	m->kind = GROUP_MESSAGE_QUERY;
	m->group = address_at(m->family, body.at + 8);
	m->response_ms = be16_at(body.at + 4);
	if (body.len > MLD_BYTES) {
		m->response_ms = code16(be16_at(body.at + 4));
		error = read_query_more(body, MLD_BYTES, m);
	}
	return error != 0 ? error : check_query(m, to);
}

/* --- routers ---------------------------------------------------------------------------------------------------- */

/* RFC 4286, 3.2: an advertisement says in seconds when the next one follows; a router that has missed three is gone (4). */
static int read_mrd(const uint8_t *body, bool goes, struct group_message *m)
{
	m->kind = goes ? GROUP_MESSAGE_ROUTER_GONE : GROUP_MESSAGE_ROUTER;
	m->hold_ms = 3 * 1000u * body[1];
	return goes || body[1] > 0 ? 0 : -EBADMSG;
}

/* RFC 7761, 4.9.2: a hello is a list of options, of which number 1 is how long the router stays; 0: it goes. */
static int read_pim(struct part body, struct group_message *m)
{
	enum { HELLO = 2 << 4, HOLDTIME = 1, HOLDTIME_DEFAULT_S = 105 };
	uint32_t hold_s = HOLDTIME_DEFAULT_S;
	size_t at = 4, len;

	if (body.len < 4)
		return -EBADMSG;
	if (body.at[0] != HELLO)
		return -ENOMSG;
	for (; at < body.len; at += len) {
		if (body.len - at < 4)
			return -EBADMSG;
		len = 4u + be16_at(body.at + at + 2);
		if (len > body.len - at)
			return -EBADMSG;
		if (be16_at(body.at + at) != HOLDTIME)
			continue;
		if (len != 6)
			return -EBADMSG;
		hold_s = be16_at(body.at + at + 4);
	}
	m->kind = hold_s > 0 ? GROUP_MESSAGE_ROUTER : GROUP_MESSAGE_ROUTER_GONE;
	m->hold_ms = hold_s * 1000;
	return 0;
}

/* --- IPv4 ------------------------------------------------------------------------------------------------------- */

static int read_igmp(struct part body, struct addressed to, struct group_message *m)
{
	if (body.len < IGMP_BYTES || group_wire_sum(0, body.at, body.len) != 0xffff)
		return -EBADMSG;
	switch (body.at[0]) {
	case IGMP_QUERY:
		return read_igmp_query(body, to, m);
	case IGMP_REPORT_V1:
	case IGMP_REPORT_V2:
		return read_one(m, body.at + 4, false);
	case IGMP_LEAVE:
		return read_one(m, body.at + 4, true);
	case IGMP_REPORT_V3:
		return read_records(body, m);
	case IGMP_MRD_ADVERTISEMENT:
	case IGMP_MRD_TERMINATION:
		return read_mrd(body.at, body.at[0] == IGMP_MRD_TERMINATION, m);
	default:
		return -ENOMSG;
	}
}

static int read_ipv4(const uint8_t *mac, struct part packet, struct group_message *m)
{
	const uint8_t *ip = packet.at;
	struct part body;
	size_t header, len;

	if (packet.len < IPV4_BYTES || ip[0] >> 4 != 4)
		return -EBADMSG;
	header = 4u * (ip[0] & 0xf);
	len = be16_at(ip + 2);
	if (header < IPV4_BYTES || len < header || len > packet.len || group_wire_sum(0, ip, header) != 0xffff)
		return -EBADMSG;
	if (ip[9] != IPPROTO_IGMP && ip[9] != IPPROTO_PIM)
		return -ENOMSG;
	/* A fragment, or from beyond the link, or from a group. */
	if ((be16_at(ip + 6) & 0x3fff) != 0 || ip[8] != 1 || ip[12] >> 4 == 0xe)
		return -EBADMSG;
	m->family = GROUP_IPV4;
	m->from = address_at(GROUP_IPV4, ip + 12);
	body = (struct part){ip + header, len - header};
	if (ip[9] == IPPROTO_IGMP)
		return read_igmp(body, (struct addressed){mac, ip + 16}, m);
	return group_wire_sum(0, body.at, body.len) == 0xffff ? read_pim(body, m) : -EBADMSG;
}

/* --- IPv6 ------------------------------------------------------------------------------------------------------- */

static int read_mld(struct part body, struct addressed to, struct group_message *m)
{
	bool is_mrd = body.len >= MRD_IPV6_BYTES && (body.at[0] == MLD_MRD_ADVERTISEMENT || body.at[0] == MLD_MRD_TERMINATION);

	if (is_mrd)
		return read_mrd(body.at, body.at[0] == MLD_MRD_TERMINATION, m);
	if (body.len >= 8 && body.at[0] == MLD_REPORT_V2)
		return read_records(body, m);
	if (body.len < MLD_BYTES)
		return -EBADMSG;
	switch (body.at[0]) {
	case MLD_QUERY:
		/* RFC 3810, 5.1.14: a query has a source. */
		return group_address_is_none(&m->from) ? -EBADMSG : read_mld_query(body, to, m);
	case MLD_REPORT_V1:
	case MLD_DONE:
		return read_one(m, body.at + 8, body.at[0] == MLD_DONE);
	default:
		return -ENOMSG;
	}
}

/* The hop-by-hop options, of which one is the router alert for MLD (RFC 2711). Returns their length; 0: they are wrong, or
 * without it. */
static size_t read_hop_by_hop(struct part options)
{
	size_t end, at = 2;
	bool alert = false;

	if (options.len < 8 || options.at[0] != IPPROTO_ICMPV6)
		return 0;
	end = 8u * (options.at[1] + 1u);
	if (end > options.len)
		return 0;
	while (at < end) {
		const uint8_t *option = options.at + at;

		if (option[0] == IPV6_OPTION_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || option[1] + 2u > end - at)
			return 0;
		alert |= option[0] == IPV6_OPTION_ALERT && option[1] == 2 && be16_at(option + 2) == 0;
		at += option[1] + 2u;
	}
	return alert ? end : 0;
}

static int read_ipv6(const uint8_t *mac, struct part packet, struct group_message *m)
{
	const uint8_t *ip = packet.at;
	struct part body;
	size_t options = 0;
	uint8_t protocol;

	if (packet.len < IPV6_BYTES || ip[0] >> 4 != 6 || be16_at(ip + 4) > packet.len - IPV6_BYTES)
		return -EBADMSG;
	if (ip[6] != IPPROTO_HOPOPTS && ip[6] != IPPROTO_PIM)
		return -ENOMSG;
	m->family = GROUP_IPV6;
	m->from = address_at(GROUP_IPV6, ip + 8);
	/* RFC 3810, 5.1.14 and 5.2.13: from a link-local address; a host that has none yet reports from none. */
	if (ip[7] != 1 || !(group_address_is_none(&m->from) || (ip[8] == 0xfe && (ip[9] & 0xc0) == 0x80)))
		return -EBADMSG;
	body = (struct part){ip + IPV6_BYTES, be16_at(ip + 4)};
	protocol = ip[6];
	if (protocol == IPPROTO_HOPOPTS) {
		if (body.len >= 8 && body.at[0] != IPPROTO_ICMPV6)
			return -ENOMSG;
		options = read_hop_by_hop(body);
		if (options == 0)
			return -EBADMSG;
		protocol = IPPROTO_ICMPV6;
	}
	body = (struct part){body.at + options, body.len - options};
	if (body.len < 4 || group_wire_sum(group_wire_pseudo_sum(ip, protocol, body.len), body.at, body.len) != 0xffff)
		return -EBADMSG;
	return protocol == IPPROTO_PIM ? read_pim(body, m) : read_mld(body, (struct addressed){mac, ip + 24}, m);
}

/* --- frames ----------------------------------------------------------------------------------------------------- */

int group_message_read(const uint8_t *frame, size_t len, struct group_message *m)
{
	struct part packet;
	uint16_t type;

	if (len < ETHERNET_BYTES)
		return -EBADMSG;
	packet = (struct part){frame + ETHERNET_BYTES, len - ETHERNET_BYTES};
	*m = (struct group_message){.records_n = 0};
	type = be16_at(frame + ETHERNET_BYTES - 2);
	if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		if (packet.len < 4)
			return -EBADMSG;
		type = be16_at(packet.at + 2);
		packet = (struct part){packet.at + 4, packet.len - 4};
	}
	if (type == ETH_P_IP)
		return read_ipv4(frame, packet, m);
	return type == ETH_P_IPV6 ? read_ipv6(frame, packet, m) : -ENOMSG;
}
