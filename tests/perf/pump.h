/* SPDX-License-Identifier: BSD-3-Clause */
/* pump: guests that cost almost nothing, so that a switch between them is what is measured.
 *
 * A pump_guest is a front end on a real vhost-user socket (tests/support) and the driver of its two rings. Everything that
 * does not change is written once: addresses, MACs, and in a split ring the descriptors and the available entries. For a
 * frame the driver writes a number into the first line it sends and reads it in the first line it receives; what comes
 * back is posted again. A ring is looked at every `interval` ticks, so that its lines stay where the switch has them.
 *
 * A pump_lane carries frames from one guest to another, closed: never more on the way than the receiver has buffers. So a
 * frame that is lost is the switch's doing; the numbers show it, and frames that come twice or out of their order.
 *
 * It works with any back end: memory as one table or slot by slot, split rings or packed, this side listening or not.
 * Thread-safety: one thread. Functions return 0 or -errno with a line on stderr. Times are TSC ticks.
 */
#ifndef PUMP_H
#define PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "fg_fast.h"
#include "fg_session.h"

enum {
	PUMP_HEADER = 12,     /* of virtio-net */
	PUMP_NUMBER_AT = 32,  /* of the frame's number, in the first line of a buffer; its time follows */
	PUMP_IP_NUMBER_AT = 56,  /* the same behind the headers of a datagram */
	PUMP_TCP_NUMBER_AT = 80, /* and of TCP */
	PUMP_TCP_MIN = 128,
	PUMP_FRAME_MIN = 60,
	PUMP_FRAME_MAX = 65550,
	PUMP_GUESTS_MAX = 1024,
	PUMP_BUFFER = 2048,   /* a receive buffer; a longer frame takes several */
	PUMP_STRIDE = 37 * 64, /* as DPDK spaces its mbufs: no two buffers in a row use the same sets of a cache */
};

struct pump_options {
	unsigned int ring; /* entries, a power of two up to FG_RING_MAX */
	unsigned int pairs; /* of queues; pump_lane uses the first */
	unsigned int regions;
	unsigned int macs; /* addresses a guest sends from, in turn */
	uint32_t len_max;  /* the longest frame that will be sent */
	bool packed, huge, listen;
	bool sparse; /* buffers in small pages are not touched before they are used */
	bool ip;  /* frames are IPv4, with nothing in it that is known */
	bool tcp; /* frames are TCP over IPv4, to be cut into segments of 1448 bytes by who needs that (HOST_TSO4, GUEST_TSO4) */
	bool straight; /* a ring's buffers in the order of their addresses; else in no order */
};

/* One virtqueue. Slot i of the ring always holds buffer i, for everything comes back in order. */
struct pump_ring {
	struct fg_ring *r;
	struct fg_fast fast;
	bool receives;
	uint64_t gpa[FG_RING_MAX];
	uint8_t *at[FG_RING_MAX];
	uint32_t len; /* of every descriptor */
	uint64_t kicks;
	uint64_t buffer_gpa[FG_RING_MAX]; /* to send from, as many as the ring has slots */
	uint8_t *buffer_at[FG_RING_MAX];
};

struct pump_guest {
	struct fg_memory mem;
	struct fg_session s;
	struct pump_options opt;
	uint32_t number;
	int file, listener;
	uint32_t number_at;
	struct pump_ring *rx, *tx; /* one of each a pair */
};

/* Lays out the memory and, if it is to listen, makes the socket. pump_guest_connect() waits for the switch and starts
 * the rings, pump_guest_fill() posts the receive buffers. */
int pump_guest_open(struct pump_guest *, const struct pump_options *, const char *path, uint32_t number);
int pump_guest_connect(struct pump_guest *, const char *path);
void pump_guest_fill(struct pump_guest *);
void pump_guest_close(struct pump_guest *);
/* How many receive buffers a frame takes. */
uint32_t pump_buffers(uint32_t len);
/* Every frame is of @len bytes from now on. Only while nothing is on its way. */
void pump_guest_set_len(struct pump_guest *, uint32_t len);

/* --- rings ------------------------------------------------------------------------------------- */

/* What a driver has in its ring before it posts the first buffer. */
void pump_ring_open(struct pump_ring *, struct fg_ring *, bool receives);
/* How many chains have come back since the last look; those are the caller's to add to `fast.taken`. -EPROTO: what
 * came back is not what was due. */
int pump_ring_look(struct pump_ring *);
/* Posts the next @n slots and shows them; kicks if the switch asks for it. */
void pump_ring_post(struct pump_ring *, uint32_t n);
/* Every descriptor is of @len bytes from now on. Only while nothing is posted. */
void pump_ring_set_len(struct pump_ring *, uint32_t len);

static inline uint64_t pump_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/* --- lanes ------------------------------------------------------------------------------------- */

/* For frames that carry their time: called for each with when it was sent. */
typedef void (*pump_timed)(void *context, uint64_t sent);

struct pump_lane {
	struct pump_guest *from, *to;
	uint32_t len;	  /* of a frame, without CRC */
	uint32_t buffers; /* a frame takes of the receiver */
	uint32_t window;  /* frames on the way, at most */
	uint64_t sent, received, lost, disorder; /* frames; received + lost: no longer on the way */
	uint64_t looked;
	pump_timed timed; /* NULL: frames carry no time */
	void *context;
};

/* Frames of @len bytes from now on; the lane is empty. */
void pump_lane_set(struct pump_lane *, uint32_t len);
/* Takes what has arrived: frames, or -EPROTO. */
int pump_lane_take(struct pump_lane *);
/* Sends what there is room for, at most @most frames: how many, or -EPROTO. */
int pump_lane_send(struct pump_lane *, uint32_t most);
static inline uint64_t pump_lane_on_way(const struct pump_lane *lane)
{
	return lane->sent - lane->received - lane->lost;
}

#endif
