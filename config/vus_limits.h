/* SPDX-License-Identifier: BSD-3-Clause */
/* vus_limits.h: every compile-time bound of the switch, with the reason for its value.
 *
 * A bound that a peer can run into is enforced where the input enters and counted or reported there.
 */
#ifndef VUS_LIMITS_H
#define VUS_LIMITS_H

enum {
	/* Ports of one switch. A port id is a destination of an FDB (fdb.h). */
	PORTS_MAX = 1024,
	/* Bridges of one switch: each has an FDB of its own. */
	BRIDGES_MAX = 256,
	/* Threads that move frames. Counters are
	 * kept per thread, so this bounds their memory. */
	LCORES_MAX = 128,
	/* Captures at once: each has a ring of 4 MiB for each lcore, and a thread. */
	CAPTURES_MAX = 4,
	/* Longest port or bridge name, without the terminating zero: fits a column of `vusctl ports`. */
	NAME_LEN_MAX = 31,

	/* Memory slots of one VM. With one fewer, QEMU's virtio-mem falls back to a single slot (F13);
	 * QEMU itself never uses more than 512. */
	MEM_SLOTS_MAX = 509,
	/* Places a queue remembers (mem_map.h): twice the slots, so that one in each is found at once; 2 KiB. */
	MEM_HINTS = 1024,
	/* Smallest page any front end's file is made of. */
	MEM_PAGE = 4096,

	/* GiB of address space one port may have reserved for what its front end lets us map, sparse files included: 509
	 * slots of 64 GiB, more memory than any host gives one VM, and a quarter of what x86-64 has for all ports. */
	MEM_SPACE_MAX_GIB = 32 * 1024,

	/* Seconds after which a port that listens, and has no connection yet, says who may connect: longer than a host takes
	 * to start its VMs after the switch. */
	HINT_AFTER_S = 60,

	/* Queue pairs of one vhost-user port: as many as guests use, and a power of two. */
	VHOST_QUEUE_PAIRS_MAX = 16,
	VHOST_RINGS_MAX = 2 * VHOST_QUEUE_PAIRS_MAX,
	/* Largest ring. The virtio specification's own bound (2.7: "maximum Queue Size value is 32768"). */
	VIRTQ_SIZE_MAX = 32768,

	/* Chains of a ring that are in hand at once, and their places in a record's list, one more: a frame of almost the
	 * largest size in buffers of 256 bytes; and of what a guest sends, two bursts or more, of which a NIC may be reading. */
	VIRTQ_IN_HAND_MAX = 255,
	VIRTQ_IN_HAND_LIST = VIRTQ_IN_HAND_MAX + 1,

	/* Milliseconds a device may take to read a frame where it lies in a guest's memory. One that takes longer (its link
	 * is down, it hangs) gets no more of them, and the guest gets its buffers back: they are its whole ring. */
	FRAME_REF_LIMIT_MS = 500,

