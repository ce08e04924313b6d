/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_window.h: the chains of a guest's transmit queue that are in hand longer than a burst, because a device may be
 * reading their bodies (frame_ref.h).
 *
 * The window is the chains from the oldest that is referenced on: chains go back in the order they came, so that those behind
 * it wait too. Whenever its lcore comes to the queue, the part that no device reads any more goes back. While a quarter of
 * the ring waits already, what comes is copied; and a chain that is referenced for longer than
 * FRAME_REF_LIMIT_MS goes back all the same, with all others: a guest would lose its whole ring to a NIC that hangs.
 * (A device that reads its memory later reads what the guest put there since; that the memory itself is still there is
 * vhost_user's to see to.)
 *
 * Context: the lcore that polls the queue. Only called while a port takes references, or chains are in hand.
 */
#ifndef VUS_VNET_WINDOW_H
#define VUS_VNET_WINDOW_H

#include "vnet_private.h"

static inline bool vnet_window_open(const struct virtq *q) RUNS_ON(lcore_thread)
{
	return __builtin_expect(q->dp.window_first != q->dp.window_next, 0);
}

/* Before receive(): gives back what can be, and returns how many chains may be taken, at most `max`. */
uint16_t vnet_window_before(struct virtq *q, const struct virtq_view *view, uint16_t max)
	RUNS_ON(lcore_thread);
/* After it: `chains` were taken and made the burst. */
void vnet_window_take(struct virtq *q, const struct virtq_view *view, struct burst *burst,
		      uint16_t chains) RUNS_ON(lcore_thread);
/* At complete(): how many of the last chains stay in hand. */
uint16_t vnet_window_keep(struct virtq *q) RUNS_ON(lcore_thread);
/* Of a queue that is broken: nothing goes back to its guest any more. */
void vnet_window_forget(struct virtq *q) RUNS_ON(lcore_thread);

#endif
