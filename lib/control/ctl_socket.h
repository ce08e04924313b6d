/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_socket.h: the socket vusctl talks to: a line with a JSON request comes, a line with a JSON reply goes.
 *
 *	{"command": "port", "name": "vm1"}
 *	{"port": {"name": "vm1", "state": "running", ...}, "time_ns": 123456789}
 *
 * ctl_commands.h has the commands. A request that makes no sense is answered by {"error": "..."}. Requests of one client
 * are answered in turn; a client may stay connected and ask again.
 *
 * A client that asks for events (ctl_events.h) hears them from then on, and asks no more.
 *
 * One that captures frames (ctl_capture.h) gets them from then on, and asks no more either.
 *
 * Requests that change something (changes.h) are answered when they have taken effect, so a client waits for its own; what it
 * sends meanwhile is read after that. One that hangs up has changed it all the same.
 *
 * Who may connect is the file's affair: it belongs to the switch's user and group, mode 0660. Who may change is the switch's
 * (ctl_peer.h). A client that does not read its replies, never ends its line or comes in large numbers costs a bounded piece of
 * memory and delays no other: when all places are taken, the client that has been silent for longest is hung up on.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_SOCKET_H
#define VUS_CTL_SOCKET_H

#include "fail.h"
#include "histogram.h"
#include "loop.h"
#include "role.h"
#include "switch.h"

struct changes;
struct ctl_socket;

/* Whether another switch listens at `path`: before anything is done that would be in vain. 0, or -errno with a line in
 * `fail`. Needs no EAL. */
int ctl_socket_probe(const char *path, struct fail *fail);

/* Listens at `path`, whose folder is made if only that is missing; a file left by a switch that was killed is replaced.
 * 0 or -errno with a line in `fail`. */
int ctl_socket_create(struct loop *loop, const char *path, struct vus_switch *sw,
		      struct ctl_socket **ctl, struct fail *fail) RUNS_ON(control_thread);
/* From now on requests that change something go there, until the socket is destroyed. */
void ctl_socket_take_changes(struct ctl_socket *ctl, struct changes *changes) RUNS_ON(control_thread);
/* How long requests took from when control had them until their reply began: those that look at something, or are refused, and
 * those that change something. */
enum ctl_request { CTL_LOOK, CTL_CHANGE, CTL_REQUESTS };
const struct histogram *ctl_socket_answer_times(enum ctl_request request) RUNS_ON(control_thread);
/* Closes every conversation and removes the file. NULL is fine. */
void ctl_socket_destroy(struct ctl_socket *ctl) RUNS_ON(control_thread);

#endif
