/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_socket: Unix sockets as a test's own end has them, messages that carry descriptors, and what a process has open.
 *
 * Sockets are closed on exec; @flags are socket(2)'s others: SOCK_NONBLOCK or 0.
 * Returns: a socket, a count or -errno.
 */
#ifndef FG_SOCKET_H
#define FG_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

int fg_socket_connect(const char *path, int flags);
/* Has the name @path and does not listen; listens. */
int fg_socket_bind(const char *path, int flags);
int fg_socket_listen(const char *path, int flags, int backlog);

/* What fits is sent at once, with @n_fds descriptors: bytes. */
ssize_t fg_socket_send(int sock, const void *data, size_t len, const int *fds, unsigned int n_fds);

/* Entries of /proc/@pid/@what: "fd", "task". */
int fg_entries(pid_t pid, const char *what);
/* Descriptors of this process. */
int fg_open_fds(void);
/* Descriptors of process @pid once their number has not changed for @quiet_ms, or after a hundred times that: a thread may
 * be about to close some. -errno. */
int fg_fds_settled(pid_t pid, unsigned int quiet_ms);
/* fg_open_fds() in this way. */
int fg_open_fds_settled(void);
/* ... once they are as many as that, or after ten seconds. */
int fg_open_fds_await(int n);

#endif
