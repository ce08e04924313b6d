/* SPDX-License-Identifier: BSD-3-Clause */
/* quick_guest: a guest without a front end, for programs that link the data path itself: memory, and the driver's side of
 * one transmit and one receive ring in it, with the least work a driver can get by with (fg_fast.h). The descriptor of
 * each buffer is written anew, as a driver does.
 *
 * Buffers lie one mbuf apart, so that they do not all fall into the same sets of a cache, and are used in no order: of a
 * regular one the guest's processor fetches ahead what the switch is about to write.
 *
 * A lane carries numbered frames from one guest to another, never more than the receiver has buffers for, and looks at a
 * ring no sooner than QG_LOOK_TICKS after the last time. A frame costs it the line it writes or reads.
 *
 * One thread. Functions that can fail return 0 or -errno.
 */
#ifndef QUICK_GUEST_H
#define QUICK_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fg_fast.h"
#include "mem_map.h"
#include "virtq.h"

enum { QG_RING_MAX = 1024, QG_LOOK_TICKS = 4000, QG_HEADER = 12, QG_LANES_MAX = 64 };

/* What is compared. */
struct qg_shape {
	uint32_t bytes;	  /* of a frame */
	bool packed;
	uint16_t ring;
	uint32_t regions; /* the memory is told as so many, with holes between */
	uint32_t pairs;	  /* of guests, each in a bridge of its own */
	uint32_t macs;	  /* of a pair: the frames' addresses take turns */
};

struct qg_guest {
	uint8_t *memory, *mapping;
	uint64_t bytes; /* of the mapping */
	struct mem_table table;
	struct mem_map *map;
	struct fg_fast tx, rx;
	struct virtq to, from; /* the switch's: the guest's receive and transmit queue */
	struct virtq_conf *to_conf, *from_conf;
	uint32_t room; /* of a buffer */
	uint64_t tx_gpa[QG_RING_MAX], rx_gpa[QG_RING_MAX];
	uint8_t *tx_at[QG_RING_MAX], *rx_at[QG_RING_MAX];
	int call_fd;
};

struct qg_lane {
	struct qg_guest *from, *to;
	const struct qg_shape *shape;
	uint32_t number; /* of the pair: in its addresses */
	uint64_t sent, received, next_look;
};

int qg_open(struct qg_guest *guest, const struct qg_shape *shape);
void qg_close(struct qg_guest *guest);

/* The address of host `i` behind the sender (side 0) or the receiver (side 1) of pair `number`, as mac_key_t has it. */
uint64_t qg_mac(uint32_t number, unsigned int side, uint32_t i);

void qg_lane_open(struct qg_lane *lane, struct qg_guest *from, struct qg_guest *to,
		  const struct qg_shape *shape, uint32_t number);
/* Takes what has arrived and sends what there is room for; `now`: TSC ticks, or 0 to look at once. -EPROTO: a frame was
 * lost, or came twice or out of turn. */
int qg_lane_step(struct qg_lane *lane, uint64_t now, bool send);

/* Where several lanes lead to one guest, each begins its numbers at a multiple of QG_LANE, and only sends; another thread
 * takes what arrived, of all of them: received[i] is the next number due of lane i of n, at
 * most QG_LANES_MAX. -EPROTO: as above. */
#define QG_LANE (UINT64_C(1) << 48)
void qg_lane_send(struct qg_lane *lane);
int qg_collect(struct qg_guest *to, uint32_t bytes, _Atomic uint64_t *received, uint32_t n);

#endif
