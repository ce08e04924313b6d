/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames as a line: of each kind, and all of them cut anywhere, in a text of any size. */
#include "frame_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

#define MACS "020000000002020000000001"
#define SAID "02:00:00:00:00:01 > 02:00:00:00:00:02"
#define IPV4(flags, protocol) "4500002800" "00" flags "40" protocol "0000" "0a000001" "0a000002"
#define FROM6 "fe800000000000000000000000000001"
#define TO6 "ff020000000000000000000000000001"
#define IPV6(next) "6000000000" "40" next "ff" FROM6 TO6

static const struct {
	const char *digits, *says;
} cases[] = {
	{MACS "0800" IPV4("0000", "06") "12340019", SAID ", TCP 10.0.0.1:4660 > 10.0.0.2:25, "},
	{MACS "0800" IPV4("4000", "11") "00350019", SAID ", UDP 10.0.0.1:53 > 10.0.0.2:25, "},
	{MACS "0800" IPV4("2001", "11") "00350019", SAID ", UDP 10.0.0.1 > 10.0.0.2 (fragment), "},
	{MACS "0800" IPV4("0000", "01") "0800", SAID ", ICMP 10.0.0.1 > 10.0.0.2 type 8, "},
	{MACS "0800" IPV4("0000", "fd"), SAID ", IPv4 protocol 253 10.0.0.1 > 10.0.0.2, "},
	{MACS "0800" "4600002800000000" "4006" "0000" "0a000001" "0a000002" "01010101" "12340019",
	 SAID ", TCP 10.0.0.1:4660 > 10.0.0.2:25, "},
	{MACS "0800" "4f000028000000004006" "0000" "0a000001" "0a000002" "01010101", SAID ", TCP 10.0.0.1 > 10.0.0.2, "},
	{MACS "0800" "55000028", SAID ", IPv4, "},
	{MACS "8100000a" "0800" IPV4("0000", "06") "12340019", SAID ", VLAN 10, TCP 10.0.0.1:4660 > 10.0.0.2:25, "},
	{MACS "88a80064" "8100200a" "88b5", SAID ", service VLAN 100, VLAN 10, type 0x88b5, "},
	{MACS "86dd" IPV6("3a") "87", SAID ", ICMPv6 fe80::1 > ff02::1 type 135, "},
	{MACS "86dd" IPV6("11") "00350019", SAID ", UDP [fe80::1]:53 > [ff02::1]:25, "},
	{MACS "86dd" IPV6("00") "3c00000000000000" "0600000000000000" "12340019", SAID ", TCP [fe80::1]:4660 > [ff02::1]:25, "},
	{MACS "86dd" IPV6("2c") "1100000800000001" "00350019", SAID ", UDP fe80::1 > ff02::1 (fragment), "},
	{MACS "86dd" "6000", SAID ", IPv6, "},
	{MACS "0806" "0001080006040001" "020000000001" "0a000001" "000000000000" "0a000002",
	 SAID ", ARP request, 10.0.0.1 > 10.0.0.2, "},
	{MACS "0806" "0001080006040002" "020000000001" "0a000001" "020000000002" "0a000002",
	 SAID ", ARP reply, 10.0.0.1 > 10.0.0.2, "},
	{MACS "0806" "0001", SAID ", ARP, "},
	{MACS "0026" "4242", SAID ", LLC, "},
	{MACS, SAID ", "},
	{"0200", ""},
	{"", ""},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static size_t bytes_of(const char *digits, uint8_t *bytes)
{
	size_t n = strlen(digits) / 2;
	unsigned int byte;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sscanf(digits + 2 * i, "%2x", &byte), 1);
		bytes[i] = (uint8_t)byte;
	}
	return n;
}

static void each_kind_is_told(void **state)
{
	char text[256], want[256];
	uint8_t bytes[128];

	for (size_t i = 0; i < CASES; i++) {
		size_t n = bytes_of(cases[i].digits, bytes);

		frame_line(bytes, n, 1000 + i, text, sizeof(text));
		snprintf(want, sizeof(want), "%s%zu bytes", cases[i].says, 1000 + i);
		assert_string_equal(text, want);
	}
}

/* Nothing beyond the bytes is read, nothing beyond the text is written: malloc's neighbours are watched by the sanitizers, and
 * bytes behind the text by us. */
static void any_cut_is_told(void **state)
{
	uint8_t whole[128];

	for (size_t i = 0; i < CASES; i++) {
		size_t n = bytes_of(cases[i].digits, whole);

		for (size_t part = 0; part <= n; part++) {
			uint8_t *bytes = malloc(part > 0 ? part : 1);
			char text[256];

			assert_non_null(bytes);
			memcpy(bytes, whole, part);
			for (size_t size = 1; size < sizeof(text); size += 7) {
				memset(text, 'x', sizeof(text));
				frame_line(bytes, part, n, text, size);
				assert_true(strnlen(text, size) < size);
				assert_int_equal(text[size], 'x');
			}
			free(bytes);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_told),
		cmocka_unit_test(any_cut_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
