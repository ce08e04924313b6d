/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept of drops, beside a model that keeps everything: heads of generated frames, a table that is too small, ports whose
 * numbers are used again, and a reader beside a writer. */
#include "port_drops.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "clock.h"
#include "frame.h"
#include "port.h"

enum { LCORES = 2, PORTS = 40, ROUNDS = 200000, LATER = 20000, READS_S = 2 };

static const struct port_ops no_ops;
static struct port_host host = {.lcores = LCORES};
static struct port ports[PORTS];

/* The last frame of each, and when it was the how many-th; 0: there was none. */
static struct kept {
	uint64_t order;
	uint32_t len;
	uint16_t n;
	uint8_t bytes[DROP_BYTES];
} last[PORTS][PORT_DROPS];

static void open_port(unsigned int i)
{
	const struct port_spec spec = {.name = "p", .type = "none"};

	assert_int_equal(port_init(&ports[i], &host, &no_ops, &spec, (uint16_t)i), 0);
}

static void open_ports(unsigned int n, uint64_t interval)
{
	host.drops = drop_tables_create(LCORES, interval);
	assert_non_null(host.drops);
	for (unsigned int i = 0; i < n; i++)
		open_port(i);
	memset(last, 0, sizeof(last));
}

static void close_ports(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		port_fini(&ports[i]);
	drop_tables_free(host.drops, LCORES);
}

/* A frame with 0 to 150 bytes in its head, of which some may be behind it. */
static void drop(unsigned int p, unsigned int reason, uint64_t order)
{
	static uint8_t bytes[150];
	struct frame frame = {.head = bytes, .head_len = (uint16_t)(random() % (long)sizeof(bytes))};
	struct kept *kept = &last[p][reason];

	frame.len = frame.head_len + (uint32_t)random() % 60000;
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	*kept = (struct kept){.order = order, .len = frame.len};
	kept->n = frame.head_len < DROP_BYTES ? frame.head_len : DROP_BYTES;
	memcpy(kept->bytes, bytes, kept->n);
	count_drop(&ports[p].counters[random() % LCORES], reason, 1, &frame);
}

static bool is_kept(const struct drop_seen *seen, const struct kept *kept)
{
	return seen->at != 0 && seen->len == kept->len && seen->n == kept->n && memcmp(seen->bytes, kept->bytes, kept->n) == 0;
}

static void the_last_frame_of_each_is_there(void **state)
{
	enum { FEW = 3, REASONS = 5 };
	struct drop_seen seen;

	open_ports(FEW, 0);
	for (uint64_t i = 1; i <= LATER; i++) {
		unsigned int p = (unsigned int)random() % FEW, reason = (unsigned int)random() % REASONS;
		uint64_t first;

		port_drops_read(&ports[p], reason, &seen);
		first = seen.first;
		drop(p, reason, i);
		port_drops_read(&ports[p], reason, &seen);
		assert_true(is_kept(&seen, &last[p][reason]));
		assert_true(seen.first != 0 && seen.first <= seen.last && seen.at == seen.last);
		assert_true(first == 0 || seen.first == first);
		port_drops_read(&ports[p], REASONS, &seen);
		assert_true(seen.first == 0 && seen.last == 0 && seen.at == 0);
	}
	close_ports(FEW);
}

/* Within the interval what is dropped first stays; that more was dropped, and when, is known all the same. */
static void a_head_stays_for_a_while(void **state)
{
	struct kept kept;
	struct drop_seen seen;

	open_ports(1, UINT64_MAX / 2);
	for (uint64_t i = 1; i <= 100; i++) {
		static uint8_t bytes[60];
		struct frame frame = {.head = bytes, .head_len = sizeof(bytes), .len = sizeof(bytes)};

		bytes[0] = (uint8_t)i;
		count_rx_drop(&ports[0].counters[0], RX_DROP_SOURCE, 1, &frame);
		kept = (struct kept){.len = sizeof(bytes), .n = sizeof(bytes), .bytes = {1}};
		port_drops_read(&ports[0], PORT_DROP_RX + RX_DROP_SOURCE, &seen);
		assert_true(is_kept(&seen, &kept));
		assert_true(i == 1 || seen.last > seen.at);
	}
	close_ports(1);
}

