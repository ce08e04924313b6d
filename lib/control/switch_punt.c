/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_punt.c: frames that lcores hand to control, and who takes them. */
#include "lcore.h"
#include "switch_private.h"

void switch_handle_punts(struct vus_switch *sw, enum punt_kind kind, punt_handler take, void *arg)
{
	sw->punts[kind].take = take;
	sw->punts[kind].arg = arg;
}

static void take_punt(struct vus_switch *sw, const struct punt *punt) RUNS_ON(control_thread)
{
	struct switch_port *sp = sw->port[punt->port];
	punt_handler take = sw->punts[punt->kind].take;

	/* Punts of a port are taken before it goes (switch_port.c). */
	if (take == NULL || sp->state != SWITCH_PORT_IN) {
		count_drop(port_counters_of_control(sp->port), PORT_DROP_PUNT + PUNT_DROP_UNHANDLED, 1, NULL);
		return;
	}
	count(&port_counters_of_control(sp->port)->punted, 1);
	take(sw->punts[punt->kind].arg, sp->port, punt);
}

/* Bounded: at most what was in the rings when this began. */
void switch_take_punts(struct vus_switch *sw)
{
	for (unsigned int i = 0; i < lcores_n(); i++) {
		struct lcore *lcore = lcore_at(i);
		const struct punt *punt;

		for (unsigned int n = 0; n < CONTROL_FRAMES && (punt = lcore_punt_next(lcore)) != NULL; n++) {
			take_punt(sw, punt);
			lcore_punt_done(lcore);
		}
	}
}
