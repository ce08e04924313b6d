/* SPDX-License-Identifier: BSD-3-Clause */
/* The windows of crowd.h. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crowd.h"
#include "dice.h"
#include "fg_clock.h"

enum { DRAIN_MS = 500, AHEAD = 8 };

struct tally {
	uint64_t frames, lost, disorder, copies, floods, kicks;
	double seconds, cpu_seconds;
};

/* How a window goes. */
struct pace {
	uint64_t gap;  /* ticks between two frames; 0: as fast as it goes */
	bool stopped; /* nobody sends any more */
};

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct tally look(const struct crowd *c)
{
	struct tally t = {.seconds = seconds_of(CLOCK_MONOTONIC), .cpu_seconds = seconds_of(CLOCK_THREAD_CPUTIME_ID),
			  .floods = c->floods};

	for (unsigned int i = 0; i < c->lanes; i++) {
		t.frames += c->lane[i].received;
		t.lost += c->lane[i].lost;
		t.disorder += c->lane[i].disorder;
	}
	for (unsigned int i = 0; i < c->receivers; i++) {
		t.copies += c->receiver[i].sink ? c->receiver[i].frames : 0;
		t.kicks += c->receiver[i].rx->kicks;
	}
	for (unsigned int i = 0; i < c->senders; i++)
		t.kicks += c->sender[i].tx->kicks;
	return t;
}

/* The line that a look at a ring reads. */
static void will_look(const struct pump_ring *ring)
{
	const struct fg_fast *f = &ring->fast;

	__builtin_prefetch(f->v.packed ? (const void *)&f->v.desc[f->taken & f->mask] : (const void *)&f->v.used->idx);
}

/* Takes from all that are no sinks and whose time it is, and from one sink. */
static int take_all(struct crowd *c, uint64_t now, uint64_t interval)
{
	int n, did = 0;

	for (unsigned int i = 0; i < c->receivers && !c->receiver[i].sink; i++) {
		struct crowd_receiver *r = &c->receiver[i];

		if (i + AHEAD < c->receivers)
			will_look(c->receiver[i + AHEAD].rx);
		if (now - r->looked < interval)
			continue;
		r->looked = now;
		n = crowd_take(c, r);
		if (n < 0)
			return n;
		did += n;
	}
	if (c->receivers == 0 || !c->receiver[c->receivers - 1].sink)
		return did;
	do
		c->sink = (c->sink + 1) % c->receivers;
	while (!c->receiver[c->sink].sink);
	will_look(c->receiver[(c->sink + AHEAD) % c->receivers].rx);
	n = crowd_take(c, &c->receiver[c->sink]);
	return n < 0 ? n : did + n;
}

/* Flooders, and where nothing paces them all senders: what there is room for. */
static int send_all(struct crowd *c, uint64_t now, bool paced)
{
	int did = 0;

	for (unsigned int i = 0; i < c->senders; i++) {
		struct crowd_sender *s = &c->sender[i];
		int n;

		if (now - s->looked < c->party.interval || (paced && s->first != CROWD_FLOOD))
			continue;
		s->looked = now;
		n = crowd_send(c, s, UINT32_MAX);
		if (n < 0)
			return n;
		did += n;
	}
	return did;
}

/* One frame of a sender that is no flooder. Those come first. */
static int send_one(struct crowd *c)
{
	unsigned int n = c->senders;

	while (n > 0 && c->sender[n - 1].first == CROWD_FLOOD)
		n--;
	return n == 0 ? 0 : crowd_send(c, &c->sender[dice(n)], 1);
}

/* Moves frames for @ms. Adds to @busy the ticks in which there was work. */
static int run_for(struct crowd *c, unsigned int ms, struct pace pace, uint64_t *busy)
{
	int64_t deadline = fg_deadline((int)ms);
	uint64_t now = pump_watch_here(&c->watch), due = now;

	for (unsigned int round = 1; round % 64 != 0 || fg_left_ms(deadline) > 0; round++) {
		uint64_t began = now;
		int sent = 0, taken = take_all(c, now, pace.gap > 0 ? 0 : c->party.interval);

		if (taken >= 0 && !pace.stopped)
			sent = send_all(c, now, pace.gap > 0);
		if (sent >= 0 && pace.gap > 0 && !pace.stopped && now >= due) {
			sent = send_one(c);
			due += pace.gap / 2 + dice(1024) * pace.gap / 1024;
			if (now > due + 8 * pace.gap)
				due = now; /* we were not here: no burst makes up for it */
		}
		if (taken < 0 || sent < 0)
			return -EPROTO;
		now = pump_watch_here(&c->watch);
		*busy += taken + sent > 0 ? now - began : 0;
	}
	return 0;
}

