/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_commands.h: what there is to look at, as JSON; for the control socket and for telemetry. What changes something is in
 * changes.h.
 *
 * docs/api.md has the commands and what is in their replies; a test compares it with what is answered here.
 *
 * Counters only grow; replies carry "time_ns" (a clock without jumps), so that two of them make a rate. Names of
 * counters are those of port_counters.h.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_COMMANDS_H
#define VUS_CTL_COMMANDS_H

#include <jansson.h>

#include "role.h"
#include "switch.h"

/* A reply that the caller releases, an {"error": ...} among them; NULL: no memory. */
json_t *ctl_command(struct vus_switch *sw, const json_t *request) RUNS_ON(control_thread);

json_t *ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* That there is none of this name, and which may have been meant. */
json_t *ctl_no_port(const struct vus_switch *sw, const char *name) RUNS_ON(control_thread);
json_t *ctl_no_bridge(const struct vus_switch *sw, const char *name) RUNS_ON(control_thread);

#endif
