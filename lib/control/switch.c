/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bridge_why.h"
#include "clock.h"
#include "lcore.h"
#include "lcore_readers.h"
#include "log.h"
#include "switch_private.h"

static const uint64_t REPORTS_PAUSE_NS = NS_PER_MS;
static const uint64_t AGING_NS = NS_PER_MS / 2;
enum { REPORTS_AT_ONCE = 256 };

static void host_queues_changed(struct port_host *host, struct port *port);
static void host_queues_placed(struct port_host *host, struct port *port);
static void host_started(struct port_host *host, struct port *port, const struct fail *failed);
static void host_announce(struct port_host *host, struct port *port, const uint8_t mac[6]);
static void host_peer_gone(struct port_host *host, struct port *port);
static void host_readers(struct port_host *host, const struct port *port, struct rcu_readers *readers);
static void reports_ready(struct loop_fd *source, uint32_t events);
static void reports_pause_over(struct loop_timer *timer);
static void second_over(struct loop_timer *timer);
static void age_on(struct loop_timer *timer);

/* --- life ------------------------------------------------------------------------------------------------------- */

int switch_create(struct loop *loop, const struct port_driver *const *drivers,
		  struct doorbell *reports_bell, struct vus_switch **result, struct fail *fail)
{
	struct vus_switch *sw = calloc(1, sizeof(*sw));
	int error;

	if (sw == NULL)
		return fail_set(fail, -ENOMEM, "switch: no memory");
	sw->loop = loop;
	sw->drivers = drivers;
	sw->reports_bell = reports_bell;
	sw->host = (struct port_host){
		.queues_changed = host_queues_changed,
		.queues_placed = host_queues_placed,
		.started = host_started,
		.announce = host_announce,
		.peer_gone = host_peer_gone,
		.readers = host_readers,
		.loop = loop,
		.lcores = lcores_n(),
		.drops = drop_tables_create(lcores_n(), rte_get_tsc_hz() / 1000 * DROPS_INTERVAL_MS),
	};
	sw->why = bridge_why_create((uint16_t)sw->host.lcores);
	if (sw->why == NULL || sw->host.drops == NULL) {
		bridge_why_destroy(sw->why);
		drop_tables_free(sw->host.drops, sw->host.lcores);
		free(sw);
		return fail_set(fail, -ENOMEM, "switch: no memory");
	}
	sw->reports_ready = (struct loop_fd){.fd = reports_bell->fd, .ready = reports_ready};
	sw->reports_pause.fire = reports_pause_over;
	sw->second.fire = second_over;
	sw->aging.fire = age_on;
	switch_due_init(&sw->due);
	switch_groups_listen(sw);
	error = loop_fd_add(loop, &sw->reports_ready, EPOLLIN);
	if (error != 0) {
		bridge_why_destroy(sw->why);
		drop_tables_free(sw->host.drops, sw->host.lcores);
		free(sw);
		return fail_set(fail, error, "switch: the lcores' doorbell cannot be watched: %s",
				strerror(-error));
	}
	lcores_set_epoch(0);
	loop_timer_start(loop, &sw->second, NS_PER_S);
	loop_timer_start(loop, &sw->reports_pause, 0);
	*result = sw;
	return 0;
}

void switch_destroy(struct vus_switch *sw)
{
	if (sw == NULL)
		return;
	loop_timer_stop(sw->loop, &sw->second);
	loop_timer_stop(sw->loop, &sw->aging);
	loop_timer_stop(sw->loop, &sw->due.step);
	loop_timer_stop(sw->loop, &sw->reports_pause);
	loop_fd_remove(sw->loop, &sw->reports_ready);
	switch_wanted_free(sw->wanted, sw->config.ports_n);
	config_free(&sw->config);
	names_clear(&sw->links_down);
	names_clear(&sw->pins);
	bridge_why_destroy(sw->why);
	/* Ports that are left at the end of the process may be in the hands of lcores. */
	if (sw->ports_n == 0)
		drop_tables_free(sw->host.drops, sw->host.lcores);
	free(sw);
}

void switch_on_settled(struct vus_switch *sw, switch_settled settled, void *arg)
{
	sw->settled = settled;
	sw->settled_arg = arg;
}

void switch_on_step(struct vus_switch *sw, switch_stepped stepped, void *arg)
{
	sw->stepped = stepped;
	sw->stepped_arg = arg;
}

void switch_set_journal(struct vus_switch *sw, const char *folder)
{
	sw->host.journal = folder;
}

