/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_vlan.h: VLAN tags that a device puts into frames itself.
 *
 * A guest's frame that leaves with a tag more than it has is copied into an mbuf as it is, and the mbuf says which tag is to
 * be put in, into each piece where the device cuts it up. That is left to devices which do it on the way to the wire. Drivers
 * that do it with a CPU of ours (ethdev_quirk.h) are slower at it than the bridge, and are asked only if the user says so.
 *
 * Tags are never left to a device to take off: docs/architecture.md has the numbers. What takes them off all the same has them
 * put back (ethdev_queues.c).
 *
 * Context: the device thread plans, lcores do the rest.
 */
#ifndef VUS_ETHDEV_VLAN_H
#define VUS_ETHDEV_VLAN_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ethdev_options.h"
#include "ethdev_quirk.h"
#include "frame.h"

/* How it is with the tags of a device, for people. */
enum ethdev_vlan {
	ETHDEV_VLAN_OFF,     /* the user says so */
	ETHDEV_VLAN_NONE,    /* the device cannot */
	ETHDEV_VLAN_SOFT,    /* its driver would do it with our CPU */
	ETHDEV_VLAN_IN_WAY,  /* it can, but not with what else is asked of it */
	ETHDEV_VLAN_INSERTS, /* it does */
};

/* Adds to the device's configuration that it puts tags in, if it is to. */
enum ethdev_vlan ethdev_vlan_plan(const struct rte_eth_dev_info *info, const struct ethdev_quirk *quirk,
				  const struct ethdev_options *options, struct rte_eth_conf *conf);

/* In words. */
const char *ethdev_vlan_text(enum ethdev_vlan vlan);

/* Tells a copy of the frame that the device puts the tag in. */
static inline void ethdev_vlan_request(const struct frame *frame, struct rte_mbuf *mbuf)
{
	mbuf->vlan_tci = frame->vlan;
	mbuf->ol_flags |= RTE_MBUF_F_TX_VLAN;
}

#endif
