/* SPDX-License-Identifier: BSD-3-Clause */
/* port_counters.h: what happened to every frame, by name: one table, a row for each counter of a port.
 *
 * Names are from the switch: `rx` is what a port gave us (from_guest at a VM port), `tx` what it got (to_guest). For
 * each port, and for the whole switch, these hold exactly once traffic is quiet (E1 and E2):
 *
 *	frames taken from the port = rx_ok + the sum of rx_drop
 *	rx_ok + copies + injected + mirrored + tx_segments
 *		= tx_ok + the sum of tx_drop + punted + the sum of punt_drop      (summed over the ports of a bridge)
 *
 * rx_ok counts a frame that was sent on its way to at least one destination, a port or control; `copies` counts, at the port
 * it came from, the further destinations it was sent to; tx_segments, at the port it goes to, the further frames that one
 * became by being cut up for it. `injected` counts a frame that the switch made, at each port that it was sent out of;
 * `mirrored` a copy that a mirror made, at the port that it was made for. There is no "other".
 *
 * Drops are counted by count_drop() of port_drops.h, which knows more of them than how many there were.
 *
 * A new counter, or a new reason for a drop, is one row below and the line that counts it. Sums, JSON, vusctl, telemetry and the
 * tests walk port_counter_table; `scripts/lib/counters --write` makes the lists of watch.md and vusctl(8) from the rows.
 *
 * Context: one block for each port and thread; the thread is the only writer, any thread reads.
 * Units: frames and bytes (Ethernet frame without FCS).
 */
#ifndef VUS_PORT_COUNTERS_H
#define VUS_PORT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lines.h"

/* ROW(name, side, unit, help), in the order in which they are shown. Every burst counts the first five: they lie in one line. */
#define PORT_COUNTER_ROWS(ROW)                                                                                    \
	ROW(rx_ok, RX, frames, "frames that came in and were sent on their way to at least one port")             \
	ROW(rx_bytes, RX, bytes, "their bytes, without FCS")                                                      \
	ROW(copies, RX, frames,                                                                                   \
	    "of a frame that went to several destinations (flooded, or to control as well), at the port it "      \
	    "came from: those after the first")                                                                   \
	ROW(tx_ok, TX, frames, "frames handed to the port's guest or device")                                     \
	ROW(tx_bytes, TX, bytes, "their bytes, without FCS")                                                      \
	ROW(tx_checksummed, TX, frames,                                                                           \
	    "frames whose checksum the switch computed, because their sender had left it open and this "          \
	    "receiver had not agreed to that")                                                                    \
	ROW(tx_segmented, TX, frames, "frames that the switch cut up (TSO, USO) for this receiver")               \
	ROW(tx_segments, TX, frames, "how many more frames there are by that")                                    \
	ROW(punted, RX, frames, "frames from the port that were handed to the control thread")                    \
	ROW(injected, TX, frames,                                                                                 \
	    "frames that the switch made and sent out of the port: each is tx_ok or a tx_drop as well")           \
	ROW(mirrored, TX, frames,                                                                                 \
	    "copies that mirrors gave to the port, their sink: each is tx_ok or a tx_drop as well")               \
	ROW(mcast_heard, RX, frames,                                                                              \
	    "of the punted: IGMP and MLD messages, PIM hellos and MRD advertisements that were understood")       \
	ROW(mcast_malformed, RX, frames,                                                                          \
	    "of the punted: those that are not as they have to be (length, checksum, TTL, router alert)")         \
	ROW(mcast_refused, RX, joins,                                                                             \
	    "groups that the port was not entered for: it has multicast-groups-per-port, or the bridge "          \
	    "multicast-groups")

