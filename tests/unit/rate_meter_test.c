/* SPDX-License-Identifier: BSD-3-Clause */
/* A meter beside a bucket that is filled and emptied step by step: what may be taken and when, at rates from the lowest to the
 * highest, by one thread and by several; and what a frame takes of a rate, beside the packets it is cut up into. */
#include <pthread.h>
#include <string.h>

#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "fg_packet.h"
#include "frame_rate.h"
#include "frame_segment.h"

enum { MODELS = 300, TAKES = 2000, N_MAX = 128, THREADS = 4 };

/* A bucket: what is in it, and debt where that is below 0. */
struct model {
	long double level, burst, rate; /* sizes, sizes, sizes a nanosecond */
	uint64_t at;
};

static void model_fill(struct model *m, uint64_t now)
{
	m->level += m->rate * (long double)(now - m->at);
	if (m->level > m->burst)
		m->level = m->burst;
	m->at = now;
}

static uint64_t dice_rate(void)
{
	static const uint64_t rates[] = {RATE_LEAST, 100, 64000, 10000000, 50000000, 999999937, 10000000000, 100000000000,
					 400000000000, 1000000000000};

	return rates[dice(sizeof(rates) / sizeof(rates[0]))];
}

static long double distance(long double from)
{
	return from < 0 ? -from : from;
}

/* What the model says may be taken of these, if rounding does not decide it: then INT32_MAX. */
static int32_t model_take(struct model *m, const uint32_t *sizes, uint16_t n, long double grain)
{
	int32_t i;

	for (i = 0; i < n && m->level > 0; i++)
		m->level -= sizes[i];
	/* The last look was at less than a step's worth. */
	if ((i < n && distance(m->level) < grain) || (i > 0 && distance(m->level + sizes[i - 1]) < grain))
		return INT32_MAX;
	return i;
}

static void takes_what_a_bucket_has(void **state)
{
	unsigned int compared = 0;

	for (unsigned int i = 0; i < MODELS; i++) {
		uint64_t rate = dice_rate(), burst_ns = (1 + dice(1000)) * NS_PER_MS, now = dice(1 << 30);
		struct model m = {.rate = (long double)rate / NS_PER_S, .at = now};
		struct rate_meter meter = {0};
		struct rate_limit limit;

		rate_limit_set(&limit, rate, burst_ns);
		m.level = m.burst = m.rate * (long double)burst_ns;
		for (unsigned int k = 0; k < TAKES; k++) {
			uint16_t n = (uint16_t)(1 + dice(N_MAX)), got;
			uint32_t sizes[N_MAX];
			int32_t want;

			now += dice(2) == 0 ? dice(1000) : dice(1 << 28);
			for (uint16_t j = 0; j < n; j++)
				sizes[j] = 1 + dice(k % 2 == 0 ? 12112 : 600000);
			model_fill(&m, now);
			/* Each take rounds by less than a step, and one of 64 in a nanosecond at most adds up. */
			want = model_take(&m, sizes, n, m.rate * (k + 2) / RATE_STEPS + 1e-6L * m.burst + 1);
			got = rate_meter_take(&meter, &limit, now, sizes, n);
			if (want == INT32_MAX)
				break; /* they are apart from here on */
			compared++;
			assert_int_equal(got, want);
		}
	}
	assert_true(compared > MODELS * 10);
}

/* Who always asks gets the rate over a second, to within a thing and the burst, and no less. */
static void keeps_the_rate_over_a_second(void **state)
{
	for (uint64_t rate = 10000000; rate <= 100000000000; rate *= 10) {
		struct rate_meter meter = {0};
		struct rate_limit limit;
		uint64_t now = 12345, end = now + NS_PER_S, taken = 0, burst_ns = 10 * NS_PER_MS;
		uint32_t sizes[N_MAX];

		rate_limit_set(&limit, rate, burst_ns);
		for (; now < end; now += 1 + dice(30000)) {
			uint16_t n = (uint16_t)(1 + dice(N_MAX));

			for (uint16_t i = 0; i < n; i++)
				sizes[i] = 8 * (84 + dice(1454));
			n = rate_meter_take(&meter, &limit, now, sizes, n);
			for (uint16_t i = 0; i < n; i++)
				taken += sizes[i];
		}
		assert_true(taken <= rate + rate / 100 + 8 * 1538 + rate / 1000);
		/* Beyond, 128 frames in 15 us are not enough. */
		if (rate <= 10000000000)
			assert_true(taken >= rate - rate / 1000);
	}
}

