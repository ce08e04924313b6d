/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_apply.c: from what the switch is to what its configuration says, a step at a time. A new configuration makes everything
 * due that is there or is to be; from then on a step looks only at what has changed: what has left, and what waited for that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "monitor.h"
#include "switch_private.h"

/* A step takes no longer than this, but for what is under way, so that nobody's request waits for a thousand ports; and a few
 * things it does however long they take. */
static const uint64_t STEP_NS = NS_PER_MS;
enum { STEP_LEAST = 16 };

struct step {
	uint64_t end_ns;
	unsigned int done;
};

static bool is_over(const struct step *step)
{
	return step->done >= STEP_LEAST && clock_ns() >= step->end_ns;
}

/* --- what is due ------------------------------------------------------------------------------------------------ */

static void step_soon(struct vus_switch *sw) RUNS_ON(control_thread)
{
	if (sw->due.step.due_ns == 0)
		loop_timer_start(sw->loop, &sw->due.step, 0);
}

void switch_due_port(struct switch_port *sp)
{
	step_soon(sp->sw);
	if (sp->due || sp->state == SWITCH_PORT_ENDING)
		return;
	sp->due = true;
	TAILQ_INSERT_TAIL(&sp->sw->due.ports, sp, due_link);
}

/* Before it was ever OUT, it is on no other list. */
void switch_undue_port(struct switch_port *sp)
{
	if (sp->due)
		TAILQ_REMOVE(&sp->sw->due.ports, sp, due_link);
	sp->due = false;
}

void switch_due_bridges(struct vus_switch *sw)
{
	sw->due.bridges = true;
	sw->due.bridges_at = 0;
	step_soon(sw);
}

static void due_wanted(struct vus_switch *sw, const struct config_port *config) RUNS_ON(control_thread)
{
	struct switch_wanted *wanted;

	step_soon(sw);
	if (config == NULL)
		return;
	wanted = &sw->wanted[config - sw->config.ports];
	if (wanted->due || wanted->given_up)
		return;
	wanted->due = true;
	STAILQ_INSERT_TAIL(&sw->due.wanted, wanted, link);
}

void switch_due_instead_of(struct vus_switch *sw, const struct config_port *gone)
{
	due_wanted(sw, config_find_port(&sw->config, gone->name));
	due_wanted(sw, config_find_taker(&sw->config, gone->driver, gone->takes));
}

/* What the port is to be, `config`, could not be made or changed. */
static void note_failed(struct vus_switch *sw, const struct config_port *config, bool unchanged, const struct fail *fail)
	RUNS_ON(control_thread)
{
	struct switch_wanted *wanted = &sw->wanted[config - sw->config.ports];

	free(wanted->why);
	wanted->why = strdup(fail->text);
	if (unchanged && !wanted->unchanged)
		sw->changes_failed++;
	wanted->unchanged |= unchanged;
	if (!unchanged && !wanted->given_up)
		sw->ports_failed++;
	wanted->given_up |= !unchanged;
}

void switch_give_up(struct vus_switch *sw, const struct config_port *made, const struct fail *fail)
{
	const struct config_port *config = config_find_port(&sw->config, made->name);

	if (config != NULL && !config_port_change(made, config).anew)
		note_failed(sw, config, false, fail);
}

unsigned int switch_driver_index(const struct vus_switch *sw, const struct port_driver *driver)
{
	unsigned int i = 0;

	while (sw->drivers[i] != driver)
		i++;
	return i;
}

void switch_wanted_free(struct switch_wanted *wanted, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		free(wanted[i].why);
	free(wanted);
}

/* --- bridges ---------------------------------------------------------------------------------------------------- */

