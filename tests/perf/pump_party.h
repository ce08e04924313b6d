/* SPDX-License-Identifier: BSD-3-Clause */
/* pump_party: the guests of one process: what its command line says, all of them connected, and what their clock says.
 *
 * Thread-safety: one thread. Functions return 0 or -errno with a line on stderr.
 */
#ifndef PUMP_PARTY_H
#define PUMP_PARTY_H

#include "histogram.h"
#include "pump.h"

struct pump_party {
	struct pump_options opt;
	struct pump_guest *guest;
	unsigned int guests;
	uint64_t interval; /* ticks between two looks at a ring */
	double ticks_per_ns;
};

/* The options, and how many sockets follow. Returns the index of the first socket, or -1 after a word on how to use @program. */
int pump_party_parse(struct pump_party *, const char *program, int argc, char **argv);
/* All guests; their receive buffers are not posted yet. pump_party_close() in any case. */
int pump_party_connect(struct pump_party *, char **paths);
void pump_party_close(struct pump_party *);

/* How long frames were on their way. A frame is not timed if this thread was without its CPU meanwhile, for 50 µs or more:
 * that says nothing of a switch. */
struct pump_watch {
	double ticks_per_ns;
	struct histogram *times; /* NULL: they are not counted */
	uint64_t here;		 /* when we were last seen to have our CPU */
	uint64_t back;		 /* and when after an absence */
	uint64_t untimed;
};

/* We are running now, in ticks. */
uint64_t pump_watch_here(struct pump_watch *);
/* A frame that was sent at @sent, in ticks, has been found. */
void pump_watch_count(struct pump_watch *, uint64_t sent);

#endif