static void says_how_long_to_wait(void **state)
{
	for (unsigned int i = 0; i < MODELS * 10; i++) {
		uint64_t rate = dice_rate(), burst_ns = (1 + dice(1000)) * NS_PER_MS, now = dice(1 << 30), wait, worth;
		struct rate_meter meter = {0};
		struct rate_limit limit;
		const uint32_t one = 1;

		rate_limit_set(&limit, rate, burst_ns);
		rate_meter_charge(&meter, &limit, now, rate / (1 + dice(100)));
		worth = dice(2) == 0 ? 0 : burst_ns / (1 + dice(64));
		wait = rate_meter_wait_ns(&meter, &limit, now, worth);
		if (wait == 0) {
			assert_int_equal(rate_meter_take(&meter, &limit, now, &one, 1), 1);
			continue;
		}
		assert_int_equal(rate_meter_wait_ns(&meter, &limit, now + wait, worth), 0);
		if (wait > 1)
			assert_true(rate_meter_wait_ns(&meter, &limit, now + wait - 2, worth) > 0);
		if (worth == 0)
			assert_int_equal(rate_meter_take(&meter, &limit, now + wait - 2, &one, wait > 1), 0);
		assert_int_equal(rate_meter_take(&meter, &limit, now + wait, &one, 1), 1);
	}
}

static void says_how_many_it_may_be_enough_for(void **state)
{
	for (unsigned int i = 0; i < MODELS * 10; i++) {
		uint64_t rate = dice_rate(), burst_ns = (1 + dice(1000)) * NS_PER_MS, now = dice(1 << 30), enough, used_ns;
		struct rate_meter meter = {0};
		struct rate_limit limit;
		uint32_t sizes[N_MAX];
		uint16_t got;

		for (uint16_t k = 0; k < N_MAX; k++)
			sizes[k] = 672;
		rate_limit_set(&limit, rate, burst_ns);
		used_ns = burst_ns / (1 + dice(50));
		rate_meter_charge(&meter, &limit, now, (uint64_t)((unsigned __int128)rate * used_ns / NS_PER_S));
		enough = rate_meter_enough_for(&meter, &limit, now, 672);
		got = rate_meter_take(&meter, &limit, now, sizes, N_MAX);
		assert_true(got <= enough);
		/* Rounded up by the fraction of a step, and no more. */
		assert_true(got == N_MAX || enough <= got + 1 + got / 100u);
	}
}

static void what_is_given_back_may_be_taken_again(void **state)
{
	struct rate_meter meter = {0};
	struct rate_limit limit;
	const uint32_t all = 1000;

	rate_limit_set(&limit, 1000, NS_PER_S);
	assert_int_equal(rate_meter_take(&meter, &limit, NS_PER_S, &all, 1), 1);
	assert_int_equal(rate_meter_take(&meter, &limit, NS_PER_S, &all, 1), 0);
	rate_meter_give_back(&meter, &limit, 600);
	assert_int_equal(rate_meter_take(&meter, &limit, NS_PER_S, &all, 1), 1);
	assert_int_equal(rate_meter_take(&meter, &limit, NS_PER_S + NS_PER_S / 3, &all, 1), 0);
	assert_int_equal(rate_meter_take(&meter, &limit, NS_PER_S + NS_PER_S / 2, &all, 1), 1);
}