/* A bridge that is not wanted, or not like this, goes once its ports have left. Whether there is one. */
static bool leave_bridges(struct vus_switch *sw) RUNS_ON(control_thread)
{
	bool any = false;

	for (unsigned int i = 0; i < BRIDGES_MAX; i++) {
		struct switch_bridge *bridge = sw->bridge[i];
		const struct config_bridge *config;

		if (bridge == NULL || bridge->leaving)
			continue;
		config = config_find_bridge(&sw->config, bridge->name);
		if (config != NULL && config_bridge_is_same(&bridge->made, config)) {
			switch_bridge_reconfigure(bridge, config);
			continue;
		}
		bridge->leaving = true;
		sw->bridges_leaving++;
		any = true;
	}
	return any;
}

/* The name of a bridge is free again only when the last one of that name is gone. */
static void make_bridges(struct vus_switch *sw, struct step *step) RUNS_ON(control_thread)
{
	struct switch_due *due = &sw->due;

	if (due->bridges_at == 0) {
		sw->bridges_failed = 0;
		for (unsigned int i = 0; i < BRIDGES_MAX; i++)
			if (sw->bridge[i] != NULL)
				switch_bridge_go(sw->bridge[i]);
	}
	for (; due->bridges_at < sw->config.bridges_n && !is_over(step); due->bridges_at++) {
		const struct config_bridge *config = &sw->config.bridges[due->bridges_at];

		if (names_find(&sw->bridge_names, config->name) >= 0)
			continue;
		step->done++;
		/* If it cannot be made, its ports stay out; when something else has left, it is tried again. */
		if (switch_bridge_create(sw, config) != 0)
			sw->bridges_failed++;
	}
	if (due->bridges_at < sw->config.bridges_n)
		return;
	due->bridges = false;
	due->static_macs = true;
	TAILQ_CONCAT(&due->ports, &due->without_bridge, due_link);
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

/* What the port is to be now; NULL: it goes, or another one of its name comes. */
static const struct config_port *future_of(const struct vus_switch *sw, const struct switch_port *sp)
{
	const struct config_port *config = config_find_port(&sw->config, sp->made.name);

	return config != NULL && !config_port_change(&sp->made, config).anew ? config : NULL;
}

/* One that no lcore knows: on into a bridge, or away. */
static void place(struct switch_port *sp, const struct config_port *future) RUNS_ON(control_thread)
{
	struct vus_switch *sw = sp->sw;
	struct switch_bridge *bridge = future != NULL ? switch_bridge_find(sw, future->member.bridge) : NULL;

	if (future == NULL) {
		switch_port_end(sp);
	} else if (switch_link_is_set_down(sw, sp->made.name)) {
		return; /* until it is set up */
	} else if (bridge != NULL) {
		sw->due.static_macs = true;
		switch_port_join(sp, bridge);
	} else {
		sp->due = true;
		TAILQ_INSERT_TAIL(&sw->due.without_bridge, sp, due_link);
	}
}

/* Changes what of it can change while it lives, and brings it to where it is to be. */
static void look_at(struct switch_port *sp, struct step *step) RUNS_ON(control_thread)
{
	struct vus_switch *sw = sp->sw;
	const struct config_port *future = future_of(sw, sp);
	struct fail fail;

	step->done++;
	if (future != NULL && sp->compares && switch_port_reconfigure(sp, future, &fail) != 0)
		note_failed(sw, future, true, &fail);
	sp->compares = false;
	if (sp->state == SWITCH_PORT_OUT)
		place(sp, future);
	else if (sp->state == SWITCH_PORT_STARTING && future == NULL)
		switch_port_end(sp);
	else if (sp->state == SWITCH_PORT_IN &&
		 (future == NULL || sp->bridge->leaving || strcmp(future->member.bridge, sp->bridge->name) != 0 ||
		  switch_link_is_set_down(sw, sp->made.name)))
		switch_port_leave(sp);
}

static void look_at_ports(struct vus_switch *sw, struct step *step) RUNS_ON(control_thread)
{
	struct switch_port *sp;

	while ((sp = TAILQ_FIRST(&sw->due.ports)) != NULL && !is_over(step)) {
		TAILQ_REMOVE(&sw->due.ports, sp, due_link);
		sp->due = false;
		look_at(sp, step);
	}
}

/* Its name, socket or device still belongs to one that is there: it is due again when that is gone. */
static bool must_wait(const struct vus_switch *sw, const struct config_port *config)
{
	return names_find(&sw->port_names, config->name) >= 0 ||
	       names_find(&sw->takes[switch_driver_index(sw, config->driver)], config->takes) >= 0;
}

/* A configuration has at most as many ports as there are numbers, but some may belong to ports that leave. */
static void make_ports(struct vus_switch *sw, struct step *step) RUNS_ON(control_thread)
{
	struct switch_wanted *wanted;
	struct fail fail;

	while ((wanted = STAILQ_FIRST(&sw->due.wanted)) != NULL && !is_over(step)) {
		const struct config_port *config = &sw->config.ports[wanted - sw->wanted];
		bool waits = must_wait(sw, config);

		if (!waits && sw->ports_n == PORTS_MAX)
			return;
		STAILQ_REMOVE_HEAD(&sw->due.wanted, link);
		wanted->due = false;
		if (waits)
			continue;
		step->done++;
		if (switch_port_create(sw, config, &fail) != 0)
			note_failed(sw, config, false, &fail);
		else
			switch_due_port(sw->port[names_find(&sw->port_names, config->name)]);
	}
}

static void set_static_macs(struct vus_switch *sw) RUNS_ON(control_thread)
{
	sw->due.static_macs = false;
	for (unsigned int i = 0; i < sw->config.bridges_n; i++) {
		const struct config_bridge *config = &sw->config.bridges[i];
		struct switch_bridge *bridge = switch_bridge_find(sw, config->name);

		if (bridge != NULL)
			switch_bridge_set_static(bridge, config);
	}
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

/* What of the configuration could not be made or changed so far. */
static unsigned int failed_n(const struct vus_switch *sw)
{
	return sw->bridges_failed + sw->changes_failed + sw->ports_failed;
}

/* A step has something to do, whatever leaves meanwhile. */
static bool has_work(const struct vus_switch *sw)
{
	return sw->due.bridges || !TAILQ_EMPTY(&sw->due.ports) ||
	       (!STAILQ_EMPTY(&sw->due.wanted) && sw->ports_n < PORTS_MAX);
}

static void step_on(struct vus_switch *sw) RUNS_ON(control_thread)
{
	struct step step = {.end_ns = clock_ns() + STEP_NS};

	loop_timer_stop(sw->loop, &sw->due.step);
	if (sw->due.bridges)
		make_bridges(sw, &step);
	look_at_ports(sw, &step);
	make_ports(sw, &step);
	look_at_ports(sw, &step);
	if (has_work(sw)) {
		step_soon(sw);
		return;
	}
	loop_timer_stop(sw->loop, &sw->due.step);
	if (sw->due.static_macs)
		set_static_macs(sw);
	/* What leaves may make room for something that is still to be made, and what starts may fail. */
	if (sw->settling && sw->ports_starting == 0 && sw->ports_leaving == 0 && sw->bridges_leaving == 0) {
		sw->settling = false;
		monitor_emit(MONITOR_CONFIG_CHANGED, NULL, "{s:i, s:i}", "ports", (int)switch_ports_n(sw), "failed",
			     (int)failed_n(sw));
		if (sw->settled != NULL)
			sw->settled(sw->settled_arg, failed_n(sw));
	}
	if (sw->stepped != NULL)
		sw->stepped(sw->stepped_arg);
}

static void switch_step(struct loop_timer *timer)
{
	role_assert_control();
	step_on(container_of(timer, struct vus_switch, due.step));
}

void switch_due_init(struct switch_due *due)
{
	due->step.fire = switch_step;
	TAILQ_INIT(&due->ports);
	TAILQ_INIT(&due->without_bridge);
	STAILQ_INIT(&due->wanted);
}

/* --- another configuration -------------------------------------------------------------------------------------- */

/* Static addresses of a bridge that `then`, which may be NULL, does not have. One for which there is no memory is set again. */
static void forget_static_macs_of(struct switch_bridge *bridge, const struct config_bridge *now,
				  const struct config_bridge *then) RUNS_ON(control_thread)
{
	struct names stay = {0};

	for (unsigned int i = 0; then != NULL && i < then->options.static_macs.n; i++)
		names_add(&stay, bridge_static_mac_text(&then->options, i).text, i);
	for (unsigned int i = 0; i < now->options.static_macs.n; i++) {
		const struct bridge_static_mac *mac = bridge_static_mac(&now->options, i);

		if (names_find(&stay, bridge_static_mac_text(&now->options, i).text) < 0)
			fdb_remove(bridge_fdb(bridge->bridge), fdb_key((uint16_t)mac->vlan, mac_key(mac->mac)));
	}
	names_clear(&stay);
}

static void forget_static_macs(struct vus_switch *sw, const struct config *next)
	RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < sw->config.bridges_n; i++) {
		const struct config_bridge *now = &sw->config.bridges[i];
		struct switch_bridge *bridge = switch_bridge_find(sw, now->name);

		if (bridge != NULL)
			forget_static_macs_of(bridge, now, config_find_bridge(next, now->name));
	}
}

