/* SPDX-License-Identifier: BSD-3-Clause */
/* fdb_keys.h: addresses of an FDB as its tests choose them and look them up. */
#ifndef FDB_KEYS_H
#define FDB_KEYS_H

#include "fdb_private.h"

static inline bool known_at(const struct fdb *fdb, fdb_key_t key, struct fdb_value *value)
{
	struct fdb_mark mark;

	return fdb_lookup(fdb, key, value, &mark);
}

/* The next address after `after` whose two lines are these. */
static inline fdb_key_t key_in(const struct fdb *fdb, uint32_t first, uint32_t second, fdb_key_t after)
{
	for (fdb_key_t key = after + 1;; key++) {
		uint64_t hash = fdb_hash(fdb, key);

		if (fdb_first_line(fdb, hash) == first && fdb_second_line(fdb, hash) == second)
			return key;
	}
}

#endif
