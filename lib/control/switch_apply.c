/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_apply.c: from what the switch is to what its configuration says, a step at a time. Each step looks at all there
 * is: a switch has a thousand ports at most, and steps are as rare as edits of a file. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "switch_private.h"

/* A bridge that is not wanted, or not like this, goes once its ports have left. */
static void leave_bridges(struct vus_switch *sw) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < BRIDGES_MAX; i++) {
		struct switch_bridge *bridge = sw->bridge[i];
		const struct config_bridge *config;

		if (bridge == NULL)
			continue;
		config = config_find_bridge(&sw->config, bridge->name);
		if (config == NULL || !config_bridge_is_same(&bridge->made, config))
			bridge->leaving = true;
	}
}

/* What the port is to be now; NULL: it goes, or another one of its name comes. */
static const struct config_port *future_of(const struct vus_switch *sw, const struct switch_port *sp)
{
	const struct config_port *config = config_find_port(&sw->config, sp->made.name);

	return config != NULL && !config_port_change(&sp->made, config).anew ? config : NULL;
}

static void leave_ports(struct vus_switch *sw) RUNS_ON(control_thread)
{
	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		struct switch_port *sp = sw->port[id];
		const struct config_port *future;

		if (sp == NULL || sp->state != SWITCH_PORT_IN)
			continue;
		future = future_of(sw, sp);
		if (future == NULL || sp->bridge->leaving ||
		    strcmp(future->member.bridge, sp->bridge->name) != 0)
			switch_port_leave(sp);
	}
}

/* The name of a bridge is free again only when the last one of that name is gone. */
static void make_bridges(struct vus_switch *sw) RUNS_ON(control_thread)
{
	sw->bridges_failed = 0;
	for (unsigned int i = 0; i < BRIDGES_MAX; i++)
		if (sw->bridge[i] != NULL)
			switch_bridge_go(sw->bridge[i]);
	for (unsigned int i = 0; i < sw->config.bridges_n; i++) {
		const struct config_bridge *config = &sw->config.bridges[i];
		bool taken = false;

		for (unsigned int j = 0; j < BRIDGES_MAX && !taken; j++)
			taken = sw->bridge[j] != NULL &&
				strcmp(sw->bridge[j]->name, config->name) == 0;
		/* If it cannot be made, its ports stay out; the next step tries again. */
		if (!taken && switch_bridge_create(sw, config) != 0)
			sw->bridges_failed++;
	}
}

/* Ports that no lcore knows: on into a bridge, or away. */
static void place_ports(struct vus_switch *sw) RUNS_ON(control_thread)
{
	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		struct switch_port *sp = sw->port[id];
		const struct config_port *future;
		struct switch_bridge *bridge;

		if (sp == NULL || sp->state != SWITCH_PORT_OUT)
			continue;
		future = future_of(sw, sp);
		if (future == NULL) {
			switch_port_end(sp);
			continue;
		}
		bridge = switch_bridge_find(sw, future->member.bridge);
		if (bridge != NULL)
			switch_port_join(sp, bridge);
	}
}

/* Its name, socket or device still belongs to one that leaves, or all numbers do: a configuration has at most as many
 * ports as there are numbers. */
static bool must_wait(const struct vus_switch *sw, const struct config_port *config)
{
	bool room = false;

	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		const struct switch_port *sp = sw->port[id];

		if (sp != NULL && (strcmp(sp->made.name, config->name) == 0 ||
				   (sp->made.driver == config->driver && strcmp(sp->made.takes, config->takes) == 0)))
			return true;
		room |= sp == NULL;
	}
	return !room;
}

static void make_ports(struct vus_switch *sw) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < sw->config.ports_n; i++) {
		const struct config_port *config = &sw->config.ports[i];

		if (sw->given_up[i] || must_wait(sw, config))
			continue;
		if (switch_port_create(sw, config) != 0)
			sw->given_up[i] = true;
	}
}

static void set_static_macs(struct vus_switch *sw) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < sw->config.bridges_n; i++) {
		const struct config_bridge *config = &sw->config.bridges[i];
		struct switch_bridge *bridge = switch_bridge_find(sw, config->name);

		if (bridge != NULL)
			switch_bridge_set_static(bridge, config);
	}
}

