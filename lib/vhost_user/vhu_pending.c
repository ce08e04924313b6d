/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_pending.h"

#include <assert.h>

#include "log.h"

static const char *const step_text[VHU_STEPS] = {
	[VHU_STEP_LCORES] = "lcores to pass",
	[VHU_STEP_ZERO_COPY] = "devices to give back frames",
	[VHU_STEP_MAP] = "memory to be mapped",
	[VHU_STEP_UNMAP] = "memory to be unmapped",
	[VHU_STEP_LOG] = "dirty log to be unmapped",
	[VHU_STEP_LANE_START] = "lane to start",
	[VHU_STEP_LANE_ANSWER] = "lane to answer",
	[VHU_STEP_LANE_EXIT] = "lane to exit",
	[VHU_STEP_LANE_FRAMES] = "frames of the lane to be taken",
};

const char *vhu_step_text(enum vhu_step step)
{
	return step_text[step];
}

void vhu_pending_begin(struct vhu_pending *pending, enum vhu_step step)
{
	pending->n[step]++;
}

void vhu_pending_end(struct vhu_pending *pending, enum vhu_step step)
{
	assert(pending->n[step] > 0);
	if (pending->n[step] == 0)
		log_error("vhost-user", "a step ends that has not begun: %s", step_text[step]);
	else
		pending->n[step]--;
}

void vhu_pending_move(struct vhu_pending *pending, enum vhu_step from, enum vhu_step to)
{
	vhu_pending_begin(pending, to);
	vhu_pending_end(pending, from);
}

void vhu_pending_drop(struct vhu_pending *pending, enum vhu_step step)
{
	pending->n[step] = 0;
}

void vhu_pending_await(struct vhu_pending *pending, struct rcu_wait *wait, void (*done)(struct rcu_wait *wait))
{
	rcu_wait_start_in(pending->scope, wait, done);
}

bool vhu_pending_any(const struct vhu_pending *pending)
{
	for (unsigned int i = 0; i < VHU_STEPS; i++)
		if (pending->n[i] > 0)
			return true;
	return false;
}
