/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_words.c: the words of an expression that are names. libpcap takes a word that it does not
 * know for the name of what was last spoken of: a host, unless that was a port or a protocol, whose
 * names stand in files. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "filter.h"

/* Those behind which a name is one of a file, /etc/services or /etc/protocols; and these do not
 * change that. */
static const char *const of_files[] = {"port", "portrange", "proto", "protochain"};
static const char *const joining[] = {"and", "or", "not"};

/* The others (pcap-filter(7); scanner.l of libpcap 1.10). */
static const char *const words[] = {
	"aarp",	       "action",    "ah",	  "addr1",    "addr2",	 "addr3",      "addr4",
	"address1",    "address2",  "address3",	  "address4", "ap",	 "arp",	       "atalk",
	"bcc",	       "broadcast", "byte",	  "carp",     "clnp",	 "connectmsg", "csnp",
	"decnet",      "dir",	    "direction",  "dpc",      "dst",	 "ep",	       "epdu",
	"es-is",       "esis",	    "esp",	  "ether",    "fddi",	 "fisu",       "gateway",
	"geneve",      "greater",   "hdpc",	  "hfisu",    "hlssu",	 "hmsu",       "hopc",
	"host",	       "hsio",	    "hsls",	  "i",	      "icmp",	 "icmp6",      "icmp6code",
	"icmp6type",   "icmpcode",  "icmptype",	  "ifname",   "igmp",	 "igrp",       "iih",
	"ilmic",       "inbound",   "ip",	  "ip6",      "ipx",	 "is-is",      "isis",
	"iso",	       "l1",	    "l2",	  "lane",     "lat",	 "len",	       "less",
	"link",	       "llc",	    "lsp",	  "lssu",     "lsu",	 "mask",       "metac",
	"metaconnect", "mopdl",	    "moprc",	  "mpls",     "msu",	 "multicast",  "net",
	"netbeui",     "oam",	    "oamf4",	  "oamf4ec",  "oamf4sc", "on",	       "opc",
	"outbound",    "pf",	    "pim",	  "ppp",      "pppoed",	 "pppoes",     "psnp",
	"radio",       "ra",	    "rarp",	  "reason",   "rej",	 "rnr",	       "rr",
	"rset",	       "ruleset",   "rulenum",	  "rnum",     "s",	 "sabme",      "sc",
	"sca",	       "sctp",	    "sio",	  "slip",     "sls",	 "snp",	       "src",
	"srnr",	       "stp",	    "subrulenum", "subtype",  "ta",	 "tcp",	       "tcpflags",
	"test",	       "tr",	    "type",	  "u",	      "ua",	 "ud",	       "udp",
	"ui",	       "vci",	    "vlan",	  "vpi",      "vrrp",	 "wlan",       "xid",
};

#define HAS(list, word, len) has_word(list, sizeof(list) / sizeof((list)[0]), word, len)

static bool has_word(const char *const *list, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && strncmp(list[i], word, len) == 0)
			return true;
	return false;
}

/* A number, or an address: "10.0.0.1", "fe80::1", "52:54:00:12:34:56", "$1f". */
static bool is_address(const char *word, size_t len)
{
	static const char digits[] = "0123456789abcdefABCDEF.:-$";
	bool is_number =
		isdigit((unsigned char)word[0]) || word[0] == '$' || memchr(word, ':', len) != NULL;

	if (isdigit((unsigned char)word[0]) && len > 1 && (word[1] == 'x' || word[1] == 'X'))
		return true;
	for (size_t i = 0; i < len; i++)
		if (memchr(digits, word[i], sizeof(digits) - 1) == NULL)
			return false;
	return is_number;
}

/* "tcp-syn", "icmp-echo", "icmp6-echoreply": numbers that have names. */
static bool is_constant(const char *word, size_t len)
{
	static const char *const fronts[] = {"tcp-", "icmp-", "icmp6-"};

	for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++)
		if (len > strlen(fronts[i]) && strncmp(word, fronts[i], strlen(fronts[i])) == 0)
			return true;
	return false;
}

/* '-' and '.' begin none: they may be signs. */
static size_t word_len(const char *word)
{
	size_t len = 0;

	if (*word == '-' || *word == '.')
		return 0;
	while (isalnum((unsigned char)word[len]) ||
	       (word[len] != '\0' && strchr("._:-$", word[len]) != NULL) ||
	       (unsigned char)word[len] >= 0x80)
		len++;
	return len;
}

unsigned int filter_find_name(const char *text, const char **word)
{
	bool by_file = false;

	for (const char *at = text; *at != '\0';) {
		bool escaped = *at == '\\';
		size_t len = word_len(at += escaped);

		if (len == 0) {
			at += *at != '\0';
			continue;
		}
		if (HAS(of_files, at, len)) {
			by_file = true;
		} else if (HAS(words, at, len)) {
			by_file = by_file && escaped;
		} else if (!by_file && !escaped && !HAS(joining, at, len) && !is_address(at, len) &&
			   !is_constant(at, len)) {
			*word = at;
			return (unsigned int)len;
		}
		at += len;
	}
	return 0;
}
