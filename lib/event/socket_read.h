/* SPDX-License-Identifier: BSD-3-Clause */
/* socket_read.h: reads from a peer's stream socket and takes every descriptor that comes along.
 *
 * A descriptor that recvmsg() has no room for, and each one that recv() passes over, is released by the kernel inside the
 * call. If that is the last reference to a socket that lingers, the call sleeps for as long as the peer likes (X1). So there is
 * always room for all that one message may carry, and those that nobody wants are closed where that may take long.
 *
 * Context: control thread; the socket is non-blocking.
 */
#ifndef VUS_SOCKET_READ_H
#define VUS_SOCKET_READ_H

#include <stddef.h>
#include <sys/types.h>

#include "disposal.h"
#include "role.h"

/* Reads at most `len` bytes, and at most `max` descriptors, to be added to the *n at `fds`; further ones are closed, charged
 * to `account`.
 * Returns: the number of bytes, 0 at the end of the stream, -EMSGSIZE if there were further ones, or -errno.
 * Ownership: the descriptors are the caller's. */
ssize_t socket_read(int fd, void *bytes, size_t len, int *fds, unsigned int *n, unsigned int max,
		    struct disposal_account *account) RUNS_ON(control_thread);

#endif
