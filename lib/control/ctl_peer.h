/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_peer.h: who is at the other end of the control socket, and whether he may change the switch.
 *
 * Who may connect is the socket file's affair, and may look. To change takes more: root, the user whose process the switch is,
 * and those whom the options change-users and change-groups name. The kernel says who it was that connected (SO_PEERCRED,
 * SO_PEERGROUPS); a program that hands its connection on hands its rights on.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_PEER_H
#define VUS_CTL_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "role.h"

/* Whether who connected `fd` may change a switch with these options. `who` is for the log: "uid 1000, process 4711 (virsh)". */
bool ctl_peer_may_change(int fd, const struct switch_options *options, char *who, size_t size) RUNS_ON(control_thread);

#endif
