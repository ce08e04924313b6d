/* SPDX-License-Identifier: BSD-3-Clause */
/* The guards of a port: made-up frames against a model, frame by frame what a neighbour could be told, and what options may say.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "dice.h"
#include "guard.h"
#include "guard_model.h"

enum { FRAMES = 400000, SOURCE = 96 };

static uint8_t bytes[MODEL_FRAME_MAX];

/* Of its own size, so that a sanitizer sees what is read beyond. */
static enum rx_drop verdict_of(const struct policy_guard *guard, uint32_t len, uint32_t seen)
{
	struct frame frame = {.head = malloc(seen), .head_len = (uint16_t)seen, .len = len};
	enum rx_drop verdict, read;

	assert_non_null(frame.head);
	memcpy(frame.head, bytes, seen);
	verdict = guard_verdict(guard, &frame);
	read = guard_read(guard, &frame);
	assert_true(strlen(guard_describe(&frame).text) > 0);
	free(frame.head);
	assert_int_equal(verdict, read);
	return verdict;
}

static struct policy_guard guard_of(unsigned int set)
{
	uint32_t checks = ((set & MODEL_DHCP) != 0 ? GUARD_DHCP : 0) | ((set & MODEL_RA) != 0 ? GUARD_RA : 0) |
			  ((set & MODEL_BPDU) != 0 ? GUARD_BPDU : 0);
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	OK(policy_guard_read(&guard, model_macs(set), model_ips(set), checks, &wrong));
	return guard;
}

/* Each reason occurs, and so does each set. */
static void as_the_model(void **state)
{
	unsigned int seen_of[RX_DROPS + 1] = {0};

	for (unsigned int i = 0; i < FRAMES; i++) {
		unsigned int set = i % MODEL_SETS;
		const struct policy_guard guard = guard_of(set);
		struct model_source source = {.left = SOURCE};
		uint8_t from[SOURCE];
		uint32_t len, seen;
		enum rx_drop want;

		for (unsigned int k = 0; k < SOURCE; k++)
			from[k] = (uint8_t)dice(256);
		source.at = from;
		len = model_frame(&source, bytes, &seen);
		want = model_verdict(set, bytes, len, seen);
		if (verdict_of(&guard, len, seen) != want)
			fail_msg("frame %u: set 0x%x, %u bytes, %u seen: not %d", i, set, len, seen, want);
		seen_of[want]++;
	}
	for (int why = RX_DROP_GUARD_MAC; why <= RX_DROP_GUARD_ODD; why++)
		assert_true(seen_of[why] > FRAMES / 200);
	assert_true(seen_of[RX_DROPS] > FRAMES / 20);
}

/* --- one by one -------------------------------------------------------------------------------------------------- */

static uint32_t hex(const char *text)
{
	uint32_t n = 0;

	for (; *text != '\0'; text++) {
		unsigned int byte;

		if (*text == ' ')
			continue;
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		bytes[n++] = (uint8_t)byte;
		text++;
	}
	return n;
}

#define US     "525400000001"
#define ALL    "ffffffffffff "
#define THEM   "52540000ffff "
#define MINE4  "c0000201"
#define OTHER4 "c0000209"
#define MINE6  "20010db8000000000000000000000001"
#define OTHER6 "20010db8000000000000000000000009"
#define LOCAL6 "fe80000000000000505400fffe000001"
#define NONE6  "00000000000000000000000000000000"
#define GROUP6 "ff0200000000000000000001ff000001"
#define ARP    "0806 0001080006040001"
#define NS     "8700000000000000"
#define NA     "8800000060000000"

