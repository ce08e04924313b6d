/* SPDX-License-Identifier: BSD-3-Clause */
/* fdb_lookup.h: the parts of fdb_lookup(), to be compiled into the caller; lib/bridge only.
 *
 * Context: any thread.
 */
#ifndef VUS_FDB_LOOKUP_H
#define VUS_FDB_LOOKUP_H

#include "fdb_private.h"

/* No value of an entry. */
static const uint32_t FDB_WORD_NONE = UINT32_MAX;

static inline uint32_t fdb_word_destination(uint32_t word)
{
	return word & (FDB_DESTINATIONS - 1);
}

static inline struct fdb_value fdb_value_of(uint32_t word)
{
	return (struct fdb_value){
		.destination = fdb_word_destination(word),
		.epoch = fdb_epoch((uint16_t)(word >> FDB_EPOCH_SHIFT)),
		.is_static = (word >> FDB_STATIC_SHIFT & 1) != 0,
	};
}

/* The value in a place whose key was read after the version. Pairs with place_fill(): the value of a later address comes
 * with a later version.
 * Returns: whether it is that key's. */
static inline bool fdb_place_read(const struct fdb_line *line, int place, uint32_t version, uint32_t *word)
{
	/* Pairs with place_set_value(). */
	*word = atomic_load_explicit(&line->value[place], memory_order_acquire);
	return atomic_load_explicit(&line->version, memory_order_relaxed) == version;
}

/* The first line of an address. Always inline: gcc takes a function that only prefetches for one without effect,
 * and leaves out its calls. */
static inline __attribute__((always_inline)) void fdb_lookup_prefetch(const struct fdb *fdb, uint64_t hash)
{
	__builtin_prefetch(&fdb->line[fdb_first_line(fdb, hash)]);
}

/* The rest of a look-up: what is in its second line, nowhere, or was just filled. `key` has FDB_USED. */
uint32_t fdb_lookup_further(const struct fdb *fdb, uint64_t hash, uint64_t key);

/* `hash` is fdb_hash() of the key.
 * Returns: the value, a word; FDB_WORD_NONE: the address is not known. */
static inline uint32_t fdb_lookup_word(const struct fdb *fdb, fdb_key_t key, uint64_t hash)
{
	uint64_t used = key | FDB_USED;
	const struct fdb_line *line = &fdb->line[fdb_first_line(fdb, hash)];
	/* Pairs with place_fill(). */
	uint32_t version = atomic_load_explicit(&line->version, memory_order_acquire), word;
	int place = fdb_place_of(line, used);

	/* All but four of a hundred are in their first line. */
	if (__builtin_expect(place >= 0, 1) && __builtin_expect(fdb_place_read(line, place, version, &word), 1))
		return word;
	return fdb_lookup_further(fdb, hash, used);
}

static inline uint32_t fdb_lookup_inline(const struct fdb *fdb, fdb_key_t key, struct fdb_mark *mark)
{
	uint64_t hash = fdb_hash(fdb, key);

	mark->bucket = fdb_bucket(hash);
	/* Before the lines are read. Pairs with entry_changed(). */
	mark->generation =
		atomic_load_explicit(&fdb->generation[mark->bucket], memory_order_acquire);
	return fdb_lookup_word(fdb, key, hash);
}

#endif
