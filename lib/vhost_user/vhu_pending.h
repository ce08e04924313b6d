/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_pending.h: the steps a device waits for before it goes on with its conversation.
 *
 * A request, or the end of a conversation, starts things that take time: lcores have to pass, memory has to be unmapped, a
 * lane has to answer. Each is a step: begun where it starts, ended where it is done. While a step is pending the
 * conversation is suspended and the request is not answered. `vusctl port NAME` shows the steps ("waiting").
 *
 * A step that is ended without having begun is a programming error: it asserts, and in a build without assertions it is
 * logged and changes nothing. So no count becomes negative, and a device never goes on too early because of one.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_PENDING_H
#define VUS_VHU_PENDING_H

#include <stdbool.h>
#include <stddef.h>

#include "rcu.h"

enum vhu_step {
	VHU_STEP_LCORES,      /* every lcore that can hold something of the device passes a quiescent state */
	VHU_STEP_ZERO_COPY,   /* devices give back frames whose bodies they read in place (frame_ref.h) */
	VHU_STEP_MAP,	      /* a disposal thread maps what a request brings, or unmaps it again */
	VHU_STEP_UNMAP,	      /* a disposal thread unmaps regions, or an address space */
	VHU_STEP_LOG,	      /* a disposal thread unmaps a dirty log */
	VHU_STEP_LANE_START,  /* the process of a lane starts */
	VHU_STEP_LANE_ANSWER, /* a lane answers */
	VHU_STEP_LANE_EXIT,   /* the process of a lane ends */
	VHU_STEP_LANE_FRAMES, /* lcores take what the guest sent through a lane */
	VHU_STEPS
};

/* How often each step is pending. All zero: nothing is. */
struct vhu_pending {
	unsigned int n[VHU_STEPS];
	struct rcu_scope *scope; /* the lcores that VHU_STEP_LCORES is about; NULL: all */
};

void vhu_pending_begin(struct vhu_pending *pending, enum vhu_step step);
void vhu_pending_end(struct vhu_pending *pending, enum vhu_step step);
/* One step ends as the next one begins. */
void vhu_pending_move(struct vhu_pending *pending, enum vhu_step from, enum vhu_step to);
/* Every one of this step is over: what would have ended it does not come any more. */
void vhu_pending_drop(struct vhu_pending *pending, enum vhu_step step);

/* What ends a step that is VHU_STEP_LCORES: `done` runs when these lcores have passed. In the order of the calls. */
void vhu_pending_await(struct vhu_pending *pending, struct rcu_wait *wait, void (*done)(struct rcu_wait *wait));

/* Whether any step is pending. */
bool vhu_pending_any(const struct vhu_pending *pending);

/* "lcores to pass", "memory to be unmapped", ... */
const char *vhu_step_text(enum vhu_step step);

#endif
