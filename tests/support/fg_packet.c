/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_packet.h"

#include <string.h>

enum { ETHER = 14, TCP = 6, UDP = 17, TCP_LEN = 20, UDP_LEN = 8, SEQ_AT = 4, PADDED = 60 };

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

uint32_t fg_sum(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

uint16_t fg_sum_end(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

uint8_t fg_packet_byte(uint32_t seed, uint32_t i)
{
	return (uint8_t)((i + 1) * 2654435761u >> 11 ^ seed * 40503u >> 3);
}

static uint32_t l4_len(const struct fg_packet *p)
{
	return p->udp ? UDP_LEN : TCP_LEN + p->tcp_more;
}

/* Where the checksum of TCP or UDP is in its header. */
static uint32_t field_of(const struct fg_packet *p)
{
	return p->udp ? 6 : 16;
}

static uint32_t pseudo_sum(const struct fg_packet *p, const uint8_t *ip, uint32_t len)
{
	const uint8_t rest[8] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, p->udp ? UDP : TCP};

	return fg_sum(rest, sizeof(rest),
		      p->ipv6 ? fg_sum(ip + 8, 32, 0) : fg_sum(ip + 12, 8, 0));
}

static uint32_t build_ether(const struct fg_packet *p, const uint8_t dst[6], const uint8_t src[6],
			    uint8_t *frame)
{
	uint32_t at = 12;

	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	for (unsigned int i = 0; i < p->vlans; i++, at += 4) {
		put16(frame + at, i + 1 < p->vlans ? 0x88a8 : 0x8100);
		put16(frame + at + 2, 100 + i);
	}
	put16(frame + at, p->ipv6 ? 0x86dd : 0x0800);
	return at + 2;
}

/* A chain of options, 8 bytes each, that mean nothing: hop-by-hop first, then for the destination. */
static void build_extensions(const struct fg_packet *p, uint8_t *at, uint8_t protocol)
{
	for (unsigned int i = 0; i < p->ip_more; i += 8) {
		const uint8_t option[8] = {i + 8 < p->ip_more ? 60 : protocol, 0, 1, 4, 0, 0, 0, 0};

		memcpy(at + i, option, sizeof(option));
	}
}

static uint32_t build_ip(const struct fg_packet *p, uint8_t *ip)
{
	uint32_t l4 = l4_len(p) + p->payload;
	uint8_t protocol = p->udp ? UDP : TCP;

	memset(ip, 0, 40 + p->ip_more);
	if (p->ipv6) {
		ip[0] = 0x60;
		put16(ip + 4, p->ip_more + l4);
		ip[6] = p->ip_more == 0 ? protocol : 0;
		ip[7] = 64;
		for (int i = 8; i < 40; i++)
			ip[i] = (uint8_t)(i * 11);
		build_extensions(p, ip + 40, protocol);
		return 40 + p->ip_more;
	}
	ip[0] = (uint8_t)(0x40 | (20 + p->ip_more) / 4);
	put16(ip + 2, 20 + p->ip_more + l4);
	put16(ip + 4, p->ip_id);
	put16(ip + 6, 0x4000); /* don't fragment */
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, 0xc6120001);
	put32(ip + 16, 0xc61200fe);
	memset(ip + 20, 1, p->ip_more); /* no operation */
	put16(ip + 10, (uint16_t)~fg_sum_end(fg_sum(ip, 20 + p->ip_more, 0)));
	return 20 + p->ip_more;
}

uint32_t fg_packet_build(const struct fg_packet *p, const uint8_t dst[6], const uint8_t src[6],
			 uint8_t *frame, struct fg_vnet *header)
{
	uint32_t l3 = build_ether(p, dst, src, frame);
	uint32_t at = l3 + build_ip(p, frame + l3), l4 = at;

	memset(frame + l4, 0, l4_len(p));
	put16(frame + l4, 40000);
	put16(frame + l4 + 2, 5201);
	if (p->udp) {
		put16(frame + l4 + 4, UDP_LEN + p->payload);
	} else {
		put32(frame + l4 + SEQ_AT, p->seq);
		frame[l4 + 12] = (uint8_t)(l4_len(p) / 4 << 4);
		frame[l4 + 13] = p->tcp_flags;
		put16(frame + l4 + 14, 0xffff);
		memset(frame + l4 + TCP_LEN, 1, p->tcp_more);
	}
	put16(frame + l4 + field_of(p),
	      fg_sum_end(pseudo_sum(p, frame + l3, l4_len(p) + p->payload)));
	at += l4_len(p);
	for (uint32_t i = 0; i < p->payload; i++)
		frame[at + i] = fg_packet_byte(p->seed, i);
	*header = (struct fg_vnet){
		.flags = FG_NEEDS_CSUM,
		.csum_start = (uint16_t)l4,
		.csum_offset = (uint16_t)field_of(p),
	};
	if (p->gso_size != 0) {
		header->gso_type = p->udp  ? FG_GSO_UDP_L4
				   : p->ipv6 ? FG_GSO_TCPV6
					     : FG_GSO_TCPV4;
		header->gso_size = p->gso_size;
		header->hdr_len = (uint16_t)at;
	}
	return at + p->payload;
}

static const char *check_ip(const struct fg_packet *p, const uint8_t *ip, uint32_t len)
{
	if (p->ipv6) {
		if (get16(ip + 4) != len - 40)
			return "IPv6 payload length";
		return ip[0] >> 4 == 6 ? NULL : "IPv6 version";
	}
	if (ip[0] != (0x40 | (20 + p->ip_more) / 4))
		return "IPv4 version and header length";
	if (get16(ip + 2) != len)
		return "IPv4 total length";
	return fg_sum_end(fg_sum(ip, 20 + p->ip_more, 0)) == 0xffff ? NULL : "IPv4 header checksum";
}

const char *fg_packet_check(const struct fg_packet *p, const uint8_t *frame, size_t len, bool checksum,
			    struct fg_parsed *j)
{
	uint32_t sum, reported;
	const char *wrong;

	*j = (struct fg_parsed){.l3 = ETHER + 4 * p->vlans};
	j->l4 = j->l3 + (p->ipv6 ? 40 : 20) + p->ip_more;
	j->payload = j->l4 + l4_len(p);
	if (len < j->payload)
		return "shorter than its headers";
	if (get16(frame + j->l3 - 2) != (p->ipv6 ? 0x86ddu : 0x0800u))
		return "Ethernet type";
	/* What a NIC's port has padded ends where IP says. */
	reported = j->l3 + (p->ipv6 ? 40 + get16(frame + j->l3 + 4) : get16(frame + j->l3 + 2));
	if (len == PADDED && reported >= j->payload && reported < PADDED)
		len = reported;
	wrong = check_ip(p, frame + j->l3, (uint32_t)len - j->l3);
	if (wrong != NULL)
		return wrong;
	j->len = (uint32_t)len - j->payload;
	j->ip_id = (uint16_t)get16(frame + j->l3 + 4);
	if (p->udp && get16(frame + j->l4 + 4) != UDP_LEN + j->len)
		return "UDP length";
	if (!p->udp) {
		j->seq = get32(frame + j->l4 + SEQ_AT);
		j->tcp_flags = frame[j->l4 + 13];
	}
	if (!checksum)
		return NULL;
	if (p->udp && get16(frame + j->l4 + 6) == 0)
		return "UDP checksum absent";
	sum = pseudo_sum(p, frame + j->l3, (uint32_t)len - j->l4);
	sum = fg_sum(frame + j->l4, len - j->l4, sum);
	return fg_sum_end(sum) == 0xffff ? NULL : "checksum of TCP or UDP";
}
