/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of any length go through the ring once, whole and in order; what is held is not seen, what is skipped never is. */
#include "capture_ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

enum { RECORDS = 200000, KEPT = 1 << 17 };

static struct capture_ring *ring;

static int open_ring(void **state)
{
	ring = aligned_alloc(LINE_BYTES, sizeof(*ring));
	return ring != NULL ? capture_ring_init(ring) : -1;
}

static int close_ring(void **state)
{
	capture_ring_fini(ring);
	free(ring);
	return 0;
}

static void fill(struct capture_record *record, uint32_t number, uint32_t n)
{
	record->n = n;
	record->len = number;
	memset(record->bytes, (int)(number & 0xff), n);
}

static void check(const struct capture_record *record, uint32_t number)
{
	assert_int_equal(record->len, number);
	for (uint32_t i = 0; i < record->n; i++)
		assert_int_equal(record->bytes[i], number & 0xff);
}

static void what_is_held_is_not_seen(void **state)
{
	struct capture_record *record;

	ring->held = true;
	for (uint32_t i = 0; i < 4; i++) {
		record = capture_ring_claim(ring, 100 * i);
		assert_non_null(record);
		fill(record, i, 100 * i);
		capture_ring_publish(ring);
		assert_null(capture_ring_next(ring));
		record->skip = i == 1;
	}
	ring->held = false;
	capture_ring_publish(ring);
	for (uint32_t i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		check(capture_ring_next(ring), i);
		capture_ring_done(ring, capture_ring_next(ring));
	}
	assert_null(capture_ring_next(ring));
}

/* Generated: beside a list of what is in it. A ring refuses only what has no room, and takes it again when there is. */
static void as_the_model(void **state)
{
	static uint32_t number[KEPT], bytes[KEPT];
	uint32_t first = 0, next = 0, refused = 0, skipped = 0;
	uint64_t used = 0;

	srandom(7);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint32_t n = random() % 8 == 0 ? (uint32_t)random() % 65550 : (uint32_t)random() % 200;
		struct capture_record *record;

		if (random() % 100 < 55) {
			record = capture_ring_claim(ring, n);
			if (record == NULL) {
				/* All but one record of the longest, what fills up the end twice, and what is not told yet. */
				assert_true(used + 3 * (65550 + sizeof(*record)) + CAPTURE_TAIL_STEP > CAPTURE_RING_BYTES);
				assert_null(capture_ring_claim(ring, 0));
				capture_ring_publish(ring);
				refused++;
				continue;
			}
			fill(record, i, n);
			record->skip = random() % 10 == 0;
			capture_ring_publish(ring);
			used += record->size;
			/* It goes with the next one that is taken. */
			skipped += record->size;
			if (record->skip)
				continue;
			number[next % KEPT] = i;
			bytes[next++ % KEPT] = skipped;
			skipped = 0;
		} else if (first < next) {
			record = capture_ring_next(ring);
			assert_non_null(record);
			check(record, number[first % KEPT]);
			used -= bytes[first++ % KEPT];
			capture_ring_done(ring, record);
		}
	}
	assert_true(refused > 100);
	for (; first < next; first++) {
		check(capture_ring_next(ring), number[first % KEPT]);
		capture_ring_done(ring, capture_ring_next(ring));
	}
	assert_null(capture_ring_next(ring));
}

static void *produce(void *arg)
{
	for (uint32_t i = 0; i < RECORDS;) {
		struct capture_record *record = capture_ring_claim(ring, i % 1500);

		if (record == NULL) {
			capture_ring_publish(ring);
			continue;
		}
		fill(record, i, i % 1500);
		i++;
		if (i % 7 == 0 || i == RECORDS)
			capture_ring_publish(ring);
	}
	return arg;
}

static void two_threads(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, produce, NULL), 0);
	for (uint32_t i = 0; i < RECORDS;) {
		struct capture_record *record = capture_ring_next(ring);

		if (record == NULL)
			continue;
		check(record, i++);
		capture_ring_done(ring, record);
	}
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_held_is_not_seen, open_ring, close_ring),
		cmocka_unit_test_setup_teardown(as_the_model, open_ring, close_ring),
		cmocka_unit_test_setup_teardown(two_threads, open_ring, close_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
