/* SPDX-License-Identifier: BSD-3-Clause */
/* socket_read.h: reads from a peer's stream socket and takes every descriptor that comes along.
 *
 * A descriptor that recvmsg() has no room for, and each one that recv() passes over, is released by the kernel inside the
 * call. If that is the last reference to a socket that lingers, the call sleeps for as long as the peer likes (X1). So there is
 * always room for all that one message may carry, and those that nobody wants are closed where that may take long.
 *
 * Context: any thread but an lcore; it wakes who waits on the peer's end, however many these are (X5).
 */
#ifndef VUS_SOCKET_READ_H
#define VUS_SOCKET_READ_H

#include <stddef.h>
#include <sys/types.h>

/* What one message of a unix socket may carry (unix(7)). */
enum { SOCKET_READ_FDS_MAX = 253 };

/* Reads at most `len` bytes, and adds the descriptors that come with them to the *n at `fds`, where there is room for
 * SOCKET_READ_FDS_MAX more.
 * Returns: the number of bytes, 0 at the end of the stream, or -errno; -EMSGSIZE: the process had no descriptors left.
 * Ownership: the descriptors are the caller's, after an error, too. */
ssize_t socket_read(int fd, void *bytes, size_t len, int *fds, unsigned int *n);

#endif
