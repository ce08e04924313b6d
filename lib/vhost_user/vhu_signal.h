/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_signal.h: control's writes to an eventfd that a front end gave: a ring's call or error descriptor.
 *
 * Such a write takes as long as it wakes waiters, and the front end may have put the eventfd into very many epoll sets (X5).
 * So it is a job of a disposal thread, in order with the close() of the same descriptor. If its counter is full and it blocks, it
 * is broken off (L5), and the owner hears of it.
 *
 * Context: control thread.
 * Ownership: its owner's. A write that is under way touches nothing of it.
 */
#ifndef VUS_VHU_SIGNAL_H
#define VUS_VHU_SIGNAL_H

#include "disposal.h"
#include "role.h"

struct signal_job;

struct vhu_signal {
	/* The last write was broken off, or there was no memory for it: whoever waits for it may wait for ever. */
	void (*failed)(struct vhu_signal *signal);
	struct signal_job *job; /* the last write, while it is under way */
};

/* Writes to `fd`, -1 is fine. What comes of an earlier write is not asked any more. */
void vhu_signal_send(struct vhu_signal *signal, struct disposal_account *account, int fd)
	RUNS_ON(control_thread);
/* Before the owner goes, or the descriptor is replaced: nothing is heard of the last write. */
void vhu_signal_forget(struct vhu_signal *signal) RUNS_ON(control_thread);

#endif