/* Reasons for which a frame that came from a port is dropped. ROW(constant, name, help) */
#define RX_DROP_ROWS(ROW)                                                                                       \
	ROW(SHORT, short, "shorter than an Ethernet header")                                                    \
	ROW(LONG, long, "longer than the longest frame that is switched (an MTU of 65535)")                     \
	ROW(OFFLOAD, offload,                                                                                   \
	    "asks for an offload (checksum, segmentation) that was not agreed upon, or does not fit the frame") \
	ROW(DISABLED, disabled,                                                                                 \
	    "the front end has switched the queue off (the guest uses fewer queues); what is still sent there " \
	    "is discarded")                                                                                     \
	ROW(RESTART, restart,                                                                                   \
	    "was in hand when the switch before this one was killed: given back and not delivered, because it " \
	    "may have been already")                                                                            \
	ROW(SOURCE, source, "the source address is a group's, or zero")                                         \
	ROW(REFLECTION, reflection, "its destination is behind the port it came from")                          \
	ROW(ALONE, alone, "to be flooded, and the bridge has no other port in its VLAN")                                    \
	ROW(ISOLATED, isolated, "the port is isolated, and so is every port it is for")                         \
	ROW(LINK_LOCAL, link_local,                                                                             \
	    "for a link-local group address (01-80-C2-00-00-00 to -0F), which the bridge does not forward")     \
	ROW(VLAN_TAGGED, vlan_tagged, "came with a VLAN's tag into an access port")                             \
	ROW(VLAN_UNTAGGED, vlan_untagged, "came without a tag into a trunk that has no native VLAN")            \
	ROW(VLAN_NOT_MEMBER, vlan_not_member,                                                                   \
	    "in a VLAN that the trunk it came from, or the port it is for, does not carry")                     \
	ROW(VLAN_INNER, vlan_inner,                                                                             \
	    "has a second tag, and every port it is for sends the VLAN without the first")                      \
	ROW(VLAN_SHORT, vlan_short, "ends within its tag")                                                      \
	ROW(VLAN_STRIPPED, vlan_stripped,                                                                       \
	    "the NIC's driver has taken its tag off, and there is no room to put it back")                      \
	ROW(GUARD_MAC, guard_mac,                                                                       \
	    "from an Ethernet address that is not in the port's macs, or says in ARP, RARP, neighbour discovery " \
	    "or DHCP that its sender has one")                                                          \
	ROW(GUARD_IP, guard_ip,                                                                         \
	    "from an IP address that is not in the port's ips, or says in ARP or neighbour discovery that its " \
	    "sender has one")                                                                           \
	ROW(GUARD_DHCP, guard_dhcp, "an answer of a DHCP server, from a port with dhcp-guard")          \
	ROW(GUARD_RA, guard_ra,                                                                         \
	    "an advertisement or a redirect of a router, from a port with ra-guard")                    \
	ROW(GUARD_BPDU, guard_bpdu, "spanning tree's, from a port with bpdu-guard")                     \
	ROW(GUARD_TYPE, guard_type,                                                                     \
	    "of a type that is not read, from a port with macs, ips, dhcp-guard or ra-guard")           \
	ROW(GUARD_ODD, guard_odd,                                                                       \
	    "cannot be read up to what the port's macs, ips or guards are about: ends early, in its first 128 " \
	    "bytes is not all of that, in fragments, a third tag")                                      \
	ROW(GUARD_LOOP, guard_loop,                                                                     \
	    "from an address that is behind another port, from a port with loop-guard")                 \
	ROW(CLOSED, closed, "from a port, or for one, that bpdu-guard has closed for a time")           \
	ROW(MCAST_NO_MEMBER, mcast_no_member,                                                                   \
	    "for a multicast group of which no other port has a member, and there is no router")                \
	ROW(STORM_BROADCAST, storm_broadcast, "to be flooded, a broadcast, and more than storm-broadcast allows")  \
	ROW(STORM_MULTICAST, storm_multicast, "to be flooded, for a group, and more than storm-multicast allows")  \
	ROW(STORM_UNKNOWN, storm_unknown,                                                                       \
	    "to be flooded, for an address behind no port, and more than storm-unknown allows")                 \
	ROW(FILTER, filter, "a rule of the port's filter-from-vm denies it")                                    \
	ROW(FILTER_UNKNOWN, filter_unknown,                                                                     \
	    "a rule of the port's filter-from-vm asks for a byte of it that is not in its head")                \
	ROW(MIRROR_SINK, mirror_sink, "from a port that mirrors copy to, or for one")                           \
	ROW(WITHDRAWN, withdrawn,                                                                               \
	    "waited behind a flood of its own queue when the ring ended, or the memory it lay in was taken away") \
	ROW(LANE, lane,                                                                                         \
	    "the guest had sent it while its memory was arriving (postcopy), and the migration broke off "      \
	    "before it was passed on")

/* And a frame that is to go to a port. */
#define TX_DROP_ROWS(ROW)                                                                                     \
	ROW(NOT_READY, not_ready, "the port is down: no VM, no driver in it, no link")                        \
	ROW(NO_BUFFER, no_buffer,                                                                             \
	    "the receiver has no room: the guest has given no buffers (it is slow, or its ring is small), "   \
	    "the NIC's ring is full, or no mbuf is left")                                                     \
	ROW(TOO_BIG, too_big,                                                                                 \
	    "longer than the receiver's MTU, or than its buffers where it cannot merge them")                 \
	ROW(BROKEN, broken, "the guest's ring is broken until its driver resets the device")                  \
	ROW(REFUSED, refused,                                                                                 \
	    "a NIC's driver said that its device cuts up or sums TCP and UDP, and would not do it with this " \
	    "frame")                                                                                          \
	ROW(RATE, rate, "more than rate-to-vm or packets-to-vm allows")                                       \
	ROW(FILTER, filter, "a rule of the port's filter-to-vm denies it")                                    \
	ROW(FILTER_UNKNOWN, filter_unknown,                                                                   \
	    "a rule of the port's filter-to-vm asks for a byte of it that is not in its head")                \
	ROW(UNTOUCHED, untouched,                                                                             \
	    "the guest's buffer lies in a huge page that nobody has touched yet; it is cleared first, and "   \
	    "not by an lcore")                                                                                \
	ROW(LANE, lane,                                                                                       \
	    "the guest's memory is still arriving (postcopy), and more than a mebibyte of frames waits for "  \
	    "it; or the migration broke off; or it is to be cut up, and its headers are more than 128 bytes "  \
	    "or two tags with the tag that it got here")

