/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_record.h: what whoever serves a ring leaves behind for the process that serves it next.
 *
 * A switch that is killed between the delivery of a guest's frames and the return of their buffers would deliver them a
 * second time when it comes back: the ring alone says only which buffers are back. So before a burst may be delivered,
 * the lcore writes here how far it has taken the ring. It is one plain store of one word, and memory that processes
 * share (vhu_journal.h) keeps it when the process dies.
 *
 * A record is about one ring, which its key names: where it lies in the front end's memory, its size, what was agreed
 * upon. Control writes the key when a ring starts that the record is not about, and clears it when a ring is stopped in
 * an orderly way: then everything is back and the front end knows the place. Whether a record that matches is still true
 * is seen in the ring itself, by the lcore that opens it (virtq_format.begin). What is found in a record is somebody
 * else's word, and checked like a guest's.
 *
 * A queue without a journal has a record of its own, so that nobody has to ask.
 */
#ifndef VUS_VIRTQ_RECORD_H
#define VUS_VIRTQ_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct virtq_setup;

struct virtq_record {
	_Atomic uint64_t check; /* of the key; 0: about no ring */
	uint64_t desc_uva, avail_uva, used_uva, features;
	uint32_t size;
	uint32_t base; /* where the front end let the ring begin */
	/* Whoever has the ring writes. Entries [from, taken) of a split ring's available ring are in hand: not back yet,
	 * and delivered or about to be. */
	_Atomic uint64_t place;
	uint64_t spare;
};
_Static_assert(sizeof(struct virtq_record) == 64, "a cache line: lcores write their own and no other");

/* Is about the ring that `setup` describes. A record whose key is damaged is about no ring; *damaged tells. */
bool virtq_record_matches(const struct virtq_record *record, const struct virtq_setup *setup,
			  bool *damaged);
/* Is about this ring from now on, and says nothing yet. */
void virtq_record_begin(struct virtq_record *record, const struct virtq_setup *setup,
			uint32_t base);
/* Is about no ring. */
void virtq_record_clear(struct virtq_record *record);

static inline void virtq_record_place(struct virtq_record *record, uint16_t from, uint16_t taken)
{
	/* Before the frames of these entries can be seen by anybody: a store is not overtaken by a later store-release,
	 * and each delivery ends with one. */
	atomic_store_explicit(&record->place, (uint64_t)taken << 16 | from, memory_order_relaxed);
}

#endif
