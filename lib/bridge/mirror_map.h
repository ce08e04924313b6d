/* SPDX-License-Identifier: BSD-3-Clause */
/* mirror_map.h: mirrors of a bridge: which frames are copied to another of its ports (the sink), and how many were.
 *
 * A mirror says which frames it is about: of which VLANs, by an expression of pcap-filter(7), and how much of each is copied.
 * A mirror_map is what lcores ask: for each port the mirrors of what comes from it and of what goes to it, and which ports
 * are sinks. It names ports by number and never by address, so that nothing of it outlives a port: a number that is no
 * member of the bridge stands for no port.
 *
 * Context: control makes both, and reads the counters; lcores read, between two quiescent states, and count in a block of
 * their own. Units: bytes, frames.
 * Ownership: bridge_set_mirrors() (bridge.h). A mirror lasts from one map to the next, so
 * that its counters go on when ports come and go. Each is one piece of memory, for free().
 */
#ifndef VUS_MIRROR_MAP_H
#define VUS_MIRROR_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"
#include "group_map.h"
#include "lines.h"
#include "port_counters.h"
#include "vlan_set.h"
#include "vus_limits.h"

enum {
	MIRRORS_MAX = 8, /* of a bridge: a bit of a byte each */
	MIRROR_SNAP_MIN = 64,
};

enum mirror_direction { MIRROR_FROM, MIRROR_TO, MIRROR_DIRECTIONS };

struct mirror_count {
	_Alignas(LINE_BYTES) _Atomic uint64_t copied; /* frames that the sink took */
	_Atomic uint64_t dropped; /* frames that it did not take: its tx_drop says why; or it is not there */
	_Atomic uint64_t unknown; /* frames that were not copied because the filter asks for a byte that is not in the head */
};

struct mirror_config {
	const char *name;
	const struct vlan_set *vlans; /* NULL: of any VLAN, and of none */
	const struct filter *filter;  /* NULL: all frames */
	uint32_t snap;		      /* bytes of a frame that are copied; 0: all */
};

struct mirror {
	char name[NAME_LEN_MAX + 1];
	bool any_vlan;
	struct vlan_set vlans;
	uint32_t snap; /* UINT32_MAX: all */
	uint32_t insns_n; /* 0: no filter */
	uint32_t insns;	  /* where the program begins, from the mirror's own beginning */
	unsigned int threads_n;
	struct mirror_count count[];
};

struct mirror_map {
	unsigned int n;
	struct mirror *mirror[MIRRORS_MAX];
	uint16_t sink[MIRRORS_MAX]; /* the number of a port; PORTS_MAX: it is not there */
	struct port_set sinks;
	uint8_t of[MIRROR_DIRECTIONS][PORTS_MAX]; /* for each port: bit i: mirror i copies its frames */
};

/* For so many threads that count. NULL: no memory. All in `config` is copied. */
struct mirror *mirror_create(const struct mirror_config *config, unsigned int threads_n);
/* Whether it copies the same, under the same name. */
bool mirror_is(const struct mirror *mirror, const struct mirror_config *config);
/* What all threads have counted. */
struct mirror_sum {
	uint64_t copied, dropped, unknown;
};
struct mirror_sum mirror_sum(const struct mirror *mirror);

static inline const struct filter_insn *mirror_filter(const struct mirror *mirror)
{
	return (const struct filter_insn *)(const void *)((const char *)mirror + mirror->insns);
}

#endif