void switch_end(struct vus_switch *sw)
{
	sw->host.ending = true;
}

bool switch_is_empty(const struct vus_switch *sw)
{
	if (sw->ports_n > 0)
		return false;
	for (unsigned int i = 0; i < BRIDGES_MAX; i++)
		if (sw->bridge[i] != NULL)
			return false;
	return true;
}

void switch_describe_left(const struct vus_switch *sw, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned int id = 0; id < PORTS_MAX && at < size; id++) {
		const struct switch_port *sp = sw->port[id];

		if (sp != NULL)
			at += (size_t)snprintf(text + at, size - at, "%s%s (%s)", at > 0 ? ", " : "", sp->made.name,
					       sp->made.takes);
	}
}

/* --- to look at ------------------------------------------------------------------------------------------------- */

struct port *switch_port_at(const struct vus_switch *sw, unsigned int id)
{
	const struct switch_port *sp = sw->port[id];

	return sp != NULL && sp->state != SWITCH_PORT_ENDING ? sp->port : NULL;
}

struct port *switch_find_port(const struct vus_switch *sw, const char *name)
{
	int id = names_find(&sw->port_names, name);

	return id >= 0 ? switch_port_at(sw, (unsigned int)id) : NULL;
}

const struct config_port *switch_port_config(const struct vus_switch *sw, const struct port *port)
{
	return &sw->port[port->id]->made;
}

const char *switch_port_from(const struct vus_switch *sw, const struct port *port)
{
	const struct config_port *made = switch_port_config(sw, port);
	const struct config_port *config = config_find_port(&sw->config, made->name);

	/* One that leaves is from where it was. */
	return config_port_from(config != NULL ? config : made);
}

const char *switch_port_profile(const struct vus_switch *sw, const struct port *port)
{
	const struct config_port *made = switch_port_config(sw, port);
	const struct config_port *config = config_find_port(&sw->config, made->name);

	return config != NULL ? config->profile : made->profile;
}

unsigned int switch_ports_n(const struct vus_switch *sw)
{
	unsigned int n = 0;

	for (unsigned int id = 0; id < PORTS_MAX; id++)
		n += switch_port_at(sw, id) != NULL;
	return n;
}

const struct config *switch_config(const struct vus_switch *sw)
{
	return &sw->config;
}

struct bridge *switch_bridge_at(const struct vus_switch *sw, unsigned int index)
{
	const struct switch_bridge *bridge = sw->bridge[index];

	return bridge != NULL && !bridge->leaving ? bridge->bridge : NULL;
}

const struct bridge_options *switch_bridge_options(const struct vus_switch *sw, unsigned int index)
{
	return &sw->bridge[index]->made.options;
}

uint16_t switch_epoch(const struct vus_switch *sw)
{
	return sw->epoch;
}

struct bridge_why *switch_why(struct vus_switch *sw)
{
	return sw->why;
}

/* --- what drivers tell ------------------------------------------------------------------------------------------ */

/* NULL while the port is being made. */
static struct switch_port *switch_port_of(struct port_host *host, const struct port *port)
{
	struct switch_port *sp = container_of(host, struct vus_switch, host)->port[port->id];

	return sp != NULL && sp->port == port ? sp : NULL;
}

static void host_queues_changed(struct port_host *host, struct port *port)
{
	struct switch_port *sp = switch_port_of(host, port);

	role_assert_control();
	if (sp != NULL && sp->state != SWITCH_PORT_ENDING)
		switch_port_sync_queues(sp);
}

static void host_queues_placed(struct port_host *host, struct port *port)
{
	struct switch_port *sp = switch_port_of(host, port);

	role_assert_control();
	if (sp != NULL && sp->state == SWITCH_PORT_IN)
		switch_port_place_queues(sp);
}

static void host_started(struct port_host *host, struct port *port, const struct fail *failed)
{
	struct switch_port *sp = switch_port_of(host, port);

	role_assert_control();
	if (sp != NULL && sp->state == SWITCH_PORT_STARTING)
		switch_port_started(sp, failed);
}

static void host_announce(struct port_host *host, struct port *port, const uint8_t mac[6])
{
	struct switch_port *sp = switch_port_of(host, port);

	role_assert_control();
	if (sp != NULL && sp->state == SWITCH_PORT_IN)
		switch_port_announce(sp, mac);
}

/* The next front end may be another machine, and the old one may be on its way to another port: frames for it flood until
 * it speaks, instead of dying at a port without a front end. */
