/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_port.c: a port of the running switch joins a bridge, leaves it, and its queues find lcores. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lcore.h"
#include "lcore_inject.h"
#include "log.h"
#include "monitor.h"
#include "policy.h"
#include "switch_private.h"

static const uint64_t RETRY_NS = 100 * NS_PER_MS;

static void switch_port_lcores_passed(struct rcu_wait *wait);
static void retry(struct loop_timer *timer);

/* --- coming ----------------------------------------------------------------------------------------------------- */

/* There is one: switch_apply.c sees to it. */
static uint16_t free_id(const struct vus_switch *sw)
{
	uint16_t id = sw->id_free;

	while (id < PORTS_MAX - 1 && sw->port[id] != NULL)
		id++;
	return id;
}

int switch_port_set_policy(struct switch_port *sp, const struct bridge_port_options *options, struct fail *fail)
{
	struct policy_guard guard;
	bool guarded = bridge_port_options_guard(options, &guard);
	const struct policy_config policy = {
		.isolated = options->isolated,
		.closed = sp->closed && options->bpdu_guard == BRIDGE_BPDU_CLOSE,
		.vlan = bridge_port_options_vlan(options) != NULL ? &options->vlan : NULL,
		.guard = guarded ? &guard : NULL,
		.rates = &options->rates,
		.filter = {options->filter[FILTER_FROM], options->filter[FILTER_TO]},
		.capture = &sp->captures,
	};
	int error = port_policy_set(sp->port, &policy);

	for (uint16_t i = 0; error == 0 && i < sp->port->rxq_n; i++)
		if (sp->port->rxq[i] != NULL)
			lcores_look_at(sp->port->rxq[i]);
	return error == 0 ? 0 : fail_set(fail, error, "no memory for its policy");
}

static void strike_out(struct vus_switch *sw, const struct switch_port *sp) RUNS_ON(control_thread)
{
	names_remove(&sw->port_names, sp->made.name);
	names_remove(&sw->takes[switch_driver_index(sw, sp->made.driver)], sp->made.takes);
}

/* Its name, and what it takes, are its own. 0 or -ENOMEM. */
static int enter(struct vus_switch *sw, const struct switch_port *sp) RUNS_ON(control_thread)
{
	int error = names_add(&sw->port_names, sp->made.name, sp->id);

	if (error == 0)
		error = names_add(&sw->takes[switch_driver_index(sw, sp->made.driver)], sp->made.takes, sp->id);
	if (error != 0)
		names_remove(&sw->port_names, sp->made.name);
	return error;
}

static void tell_made(struct switch_port *sp) RUNS_ON(control_thread)
{
	char text[3072];

	sp->told = true;
	config_describe_port(&sp->made, text, sizeof(text));
	log_info(sp->made.name, "port %s", text);
	monitor_emit(MONITOR_PORT_ADDED, sp->made.name, "{s:s, s:s}", "type", sp->made.type, "bridge", sp->made.member.bridge);
}

static void tell_failed(const char *name, const struct fail *fail) RUNS_ON(control_thread)
{
	log_error(name, "this port cannot be made: %s", fail->text);
	monitor_emit(MONITOR_PORT_FAILED, name, "{s:s}", "reason", monitor_text(fail->text));
}

int switch_port_create(struct vus_switch *sw, const struct config_port *config, struct fail *fail)
{
	const struct port_spec spec = {.name = config->name, .type = config->driver->type, .options = config->options};
	struct switch_port *sp = calloc(1, sizeof(*sp));
	int error = fail_set(fail, -ENOMEM, "no memory");

	if (sp == NULL || config_port_copy(&sp->made, config) != 0)
		goto failed;
	sp->sw = sw;
	sp->id = free_id(sw);
	sp->retry.fire = retry;
	switch_guard_init(sp);
	error = enter(sw, sp);
	if (error == 0) {
		error = config->driver->create(&sw->host, &spec, sp->id, &sp->port, fail);
		if (error != 0)
			strike_out(sw, sp);
	}
	if (error != 0) {
		config_port_free(&sp->made);
		goto failed;
	}
	sw->port[sp->id] = sp;
	sw->id_free = (uint16_t)(sp->id + 1);
	sw->ports_n++;
	sp->state = sp->port->starting ? SWITCH_PORT_STARTING : SWITCH_PORT_OUT;
	sw->ports_starting += sp->port->starting;
	sp->port->link_set_down = switch_link_is_set_down(sw, config->name);
	/* Without it, frames would go where they must not. */
	error = switch_port_set_policy(sp, &config->member, fail);
	if (error != 0) {
		tell_failed(config->name, fail);
		switch_port_end(sp);
		return error;
	}
	if (!sp->port->starting)
		tell_made(sp);
	return 0;

failed:
	tell_failed(config->name, fail);
	free(sp);
	return error;
}

