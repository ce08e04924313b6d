/* SPDX-License-Identifier: BSD-3-Clause */
/* port_counters.h: what happened to every frame, by name.
 *
 * Names are from the switch: `rx` is what a port gave us (from_guest at a VM port), `tx` what it got (to_guest). For
 * each port, and for the whole switch, these hold exactly once traffic is quiet (E1 and E2):
 *
 *	frames taken from the port = rx_ok + the sum of rx_drop
 *	rx_ok + copies + segments  = tx_ok + the sum of tx_drop     (summed over the ports of a bridge)
 *
 * rx_ok counts a frame that was sent on its way to at least one port; `copies` counts, at the port it came from, the
 * further ports a flooded frame was sent to (all of them, of a frame that the switch made itself); tx_segments, at the
 * port it goes to, the further frames that one became by being cut up for it. There is no "other".
 *
 * One block per port and per thread: the thread is the only writer, anyone reads. Units: frames and bytes (Ethernet
 * frame without FCS).
 */
#ifndef VUS_PORT_COUNTERS_H
#define VUS_PORT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lines.h"

enum rx_drop {
	RX_DROP_SHORT,	    /* shorter than an Ethernet header (O5) */
	RX_DROP_LONG,	    /* longer than FRAME_LEN_MAX */
	RX_DROP_OFFLOAD,    /* asks for an offload that was not agreed upon, or does not fit the frame (O1-O4) */
	RX_DROP_DISABLED,   /* the front end has switched the queue off: what the guest sends there is discarded */
	RX_DROP_RESTART,    /* was in hand when the switch before this one died: may have been delivered already */
	RX_DROP_SOURCE,	    /* source address is multicast or zero: nobody's */
	RX_DROP_REFLECTION, /* its destination is the port it came from */
	RX_DROP_ALONE,	    /* flooded, and there is no other port */
	RX_DROP_ISOLATED,   /* the port is isolated, and so is the one it is for, or all it would be flooded to */
	RX_DROP_LANE,	    /* still in the lane of a postcopy migration when that broke off */
	RX_DROPS,
};

enum tx_drop {
	TX_DROP_NOT_READY,  /* the port is down: no peer, no driver, no link */
	TX_DROP_NO_BUFFER,  /* the receiver has no room: the guest's ring or the NIC's is full, or no mbuf is left */
	TX_DROP_TOO_BIG,    /* longer than the receiver's MTU, or than its buffers where they cannot be merged */
	TX_DROP_BROKEN,	    /* the guest's ring is broken */
	TX_DROP_REFUSED,    /* the NIC's driver would not do what is left to be done to it */
	TX_DROP_LANE,	    /* the lane of a postcopy migration is full, or the migration broke off */
	TX_DROPS,
};

struct port_counters {
	_Alignas(64) _Atomic uint64_t rx_ok;
	_Atomic uint64_t rx_bytes;
	_Atomic uint64_t copies;
	_Atomic uint64_t tx_ok;
	_Atomic uint64_t tx_bytes;
	_Atomic uint64_t tx_checksummed; /* frames whose checksum was finished here, for a receiver that does not */
	_Atomic uint64_t tx_segmented;	 /* frames cut up here, for a receiver that takes none so long */
	_Atomic uint64_t tx_segments;	 /* frames there are more than before, by that */
	_Atomic uint64_t rx_drop[RX_DROPS];
	_Atomic uint64_t tx_drop[TX_DROPS];
};
WHOLE_LINES(struct port_counters);

/* The words of JSON, of vusctl and of the documentation: "short", "no_buffer", ... */
const char *rx_drop_name(enum rx_drop reason);
const char *tx_drop_name(enum tx_drop reason);

/* One writer: a plain add, and a store that a reader never sees half of. */
static inline void count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter,
			      atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

static inline uint64_t counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