static void host_peer_gone(struct port_host *host, struct port *port)
{
	struct switch_port *sp = switch_port_of(host, port);

	role_assert_control();
	if (sp != NULL && sp->state == SWITCH_PORT_IN)
		bridge_forget_port(sp->bridge->bridge, port);
}

/* While it is on its way from bridge to bridge: whoever can hold something of either. */
static void host_readers(struct port_host *host, const struct port *port, struct rcu_readers *readers)
{
	const struct switch_port *sp = switch_port_of(host, port);

	role_assert_control();
	if (sp != NULL && sp->state == SWITCH_PORT_IN)
		lcores_that_read(sp->bridge->bridge, readers);
	else
		rcu_readers_all(readers);
}

/* --- what lcores tell ------------------------------------------------------------------------------------------- */

static void take_report(struct vus_switch *sw, const struct report *report) RUNS_ON(control_thread)
{
	struct switch_port *sp = report->port < PORTS_MAX ? sw->port[report->port] : NULL;

	/* Reports about one that left since are dropped. */
	if (sp == NULL || sp->state != SWITCH_PORT_IN)
		return;
	switch ((enum report_kind)report->kind) {
	case REPORT_MAC_SEEN:
		if (sp->bridge->index == report->bridge && !sp->port->cannot_receive)
			switch_port_learn(sp, report->key);
		break;
	case REPORT_MAC_RENEWED:
		if (sp->bridge->index == report->bridge && !sp->port->cannot_receive)
			bridge_renew(sp->bridge->bridge, report->key, report->port);
		break;
	case REPORT_RING_BROKEN:
		if (sp->port->ops->ring_broken != NULL)
			sp->port->ops->ring_broken(sp->port, (unsigned int)report->key);
		break;
	case REPORT_OFFENCE:
		switch_guard_tell(sp);
		break;
	case REPORT_TO_CLOSE:
		switch_guard_close(sp);
		break;
	}
}

/* Bounded: at most what was in the rings when this began. */
void switch_take_reports(struct vus_switch *sw)
{
	struct report reports[REPORTS_AT_ONCE];
	unsigned int left = lcores_n() * REPORTS_MAX;
	unsigned int n;

	do {
		n = lcores_take_reports(reports, REPORTS_AT_ONCE);
		for (unsigned int i = 0; i < n; i++)
			take_report(sw, &reports[i]);
		left -= n < left ? n : left;
	} while (n > 0 && left > 0);
}

static void reports_ready(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct vus_switch *sw = container_of(source, struct vus_switch, reports_ready);

	role_assert_control();
	doorbell_disarm(sw->reports_bell);
	switch_take_reports(sw);
	switch_take_punts(sw);
	loop_timer_start(sw->loop, &sw->reports_pause, REPORTS_PAUSE_NS);
}

/* The bell was not armed in the pause and did not ring: what came is taken now, and from here on it rings. */
static void reports_pause_over(struct loop_timer *timer)
{
	struct vus_switch *sw = container_of(timer, struct vus_switch, reports_pause);

	role_assert_control();
	doorbell_arm(sw->reports_bell);
	switch_take_reports(sw);
	switch_take_punts(sw);
}

/* --- time ------------------------------------------------------------------------------------------------------- */

/* A sweep that a second does not suffice for goes on where it is. */
static void age_on(struct loop_timer *timer)
{
	struct vus_switch *sw = container_of(timer, struct vus_switch, aging);
	uint64_t end = clock_ns() + AGING_NS;

	role_assert_control();
	for (; sw->ages < BRIDGES_MAX; sw->ages++)
		while (sw->bridge[sw->ages] != NULL && bridge_age(sw->bridge[sw->ages]->bridge))
			if (clock_ns() >= end) {
				loop_timer_start(sw->loop, timer, 0);
				return;
			}
	sw->ages = 0;
}

static void second_over(struct loop_timer *timer)
{
	struct vus_switch *sw = container_of(timer, struct vus_switch, second);

	role_assert_control();
	loop_timer_start(sw->loop, timer, NS_PER_S);
	/* What was renewed in this second, and has not rung. */
	switch_take_reports(sw);
	lcores_set_epoch(++sw->epoch);
	for (unsigned int i = 0; i < BRIDGES_MAX; i++)
		if (sw->bridge[i] != NULL)
			bridge_tick(sw->bridge[i]->bridge, sw->epoch);
	loop_timer_start(sw->loop, &sw->aging, 0);
	switch_balance_tick(sw);
}
