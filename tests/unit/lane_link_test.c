/* SPDX-License-Identifier: BSD-3-Clause */
/* The link between the switch and a lane: memory that cannot be taken away, two threads that pass frames through it in both
 * directions, and its end: what is left, and how many frames that is. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "burst.h"
#include "cases.h"
#include "lane_link.h"

enum { STRESS_FRAMES = 100000 };

static struct lane_link *link_;

static int begin(void **state)
{
	link_ = lane_link_create();
	return link_ != NULL ? 0 : -1;
}

static int end(void **state)
{
	lane_link_destroy(link_);
	lane_link_destroy(NULL);
	return 0;
}

/* The frame number i: its length and every byte follow from the number. */
static uint32_t len_of(uint32_t i)
{
	return 14 + (i * UINT32_C(2654435761) >> 12) % (i % 64 == 0 ? 9000 : 600);
}

static uint8_t byte_of(uint32_t i)
{
	return (uint8_t)(i ^ i >> 8);
}

static bool send_number(struct lane_producer *producer, uint32_t i)
{
	uint8_t bytes[9014];
	struct frame frame = {.head = bytes, .len = len_of(i)};
	const struct mem_span body = {.at = bytes + FRAME_HEAD, .len = frame.len - FRAME_HEAD};
	struct frame *frames[] = {&frame};

	memset(bytes, byte_of(i), frame.len);
	memcpy(bytes, &i, sizeof(i));
	frame.head_len = (uint16_t)(frame.len < FRAME_HEAD ? frame.len : FRAME_HEAD);
	frame.body = &body;
	frame.body_spans = frame.len > FRAME_HEAD;
	return lane_send(producer, frames, 1) == 1;
}

