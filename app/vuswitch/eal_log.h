/* SPDX-License-Identifier: BSD-3-Clause */
/* eal_log.h: DPDK's own lines: to standard error, once, and under systemd with the <N> priority prefix of sd-daemon(3), as ours
 * have (log.h).
 *
 * DPDK by itself prints them without a priority and sends them to syslog as well, so the journal has each twice; and a thread
 * that writes to syslog may have to connect to it, which an lcore must not. A line gets its prefix when it is written and
 * standard error is the journal.
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_EAL_LOG_H
#define VUS_EAL_LOG_H

/* Before rte_eal_init(). */
void eal_log_start(void);

#endif
