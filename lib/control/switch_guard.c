/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_guard.c: what a port should not have sent (guard.h): a line of the log about it, and the port that is closed for a time.
 */
#include <stdio.h>

#include "clock.h"
#include "guard.h"
#include "log.h"
#include "offence.h"
#include "switch_private.h"

static void opens(struct loop_timer *timer);

void switch_guard_init(struct switch_port *sp)
{
	sp->opens.fire = opens;
}

bool switch_port_is_closed(const struct vus_switch *sw, const struct port *port)
{
	return sw->port[port->id]->closed;
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
}