	/* Frames one visit of a receive queue takes at most. All trips to the lines of a burst are made side by side, so the
	 * more there are, the less each waits; and heads of short frames stay in the first-level cache. */
	BURST_MAX = 128,
	/* The same while an lcore has more than so many busy queues: a round of theirs is what the next frame of a quiet one
	 * waits for. */
	BURST_SHARED = 64,
	BURST_SHARED_ABOVE = 4,
	/* First bytes of a frame that are read once into lcore memory: Ethernet, two VLAN tags, IPv6 with
	 * options, TCP with options; two cache lines. */
	FRAME_HEAD = 128,
	/* Bytes that are free in front of a head, for what is put there on the way out: an Ethernet header with a tag (18),
	 * IPv6 (40), UDP (8) and VXLAN (8) are 74; two cache lines, so that heads begin a line. What DPDK leaves free in
	 * an mbuf. */
	FRAME_HEADROOM = 128,
	/* Bytes of a VLAN tag, and the longest head whose headers are looked at: with one tag more than was received. */
	FRAME_TAG = 4,
	FRAME_HEAD_MAX = FRAME_HEAD + FRAME_TAG,
	/* Shortest frame that has a destination and a source (O5). */
	FRAME_LEN_MIN = 14,
	/* Longest frame that is switched: the largest MTU virtio can name, with an Ethernet header and two tags. */
	FRAME_LEN_MAX = 65535 + 14 + 2 * 4,
	/* Bytes of one piece of guest memory that a frame is read from or written to at most: with its virtio-net header. */
	FRAME_PIECE_MAX = FRAME_LEN_MAX + 12,
	/* Bytes of payload in a piece of a frame that is to be cut up: the least Linux knows (TCP_MIN_GSO_SIZE). */
	FRAME_GSO_SIZE_MIN = 8,
	/* Pieces it is cut up into: 64 KiB where a path takes packets of 576 bytes (RFC 791: at least), and what Linux
	 * sends as one USO frame; so a burst becomes 16384 frames at most (V14). */
	FRAME_SEGMENTS_MAX = 128,
	/* Pieces of guest memory one burst may refer to, and so one frame at most. A chain of as many one-byte
	 * descriptors as QEMU's largest ring (1024) still fits. */
	BURST_SPANS = 2048,
	/* Bytes one visit of a receive queue takes, so that one queue of jumbo frames cannot make the others
	 * of its lcore wait (V14). At least one frame is always taken. */
	BURST_BYTES = 256 * 1024,

	/* Each of the two rings between the lcores and a lane (lib/lane): a power of two with room for two bursts of
	 * the largest kind; at 10 Gb/s a millisecond of traffic. */
	LANE_RING_BYTES = 1 << 20,
	/* Seconds in which a lane has to show that it lives. */
	LANE_DEADLINE_S = 5,

	/* Longest frame that an lcore hands to control, or control to an lcore: what LACP, LLDP, IGMP, MLD and ARP send where the
	 * MTU is 1500, and some more. */
	CONTROL_FRAME_MAX = 2048,
	/* Frames that wait between control and one lcore, each way; a power of two. 280 KiB for each lcore. */
	CONTROL_FRAMES = 64,
	/* Frames a second that control takes from one port, and sends on behalf of one: LACP is one a second, a guest in many
	 * groups answers a querier with some dozens. */
	CONTROL_FRAMES_RATE = 250,
	/* And at once: half of what may wait, so that one port alone does not fill a ring. */
	CONTROL_FRAMES_BURST = 32,
	/* Dropped frames of a port that control is shown a second, and at once: as many lines as log.h lets through. */
	OFFENCES_RATE = 1,
	OFFENCES_BURST = 10,

	/* Calls on peers' descriptors that one port, or one listener, may have under way at a time: each holds a thread
	 * (disposal.h). */
	DISPOSAL_THREADS = 4,
	/* CPU time in milliseconds: that a call takes only if a peer has seen to it, or a hypervisor had the CPU meanwhile; that
	 * such calls of one peer may take; and how much of it is forgotten each second (disposal.h). */
	DISPOSAL_BRIEF_MS = 1,
	DISPOSAL_SLOW_MS = 15,
	DISPOSAL_SLOW_MS_A_SECOND = 5,
	/* And that may wait: more than any front end's turn brings. So many descriptors of one port at most are about to be
	 * closed. */
	DISPOSAL_WAITING_MAX = 512,
	/* Milliseconds after which such a call counts as lost, and is logged. */
	DISPOSAL_LOST_MS = 1000,
	/* Seconds after which an idle thread ends. */
	DISPOSAL_IDLE_S = 2,
	/* Milliseconds that the end of the process waits for such calls. */
	DISPOSAL_END_MS = 500,

	/* Records an lcore may have waiting for the control thread; more are dropped and counted. */
	REPORTS_MAX = 4096,

	/* Addresses a bridge learns unless the configuration says otherwise. */
	MAC_TABLE_SIZE_DEFAULT = 65536,
	/* Seconds after which a silent address is forgotten (IEEE 802.1Q-2018, 8.8.3: 300 s). */
	MAC_AGING_DEFAULT = 300,
};

#endif
