/* SPDX-License-Identifier: BSD-3-Clause */
/* pump [OPTIONS] SOCKET SOCKET...: the guests of scripts/bench, at any vhost-user back end.
 *
 * Guests 2k and 2k+1 send to each other, as fast as the switch takes it. Connects, says {"ready": ...}, and then does what
 * it is told on its standard input, one line of JSON for each line:
 *
 *	run BYTES WARM_MS MS	both directions of every pair; frames that arrived in MS, after WARM_MS
 *	quit			or the end of the input
 *
 * Between commands it waits and nothing is on its way. Exit status 1: a guest cannot be connected, or the switch broke a ring.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fg_clock.h"
#include "pump.h"

enum { GUESTS_MAX = 256, DRAIN_MS = 300 };

struct pump {
	struct pump_options opt;
	struct pump_guest *guest;
	struct pump_lane *lane; /* as many as guests: the one from guest i */
	unsigned int guests;
	uint64_t interval;
};

struct tally {
	uint64_t frames, lost, disorder, busy, ticks;
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

	for (unsigned int i = 0; i < p->guests; i++) {
		t.frames += p->lane[i].received;
		t.lost += p->lane[i].lost;
		t.disorder += p->lane[i].disorder;
	}
	return t;
}

/* One look at a lane. Returns whether there was anything to do, or -EPROTO. */
static int serve(struct pump_lane *lane, bool send)
{
	int sent = 0, taken = pump_lane_take(lane);

	if (taken >= 0 && send)
		sent = pump_lane_send(lane, UINT32_MAX);
	return taken < 0 ? taken : sent < 0 ? sent : taken + sent > 0;
}

static int run_for(struct pump *p, unsigned int ms, bool send, uint64_t *busy)
{
	uint64_t now = pump_ticks();
	int64_t deadline = fg_deadline((int)ms);

	for (unsigned int round = 1; round % 64 != 0 || fg_left_ms(deadline) > 0; round++) {
		for (unsigned int i = 0; i < p->guests; i++) {
			uint64_t after;
			int did;

			if (now - p->lane[i].looked < p->interval)
				continue;
			p->lane[i].looked = now;
			did = serve(&p->lane[i], send);
			if (did < 0)
				return did;
			after = pump_ticks();
			*busy += did ? after - now : 0;
			now = after;
		}
		now = pump_ticks();
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
		err = run_for(p, 1, false, &busy);
		left = 0;
		for (unsigned int i = 0; i < p->guests; i++)
			left += pump_lane_on_way(&p->lane[i]);
	}
	for (unsigned int i = 0; i < p->guests; i++)
		p->lane[i].lost += pump_lane_on_way(&p->lane[i]);
	return err;
}

static int run(struct pump *p, uint32_t len, unsigned int warm_ms, unsigned int ms)
{
	struct tally before, after;
	uint64_t busy = 0, began;
	int err;

	for (unsigned int i = 0; i < p->guests; i++)
		if (p->lane[i].len != len)
			pump_lane_set(&p->lane[i], len);
	err = run_for(p, warm_ms, true, &busy);
	busy = 0;
	began = pump_ticks();
	before = look(p);
	if (err == 0)
		err = run_for(p, ms, true, &busy);
	after = look(p);
	began = pump_ticks() - began;
	if (err == 0)
		err = drain(p);
	if (err < 0)
		return err;
	printf("{\"bytes\": %u, \"mpps\": %.5f, \"frames\": %llu, \"seconds\": %.6f, \"busy\": %.4f, \"share\": %.4f, ", len,
	       (double)(after.frames - before.frames) / (after.seconds - before.seconds) * 1e-6,
	       (unsigned long long)(after.frames - before.frames), after.seconds - before.seconds,
	       (double)busy / (double)began,
	       (after.cpu_seconds - before.cpu_seconds) / (after.seconds - before.seconds));
	after = look(p);
	printf("\"lost\": %llu, \"disorder\": %llu}\n", (unsigned long long)(after.lost - before.lost),
	       (unsigned long long)(after.disorder - before.disorder));
	return 0;
}

