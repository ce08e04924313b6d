/* SPDX-License-Identifier: BSD-3-Clause */
/* One guest sends as fast as it can what costs the switch most: broadcast to 16, unicast that nobody has, TCP in large pieces
 * to guests that take none; and what costs least, to one, from a ring that is never empty. Two victims on another bridge, of the
 * same lcore, lose nothing and are never kept waiting for long; what is left to them is printed.
 */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fg_net.h"

enum {
	TAKERS = 16,
	RING = 256,
	MEMORY = 4 << 20,
	/* Pieces of which the median is judged: a machine that others use may take the lcore's CPU away in some of them. */
	PIECES = 9,
	PIECE_MS = 150,
	/* The longest round of an lcore, in the median. */
	ROUND_US = 100000,
	SEGMENT = 1448,
	HEADER = 12,
	LARGE = 60000,
};

/* A guest whose buffers all come back to the ring by themselves: each slot is a descriptor that stays as it is. */
struct flooded {
	struct fg_memory mem;
	struct fg_session s;
	struct fg_ring *rx, *tx;
};

static struct flooded sender, taker[TAKERS];
static struct fg_victims victims;
static atomic_bool stops;
static uint64_t flooded;

static void flooded_open(struct flooded *f, const char *port, uint64_t features)
{
	const struct fg_options opt = {.features = features, .ring_size = RING};

	memset(f, 0, sizeof(*f));
	fg_memory_init(&f->mem);
	assert_true(fg_memory_add(&f->mem, GUEST_GPA, MEMORY) >= 0);
	OK(fg_session_open(&f->s, fg_switch_socket(&fixture.sw, port), &f->mem, &opt));
	OK(fg_session_start(&f->s));
	f->rx = &f->s.ring[0];
	f->tx = &f->s.ring[1];
}

/* The upper half of the memory is for buffers. */
static uint64_t buffer_gpa(unsigned int i)
{
	return GUEST_GPA + MEMORY / 2 + i * 4096ull;
}

static void give_buffers(struct flooded *f)
{
	for (uint16_t i = 0; i < RING; i++) {
		fg_ring_desc(f->rx, i, buffer_gpa(i), 2048, FG_DESC_WRITE, 0);
		f->rx->avail->ring[i] = i;
	}
}

/* All that came back is there again. */
static void give_again(struct fg_ring *ring)
{
	__atomic_store_n(&ring->avail->idx, (uint16_t)(fg_ring_used_idx(ring) + RING), __ATOMIC_RELEASE);
}

static void *flood(void *arg)
{
	uint16_t seen = fg_ring_used_idx(sender.tx);

	(void)arg;
	while (!atomic_load_explicit(&stops, memory_order_relaxed)) {
		uint16_t now;

		for (unsigned int i = 0; i < TAKERS; i++)
			give_again(taker[i].rx);
		now = fg_ring_used_idx(sender.tx);
		flooded += (uint16_t)(now - seen);
		seen = now;
		give_again(sender.tx);
		fg_ring_kick(sender.tx);
	}
	return NULL;
}

/* The same frame in every slot of its ring: its header, and what is said before it. */
static void prepare(struct flooded *f, const struct fg_vnet *header, const uint8_t *frame, size_t len)
{
	uint8_t *at = fg_memory_ptr(&f->mem, buffer_gpa(RING), HEADER + len);

	assert_non_null(at);
	memset(at, 0, HEADER);
	memcpy(at, header, sizeof(*header));
	memcpy(at + HEADER, frame, len);
	for (uint16_t i = 0; i < RING; i++) {
		fg_ring_desc(f->tx, i, buffer_gpa(RING), (uint32_t)(HEADER + len), 0, 0);
		f->tx->avail->ring[i] = i;
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The victims' frames a second, and the median of an lcore's longest round in each piece, in microseconds. */
static double victims_rate(double *median_us)
{
	double longest[PIECES], took;
	uint64_t from = fg_now_us();

	OK(fg_victims_run(&victims));
	for (int i = 0; i < PIECES; i++) {
		fg_longest_round_us(&fixture.sw, true);
		fg_sleep_us(PIECE_MS * 1000);
		longest[i] = fg_longest_round_us(&fixture.sw, false);
	}
	OK(fg_victims_pause(&victims));
	took = (double)(fg_now_us() - from) / 1e6;
	qsort(longest, PIECES, sizeof(longest[0]), by_size);
	*median_us = longest[PIECES / 2];
	return (double)victims.frames / took;
}

static void assert_victims_beside(const char *what)
{
	double quiet_us, flood_us, quiet, rate;
	uint64_t quiet_gap_us, quiet_own_us, from;
	pthread_t thread;

	quiet = victims_rate(&quiet_us);
	quiet_gap_us = victims.longest_us;
	quiet_own_us = victims.longest_own_us;
	flooded = 0;
	from = fg_now_us();
	atomic_store(&stops, false);
	assert_int_equal(pthread_create(&thread, NULL, flood, NULL), 0);
	rate = victims_rate(&flood_us);
	atomic_store(&stops, true);
	pthread_join(thread, NULL);
	print_message("%s: %.0f a second; %.0f frames a second of the victims, %.0f without; longest round in the median "
		      "%.2f ms, %.2f without\n",
		      what, (double)flooded / ((double)(fg_now_us() - from) / 1e6), rate, quiet, flood_us / 1e3, quiet_us / 1e3);
	tell_gaps(&victims, quiet_gap_us, quiet_own_us);
	assert_true(flooded > 0);
	if (flood_us > ROUND_US)
		fail_msg("%s: rounds of an lcore took %.1f ms in the median", what, flood_us / 1e3);
}

/* It sends one frame, so the switch knows its address. */
static void introduce(struct flooded *f, const uint8_t address[6])
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	memcpy(frame + 6, address, 6);
	prepare(f, &(struct fg_vnet){.flags = 0}, frame, sizeof(frame));
	__atomic_store_n(&f->tx->avail->idx, 1, __ATOMIC_RELEASE);
	fg_ring_kick_now(f->tx);
	while (fg_ring_used_idx(f->tx) != 1) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(1000);
	}
}

