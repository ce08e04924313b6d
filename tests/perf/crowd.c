/* SPDX-License-Identifier: BSD-3-Clause */
/* crowd [OPTIONS] SOCKET...: the guests of scripts/bench-scale, at any vhost-user back end.
 *
 * Connects them all, lets the switch see each one's address, says {"ready": ...}, and then does what it is told on its standard
 * input, one line of JSON for each line. Who sends to whom:
 *
 *	hush				nobody; this is how it begins
 *	pair ONE OTHER QUEUES		two guests to each other, on so many queues
 *	fan N				guest 0 to guests 1 to N in turn
 *	star N				guests 1 to N - 1 to guest 0
 *	flood FROM N			beside what there is, one guest to everybody; the next N are those who get it
 *
 * and windows of it:
 *
 *	run BYTES WARM_MS MS		as fast as the switch takes it: frames that arrived in MS, after WARM_MS
 *	paced BYTES PPS WARM_MS MS	so many a second in all (not those of a flood), and how long frames were on their way
 *	macs N				beside what there is: frames come from N addresses in turn, those of no guest
 *	ask MS				guest 0's front end asks something for MS, and how long it waited at most
 *	quit				or the end of the input
 *
 * Between commands it waits and nothing is on its way. Exit status 1: a guest cannot be connected, or the switch broke a ring.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"

/* Answers a change of who sends; what cannot be is said and changes nothing else. */
static int agree(int err)
{
	if (err == -EINVAL)
		printf("{\"error\": \"there are not so many, or not at this ring\"}\n");
	else if (err == 0)
		printf("{\"ok\": true}\n");
	return err == -EINVAL ? 0 : err;
}

static int obey_pattern(struct crowd *c, const char *line)
{
	unsigned int a, b, n;

	if (sscanf(line, "flood %u %u", &a, &b) == 2)
		return agree(crowd_flood(c, a, b));
	if (sscanf(line, "macs %u", &c->macs) == 1)
		return agree(0);
	crowd_hush(c);
	if (sscanf(line, "pair %u %u %u", &a, &b, &n) == 3)
		return agree(crowd_pair(c, a, b, n));
	if (sscanf(line, "fan %u", &n) == 1)
		return agree(crowd_fan(c, n));
	if (sscanf(line, "star %u", &n) == 1)
		return agree(crowd_star(c, n));
	if (strncmp(line, "hush", 4) == 0)
		return agree(0);
	printf("{\"error\": \"not understood\"}\n");
	return 0;
}

/* One line of the standard input. Returns 1 to end, or -errno. */
static int obey(struct crowd *c, const char *line)
{
	unsigned int len, a, b;
	double pps;

	if (strncmp(line, "quit", 4) == 0)
		return 1;
	if (sscanf(line, "run %u %u %u", &len, &a, &b) == 3 && len >= PUMP_FRAME_MIN && len <= PUMP_BUFFER - PUMP_HEADER)
		return crowd_run(c, len, a, b);
	if (sscanf(line, "paced %u %lf %u %u", &len, &pps, &a, &b) == 4 && pps > 0 && len >= PUMP_FRAME_MIN &&
	    len <= PUMP_BUFFER - PUMP_HEADER)
		return crowd_paced(c, len, pps, a, b);
	if (sscanf(line, "ask %u", &a) == 1)
		return crowd_ask(c, a);
	return obey_pattern(c, line);
}

int main(int argc, char **argv)
{
	static struct crowd c;
	int first = pump_party_parse(&c.party, "crowd", argc, argv), err;
	char line[128];

	if (first < 0)
		return 2;
	/* Its answers are read as they come. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = pump_party_connect(&c.party, argv + first);
	c.watch.ticks_per_ns = c.party.ticks_per_ns;
	if (err == 0)
		err = crowd_introduce(&c);
	if (err == 0)
		printf("{\"ready\": true, \"features\": \"0x%llx\"}\n", (unsigned long long)c.party.guest[0].s.features);
	while (err == 0 && fgets(line, sizeof(line), stdin) != NULL)
		err = obey(&c, line);
	pump_party_close(&c.party);
	return err < 0;
}