void switch_port_started(struct switch_port *sp, const struct fail *failed)
{
	sp->sw->ports_starting--;
	sp->state = SWITCH_PORT_OUT;
	if (failed == NULL) {
		tell_made(sp);
		switch_due_port(sp);
		return;
	}
	tell_failed(sp->made.name, failed);
	switch_give_up(sp->sw, &sp->made, failed);
	switch_undue_port(sp);
	switch_port_end(sp);
}

static uint64_t vlan_bits(void)
{
	return option_bit(&bridge_port_options, "access") | option_bit(&bridge_port_options, "trunk") |
	       option_bit(&bridge_port_options, "native-vlan") | option_bit(&bridge_port_options, "native-tagged") |
	       option_bit(&bridge_port_options, "qinq") | option_bit(&bridge_port_options, "qinq-type");
}

/* All of a change is made, or none of it: what its driver has changed already is as it was. */
static void take_back(struct switch_port *sp, uint64_t changed) RUNS_ON(control_thread)
{
	struct fail fail;

	if (sp->port->ops->reconfigure(sp->port, sp->made.options, changed, &fail) != 0)
		log_error(sp->made.name, "cannot be changed back to what it was: %s", fail.text);
}

/* The bridge it is on is not among them: it leaves that one and joins the other (switch_apply.c). */
int switch_port_reconfigure(struct switch_port *sp, const struct config_port *config, struct fail *fail)
{
	struct config_change change = config_port_change(&sp->made, config);
	struct config_port next;
	int error;

	change.member &= ~option_bit(&bridge_port_options, "bridge");
	if (change.driver == 0 && change.member == 0)
		return 0;
	fail_set(fail, -ENOMEM, "no memory");
	error = config_port_copy(&next, config);
	if (error == 0 && change.driver != 0)
		error = sp->port->ops->reconfigure(sp->port, config->options, change.driver, fail);
	if (error == 0 && change.member != 0) {
		error = switch_port_set_policy(sp, &config->member, fail);
		if (error != 0 && change.driver != 0)
			take_back(sp, change.driver);
	}
	/* What is behind it may be in another VLAN now. */
	if (error == 0 && (change.member & vlan_bits()) != 0 && sp->bridge != NULL) {
		bridge_forget_port(sp->bridge->bridge, sp->port);
		switch_groups_port_left(sp);
	}
	if (error != 0) {
		log_error(sp->made.name, "cannot be changed while it runs: %s", fail->text);
		config_port_free(&next);
		return error;
	}
	free(next.member.bridge);
	next.member.bridge = sp->made.member.bridge;
	sp->made.member.bridge = NULL;
	config_port_free(&sp->made);
	sp->made = next;
	switch_guard_changed(sp);
	if ((change.member & (vlan_bits() | option_bit(&bridge_port_options, "multicast-router"))) != 0)
		switch_groups_port_joined(sp);
	return 0;
}

int switch_port_join(struct switch_port *sp, struct switch_bridge *bridge)
{
	char *name = strdup(bridge->name);
	int error = -ENOMEM;

	/* From its first frame on. */
	if (name != NULL)
		error = switch_mirrors_configure(bridge, config_find_bridge(&sp->sw->config, bridge->name), sp);
	if (error == 0)
		error = bridge_add_port(bridge->bridge, sp->port);
	if (error != 0) {
		free(name);
		loop_timer_start(sp->sw->loop, &sp->retry, RETRY_NS);
		return error;
	}
	if (strcmp(sp->made.member.bridge, name) != 0)
		log_info(sp->made.name, "moves from bridge %s to %s", sp->made.member.bridge, name);
	free(sp->made.member.bridge);
	sp->made.member.bridge = name;
	sp->bridge = bridge;
	sp->state = SWITCH_PORT_IN;
	switch_guard_joined(sp);
	switch_groups_port_joined(sp);
	switch_port_sync_queues(sp);
	return 0;
}

/* --- queues ----------------------------------------------------------------------------------------------------- */

/* For those that can hold it, as long as it is where it was; when it leaves, for all that may report about it. */
static void begin_wait(struct switch_port *sp) RUNS_ON(control_thread)
{
	rcu_wait_start_in(sp->state == SWITCH_PORT_IN ? &sp->port->scope : NULL, &sp->wait, switch_port_lcores_passed);
}

static void wait_for_lcores(struct switch_port *sp) RUNS_ON(control_thread)
{
	if (sp->waiting) {
		sp->wait_more = true;
		return;
	}
	sp->waiting = true;
	begin_wait(sp);
}

