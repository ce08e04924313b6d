/* SPDX-License-Identifier: BSD-3-Clause */
/* vlan_set.h: a set of VLANs, as a user writes it: "10,20-29", or "all".
 *
 * Context: any thread reads; who owns a set changes it.
 */
#ifndef VUS_VLAN_SET_H
#define VUS_VLAN_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* VIDs (IEEE 802.1Q-2018, 9.6): 0 is no VLAN, 4095 is reserved. */
enum { VLAN_MIN = 1, VLAN_MAX = 4094, VLAN_VIDS = 4096, VLAN_VID_MASK = VLAN_VIDS - 1 };

struct vlan_set {
	uint64_t word[VLAN_VIDS / 64];
};

static inline bool vlan_set_has(const struct vlan_set *set, uint16_t vid)
{
	return (set->word[vid / 64] >> vid % 64 & 1) != 0;
}

static inline void vlan_set_add(struct vlan_set *set, uint16_t vid)
{
	set->word[vid / 64] |= UINT64_C(1) << vid % 64;
}

/* Reads VIDs and ranges of them, from VLAN_MIN to VLAN_MAX, with commas between them, or, where a comma has another meaning, '+'.
 * Returns: 0; or -EINVAL, and the set is not to be used. */
int vlan_set_read(struct vlan_set *set, const char *text);

#endif
