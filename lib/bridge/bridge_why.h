/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_why.h: what would become of a frame, by the code that lcores run, and without a trace.
 *
 * Control lets bridge_forward() have the frame, as an lcore would, in a copy of what that sees: a bridge with the same address
 * table, groups and mirrors, and ports of the same numbers and policies, whose deliver() writes down what it is given. So there
 * is no second set of rules that could differ from the first. The copy has meters, reports and punts of its own, and what
 * counts in objects that are shared (filters, mirrors) counts in the block that is control's, which is read and cleared: nothing
 * is taken from a limit, learned, or counted.
 *
 * Who refuses a flood, and why, is found by asking again with one receiver at a time: then the reason for which the frame is
 * dropped is that receiver's. Each is asked in its own call, which is about what the bridge is at that moment: of a thousand
 * receivers, control asks some, does something else, and goes on. Nothing is kept from one call to the next.
 *
 *	struct why_question question = {.from = port, .frame = &frame, .epoch = epoch};
 *
 *	error = bridge_why(why, &question, &answer);
 *	while (bridge_why_next(why, &question, &answer, &place, &receiver))
 *		...
 *
 * Context: control thread.
 * Units: bytes.
 * Ownership: question, answer and receiver are the caller's.
 */
#ifndef VUS_BRIDGE_WHY_H
#define VUS_BRIDGE_WHY_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge.h"
#include "frame.h"
#include "policy.h"
#include "punt.h"

enum {
	/* Of a frame from a NIC, which has longer heads. */
	WHY_HEAD_MAX = 384,
	WHY_NO_RULE = -1,
};

/* Which destination it is: a port's number, or one of these. */
enum { WHY_FLOODED = -1, WHY_NOT_LOOKED_UP = -2 };

/* What a port does that the frame could leave by. */
struct why_receiver {
	struct port *port;
	bool leaves;	    /* its deliver() is given `frame` */
	enum rx_drop why;   /* else why the bridge does not give it that; RX_DROPS: */
	enum tx_drop to;    /* the port's own filter or limit does not let it pass */
	int rule;	    /* of its filter, which decided, from 0; WHY_NO_RULE */
	uint8_t mirrors;    /* that copy what it is given, a bit each */
	struct frame frame; /* as it leaves: its head is in `head` */
	uint8_t head[WHY_HEAD_MAX + FRAME_TAG];
};

struct why_question {
	struct port *from; /* a member of a bridge */
	/* Its head is WHY_HEAD_MAX bytes at most, and what a sender left to be done was checked; its bytes behind the head
	 * are not looked at. `mbuf` is not NULL: it is a NIC's; it is not followed. */
	const struct frame *frame;
	uint16_t epoch; /* that of lcore_ctx */
};

struct why_answer {
	enum rx_drop dropped; /* RX_DROPS: it goes to a receiver, or to control */
	int to;		      /* a port, WHY_FLOODED, WHY_NOT_LOOKED_UP: it was dropped before */
	uint16_t fid;	      /* where it was looked up */
	bool learns;	      /* control would learn where its source is: it is new there, or has moved */
	int moves_from;	      /* ... from this port; -1: from none */
	int rule;	      /* of the filter for what comes from the port, which decided, from 0; WHY_NO_RULE */
	uint8_t mirrors;      /* that copy what comes from the port, a bit each */
	enum punt_kind punt;  /* control has a copy; PUNT_KINDS: it has none */
	uint64_t wait_ns;     /* that it waits with its sender, by the port's limits */
	enum port_storm storm; /* what kind of a flood it is, where that is limited; PORT_STORMS: it is not */
	uint64_t storm_left, storm_most; /* packets that may be flooded now, this one among them, and of a meter that is full */
	unsigned int receivers_n; /* of a flood all others, else one at most; 0: the frame does not come as far as that */
};

struct bridge_why;

/* `counts_as`: the block of counters that is control's (port.counters). EAL must be initialised. NULL and errno. */
struct bridge_why *bridge_why_create(uint16_t counts_as) RUNS_ON(control_thread);
/* NULL is fine. */
void bridge_why_destroy(struct bridge_why *why) RUNS_ON(control_thread);

/* What is decided before any receiver.
 * Returns: 0 or -ENOMEM. */
int bridge_why(struct bridge_why *why, const struct why_question *question, struct why_answer *answer) RUNS_ON(control_thread);

/* What the next receiver does: by ascending numbers of ports, from `*place` on (0 at first), which then is behind it. The source
 * is in the bridge that it was in when `answer` was given.
 * Returns: false: there is none any more. */
bool bridge_why_next(struct bridge_why *why, const struct why_question *question, const struct why_answer *answer,
		     unsigned int *place, struct why_receiver *receiver) RUNS_ON(control_thread);

#endif
