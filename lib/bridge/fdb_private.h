/* SPDX-License-Identifier: BSD-3-Clause */
/* fdb_private.h: the lines of a filtering database and where an address is in them; lib/bridge only. fdb.h says how they are
 * written and read.
 *
 * Context: the control thread writes; any lcore reads.
 */
#ifndef VUS_FDB_PRIVATE_H
#define VUS_FDB_PRIVATE_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "fdb.h"
#include "lines.h"
#include "vus_limits.h"

enum { FDB_LINE_ENTRIES = 5 };

struct fdb_line {
	/* FDB_USED and an fdb_key_t; 0: free. */
	_Alignas(LINE_BYTES) _Atomic uint64_t key[FDB_LINE_ENTRIES];
	_Atomic uint32_t value[FDB_LINE_ENTRIES];
	_Atomic uint32_t version; /* changes before a value is stored for another address */
};
_Static_assert(sizeof(struct fdb_line) == LINE_BYTES, "a look-up touches two cache lines");

static const uint64_t FDB_USED = UINT64_C(1) << 63;
_Static_assert(FDB_MAC_BITS + FDB_FID_BITS < 63, "a key and its flag are one word");

/* A value's bits. */
enum {
	FDB_EPOCH_SHIFT = FDB_DESTINATION_BITS,
	FDB_STATIC_SHIFT = FDB_EPOCH_SHIFT + FDB_EPOCH_BITS,
};
_Static_assert(FDB_STATIC_SHIFT < 31, "a value is one word, and FDB_WORD_NONE is none");
_Static_assert((int)PORTS_MAX < (int)FDB_DESTINATIONS, "a port is a destination");

static inline uint32_t fdb_word(const struct fdb_value *value)
{
	return value->destination | (uint32_t)fdb_epoch(value->epoch) << FDB_EPOCH_SHIFT |
	       (uint32_t)value->is_static << FDB_STATIC_SHIFT;
}

/* What the control thread knows of an entry; by its position among the places. */
struct fdb_entry {
	fdb_key_t key;
	struct fdb_value value;
	/* Dynamic entries of one owner, the longest not renewed first. */
	TAILQ_ENTRY(fdb_entry) link;
};
TAILQ_HEAD(fdb_list, fdb_entry);

/* Who pays for entries: a port, or all destinations that are not ports together. */
enum { FDB_OWNERS = PORTS_MAX + 1 };
struct fdb_owner {
	struct fdb_list entries;
	uint32_t n, limit;
};

struct fdb {
	/* Read by every look-up. */
	_Alignas(LINE_BYTES) struct fdb_line *line; /* [mask + 1] */
	uint64_t secret[4];
	uint32_t mask;
	/* Changes with every entry of a bucket that appears, moves or goes. */
	_Alignas(LINE_BYTES) _Atomic uint32_t generation[FDB_BUCKETS];
	/* Control's. */
	_Alignas(LINE_BYTES) struct fdb_config config;
	struct fdb_entry *entry; /* [(mask + 1) * FDB_LINE_ENTRIES] */
	struct fdb_owner *owner; /* [FDB_OWNERS] */
	unsigned int ages;	 /* the owner whose entries fdb_age() looks at next */
	struct fdb_stats stats;
};
BEGINS_A_LINE(struct fdb, generation);
BEGINS_A_LINE(struct fdb, config);
WHOLE_LINES(struct fdb_line);

static inline uint64_t fdb_folded(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Addresses are chosen by their senders. With a hash that can be computed elsewhere (a CRC collides for the same
 * addresses whatever its seed) a guest could fill the few places another's address fits into, and have its frames flooded.
 * Products folded over secrets spread as well and cost as little; one alone leaves neighbours in a pattern. */
static inline uint64_t fdb_hash(const struct fdb *fdb, fdb_key_t key)
{
	const uint64_t *secret = fdb->secret;

	return fdb_folded(fdb_folded(key ^ secret[0], secret[1]) ^ secret[2], secret[3]);
}

/* The two lines an address may be in, never the same; and whose marks end with its changes. */
static inline uint32_t fdb_first_line(const struct fdb *fdb, uint64_t hash)
{
	return (uint32_t)hash & fdb->mask;
}
static inline uint32_t fdb_second_line(const struct fdb *fdb, uint64_t hash)
{
	return fdb_first_line(fdb, hash) ^ (1 + (uint32_t)((hash >> 32) * fdb->mask >> 32));
}
static inline uint8_t fdb_bucket(uint64_t hash)
{
	return (uint8_t)(hash >> 24);
}

/* The place of a key in a line, or -1. All are compared, without a branch for each, for the place is random. Pairs with
 * place_fill() and place_clear(). */
static inline int fdb_place_of(const struct fdb_line *line, uint64_t key)
{
	int place = -1;

#pragma GCC unroll FDB_LINE_ENTRIES
	for (int i = 0; i < FDB_LINE_ENTRIES; i++) {
		bool equal = atomic_load_explicit(&line->key[i], memory_order_acquire) == key;

		place = equal ? i : place;
		__asm__("" : "+r"(place)); /* or the compiler makes branches of it */
	}
	return place;
}

#endif
