/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdb_lookup.h"

static bool line_lookup(const struct fdb_line *line, uint64_t key, struct fdb_value *value)
{
	uint32_t version;
	int place;

	do {
		/* Pairs with place_fill(). */
		version = atomic_load_explicit(&line->version, memory_order_acquire);
		place = fdb_place_of(line, key);
	} while (place >= 0 && !fdb_place_read(line, place, version, value));
	return place >= 0;
}

bool fdb_lookup_further(const struct fdb *fdb, uint64_t hash, uint64_t key, struct fdb_value *value)
{
	return line_lookup(&fdb->line[fdb_first_line(fdb, hash)], key, value) ||
	       line_lookup(&fdb->line[fdb_second_line(fdb, hash)], key, value);
}

bool fdb_lookup(const struct fdb *fdb, fdb_key_t key, struct fdb_value *value,
		struct fdb_mark *mark)
{
	return fdb_lookup_inline(fdb, key, value, mark);
}

/* Pairs with entry_changed(): if the mark holds no more, the next look-up sees why. */
bool fdb_mark_holds(const struct fdb *fdb, struct fdb_mark mark)
{
	return atomic_load_explicit(&fdb->generation[mark.bucket], memory_order_acquire) ==
	       mark.generation;
}
