/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_guest.h: a guest for fuzz targets: memory of three regions, each between pages that are nobody's, rings, split or packed,
 * and what a driver does with them, rightly or not, as an input says.
 *
 * Units: addresses are guest addresses; lengths in bytes; places of a packed ring as virtq_packed.h has them.
 */
#ifndef RING_GUEST_H
#define RING_GUEST_H

#include "fuzz.h"
#include "virtq.h"

enum {
	REGIONS = 3,
	REGION_SIZE = 1 << 14,
	RING_BYTES = 2048, /* what one ring may take at the beginning of the first region */
	RING_MAX = 64,
	FLAG_NEXT = 1,
	FLAG_WRITE = 2,
	FLAG_INDIRECT = 4,
};

/* Memory and the map that the switch has of it. */
struct guest {
	int fd;
	uint8_t *memory[REGIONS];
	struct mem_map *map;
	struct mem_table table;
};

struct ring {
	struct guest *guest;
	struct virtq q;
	struct virtq_conf *conf;
	struct virtq_setup setup;
	struct virtq_record record;
	bool packed;
	uint16_t size;
	uint64_t desc, avail, used;
	/* The driver's: the next descriptor it writes, what it has made available, and the descriptor by which its last chain
	 * can be offered again. */
	uint16_t next_desc, avail_idx, place, last_head;
	/* The model's: where the switch stands, and the available index when it was last read. */
	uint16_t pos, seen, used_pos;
	bool fresh;
};

struct ring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next; /* the id, in a packed ring */
};

/* Where the regions are; the first two adjoin. */
extern const uint64_t guest_region[REGIONS];

/* With memory of its own, or, as two devices of one guest have it, with a mapping of its own of another's. */
void guest_create(struct guest *guest, const struct guest *same);
void guest_fill(struct guest *guest, uint8_t byte, int region);

/* NULL: there is no memory. */
uint8_t *guest_at(const struct guest *guest, uint64_t gpa);
/* The bytes from gpa on that lie in one region, at most len: their number; 0: gpa is nowhere. */
uint32_t guest_run(uint64_t gpa, uint32_t len, int *region);
/* Numbers of so many bytes; where there is no memory, 0 is read and nothing written. */
uint64_t guest_get(const struct guest *guest, uint64_t gpa, unsigned int bytes);
void guest_put(struct guest *guest, uint64_t gpa, uint64_t value, unsigned int bytes);

struct ring_desc ring_desc_get(const struct ring *ring, uint64_t gpa);
void ring_desc_put(struct ring *ring, uint64_t gpa, const struct ring_desc *desc);
/* The place n slots further in a packed ring. */
uint16_t ring_place_after(const struct ring *ring, uint16_t place, uint32_t n);

/* The features that all rings of an input have. */
uint64_t ring_take_features(struct fuzz *in, uint8_t chosen);
void ring_open(struct fuzz *in, struct ring *ring, struct guest *guest, uint64_t gpa, uint64_t features, bool logs, int call_fd)
	RUNS_ON(control_thread);
/* From the beginning, with nothing available. */
void ring_start(struct ring *ring) RUNS_ON(control_thread);

/* Anywhere, mostly where a buffer may be; as long as buffers are, mostly. */
uint64_t ring_take_gpa(struct fuzz *in);
uint32_t ring_take_len(struct fuzz *in);
/* One chain more, `write` is FLAG_WRITE or 0; with lies now and then. */
void ring_offer(struct fuzz *in, struct ring *ring, uint16_t write);
/* The last one n times more. */
void ring_offer_again(struct ring *ring, unsigned int n);
/* Any bytes anywhere, mostly in the rings. */
void ring_rewrite(struct fuzz *in, struct guest *guest);

#endif
