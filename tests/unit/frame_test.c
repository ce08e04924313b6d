/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of frames against the obvious copy, for every length and every split; the flow hash against what it must and
 * must not tell apart. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "frame.h"

enum { LONGEST = 9100, GUARD = 64, PIECES_MAX = 40 };

static uint8_t source[LONGEST], wanted[LONGEST];
static uint8_t target[LONGEST + 2 * GUARD];
static struct mem_span pieces[PIECES_MAX];

static void fill(void)
{
	for (unsigned int i = 0; i < LONGEST; i++)
		source[i] = (uint8_t)(i * 31 + i / 251 + 1);
}

/* A frame of `len` bytes of source: `head_len` of them head, the rest in `n` pieces of uneven length. */
static struct frame frame_of(uint32_t len, uint16_t head_len, uint16_t n)
{
	struct frame frame = {.head = source, .len = len, .head_len = head_len, .body = pieces};
	uint32_t at = head_len;

	while (at < len) {
		uint32_t left = len - at, part = left / (uint32_t)(n - frame.body_spans);

		if (frame.body_spans + 1 == n)
			part = left;
		else if (part > 1)
			part -= frame.body_spans % 2;
		pieces[frame.body_spans++] = (struct mem_span){.at = source + at, .len = part};
		at += part;
	}
	return frame;
}

/* Whether exactly [at, at + len) of the target was written, and with the frame. */
static void assert_written(uint32_t at, uint32_t len)
{
	assert_memory_equal(target + at, source, len);
	for (uint32_t i = 0; i < at; i++)
		assert_int_equal(target[i], 0xee);
	for (uint32_t i = at + len; i < at + len + GUARD; i++)
		assert_int_equal(target[i], 0xee);
}

static void copies_every_short_length(void **state)
{
	fill();
	for (uint16_t len = 0; len <= 2 * FRAME_HEAD; len++) {
		struct frame frame = frame_of(len, len, 1);

		memset(target, 0xee, len + 2 * GUARD);
		frame_copy(&frame, target + GUARD);
		assert_written(GUARD, len);
	}
}

static void copies_head_and_body(void **state)
{
	static const uint32_t lengths[] = {129, 256, 1514, 1518, 2048, 9018};

	fill();
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (uint16_t n = 1; n < PIECES_MAX; n++) {
			struct frame frame = frame_of(lengths[i], FRAME_HEAD, n);

			memset(target, 0xee, lengths[i] + 2 * GUARD);
			frame_copy(&frame, target + GUARD);
			assert_written(GUARD, lengths[i]);
		}
	}
}

/* The receiver's buffers, cut at random places, against one straight copy behind `skip` bytes. */
static void copies_into_any_spans(void **state)
{
	fill();
	srand(1);
	for (int round = 0; round < 20000; round++) {
		uint32_t len = 14 + (uint32_t)rand() % 2000, skip = (uint32_t)rand() % 30;
		uint16_t head_len = len < FRAME_HEAD ? (uint16_t)len : FRAME_HEAD;
		struct frame frame = frame_of(len, head_len, (uint16_t)(1 + rand() % 7));
		uint32_t total = skip + len + (uint32_t)rand() % GUARD, at = 0, used = 0;
		struct mem_span to[64];
		uint8_t *whole = malloc(total);

		assert_non_null(whole);
		memset(whole, 0xee, total);
		memset(wanted, 0xee, total);
		memcpy(wanted + skip, source, len);
		while (at < total) {
			uint32_t part = 1 + (uint32_t)rand() % (total / (used < 60 ? 3 : 1));

			if (part > total - at || used == 63)
				part = total - at;
			to[used++] = (struct mem_span){.at = whole + at, .len = part};
			at += part;
		}
		frame_copy_spans(&frame, to, skip);
		assert_memory_equal(whole, wanted, total);
		free(whole);
	}
}

