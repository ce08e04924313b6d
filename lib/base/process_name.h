/* SPDX-License-Identifier: BSD-3-Clause */
/* process_name.h: what a process is called.
 *
 * Context: any thread but an lcore; it waits for nothing (/proc/PID/comm takes a spinlock of the task, and not its memory's lock,
 * as /proc/PID/cmdline does).
 */
#ifndef VUS_PROCESS_NAME_H
#define VUS_PROCESS_NAME_H

#include <stddef.h>
#include <sys/types.h>

/* The name, in printable ASCII; empty: there is no such process. */
void process_name(pid_t pid, char *text, size_t size);

#endif