/* `from`: an address that the first of the takers has told before, or NULL. */
static void flood_with(const char *what, const struct fg_vnet *header, const uint8_t *frame, size_t len, const uint8_t *from)
{
	char port[8];

	flooded_open(&sender, "h0", FG_F_VERSION_1 | FG_F_CSUM | FG_F_HOST_TSO4);
	for (unsigned int i = 0; i < TAKERS; i++) {
		snprintf(port, sizeof(port), "g%u", i);
		flooded_open(&taker[i], port, FG_F_VERSION_1);
		give_buffers(&taker[i]);
	}
	prepare(&sender, header, frame, len);
	if (from != NULL)
		introduce(&taker[0], from);
	assert_victims_beside(what);
	fg_session_close(&sender.s);
	fg_memory_fini(&sender.mem);
	for (unsigned int i = 0; i < TAKERS; i++) {
		fg_session_close(&taker[i].s);
		fg_memory_fini(&taker[i].mem);
	}
}

static void broadcast(void **state)
{
	uint8_t frame[1514] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0x77, 1, 0x88, 0xb5};

	flood_with("broadcast to 16", &(struct fg_vnet){.flags = 0}, frame, sizeof(frame), NULL);
}

static void unicast_that_nobody_has(void **state)
{
	uint8_t frame[60] = {2, 0, 0, 0, 0x99, 9, 2, 0, 0, 0, 0x77, 2, 0x88, 0xb5};

	flood_with("unknown unicast to 16", &(struct fg_vnet){.flags = 0}, frame, sizeof(frame), NULL);
}

static void a_ring_that_is_always_full(void **state)
{
	static const uint8_t address[6] = {2, 0, 0, 0, 0x77, 9};
	uint8_t frame[60] = {2, 0, 0, 0, 0x77, 9, 2, 0, 0, 0, 0x77, 4, 0x88, 0xb5};

	flood_with("a ring that is always full, to one", &(struct fg_vnet){.flags = 0}, frame, sizeof(frame), address);
}

static void large_tcp_to_plain_guests(void **state)
{
	const struct fg_packet packet = {.payload = LARGE, .gso_size = SEGMENT};
	struct fg_vnet header = {.flags = 0};
	static uint8_t frame[LARGE + 256];
	const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, own[6] = {2, 0, 0, 0, 0x77, 3};
	uint32_t len = fg_packet_build(&packet, all, own, frame, &header);

	flood_with("TCP of 60 000 bytes to 16 plain guests", &header, frame, len, NULL);
}

static int begin(void **state)
{
	return fg_victims_start(&victims, &fixture.sw, "v0", "v1");
}

static int end(void **state)
{
	fg_victims_stop(&victims);
	return 0;
}

int main(void)
{
	static const char *const ports[] = {
		"v0,bridge=br1", "v1,bridge=br1", "h0", "g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9",
		"g10", "g11", "g12", "g13", "g14", "g15", NULL,
	};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(broadcast, begin, end),
		cmocka_unit_test_setup_teardown(unicast_that_nobody_has, begin, end),
		cmocka_unit_test_setup_teardown(a_ring_that_is_always_full, begin, end),
		cmocka_unit_test_setup_teardown(large_tcp_to_plain_guests, begin, end),
	};

	return fixture_main_on(&opt, "flood", CASES(cases));
}