/* One line of the standard input. Returns 1 to end, or -errno. */
static int obey(struct pump *p, const char *line)
{
	unsigned int a, b, c;

	if (sscanf(line, "run %u %u %u", &a, &b, &c) == 3 && a >= PUMP_FRAME_MIN && a <= p->opt.len_max)
		return run(p, a, b, c);
	if (strncmp(line, "quit", 4) == 0)
		return 1;
	printf("{\"error\": \"not understood\"}\n");
	return 0;
}

static int connect_all(struct pump *p, char **paths)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < p->guests; i++)
		err = pump_guest_open(&p->guest[i], &p->opt, paths[i], i);
	for (unsigned int i = 0; err == 0 && i < p->guests; i++)
		err = pump_guest_connect(&p->guest[i], paths[i]);
	for (unsigned int i = 0; err == 0 && i < p->guests; i++) {
		p->lane[i] = (struct pump_lane){.from = &p->guest[i], .to = &p->guest[i ^ 1]};
		pump_lane_set(&p->lane[i], PUMP_FRAME_MIN);
	}
	if (err == 0)
		printf("{\"ready\": true, \"features\": \"0x%llx\"}\n", (unsigned long long)p->guest[0].s.features);
	return err;
}

static int pin(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(atoi(cpu), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int usage(void)
{
	fprintf(stderr, "usage: pump [--cpu N] [--ring N] [--packed] [--regions N] [--macs N] [--frame-max BYTES]\n"
			"            [--interval TICKS] [--huge] [--listen] SOCKET SOCKET...\n");
	return 2;
}

static int parse(struct pump *p, int argc, char **argv)
{
	static const struct option options[] = {
		{"cpu", 1, NULL, 'c'},	   {"ring", 1, NULL, 'r'},	{"packed", 0, NULL, 'p'},
		{"regions", 1, NULL, 'g'}, {"macs", 1, NULL, 'm'},	{"frame-max", 1, NULL, 'f'},
		{"huge", 0, NULL, 'h'},	   {"interval", 1, NULL, 'i'}, {"listen", 0, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	struct pump_options *o = &p->opt;
	int c;

	*o = (struct pump_options){.ring = 256, .regions = 1, .macs = 1, .len_max = 1518};
	p->interval = 4000;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned int n = optarg == NULL ? 0 : (unsigned int)strtoul(optarg, NULL, 10);

		switch (c) {
		case 'c': if (pin(optarg) < 0) return -1; break;
		case 'r': o->ring = n; break;
		case 'p': o->packed = true; break;
		case 'g': o->regions = n; break;
		case 'm': o->macs = n; break;
		case 'f': o->len_max = n; break;
		case 'i': p->interval = n; break;
		case 'h': o->huge = true; break;
		case 'l': o->listen = true; break;
		default: return -1;
		}
	}
	if (o->ring == 0 || o->ring > FG_RING_MAX || (o->ring & (o->ring - 1)) != 0 || o->macs == 0 ||
	    o->regions == 0 || o->regions >= FG_REGIONS_MAX || o->len_max > PUMP_FRAME_MAX)
		return -1;
	p->guests = (unsigned int)(argc - optind);
	return p->guests == 0 || p->guests % 2 != 0 || p->guests > GUESTS_MAX ? -1 : optind;
}

int main(int argc, char **argv)
{
	static struct pump p;
	int first = parse(&p, argc, argv), err;
	char line[128];

	if (first < 0)
		return usage();
	p.guest = calloc(p.guests, sizeof(*p.guest));
	p.lane = calloc(p.guests, sizeof(*p.lane));
	if (p.guest == NULL || p.lane == NULL)
		return 1;
	for (unsigned int i = 0; i < p.guests; i++)
		p.guest[i].s.sock = p.guest[i].file = p.guest[i].listener = -1;
	setlinebuf(stdout);
	err = connect_all(&p, argv + first);
	while (err == 0 && fgets(line, sizeof(line), stdin) != NULL)
		err = obey(&p, line);
	for (unsigned int i = 0; i < p.guests; i++)
		pump_guest_close(&p.guest[i]);
	free(p.guest);
	free(p.lane);
	return err < 0;
}