static void look_at_all(struct vus_switch *sw, bool compare) RUNS_ON(control_thread)
{
	for (unsigned int id = 0; id < PORTS_MAX; id++)
		if (sw->port[id] != NULL) {
			sw->port[id]->compares |= compare;
			switch_due_port(sw->port[id]);
		}
}

/* Everything that is there, or is to be, is looked at once. */
static void compare_all(struct vus_switch *sw) RUNS_ON(control_thread)
{
	leave_bridges(sw);
	switch_due_bridges(sw);
	look_at_all(sw, true);
	for (unsigned int i = 0; i < sw->config.ports_n; i++)
		due_wanted(sw, &sw->config.ports[i]);
}

static void compare_ports(struct vus_switch *sw, const char *const *names, unsigned int names_n) RUNS_ON(control_thread)
{
	/* Ports leave a bridge that goes. */
	if (leave_bridges(sw))
		look_at_all(sw, false);
	switch_due_bridges(sw);
	for (unsigned int i = 0; i < names_n; i++) {
		int id = names_find(&sw->port_names, names[i]);

		if (id >= 0) {
			sw->port[id]->compares = true;
			switch_due_port(sw->port[id]);
		}
		due_wanted(sw, config_find_port(&sw->config, names[i]));
	}
}

/* Of ports that are wanted as before: what is still to be done, and what has failed. */
static void keep_wanted(struct vus_switch *sw, const struct config *before, struct switch_wanted *wanted,
			const char *const *names, unsigned int names_n) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < before->ports_n; i++) {
		struct switch_wanted *then = &wanted[i];
		bool matters = then->due || then->given_up || then->unchanged;
		int now = matters ? names_find(&sw->config.port_names, before->ports[i].name) : -1;

		for (unsigned int j = 0; now >= 0 && j < names_n; j++)
			if (strcmp(names[j], before->ports[i].name) == 0)
				now = -1;
		if (now < 0)
			continue;
		sw->wanted[now] = *then;
		then->why = NULL;
		sw->ports_failed += then->given_up;
		sw->changes_failed += then->unchanged;
		if (then->due)
			STAILQ_INSERT_TAIL(&sw->due.wanted, &sw->wanted[now], link);
	}
}

