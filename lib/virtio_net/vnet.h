/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet.h: between virtqueues and frames: the receive and the deliver body of a virtio-net device.
 *
 * Receive reads a burst of the guest's transmit queue: for each chain the virtio-net header and the first bytes of the
 * frame once into the burst's room, the rest as spans that stay where they are. Complete gives the chains back in the
 * order they came, with one store of the used index and one interrupt decision for the burst. Deliver writes frames
 * into the buffers of a guest's receive queue: header, head and body straight to where the guest will read them.
 *
 * A fault breaks the ring (virtq.h), and the frames before it still count. Every frame that is not passed on is counted in
 * `counters` by reason. virtio 1.2, 5.1.6.
 *
 * Context: any lcore (RCU reader). A from_guest queue is in the poll set of one lcore, a to_guest queue is taken for a burst
 * by one lcore at a time, in vnet_deliver().
 */
#ifndef VUS_VNET_H
#define VUS_VNET_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "frame_finish.h"
#include "frame_rate.h"
#include "port_counters.h"
#include "port_rxq.h"
#include "role.h"
#include "virtq.h"

/* Frames received, at most `max` (1 to BURST_MAX), in burst->frame[0 .. n); burst->n is set. 0 for a queue that is not
 * published, or is broken. */
uint16_t vnet_receive(struct virtq *q, struct burst *burst, uint16_t max, struct port_counters *counters)
	RUNS_ON(lcore_thread);
/* The same with no more than may be received (frame_rate.h): chains beyond that stay in the ring, and are found again. */
uint16_t vnet_receive_within(struct virtq *q, struct burst *burst, uint16_t max, struct port_counters *counters,
			     struct frame_allowance *allowance) RUNS_ON(lcore_thread);
void vnet_complete(struct virtq *q, struct burst *burst) RUNS_ON(lcore_thread);

/* Delivers n frames in order; `len_max` is the longest frame the port takes (its MTU and the header), in bytes.
 * Returns: what that cost beyond what the frames say (share.h). */
uint32_t vnet_deliver(struct virtq *q, struct frame *const *frames, uint16_t n, uint32_t len_max,
		  struct port_counters *counters) RUNS_ON(lcore_thread);

/* What vnet_deliver() would find of a queue without looking into the guest's memory: TX_DROPS, and what it takes in *caps; or why
 * it would drop all. And what frames from a from_guest queue may ask for.
 * Context: the control thread, which publishes what is looked at. */
enum tx_drop vnet_terms(const struct virtq *q, uint32_t len_max, struct frame_capabilities *caps) RUNS_ON(control_thread);
uint32_t vnet_asks(const struct virtq *q) RUNS_ON(control_thread);

/* A to_guest queue that was started and not delivered to yet: what the process before us had delivered and not shown to
 * the guest is shown, instead of with the next frame. */
void vnet_resume(struct virtq *q) RUNS_ON(lcore_thread);
/* True of a queue that was started and not looked at yet. */
static inline bool vnet_is_fresh(const struct virtq *q) RUNS_ON(lcore_thread)
{
	return q->dp.fresh;
}

/* What changes when the driver makes chains available, until the next receive. False: there are some already, or the ring
 * has to be looked at for another reason. */
bool vnet_watch(struct virtq *q, struct port_word *word) RUNS_ON(lcore_thread);
/* Asks for a kick (true: chains are waiting already), or says that none is needed. */
bool vnet_arm(struct virtq *q) RUNS_ON(lcore_thread);
void vnet_disarm(struct virtq *q) RUNS_ON(lcore_thread);

#endif