/* What a meter has to give, below 0 what it owes, in sizes: how long all of the burst takes to come says it. */
static long double left_of(const struct rate_meter *meter, const struct rate_limit *limit, uint64_t rate, uint64_t now)
{
	uint64_t burst_ns = limit->burst / RATE_STEPS, wait = rate_meter_wait_ns(meter, limit, now, burst_ns);

	return ((long double)burst_ns - (long double)wait) * (long double)rate / NS_PER_S;
}

/* What there is, or is owed, is as much under another limit, up to its burst, and what is taken meanwhile of the meter before is
 * taken of the new one. */
static void another_limit_goes_on(void **state)
{
	for (unsigned int i = 0; i < MODELS * 10; i++) {
		uint64_t rate = dice_rate(), rate_after = dice_rate(), now = dice(1 << 30);
		uint64_t burst_ns = (1 + dice(1000)) * NS_PER_MS, burst_ns_after = (1 + dice(1000)) * NS_PER_MS;
		uint64_t debt = dice(2) == 0 ? 0 : dice(1 << 20);
		struct rate_limit was, limit;
		struct rate_meter from = {0}, meter, seen;
		long double want, burst, step, least, left;

		if (dice(3) == 0) {
			rate_after = rate;
			burst_ns_after = burst_ns;
		}
		rate_limit_set(&was, rate, burst_ns);
		rate_limit_set(&limit, rate_after, burst_ns_after);
		rate_meter_charge(&from, &was, now, (uint64_t)((unsigned __int128)rate * dice(1000) / 1000) + debt);
		now += dice(1 << 30);
		rate_meter_copy(&seen, &from);
		rate_meter_carry(&meter, &limit, &seen, &was, now);
		burst = (long double)rate_after * burst_ns_after / NS_PER_S;
		want = left_of(&from, &was, rate, now);
		want = want < burst ? want : burst;
		/* No longer than a meter can be ahead. */
		least = burst - (long double)RATE_AHEAD_MOST / RATE_STEPS * rate_after / NS_PER_S;
		want = want > least ? want : least;
		/* A nanosecond of either rate, by which times are rounded, and what a limit itself is rounded by. */
		step = 2 * ((long double)rate + rate_after) / NS_PER_S + 1e-6L * burst + 1e-7L * distance(want) + 1;
		assert_true(distance(left_of(&meter, &limit, rate_after, now) - want) <= step);
		debt = want > least / 2 ? dice(1 << 16) : 0;
		rate_meter_charge(&from, &was, now + dice(1000), debt);
		now += 1000;
		rate_meter_carry_since(&meter, &limit, &from, &was, &seen, now - 1000, now);
		left = left_of(&from, &was, rate, now);
		want = left < want ? left : want;
		want = want > least ? want : least;
		step += 1000 * ((long double)rate + rate_after) / NS_PER_S;
		assert_true(distance(left_of(&meter, &limit, rate_after, now) - want) <= step);
		/* No limit owes nothing. */
		rate_meter_carry(&meter, &(struct rate_limit){0}, &from, &was, now);
		assert_int_equal(rate_meter_wait_ns(&meter, &was, now, burst_ns), 0);
		rate_meter_carry(&meter, &limit, &(struct rate_meter){0}, &(struct rate_limit){0}, now);
		assert_int_equal(rate_meter_wait_ns(&meter, &limit, now, burst_ns_after), 0);
	}
}

enum { SIZE = 1 << 19 };

/* Takes a thing now and then, or, of two, of one or the other. Returns: how much. */
static uint64_t take_until(struct rate_meter *meter, const struct rate_limit *limit, struct rate_meter *other,
			   const struct rate_limit *others, uint64_t now, uint64_t end)
{
	uint64_t taken = 0;

	for (; now < end; now += 1 + dice(3000000)) {
		bool one = other == NULL || dice(2) == 0;
		uint32_t size = 1 + dice(SIZE);

		if (rate_meter_take(one ? meter : other, one ? limit : others, now, &size, 1) == 1)
			taken += size;
	}
	return taken;
}

