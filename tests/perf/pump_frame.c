/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guests of pump.h send: all of a frame that does not change from one to the next. */
#include <string.h>

#include "pump.h"

enum { ETHERNET = 14, IP = 20, UDP = 8, TCP = 32, SEGMENT = 1448, NEEDS_CSUM = 1, GSO_TCPV4 = 1 };
enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

static void put16(uint8_t *at, uint32_t value) /* as networks write it */
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put16_le(uint8_t *at, uint16_t value) /* as virtio does */
{
	memcpy(at, &value, 2);
}

static void put_macs(uint8_t *frame, uint32_t to, uint32_t from)
{
	const uint8_t macs[12] = {0x02, (uint8_t)to, 0, 0, 0, 0, 0x02, (uint8_t)from, 0, 0, 0, 0};

	memcpy(frame, macs, 12);
	put16(frame + 12, 0x88b5); /* IEEE 802: local experiments */
}

static uint32_t sum16(const uint8_t *at, unsigned int len, uint32_t sum)
{
	for (unsigned int i = 0; i < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return (sum & 0xffff) + (sum >> 16);
}

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The addresses of two guests, from and to. */
struct addresses {
	uint8_t at[8];
};

static struct addresses addresses_of(uint32_t to, uint32_t from)
{
	return (struct addresses){{198, 18, 0, (uint8_t)from, 198, 18, 0, (uint8_t)to}};
}

static void put_ip(uint8_t *ip, uint32_t len, uint8_t protocol, const struct addresses *addresses)
{
	put16(ip - 2, 0x0800);
	memset(ip, 0, IP);
	ip[0] = 0x45;
	put16(ip + 2, len);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, addresses->at, sizeof(addresses->at));
	put16(ip + 10, ~fold(sum16(ip, IP, 0)));
}

/* A datagram without a checksum. */
static void put_udp(uint8_t *ip, uint32_t len, uint32_t to, uint32_t from)
{
	const struct addresses addresses = addresses_of(to, from);
	uint8_t *udp = ip + IP;

	put_ip(ip, len, PROTOCOL_UDP, &addresses);
	memset(udp, 0, UDP);
	put16(udp, 5001);
	put16(udp + 2, 5001);
	put16(udp + 4, len - IP);
}
_Static_assert(PUMP_HEADER + ETHERNET + IP + UDP <= PUMP_IP_NUMBER_AT, "a datagram's number is behind its headers");

/* A TCP segment that is longer than it may stay, with the sum of its pseudo header in place of its checksum. */
static void put_tcp(uint8_t *at, uint32_t len, uint32_t to, uint32_t from)
{
	uint8_t *ip = at + PUMP_HEADER + ETHERNET, *tcp = ip + IP;
	uint32_t tcp_len = len - ETHERNET - IP;
	const struct addresses addresses = addresses_of(to, from);

	at[0] = NEEDS_CSUM;
	at[1] = len > ETHERNET + IP + TCP + SEGMENT ? GSO_TCPV4 : 0;
	put16_le(at + 2, ETHERNET + IP + TCP);
	put16_le(at + 4, at[1] ? SEGMENT : 0);
	put16_le(at + 6, ETHERNET + IP);
	put16_le(at + 8, 16);
	put_ip(ip, len - ETHERNET, PROTOCOL_TCP, &addresses);
	memset(tcp, 0, TCP);
	put16(tcp, 5001);
	put16(tcp + 2, 5001);
	tcp[12] = TCP / 4 << 4;
	tcp[13] = 0x10; /* ACK */
	put16(tcp + 14, 0xffff);
	put16(tcp + 16, fold(sum16(addresses.at, sizeof(addresses.at), PROTOCOL_TCP + tcp_len)));
	memset(tcp + 20, 1, TCP - 20); /* options: none */
}

uint32_t pump_buffers(uint32_t len)
{
	return (PUMP_HEADER + len + PUMP_BUFFER - 1) / PUMP_BUFFER;
}

/* Long frames: only some of the buffers, in turn, as many as can be on their way and once more; a guest that sends such
 * does not go through 64 MiB either before it uses memory again. */
static unsigned int buffers_in_use(const struct pump_guest *g, uint32_t len)
{
	unsigned int n = 2;

	while (n < 2 * g->opt.ring / pump_buffers(len) && n < g->opt.ring)
		n *= 2;
	return n;
}

void pump_guest_set_len(struct pump_guest *g, uint32_t len)
{
	unsigned int n = buffers_in_use(g, len);
	uint32_t to = g->number ^ 1;

	for (unsigned int i = 0; i < g->opt.ring; i++) {
		g->tx->gpa[i] = g->tx->buffer_gpa[i % n];
		g->tx->at[i] = g->tx->buffer_at[i % n];
		put_macs(g->tx->at[i] + PUMP_HEADER, to, g->number);
		if (g->opt.tcp)
			put_tcp(g->tx->at[i], len, to, g->number);
		else if (g->opt.ip)
			put_udp(g->tx->at[i] + PUMP_HEADER + ETHERNET, len - ETHERNET, to, g->number);
	}
	pump_ring_set_len(g->tx, PUMP_HEADER + len);
}
