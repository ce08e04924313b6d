/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_telemetry.h: what the control socket shows, under DPDK's telemetry (dpdk-telemetry.py), for tools that know it:
 *
 *	/vuswitch/ports[,FIRST[,COUNT]]			/vuswitch/port,NAME[,FIRST[,COUNT]]
 *	/vuswitch/lcores[,FIRST[,COUNT]]		/vuswitch/lcore,LCORE[,FIRST[,COUNT]]
 *	/vuswitch/macs[,BRIDGE[,FIRST[,COUNT]]]		/vuswitch/bridges[,FIRST[,COUNT]]
 *
 * Telemetry serves each of its clients from a thread of its own. Such a thread posts its question to the event loop and
 * waits for the answer, a second at most; the loop does not wait for it.
 *
 * Telemetry's replies have a bound (16 KiB, 256 names in an object): they come in pages (ctl_page.h). A port or an address that
 * comes or goes between two pages moves those behind it by one. The control socket has no such bound. What cannot be
 * answered is {"error": "..."}.
 *
 * Context: the control thread starts and stops it. After stop, a question is answered at once, by nothing.
 */
#ifndef VUS_CTL_TELEMETRY_H
#define VUS_CTL_TELEMETRY_H

#include "loop.h"
#include "switch.h"

void ctl_telemetry_start(struct loop *loop, struct vus_switch *sw) RUNS_ON(control_thread);
void ctl_telemetry_stop(void) RUNS_ON(control_thread);

#endif
