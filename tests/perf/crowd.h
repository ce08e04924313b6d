/* SPDX-License-Identifier: BSD-3-Clause */
/* crowd: hundreds of guests of one switch on one thread, most of them silent, and what passes between the others.
 *
 * The guests are those of pump.h. A lane carries numbered frames from one queue of a guest to another guest; a ring may send
 * for many lanes, and receive from many. Each slot of a transmit ring always holds a frame of the same lane: n lanes take
 * turns, and n divides the ring's size. Frames are IPv4 of no protocol; a lane's flow is in its source address, and chosen so
 * that a switch that spreads flows over the receiver's queues takes the queue that is meant.
 * A flooder's frames go to everybody and are not numbered; who gets them is a sink, which only counts.
 *
 * Thread-safety: one thread. Functions return 0, a count or -errno with a line on stderr. Times are TSC ticks.
 */
#ifndef CROWD_H
#define CROWD_H

#include "pump_party.h"

enum { CROWD_RINGS_MAX = 1024, CROWD_LANES_MAX = 2048, CROWD_FLOOD = 0xffff };

struct crowd_lane {
	uint32_t from, to; /* guests */
	uint32_t flow;
	uint32_t window; /* frames on the way, at most */
	uint64_t sent, received, lost, disorder;
};

struct crowd_sender {
	struct pump_ring *tx;
	uint32_t first, n; /* lanes; CROWD_FLOOD: everybody */
	uint64_t looked;
};

struct crowd_receiver {
	struct pump_ring *rx;
	bool sink;
	uint64_t looked, frames;
};

struct crowd {
	struct pump_party party;
	struct pump_watch watch;
	uint32_t len; /* of a frame */
	bool prepared; /* those who speak have frames of that length in their slots */
	struct crowd_lane lane[CROWD_LANES_MAX];
	struct crowd_sender sender[CROWD_RINGS_MAX];
	struct crowd_receiver receiver[CROWD_RINGS_MAX];
	unsigned int lanes, senders, receivers;
	unsigned int sink; /* whose turn it is */
	uint64_t floods;
	bool timed; /* frames carry their time */
	uint32_t macs; /* addresses that each lane's frames come from, in turn; 0: its guest's */
};

/* --- frames (crowd_lane.c) --------------------------------------------------------------------- */

/* All who send have frames of @len bytes from now on: only while nothing is on its way. */
void crowd_prepare(struct crowd *, uint32_t len);
/* Writes one frame into slot @slot of @tx: of lane @lane, or CROWD_FLOOD from guest @from. */
void crowd_write(const struct crowd *, struct pump_ring *tx, uint32_t slot, uint32_t lane, uint32_t from);
/* What there is room for, at most @most: how many frames, or -EPROTO. */
int crowd_send(struct crowd *, struct crowd_sender *, uint32_t most);
/* What has arrived: frames, or -EPROTO. */
int crowd_take(struct crowd *, struct crowd_receiver *);
static inline uint64_t crowd_on_way(const struct crowd_lane *lane)
{
	return lane->sent - lane->received - lane->lost;
}

/* --- who sends to whom (crowd_pattern.c) ------------------------------------------------------- */

/* Every guest sends one frame to itself: it goes nowhere, and the switch has seen the address. Then buffers are posted. */
int crowd_introduce(struct crowd *);
/* Two guests exchange frames on their first @queues pairs, each its own flow. */
int crowd_pair(struct crowd *, uint32_t one, uint32_t other, unsigned int queues);
/* Guest 0 sends to guests 1 to @n in turn. */
int crowd_fan(struct crowd *, uint32_t n);
/* Guests 1 to @n - 1 send to guest 0. */
int crowd_star(struct crowd *, uint32_t n);
/* Beside what there is, guest @from sends to everybody; guests @from + 1 to @from + @n are sinks. */
int crowd_flood(struct crowd *, uint32_t from, uint32_t n);
/* For @ms guest 0 asks GET_FEATURES, twice a millisecond at most: how often, and how long it waited at most. */
int crowd_ask(struct crowd *, unsigned int ms);
/* Nobody sends. */
void crowd_hush(struct crowd *);

/* --- windows (crowd_work.c): each prints its result as one line of JSON, and nothing is on its way then --------------- */

/* All lanes as fast as it goes: what arrived in @ms, after @warm_ms. */
int crowd_run(struct crowd *, uint32_t len, unsigned int warm_ms, unsigned int ms);
/* @pps frames a second in all, each from a sender drawn by chance, and how long it was on its way. The receivers' rings are
 * looked at all the time. Flooders are not paced. */
int crowd_paced(struct crowd *, uint32_t len, double pps, unsigned int warm_ms, unsigned int ms);

#endif