/* Brings one queue into a poll set or out of it. 0 or -ENOMEM. */
static int sync_queue(struct switch_port *sp, uint16_t i) RUNS_ON(control_thread)
{
	struct port_rxq *q = sp->port->rxq[i];
	bool wanted = sp->state == SWITCH_PORT_IN && q->ready;
	int error = 0, pin = switch_pin_of(sp->sw, sp->made.name, i);

	q->pinned = pin >= 0;
	if (pin >= 0 && q->lcore < 0)
		q->lcore_next = (unsigned int)pin + 1;
	if (wanted && q->lcore < 0 && (sp->queues_leaving & 1u << i) == 0)
		error = lcores_add_queue(q);
	if (!wanted && q->lcore >= 0) {
		error = lcores_remove_queue(q);
		if (error == 0) {
			sp->queues_leaving |= 1u << i;
			wait_for_lcores(sp);
		}
	}
	return error;
}

static bool is_polled(const struct switch_port *sp) RUNS_ON(control_thread)
{
	for (uint16_t i = 0; i < sp->port->rxq_n; i++)
		if (sp->port->rxq[i] != NULL && sp->port->rxq[i]->lcore >= 0)
			return true;
	return false;
}

void switch_port_sync_queues(struct switch_port *sp)
{
	bool was_polled = is_polled(sp);

	for (uint16_t i = 0; i < sp->port->rxq_n; i++) {
		if (sp->port->rxq[i] != NULL && sync_queue(sp, i) != 0)
			loop_timer_start(sp->sw->loop, &sp->retry, RETRY_NS);
	}
	if (!was_polled && is_polled(sp))
		switch_groups_port_came(sp);
}

int switch_port_move_queue(struct switch_port *sp, struct port_rxq *q, unsigned int to)
{
	int error = lcores_move_queue(q, to);

	if (error != 0)
		return error;
	sp->queues_leaving |= 1u << q->index;
	wait_for_lcores(sp);
	return 0;
}

void switch_port_place_queues(struct switch_port *sp)
{
	for (uint16_t i = 0; i < sp->port->rxq_n; i++) {
		struct port_rxq *q = sp->port->rxq[i];
		const struct lcore *lcore;
		unsigned int to;

		if (q == NULL || q->lcore < 0 || q->pinned || !lcore_crosses(lcore_at((unsigned int)q->lcore), q))
			continue;
		if (!lcores_nearer(q, &to)) {
			lcore = lcore_at((unsigned int)q->lcore);
			log_limited(&sp->placed, LOG_INFO, sp->made.name,
				    "queue %u: its memory lies on NUMA node %d, and no lcore is nearer to that than %u, "
				    "on node %d",
				    i, q->node, lcore_id(lcore), lcore_node(lcore));
		} else if (switch_port_move_queue(sp, q, to) == 0) {
			lcore = lcore_at(to);
			log_limited(&sp->placed, LOG_INFO, sp->made.name,
				    "queue %u: its memory lies on NUMA node %d: lcore %u, on node %d, polls it from now on", i,
				    q->node, lcore_id(lcore), lcore_node(lcore));
		}
	}
}

/* --- going ------------------------------------------------------------------------------------------------------ */

/* Takes it out of its bridge and of all poll sets; what memory was too short for is tried again. */
void switch_port_leave(struct switch_port *sp)
{
	if (sp->state == SWITCH_PORT_IN)
		sp->sw->ports_leaving++;
	sp->state = SWITCH_PORT_LEAVING;
	switch_port_sync_queues(sp);
	/* A queue that is polled forwards into the bridge. */
	if (is_polled(sp))
		return; /* the retry timer runs */
	if (sp->bridge != NULL) {
		switch_groups_port_left(sp);
		if (bridge_remove_port(sp->bridge->bridge, sp->port) != 0) {
			loop_timer_start(sp->sw->loop, &sp->retry, RETRY_NS);
			return;
		}
		if (sp->bridge->leaving && bridge_ports_n(sp->bridge->bridge) == 0)
			switch_due_bridges(sp->sw);
		sp->bridge = NULL;
	}
	lcores_forget_port(sp->port);
	wait_for_lcores(sp);
}

static bool has_left(const struct switch_port *sp) RUNS_ON(control_thread)
{
	return sp->bridge == NULL && !is_polled(sp);
}

static void switch_port_lcores_passed(struct rcu_wait *wait)
{
	struct switch_port *sp = container_of(wait, struct switch_port, wait);

	role_assert_control();
	if (sp->wait_more) {
		sp->wait_more = false;
		begin_wait(sp);
		return;
	}
	sp->waiting = false;
	sp->queues_leaving = 0;
	if (sp->state != SWITCH_PORT_LEAVING) {
		switch_port_sync_queues(sp);
		return;
	}
	if (!has_left(sp))
		return; /* the retry timer runs */
	/* No lcore will report about it any more; what they have reported is dropped. */
	switch_take_reports(sp->sw);
	switch_take_punts(sp->sw);
	sp->state = SWITCH_PORT_OUT;
	sp->sw->ports_leaving--;
	switch_due_port(sp);
}

