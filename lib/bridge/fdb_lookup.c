/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdb_lookup.h"

static uint32_t line_lookup(const struct fdb_line *line, uint64_t key)
{
	uint32_t version, word;
	int place;

	do {
		/* Pairs with place_fill(). */
		version = atomic_load_explicit(&line->version, memory_order_acquire);
		place = fdb_place_of(line, key);
	} while (place >= 0 && !fdb_place_read(line, place, version, &word));
	return place >= 0 ? word : FDB_WORD_NONE;
}

uint32_t fdb_lookup_further(const struct fdb *fdb, uint64_t hash, uint64_t key)
{
	uint32_t word = line_lookup(&fdb->line[fdb_first_line(fdb, hash)], key);

	return word != FDB_WORD_NONE ? word : line_lookup(&fdb->line[fdb_second_line(fdb, hash)], key);
}

bool fdb_lookup(const struct fdb *fdb, fdb_key_t key, struct fdb_value *value,
		struct fdb_mark *mark)
{
	uint32_t word = fdb_lookup_inline(fdb, key, mark);

	if (word == FDB_WORD_NONE)
		return false;
	*value = fdb_value_of(word);
	return true;
}

/* Pairs with entry_changed(): if the mark holds no more, the next look-up sees why. */
bool fdb_mark_holds(const struct fdb *fdb, struct fdb_mark mark)
{
	return atomic_load_explicit(&fdb->generation[mark.bucket], memory_order_acquire) ==
	       mark.generation;
}
