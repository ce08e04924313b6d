/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_halt: one thread of the switch stands still wherever it is, and all others go on: what a guest's memory, or a descriptor
 * of its, may do to an lcore, for as long as the test likes.
 *
 * It is traced by the thread that asks. Thread-safety: one thread. Functions return 0 or -errno.
 */
#ifndef FG_HALT_H
#define FG_HALT_H

#include <sys/types.h>

/* The thread of @pid whose name ends with @name ("worker-1": EAL's lcore 1). It is number @thread from now on. */
int fg_halt(pid_t pid, const char *name, pid_t *thread);
int fg_halt_end(pid_t thread);

#endif