/* Takes `config`, and leaves the one before in it; `names` NULL: any port may differ. 0 or -ENOMEM. */
static int take_config(struct vus_switch *sw, struct config *config, const char *const *names, unsigned int names_n)
	RUNS_ON(control_thread)
{
	/* That all ports go needs no memory: it is how the switch ends. */
	struct switch_wanted *wanted = config->ports_n > 0 ? calloc(config->ports_n, sizeof(*wanted)) : NULL;
	struct switch_wanted *then = sw->wanted;
	struct config before;

	if (wanted == NULL && config->ports_n > 0)
		return -ENOMEM;
	forget_static_macs(sw, config);
	before = sw->config;
	sw->config = *config;
	sw->wanted = wanted;
	sw->changes_failed = sw->ports_failed = 0;
	STAILQ_INIT(&sw->due.wanted);
	if (names != NULL)
		keep_wanted(sw, &before, then, names, names_n);
	switch_wanted_free(then, before.ports_n);
	switch_forget_set(sw, &before);
	*config = before;
	sw->settling = true;
	return 0;
}

int switch_apply(struct vus_switch *sw, struct config *config)
{
	if (take_config(sw, config, NULL, 0) != 0) {
		if (sw->settled != NULL)
			sw->settled(sw->settled_arg, SWITCH_NOT_TAKEN);
		return -ENOMEM;
	}
	compare_all(sw);
	step_on(sw);
	return (int)failed_n(sw);
}

