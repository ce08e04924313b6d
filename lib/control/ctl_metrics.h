/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_metrics.h: the switch's metrics, and where they are read (metrics_server.h).
 *
 * What is counted is gathered into a set of numbers (metrics_set.h), a slice of METRICS_SLICE_US at
 * a time, with other work of the loop in between; the text is written by the reader's thread. So
 * what is in a set was counted within a few turns of the loop, not at one moment: two counters of a
 * port belong together, those of two ports need not.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_METRICS_H
#define VUS_CTL_METRICS_H

#include <sched.h>

#include "config.h"
#include "loop.h"
#include "metrics_set.h"
#include "role.h"
#include "switch.h"

enum { METRICS_SLICE_US = 500 };

struct ctl_metrics;

/* All kinds that a set of this switch has: those of any switch, and those of its drivers. Returns
 * their number. */
unsigned int ctl_metrics_kinds(const struct port_driver *const *drivers,
			       const struct metrics_kind *kinds[METRICS_KINDS_MAX]);

/* Nothing runs yet. `cpus`: where readers' threads do. NULL: no memory. */
struct ctl_metrics *ctl_metrics_create(struct loop *loop, struct vus_switch *sw,
				       const cpu_set_t *cpus) RUNS_ON(control_thread);
/* Listens as `options` say, where that differs from before or could not be done then. What cannot
 * be listened at is logged, and the switch goes on without it until the next time. Before
 * switch_apply(), which may answer whoever has asked for the reload. */
void ctl_metrics_apply(struct ctl_metrics *metrics, const struct switch_options *options) RUNS_ON(control_thread);
/* Of what could not be listened at the last time, the line about the i-th; NULL: there are no more. */
const char *ctl_metrics_failed(const struct ctl_metrics *metrics, unsigned int i) RUNS_ON(control_thread);
/* Nobody is answered any more: before the switch goes. NULL is fine. */
void ctl_metrics_end(struct ctl_metrics *metrics) RUNS_ON(control_thread);
/* After the loop. NULL is fine. */
void ctl_metrics_destroy(struct ctl_metrics *metrics);

#endif