static void retry(struct loop_timer *timer)
{
	struct switch_port *sp = container_of(timer, struct switch_port, retry);

	role_assert_control();
	if (sp->state == SWITCH_PORT_LEAVING)
		switch_port_leave(sp);
	else if (sp->state == SWITCH_PORT_IN)
		switch_port_sync_queues(sp);
	else
		switch_due_port(sp);
}

static void port_gone(void *arg)
{
	struct switch_port *sp = arg;
	struct vus_switch *sw = sp->sw;

	role_assert_control();
	sw->port[sp->id] = NULL;
	if (sp->id < sw->id_free)
		sw->id_free = sp->id;
	sw->ports_n--;
	sw->ports_leaving--;
	strike_out(sw, sp);
	switch_due_instead_of(sw, &sp->made);
	if (sp->told) {
		log_info(sp->made.name, "port removed");
		monitor_emit(MONITOR_PORT_REMOVED, sp->made.name, NULL);
	}
	switch_forget_topic(sw, sp->made.name);
	config_port_free(&sp->made);
	free(sp);
}

void switch_port_end(struct switch_port *sp)
{
	if (sp->state == SWITCH_PORT_STARTING)
		sp->sw->ports_starting--;
	sp->state = SWITCH_PORT_ENDING;
	sp->sw->ports_leaving++;
	loop_timer_stop(sp->sw->loop, &sp->retry);
	switch_guard_ended(sp);
	switch_captures_ended(sp);
	sp->port->ops->destroy(sp->port, port_gone, sp);
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

/* The port that an address is behind, or NULL. */
static const struct port *port_of_address(const struct switch_port *sp, fdb_key_t key) RUNS_ON(control_thread)
{
	struct fdb_value value;
	struct fdb_mark mark;

	if (!fdb_lookup(bridge_fdb(sp->bridge->bridge), key, &value, &mark) || value.destination >= PORTS_MAX)
		return NULL;
	return switch_port_at(sp->sw, value.destination);
}

static void tell_moved(const struct switch_port *sp, fdb_key_t key, const struct port *from) RUNS_ON(control_thread)
{
	monitor_emit(MONITOR_MAC_MOVED, sp->made.name, "{s:s, s:s, s:s}", "bridge", bridge_name(sp->bridge->bridge), "mac",
		     mac_key_text(fdb_key_mac(key)).text, "from", from->name);
}

void switch_port_learn(struct switch_port *sp, fdb_key_t key)
{
	const struct port *before = monitor_listeners != NULL ? port_of_address(sp, key) : NULL;

	bridge_learn(sp->bridge->bridge, key, sp->id);
	if (before != NULL && before != sp->port && port_of_address(sp, key) == sp->port)
		tell_moved(sp, key, before);
}

/* --- announcements ---------------------------------------------------------------------------------------------- */

void switch_port_announce(struct switch_port *sp, const uint8_t mac[6])
{
	/* RFC 903: "who am I", from and about the address itself; 60 bytes, the shortest frame there is. */
	struct {
		struct ether_header ethernet;
		struct ether_arp arp;
		uint8_t padding[18];
	} rarp = {
		.ethernet.ether_type = htons(ETHERTYPE_REVARP),
		.arp.ea_hdr =
			{
				.ar_hrd = htons(ARPHRD_ETHER),
				.ar_pro = htons(ETHERTYPE_IP),
				.ar_hln = ETH_ALEN,
				.ar_pln = 4,
				.ar_op = htons(ARPOP_RREQUEST),
			},
	};

	uint16_t fid;

	_Static_assert(sizeof(rarp) == 60, "the shortest Ethernet frame, without FCS");
	memset(rarp.ethernet.ether_dhost, 0xff, ETH_ALEN);
	memcpy(rarp.ethernet.ether_shost, mac, ETH_ALEN);
	memcpy(rarp.arp.arp_sha, mac, ETH_ALEN);
	memcpy(rarp.arp.arp_tha, mac, ETH_ALEN);
	if (!bridge_fid_of(sp->bridge->bridge, sp->port, &fid))
		return; /* what it sends without a tag is in no VLAN */
	if (!sp->port->cannot_receive)
		switch_port_learn(sp, fdb_key(fid, mac_key(mac)));
	/* If that fails, its next frame tells the others. */
	lcores_inject_bridge(sp->bridge->bridge, sp->port, (const uint8_t *)&rarp, sizeof(rarp));
}
