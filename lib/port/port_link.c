/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_link.h"

#include "monitor.h"

static void link_becomes(struct port *port, bool up, bool set_down) RUNS_ON(control_thread)
{
	bool before = port->link_up && !port->link_set_down, now = up && !set_down;

	port->link_up = up;
	port->link_set_down = set_down;
	if (now != before)
		monitor_emit(MONITOR_LINK, port->name, "{s:s}", "link", now ? "up" : "down");
}

void port_tell_link(struct port *port, bool up)
{
	link_becomes(port, up, port->link_set_down);
}

void port_set_link_down(struct port *port, bool down)
{
	link_becomes(port, port->link_up, down);
}
