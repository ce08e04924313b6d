/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_capture.c: which captures look at the frames of which ports: a part of a port's policy. */
#include <errno.h>

#include "capture.h"
#include "switch_private.h"

/* -1: it does not look at the port's frames. */
static int point_of(const struct switch_port *sp, const struct capture *capture)
{
	for (int i = 0; i < sp->captures.n; i++)
		if (sp->captures.at[i].capture == capture)
			return i;
	return -1;
}

static int set_points(struct switch_port *sp, const struct capture_points *points) RUNS_ON(control_thread)
{
	struct capture_points before = sp->captures;
	struct fail fail;
	int error;

	sp->captures = *points;
	error = switch_port_set_policy(sp, &sp->made.member, &fail);
	if (error != 0)
		sp->captures = before;
	return error;
}

static struct switch_port *port_of(const struct vus_switch *sw, const char *name) RUNS_ON(control_thread)
{
	const struct port *port = switch_find_port(sw, name);

	return port != NULL ? sw->port[port->id] : NULL;
}

int switch_capture(struct vus_switch *sw, const char *port, struct capture *capture, unsigned int interface)
{
	struct switch_port *sp = port_of(sw, port);
	struct capture_points points;

	if (sp == NULL || sp->state == SWITCH_PORT_ENDING)
		return -ENOENT;
	points = sp->captures;
	if (points.n == CAPTURES_MAX)
		return -ENOMEM; /* there are no more than that */
	points.at[points.n].capture = capture;
	points.at[points.n].interface = (uint16_t)interface;
	points.n++;
	return set_points(sp, &points);
}

int switch_uncapture(struct vus_switch *sw, const struct capture *capture)
{
	int result = 0;

	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		struct switch_port *sp = sw->port[id];
		int at = sp != NULL ? point_of(sp, capture) : -1;
		struct capture_points points;

		if (at < 0)
			continue;
		points = sp->captures;
		points.at[at] = points.at[--points.n];
		if (set_points(sp, &points) != 0)
			result = -ENOMEM;
	}
	return result;
}

bool switch_captures(const struct vus_switch *sw, const struct capture *capture)
{
	for (unsigned int id = 0; id < PORTS_MAX; id++)
		if (sw->port[id] != NULL && point_of(sw->port[id], capture) >= 0)
			return true;
	return false;
}

uint64_t switch_captures_lost(const struct vus_switch *sw, const struct port *port)
{
	const struct capture_points *points = &sw->port[port->id]->captures;
	uint64_t lost = 0;

	for (int i = 0; i < points->n; i++) {
		struct capture_sum sum;

		capture_sum(points->at[i].capture, points->at[i].interface, &sum);
		lost += sum.lost;
	}
	return lost;
}

void switch_on_port_gone(struct vus_switch *sw, void (*gone)(void *arg, const char *port), void *arg)
{
	sw->port_gone = gone;
	sw->port_gone_arg = arg;
}

void switch_captures_ended(struct switch_port *sp)
{
	if (sp->captures.n == 0)
		return;
	/* Every lcore has left the port, and its policy goes with it. */
	sp->captures.n = 0;
	if (sp->sw->port_gone != NULL)
		sp->sw->port_gone(sp->sw->port_gone_arg, sp->made.name);
}