int switch_apply_ports(struct vus_switch *sw, struct config *config, const char *const *names, unsigned int names_n)
{
	static const char *const none[1];

	if (take_config(sw, config, names != NULL ? names : none, names_n) != 0)
		return -ENOMEM;
	compare_ports(sw, names, names_n);
	step_on(sw);
	return 0;
}

/* --- how far it is ---------------------------------------------------------------------------------------------- */

enum switch_progress switch_port_progress(const struct vus_switch *sw, const char *name, const char **why)
{
	int at = names_find(&sw->config.port_names, name), id = names_find(&sw->port_names, name);
	const struct switch_port *sp = id >= 0 ? sw->port[id] : NULL;
	const struct config_port *config;

	if (at < 0)
		return sp == NULL ? SWITCH_DONE : SWITCH_WAITS;
	config = &sw->config.ports[at];
	if (sw->wanted[at].given_up || sw->wanted[at].unchanged) {
		if (why != NULL)
			*why = sw->wanted[at].why != NULL ? sw->wanted[at].why : "no memory";
		return SWITCH_FAILED;
	}
	if (sp == NULL || sp->compares || config_port_change(&sp->made, config).anew)
		return SWITCH_WAITS;
	if (switch_link_is_set_down(sw, name))
		return sp->state == SWITCH_PORT_OUT ? SWITCH_DONE : SWITCH_WAITS;
	/* It would wait for ever, and what asked for both of them would not be taken back. */
	if (sp->state == SWITCH_PORT_OUT && switch_bridge_progress(sw, config->member.bridge) == SWITCH_FAILED) {
		if (why != NULL)
			*why = "its bridge cannot be made";
		return SWITCH_FAILED;
	}
	return sp->state == SWITCH_PORT_IN && !sp->bridge->leaving && strcmp(sp->bridge->name, config->member.bridge) == 0
		       ? SWITCH_DONE
		       : SWITCH_WAITS;
}

enum switch_progress switch_bridge_progress(const struct vus_switch *sw, const char *name)
{
	if (config_find_bridge(&sw->config, name) == NULL)
		return names_find(&sw->bridge_names, name) < 0 ? SWITCH_DONE : SWITCH_WAITS;
	if (switch_bridge_find(sw, name) != NULL)
		return SWITCH_DONE;
	return sw->bridges_failed > 0 && names_find(&sw->bridge_names, name) < 0 ? SWITCH_FAILED : SWITCH_WAITS;
}

bool switch_has_settled(const struct vus_switch *sw)
{
	return !sw->settling;
}

unsigned int switch_catch_up(struct vus_switch *sw)
{
	while (has_work(sw))
		step_on(sw);
	return failed_n(sw);
}
