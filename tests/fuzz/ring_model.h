/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_model.h: what a switch may find in a guest's ring and write to its memory: a walk byte by byte, without bursts and without
 * short ways, and a copy of the memory as it was.
 */
#ifndef RING_MODEL_H
#define RING_MODEL_H

#include "ring_guest.h"
#include "vus_limits.h"

/* A chain as the model finds it. */
enum { CHAIN_GOOD = 0, CHAIN_NONE = 1, CHAIN_BROKEN = -1, CHAIN_TOO_LONG = -2 };
struct chain {
	uint16_t id, slots;
	uint32_t len, cost; /* cost: pieces, and descriptors of nothing */
	int result;
	uint8_t bytes[FRAME_LEN_MAX + 64];
};
extern struct chain chain;

/* What the guest made available to be written: chains, each with its pieces. */
struct offered {
	uint16_t place, slots, first, n;
	uint32_t cost;
};
struct piece {
	uint64_t gpa;
	uint32_t len;
};
extern struct offered offered[RING_MAX + 1];
extern struct piece piece[4096];
extern uint32_t offered_n;
/* A byte is in two buffers: which frame it is of depends on their order. A buffer is part of a ring or of a table: so does
 * everything. */
extern bool aliased, confused;

/* A migration's log, for the guest's table. */
void model_create(struct guest *guest);
struct mem_log *model_log(void);

/* From now on nothing may be written but what is allowed. */
void model_remember(void);
void model_allow_used(const struct ring *ring);
/* All buffers that the guest made available; `offered` lists them. */
void model_allow_buffers(struct ring *ring);
/* Nothing else was written, and what was is in the log. */
void model_check_written(const struct ring *const *rings);

/* The ring is looked at: at first for where it stands. */
void model_begin(struct ring *ring);
/* How many chains there may be; -1: the index makes no sense. */
int model_available(struct ring *ring, uint32_t at, uint32_t max);
/* The chain `slots` from where the switch stands, into `chain`. */
void model_chain(const struct ring *ring, uint32_t slots, bool writable);

#endif