/* However often the limit changes, no more comes than its rates allow, each in its time, and the largest burst and a thing. While
 * it does, some take of the meter before still: of that one more. */
static void limits_that_change_add_up(void **state)
{
	enum { CHANGES = 300 };

	for (unsigned int i = 0; i < MODELS / 10; i++) {
		uint64_t now = dice(1 << 30), taken = 0;
		long double may = 0, burst_most = 0;
		struct rate_meter meter = {0};
		struct rate_limit limit;
		uint64_t rate = 64000;

		rate_limit_set(&limit, rate, NS_PER_MS);
		for (unsigned int k = 0; k < CHANGES; k++) {
			uint64_t rate_before = rate, burst_ns = (1 + dice(100)) * NS_PER_MS, end = now + dice(2) * dice(10000000);
			struct rate_limit was = limit;
			struct rate_meter from, seen;
			long double burst;

			rate = 64000 + dice(100000000);
			burst = (long double)rate * burst_ns / NS_PER_S;
			burst_most = burst > burst_most ? burst : burst_most;
			rate_meter_copy(&from, &meter);
			rate_meter_copy(&seen, &meter);
			rate_limit_set(&limit, rate, burst_ns);
			rate_meter_carry(&meter, &limit, &seen, &was, now);
			taken += take_until(&from, &was, &meter, &limit, now, end);
			rate_meter_carry_since(&meter, &limit, &from, &was, &seen, now, end);
			may += (long double)rate_before * (end - now) / NS_PER_S;
			now = end;
			end = now + dice(200000000);
			taken += take_until(&meter, &limit, NULL, NULL, now, end);
			may += (long double)rate * (end - now) / NS_PER_S;
			now = end;
			assert_true(taken <= may + burst_most + 2 * SIZE);
		}
		/* Who always asks gets most of it: what is lost is what a lower burst has no room for. */
		assert_true(taken >= may / 2);
	}
}

/* What is taken while a limit changes was allowed by the limit before: the new one does not make up for it, however much more the
 * one before let through, and however long control was kept from saying that the new one holds. */
static void a_change_makes_nobody_wait_for_long(void **state)
{
	for (unsigned int i = 0; i < MODELS; i++) {
		uint64_t rate = dice_rate(), rate_after = dice_rate(), now = NS_PER_S + dice(1 << 30), end = now + dice(50000000);
		uint64_t burst_ns = (1 + dice(1000)) * NS_PER_MS, burst_ns_after = (1 + dice(1000)) * NS_PER_MS;
		struct rate_meter from = {0}, meter, seen;
		struct rate_limit was, limit;
		uint32_t largest = 0;

		rate_limit_set(&was, rate, burst_ns);
		rate_limit_set(&limit, rate_after, burst_ns_after);
		rate_meter_copy(&seen, &from);
		rate_meter_carry(&meter, &limit, &seen, &was, now);
		for (uint64_t at = now; at < end; at += 1 + dice(1000000)) {
			uint32_t size = 1 + dice(12000);

			if (rate_meter_take(&from, &was, at, &size, 1) == 1)
				largest = size > largest ? size : largest;
		}
		rate_meter_carry_since(&meter, &limit, &from, &was, &seen, now, end);
		/* What is owed is the end of the last thing, at most. */
		assert_true(rate_meter_wait_ns(&meter, &limit, end, burst_ns_after) <=
			    burst_ns_after + (uint64_t)((long double)(largest + 1) * NS_PER_S / rate_after) + 1000);
	}
}

/* A meter is what it was however long the machine has been up, and however long ago it was taken from: also for nine years, after
 * which its time goes round. */
