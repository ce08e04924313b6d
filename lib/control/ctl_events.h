/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_events.h: clients of the control socket that have asked for events (monitor.h), until they hang up.
 *
 *	{"command": "events"}			all of them
 *	{"command": "events", "port": "vm1"}	those about this port, and those about none
 *
 * Each has a queue of CTL_EVENTS_BYTES. One that does not read misses what does not fit: nobody waits for it, and once it has
 * read, a line says how many events that were. What it sends is not looked at.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_EVENTS_H
#define VUS_CTL_EVENTS_H

#include <jansson.h>

#include "disposal.h"
#include "loop.h"
#include "role.h"

enum {
	CTL_EVENTS_BYTES = 64 * 1024,
	CTL_LISTENERS_MAX = 64,
};

struct ctl_events;

/* The account is charged for what listeners send and for closing them. NULL: no memory. */
struct ctl_events *ctl_events_create(struct loop *loop, struct disposal_account *account);
/* Hangs up on all. NULL is fine. */
void ctl_events_destroy(struct ctl_events *events) RUNS_ON(control_thread);

/* From now on `fd`, which is in no loop, hears events. NULL; or an error to be answered, which is the caller's: the descriptor
 * still is, too. */
json_t *ctl_events_add(struct ctl_events *events, int fd, const json_t *request) RUNS_ON(control_thread);

#endif
