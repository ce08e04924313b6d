/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_drops.h: what was dropped at a port, as JSON: each reason with how many frames, since when, and the head of the last.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_DROPS_H
#define VUS_CTL_DROPS_H

#include <stdbool.h>

#include "ctl_text.h"
#include "port.h"

/* Whether something was: the port has an entry then. */
bool ctl_drops_any(const struct port *port);
/* The members of its entry. */
void ctl_drops_put(struct ctl_text *text, const struct port *port);

#endif