static bool is_number(const struct frame *frame, uint32_t i)
{
	uint8_t bytes[FRAME_LEN_MAX];
	bool same = frame->len == len_of(i);

	if (!same)
		return false;
	frame_copy(frame, bytes);
	same = memcmp(bytes, &i, sizeof(i)) == 0;
	for (uint32_t at = sizeof(i); at < frame->len; at++)
		same &= bytes[at] == byte_of(i);
	return same;
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void memory_cannot_be_taken_away(void **state)
{
	assert_int_equal(ftruncate(link_->memory_fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(link_->memory_fd, (off_t)sizeof(struct lane_shared) * 2), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(link_->memory_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EPERM);
	/* Not even a hole. */
	atomic_store(&link_->shared->len_max, 1500);
	assert_int_equal(counted(&link_->shared->counters.tx_ok), 0);
}

/* --- two threads ------------------------------------------------------------------------------------------------- */

struct end_of_link {
	struct lane_producer *out;
	struct lane_consumer *in;
	uint32_t wrong;
};

/* Sends and receives all the frames, in whatever turns the scheduler allows. */
static void *exchange(void *arg)
{
	struct end_of_link *mine = arg;
	struct burst *burst = burst_new();
	uint32_t sent = 0, got = 0;

	while (sent < STRESS_FRAMES || got < STRESS_FRAMES) {
		uint32_t before = sent + got;

		for (int i = 0; i < 8 && sent < STRESS_FRAMES && send_number(mine->out, sent); i++)
			sent++;
		if (lane_receive(mine->in, burst, BURST_MAX) == 0 && sent + got == before)
			sched_yield();
		for (uint16_t i = 0; i < burst->n; i++, got++)
			mine->wrong += !is_number(&burst->frame[i], got);
		if (burst->n > 0)
			lane_done(mine->in);
		if (mine->in->broken)
			break;
	}
	free(burst);
	return NULL;
}

static void frames_both_ways(void **state)
{
	struct lane_producer from_guest = {.ring = &link_->shared->from_guest};
	struct lane_consumer to_guest = {.ring = &link_->shared->to_guest};
	struct end_of_link here = {.out = &link_->to_guest, .in = &link_->from_guest};
	struct end_of_link there = {.out = &from_guest, .in = &to_guest};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, exchange, &there), 0);
	exchange(&here);
	pthread_join(thread, NULL);
	assert_int_equal(here.wrong, 0);
	assert_int_equal(there.wrong, 0);
	assert_false(link_->from_guest.broken);
	assert_false(to_guest.broken);
	assert_int_equal(link_->to_guest.frames, STRESS_FRAMES);
	assert_true(lane_link_passed_on(link_));
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void what_the_lane_left_is_there(void **state)
{
	struct lane_consumer lane = {.ring = &link_->shared->to_guest};
	uint32_t got = 0;

	for (uint32_t i = 0; i < 3 * BURST_MAX; i++)
		assert_true(send_number(&link_->to_guest, i));
	assert_int_equal(lane_receive(&lane, link_->rest_burst, BURST_MAX), BURST_MAX);
	lane_done(&lane);
	/* taken, but not given back: not delivered */
	assert_int_equal(lane_receive(&lane, link_->rest_burst, BURST_MAX), BURST_MAX);
	lane_link_end(link_);
	assert_true(atomic_load(&link_->ended));
	while (lane_receive(&link_->rest, link_->rest_burst, BURST_MAX) > 0) {
		for (uint16_t i = 0; i < link_->rest_burst->n; i++, got++)
			assert_true(is_number(&link_->rest_burst->frame[i], BURST_MAX + got));
		lane_done(&link_->rest);
	}
	assert_int_equal(got, 2 * BURST_MAX);
	assert_true(lane_empty(&link_->rest));
}

/* A lane leaves its index where it likes: where no record can be nothing is read, not even the bytes of one. */
static void an_index_of_the_lanes_own_making(void **state)
{
	static const uint64_t tails[] = {1, 8, 31, LANE_RING_BYTES - 8, LANE_RING_BYTES - 1, UINT64_MAX,
					 LANE_RING_BYTES, 1 << 30, UINT64_MAX - 31};

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		assert_true(send_number(&link_->to_guest, (uint32_t)i));
		atomic_store(&link_->shared->to_guest.tail, tails[i]);
		lane_link_end(link_);
		assert_int_equal(link_->rest.broken, tails[i] % LANE_RECORD_ALIGN != 0);
		assert_int_equal(lane_receive(&link_->rest, link_->rest_burst, BURST_MAX), 0);
		assert_true(link_->rest.broken);
		assert_true(lane_empty(&link_->rest));
		atomic_store(&link_->shared->to_guest.tail, 0);
	}
}

static void how_many_were_not_delivered(void **state)
{
	struct port_counters *lane = &link_->shared->counters;

	assert_int_equal(lane_link_undelivered(link_), 0);
	for (uint32_t i = 0; i < 10; i++)
		assert_true(send_number(&link_->to_guest, i));
	assert_int_equal(lane_link_undelivered(link_), 10);
	atomic_store(&lane->tx_ok, 3);
	atomic_store(&lane->tx_drop[TX_DROP_NO_BUFFER], 2);
	atomic_store(&lane->tx_drop[TX_DROP_TOO_BIG], 1);
	assert_int_equal(lane_link_undelivered(link_), 4);
	/* One was cut up for a guest that takes none so long: what it became counts once. */
	atomic_store(&lane->tx_segmented, 1);
	atomic_store(&lane->tx_segments, 44);
	atomic_store(&lane->tx_ok, 48);
	assert_int_equal(lane_link_undelivered(link_), 3);
	/* One that says that it delivered more than it was given. */
	atomic_store(&lane->tx_ok, 1000);
	assert_int_equal(lane_link_undelivered(link_), 0);
	atomic_store(&lane->tx_ok, UINT64_MAX);
	atomic_store(&lane->tx_drop[TX_DROP_BROKEN], UINT64_MAX);
	assert_in_range(lane_link_undelivered(link_), 0, 10);
}

static void what_the_guest_sent_is_passed_on(void **state)
{
	struct lane_producer lane = {.ring = &link_->shared->from_guest};

	assert_true(lane_link_passed_on(link_));
	assert_true(send_number(&lane, 1));
	assert_false(lane_link_passed_on(link_));
	assert_int_equal(lane_receive(&link_->from_guest, link_->rest_burst, BURST_MAX), 1);
	assert_false(lane_link_passed_on(link_));
	lane_done(&link_->from_guest);
	assert_true(lane_link_passed_on(link_));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_cannot_be_taken_away, begin, end),
		cmocka_unit_test_setup_teardown(frames_both_ways, begin, end),
		cmocka_unit_test_setup_teardown(what_the_lane_left_is_there, begin, end),
		cmocka_unit_test_setup_teardown(an_index_of_the_lanes_own_making, begin, end),
		cmocka_unit_test_setup_teardown(how_many_were_not_delivered, begin, end),
		cmocka_unit_test_setup_teardown(what_the_guest_sent_is_passed_on, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
