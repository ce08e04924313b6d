/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_drops.h: what was dropped at a port, as JSON: each reason with how many frames, since when, and the head of the last; and
 * what was dropped of the switch's own, and is no port's.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_DROPS_H
#define VUS_CTL_DROPS_H

#include <stdbool.h>

#include "ctl_text.h"
#include "port.h"
#include "role.h"
#include "switch.h"

/* Whether something was: the port has an entry then. */
bool ctl_drops_any(const struct port *port);
/* The members of its entry. */
void ctl_drops_put(struct ctl_text *text, const struct port *port);

/* The entries, with commas between them, of what was dropped in the switch itself (`of`: "switch"), of its own frames for a
 * bridge, of a mirror's copies, and by captures that run, of the port `name`: {"of", "name", "bridge", "reason", "count"}. */
void ctl_drops_put_switch(struct ctl_text *text, const struct vus_switch *sw) RUNS_ON(control_thread);

#endif
