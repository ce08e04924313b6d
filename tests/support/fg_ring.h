/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_ring: a virtqueue from the driver's side, split or packed (virtio 1.2, sections 2.7 and 2.8).
 *
 * The normal driver posts chains of any shape, publishes them, kicks, waits for the interrupt and
 * reaps. It checks what it is given back: an id that is not in flight is an error, never ignored.
 * A hostile test works below that: every field of the ring is reachable through the pointers of
 * struct fg_ring, and fg_ring_desc() writes a descriptor without asking.
 *
 * Thread-safety: one thread per ring at a time. Functions return 0, a count or -errno.
 */
#ifndef FG_RING_H
#define FG_RING_H

#include "fg_memory.h"
#include "fg_vring.h"

enum { FG_RING_MAX = 1024, FG_INDIRECT_MAX = 128 };

/* A piece of guest memory, as a driver describes it. */
struct fg_buf {
	uint64_t gpa;
	uint32_t len;
	bool write; /* the device writes it */
};

struct fg_ring {
	struct fg_memory *mem;
	uint16_t num;
	bool event_idx;
	bool in_order; /* buffers come back as they went out, one entry each */
	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct fg_desc *desc;
	struct fg_avail *avail;
	struct fg_used *used;
	uint16_t avail_idx; /* what the next publish will store */
	uint16_t published, last_used;
	uint16_t free_head, n_free;
	uint16_t chain_len[FG_RING_MAX]; /* descriptors a head holds; 0: not in flight */
	uint32_t token[FG_RING_MAX];	 /* the poster's word for the chain of a head */
	uint64_t indirect_gpa[FG_RING_MAX];
	/* Packed: the layout is fg_packed.c's, indexes count chains, and `desc` is the ring. */
	bool packed;
	uint16_t place_avail, place_published, place_used, next_id;
	uint16_t fifo[FG_RING_MAX];	    /* ids in flight, by ordinal */
	uint16_t hidden_place[FG_RING_MAX]; /* heads that wait for the next publish */
	uint16_t hidden;
	int kick, call, err; /* eventfds of ours */
	uint64_t kicks, interrupts;
};

static inline struct fg_vring fg_ring_v(const struct fg_ring *r)
{
	return (struct fg_vring){r->desc, r->avail, r->used, r->num, r->packed};
}

/* Takes memory for the ring out of region @slot; creates the eventfds. */
int fg_ring_init(struct fg_ring *, struct fg_memory *, unsigned int slot, uint16_t num);
void fg_ring_fini(struct fg_ring *);

/* Forgets everything in flight; indexes and rings start again from 0. The format is `packed`. */
void fg_ring_reset(struct fg_ring *, bool event_idx);

/* What GET_VRING_BASE says of a ring of which everything that was taken has come back. */
uint32_t fg_ring_base(const struct fg_ring *);
/* What a front end says of the ring when it has lost its back end: of a split ring where it stands,
 * of a packed one where it began. */
uint32_t fg_ring_lost_base(const struct fg_ring *);

/* Forgets what is in flight but goes on counting from @base (what GET_VRING_BASE returned). */
void fg_ring_rebase(struct fg_ring *, uint16_t base);

/* Posts one chain; it becomes visible at the next publish. Returns its head, or -ENOSPC. */
int fg_ring_post(struct fg_ring *, const struct fg_buf *, unsigned int n, uint32_t token);
int fg_ring_post_indirect(struct fg_ring *, const struct fg_buf *, unsigned int n, uint32_t token);

/* Shows the device all that was posted. */
void fg_ring_publish(struct fg_ring *);

/* Kicks unless the device has said that it needs none. fg_ring_kick_now() does not ask. */
void fg_ring_kick(struct fg_ring *);
void fg_ring_kick_now(struct fg_ring *);

/* Takes back one chain. Returns 1, 0 if there is none, -EPROTO if the device returned what it had
 * not been given. */
int fg_ring_reap(struct fg_ring *, uint32_t *token, uint32_t *len);

/* Waits until there is something to reap, trusting the interrupt alone: a device that fails to
 * interrupt is found out. Returns 0 or -ETIMEDOUT. */
int fg_ring_wait(struct fg_ring *, int ms);

/* Whether a chain can be reaped now. */
bool fg_ring_ready(const struct fg_ring *);

/* Whether the error eventfd was signalled within @ms. */
bool fg_ring_error(struct fg_ring *, int ms);

/* How often the call eventfd was signalled since the last look. */
uint64_t fg_ring_take_interrupts(struct fg_ring *);

/* Raw: writes descriptor @i. */
void fg_ring_desc(struct fg_ring *, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		  uint16_t next);
/* Raw: puts @head into the available ring and publishes it, whatever it is. */
void fg_ring_avail(struct fg_ring *, uint16_t head);
void fg_ring_set_avail_idx(struct fg_ring *, uint16_t idx);
uint16_t fg_ring_used_idx(const struct fg_ring *);

#endif
