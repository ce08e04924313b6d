/* SPDX-License-Identifier: BSD-3-Clause */
/* mac_table.h: behind which port an Ethernet address was last seen, for one bridge.
 *
 * Threads: the control thread is the only writer; lcores look up, without a lock. An entry is one 64-bit word, address and
 * all, in one of the two cache lines that are its address's: one store makes, changes or removes it, a reader sees it as it
 * was or as it is, and no memory has to wait for anybody.
 *
 * Bounds: `size` entries in all and a share for each port. A port that is at its limit, or that wants an entry while the
 * table is full, gives up the oldest of its own dynamic entries: a guest that makes up a million addresses forgets its
 * own, and never another port's (A2). Addresses that were not learned flood.
 *
 * Aging is by epoch, one second each: an lcore reports an address at most once an epoch, which renews it; one that was
 * not renewed for `aging` epochs is removed by mac_table_age(). Static entries neither age nor move.
 *
 * VLAN tags are transparent: one address table per bridge whatever the tag (shared learning, IEEE 802.1Q-2018 8.8.8).
 */
#ifndef VUS_MAC_TABLE_H
#define VUS_MAC_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "role.h"

/* The six bytes of an address as they lie in a frame, in the low 48 bits of a little-endian load; the rest is 0. */
typedef uint64_t mac_key_t;

struct mac_value {
	uint16_t port;
	uint16_t epoch; /* of the last renewal; as a look-up gives it, what mac_epoch() leaves of it */
	bool is_static;
};

/* What an entry has room for: enough to tell this second from those before it. (An address silent for 16 s to the second is
 * renewed by the frame after the first.) */
enum { MAC_EPOCH_BITS = 4 };
static inline uint16_t mac_epoch(uint16_t epoch)
{
	return epoch & ((1u << MAC_EPOCH_BITS) - 1);
}

struct mac_table;

struct mac_table_config {
	uint32_t size;	     /* entries in all */
	uint32_t port_limit; /* entries of one port; 0: size */
	uint16_t aging;	     /* seconds; 0: never */
};

struct mac_table *mac_table_create(const struct mac_table_config *config) RUNS_ON(control_thread);
/* No reader left. */
void mac_table_destroy(struct mac_table *table) RUNS_ON(control_thread);

/* The address was seen behind `port`: learns, moves or renews it. 0; -EEXIST: a static entry says otherwise (kept);
 * -ENOSPC: no room that belongs to this port. */
int mac_table_learn(struct mac_table *table, mac_key_t mac, uint16_t port, uint16_t epoch)
	RUNS_ON(control_thread);
/* Static entries: 0 or -ENOSPC; removing: 0 or -ENOENT. */
int mac_table_set_static(struct mac_table *table, mac_key_t mac, uint16_t port)
	RUNS_ON(control_thread);
int mac_table_remove(struct mac_table *table, mac_key_t mac) RUNS_ON(control_thread);
/* Everything behind a port that goes away, static entries included if `all`. */
void mac_table_flush_port(struct mac_table *table, uint16_t port, bool all) RUNS_ON(control_thread);
/* Once a second. */
void mac_table_age(struct mac_table *table, uint16_t epoch) RUNS_ON(control_thread);

struct mac_table_stats {
	uint32_t entries;
	uint64_t learned, moved, aged, evicted, refused;
};
void mac_table_stats(const struct mac_table *table, struct mac_table_stats *stats)
	RUNS_ON(control_thread);
/* Calls back for each entry until it returns false. */
void mac_table_each(const struct mac_table *table,
		    bool (*entry)(void *arg, mac_key_t mac, const struct mac_value *value),
		    void *arg) RUNS_ON(control_thread);

/* --- lcores ----------------------------------------------------------------------------------------------------- */

/* Changes with every entry that appears, moves or goes (not with a renewal): a look-up remembered together with the
 * generation read before it is good as long as the generation is the same. */
uint32_t mac_table_generation(const struct mac_table *table);
/* Whether the address is known, and where. Any thread. */
bool mac_table_lookup(const struct mac_table *table, mac_key_t mac, struct mac_value *value);

#endif
