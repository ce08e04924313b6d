/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_record.h: what a process that serves a ring leaves behind for the next one (L8).
 *
 * A switch that is killed between the delivery of a guest's frames and the return of their buffers would deliver them a
 * second time when it comes back: the ring alone says only which buffers are back. So before a burst may be delivered,
 * the lcore writes here how far it has taken the ring. It is one plain store of one word, and memory that processes
 * share (vhu_journal.h) keeps it when the process dies.
 *
 * A record is about one ring, which its key names: where it lies in the front end's memory, its size, what was agreed
 * upon. Control writes the key when a ring starts that the record is not about, and clears it when a ring is stopped in
 * an orderly way: then everything is back and the front end knows the place. Whether a record that matches is still true
 * is seen in the ring itself, by the lcore that opens it (virtq_format.begin). What is found in a record was written by
 * another process, and is checked like what a guest writes.
 *
 * A queue without a journal has a record of its own, so that the data path has no case for it.
 *
 * Context: the lcore that has the queue's position; control while there is none.
 */
#ifndef VUS_VIRTQ_RECORD_H
#define VUS_VIRTQ_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lines.h"
#include "vus_limits.h"

struct virtq_setup;

/* A chain that goes back to its driver. */
struct virtq_returned {
	uint16_t id, slots;
	uint32_t len;
};

struct virtq_record {
	_Atomic uint64_t check; /* of the key; 0: about no ring */
	uint64_t desc_uva, avail_uva, used_uva, features;
	uint32_t size;
	uint32_t base; /* where the front end let the ring begin */
	/* The process that serves the ring writes. Split: entries [from, taken) of the available ring are in hand: not
	 * back yet, and delivered or about to be; from in bits 0 to 15, taken in 16 to 31. While a part of them goes
	 * back, up to which one in 32 to 47; else from. Packed: the place of the next element (0 to 15), where the last
	 * chain that was returned began (16 to 31), how many of the list below are in hand (32 to 39: their data are
	 * complete, their elements are yet to be written), which entry of the list is the first of them (40 to 47; it
	 * goes around), and the id of that last chain (48 to 63). */
	_Atomic uint64_t place;
	uint64_t spare;
	struct virtq_returned in_hand[VIRTQ_IN_HAND_LIST];
};
_Static_assert(sizeof(struct virtq_record) % LINE_BYTES == 0, "lcores write their own lines and no other");

/* Is about the ring that `setup` describes, and a packed ring began at the same base: a front end that lost its device does
 * not know better, and one that does says another. A record whose key is damaged is about no ring; *damaged tells. */
bool virtq_record_matches(const struct virtq_record *record, const struct virtq_setup *setup,
			  uint32_t base, bool *damaged);
/* Is about this ring from now on, and says nothing yet. */
void virtq_record_begin(struct virtq_record *record, const struct virtq_setup *setup,
			uint32_t base);
/* Is about no ring. */
void virtq_record_clear(struct virtq_record *record);

static inline void virtq_record_place(struct virtq_record *record, uint16_t from, uint16_t taken)
{
	/* Pairs with virtq_resume(): after the entries before `from` were returned; and before a receiver can see the
	 * frames of these: each delivery ends with a release of its own. */
	atomic_store_explicit(&record->place, (uint64_t)from << 32 | (uint64_t)taken << 16 | from,
			      memory_order_release);
}

/* Entries [from, end) are about to be returned, and those behind stay in hand. Pairs with virtq_resume(). */
static inline void virtq_record_part(struct virtq_record *record, uint16_t from, uint16_t taken,
				     uint16_t end)
{
	atomic_store_explicit(&record->place, (uint64_t)end << 32 | (uint64_t)taken << 16 | from,
			      memory_order_release);
}

static inline struct virtq_returned *virtq_record_at(struct virtq_record *record, uint16_t list,
						     uint16_t i)
{
	return &record->in_hand[(list + i) % VIRTQ_IN_HAND_LIST];
}

/* The place, the last chain, and what is in hand. Pairs with virtq_resume(): the list is complete. */
static inline void virtq_record_list(struct virtq_record *record, uint16_t next, uint16_t last,
				     uint16_t last_id, uint16_t list, uint16_t in_hand)
{
	atomic_store_explicit(&record->place,
			      (uint64_t)last_id << 48 | (uint64_t)list << 40 |
				      (uint64_t)in_hand << 32 | (uint64_t)last << 16 | next,
			      memory_order_release);
}

#endif
