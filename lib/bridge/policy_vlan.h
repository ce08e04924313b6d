/* SPDX-License-Identifier: BSD-3-Clause */
/* policy_vlan.h: the VLANs of a port of a vlan-aware bridge, what an access port and a trunk have in common.
 *
 *			native	untagged  tagged  members
 *	access 10	10	10	  no	  10
 *	trunk 20-29	none	none	  yes	  20-29
 *	  native 10	10	10	  yes	  10, 20-29
 *	  ... tagged	10	none	  yes	  10, 20-29
 *	qinq 200	200	200	  tunnel  200
 *
 * Context: immutable.
 */
#ifndef VUS_POLICY_VLAN_H
#define VUS_POLICY_VLAN_H

#include "vlan_set.h"

struct policy_vlan {
	uint16_t native;   /* of frames that come without a tag; 0: they are dropped */
	uint16_t untagged; /* its frames leave without a tag, those of others with one; 0: all with one */
	bool tagged;	   /* frames may come with the tag of a VLAN */
	bool tunnel;	   /* or with a tag that is the sender's own: it is not looked at, and stays below that of `native` */
	bool service;	   /* ... which is of type 0x88a8 */
	struct vlan_set members; /* whose frames come and leave, `native` included */
};

/* Of a port of which nothing is said: VLAN 1 without a tag, the default of IEEE 802.1Q-2018 (9.6). */
extern const struct policy_vlan policy_vlan_default;
/* Of what the switch itself sends: in the VLAN of the tag it has. */
extern const struct policy_vlan policy_vlan_switch;

#endif
