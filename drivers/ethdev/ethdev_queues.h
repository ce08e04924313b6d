/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_queues.h: the data half of an ethdev port: mbufs to frames and back.
 *
 * In: a received mbuf is the frame; its first segment is the head, further ones are the body. The queue holds the mbufs
 * until complete(). Out: a frame that is an mbuf is sent as it is, with a reference of its own, if the device takes its
 * shape and its pool can spare it; one whose head is another by now (frame_head.h) goes out as a fresh head with a
 * reference to the rest of it behind, or, if it is short, as a copy; a guest's long frame may be read in place
 * (ethdev_zc.h); everything else is copied once into an mbuf of this port's pool, into which the device may put a tag
 * (ethdev_vlan.h). Nothing writes to an mbuf it did not allocate, as several ports may be sending it, but for a head that
 * nobody else has (frame_head.h).
 *
 * Context: a receive queue belongs to the lcore that polls it; deliver is for every lcore.
 */
#ifndef VUS_ETHDEV_QUEUES_H
#define VUS_ETHDEV_QUEUES_H

#include <rte_spinlock.h>

#include "ethdev_vlan.h"
#include "lines.h"
#include "port.h"

struct rte_mempool;

enum {
	ETHDEV_FRAME_MIN = 60, /* shortest Ethernet frame, without FCS: shorter ones are padded with zeros */
	/* Frames that are shorter are copied, though they might be read where they lie: docs/benchmarks.md. Those of a NIC as
	 * well, if they have another head. */
	ETHDEV_ZC_MIN = 1500,
};

/* What lcores need to know of the device; all but `up` is constant while they do. */
struct ethdev {
	uint16_t id; /* DPDK's number */
	uint16_t rxq_n, txq_n;
	bool txq_shared;	  /* there are more lcores than transmit queues */
	bool multi_segs;	  /* it sends frames of several segments */
	uint16_t room;		  /* bytes a frame has in one mbuf of the pool */
	uint16_t mtu;
	uint32_t frame_max;	  /* longest frame on its wire */
	uint32_t offloads;	  /* what it does for us: FRAME_CSUM | ... */
	enum ethdev_vlan vlan;	  /* how it is with putting tags in */
	uint32_t cut_max;	  /* longest frame it cuts up */
	bool soft_tags;		  /* tags are put in by rte_eth_tx_prepare(), or by the driver, on this CPU */
	bool writes_ipv4;	  /* it computes IPv4's checksum where it cuts up */
	struct rte_mempool *pool; /* this port's: receive buffers, and copies of guests' frames */
	struct ethdev_rxq *rxq[VHOST_QUEUE_PAIRS_MAX];
	struct ethdev_txq *txq; /* [txq_n] */
	_Atomic bool up;	/* the link; control's */

	/* Guests' frames without a copy (ethdev_zc.h). */
	bool reads;		/* its driver reads frames by our addresses */
	bool dma;		/* it reads memory by itself, what is mapped for it (dma.h) */
	uint16_t tx_desc;	/* descriptors of a transmit queue */
	const char *zc_obstacle; /* why frames are copied, in words; NULL: nothing is in the way */
	struct ethdev_zc *zc;	 /* [zc_n], one for each lcore; NULL: every frame is copied */
	unsigned int zc_n;
	_Atomic bool zero_copy, ending;
	struct rcu_wait zc_wait, stop_wait;
	void (*stop_done)(struct rcu_wait *wait);
};

struct ethdev_txq {
	_Alignas(64) rte_spinlock_t lock;
};
WHOLE_LINES(struct ethdev_txq);

/* Frames of one visit: what drivers receive at a time, whose heads lie in mbufs. */
enum { ETHDEV_BURST = 32 };
_Static_assert((int)ETHDEV_BURST <= (int)BURST_MAX, "a burst has room for them");

struct ethdev_rx_held {
	uint16_t waiting; /* received by arm(), not yet made frames */
	uint16_t held;	  /* between receive() and complete() */
	struct rte_mbuf *mbuf[ETHDEV_BURST];
};

struct ethdev_rxq {
	struct port_rxq rxq;
	uint16_t device;  /* DPDK's number */
	uint16_t burst;	  /* frames one visit takes */
	uint64_t checksums; /* the flags of an mbuf by which the device says something of checksums; 0: it does not */
	bool intr_switch; /* the interrupt can be turned on and off; else the descriptor is always live */
	int signo;	  /* the driver reads nothing before this signal was handled; 0: it just reads */
	struct ethdev_rx_held mine OWNED_BY(lcore_thread);
};

uint16_t ethdev_receive(struct port_rxq *rxq, struct lcore_ctx *ctx);
void ethdev_complete(struct port_rxq *rxq, struct lcore_ctx *ctx);
bool ethdev_arm(struct port_rxq *rxq);
void ethdev_disarm(struct port_rxq *rxq);
bool ethdev_set_aside(struct port_rxq *rxq, struct lcore_ctx *ctx);
enum port_taken ethdev_take_up(struct port_rxq *rxq, struct lcore_ctx *ctx);

void ethdev_deliver(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
		    struct frame **frames, uint16_t n);

/* For port_ops.insert(). */
void ethdev_insert(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n);

/* The same for frames that need no offload which the device lacks; into some of those of the second a tag is to be put. */
void ethdev_send(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
		 struct frame *const *frames, uint16_t n);
void ethdev_send_inserting(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx, struct frame *const *frames, uint16_t n);

/* Control, once every lcore has left the queue: mbufs still in it are freed. */
void ethdev_rxq_drain(struct ethdev_rxq *q);

#endif
