/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_show.h: one port, profile, bridge or lcore as a JSON object (ctl_commands.h says what for).
 *
 * Context: control thread.
 * Returns: the object, or NULL: no memory.
 * Ownership: the caller releases the object.
 */
#ifndef VUS_CTL_SHOW_H
#define VUS_CTL_SHOW_H

#include <jansson.h>

#include "lcore.h"
#include "switch.h"

json_t *ctl_show_port(const struct vus_switch *sw, struct port *port) RUNS_ON(control_thread);
/* `ports` of it is 0: the caller counts them. */
json_t *ctl_show_profile(const struct config *config, const struct config_profile *profile) RUNS_ON(control_thread);
json_t *ctl_show_bridge(const struct vus_switch *sw, unsigned int index) RUNS_ON(control_thread);
json_t *ctl_show_lcore(const struct lcore *lcore) RUNS_ON(control_thread);
json_t *ctl_show_move(const struct lcores_move *move) RUNS_ON(control_thread);

/* Adds the mirrors of a bridge, as they are written, and what each has copied. */
void ctl_show_mirrors(const struct vus_switch *sw, unsigned int index, json_t *list) RUNS_ON(control_thread);
/* A list: the rules of its filters, and what each has decided. */
json_t *ctl_show_filters(const struct port *port) RUNS_ON(control_thread);

#endif