static void copies_behind_empty_spans(void **state)
{
	uint8_t out[32];
	struct mem_span to[] = {
		{out, 0}, {out, 12}, {out + 12, 0}, {out + 12, 4}, {out + 16, 0}, {out + 16, 16},
	};
	struct frame frame;

	fill();
	frame = frame_of(18, 14, 2);
	memset(out, 0xee, sizeof(out));
	frame_copy_spans(&frame, to, 12);
	assert_memory_equal(out + 12, source, 18);
	assert_int_equal(out[11], 0xee);
	assert_int_equal(out[30], 0xee);
}

/* --- flow hash --------------------------------------------------------------------------------------------------- */

static const uint8_t ipv4_udp[] = {
	0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00,		    /* Ethernet */
	0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, /* IPv4 */
	0x10, 0x00, 0x00, 0x35, 0, 12, 0, 0, 1, 2, 3, 4,		    /* UDP and four bytes */
};
enum { AT_TYPE = 12, AT_IP = 14, AT_FRAGMENT = 20, AT_SOURCE = 26, AT_PORT = 34, AT_DATA = 42 };

static uint32_t hash_of(const uint8_t *bytes, size_t len)
{
	/* Exactly as long as the frame, so that a read behind it is an error under ASan. */
	uint8_t *head = malloc(len ? len : 1);
	struct frame frame = {.head = head, .len = (uint32_t)len, .head_len = (uint16_t)len};
	uint32_t hash;

	assert_non_null(head);
	if (len)
		memcpy(head, bytes, len);
	hash = frame_flow_hash(&frame);
	free(head);
	return hash;
}

static uint32_t hash_with(size_t at, uint8_t value)
{
	uint8_t bytes[sizeof(ipv4_udp)];

	memcpy(bytes, ipv4_udp, sizeof(bytes));
	bytes[at] = value;
	return hash_of(bytes, sizeof(bytes));
}

static void hashes_what_makes_a_flow(void **state)
{
	uint32_t hash = hash_of(ipv4_udp, sizeof(ipv4_udp));

	assert_int_not_equal(hash, hash_with(AT_SOURCE + 3, 9));
	assert_int_not_equal(hash, hash_with(AT_PORT + 1, 9));
	assert_int_not_equal(hash, hash_with(AT_PORT + 3, 9));
	/* What differs between the packets of a flow has no say: identification, TTL, checksum, payload. */
	assert_int_equal(hash, hash_with(AT_IP + 5, 9));
	assert_int_equal(hash, hash_with(AT_IP + 8, 9));
	assert_int_equal(hash, hash_with(AT_IP + 10, 9));
	assert_int_equal(hash, hash_with(AT_DATA, 9));
	assert_int_equal(hash, hash_with(0, 9));
}

static bool plainly_one_flow(const uint8_t *a, const uint8_t *b, size_t len)
{
	struct frame one = {.head = (uint8_t *)(uintptr_t)a, .head_len = (uint16_t)len};
	struct frame other = {.head = (uint8_t *)(uintptr_t)b, .head_len = (uint16_t)len};

	return frame_same_flow(&one, &other);
}

static void what_is_plainly_one_flow_has_one_hash(void **state)
{
	static const size_t of_a_packet[] = {0, AT_IP + 3, AT_IP + 5, AT_IP + 10, AT_DATA};
	uint8_t a[sizeof(ipv4_udp)], b[sizeof(ipv4_udp)];
	unsigned int alike = 0;

	for (size_t i = 0; i < sizeof(of_a_packet) / sizeof(*of_a_packet); i++) {
		memcpy(a, ipv4_udp, sizeof(a));
		a[of_a_packet[i]] ^= 1;
		assert_true(plainly_one_flow(a, ipv4_udp, sizeof(a)));
	}
	assert_false(plainly_one_flow(ipv4_udp, ipv4_udp, AT_PORT + 3));
	for (unsigned int turn = 0; turn < 100000; turn++) {
		memcpy(a, ipv4_udp, sizeof(a));
		for (int n = rand() % 3; n > 0; n--)
			a[rand() % (int)sizeof(a)] ^= (uint8_t)(1 << rand() % 8);
		memcpy(b, a, sizeof(b));
		b[rand() % (int)sizeof(b)] ^= (uint8_t)(1 << rand() % 8);
		if (!plainly_one_flow(a, b, sizeof(a)))
			continue;
		alike++;
		assert_int_equal(hash_of(a, sizeof(a)), hash_of(b, sizeof(b)));
	}
	assert_true(alike > 10000);
}

