/* SPDX-License-Identifier: BSD-3-Clause */
#include "pump_work.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "fg_clock.h"

enum { DRAIN_MS = 2000, ARRIVE_MS = 1000 };
#define AS_FAST_AS_IT_GOES 0.0
#define NOTHING		   -1.0

struct tally {
	uint64_t frames, lost, disorder;
	double seconds, cpu_seconds;
};

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What all lanes have seen so far. */
static struct tally look(const struct pump *p)
{
	struct tally t = {.seconds = seconds_of(CLOCK_MONOTONIC), .cpu_seconds = seconds_of(CLOCK_THREAD_CPUTIME_ID)};

	for (unsigned int i = 0; i < p->party.guests; i++) {
		t.frames += p->lane[i].received;
		t.lost += p->lane[i].lost;
		t.disorder += p->lane[i].disorder;
	}
	return t;
}

/* One look at a lane, which may send @most frames. Returns whether there was anything to do, or -EPROTO. */
static int serve(struct pump_lane *lane, uint32_t most)
{
	int sent = 0, taken = pump_lane_take(lane);

	if (taken >= 0 && most > 0)
		sent = pump_lane_send(lane, most);
	return taken < 0 ? taken : sent < 0 ? sent : taken + sent > 0;
}

/* What a lane may send now: all there is room for, nothing, or what its share of the rate allows by now. */
static uint32_t allowed(const struct pump *p, unsigned int lane, double mpps, const uint64_t *base, uint64_t ticks)
{
	uint64_t due, sent = p->lane[lane].sent - base[lane];

	if (mpps <= 0)
		return mpps < 0 ? 0 : UINT32_MAX;
	due = (uint64_t)(((double)ticks / p->party.ticks_per_ns * mpps * 1e-3 + (double)lane) / p->party.guests);
	return due > sent ? (uint32_t)(due - sent) : 0;
}

/* Looks at lanes whose time it is, for @ms. Adds to @busy the ticks in which there was work. */
static int run_for(struct pump *p, unsigned int ms, double mpps, uint64_t *busy)
{
	uint64_t began = pump_ticks(), now = began, base[PUMP_GUESTS_MAX];
	int64_t deadline = fg_deadline((int)ms);

	for (unsigned int i = 0; i < p->party.guests; i++)
		base[i] = p->lane[i].sent;
	for (unsigned int round = 1; round % 64 != 0 || fg_left_ms(deadline) > 0; round++) {
		for (unsigned int i = 0; i < p->party.guests; i++) {
			uint64_t after;
			int did;

			if (now - p->lane[i].looked < p->party.interval)
				continue;
			p->lane[i].looked = now;
			did = serve(&p->lane[i], allowed(p, i, mpps, base, now - began));
			if (did < 0)
				return did;
			after = pump_ticks();
			*busy += did ? after - now : 0;
			now = after;
		}
		now = pump_watch_here(&p->watch);
	}
	return 0;
}

/* Until everything has arrived, or will not any more: then it is lost. */
static int drain(struct pump *p)
{
	int64_t deadline = fg_deadline(DRAIN_MS);
	uint64_t left = 1, busy = 0;
	int err = 0;

	while (err == 0 && left > 0 && fg_left_ms(deadline) > 0) {
		err = run_for(p, 1, NOTHING, &busy);
		left = 0;
		for (unsigned int i = 0; i < p->party.guests; i++)
			left += pump_lane_on_way(&p->lane[i]);
	}
	for (unsigned int i = 0; i < p->party.guests; i++)
		p->lane[i].lost += pump_lane_on_way(&p->lane[i]);
	return err;
}

static void count_time(void *context, uint64_t sent)
{
	pump_watch_count(context, sent);
}

/* Frames of @len bytes from now on; with @timed they carry the time. */
static void set_lanes(struct pump *p, uint32_t len, bool timed)
{
	for (unsigned int i = 0; i < p->party.guests; i++) {
		if (p->lane[i].len != len)
			pump_lane_set(&p->lane[i], len);
		p->lane[i].timed = timed ? count_time : NULL;
		p->lane[i].context = &p->watch;
	}
}

