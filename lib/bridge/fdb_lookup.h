/* SPDX-License-Identifier: BSD-3-Clause */
/* fdb_lookup.h: fdb_lookup() to be compiled into the caller, which saves a sixth of it; lib/bridge only.
 *
 * Context: any thread.
 */
#ifndef VUS_FDB_LOOKUP_H
#define VUS_FDB_LOOKUP_H

#include "fdb_private.h"

static inline struct fdb_value fdb_value_of(uint32_t word)
{
	return (struct fdb_value){
		.destination = word & (FDB_DESTINATIONS - 1),
		.epoch = fdb_epoch((uint16_t)(word >> FDB_EPOCH_SHIFT)),
		.is_static = (word >> FDB_STATIC_SHIFT & 1) != 0,
	};
}

/* The value in a place whose key was read after the version. Pairs with place_fill(): the value of a later address comes
 * with a later version.
 * Returns: whether it is that key's. */
static inline bool fdb_place_read(const struct fdb_line *line, int place, uint32_t version,
				  struct fdb_value *value)
{
	/* Pairs with place_set_value(). */
	uint32_t word = atomic_load_explicit(&line->value[place], memory_order_acquire);

	if (__builtin_expect(atomic_load_explicit(&line->version, memory_order_relaxed) != version,
			     0))
		return false;
	*value = fdb_value_of(word);
	return true;
}

/* A hint. */
static inline bool fdb_is_large(const struct fdb *fdb)
{
	return atomic_load_explicit(&fdb->large, memory_order_relaxed);
}

/* The first line of an address. Always inline: gcc takes a function that only prefetches for one without effect,
 * and leaves out its calls. */
static inline __attribute__((always_inline)) void fdb_lookup_prefetch(const struct fdb *fdb, fdb_key_t key)
{
	__builtin_prefetch(&fdb->line[fdb_first_line(fdb, fdb_hash(fdb, key))]);
}

/* The rest of a look-up: what is not in its first place, or was just filled. `key` has FDB_USED. */
bool fdb_lookup_further(const struct fdb *fdb, uint64_t hash, uint64_t key,
			struct fdb_value *value);

static inline bool fdb_lookup_inline(const struct fdb *fdb, fdb_key_t key, struct fdb_value *value,
				     struct fdb_mark *mark)
{
	uint64_t hash = fdb_hash(fdb, key), used = key | FDB_USED;
	const struct fdb_line *line = &fdb->line[fdb_first_line(fdb, hash)];
	int place = fdb_first_place(hash);
	uint32_t version;

	mark->bucket = fdb_bucket(hash);
	/* Before the lines are read. Pairs with entry_changed(). */
	mark->generation =
		atomic_load_explicit(&fdb->generation[mark->bucket], memory_order_acquire);
	/* Four of five are in their first place. Pairs with place_fill(). */
	version = atomic_load_explicit(&line->version, memory_order_acquire);
	if (__builtin_expect(atomic_load_explicit(&line->key[place], memory_order_acquire) == used,
			     1) &&
	    fdb_place_read(line, place, version, value))
		return true;
	return fdb_lookup_further(fdb, hash, used, value);
}

#endif
