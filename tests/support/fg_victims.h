/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_victims: two well-behaved guests that talk to each other while another front end misbehaves.
 *
 * They have two ports of the switch and, while running, exchange numbered frames in both directions
 * from a thread of their own, never with more on the way than the receiver has buffers for: so a
 * switch that keeps its promises loses none. fg_victims_pause() lets the traffic run dry and checks
 * it: every frame arrived once, in order, whole, and the switch never stood still for long.
 *
 * Thread-safety: start, run, pause and stop from one thread; what the struct holds may be read
 * while paused. Functions return 0 or -errno with a report on stderr.
 */
#ifndef FG_VICTIMS_H
#define FG_VICTIMS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fg_net.h"
#include "fg_switch.h"

/* Nothing a peer does may hold up other ports. On a machine that is busy with sanitizers the
 * scheduler may; this is far above what it does and far below what a blocked lcore would show. */
enum { FG_STALL_MS = 3000, FG_VICTIMS_LCORES = 8 };

struct fg_victim {
	struct fg_memory mem;
	struct fg_session s;
	struct fg_nic nic;
	struct fg_flow flow; /* what this one sends; checked where it arrives */
};

struct fg_victims {
	struct fg_victim side[2];
	pthread_t thread;
	bool running;
	atomic_bool stop;
	int error;
	/* Kept over a run: frames a second in both directions together (0: as they come); and without a pause between two looks,
	 * as fast as this process can. */
	uint64_t rate;
	bool eager;
	uint64_t frames;     /* since the last run */
	uint64_t longest_us; /* between two arrivals while frames were on the way */
	/* The same without what this thread and the switch's lcores waited for a CPU: of the one and then the other; what both
	 * waited at the same time is taken off twice. As longest_us where the kernel
	 * does not say, and of eager ones, for whom asking takes too long. */
	uint64_t longest_own_us;
	int schedstat[FG_VICTIMS_LCORES + 1]; /* ours, and those of lcores; -1: none */
	pid_t pid;			      /* the switch's */
};

int fg_victims_start(struct fg_victims *, const struct fg_switch *, const char *a, const char *b);
int fg_victims_run(struct fg_victims *);
int fg_victims_pause(struct fg_victims *);
/* Stops the rings, hangs up and frees. */
void fg_victims_stop(struct fg_victims *);

#endif
