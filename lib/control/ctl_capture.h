/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_capture.h: clients of the control socket that capture frames (capture.h), until they hang up.
 *
 *	{"command": "capture", "ports": ["vm1", "up0"], "direction": "from" | "to" | "both", "drops": true,
 *	 "snap": 128, "count": 1000, "filter": "tcp port 25"}
 *	{"capture": {"ports": ["vm1", "up0"]}}
 *
 * All but the ports may be left out. What follows the reply is pcapng. The capture ends when the client hangs up or shuts down
 * its half of the connection, when it has `count` frames, or when the last of its ports has gone.
 *
 * Frames are what guests say to each other, so who captures has to be one who may change the switch (ctl_peer.h). It is logged,
 * and told as events.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_CAPTURE_H
#define VUS_CTL_CAPTURE_H

#include <jansson.h>

#include "loop.h"
#include "role.h"
#include "switch.h"

struct ctl_captures;

/* NULL: no memory. */
struct ctl_captures *ctl_captures_create(struct loop *loop, struct vus_switch *sw) RUNS_ON(control_thread);
/* Ends all of them. NULL is fine. */
void ctl_captures_destroy(struct ctl_captures *captures) RUNS_ON(control_thread);

/* `fd`, which is in no loop, is a capture's from now on; `who` asked for it. NULL; or an error to be answered, which is the
 * caller's: the descriptor still is, too. */
json_t *ctl_captures_add(struct ctl_captures *captures, int fd, const json_t *request, const char *who) RUNS_ON(control_thread);

#endif
