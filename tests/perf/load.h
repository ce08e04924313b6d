/* SPDX-License-Identifier: BSD-3-Clause */
/* load: traffic as fast as it goes, from guests that do nothing else.
 *
 * A load_guest is a front end and a driver on the fake guest's sockets and rings (tests/support), but
 * with the shortest hot path there is: buffers are laid out once, a frame costs the guest one line to
 * write or to read. Its memory is one file, cut into regions as struct load_layout says, so that
 * layouts can be compared that differ in nothing else: the buffers lie in the same bytes of the file.
 *
 * A load_lane carries numbered frames from one guest to another and never has more on the way than
 * the receiver has buffers: a frame that is lost, late or twice is the switch's doing, and found.
 * The receiver keeps the time between arrivals: `wall` as a clock on the wall shows it, `awake`
 * without the moments in which this thread had no CPU.
 *
 * Thread-safety: one thread. Functions return 0 or -errno with a line on stderr.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdint.h>

#include "fg_fast.h"
#include "fg_session.h"
#include "fg_switch.h"

enum {
	LOAD_RING = 256,
	LOAD_BUFFERS = 512, /* the most a guest spreads over its memory, in each direction */
	LOAD_BUFFER = 2048,
	LOAD_REGION = 2 << 20,
};

struct load_layout {
	const char *name;
	unsigned int pieces;  /* of LOAD_REGION bytes: the memory */
	unsigned int regions; /* it is told as so many: 1, or one for each piece */
	bool by_address;      /* guest addresses of 47 bits that begin on no round number, as virtio-user has them */
	bool logged;	      /* a migration is under way */
};

struct load_guest {
	struct fg_memory mem;
	struct fg_session s;
	uint8_t mac[6];
	int file;
	uint64_t rx_gpa[LOAD_BUFFERS], tx_gpa[LOAD_BUFFERS];
	uint8_t *rx_at[LOAD_BUFFERS], *tx_at[LOAD_BUFFERS];
	unsigned int buffers;	    /* in each direction */
	unsigned int rx_next, tx_next; /* which is posted next */
	uint8_t *slot_at[LOAD_RING];   /* the receive buffer at each place of the ring */
	struct fg_fast rx, tx; /* the rings of the session, first and second */
	/* The next `elsewhere` receive buffers are pages from here on, in a region of the caller's. */
	uint64_t elsewhere_gpa;
	uint8_t *elsewhere_at;
	unsigned int elsewhere, elsewhere_out; /* to be posted; posted and not yet back */
};

/* How long there was nothing, in steps of LOAD_STEP_NS; the last counts all that is longer. */
enum { LOAD_STEP_NS = 200, LOAD_STEPS = 100000 };
struct load_gaps {
	uint64_t n, longest_ns;
	uint32_t step[LOAD_STEPS];
};

struct load_lane {
	struct load_guest *from, *to;
	uint32_t len;	 /* of a frame, without CRC */
	uint32_t window; /* the most that is on its way; load_lane_open() says as many as there are buffers */
	uint64_t sent, received;
	struct load_gaps *wall, *awake; /* or NULL */
	uint64_t arrival_ns, polled_ns, absent_ns;
};

int load_guest_open(struct load_guest *, const struct fg_switch *, const char *port,
		    const struct load_layout *, uint32_t number);
/* Connected, and buffers laid out: for a caller that starts it in another way. */
int load_guest_prepare(struct load_guest *, const struct fg_switch *, const char *port,
		       const struct load_layout *, uint32_t number);
/* Fills in what a driver has in its rings before it posts the first buffer. */
void load_guest_rings(struct load_guest *);
void load_guest_close(struct load_guest *);

/* One frame from a guest that does not send to itself: it goes nowhere, and the switch has seen the address. Once for
 * each guest before the first lane opens (it is flooded then, and no guest has a buffer yet), and again every few minutes. */
int load_guest_introduce(struct load_guest *);
/* What it sent and has back is counted: how many, or -EPROTO. */
int load_take_back(struct load_guest *);
/* The same at any time: to a guest that was introduced, and has no buffers. */
int load_guest_greet(struct load_guest *, const struct load_guest *to);

void load_lane_open(struct load_lane *, struct load_guest *from, struct load_guest *to, uint32_t len);
/* Takes what has arrived and, if @send, sends what there is room for. -EPROTO: lost, late, twice. */
int load_lane_step(struct load_lane *, bool send);
/* Until everything sent has arrived. */
int load_lane_drain(struct load_lane *);
/* Time starts anew: what was before is no gap. */
void load_lane_restart(struct load_lane *);

uint64_t load_now_ns(void);
/* This thread on one CPU of its own choosing: the third of ours, else the first, with the switch's
 * control thread (fg_switch.c has its lcore on the second). Returns how many CPUs we may use. */
int load_pin(void);

/* Adds up. */
void load_gaps_add(struct load_gaps *, const struct load_gaps *more);
/* The gap that a share of all gaps does not exceed, in ns; 0 without any. */
uint64_t load_gaps_at(const struct load_gaps *, double share);

#endif
