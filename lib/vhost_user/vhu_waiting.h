/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_waiting.h: connections to a port that has a front end already, or is not done with the last one.
 *
 * A front end that is turned away tries again at once, most of them, and for ever: so it is kept waiting first, connected
 * and unanswered, for VHU_WAITING_MS. If the port becomes free meanwhile, one of those that wait gets it. Few
 * can wait; while the places are taken, none is accepted, and what comes waits in the listener's queue.
 *
 * Context: control thread.
 * Units: the wait is VHU_WAITING_MS.
 * Ownership: a descriptor that waits is ours; `due` and
 * vhu_waiting_take() give it away.
 */
#ifndef VUS_VHU_WAITING_H
#define VUS_VHU_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "disposal.h"
#include "loop.h"
#include "role.h"

enum { VHU_WAITING_MAX = 4, VHU_WAITING_MS = 1000 };

struct vhu_waiting {
	struct loop *loop;
	struct disposal_account *account;
	/* This connection has waited its time, and is the callee's. */
	void (*due)(struct vhu_waiting *waiting, int fd);
	struct loop_timer timer;
	unsigned int n;
	struct {
		int fd;
		uint64_t until_ns;
	} place[VHU_WAITING_MAX]; /* the oldest first */
};

/* What it hangs up on is charged to `account`. */
void vhu_waiting_init(struct vhu_waiting *waiting, struct loop *loop, struct disposal_account *account,
		      void (*due)(struct vhu_waiting *waiting, int fd));

static inline bool vhu_waiting_full(const struct vhu_waiting *waiting)
{
	return waiting->n == VHU_WAITING_MAX;
}

/* Not if it is full. */
void vhu_waiting_add(struct vhu_waiting *waiting, int fd) RUNS_ON(control_thread);

/* Of those who are still there and have said something, the one that has waited longest; else of those who are there; or -1. */
int vhu_waiting_take(struct vhu_waiting *waiting) RUNS_ON(control_thread);

/* Whether the peer has closed this connection. */
bool vhu_waiting_has_left(int fd);

/* Hangs up on all of them. */
void vhu_waiting_clear(struct vhu_waiting *waiting) RUNS_ON(control_thread);

#endif
