/* SPDX-License-Identifier: BSD-3-Clause */
/* spare_cpus.h: the CPUs for threads that are neither the control thread nor an lcore.
 *
 * A system call on what a peer gave may keep a CPU busy for tens of milliseconds, some of them with interrupts off. It is made
 * where no lcore is, and if there is such a CPU, not where the control thread is either. EAL narrows the affinity of the
 * thread that starts it, so what the process may use is asked before.
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_SPARE_CPUS_H
#define VUS_SPARE_CPUS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* Before eal_start(): the CPUs of the process. */
void spare_cpus_look(void);
/* After it: those of them that no thread of EAL has (true), or where there are none, the control thread's (false). */
bool spare_cpus_find(cpu_set_t *spare);
/* "2-5,8" */
void spare_cpus_name(const cpu_set_t *cpus, char *text, size_t size);

#endif
