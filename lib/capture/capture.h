/* SPDX-License-Identifier: BSD-3-Clause */
/* capture.h: frames of some ports, copied by the lcores, and written as pcapng to whoever asked for them.
 *
 *	control			capture_create() ... opened() ... capture_begin() ... capture_close() ... gone() ... capture_put()
 *	lcores			copy frames into a ring each (capture_lcore.h)
 *	the capture's thread	compiles the filter, takes the rings' records, oldest first, and sends blocks of pcapng (pcapng.h)
 *
 * Nobody waits for who reads: a ring that is full loses captures, which are counted, and never a frame. The thread makes all
 * calls on the reader's connection, its close() included (X1, X5): what the reader does to it holds up this thread, and with it
 * one of CAPTURES_MAX places.
 *
 * A capture has an interface for each of its ports. It ends when its reader hangs up, or closes its half of the connection, and
 * when it has as many frames as were asked for; the owner may close it before. What was captured by then is written still, if
 * the reader takes it, and at the end what each interface has seen and lost.
 *
 * Context: control thread, unless said otherwise.
 * Units: bytes, frames.
 * Ownership: of whoever made it, and of its thread; capture_put() gives up the former's share. The descriptor is the thread's.
 */
#ifndef VUS_CAPTURE_H
#define VUS_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"
#include "role.h"
#include "vus_limits.h"

enum {
	CAPTURE_PORTS_MAX = 16, /* of one */
	/* After its end: a reader that takes nothing for as long misses the rest. */
	CAPTURE_LINGER_MS = 5000,
};

struct capture;
struct loop;

struct capture_options {
	bool from, to;	     /* frames that come from the ports; that go there */
	bool drops;	     /* only those that are dropped */
	uint32_t snap;	     /* of a frame at most; FRAME_LEN_MAX: all of it */
	uint64_t count;	     /* so many frames; 0: no end */
	const char *filter;  /* of pcap-filter(7); "": all frames */
	unsigned int ports_n;
	const char *port[CAPTURE_PORTS_MAX]; /* their names */
	unsigned int lcores; /* bound of lcore_ctx.index */
	struct loop *loop;
	/* The filter is compiled, or could not be: then `fail` has a line. capture_begin() or capture_close() follows. */
	void (*opened)(void *arg, struct capture *capture, const struct fail *fail);
	/* Its reader has left, or has what it wanted: capture_close() is to follow once no lcore has it. Called once at most. */
	void (*ends)(void *arg, struct capture *capture);
	/* After capture_close(): the thread has ended. */
	void (*gone)(void *arg, struct capture *capture);
	void *arg;
};

/* What has come of it so far. */
struct capture_sum {
	uint64_t seen, accepted, unknown, lost;
};

/* Starts its thread, which owns `fd`, a connection, from then on. 0 or -errno with a line in `fail`; then `fd` is the
 * caller's. */
int capture_create(const struct capture_options *options, int fd, struct capture **capture, struct fail *fail)
	RUNS_ON(control_thread);
/* lcores have it, or may: the reader gets this line (which becomes the capture's, by free()), and then pcapng. */
void capture_begin(struct capture *capture, char *line) RUNS_ON(control_thread);
/* No lcore has it any more. What it has is sent, and the connection closed. `line`: instead of capture_begin(), for the reader;
 * else NULL. */
void capture_close(struct capture *capture, char *line) RUNS_ON(control_thread);
/* Nothing is called any more, and the capture is freed once its thread has ended. `unused`: no lcore has it; otherwise it stays,
 * as the process ends. */
void capture_put(struct capture *capture, bool unused) RUNS_ON(control_thread);

const char *capture_port(const struct capture *capture, unsigned int interface);
unsigned int capture_ports_n(const struct capture *capture);
/* Of one of its interfaces. Context: any thread. */
void capture_sum(const struct capture *capture, unsigned int interface, struct capture_sum *sum);

#endif