/* What of the configuration could not be made or changed so far. */
static unsigned int failed_n(const struct vus_switch *sw)
{
	unsigned int failed = sw->bridges_failed + sw->changes_failed;

	for (unsigned int i = 0; i < sw->config.ports_n; i++)
		failed += sw->given_up[i];
	return failed;
}

/* Something leaves, or has left and the next step is due: what waits for that is still to be made. */
static bool is_leaving(const struct vus_switch *sw)
{
	if (sw->step.due_ns != 0)
		return true;
	for (unsigned int id = 0; id < PORTS_MAX; id++)
		if (sw->port[id] != NULL && (sw->port[id]->state == SWITCH_PORT_LEAVING ||
					     sw->port[id]->state == SWITCH_PORT_ENDING))
			return true;
	for (unsigned int i = 0; i < BRIDGES_MAX; i++)
		if (sw->bridge[i] != NULL && sw->bridge[i]->leaving)
			return true;
	return false;
}

static void reconcile(struct vus_switch *sw) RUNS_ON(control_thread)
{
	leave_bridges(sw);
	leave_ports(sw);
	make_bridges(sw);
	make_ports(sw);
	place_ports(sw);
	set_static_macs(sw);
	if (!sw->settling || is_leaving(sw))
		return;
	sw->settling = false;
	if (sw->settled != NULL)
		sw->settled(sw->settled_arg, failed_n(sw));
}

void switch_reconcile(struct vus_switch *sw)
{
	loop_timer_start(sw->loop, &sw->step, 0);
}

void switch_step(struct loop_timer *step)
{
	role_assert_control();
	reconcile(container_of(step, struct vus_switch, step));
}

static bool lists_mac(const struct config_bridge *config, const uint8_t mac[6])
{
	for (unsigned int i = 0; config != NULL && i < config->options.static_macs.n; i++)
		if (memcmp(bridge_static_mac(&config->options, i)->mac, mac, 6) == 0)
			return true;
	return false;
}

/* Static addresses the next configuration does not have. */
static void forget_static_macs(struct vus_switch *sw, const struct config *next)
	RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < sw->config.bridges_n; i++) {
		const struct config_bridge *now = &sw->config.bridges[i];
		const struct config_bridge *then = config_find_bridge(next, now->name);
		struct switch_bridge *bridge = switch_bridge_find(sw, now->name);

		for (unsigned int j = 0; bridge != NULL && j < now->options.static_macs.n; j++) {
			const uint8_t *mac = bridge_static_mac(&now->options, j)->mac;

			if (!lists_mac(then, mac))
				fdb_remove(bridge_fdb(bridge->bridge), fdb_key(FID_DEFAULT, mac_key(mac)));
		}
	}
}

/* Ports that stay: what of them can change while they live. */
static unsigned int change_ports(struct vus_switch *sw) RUNS_ON(control_thread)
{
	unsigned int failed = 0;

	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		struct switch_port *sp = sw->port[id];
		const struct config_port *future;

		if (sp == NULL || sp->state == SWITCH_PORT_ENDING)
			continue;
		future = future_of(sw, sp);
		if (future != NULL && switch_port_reconfigure(sp, future) != 0)
			failed++;
	}
	return failed;
}

unsigned int switch_apply(struct vus_switch *sw, struct config *config)
{
	/* That all ports go needs no memory: it is how the switch ends. */
	bool *given_up = config->ports_n > 0 ? calloc(config->ports_n, sizeof(*given_up)) : NULL;

	if (given_up == NULL && config->ports_n > 0) {
		log_error("vuswitch", "no memory for the new configuration; the old one stays");
		if (sw->settled != NULL)
			sw->settled(sw->settled_arg, config->ports_n + 1);
		return config->ports_n + 1;
	}
	forget_static_macs(sw, config);
	config_free(&sw->config);
	free(sw->given_up);
	sw->config = *config;
	sw->given_up = given_up;
	*config = (struct config){0};
	sw->changes_failed = change_ports(sw);
	sw->settling = true;
	reconcile(sw);
	return failed_n(sw);
}
