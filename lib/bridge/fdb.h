/* SPDX-License-Identifier: BSD-3-Clause */
/* fdb.h: the filtering database of one bridge: {fid, Ethernet address} -> destination, with age.
 *
 * A fid is a filtering database in the sense of IEEE 802.1Q-2018 8.8.8: what was learned in one is not seen in another. A
 * destination is a number: below PORTS_MAX a port's id, from there on whatever else a frame can be sent to.
 *
 * Context: the control thread is the only writer; lcores look up without a lock, and neither waits for the other. An address has
 * two lines of memory, and a look-up reads no other.
 *
 * How a reader gets the value of the address it asked for. A line is one cache line: five keys, five values and a version.
 * - A key (address and fid) is one word, and so is a value. Another port, or a renewal, is one store into the value.
 * - A value is stored for another address only while its key is 0. To fill a place, the writer changes the version, then
 *   stores the value, then the key, each with release order. To empty one, it stores 0 into the key.
 * - A reader loads the version, the key, the value, and the version again, each with acquire order but the last. If the value
 *   belongs to a later address than the key, the change of the version between the two is seen by the last load, and was
 *   not seen by the first, for with it the reader would have seen the key gone: the versions differ, and it reads the line
 *   again. If the value belonged to an earlier address, the reader would have seen that value's key or 0.
 * A reader goes around again only if the writer has filled a place of the line meanwhile, so a writer that is preempted halfway
 * delays no reader, and an address that stays is found whatever happens to its neighbours. (The version has 32 bits: a
 * look-up would have to take as long as 2^32 addresses learned into one line.)
 *
 * Bounds: `size` entries in all and a share for each port. A port that is at its limit, or that wants an entry while the
 * table is full, gives up the oldest of its own dynamic entries: a guest that makes up a million addresses forgets its
 * own, and never another port's (A2). Addresses that were not learned flood.
 *
 * Aging is by epoch, one second each: an lcore reports an address at most once an epoch, which renews it; one that was
 * not renewed for `aging` epochs is removed by fdb_age(). Static entries neither age nor move.
 */
#ifndef VUS_FDB_H
#define VUS_FDB_H

#include <stdbool.h>
#include <stdint.h>

#include "role.h"

/* The six bytes of an address as they lie in a frame, in the low 48 bits of a little-endian load; the rest is 0. */
typedef uint64_t mac_key_t;

/* An address and, above it, its fid. */
typedef uint64_t fdb_key_t;
enum { FDB_MAC_BITS = 48, FDB_FID_BITS = 12 };
/* The filtering database of a frame where nothing is configured (IEEE 802.1Q-2018, 3.94: FID). */
enum { FID_DEFAULT = 0 };

static inline fdb_key_t fdb_key(uint16_t fid, mac_key_t mac)
{
	return mac | (fdb_key_t)fid << FDB_MAC_BITS;
}
static inline mac_key_t fdb_key_mac(fdb_key_t key)
{
	return key & ((UINT64_C(1) << FDB_MAC_BITS) - 1);
}
static inline uint16_t fdb_key_fid(fdb_key_t key)
{
	return (uint16_t)(key >> FDB_MAC_BITS);
}

/* Destinations are below FDB_DESTINATIONS. */
enum { FDB_DESTINATION_BITS = 24, FDB_DESTINATIONS = 1 << FDB_DESTINATION_BITS };

struct fdb_value {
	uint32_t destination;
	uint16_t
		epoch; /* of the last renewal; as a look-up gives it, what fdb_epoch() leaves of it */
	bool is_static;
};

/* What an entry has room for: enough to tell this second from those before it. (An address silent for 16 s to the second is
 * renewed by the frame after the first.) */
enum { FDB_EPOCH_BITS = 4 };
static inline uint16_t fdb_epoch(uint16_t epoch)
{
	return epoch & ((1u << FDB_EPOCH_BITS) - 1);
}

struct fdb;

struct fdb_config {
	uint32_t size;	     /* entries in all */
	uint32_t port_limit; /* entries of one port; 0: size */
	uint16_t aging;	     /* seconds; 0: never */
};

/* Returns: NULL and errno. */
struct fdb *fdb_create(const struct fdb_config *config) RUNS_ON(control_thread);
/* Context: no reader is left. */
void fdb_destroy(struct fdb *fdb) RUNS_ON(control_thread);

/* The address was seen at `destination`: learns, moves or renews it.
 * Returns: 0; -EEXIST: a static entry says otherwise (kept); -ENOSPC: no room that belongs to this destination. */
int fdb_learn(struct fdb *fdb, fdb_key_t key, uint32_t destination, uint16_t epoch)
	RUNS_ON(control_thread);
/* Renews it if that is where it is. */
void fdb_renew(struct fdb *fdb, fdb_key_t key, uint32_t destination, uint16_t epoch) RUNS_ON(control_thread);
/* Returns: 0 or -ENOSPC. */
int fdb_set_static(struct fdb *fdb, fdb_key_t key, uint32_t destination) RUNS_ON(control_thread);
/* Returns: 0 or -ENOENT. */
int fdb_remove(struct fdb *fdb, fdb_key_t key) RUNS_ON(control_thread);
/* Removes what is at a destination, static entries included if `all`. */
void fdb_flush(struct fdb *fdb, uint32_t destination, bool all) RUNS_ON(control_thread);
/* Once a second, and then until it returns false: removes `most` entries, and returns whether there are more to be removed. */
bool fdb_age(struct fdb *fdb, uint16_t epoch, uint32_t most) RUNS_ON(control_thread);

struct fdb_stats {
	uint32_t entries;
	uint64_t learned, moved, aged, evicted, refused;
};
void fdb_stats(const struct fdb *fdb, struct fdb_stats *stats) RUNS_ON(control_thread);
/* Calls back for each entry in the next `places` places from *from on, which is 0 at first, until it returns false. Whether there
 * are more places; *from is the next. */
bool fdb_each(const struct fdb *fdb, uint32_t *from, uint32_t places,
	      bool (*entry)(void *arg, fdb_key_t key, const struct fdb_value *value), void *arg)
	RUNS_ON(control_thread);

/* --- lcores ----------------------------------------------------------------------------------------------------- */

/* What is remembered with the answer of a look-up: the answer is good while fdb_mark_holds(). An entry that appears, moves or
 * goes (not one that is renewed) ends the marks of its address, and those of one in FDB_BUCKETS of all others. A mark
 * of zeros does not hold. */
enum { FDB_BUCKETS = 256 };
struct fdb_mark {
	uint32_t generation;
	uint8_t bucket;
};

/* Whether the address is known, and where.
 * Context: any thread. */
bool fdb_lookup(const struct fdb *fdb, fdb_key_t key, struct fdb_value *value,
		struct fdb_mark *mark);
/* Context: any thread. */
bool fdb_mark_holds(const struct fdb *fdb, struct fdb_mark mark);

#endif
