/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.h: a virtqueue as its driver sees it, split or packed, that may be filled with anything.
 *
 * Nothing is checked: a descriptor has the address, the length and the flags it is given. In a split ring descriptors are
 * written where they are wanted and a head is offered; in a packed one a chain's follow each other from the next free slot,
 * and the first of them is made available last.
 */
#ifndef HOSTILE_RING_H
#define HOSTILE_RING_H

#include "device.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, PACKED_AVAIL = 1 << 7, PACKED_USED = 1 << 15 };

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
};

struct ring {
	struct device *device;
	uint16_t index, size;
	bool packed;
	uint64_t desc, driver, card; /* the three parts: driver's is the available ring, card's the used ring */
	uint16_t offered;	     /* chains, or the available index of a split ring */
	uint16_t slot;		     /* packed: the next free one, in this lap: */
	bool lap;
	uint16_t used_slot; /* packed: where the next used element will be */
	bool used_lap;
	uint16_t first_flags; /* packed: of the chain being written */
	bool quiet;	      /* offers do not kick */
};

/* Parts at their usual places, zeroed. */
void ring_init(struct ring *, struct device *, uint16_t index, uint16_t size, bool packed);
/* Tells the card. */
void ring_enable(struct ring *);

struct desc *ring_desc(struct ring *, uint16_t i);
struct packed_desc *ring_packed(struct ring *, uint16_t i);
uint16_t *ring_avail(struct ring *);	/* flags, index, entries */
uint16_t ring_used_index(struct ring *); /* split */

/* The k-th descriptor of the next chain. `next`: split; the id of a packed one is k. */
void ring_put(struct ring *, uint16_t k, struct desc);
/* Offers the chain of n descriptors that was put, and kicks. */
void ring_offer(struct ring *, uint16_t n);
/* Split: offers a head, and kicks. */
void ring_offer_head(struct ring *, uint16_t head);
void ring_kick(struct ring *);
/* Takes chains back until `n` have come, or for a time; returns how many. */
unsigned int ring_take(struct ring *, unsigned int n, unsigned int ms);
/* Receive buffers, one descriptor each. */
void ring_post(struct ring *, uint16_t n);

#endif
