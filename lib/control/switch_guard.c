/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_guard.c: what a port should not have sent (guard.h): a line of the log about it, and the port that is closed for a time.
 */
#include <stdio.h>

#include "clock.h"
#include "guard.h"
#include "log.h"
#include "monitor.h"
#include "offence.h"
#include "switch_private.h"

static void opens(struct loop_timer *timer);

void switch_guard_init(struct switch_port *sp)
{
	sp->opens.fire = opens;
}

unsigned int switch_port_closed_seconds(const struct vus_switch *sw, const struct port *port)
{
	const struct switch_port *sp = sw->port[port->id];
	uint64_t now = clock_ns();

	if (!sp->closed)
		return 0;
	return sp->opens.due_ns > now ? (unsigned int)((sp->opens.due_ns - now + NS_PER_S - 1) / NS_PER_S) : 1;
}

void switch_port_state(const struct vus_switch *sw, struct port *port, struct port_state *state)
{
	unsigned int closed = switch_port_closed_seconds(sw, port);

	port->ops->state(port, state);
	if (switch_link_is_set_down(sw, port->name))
		*state = (struct port_state){.text = "its link is set down"};
	else if (closed > 0)
		snprintf(state->text, sizeof(state->text), "closed by bpdu-guard, %u s left", closed);
}

/* No lcore has it yet: what was reported and not taken when it left its last bridge is over. */
void switch_guard_joined(struct switch_port *sp)
{
	offence_done(sp->port);
	if (!sp->closed)
		offence_reset(sp->port);
}

void switch_guard_tell(struct switch_port *sp)
{
	struct frame frame;
	uint16_t why = offence_take(sp->port, &frame);

	log_limited(&sp->offences, LOG_WARN, sp->made.name, "a frame is dropped (%s): %s",
		    port_counter_table[PORT_COUNTERS_ALONE + why].name, guard_describe(&frame).text);
	offence_done(sp->port);
}

static void open_port(struct switch_port *sp) RUNS_ON(control_thread)
{
	struct fail fail;

	sp->closed = false;
	if (switch_port_set_policy(sp, &sp->made.member, &fail) != 0) {
		/* It stays as it is, and is opened a second later. */
		sp->closed = true;
		loop_timer_start(sp->sw->loop, &sp->opens, NS_PER_S);
		return;
	}
	loop_timer_stop(sp->sw->loop, &sp->opens);
	offence_reset(sp->port);
	log_info(sp->made.name, "is open again");
	monitor_emit(MONITOR_PORT_OPENED, sp->made.name, NULL);
}

static void opens(struct loop_timer *timer)
{
	struct switch_port *sp = container_of(timer, struct switch_port, opens);

	role_assert_control();
	open_port(sp);
}

void switch_guard_changed(struct switch_port *sp)
{
	if (sp->closed && sp->made.member.bpdu_guard != BRIDGE_BPDU_CLOSE)
		open_port(sp);
}

void switch_guard_ended(struct switch_port *sp)
{
	loop_timer_stop(sp->sw->loop, &sp->opens);
}

void switch_guard_close(struct switch_port *sp)
{
	const struct bridge_port_options *options = &sp->made.member;
	struct fail fail;

	if (sp->closed || options->bpdu_guard != BRIDGE_BPDU_CLOSE) {
		if (!sp->closed)
			offence_reset(sp->port);
		return;
	}
	sp->closed = true;
	if (switch_port_set_policy(sp, options, &fail) != 0) {
		/* The next frame of spanning tree tells of it again. */
		sp->closed = false;
		offence_reset(sp->port);
		return;
	}
	bridge_forget_port(sp->bridge->bridge, sp->port);
	loop_timer_start(sp->sw->loop, &sp->opens, options->close_seconds * NS_PER_S);
	log_warn(sp->made.name, "a frame of spanning tree came from it: closed for %u seconds (bpdu-guard)",
		 options->close_seconds);
	monitor_emit(MONITOR_PORT_CLOSED, sp->made.name, "{s:s, s:i}", "by", "bpdu-guard", "seconds",
		     (int)options->close_seconds);
}