/* Until everything has arrived, or will not any more: then it is lost. And until flooders have everything back. */
static int drain(struct crowd *c)
{
	int64_t deadline = fg_deadline(DRAIN_MS);
	uint64_t left = 1, busy = 0;
	int err = 0;

	while (err == 0 && left > 0 && fg_left_ms(deadline) > 0) {
		err = run_for(c, 1, (struct pace){.stopped = true}, &busy);
		left = 0;
		for (unsigned int i = 0; i < c->lanes; i++)
			left += crowd_on_way(&c->lane[i]);
		for (unsigned int i = 0; err == 0 && i < c->senders; i++) {
			struct pump_ring *tx = c->sender[i].tx;
			int n = pump_ring_look(tx);

			tx->fast.taken += n > 0 ? (uint32_t)n : 0;
			left += tx->fast.posted - tx->fast.taken;
			err = n < 0 ? n : 0;
		}
	}
	for (unsigned int i = 0; i < c->lanes; i++)
		c->lane[i].lost += crowd_on_way(&c->lane[i]);
	return err;
}

static void print_window(const struct crowd *c, const struct tally *before, const struct tally *after, double busy)
{
	const struct tally end = look(c);
	double seconds = after->seconds - before->seconds;

	printf("{\"bytes\": %u, \"mpps\": %.6f, \"frames\": %llu, \"seconds\": %.6f, \"busy\": %.4f, \"share\": %.4f, "
	       "\"lost\": %llu, \"disorder\": %llu, \"kicks\": %llu, \"copies\": %llu, \"floods\": %llu",
	       c->len, (double)(after->frames - before->frames) / seconds * 1e-6,
	       (unsigned long long)(after->frames - before->frames), seconds, busy,
	       (after->cpu_seconds - before->cpu_seconds) / seconds, (unsigned long long)(end.lost - before->lost),
	       (unsigned long long)(end.disorder - before->disorder), (unsigned long long)(after->kicks - before->kicks),
	       (unsigned long long)(after->copies - before->copies), (unsigned long long)(after->floods - before->floods));
	if (c->watch.times != NULL) {
		printf(", \"untimed\": %llu, \"ns\": ", (unsigned long long)c->watch.untimed);
		histogram_print(c->watch.times, stdout);
	}
	printf("}\n");
}

static int window(struct crowd *c, uint32_t len, struct pace pace, unsigned int warm_ms, unsigned int ms)
{
	struct histogram times = {0};
	struct tally before, after;
	uint64_t busy = 0, ticks;
	int err;

	crowd_prepare(c, len);
	c->timed = pace.gap > 0;
	err = run_for(c, warm_ms, pace, &busy);
	busy = 0;
	c->watch.times = c->timed ? &times : NULL;
	c->watch.untimed = 0;
	ticks = pump_ticks();
	before = look(c);
	if (err == 0)
		err = run_for(c, ms, pace, &busy);
	after = look(c);
	ticks = pump_ticks() - ticks;
	if (err == 0)
		err = drain(c);
	if (err == 0)
		print_window(c, &before, &after, (double)busy / (double)ticks);
	c->watch.times = NULL;
	return err;
}

int crowd_run(struct crowd *c, uint32_t len, unsigned int warm_ms, unsigned int ms)
{
	return window(c, len, (struct pace){0}, warm_ms, ms);
}

int crowd_paced(struct crowd *c, uint32_t len, double pps, unsigned int warm_ms, unsigned int ms)
{
	const struct pace pace = {.gap = 1 + (uint64_t)(1e9 / pps * c->watch.ticks_per_ns)};

	return window(c, len, pace, warm_ms, ms);
}
