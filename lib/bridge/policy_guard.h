/* SPDX-License-Identifier: BSD-3-Clause */
/* policy_guard.h: what a port may say it is, and what it may not send: the part of a policy that guard.h holds frames to.
 *
 * Context: immutable.
 */
#ifndef VUS_POLICY_GUARD_H
#define VUS_POLICY_GUARD_H

#include <stdint.h>

#include "fdb.h"

/* Addresses that a port may have. Each frame may be compared with all of them. */
enum { GUARD_MACS_MAX = 16, GUARD_IPS_MAX = 32 };

/* What is looked at. */
enum {
	GUARD_MACS = 1 << 0,   /* addresses of stations are in `mac` */
	GUARD_IPS = 1 << 1,    /* ... of IP in `ip4` and `ip6` */
	GUARD_DHCP = 1 << 2,   /* no answers of a DHCP server */
	GUARD_RA = 1 << 3,     /* no advertisements and redirects of a router */
	GUARD_BPDU = 1 << 4,   /* no spanning tree */
	GUARD_LOOP = 1 << 5,   /* no source address that is behind another port */
	GUARD_CLOSES = 1 << 6, /* control hears of the first BPDU, and closes the port */
	/* All that needs the frame read. */
	GUARD_READS = GUARD_MACS | GUARD_IPS | GUARD_DHCP | GUARD_RA,
};

/* An address is in a prefix if its bits in `mask` are those of `bits`; words as they lie in a packet. */
struct guard_ip4 {
	uint32_t bits, mask;
};
struct guard_ip6 {
	uint64_t bits[2], mask[2];
};

struct policy_guard {
	uint32_t checks; /* GUARD_MACS | ... */
	/* Of the first entries, in a form in which there need be none: all addresses are in a mask of 0 with bits 0, no one in
	 * that with bits 1. */
	mac_key_t plain_mac, plain_mac_mask;
	struct guard_ip4 plain_ip4;
	struct guard_ip6 plain_ip6;
	uint16_t mac_n, ip4_n, ip6_n;
	mac_key_t mac[GUARD_MACS_MAX];
	struct guard_ip4 ip4[GUARD_IPS_MAX];
	/* With the link-local addresses that follow from `mac` (RFC 4291, appendix A), where there are others. */
	struct guard_ip6 ip6[GUARD_IPS_MAX + GUARD_MACS_MAX];
};

/* Reads what a user has written. `macs` and `ips` are lists with commas between their entries, or, where a comma has another
 * meaning, '+'; NULL: nothing is said. `checks` has what else is looked at.
 * Returns: 0; or -EINVAL (an entry is none) or -E2BIG (there are too many), with that entry in `wrong`. */
struct policy_guard_wrong {
	char entry[64];
};
int policy_guard_read(struct policy_guard *guard, const char *macs, const char *ips, uint32_t checks,
		      struct policy_guard_wrong *wrong);

#endif
