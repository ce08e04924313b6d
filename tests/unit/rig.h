/* SPDX-License-Identifier: BSD-3-Clause */
/* rig.h: a guest's memory and the driver's side of split rings in it, for tests of virtqueue and virtio_net.
 *
 * The memory is a memfd mapped twice: where the driver writes and where the switch does, at different addresses, and
 * guest-physical and front-end addresses are unrelated to both. Two regions adjoin in guest-physical space and nowhere
 * else, so code that forgets to translate every byte is found out. A third is large, empty and far away.
 *
 * rig_snapshot() remembers every byte of the two small regions; rig_expect() says what will be written; rig_check()
 * fails unless exactly that was. A buffer needs no canaries: everything around it is one.
 *
 * One thread; failures are cmocka's.
 */
#ifndef RIG_H
#define RIG_H

#include <stdbool.h>

#include "cases.h"
#include "dice.h"
#include "fg_vring.h"
#include "frame.h"
#include "port_counters.h"
#include "virtq.h"

enum { RIG_LOW, RIG_HIGH, RIG_BIG, RIG_REGIONS };

#define RIG_SIZE UINT64_C(0x80000)     /* of each of the two small regions */
#define RIG_BIG_SIZE UINT64_C(0x4000000)
#define RIG_GPA UINT64_C(0x7a5c12340000) /* of the first; 47 bits, as virtio-user has them */
#define RIG_SEAM (RIG_GPA + RIG_SIZE)  /* where the second begins */
#define RIG_END (RIG_SEAM + RIG_SIZE)
#define RIG_BIG_GPA UINT64_C(0x100000000)

struct rig {
	uint8_t *driver[RIG_REGIONS], *host[RIG_REGIONS];
	struct mem_region region[RIG_REGIONS];
	struct mem_table table;
	struct mem_map *map;
	uint64_t free_at; /* next byte rig_alloc() hands out */
	uint8_t *image;	  /* what the small regions must hold */
};

void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* The one rig of a program that needs no more, and what opens and closes it around a group of tests. */
extern struct rig rig;
int rig_setup(void **state);
int rig_teardown(void **state);
/* A program whose test cases run with split rings and then with packed ones. Returns: how many failed. */
int rig_run_both(const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown);

/* A test case whose guest names the same bytes twice in a burst (mem_fetch.h): the same buffer or table in two chains, a chain
 * that leads back into itself, or one so long that the ring comes around. */
#define case_naming_twice(f) cmocka_unit_test_setup_teardown(f, rig_names_twice, rig_names_once)
int rig_names_twice(void **state);
int rig_names_once(void **state);

/* Guest memory for a test's use, below the seam. rig_reset() takes all of it back. */
uint64_t rig_alloc(struct rig *rig, uint64_t len, uint64_t align);
void rig_reset(struct rig *rig);
/* The driver's view of one byte. */
uint8_t *rig_at(struct rig *rig, uint64_t gpa);
void rig_put(struct rig *rig, uint64_t gpa, const void *from, uint64_t len);
void rig_get(struct rig *rig, uint64_t gpa, void *to, uint64_t len);
/* The front end's address of gpa. */
uint64_t rig_uva(const struct rig *rig, uint64_t gpa);

void rig_snapshot(struct rig *rig);
void rig_expect(struct rig *rig, uint64_t gpa, const void *from, uint64_t len);
void rig_check(struct rig *rig);

/* --- a ring ------------------------------------------------------------------------------------------------------ */

/* Rings that are opened are packed; ordinals of chains are 16-bit numbers that begin at `base` as indexes of a split ring
 * do, wherever they lie. */
extern bool rig_packed;

struct ring {
	struct rig *rig;
	bool packed;
	uint32_t base; /* for SET_VRING_BASE */
	/* Packed: where the next chain goes, the next one returned is, and of each chain by its ordinal where it lies and
	 * how many slots it takes. */
	uint16_t next_place, used_place, shown, made;
	uint16_t *place_of, *slots_of;
	struct fg_desc *loose; /* written by ring_desc(), not offered yet: by their id */
	bool *is_loose;
	struct virtq q;
	struct virtq_conf *conf;
	struct virtq_setup setup;
	struct virtq_record record;
	uint64_t desc, avail, used; /* guest addresses, and the same as the driver has it: */
	struct fg_vring v;
	uint16_t size, avail_idx, used_idx, next_desc;
	int call_fd;
};

/* Features as bits; the ring begins at entry `base` on both sides. An eventfd is its interrupt. */
void ring_open(struct ring *ring, struct rig *rig, uint16_t size, uint64_t features, uint16_t base);
void ring_close(struct ring *ring);
/* What control does to a ring that broke, and the driver with it: both begin anew at `base`. */
void ring_restart(struct ring *ring, uint16_t base);

/* The one ring of a test, what it receives into and counts: everything of the rig begins anew. */
extern struct burst burst;
extern struct port_counters counters;
struct ring *fresh_ring(uint16_t size, uint64_t features, uint16_t base);

#define F(bit) (UINT64_C(1) << (bit))
enum { WRITE = FG_DESC_WRITE, NEXT = FG_DESC_NEXT, INDIRECT = FG_DESC_INDIRECT };

struct piece {
	uint64_t gpa;
	uint32_t len;
};

enum chain_form {
	CHAIN_DIRECT,
	CHAIN_INDIRECT,
	CHAIN_MIXED,	   /* some descriptors, then a table */
	CHAIN_ACROSS,	   /* an indirect table that lies in two regions */
	CHAIN_FORMS,
};

void ring_desc(struct ring *ring, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
	       uint16_t next);
/* Writes descriptors for the pieces, scattered over the table, and returns the head. */
uint16_t ring_chain(struct ring *ring, const struct piece *pieces, uint32_t n, bool writable,
		    enum chain_form form);
/* Makes a head available, unseen yet; shows the device everything offered. */
void ring_offer(struct ring *ring, uint16_t head);
void ring_show(struct ring *ring);
/* Offers and shows n frames of `len` bytes, each with a buffer and a pattern of its own: from number `from` on, whose heads go
 * into heads[from] and what follows. */
void ring_post(struct ring *ring, uint32_t from, uint32_t n, uint32_t len, uint16_t *heads);
/* Takes a used entry. */
bool ring_take(struct ring *ring, uint32_t *id, uint32_t *len);
uint16_t ring_used_index(struct ring *ring);
/* The device will write this used entry, and this index. */
void ring_expect_used(struct ring *ring, uint16_t at, uint32_t id, uint32_t len);
void ring_expect_used_index(struct ring *ring, uint16_t index);
/* The driver's wish: an index for the interrupt, or the NO_INTERRUPT flag. */
void ring_used_event(struct ring *ring, uint16_t index);
void ring_avail_flags(struct ring *ring, uint16_t flags);
/* The device's wish. */
uint16_t ring_avail_event(struct ring *ring);
uint16_t ring_used_flags(struct ring *ring);
/* Interrupts since the last call. */
uint64_t ring_interrupts(struct ring *ring);

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* Byte i of the frame number `seed`: never the same run twice. */
uint8_t pattern(uint32_t seed, uint32_t i);
void pattern_fill(uint8_t *to, uint32_t seed, uint32_t len);
/* The frame's bytes by the obvious copy. */
void frame_flatten(const struct frame *frame, uint8_t *to);

uint64_t drops_of_rx(const struct port_counters *counters);
uint64_t drops_of_tx(const struct port_counters *counters);

#endif
