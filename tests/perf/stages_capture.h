/* SPDX-License-Identifier: BSD-3-Clause */
/* stages_capture.h: a capture of a port, of all frames in both directions, and a thread that reads what it writes.
 *
 * Context: one thread, which is control for as long.
 */
#ifndef VUS_STAGES_CAPTURE_H
#define VUS_STAGES_CAPTURE_H

#include <sched.h>

#include "port.h"

/* Of the one lcore that there is. The capture's thread and the reader run on `cpus`. 0 or -1. */
int stages_capture_begin(struct port *port, const cpu_set_t *cpus);
/* Says on standard error how many frames it has seen and lost. */
void stages_capture_end(struct port *port);

#endif
