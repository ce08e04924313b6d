/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_telemetry.h: what the control socket shows, under DPDK's telemetry (dpdk-telemetry.py), for tools that know it:
 *
 *	/vuswitch/ports			/vuswitch/port,NAME
 *	/vuswitch/macs[,BRIDGE]		/vuswitch/lcores		/vuswitch/bridges
 *
 * Telemetry serves each of its clients from a thread of its own. Such a thread posts its question to the event loop and
 * waits for the answer, a second at most; the loop does not wait for it.
 *
 * Telemetry's replies have a bound (16 KiB, 256 names in an object): of many addresses the first ones are shown. The
 * control socket has no such bound.
 *
 * Threads: start and stop are the control thread's. After stop, questions are answered by nothing at once.
 */
#ifndef VUS_CTL_TELEMETRY_H
#define VUS_CTL_TELEMETRY_H

#include "loop.h"
#include "switch.h"

void ctl_telemetry_start(struct loop *loop, struct vus_switch *sw) RUNS_ON(control_thread);
void ctl_telemetry_stop(void) RUNS_ON(control_thread);

#endif
