/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits for what comes from a VM, from 10 Mbit/s to 100 Gbit/s, with a clock of the test's own: queues of one port on several
 * lcores, each of which sends all the time, are visited when they said that they would, or up to 200 us late, by clocks that
 * differ a little. Beside them is a bucket that leaks at the rate: it is never fuller than the burst and a frame, and what has
 * come is the rate, to within a fiftieth. */
#include <string.h>

#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "frame_rate.h"

enum {
	QUEUES_MAX = 8,
	SOONEST_NS = 300,  /* between two visits of a queue that need not wait */
	LATE_NS = 200000,  /* an lcore that has slept, or has much else to do */
	SKEW_NS = 1000,	   /* between the clocks of two lcores */
	WORTH_PART = 64,   /* as lcore_pace.c has it */
	FRAMES_MOST = 2000000,
	WHOLE = 65550,
};

/* A bucket of sizes that leaks at the rate. */
struct leak {
	long double level, rate; /* sizes, sizes a nanosecond */
	uint64_t at;
};

static void leak_until(struct leak *leak, uint64_t now)
{
	if (now <= leak->at)
		return;
	leak->level -= leak->rate * (now - leak->at);
	leak->level = leak->level > 0 ? leak->level : 0;
	leak->at = now;
}

struct queue {
	uint64_t at;   /* of its next visit */
	uint64_t skew; /* of its lcore's clock */
	bool took;
	struct frame frame[BURST_MAX];
};

struct range {
	uint64_t bits, packets, burst_ns, took_ns;
	uint32_t len; /* of all frames; 0: of all lengths */
	unsigned int queues;
	uint32_t late;
};

static uint8_t head[FRAME_HEAD];

/* The next n that its guest has. */
static void post(const struct range *range, struct queue *q, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = range->len != 0 ? range->len : dice(8) == 0 ? 2000 + dice(60000) : 60 + dice(1455);
		struct frame *frame = &q->frame[i];

		*frame = (struct frame){.head = head, .head_len = FRAME_HEAD, .len = len};
		if (len > 1514) {
			frame->offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			frame->offload.gso_size = 1448;
			frame->offload.hdr_len = 66;
		}
	}
}

struct meter_run {
	struct frame_limits limits;
	struct frame_meters meters;
	struct leak bits, packets;
	uint64_t taken_bits, taken_packets;
};

static void account(struct meter_run *run, const struct queue *q, uint16_t n, uint64_t now)
{
	uint64_t bits = 0, packets = 0, last_bits = 0, last_packets = 0;

	for (uint16_t i = 0; i < n; i++) {
		bits += last_bits = frame_wire_bits(&q->frame[i]);
		packets += last_packets = frame_wire_packets(&q->frame[i]);
	}
	leak_until(&run->bits, now);
	leak_until(&run->packets, now);
	run->bits.level += bits;
	run->packets.level += packets;
	/* Beyond the burst by the last frame, and by what the clocks differ. */
	if (run->bits.rate > 0)
		assert_true(run->bits.level <= run->bits.rate * (run->limits.burst_ns + 2 * SKEW_NS) + last_bits + 1);
	if (run->packets.rate > 0)
		assert_true(run->packets.level <= run->packets.rate * (run->limits.burst_ns + 2 * SKEW_NS) + last_packets + 1);
	run->taken_bits += bits;
	run->taken_packets += packets;
}

/* A visit, as lcore_pace.c and vnet_receive_within() make it. */
static void visit(const struct range *range, struct meter_run *run, struct queue *q)
{
	struct frame_allowance allowance = {
		.meters = &run->meters,
		.limits = &run->limits,
		.now_ns = q->at + q->skew,
		.worth_ns = run->limits.burst_ns / WORTH_PART * (q->took ? 2 : 1),
	};
	uint16_t n = frame_allowance_begin(&allowance, BURST_MAX);

	if (allowance.wait_ns > 0) {
		assert_int_equal(n, 0);
		q->took = false;
		q->at += allowance.wait_ns + dice(range->late);
		return;
	}
	assert_true(n > 0);
	post(range, q, n);
	n = frame_allowance_take(&allowance, q->frame, n);
	account(run, q, n, q->at + q->skew);
	q->took |= n > 0;
	q->at += SOONEST_NS + dice(SOONEST_NS);
}

static struct queue *next_of(struct queue *queue, unsigned int n)
{
	struct queue *next = &queue[0];