/* What is said of the frame by a port that has both addresses, and all guards. */
static const struct {
	const char *what, *frame;
	int why; /* enum rx_drop */
} stories[] = {
	{"an ARP request", ALL US ARP US MINE4 "000000000000" OTHER4, RX_DROPS},
	{"a gratuitous ARP for another's address", ALL US ARP US OTHER4 "000000000000" OTHER4, RX_DROP_GUARD_IP},
	{"... behind a tag", ALL US "8100 0005" ARP US OTHER4 "000000000000" OTHER4, RX_DROP_GUARD_IP},
	{"... behind two", ALL US "88a8 0005 8100 0005" ARP US OTHER4 "000000000000" OTHER4, RX_DROP_GUARD_IP},
	{"... behind three", ALL US "88a8 0005 8100 0005 8100 0006" ARP US MINE4 "000000000000" OTHER4, RX_DROP_GUARD_ODD},
	{"... in SNAP", ALL US "0024 aaaa03 000000" ARP US OTHER4 "000000000000" OTHER4, RX_DROP_GUARD_TYPE},
	{"... behind a tag of another type", ALL US "9100 0005" ARP US OTHER4 "000000000000" OTHER4, RX_DROP_GUARD_TYPE},
	{"... cut off", ALL US ARP US OTHER4 "000000000000", RX_DROP_GUARD_ODD},
	{"an ARP of addresses of 8 bytes", ALL US "0806 0001 0800 0804 0001" US "0000" MINE4 "000000000000" OTHER4,
	 RX_DROP_GUARD_ODD},
	{"an ARP from another station", ALL US ARP "52540000ffff" MINE4 "000000000000" OTHER4, RX_DROP_GUARD_MAC},
	{"a probe for its own address", ALL US ARP US "00000000 000000000000" MINE4, RX_DROPS},
	{"a probe for another's", ALL US ARP US "00000000 000000000000" OTHER4, RX_DROP_GUARD_IP},
	{"an answer from no address", ALL US "0806 0001080006040002" US "00000000 000000000000" MINE4, RX_DROP_GUARD_IP},
	{"a RARP, as after a migration", ALL US "8035 0001080006040003" US "00000000" US "00000000", RX_DROPS},
	{"a RARP's answer", ALL US "8035 0001080006040004" US MINE4 US OTHER4, RX_DROP_GUARD_DHCP},
	{"a router's advertisement of IPv4", THEM US "0800 4500001c 00000000 0101 0000" MINE4 OTHER4 "0900000000000000",
	 RX_DROP_GUARD_RA},
	{"a redirect of IPv4", THEM US "0800 4500001c 00000000 4001 0000" MINE4 OTHER4 "0500000000000000", RX_DROP_GUARD_RA},
	{"an echo", THEM US "0800 4500001c 00000000 4001 0000" MINE4 OTHER4 "0800000000000000", RX_DROPS},
	{"another's source", THEM US "0800 4500001c 00000000 4001 0000" OTHER4 MINE4 "0800000000000000", RX_DROP_GUARD_IP},
	{"a part of a packet", THEM US "0800 4500001c 00000001 4011 0000" MINE4 OTHER4 "0044004400000000", RX_DROPS},
	{"... from another's source", THEM US "0800 4500001c 00000001 4011 0000" OTHER4 MINE4 "0044004400000000",
	 RX_DROP_GUARD_IP},
	{"longer than it is", THEM US "0800 4500001d 00000000 4001 0000" MINE4 OTHER4 "0800000000000000", RX_DROP_GUARD_ODD},
	{"a header of 16 bytes", THEM US "0800 4400001c 00000000 4001 0000" MINE4 OTHER4 "0800000000000000", RX_DROP_GUARD_ODD},
	{"a DHCP answer to one", THEM US "0800 4500001c 00000000 4011 0000" MINE4 OTHER4 "0043004400080000", RX_DROP_GUARD_DHCP},
	{"... from any port", THEM US "0800 4500001c 00000000 4011 0000" MINE4 OTHER4 "9999004400080000", RX_DROP_GUARD_DHCP},
	{"... behind options", THEM US "0800 4600 0020 00000000 4011 0000" MINE4 OTHER4 "01010101 0043004400080000",
	 RX_DROP_GUARD_DHCP},
	{"... in its first fragment", THEM US "0800 4500001c 00002000 4011 0000" MINE4 OTHER4 "0043004400080000",
	 RX_DROP_GUARD_DHCP},
	{"... of a relay",
	 THEM US "0800 4500003e 00000000 4011 0000" MINE4 OTHER4
		 "00430043002a0000 02010600 0000000000000000000000000000000000000000000000"
		 "00" US,
	 RX_DROP_GUARD_DHCP},
	{"a DHCP request in fragments",
	 THEM US "0800 4500003e 00002000 4011 0000" MINE4 OTHER4
		 "00440043002a0000 01010600 0000000000000000000000000000000000000000000000"
		 "00" US,
	 RX_DROP_GUARD_ODD},
	{"a DHCP discover",
	 ALL US "0800 4500003e 00000000 4011 0000 00000000 ffffffff 00440043002a0000 01010600 "
		"00000000000000000000000000000000000000000000"
		"0000" US,
	 RX_DROPS},
	{"... to one",
	 THEM US "0800 4500003e 00000000 4011 0000 00000000" OTHER4 "00440043002a0000 01010600 00000000000000000000000000000000"
		 "0000000000000000" US,
	 RX_DROP_GUARD_IP},
	{"... for another station",
	 ALL US "0800 4500003e 00000000 4011 0000 00000000 ffffffff 00440043002a0000 01010600 "
		"00000000000000000000000000000000000000000000"
		"0000 52540000ffff",
	 RX_DROP_GUARD_MAC},
	{"from no address, no DHCP", ALL US "0800 4500001c 00000000 4011 0000 00000000 ffffffff 0035003500080000",
	 RX_DROP_GUARD_IP},
	{"a neighbour's solicitation", THEM US "86dd 60000000 0020 3aff" LOCAL6 GROUP6 NS OTHER6 "0101" US, RX_DROPS},
	{"... with another's station", THEM US "86dd 60000000 0020 3aff" LOCAL6 GROUP6 NS OTHER6 "0101 52540000ffff",
	 RX_DROP_GUARD_MAC},
	{"... behind another option",
	 THEM US "86dd 60000000 0028 3aff" LOCAL6 GROUP6 NS OTHER6 "0e01000000000000 0101 52540000ffff", RX_DROP_GUARD_MAC},
	{"... behind one of no length",
	 THEM US "86dd 60000000 0028 3aff" LOCAL6 GROUP6 NS OTHER6 "0e00000000000000 0101 52540000ffff", RX_DROP_GUARD_ODD},
	{"... beyond the head",
	 THEM US "86dd 60000000 0058 3aff" LOCAL6 GROUP6 NS OTHER6
		 "0e07000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
		 "0000000000000000 0101"
		 "52540000ffff",
	 RX_DROP_GUARD_ODD},
	{"the address it is about to have", THEM US "86dd 60000000 0018 3aff" NONE6 GROUP6 NS MINE6, RX_DROPS},
	{"... which is another's", THEM US "86dd 60000000 0018 3aff" NONE6 GROUP6 NS OTHER6, RX_DROP_GUARD_IP},
	{"a neighbour's advertisement", THEM US "86dd 60000000 0020 3aff" MINE6 OTHER6 NA MINE6 "0201" US, RX_DROPS},
	{"... of another's address", THEM US "86dd 60000000 0020 3aff" MINE6 OTHER6 NA OTHER6 "0201" US, RX_DROP_GUARD_IP},
	{"... of its own elsewhere", THEM US "86dd 60000000 0020 3aff" MINE6 OTHER6 NA MINE6 "0201 52540000ffff",
	 RX_DROP_GUARD_MAC},
	{"... behind extension headers",
	 THEM US "86dd 60000000 0030 00ff" MINE6 OTHER6 "3c00010400000000 3a00010400000000" NA OTHER6 "0201" US,
	 RX_DROP_GUARD_IP},
	{"a mobile node's own home address",
	 THEM US "86dd 60000000 0020 3cff" MINE6 OTHER6 "3a02 01020000 c910" MINE6 "8000000000000000", RX_DROPS},
	{"another's home address",
	 THEM US "86dd 60000000 0020 3cff" MINE6 OTHER6 "3a02 01020000 c910" OTHER6 "8000000000000000", RX_DROP_GUARD_IP},
	{"... behind another header",
	 THEM US "86dd 60000000 0028 00ff" MINE6 OTHER6 "3c00010400000000 3a02 01020000 c910" OTHER6 "8000000000000000",
	 RX_DROP_GUARD_IP},
	{"... in a fragment",
	 THEM US "86dd 60000000 0028 3cff" MINE6 OTHER6 "2c02 01020000 c910" OTHER6 "3a00000800000001 8600000000000000",
	 RX_DROP_GUARD_IP},
	{"... cut off", THEM US "86dd 60000000 0010 3cff" MINE6 OTHER6 "3a00 c9100000 0000 8000000000000000", RX_DROP_GUARD_ODD},
	{"an advertisement in a fragment", THEM US "86dd 60000000 0028 2cff" MINE6 OTHER6 "3a00000000000001" NA MINE6 "0201" US,
	 RX_DROP_GUARD_ODD},
	{"a first fragment without what it is of",
	 THEM US "86dd 60000000 0010 2cff" MINE6 OTHER6 "3c00000100000001 3a01010400000000", RX_DROP_GUARD_ODD},
	{"a fragment of a fragment",
	 THEM US "86dd 60000000 0018 2cff" MINE6 OTHER6 "2c00000000000001 3a00000800000001 8600000000000000", RX_DROP_GUARD_ODD},
	{"a later fragment", THEM US "86dd 60000000 0010 2cff" MINE6 OTHER6 "3a00000800000001 8600000000000000", RX_DROPS},
	{"a router's advertisement", THEM US "86dd 60000000 0010 3aff" LOCAL6 GROUP6 "86000000 00000000 0000000000000000",
	 RX_DROP_GUARD_RA},
	{"... behind an extension header",
	 THEM US "86dd 60000000 0018 3cff" LOCAL6 GROUP6 "3a00010400000000 86000000 00000000 0000000000000000", RX_DROP_GUARD_RA},
	{"... behind one that is unknown",
	 THEM US "86dd 60000000 0018 fdff" LOCAL6 GROUP6 "3a00010400000000 86000000 00000000 0000000000000000",
	 RX_DROP_GUARD_ODD},
	{"... in a fragment that is the whole",
	 THEM US "86dd 60000000 0018 2cff" LOCAL6 GROUP6 "3a00000000000001 86000000 00000000 0000000000000000", RX_DROP_GUARD_RA},
	{"a router's solicitation from nobody", THEM US "86dd 60000000 0008 3aff" NONE6 GROUP6 "8500000000000000", RX_DROPS},
	{"listeners' report from nobody", THEM US "86dd 60000000 0010 00ff" NONE6 GROUP6 "3a00050200000000 8f00000000000000",
	 RX_DROPS},
	{"an echo from nobody", THEM US "86dd 60000000 0008 3aff" NONE6 GROUP6 "8000000000000000", RX_DROP_GUARD_IP},
	{"a DHCPv6 answer", THEM US "86dd 60000000 0009 11ff" LOCAL6 LOCAL6 "0223022200090000 07", RX_DROP_GUARD_DHCP},
	{"... of a relay's server", THEM US "86dd 60000000 0009 11ff" LOCAL6 LOCAL6 "0223022300090000 0d", RX_DROP_GUARD_DHCP},
	{"a DHCPv6 request", THEM US "86dd 60000000 0009 11ff" LOCAL6 LOCAL6 "0222022300090000 01", RX_DROPS},
	{"spanning tree", "0180c2000000" US "0026 424203 0000000000", RX_DROP_GUARD_BPDU},
	{"... to one", THEM US "0007 424203 00000000", RX_DROP_GUARD_BPDU},
	{"LLDP", "0180c200000e" US "88cc 020704", RX_DROPS},
	{"a session of PPP", THEM US "8864 1100 0001 0016 0021 4500001c", RX_DROP_GUARD_TYPE},
	{"from another station", ALL "52540000ffff" ARP US MINE4 "000000000000" OTHER4, RX_DROP_GUARD_MAC},
};

