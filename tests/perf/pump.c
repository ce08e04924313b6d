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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pump_work.h"

/* One line of the standard input. Returns 1 to end, or -errno. */
static int obey(struct pump *p, const char *line)
{
	unsigned int len, a, b;
	double mpps;

	if (strncmp(line, "quit", 4) == 0)
		return 1;
	if (sscanf(line, "%*s %u", &len) == 1 && len >= (p->party.opt.tcp ? PUMP_TCP_MIN : PUMP_FRAME_MIN) &&
	    len <= p->party.opt.len_max) {
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
	int err = pump_party_connect(&p->party, paths);

	if (err < 0)
		return err;
	for (unsigned int i = 0; i < p->party.guests; i++) {
		pump_guest_fill(&p->party.guest[i]);
		p->lane[i] = (struct pump_lane){.from = &p->party.guest[i], .to = &p->party.guest[i ^ 1]};
		pump_lane_set(&p->lane[i], p->party.opt.tcp ? PUMP_TCP_MIN : PUMP_FRAME_MIN);
	}
	p->watch.ticks_per_ns = p->party.ticks_per_ns;
	printf("{\"ready\": true, \"features\": \"0x%llx\"}\n", (unsigned long long)p->party.guest[0].s.features);
	return 0;
}

int main(int argc, char **argv)
{
	static struct pump p;
	int first = pump_party_parse(&p.party, "pump", argc, argv), err;
	char line[128];

	if (first < 0)
		return 2;
	if (p.party.guests % 2 != 0) {
		fprintf(stderr, "pump: guests come in pairs\n");
		return 2;
	}
	/* Its answers are read as they come. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	p.lane = calloc(p.party.guests, sizeof(*p.lane));
	err = p.lane == NULL ? -ENOMEM : connect_all(&p, argv + first);
	while (err == 0 && fgets(line, sizeof(line), stdin) != NULL)
		err = obey(&p, line);
	pump_party_close(&p.party);
	free(p.lane);
	return err < 0;
}