/* What a window was: @before and @after it, and @end when nothing was on its way any more. */
static void print_window(const struct pump *p, uint32_t len, const struct tally *before, const struct tally *after,
			 double busy)
{
	const struct tally end = look(p);
	double seconds = after->seconds - before->seconds;

	printf("{\"bytes\": %u, \"mpps\": %.5f, \"frames\": %llu, \"seconds\": %.6f, \"busy\": %.4f, \"share\": %.4f, "
	       "\"lost\": %llu, \"disorder\": %llu",
	       len, (double)(after->frames - before->frames) / seconds * 1e-6,
	       (unsigned long long)(after->frames - before->frames), seconds, busy,
	       (after->cpu_seconds - before->cpu_seconds) / seconds, (unsigned long long)(end.lost - before->lost),
	       (unsigned long long)(end.disorder - before->disorder));
	if (p->watch.times != NULL) {
		printf(", \"untimed\": %llu, \"ns\": ", (unsigned long long)p->watch.untimed);
		histogram_print(p->watch.times, stdout);
	}
	printf("}\n");
}

static int window(struct pump *p, uint32_t len, double mpps, unsigned int warm_ms, unsigned int ms,
		  struct histogram *times)
{
	struct tally before, after;
	uint64_t busy = 0, ticks;
	int err;

	set_lanes(p, len, times != NULL);
	err = run_for(p, warm_ms, mpps, &busy);
	busy = 0;
	p->watch.times = times;
	p->watch.untimed = 0;
	ticks = pump_ticks();
	before = look(p);
	if (err == 0)
		err = run_for(p, ms, mpps, &busy);
	after = look(p);
	ticks = pump_ticks() - ticks;
	if (err == 0)
		err = drain(p);
	if (err == 0)
		print_window(p, len, &before, &after, (double)busy / (double)ticks);
	p->watch.times = NULL;
	return err;
}

int pump_run(struct pump *p, uint32_t len, unsigned int warm_ms, unsigned int ms)
{
	return window(p, len, AS_FAST_AS_IT_GOES, warm_ms, ms, NULL);
}

int pump_paced(struct pump *p, uint32_t len, double mpps, unsigned int warm_ms, unsigned int ms)
{
	struct histogram times = {0};

	return window(p, len, mpps, warm_ms, ms, &times);
}

/* One frame from guest 0 to guest 1. */
static int one_frame(struct pump *p)
{
	struct pump_lane *lane = &p->lane[0];
	int64_t deadline = fg_deadline(ARRIVE_MS);
	int taken;

	pump_watch_here(&p->watch);
	taken = pump_lane_send(lane, 1);
	if (taken < 1)
		return -EPROTO;
	for (taken = 0; taken == 0;) {
		for (unsigned int i = 0; taken == 0 && i < 1000; i++) {
			taken = pump_lane_take(lane);
			pump_watch_here(&p->watch);
		}
		if (taken == 0 && fg_left_ms(deadline) == 0) {
			lane->lost += pump_lane_on_way(lane);
			break;
		}
	}
	return taken < 0 ? taken : 0;
}

int pump_single(struct pump *p, uint32_t len, unsigned int count, unsigned int gap_us)
{
	uint64_t gap = (uint64_t)(gap_us * 1000.0 * p->party.ticks_per_ns);
	struct histogram times = {0};
	struct tally before, after;
	int err = 0;

	set_lanes(p, len, true);
	p->watch.times = &times;
	p->watch.untimed = 0;
	before = look(p);
	for (unsigned int i = 0; err == 0 && i < count; i++) {
		uint64_t since = pump_ticks();

		while (pump_ticks() - since < gap)
			;
		err = one_frame(p);
	}
	after = look(p);
	if (err == 0)
		print_window(p, len, &before, &after, 0);
	p->watch.times = NULL;
	return err;
}
