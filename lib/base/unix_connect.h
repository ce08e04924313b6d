/* SPDX-License-Identifier: BSD-3-Clause */
/* unix_connect.h: a connection to a unix socket at a path, without waiting.
 *
 * Context: any thread but an lcore.
 * Returns: 0, or -errno: -ENOENT nothing is there, -ECONNREFUSED no process listens, -EAGAIN one does and has no room,
 * -ENAMETOOLONG the path does not fit an address.
 * Ownership: the descriptor, which does not block, is the caller's.
 */
#ifndef VUS_UNIX_CONNECT_H
#define VUS_UNIX_CONNECT_H

#include <stdbool.h>

int unix_connect(const char *path, int *fd);

/* Whether a process listens there, with or without room for us. The kernel lets us connect to one that is dead and not gone, too
 * (corpse.h), and that does not count; whose queue is full cannot be asked, and is alive. */
bool unix_is_listened_on(const char *path);

#endif
