/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_mirror.h: what the mirrors of a bridge (mirror_map.h) copy to their sinks; lib/bridge only.
 *
 * A frame is mirrored as it is on the port's wire: from the port as it came, before anything may drop it; to the port as it
 * leaves, with the tags that it leaves with, when its VLAN, filter and limits have let it pass. A copy shares nothing with the
 * frame but the bytes, which are read before the sink's deliver() returns: no buffer of a guest or a NIC waits for a sink. A
 * frame that is cut asks for no offload: it is neither summed nor segmented.
 *
 * A sink takes part in nothing else: what comes from it is dropped, and nothing but copies goes there, whatever its policy is.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_MIRROR_H
#define VUS_BRIDGE_MIRROR_H

#include "bridge_ingress.h"
#include "mirror_map.h"

/* Copies what came from the port in->port, n frames (0 to BURST_MAX): the whole of a burst, once. The bridge has mirrors. */
void bridge_mirror_from(const struct ingress *in, struct frame *frames, uint16_t n) RUNS_ON(lcore_thread);

/* Whether the burst comes from a sink. */
static inline bool bridge_mirror_is_sink(const struct ingress *in)
{
	return in->port != NULL && port_set_has(&in->mirrors->sinks, in->port->id);
}

#endif
