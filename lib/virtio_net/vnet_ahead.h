/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_ahead.h: fetches into the cache what vnet_deliver() will touch, for a burst that comes after those of other receivers.
 *
 * Nearly every line of that was written last by the guest, and where one lies is said by the one before: the queue, its ring, the
 * descriptors, the buffers. With a step for each and other receivers' bursts between the steps, an lcore waits for none.
 *
 * What is read here is used for nothing else: vnet_deliver() reads and checks it anew (V9). Buffers are not read, so that a page
 * that is absent holds nobody.
 *
 * Context: an lcore, all steps and the delivery between two quiescent states (RCU reader).
 */
#ifndef VUS_VNET_AHEAD_H
#define VUS_VNET_AHEAD_H

#include "port_driver.h"
#include "role.h"
#include "virtq.h"

/* A step for n frames; `ahead` is the same in all of them. */
void vnet_ahead(struct virtq *q, enum port_ahead_step step, uint16_t n, struct port_ahead *ahead) RUNS_ON(lcore_thread);

#endif
