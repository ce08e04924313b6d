/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_lane.h: the process of a lane (app/lane), from the control thread's side: started, asked, watched, ended.
 *
 * Starting takes a helper thread a moment (memory, a new process); `ready` follows. A request is answered by `answered`
 * whenever the lane comes to it. A lane that dies, says what makes no sense or what nobody asked, or does not answer a
 * ping for LANE_DEADLINE_S has `failed` and is on its way out; vhu_lane_end() is how its owner ends one. Either way `gone`
 * is the last that is heard, when the process exists no more and nothing of its guest's memory is in use by it; then the
 * struct may be used anew. The link (lane_link.h) outlives the process: it belongs to whoever took it.
 *
 * Control thread; nothing here blocks.
 */
#ifndef VUS_VHU_LANE_H
#define VUS_VHU_LANE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lane_link.h"
#include "lane_message.h"
#include "loop.h"
#include "role.h"

struct vhu_lane;

struct vhu_lane_events {
	void (*ready)(struct vhu_lane *lane);
	/* An answer, or LANE_RING_BROKEN. `fd` (-1: none) is the receiver's if it takes it, by setting it to -1. */
	void (*answered)(struct vhu_lane *lane, const struct lane_message *message, int *fd);
	/* One line says why. `gone` follows, not from inside the call that failed. */
	void (*failed)(struct vhu_lane *lane, const char *why);
	void (*gone)(struct vhu_lane *lane);
};

enum vhu_lane_state {
	VHU_LANE_NONE,
	VHU_LANE_STARTING,
	VHU_LANE_READY,
	VHU_LANE_ENDING,
};

struct vhu_lane {
	struct loop *loop;
	const struct vhu_lane_events *events;
	const char *name; /* of the port, as the process shows it */
	enum vhu_lane_state state;
	struct lane_link *link; /* until taken: ours */
	pid_t pid;
	struct loop_fd process; /* a pidfd: readable when it has ended */
	struct loop_fd socket;
	struct loop_timer ping;
	unsigned int silent_s; /* since it last answered */
	uint32_t owed[LANE_REQUESTS]; /* answers */
	uint32_t leaving, may_break;  /* by ring: owes its LANE_RING_LEAVE; may say LANE_RING_BROKEN */
	struct loop_job start;
	int error;	  /* of the start */
	int lane_socket;  /* its end, until it has it */
};

void vhu_lane_init(struct vhu_lane *lane, struct loop *loop, const char *name,
		   const struct vhu_lane_events *events);
/* Of a lane that is NONE. */
void vhu_lane_start(struct vhu_lane *lane) RUNS_ON(control_thread);
/* Kills the process; `gone` follows. False if there is none. */
bool vhu_lane_end(struct vhu_lane *lane) RUNS_ON(control_thread);

/* Sends a request to a READY lane, with a descriptor (-1: none) that stays the caller's. If it cannot be sent, the lane
 * fails: `failed` follows from the loop. */
void vhu_lane_ask(struct vhu_lane *lane, const struct lane_message *message, int fd)
	RUNS_ON(control_thread);

/* The packet rings: the caller's from now on. */
struct lane_link *vhu_lane_take_link(struct vhu_lane *lane);

#endif