static void what_neighbours_could_be_told(void **state)
{
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	OK(policy_guard_read(&guard, "52:54:00:00:00:01", "192.0.2.1,2001:db8::1", GUARD_DHCP | GUARD_RA | GUARD_BPDU, &wrong));
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		uint32_t len;

		memset(bytes, 0, sizeof(bytes));
		len = hex(stories[i].frame);
		if ((int)verdict_of(&guard, len, len < FRAME_HEAD ? len : FRAME_HEAD) != stories[i].why)
			fail_msg("%s: not %d", stories[i].what, stories[i].why);
	}
}

/* --- options ----------------------------------------------------------------------------------------------------- */

static int reads(const char *macs, const char *ips)
{
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	return policy_guard_read(&guard, macs, ips, 0, &wrong);
}

static void what_options_say(void **state)
{
	static const char *const bad_macs[] = {"",
					       "52:54:00:00:00",
					       "52:54:00:00:00:0g",
					       "01:00:5e:00:00:01",
					       "00:00:00:00:00:00",
					       "52:54:00:00:00:01,",
					       ",52:54:00:00:00:01",
					       "52-54-00-00-00-01"};
	static const char *const bad_ips[] = {"",
					      "192.0.2",
					      "192.0.2.1/33",
					      "192.0.2.1/24",
					      "192.0.2.1/",
					      "192.0.2.1/x",
					      "192.0.2.0/24x",
					      "2001:db8::1/129",
					      "2001:db8::1/64",
					      "192.0.2.1,,192.0.2.2",
					      "192.0.2.1/-1",
					      "vm1"};
	char many[2048] = "52:54:00:00:00:01", more[2048] = "192.0.2.1";

	for (size_t i = 0; i < sizeof(bad_macs) / sizeof(bad_macs[0]); i++)
		assert_int_equal(reads(bad_macs[i], NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(bad_ips) / sizeof(bad_ips[0]); i++)
		assert_int_equal(reads(NULL, bad_ips[i]), -EINVAL);
	OK(reads("52:54:00:00:00:01 , 52:54:00:00:00:02+52:54:00:00:00:03", "0.0.0.0/0,::/0+10.0.0.0/8"));
	for (int i = 1; i < GUARD_MACS_MAX; i++)
		strcat(many, ",52:54:00:00:00:01");
	for (int i = 1; i < GUARD_IPS_MAX; i++)
		strcat(more, ",192.0.2.1");
	OK(reads(many, more));
	/* As many of IPv6 besides, and the link-local addresses of all stations. */
	for (int i = 0; i < GUARD_IPS_MAX; i++)
		strcat(more, ",2001:db8::1");
	OK(reads(many, more));
	assert_int_equal(reads(strcat(many, ",52:54:00:00:00:01"), NULL), -E2BIG);
	assert_int_equal(reads(NULL, strcat(more, ",192.0.2.1")), -E2BIG);
}

static void says_who_sent_what(void **state)
{
	struct frame frame = {.head = bytes};

	frame.len = frame.head_len = (uint16_t)hex(ALL US "8100 0005" ARP US OTHER4 "000000000000" MINE4);
	assert_string_equal(guard_describe(&frame).text,
			    "52:54:00:00:00:01 to ff:ff:ff:ff:ff:ff, ARP from 192.0.2.9 at 52:54:00:00:00:01 for 192.0.2.1");
	frame.len = frame.head_len = (uint16_t)hex(THEM US "86dd 60000000 0018 3aff" MINE6 OTHER6 NA OTHER6);
	assert_string_equal(guard_describe(&frame).text,
			    "52:54:00:00:00:01 to 52:54:00:00:ff:ff, IPv6 from 2001:db8::1 to 2001:db8::9, "
			    "protocol 58, neighbour advertisement of 2001:db8::9");
	frame.len = frame.head_len = (uint16_t)hex(THEM US "0800 4500001c 00002000 4011 0000" MINE4 OTHER4 "0043004400080000");
	assert_string_equal(guard_describe(&frame).text,
			    "52:54:00:00:00:01 to 52:54:00:00:ff:ff, IPv4 from 192.0.2.1 to 192.0.2.9, "
			    "protocol 17, a fragment");
	frame.len = frame.head_len = (uint16_t)hex(THEM US "8864 1100");
	assert_string_equal(guard_describe(&frame).text, "52:54:00:00:00:01 to 52:54:00:00:ff:ff, type 0x8864");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_model),
		cmocka_unit_test(what_neighbours_could_be_told),
		cmocka_unit_test(what_options_say),
		cmocka_unit_test(says_who_sent_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
