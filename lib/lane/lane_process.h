/* SPDX-License-Identifier: BSD-3-Clause */
/* lane_process.h: the process of a lane (app/lane), from the control thread's side: started, asked, watched, ended.
 *
 * Starting takes a helper thread a moment (memory, a new process); `ready` follows. A request is answered by `answered`
 * whenever the lane comes to it. A lane that dies, says what makes no sense or what was not asked, or does not answer a
 * ping for LANE_DEADLINE_S has `failed` and is on its way out; lane_process_kill() is how its owner ends one. Either way `gone`
 * is the last that is heard, when the process exists no more and nothing of its guest's memory is in use by it; then the
 * struct may be used anew.
 *
 * Context: control thread; nothing here blocks.
 * Ownership: the link (lane_link.h) outlives the process and belongs to the caller that took it.
 */
#ifndef VUS_LANE_PROCESS_H
#define VUS_LANE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "lane_link.h"
#include "lane_message.h"
#include "loop.h"
#include "role.h"

struct lane_process;

struct lane_process_events {
	void (*ready)(struct lane_process *lane);
	/* An answer, or LANE_RING_BROKEN. `fd` (-1: none) is the receiver's if it takes it, by setting it to -1. */
	void (*answered)(struct lane_process *lane, const struct lane_message *message, int *fd);
	/* One line says why. `gone` follows, not from inside the call that failed. */
	void (*failed)(struct lane_process *lane, const char *why);
	void (*gone)(struct lane_process *lane);
};

enum lane_process_state {
	LANE_PROCESS_NONE,
	LANE_PROCESS_STARTING, /* the helper thread starts it: its process is not touched */
	LANE_PROCESS_ENTERING, /* it runs, and has not said yet that it is in its sandbox */
	LANE_PROCESS_READY,
	LANE_PROCESS_ENDING,
};

struct lane_process {
	struct loop *loop;
	const struct lane_process_events *events;
	const char *name; /* of the port, as the process shows it */
	enum lane_process_state state;
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

void lane_process_init(struct lane_process *lane, struct loop *loop, const char *name,
		   const struct lane_process_events *events);
/* Of a lane that is NONE. */
void lane_process_start(struct lane_process *lane) RUNS_ON(control_thread);
/* Kills the process; `gone` follows. False if there is none. */
bool lane_process_kill(struct lane_process *lane) RUNS_ON(control_thread);

/* Sends a request to a READY lane, with a descriptor (-1: none) that stays the caller's. If it cannot be sent, the lane
 * fails: `failed` follows from the loop. */
void lane_process_ask(struct lane_process *lane, const struct lane_message *message, int fd)
	RUNS_ON(control_thread);

/* The packet rings: the caller's from now on. */
struct lane_link *lane_process_take_link(struct lane_process *lane);

#endif
