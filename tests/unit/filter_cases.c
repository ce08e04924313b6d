/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_cases.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "fg_packet.h"

/* A program begins with so many instructions that write its memory. */
enum { FIRST = 17, WORDS = 16 };

const char *const expressions[CASE_EXPRESSIONS] = {
	"",
	"arp",
	"ip",
	"ip6",
	"tcp",
	"udp",
	"port 80",
	"not port 80",
	"tcp dst port 25 or udp dst port 53",
	"tcp portrange 20-90",
	"tcp port http and not udp port domain",
	"host 198.18.0.1",
	"dst host 198.18.0.254 and src net 198.18.0.0/15",
	"ip6 host 5863:6e79:848f:9aa5:b0bb:c6d1:dce7:f2fd",
	"ip6 proto 6",
	"ip6[6] == 0 and ip6[40] == 6",
	"ip[6:2] & 0x1fff != 0",
	"ip[6:2] & 0x3fff != 0 and not tcp",
	"ip[0] & 0xf > 5",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
	"tcp[tcpflags] & tcp-fin != 0",
	"tcp[100:4] = 5 or udp",
	"not tcp[100:4] = 5",
	"vlan",
	"vlan 100",
	"vlan 100 and vlan 101",
	"vlan 100 and vlan 101 and ip and tcp port 80",
	"vlan and ip6 and udp",
	"not vlan and udp",
	"ether host 52:54:00:00:00:01",
	"ether broadcast or ether multicast",
	"ether proto 0x88b5",
	"len <= 100",
	"greater 200",
	"ether[len - 1] & 1 = 0",
	"ip[len - 20] * 3 / 2 % 7 > 2",
	"(ip[8] << 2) + (ip[9] >> 1) ^ 5 != ip[8] & 3 | 6",
	"icmp[icmptype] = icmp-echo",
	"ip multicast or ip[0] - 2 = 0x43",
	"ip[200] = 3 and ip[300:2] < 5000",
};
unsigned int dice(unsigned int n)
{
	return (unsigned int)random() % n;
}

void scatter(struct packet *p, uint32_t from)
{
	for (uint32_t i = from; i < CASE_BYTES; i++)
		p->byte[i] = (uint8_t)random();
}

void make_packet(struct packet *p)
{
	static const uint8_t station[6] = {0x52, 0x54, 0, 0, 0, 1},
			     other[6] = {0x52, 0x54, 0, 0, 0, 2};
	static const uint16_t ports[] = {80, 25, 53, 443};
	const struct fg_packet of = {.ipv6 = dice(2) == 0,
				     .udp = dice(2) == 0,
				     .vlans = dice(3),
				     .ip_more = 8 * dice(4),
				     .tcp_more = 4 * dice(5),
				     .tcp_flags = (uint8_t)random(),
				     .payload = dice(150),
				     .seed = dice(100)};
	uint32_t ip = 14 + 4 * of.vlans, l4 = ip + (of.ipv6 ? 40 : 20) + of.ip_more;
	struct fg_vnet header;

	scatter(p, 0);
	p->len = fg_packet_build(&of, dice(2) == 0 ? station : other, other, p->byte, &header);
	p->byte[l4 + 1] = (uint8_t)ports[dice(4)];
	p->byte[l4] = (uint8_t)(ports[dice(4)] >> 8);
	p->byte[l4 + 3] = (uint8_t)ports[dice(4)];
	p->byte[l4 + 2] = 0;
	if (!of.ipv6 && dice(3) == 0)
		p->byte[ip + 6 + dice(2)] = (uint8_t)dice(64); /* a fragment */
	if (dice(4) == 0)
		p->byte[dice(l4 + 20)] = (uint8_t)random();
	if (dice(8) == 0)
		p->byte[12] = (uint8_t)random();
	if (dice(5) == 0)
		p->len = 14 + dice(p->len - 14);
}

/* One that filter_check() may accept, and that goes on to `left` others. */
static struct filter_insn make_insn(unsigned int left)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_H | BPF_ABS,
		BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_W | BPF_IND,
		BPF_LD | BPF_H | BPF_IND,
		BPF_LD | BPF_B | BPF_IND,
		BPF_LD | BPF_IMM,
		BPF_LD | BPF_LEN,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_IMM,
		BPF_LDX | BPF_MEM,
		BPF_LDX | BPF_LEN,
		BPF_LDX | BPF_B | BPF_MSH,
		BPF_ST,
		BPF_STX,
		BPF_ALU | BPF_ADD | BPF_K,
		BPF_ALU | BPF_SUB | BPF_X,
		BPF_ALU | BPF_MUL | BPF_X,
		BPF_ALU | BPF_DIV | BPF_X,
		BPF_ALU | BPF_DIV | BPF_K,
		BPF_ALU | BPF_MOD | BPF_X,
		BPF_ALU | BPF_AND | BPF_K,
		BPF_ALU | BPF_OR | BPF_X,
		BPF_ALU | BPF_XOR | BPF_K,
		BPF_ALU | BPF_LSH | BPF_X,
		BPF_ALU | BPF_RSH | BPF_X,
		BPF_ALU | BPF_NEG,
		BPF_JMP | BPF_JA,
		BPF_JMP | BPF_JEQ | BPF_K,
		BPF_JMP | BPF_JGT | BPF_K,
		BPF_JMP | BPF_JGE | BPF_X,
		BPF_JMP | BPF_JSET | BPF_K,
		BPF_RET | BPF_K,
		BPF_RET | BPF_A,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
	};
	static const uint32_t far[] = {UINT32_MAX, UINT32_MAX - 2, UINT32_MAX - 0x1000,
				       CASE_BYTES - 2, 1u << 31};
	struct filter_insn insn = {.code = codes[dice(sizeof(codes) / sizeof(codes[0]))]};

	insn.k = dice(12) == 0 ? far[dice(5)] : dice(3) > 0 ? dice(80) : dice(CASE_BYTES);
	switch (BPF_CLASS(insn.code)) {
	case BPF_ST:
	case BPF_STX:
		insn.k %= WORDS;
		break;
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(insn.code) == BPF_MEM)
			insn.k %= WORDS;
		if (BPF_MODE(insn.code) == BPF_ABS && insn.k > UINT32_MAX - 0x1000)
			insn.k = 3;
		break;
	case BPF_ALU:
		insn.k += insn.k == 0;
		break;
	case BPF_JMP:
		insn.k = BPF_OP(insn.code) == BPF_JA ? dice(left) : insn.k;
		insn.jt = (uint8_t)dice(left);
		insn.jf = (uint8_t)dice(left);
		break;
	}
	return insn;
}

unsigned int make_program(struct filter_insn *insn)
{
	unsigned int n = FIRST + 2 + dice(CASE_INSNS - FIRST - 2);

	insn[0] = (struct filter_insn){.code = BPF_LD | BPF_IMM, .k = (uint32_t)random()};
	for (unsigned int i = 0; i < WORDS; i++)
		insn[1 + i] = (struct filter_insn){.code = BPF_ST, .k = i};
	for (unsigned int i = FIRST; i < n - 1; i++)
		insn[i] = make_insn(n - 1 - i);
	insn[n - 1] = (struct filter_insn){.code = BPF_RET | BPF_A};
	return n;
}
