/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_zc.h: a guest's frame to a device without a copy: its head in an mbuf, and its body attached where it lies in the
 * guest's memory (frame_ref.h), for a device that can read it there.
 *
 * Which devices can: those whose driver reads with our CPU and is done when it returns, or hands the mbuf on inside this
 * process; and NICs behind an IOMMU, bound to vfio-pci, for which guests' memory is mapped under our own addresses
 * (lib/dma). Everything else copies, and `vusctl port` says why.
 *
 * The former are done with a body when its mbuf is freed. A NIC's driver frees an mbuf when it needs the place in its ring,
 * which may be never. So each frame that a NIC reads in place is written into a ledger, and the lcore that sent it asks once
 * a round up to which descriptor the NIC is done. (Few drivers can free what is done when asked, rte_eth_tx_done_cleanup(),
 * and DPDK 22.11's igb stops sending after it.) A device that has given nothing back for STUCK_MS gets copies until all is
 * back.
 *
 * Context: a struct ethdev_zc is of one lcore, but for the count of what is out, which the thread that frees an mbuf
 * lowers. The device thread makes them, control begins with them, and ends them when no work of theirs can be left.
 */
#ifndef VUS_ETHDEV_ZC_H
#define VUS_ETHDEV_ZC_H

#include "ethdev_queues.h"
#include "lines.h"
#include "rcu.h"

enum { ETHDEV_LEDGER = 1024 }; /* frames of two descriptors at least: more than fit in a queue of 1024 */

/* A frame that a NIC reads in place, and which descriptor of the queue, counted from its start, is the first after it. */
struct ethdev_zc_frame {
	struct frame_ref *ref;
	uint32_t end;
	uint16_t bodies;
};

struct rte_eth_dev_info;

struct ethdev_zc {
	_Alignas(64) struct lcore_work work;
	struct ethdev *dev;
	uint16_t queue;
	uint16_t first, next; /* in the ledger; they go around */
	uint32_t descriptors; /* written into the queue */
	uint32_t seen;	      /* how much was out when that last changed, and when that was */
	uint64_t since_ns;
	_Alignas(64) _Atomic uint32_t out; /* bodies the device has */
	_Atomic bool stuck;		   /* the lcore writes, control shows it */
	struct ethdev_zc_frame ledger[ETHDEV_LEDGER];
};
BEGINS_A_LINE(struct ethdev_zc, out);
WHOLE_LINES(struct ethdev_zc);

/* What deliver() remembers of an mbuf it is about to send. */
struct ethdev_note {
	struct frame_ref *ref; /* NULL: it was copied */
	uint16_t descriptors;
};

/* The device is started. If the option is on and the device can, makes what each lcore needs. If it cannot, says why. 0 or
 * -ENOMEM. */
int ethdev_zc_prepare(struct ethdev *dev, const struct port *port,
		      const struct rte_eth_dev_info *info, bool asked) RUNS_ON(device_thread);
/* Lcores are about to know the device: if that was made, frames go out without a copy soon after. */
void ethdev_zc_begin(struct ethdev *dev) RUNS_ON(control_thread);
/* No lcore delivers any more: `done` is called when the device may be stopped. */
void ethdev_zc_stop(struct ethdev *dev, void (*done)(struct rcu_wait *wait))
	RUNS_ON(control_thread);
/* The device was stopped: it reads nothing any more. */
void ethdev_zc_settle(struct ethdev *dev) RUNS_ON(device_thread);
/* After the device was closed. */
void ethdev_zc_free(struct ethdev *dev) RUNS_ON(control_thread);

/* The frame as an mbuf whose body is the guest's memory, with its reference in *ref; or NULL: it is to be copied. */
struct rte_mbuf *ethdev_zc(struct ethdev *dev, struct lcore_ctx *ctx, const struct frame *frame,
			   struct frame_ref **ref) RUNS_ON(lcore_thread);
/* Of n mbufs that were noted, the first `sent` are the device's now, and the others are freed. From now on the lcore asks
 * for what is out. */
void ethdev_zc_sent(struct ethdev *dev, struct lcore_ctx *ctx, const struct ethdev_note *note,
		    uint16_t n, uint16_t sent) RUNS_ON(lcore_thread);

/* Bodies the device has at present. */
uint64_t ethdev_zc_bodies_n(const struct ethdev *dev);
bool ethdev_zc_stuck(const struct ethdev *dev);

#endif
