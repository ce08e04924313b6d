/* SPDX-License-Identifier: BSD-3-Clause */
#include "pump_party.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>

#include "fg_clock.h"

#define ABSENT_NS 50000.0

static int pin(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(atoi(cpu), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int usage(const char *program)
{
	fprintf(stderr, "usage: %s [--cpu N] [--ring N] [--packed] [--pairs N] [--regions N] [--macs N] [--frame-max BYTES]\n"
			"            [--interval TICKS] [--huge] [--listen] [--straight] [--sparse] [--ip] [--tcp] SOCKET...\n",
		program);
	return -1;
}

/* Returns 0, or -EINVAL for what cannot be. */
static int one_option(struct pump_party *p, int c, const char *value)
{
	unsigned int n = value == NULL ? 0 : (unsigned int)strtoul(value, NULL, 10);
	struct pump_options *o = &p->opt;

	switch (c) {
	case 'c': return pin(value) < 0 ? -EINVAL : 0;
	case 'r': o->ring = n; break;
	case 'q': o->pairs = n; break;
	case 'p': o->packed = true; break;
	case 'g': o->regions = n; break;
	case 'm': o->macs = n; break;
	case 'f': o->len_max = n; break;
	case 'i': p->interval = n; break;
	case 'h': o->huge = true; break;
	case 'l': o->listen = true; break;
	case 's': o->straight = true; break;
	case 'e': o->sparse = true; break;
	case 't': o->tcp = true; break;
	case '4': o->ip = true; break;
	default: return -EINVAL;
	}
	return 0;
}

static bool sound(const struct pump_options *o)
{
	return o->ring > 0 && o->ring <= FG_RING_MAX && (o->ring & (o->ring - 1)) == 0 && o->macs > 0 && o->regions > 0 &&
	       o->regions < FG_REGIONS_MAX && o->len_max <= PUMP_FRAME_MAX && o->pairs > 0 && 2 * o->pairs <= FG_RINGS_MAX;
}

int pump_party_parse(struct pump_party *p, const char *program, int argc, char **argv)
{
	static const struct option options[] = {
		{"cpu", 1, NULL, 'c'},	   {"ring", 1, NULL, 'r'},     {"packed", 0, NULL, 'p'},
		{"regions", 1, NULL, 'g'}, {"macs", 1, NULL, 'm'},     {"frame-max", 1, NULL, 'f'},
		{"huge", 0, NULL, 'h'},	   {"interval", 1, NULL, 'i'}, {"listen", 0, NULL, 'l'},
		{"straight", 0, NULL, 's'}, {"tcp", 0, NULL, 't'}, {"ip", 0, NULL, '4'},     {"pairs", 1, NULL, 'q'},
		{"sparse", 0, NULL, 'e'},  {NULL, 0, NULL, 0},
	};
	int c;

	p->opt = (struct pump_options){.ring = 256, .pairs = 1, .regions = 1, .macs = 1, .len_max = 1518};
	p->interval = 4000;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (one_option(p, c, optarg) < 0)
			return usage(program);
	p->guests = (unsigned int)(argc - optind);
	if (!sound(&p->opt) || p->guests == 0 || p->guests > PUMP_GUESTS_MAX)
		return usage(program);
	return optind;
}

static double ticks_per_ns(void)
{
	uint64_t ns = fg_now_us() * 1000, ticks = pump_ticks();

	fg_sleep_us(20000);
	return (double)(pump_ticks() - ticks) / (double)(fg_now_us() * 1000 - ns);
}

int pump_party_connect(struct pump_party *p, char **paths)
{
	int err = 0;

	p->guest = calloc(p->guests, sizeof(*p->guest));
	if (p->guest == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < p->guests; i++)
		p->guest[i].s.sock = p->guest[i].file = p->guest[i].listener = -1;
	p->ticks_per_ns = ticks_per_ns();
	for (unsigned int i = 0; err == 0 && i < p->guests; i++)
		err = pump_guest_open(&p->guest[i], &p->opt, paths[i], i);
	for (unsigned int i = 0; err == 0 && i < p->guests; i++)
		err = pump_guest_connect(&p->guest[i], paths[i]);
	return err;
}

void pump_party_close(struct pump_party *p)
{
	for (unsigned int i = 0; p->guest != NULL && i < p->guests; i++)
		pump_guest_close(&p->guest[i]);
	free(p->guest);
}

/* If we were not here for a while, what was sent before says nothing of the switch. */
uint64_t pump_watch_here(struct pump_watch *w)
{
	uint64_t now = pump_ticks();

	if ((double)(now - w->here) > ABSENT_NS * w->ticks_per_ns)
		w->back = now;
	w->here = now;
	return now;
}

void pump_watch_count(struct pump_watch *w, uint64_t sent)
{
	uint64_t now = pump_ticks();

	if (w->times == NULL)
		return;
	if (sent < w->back || (double)(now - w->here) > ABSENT_NS * w->ticks_per_ns)
		w->untimed++;
	else
		histogram_add(w->times, (uint64_t)((double)(now - sent) / w->ticks_per_ns));
}