static void fragments_stay_together(void **state)
{
	uint8_t first[sizeof(ipv4_udp)], second[sizeof(ipv4_udp)];

	memcpy(first, ipv4_udp, sizeof(first));
	memcpy(second, ipv4_udp, sizeof(second));
	first[AT_FRAGMENT] = 0x20;     /* more fragments */
	second[AT_FRAGMENT + 1] = 185; /* an offset, and no UDP header where one would be */
	memset(second + AT_PORT, 0xaa, sizeof(second) - AT_PORT);
	assert_int_equal(hash_of(first, sizeof(first)), hash_of(second, sizeof(second)));
}

/* Puts `n` tags with VLAN ids first, first + 1 in front of the EtherType. */
static size_t tagged(uint8_t *to, const uint8_t *from, size_t len, int n, uint8_t first)
{
	memcpy(to, from, AT_TYPE);
	for (int i = 0; i < n; i++) {
		const uint8_t tag[4] = {n - i > 1 ? 0x88 : 0x81, n - i > 1 ? 0xa8 : 0, 0x60,
					(uint8_t)(first + i)};

		memcpy(to + AT_TYPE + 4 * i, tag, 4);
	}
	memcpy(to + AT_TYPE + 4 * n, from + AT_TYPE, len - AT_TYPE);
	return len + 4 * (size_t)n;
}

static void sees_through_tags(void **state)
{
	uint8_t a[128], b[128], changed[sizeof(ipv4_udp)];
	size_t len;

	memcpy(changed, ipv4_udp, sizeof(changed));
	for (int tags = 1; tags <= 2; tags++) {
		len = tagged(a, ipv4_udp, sizeof(ipv4_udp), tags, 7);
		changed[AT_PORT] = 0x20;
		changed[AT_DATA] = 4;
		tagged(b, changed, sizeof(changed), tags, 7);
		assert_int_not_equal(hash_of(a, len), hash_of(b, len));
		changed[AT_PORT] = 0x10;
		tagged(b, changed, sizeof(changed), tags, 7);
		assert_int_equal(hash_of(a, len), hash_of(b, len));
		tagged(b, ipv4_udp, sizeof(ipv4_udp), tags, 8);
		assert_int_not_equal(hash_of(a, len), hash_of(b, len));
	}
}

static void ipv6_and_the_rest(void **state)
{
	uint8_t v6[14 + 40 + 8] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60};
	uint8_t arp[42] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x06};
	uint32_t hash;

	v6[14 + 6] = 6;
	hash = hash_of(v6, sizeof(v6));
	v6[14 + 1] = 3; /* the flow label is no part of it */
	assert_int_equal(hash, hash_of(v6, sizeof(v6)));
	v6[14 + 39] = 1;
	assert_int_not_equal(hash, hash_of(v6, sizeof(v6)));
	v6[14 + 39] = 0;
	v6[14 + 40] = 1;
	assert_int_not_equal(hash, hash_of(v6, sizeof(v6)));

	hash = hash_of(arp, sizeof(arp));
	arp[30] = 1;
	assert_int_equal(hash, hash_of(arp, sizeof(arp)));
	arp[11] = 1;
	assert_int_not_equal(hash, hash_of(arp, sizeof(arp)));
}

/* --- how evenly flows are spread over queues ---------------------------------------------------------------------- */

enum { FLOWS = 1024, QUEUES = 8 };

/* What tells the flows of a set apart: where their number is added, as 16 bits, and how far apart they are. */
struct flow_set {
	const char *name;
	uint16_t address_step, source_step, destination_step;
};

static const struct flow_set flow_sets[] = {
	{"one client, port after port", 0, 1, 0},
	{"one client, every other port", 0, 2, 0},
	{"ports 64 apart", 0, 64, 0},
	{"many clients, one port", 1, 0, 0},
	{"clients 4 apart", 4, 0, 0},
	{"client and port together", 1, 1, 0},
	{"both ports together", 0, 1, 1},
	{"all three", 1, 3, 5},
};

