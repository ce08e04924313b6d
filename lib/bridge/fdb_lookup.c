/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdb_private.h"

static inline struct fdb_value value_of(uint32_t word)
{
	return (struct fdb_value){
		.destination = word & (FDB_DESTINATIONS - 1),
		.epoch = fdb_epoch((uint16_t)(word >> FDB_EPOCH_SHIFT)),
		.is_static = (word >> FDB_STATIC_SHIFT & 1) != 0,
	};
}

enum line_answer { LINE_HAS_NOT, LINE_HAS, LINE_CHANGED };

/* Pairs with place_fill(), place_clear() and place_set_value(). */
static inline enum line_answer line_read(const struct fdb_line *line, uint64_t key,
					 struct fdb_value *value)
{
	uint32_t version = atomic_load_explicit(&line->version, memory_order_acquire), word;
	int place = fdb_place_of(line, key);

	if (place < 0)
		return LINE_HAS_NOT;
	/* Pairs with place_fill(): a value of a later address comes with a later version. */
	word = atomic_load_explicit(&line->value[place], memory_order_acquire);
	if (__builtin_expect(atomic_load_explicit(&line->version, memory_order_relaxed) != version,
			     0))
		return LINE_CHANGED;
	*value = value_of(word);
	return LINE_HAS;
}

/* A line that changed meanwhile, and the second line. */
static __attribute__((noinline)) bool lookup_further(const struct fdb *fdb, uint64_t hash,
						     uint64_t key, enum line_answer first,
						     struct fdb_value *value)
{
	enum line_answer second;

	while (first == LINE_CHANGED)
		first = line_read(&fdb->line[fdb_first_line(fdb, hash)], key, value);
	if (first == LINE_HAS)
		return true;
	do
		second = line_read(&fdb->line[fdb_second_line(fdb, hash)], key, value);
	while (second == LINE_CHANGED);
	return second == LINE_HAS;
}

bool fdb_lookup(const struct fdb *fdb, fdb_key_t key, struct fdb_value *value,
		struct fdb_mark *mark)
{
	uint64_t hash = fdb_hash(fdb, key);
	enum line_answer first;

	mark->bucket = fdb_bucket(hash);
	/* Before the lines are read. Pairs with entry_changed(). */
	mark->generation =
		atomic_load_explicit(&fdb->generation[mark->bucket], memory_order_acquire);
	first = line_read(&fdb->line[fdb_first_line(fdb, hash)], key | FDB_USED, value);
	if (__builtin_expect(first == LINE_HAS, 1))
		return true;
	return lookup_further(fdb, hash, key | FDB_USED, first, value);
}

/* Pairs with entry_changed(): if the mark holds no more, the next look-up sees why. */
bool fdb_mark_holds(const struct fdb *fdb, struct fdb_mark mark)
{
	return atomic_load_explicit(&fdb->generation[mark.bucket], memory_order_acquire) ==
	       mark.generation;
}
