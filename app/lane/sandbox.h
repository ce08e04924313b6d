/* SPDX-License-Identifier: BSD-3-Clause */
/* sandbox.h: what a lane may do, once it has begun.
 *
 * The holder of a userfaultfd can write to the address space it belongs to, so that a front end must be thought able to
 * run code in its lane. What it gains there is what the guest's front end had before: the guest's memory, and frames from
 * and to its own port. The lane runs as user nobody if the switch is root (else as the switch's user), without capabilities,
 * and every system call that it does not need ends it.
 *
 * Context: the lane's main thread, before there is another.
 */
#ifndef VUS_LANE_SANDBOX_H
#define VUS_LANE_SANDBOX_H

/* For all threads and for good. 0 or -errno. */
int sandbox_enter(void);

#endif