/* A frame that control should have seen. */
#define PUNT_DROP_ROWS(ROW)                                                         \
	ROW(LONG, long, "longer than 2048 bytes")                                   \
	ROW(RATE, rate, "more than 250 a second, or 32 at once, from this port")    \
	ROW(FULL, full, "control was busy, and as many frames were waiting as may") \
	ROW(UNHANDLED, unhandled, "nothing in control takes frames of its kind, or the port left its bridge meanwhile")

/* A frame that control had for the port, or for the bridge on the port's behalf. */
#define INJECT_DROP_ROWS(ROW)                                                         \
	ROW(LONG, long, "longer than 2048 bytes, or shorter than an Ethernet header") \
	ROW(RATE, rate, "more than 250 a second, or 32 at once, for this port")       \
	ROW(FULL, full, "the lcore was busy, and as many frames were waiting as may") \
	ROW(GONE, gone, "the port left its bridge meanwhile")                         \
	ROW(ALONE, alone, "to be flooded, and there is no other port that it may leave by")           \
	ROW(REFUSED, refused, "the port is closed, a mirror's sink, or not in the frame's VLAN")

#define PORT_COUNTER_ENUM(name, side, unit, help) PORT_COUNTER_##name,
enum { PORT_COUNTER_ROWS(PORT_COUNTER_ENUM) PORT_COUNTERS_ALONE };
#define RX_DROP_ENUM(constant, name, help) RX_DROP_##constant,
enum rx_drop { RX_DROP_ROWS(RX_DROP_ENUM) RX_DROPS };
#define TX_DROP_ENUM(constant, name, help) TX_DROP_##constant,
enum tx_drop { TX_DROP_ROWS(TX_DROP_ENUM) TX_DROPS };
#define PUNT_DROP_ENUM(constant, name, help) PUNT_DROP_##constant,
enum punt_drop { PUNT_DROP_ROWS(PUNT_DROP_ENUM) PUNT_DROPS };
#define INJECT_DROP_ENUM(constant, name, help) INJECT_DROP_##constant,
enum inject_drop { INJECT_DROP_ROWS(INJECT_DROP_ENUM) INJECT_DROPS };
enum { PORT_COUNTERS = PORT_COUNTERS_ALONE + RX_DROPS + TX_DROPS + PUNT_DROPS + INJECT_DROPS };

/* A value of each counter: by name, or by its row's place in the table. */
#define PORT_COUNTER_NAME(name, side, unit, help) name,
#define PORT_COUNTER_VALUES(type)                                                                    \
	union {                                                                                      \
		type value[PORT_COUNTERS];                                                           \
		struct {                                                                             \
			type PORT_COUNTER_ROWS(PORT_COUNTER_NAME) rx_drop[RX_DROPS],                 \
				tx_drop[TX_DROPS], punt_drop[PUNT_DROPS], inject_drop[INJECT_DROPS]; \
		};                                                                                   \
	}

struct port_drops;

struct port_counters {
	_Alignas(LINE_BYTES) PORT_COUNTER_VALUES(_Atomic uint64_t);
	struct port_drops *drops; /* port_drops.h; NULL: of no port, but a sum, or a lane's */
};
WHOLE_LINES(struct port_counters);
_Static_assert(offsetof(struct port_counters, tx_bytes) < LINE_BYTES, "what every burst counts lies in one line");

/* What a port gave, or what it got. */
enum port_side { PORT_RX, PORT_TX };

/* Reasons stand together under a name of their own, with their sum beside it. */
struct port_counter_group {
	const char *name;  /* "rx_drop" */
	const char *total; /* "rx_drops" */
};

struct port_counter {
	const struct port_counter_group *group; /* NULL: it stands alone */
	const char *name;
	enum port_side side;
	const char *unit, *help;
};

/* The words of JSON, of vusctl and of the documentation. */
extern const struct port_counter port_counter_table[PORT_COUNTERS];

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

/* Adds a block to the caller's own. */
void port_counters_add(struct port_counters *to, const struct port_counters *part);
/* The same with what `part` grew by since the last call, when it was `seen`: all zero before the first. */
void port_counters_add_new(struct port_counters *to, const struct port_counters *part,
			   struct port_counters *seen);

#endif
