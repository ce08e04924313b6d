/* SPDX-License-Identifier: BSD-3-Clause */
/* predecessor.h: the process before this one, which may just have been killed. The kernel takes its memory apart before it closes
 * its sockets, so for a moment they still look as if a process listened; and if a thread of it is stuck in the kernel they
 * look so for as long as that lasts (corpse.h).
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_PREDECESSOR_H
#define VUS_PREDECESSOR_H

#include "config.h"

/* Hangs up what a dead one still holds, and waits until no process listens at the control socket and at the sockets of the
 * ports, a second at most in all: who still does then is alive, and making the socket tells. Before the event loop is there. */
void predecessor_wait(const char *control, const struct config *config);

#endif
