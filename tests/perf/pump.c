/* SPDX-License-Identifier: BSD-3-Clause */
/* pump [OPTIONS] SOCKET SOCKET...: the guests of scripts/bench, at any vhost-user back end.
 *
 * Guests 2k and 2k+1 send to each other, as fast as the switch takes it. Connects, says {"ready": ...}, and then does what
 * it is told on its standard input, one line of JSON for each line:
 *
 *	run BYTES WARM_MS MS		both directions of every pair; frames that arrived in MS, after WARM_MS
 *	paced BYTES MPPS WARM_MS MS	the same at a given rate, and how long frames were on their way
 *	single BYTES COUNT GAP_US	one frame at a time from guest 0 to guest 1, and how long
 *	quit				or the end of the input
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
#include "pump_work.h"

/* One line of the standard input. Returns 1 to end, or -errno. */
static int obey(struct pump *p, const char *line)
{
	unsigned int len, a, b;
	double mpps;

	if (strncmp(line, "quit", 4) == 0)
		return 1;
	if (sscanf(line, "%*s %u", &len) == 1 && len >= (p->opt.tcp ? PUMP_TCP_MIN : PUMP_FRAME_MIN) &&
	    len <= p->opt.len_max) {
		if (sscanf(line, "run %*u %u %u", &a, &b) == 2)
			return pump_run(p, len, a, b);
		if (sscanf(line, "paced %*u %lf %u %u", &mpps, &a, &b) == 3 && mpps > 0)
			return pump_paced(p, len, mpps, a, b);
		if (sscanf(line, "single %*u %u %u", &a, &b) == 2)
			return pump_single(p, len, a, b);
	}
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
		pump_lane_set(&p->lane[i], p->opt.tcp ? PUMP_TCP_MIN : PUMP_FRAME_MIN);
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
			"            [--interval TICKS] [--huge] [--listen] [--straight] [--tcp] SOCKET SOCKET...\n");
	return 2;
}

static int parse(struct pump *p, int argc, char **argv)
{
	static const struct option options[] = {
		{"cpu", 1, NULL, 'c'},	   {"ring", 1, NULL, 'r'},	{"packed", 0, NULL, 'p'},
		{"regions", 1, NULL, 'g'}, {"macs", 1, NULL, 'm'},	{"frame-max", 1, NULL, 'f'},
		{"huge", 0, NULL, 'h'},	   {"interval", 1, NULL, 'i'}, {"listen", 0, NULL, 'l'},
		{"straight", 0, NULL, 's'},	{"tcp", 0, NULL, 't'},
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
		case 's': o->straight = true; break;
		case 't': o->tcp = true; break;
		default: return -1;
		}
	}
	if (o->ring == 0 || o->ring > FG_RING_MAX || (o->ring & (o->ring - 1)) != 0 || o->macs == 0 ||
	    o->regions == 0 || o->regions >= FG_REGIONS_MAX || o->len_max > PUMP_FRAME_MAX)
		return -1;
	p->guests = (unsigned int)(argc - optind);
	return p->guests == 0 || p->guests % 2 != 0 || p->guests > PUMP_GUESTS_MAX ? -1 : optind;
}

static double ticks_per_ns(void)
{
	uint64_t ns = fg_now_us() * 1000, ticks = pump_ticks();

	fg_sleep_us(20000);
	return (double)(pump_ticks() - ticks) / (double)(fg_now_us() * 1000 - ns);
}

int main(int argc, char **argv)
{
	static struct pump p;
	int first = parse(&p, argc, argv), err;
	char line[128];

	if (first < 0)
		return usage();
	/* Its answers are read as they come. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	p.guest = calloc(p.guests, sizeof(*p.guest));
	p.lane = calloc(p.guests, sizeof(*p.lane));
	if (p.guest == NULL || p.lane == NULL)
		return 1;
	for (unsigned int i = 0; i < p.guests; i++)
		p.guest[i].s.sock = p.guest[i].file = p.guest[i].listener = -1;
	setlinebuf(stdout);
	p.ticks_per_ns = ticks_per_ns();
	err = connect_all(&p, argv + first);
	while (err == 0 && fgets(line, sizeof(line), stdin) != NULL)
		err = obey(&p, line);
	for (unsigned int i = 0; i < p.guests; i++)
		pump_guest_close(&p.guest[i]);
	free(p.guest);
	free(p.lane);
	return err < 0;
}