/* Frames without bytes, and counters without anything beside them. */
static void times_are_kept_without_frames(void **state)
{
	struct port_counters sum = {0};
	struct drop_seen seen;

	open_ports(1, 0);
	count_tx_drop(&sum, TX_DROP_BROKEN, 3, NULL);
	count_tx_drop(&ports[0].counters[LCORES], TX_DROP_BROKEN, 0, NULL);
	port_drops_read(&ports[0], PORT_DROP_TX + TX_DROP_BROKEN, &seen);
	assert_int_equal(seen.first, 0);
	count_tx_drop(&ports[0].counters[LCORES], TX_DROP_BROKEN, 3, NULL);
	port_drops_read(&ports[0], PORT_DROP_TX + TX_DROP_BROKEN, &seen);
	assert_true(seen.first != 0 && seen.at == 0);
	assert_int_equal(counted(&sum.tx_drop[TX_DROP_BROKEN]), 3);
	assert_int_equal(counted(&ports[0].counters[LCORES].tx_drop[TX_DROP_BROKEN]), 3);
	close_ports(1);
}

/* More ports and reasons than places: a frame may be forgotten, and is never another's or an old one. */
static void a_table_that_is_full_forgets(void **state)
{
	uint64_t there = 0;
	struct drop_seen seen;

	_Static_assert(PORTS * PORT_DROPS > LCORES * DROP_SLOTS, "more than places");
	open_ports(PORTS, 0);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		unsigned int p = (unsigned int)random() % PORTS, reason = (unsigned int)random() % PORT_DROPS;

		drop(p, reason, i);
		port_drops_read(&ports[p], reason, &seen);
		assert_true(is_kept(&seen, &last[p][reason]));
	}
	for (unsigned int p = 0; p < PORTS; p++) {
		for (unsigned int reason = 0; reason < PORT_DROPS; reason++) {
			port_drops_read(&ports[p], reason, &seen);
			there += seen.at != 0;
			/* One that an lcore has forgotten may have been after one that another has. */
			assert_true(seen.at == 0 || seen.at < seen.last || is_kept(&seen, &last[p][reason]));
		}
	}
	assert_true(there > DROP_SLOTS / 2 && there <= LCORES * DROP_SLOTS);
	close_ports(PORTS);
}

static void a_number_that_is_used_again_begins_anew(void **state)
{
	struct drop_seen seen;

	open_ports(1, 0);
	drop(0, RX_DROP_SOURCE, 1);
	drop(0, RX_DROP_ALONE, 2);
	port_fini(&ports[0]);
	open_port(0);
	port_drops_read(&ports[0], RX_DROP_SOURCE, &seen);
	assert_true(seen.first == 0 && seen.at == 0);
	count_drop(&ports[0].counters[0], RX_DROP_SOURCE, 1, NULL);
	port_drops_read(&ports[0], RX_DROP_SOURCE, &seen);
	assert_true(seen.first != 0 && seen.at == 0);
	drop(0, RX_DROP_SOURCE, 3);
	port_drops_read(&ports[0], RX_DROP_SOURCE, &seen);
	assert_true(is_kept(&seen, &last[0][RX_DROP_SOURCE]));
	close_ports(1);
}

static atomic_bool stops;

/* Frames whose bytes are all the same, and as many as that says. */
static void *keep_dropping(void *arg)
{
	static uint8_t bytes[DROP_BYTES];
	struct frame frame = {.head = bytes};

	for (uint8_t i = 1; !atomic_load(&stops); i = i == DROP_BYTES ? 1 : i + 1) {
		memset(bytes, i, sizeof(bytes));
		frame.head_len = i;
		frame.len = i;
		count_rx_drop(&ports[0].counters[0], RX_DROP_SOURCE, 1, &frame);
	}
	return arg;
}

static void a_reader_sees_whole_frames(void **state)
{
	uint64_t end = clock_ns() + READS_S * NS_PER_S, whole = 0;
	struct drop_seen seen;
	pthread_t writer;

	open_ports(1, 0);
	atomic_store(&stops, false);
	assert_int_equal(pthread_create(&writer, NULL, keep_dropping, NULL), 0);
	while (clock_ns() < end) {
		port_drops_read(&ports[0], RX_DROP_SOURCE, &seen);
		if (seen.at == 0)
			continue;
		whole++;
		assert_int_equal(seen.n, seen.len);
		for (unsigned int i = 0; i < seen.n; i++)
			assert_int_equal(seen.bytes[i], seen.n);
	}
	atomic_store(&stops, true);
	pthread_join(writer, NULL);
	port_drops_read(&ports[0], RX_DROP_SOURCE, &seen);
	assert_true(seen.at != 0 && whole > 0);
	close_ports(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_frame_of_each_is_there),
		cmocka_unit_test(a_head_stays_for_a_while),
		cmocka_unit_test(times_are_kept_without_frames),
		cmocka_unit_test(a_table_that_is_full_forgets),
		cmocka_unit_test(a_number_that_is_used_again_begins_anew),
		cmocka_unit_test(a_reader_sees_whole_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