	for (unsigned int i = 1; i < n; i++)
		if (queue[i].at < next->at)
			next = &queue[i];
	return next;
}

/* How much of a rate came, of what may have. */
static double share_of(uint64_t taken, uint64_t rate, uint64_t ns)
{
	return rate == 0 ? 0 : (double)taken / ((double)rate * (double)ns / NS_PER_S);
}

static void run_range(const struct range *range)
{
	static struct queue queue[QUEUES_MAX];
	static struct meter_run run;
	uint64_t begin = (uint64_t)dice(1 << 30) + 1, from = begin + 2 * range->burst_ns, end = from + range->took_ns, now;
	uint32_t most = range->len != 0 ? range->len : WHOLE;
	double bits, packets, slack;

	memset(&run, 0, sizeof(run));
	memset(queue, 0, sizeof(queue));
	frame_limits_set(&run.limits, range->bits, range->packets, range->burst_ns);
	run.bits = (struct leak){.rate = (long double)range->bits / NS_PER_S, .at = begin};
	run.packets = (struct leak){.rate = (long double)range->packets / NS_PER_S, .at = begin};
	for (unsigned int i = 0; i < range->queues; i++) {
		queue[i].at = begin + dice(LATE_NS);
		queue[i].skew = dice(SKEW_NS);
	}
	for (bool measured = false; (now = next_of(queue, range->queues)->at) < end;) {
		if (!measured && now >= from) {
			measured = true;
			from = now;
			run.taken_bits = run.taken_packets = 0;
		}
		visit(range, &run, next_of(queue, range->queues));
	}
	bits = share_of(run.taken_bits, range->bits, end - from);
	packets = share_of(run.taken_packets, range->packets, end - from);
	/* 2 %, or a frame; what was there when the measurement began, or is there when it ends, is another worth at most. */
	slack = 8.8 * (most + 24) / (double)(range->bits != 0 ? range->bits : 12000 * range->packets);
	slack *= (double)NS_PER_S / (double)range->took_ns;
	if ((bits > packets ? bits : packets) < 0.98 - slack || bits > 1.02 + slack || packets > 1.02 + slack)
		fail_msg("%llu bits, %llu packets, burst %llu ns, %u queues, length %u: %.4f and %.4f of it",
			 (unsigned long long)range->bits, (unsigned long long)range->packets, (unsigned long long)range->burst_ns,
			 range->queues, range->len, bits, packets);
}

/* As long as some frames take, and a second at most. */
static uint64_t time_for(uint64_t bits, uint64_t packets, uint32_t len)
{
	uint64_t a_second = bits != 0 ? bits / 8 / (len == 0 ? 300 : len + 24u) : packets;

	return a_second <= FRAMES_MOST ? NS_PER_S : (uint64_t)((double)NS_PER_S * FRAMES_MOST / (double)a_second);
}

static const uint32_t lens[] = {60, 1514, WHOLE, 0};

static void run_bursts(uint64_t bits, uint64_t packets, uint32_t len)
{
	static const uint64_t bursts_ms[] = {1, 10, 100};

	for (unsigned int i = 0; i < sizeof(bursts_ms) / sizeof(bursts_ms[0]); i++) {
		struct range range = {
			.bits = bits,
			.packets = packets,
			.len = len,
			.burst_ns = bursts_ms[i] * NS_PER_MS,
			.queues = i == 0 ? 1 : 1 + dice(QUEUES_MAX),
			.took_ns = time_for(bits, packets, len),
			.late = LATE_NS,
		};

		if (range.took_ns < 3 * range.burst_ns)
			range.took_ns = 3 * range.burst_ns;
		run_range(&range);
	}
}

static void bits_are_kept(void **state)
{
	for (uint64_t rate = 10000000; rate <= UINT64_C(100000000000); rate *= 10)
		for (unsigned int l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
			run_bursts(rate, 0, lens[l]);
}

static void packets_are_kept(void **state)
{
	for (uint64_t rate = 1000; rate <= 100000000; rate *= 10)
		for (unsigned int l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
			run_bursts(0, rate, lens[l]);
}

/* The lesser of the two is kept, and the other one not exceeded. */
static void both_are_kept(void **state)
{
	for (uint64_t rate = 10000000; rate <= UINT64_C(100000000000); rate *= 10)
		for (unsigned int l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
			run_bursts(rate, rate / (1000 + dice(20000)), lens[l]);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(bits_are_kept),
		cmocka_unit_test(packets_are_kept),
		cmocka_unit_test(both_are_kept),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
