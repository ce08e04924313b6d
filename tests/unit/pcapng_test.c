/* SPDX-License-Identifier: BSD-3-Clause */
/* What is written is what libpcap reads, and what a strict reader does: packets of all lengths, stamps, comments, numbers. */
#include "pcapng.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture_read.h"
#include "cases.h"

enum { PACKETS = 300, FILE_BYTES = 1 << 20, LEN_MAX = 400 };
static const uint64_t BEGIN_NS = UINT64_C(1795000000123456789);

static uint8_t file[FILE_BYTES];

static uint8_t byte_of(unsigned int packet, unsigned int i)
{
	return (uint8_t)(packet * 31 + i * 7);
}

/* Of packet i: n bytes are there, of len. */
static uint32_t n_of(unsigned int i)
{
	return i < LEN_MAX ? i : LEN_MAX;
}

static size_t write_file(void)
{
	uint8_t bytes[LEN_MAX];
	char comment[32];
	size_t n = pcapng_section(file, "a test");

	n += pcapng_interface(file + n, &(struct pcapng_interface){.name = "vm1", .filter = "tcp or udp", .snap = LEN_MAX});
	n += pcapng_interface(file + n, &(struct pcapng_interface){.name = "up0", .snap = LEN_MAX});
	for (unsigned int i = 0; i < PACKETS; i++) {
		for (unsigned int k = 0; k < n_of(i); k++)
			bytes[k] = byte_of(i, k);
		snprintf(comment, sizeof(comment), "%.*s", (int)(i % 20), "rx_drop.a_long_reason");
		n += pcapng_packet(file + n, &(struct pcapng_packet){
						     .interface = i % 2,
						     .time_ns = BEGIN_NS + i * UINT64_C(1000000001),
						     .bytes = bytes,
						     .n = n_of(i),
						     .len = n_of(i) + i % 5,
						     .direction = i % 3 == 0 ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
						     .comment = i % 20 == 0 ? NULL : comment,
					     });
		assert_int_equal(n % 4, 0);
	}
	for (unsigned int i = 0; i < 2; i++)
		n += pcapng_statistics(file + n, &(struct pcapng_statistics){.interface = i,
									     .begun_ns = BEGIN_NS,
									     .ended_ns = BEGIN_NS + 5,
									     .received = UINT64_C(1) << 40,
									     .accepted = 1000 + i,
									     .lost = 7 + i,
									     .comment = i == 0 ? "3 unknown" : NULL});
	assert_true(n < FILE_BYTES);
	return n;
}

static void libpcap_reads_it(void **state)
{
	char path[] = "/tmp/pcapng-test-XXXXXX", error[PCAP_ERRBUF_SIZE];
	size_t n = write_file();
	int fd = mkstemp(path);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	pcap_t *pcap;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, n), n);
	close(fd);
	pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	unlink(path);
	assert_non_null(pcap);
	assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
	assert_int_equal(pcap_snapshot(pcap), LEN_MAX);
	for (unsigned int i = 0; i < PACKETS; i++) {
		assert_int_equal(pcap_next_ex(pcap, &header, &bytes), 1);
		assert_int_equal(header->caplen, n_of(i));
		assert_int_equal(header->len, n_of(i) + i % 5);
		assert_int_equal((uint64_t)header->ts.tv_sec * 1000000000 + (uint64_t)header->ts.tv_usec,
				 BEGIN_NS + i * UINT64_C(1000000001));
		for (unsigned int k = 0; k < header->caplen; k++)
			assert_int_equal(bytes[k], byte_of(i, k));
	}
	assert_int_equal(pcap_next_ex(pcap, &header, &bytes), PCAP_ERROR_BREAK);
	pcap_close(pcap);
}

/* In pieces of any length, as it comes through a pipe. */
static void a_strict_reader_does(void **state)
{
	size_t n = write_file();
	struct cr_capture capture;

	cr_begin(&capture);
	for (size_t at = 0, part = 1; at < n; at += part, part = part % 97 + 1) {
		if (part > n - at)
			part = n - at;
		cr_take(&capture, file + at, part);
	}
	assert_int_equal(capture.n, 0);
	assert_int_equal(capture.packets, PACKETS);
	assert_int_equal(capture.interfaces, 2);
	assert_string_equal(capture.name[0], "vm1");
	assert_string_equal(capture.name[1], "up0");
	for (unsigned int i = 0; i < PACKETS; i++) {
		const struct cr_packet *packet = &capture.packet[i];

		assert_int_equal(packet->interface, i % 2);
		assert_int_equal(packet->direction, i % 3 == 0 ? 2 : 1);
		assert_int_equal(packet->time_ns, BEGIN_NS + i * UINT64_C(1000000001));
		assert_int_equal(strlen(packet->why), i % 20);
		assert_memory_equal(packet->why, "rx_drop.a_long_reason", i % 20);
	}
	assert_int_equal(capture.statistics, 2);
	assert_int_equal(capture.seen[1], UINT64_C(1) << 40);
	assert_int_equal(capture.accepted[1], 1001);
	assert_int_equal(capture.lost[0], 7);
	assert_int_equal(capture.unknown[0], 3);
	assert_int_equal(capture.unknown[1], 0);
	cr_end(&capture);
}

/* What is said of a packet is cut, and never longer than the room. */
static void long_texts_are_cut(void **state)
{
	static char text[2 * PCAPNG_TEXT_MAX];
	size_t n;

	memset(text, 'x', sizeof(text) - 1);
	n = pcapng_interface(file, &(struct pcapng_interface){.name = text, .filter = text});
	assert_in_range(n, 2 * PCAPNG_TEXT_MAX, PCAPNG_BLOCK_MAX);
	n = pcapng_packet(file, &(struct pcapng_packet){.bytes = file, .comment = text});
	assert_in_range(n, PCAPNG_TEXT_MAX, PCAPNG_BLOCK_MAX);
	n = pcapng_section(file, text);
	assert_in_range(n, PCAPNG_TEXT_MAX, PCAPNG_BLOCK_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libpcap_reads_it),
		cmocka_unit_test(a_strict_reader_does),
		cmocka_unit_test(long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