static void add16(uint8_t *at, uint32_t more)
{
	uint32_t sum = (at[0] << 8 | at[1]) + more;

	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

/* A TCP or UDP packet behind up to two tags; the ends of both addresses and the ports lie where ipv4 or ipv6 has them. */
static uint32_t hash_of_flow(bool ipv6, int tags, const struct flow_set *set, uint32_t i)
{
	uint8_t plain[14 + 40 + 8] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60};
	uint8_t bytes[80];
	size_t len = sizeof(plain), source_end = 14 + 22, ports = 14 + 40;

	if (ipv6) {
		plain[14 + 6] = 6;
		plain[14 + 8] = plain[14 + 24] = 0xfd;
		plain[ports] = 0x80;
	} else {
		len = sizeof(ipv4_udp);
		memcpy(plain, ipv4_udp, len);
		source_end = AT_SOURCE + 2;
		ports = AT_PORT;
	}
	add16(plain + source_end, i * set->address_step);
	add16(plain + ports, i * set->source_step);
	add16(plain + ports + 2, i * set->destination_step);
	return hash_of(bytes, tagged(bytes, plain, len, tags, 7));
}

static void flows_are_spread_over_queues(void **state)
{
	double worst = 1;

	for (unsigned int form = 0; form < 6 * sizeof(flow_sets) / sizeof(flow_sets[0]); form++) {
		const struct flow_set *set = &flow_sets[form / 6];
		int tags = form % 3;
		bool ipv6 = form / 3 % 2;

		for (unsigned int queues = 2; queues <= QUEUES; queues++) {
			unsigned int got[QUEUES] = {0}, most = 0, least = FLOWS;

			for (uint32_t i = 0; i < FLOWS; i++)
				got[hash_of_flow(ipv6, tags, set, i) % queues]++;
			for (unsigned int q = 0; q < queues; q++) {
				most = got[q] > most ? got[q] : most;
				least = got[q] < least ? got[q] : least;
			}
			worst = most * queues / (double)FLOWS > worst ? most * queues / (double)FLOWS : worst;
			if (most * queues * 4 > FLOWS * 5 || least * queues * 4 < FLOWS * 3)
				fail_msg("%s, IPv%d, %d tags: of %d flows one of %u queues gets %u, one %u",
					 set->name, ipv6 ? 6 : 4, tags, FLOWS, queues, most, least);
		}
	}
	print_message("the fullest queue has at most %.2f of its share\n", worst);
}

/* Any prefix of anything has a hash: heads are as short as the guest likes, and lie about their lengths. */
static void any_prefix_is_safe(void **state)
{
	uint8_t bytes[FRAME_HEAD];

	srand(2);
	for (int round = 0; round < 50000; round++) {
		static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8};
		size_t len = (size_t)rand() % (sizeof(bytes) + 1);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand();
		for (size_t at = AT_TYPE; at <= AT_TYPE + 8; at += 4) {
			uint16_t type = types[rand() % 4];

			bytes[at] = (uint8_t)(type >> 8);
			bytes[at + 1] = (uint8_t)type;
			if (type < 0x8100 || type == 0x86dd) {
				bytes[at + 2] = (uint8_t)((type == 0x0800 ? 0x40 : 0x60) | rand() % 16);
				break;
			}
		}
		hash_of(bytes, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_every_short_length),
		cmocka_unit_test(copies_head_and_body),
		cmocka_unit_test(copies_into_any_spans),
		cmocka_unit_test(copies_behind_empty_spans),
		cmocka_unit_test(hashes_what_makes_a_flow),
		cmocka_unit_test(what_is_plainly_one_flow_has_one_hash),
		cmocka_unit_test(fragments_stay_together),
		cmocka_unit_test(sees_through_tags),
		cmocka_unit_test(ipv6_and_the_rest),
		cmocka_unit_test(flows_are_spread_over_queues),
		cmocka_unit_test(any_prefix_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
