/* SPDX-License-Identifier: BSD-3-Clause */
/* eal.h: DPDK's environment: started with what the user said, and with sensible words where nothing was said.
 *
 * Threads. With one CPU, and nothing said about lcores, there are two on it: for control, and for frames.
 * Memory. Without options, free huge pages are used in a way that leaves no file (--in-memory); without free huge pages
 * ordinary ones are (--no-huge), which is said once. All memory is taken at the start: EAL replaces the SIGBUS handler
 * whenever its heap grows (mem_arena.h).
 * Names. --file-prefix is made from the control socket's path, so that several switches live side by side and one that
 * was killed finds its folder again instead of leaving one more.
 * Devices. Only what --vdev, --allow or a port names is touched.
 * Words. EAL's own lines are limited to warnings, unless --log-level says otherwise; under systemd they have a priority.
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_EAL_H
#define VUS_EAL_H

#include "fail.h"
#include "options.h"

/* 0 or -errno with a line in `fail`. */
int eal_start(const struct options *options, struct fail *fail);
/* Gives everything back, and leaves no file. */
void eal_stop(void);

#endif