static void a_long_time_is_no_debt(void **state)
{
	enum { MONTHS = 120, UNTIL = 111 }; /* it goes round in the one after */
	const uint64_t month = UINT64_C(30) * 86400 * NS_PER_S;
	const uint32_t all = 1000;
	struct rate_limit limit;

	rate_limit_set(&limit, 1000, NS_PER_S);
	for (uint64_t up = 0; up <= MONTHS; up++) {
		struct rate_meter meter = {0}, unused = {0};
		uint64_t now = up * month + dice(1 << 30);

		if (up <= UNTIL) {
			assert_int_equal(rate_meter_wait_ns(&unused, &limit, now, 0), 0);
			assert_int_equal(rate_meter_enough_for(&unused, &limit, now, 1000), 1);
			assert_int_equal(rate_meter_take(&unused, &limit, now, &all, 1), 1);
			assert_int_equal(rate_meter_take(&unused, &limit, now, &all, 1), 0);
		}
		for (uint64_t idle = 0; idle <= UNTIL; idle++) {
			uint64_t later = now + idle * month;

			atomic_store(&meter.through, now * RATE_STEPS);
			rate_meter_charge(&meter, &limit, now, 3000);
			assert_int_equal(rate_meter_take(&meter, &limit, now, &all, 1), 0);
			assert_in_range(rate_meter_wait_ns(&meter, &limit, now, 0), 2 * NS_PER_S - 10, 2 * NS_PER_S + 10);
			assert_int_equal(rate_meter_take(&meter, &limit, later + 3 * NS_PER_S, &all, 1), 1);
			assert_int_equal(rate_meter_take(&meter, &limit, later + 3 * NS_PER_S, &all, 1), 0);
			assert_int_equal(rate_meter_take(&meter, &limit, later + 4 * NS_PER_S, &all, 1), 1);
		}
	}
}

/* --- several threads ---------------------------------------------------------------------------------------------- */

struct taker {
	struct rate_meter *meter;
	const struct rate_limit *limit;
	uint64_t dice, taken, largest, end_ns;
};

static void *take_all_the_time(void *arg)
{
	struct taker *t = arg;
	uint32_t sizes[8];

	for (uint64_t now = clock_ns(); now < t->end_ns; now = clock_ns()) {
		uint16_t n = (uint16_t)(1 + dice_of(&t->dice) % 8);

		for (uint16_t i = 0; i < n; i++)
			sizes[i] = 8 * (84 + dice_of(&t->dice) % 1454);
		n = rate_meter_take(t->meter, t->limit, now, sizes, n);
		for (uint16_t i = 0; i < n; i++)
			t->taken += sizes[i];
	}
	return NULL;
}

/* Together they get no more than one would; and no less, unless the machine keeps them from their work. */
static void several_threads_share_one(void **state)
{
	enum { RATE = 100000000, TRIES = 20, BURST_NS = 50000000 };
	bool enough = false;

	for (unsigned int try = 0; !enough && try < TRIES; try++) {
		struct rate_meter meter = {0};
		struct rate_limit limit;
		struct taker taker[THREADS];
		pthread_t thread[THREADS];
		uint64_t begin = clock_ns(), took, taken = 0, may;

		rate_limit_set(&limit, RATE, BURST_NS);
		rate_meter_charge(&meter, &limit, begin, RATE / (NS_PER_S / BURST_NS));
		for (int i = 0; i < THREADS; i++) {
			taker[i] = (struct taker){&meter, &limit, (uint64_t)i, 0, 0, begin + 200 * NS_PER_MS};
			assert_int_equal(pthread_create(&thread[i], NULL, take_all_the_time, &taker[i]), 0);
		}
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(thread[i], NULL), 0);
			taken += taker[i].taken;
		}
		took = clock_ns() - begin;
		may = RATE * took / NS_PER_S;
		assert_true(taken <= may + 8 * 1538);
		may = RATE / 5; /* in 200 ms */
		enough = taken >= may - may / 50;
	}
	assert_true(enough);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static void a_frame_takes_what_its_pieces_do(void **state)
{
	static uint8_t bytes[70000], head[1024];
	static struct mem_span body[1], spans[300];
	static const uint8_t mac[6] = {2};

	for (unsigned int i = 0; i < 2000; i++) {
		struct fg_packet packet = {
			.ipv6 = dice(2), .udp = dice(2), .vlans = dice(2), .tcp_flags = FG_ACK, .payload = 1 + dice(60000),
			.gso_size = (uint16_t)(dice(3) == 0 ? 0 : 1000 + dice(500)),
		};
		struct fg_vnet header;
		struct frame frame = {.head = bytes, .body = body};
		uint32_t packets = 0, bits = 0;

		if (packet.gso_size == 0)
			packet.payload = dice(1400) + 1;
		else if (packet.payload <= packet.gso_size)
			packet.payload = packet.gso_size + 1u;
		frame.len = fg_packet_build(&packet, mac, mac, bytes, &header);
		frame.head_len = (uint16_t)(frame.len < FRAME_HEAD ? frame.len : FRAME_HEAD);
		frame.body_spans = frame.len > frame.head_len;
		body[0] = (struct mem_span){bytes + frame.head_len, frame.len - frame.head_len};
		memcpy(&frame.offload, &header, sizeof(frame.offload));
		assert_true(frame_offload_check(&frame, FRAME_OFFLOADS));
		if (frame.offload.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
			packets = 1;
			bits = 8 * ((frame.len < 60 ? 60 : frame.len) + 24);
		} else {
			struct frame_cut cut;

			for (frame_cut_begin(&cut, &frame); !frame_cut_ends(&cut); packets++) {
				struct frame piece;

				frame_cut_next(&cut, &piece, head, spans);
				bits += 8 * ((piece.len < 60 ? 60 : piece.len) + 24);
			}
		}
		assert_int_equal(frame_wire_packets(&frame), packets);
		/* The last piece may be shorter than the shortest frame. */
		assert_in_range(frame_wire_bits(&frame), bits - 8 * 17, bits);
	}
}

/* Of two limits the one that is less lets through, and the other is not taken from for what stays. */
static void of_two_limits_the_lesser_counts(void **state)
{
	struct frame_meters meters = {0};
	struct frame_limits limits;
	uint8_t bytes[60] = {0};
	struct frame frame = {.head = bytes, .head_len = 60, .len = 60}, *frames[100];

	for (int i = 0; i < 100; i++)
		frames[i] = &frame;
	frame_limits_set(&limits, 672000, 100, 100 * NS_PER_MS); /* 1000 of these, or 100, a second */
	assert_int_equal(frame_limits_take(&limits, &meters, NS_PER_S, frames, 100), 10);
	frame_limits_set(&limits, 672000, 0, 100 * NS_PER_MS);
	/* A hundred, to within the one that rounding decides. */
	assert_in_range(frame_limits_take(&limits, &meters, NS_PER_S, frames, 100), 90, 91);
	frame_limits_set(&limits, 0, 0, 100 * NS_PER_MS);
	assert_false(frame_limits_are_set(&limits));
	assert_int_equal(frame_limits_take(&limits, &meters, NS_PER_S, frames, 100), 100);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(takes_what_a_bucket_has),
		cmocka_unit_test(keeps_the_rate_over_a_second),
		cmocka_unit_test(says_how_long_to_wait),
		cmocka_unit_test(says_how_many_it_may_be_enough_for),
		cmocka_unit_test(what_is_given_back_may_be_taken_again),
		cmocka_unit_test(another_limit_goes_on),
		cmocka_unit_test(limits_that_change_add_up),
		cmocka_unit_test(a_change_makes_nobody_wait_for_long),
		cmocka_unit_test(a_long_time_is_no_debt),
		cmocka_unit_test(several_threads_share_one),
		cmocka_unit_test(a_frame_takes_what_its_pieces_do),
		cmocka_unit_test(of_two_limits_the_lesser_counts),
	};

	return cmocka_run_group_tests_name("rate_meter", cases, NULL, NULL);
}
