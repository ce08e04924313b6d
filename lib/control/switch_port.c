/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_port.c: a port of the running switch joins a bridge, leaves it, and its queues find lcores. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lcore.h"
#include "log.h"
#include "switch_private.h"

static const uint64_t RETRY_NS = 100 * NS_PER_MS;

static void lcores_passed(struct rcu_wait *wait);
static void retry(struct loop_timer *timer);

/* --- what it is made from --------------------------------------------------------------------------------------- */

static void spec_free(struct port_spec *spec)
{
	free((char *)spec->name);
	free((char *)spec->bridge);
	free((char *)spec->type);
	free((char *)spec->socket);
	free((char *)spec->mode);
	free((char *)spec->device);
	free((char *)spec->postcopy);
	free((char *)spec->offloads);
	free((char *)spec->control_queue);
	free((char *)spec->zero_copy_tx);
}

static bool copy_text(const char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = strdup(from);
	return *to != NULL;
}

static int spec_copy(struct port_spec *to, const struct port_spec *from)
{
	*to = (struct port_spec){
		.queues = from->queues, .mtu = from->mtu, .rights = from->rights};
	if (copy_text(&to->name, from->name) && copy_text(&to->bridge, from->bridge) &&
	    copy_text(&to->type, from->type) && copy_text(&to->socket, from->socket) &&
	    copy_text(&to->mode, from->mode) && copy_text(&to->device, from->device) &&
	    copy_text(&to->postcopy, from->postcopy) && copy_text(&to->offloads, from->offloads) &&
	    copy_text(&to->control_queue, from->control_queue) &&
	    copy_text(&to->zero_copy_tx, from->zero_copy_tx))
		return 0;
	spec_free(to);
	return -ENOMEM;
}

/* --- coming ----------------------------------------------------------------------------------------------------- */

/* There is one: switch_apply.c sees to it. */
static uint16_t free_id(const struct vus_switch *sw)
{
	uint16_t id = 0;

	while (id < PORTS_MAX - 1 && sw->port[id] != NULL)
		id++;
	return id;
}

static const struct port_driver *driver_of(const struct vus_switch *sw, const char *type)
{
	for (const struct port_driver *const *driver = sw->drivers; *driver != NULL; driver++)
		if (strcmp((*driver)->type, type) == 0)
			return *driver;
	return NULL;
}

static int make_port(struct switch_port *sp, struct fail *fail) RUNS_ON(control_thread)
{
	const struct port_driver *driver = driver_of(sp->sw, sp->spec.type);

	if (driver == NULL)
		return fail_set(fail, -EINVAL, "this vuswitch has no ports of type %s",
				sp->spec.type);
	return driver->create(&sp->sw->host, &sp->spec, sp->id, &sp->port, fail);
}

int switch_port_create(struct vus_switch *sw, const struct port_spec *spec)
{
	struct switch_port *sp = calloc(1, sizeof(*sp));
	struct fail fail = {.text = "no memory"};
	char text[512];
	int error = -ENOMEM;

	if (sp == NULL || spec_copy(&sp->spec, spec) != 0)
		goto failed;
	sp->sw = sw;
	sp->id = free_id(sw);
	sp->retry.fire = retry;
	error = make_port(sp, &fail);
	if (error != 0) {
		spec_free(&sp->spec);
		goto failed;
	}
	sw->port[sp->id] = sp;
	config_describe_port(spec, text, sizeof(text));
	log_info(spec->name, "port %s", text);
	return 0;

failed:
	log_error(spec->name, "this port cannot be made: %s", fail.text);
	free(sp);
	return error;
}

int switch_port_join(struct switch_port *sp, struct switch_bridge *bridge)
{
	char *name = strdup(bridge->name);
	int error = name != NULL ? bridge_add_port(bridge->bridge, sp->port) : -ENOMEM;

	if (error != 0) {
		free(name);
		loop_timer_start(sp->sw->loop, &sp->retry, RETRY_NS);
		return error;
	}
	if (strcmp(sp->spec.bridge, name) != 0)
		log_info(sp->spec.name, "moves from bridge %s to %s", sp->spec.bridge, name);
	free((char *)sp->spec.bridge);
	sp->spec.bridge = name;
	sp->bridge = bridge;
	sp->state = SWITCH_PORT_IN;
	switch_port_sync_queues(sp);
	return 0;
}

/* --- queues ----------------------------------------------------------------------------------------------------- */

static void wait_for_lcores(struct switch_port *sp) RUNS_ON(control_thread)
{
	if (sp->waiting) {
		sp->wait_more = true;
		return;
	}
	sp->waiting = true;
	rcu_wait_start(&sp->wait, lcores_passed);
}

/* Brings one queue into a poll set or out of it. 0 or -ENOMEM. */
static int sync_queue(struct switch_port *sp, uint16_t i) RUNS_ON(control_thread)
{
	struct port_rxq *q = sp->port->rxq[i];
	bool wanted = sp->state == SWITCH_PORT_IN && q->ready;
	int error = 0;

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

void switch_port_sync_queues(struct switch_port *sp)
{
	for (uint16_t i = 0; i < sp->port->rxq_n; i++) {
		if (sp->port->rxq[i] != NULL && sync_queue(sp, i) != 0)
			loop_timer_start(sp->sw->loop, &sp->retry, RETRY_NS);
	}
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

/* --- going ------------------------------------------------------------------------------------------------------ */

/* Takes it out of its bridge and of all poll sets; what memory was too short for is tried again. */
void switch_port_leave(struct switch_port *sp)
{
	sp->state = SWITCH_PORT_LEAVING;
	switch_port_sync_queues(sp);
	if (sp->bridge != NULL) {
		if (bridge_remove_port(sp->bridge->bridge, sp->port) != 0) {
			loop_timer_start(sp->sw->loop, &sp->retry, RETRY_NS);
			return;
		}
		sp->bridge = NULL;
	}
	lcores_forget_port(sp->port);
	wait_for_lcores(sp);
}

static bool has_left(const struct switch_port *sp) RUNS_ON(control_thread)
{
	if (sp->bridge != NULL)
		return false;
	for (uint16_t i = 0; i < sp->port->rxq_n; i++)
		if (sp->port->rxq[i] != NULL && sp->port->rxq[i]->lcore >= 0)
			return false;
	return true;
}

static void lcores_passed(struct rcu_wait *wait)
{
	struct switch_port *sp = container_of(wait, struct switch_port, wait);

	role_assert_control();
	if (sp->wait_more) {
		sp->wait_more = false;
		rcu_wait_start(&sp->wait, lcores_passed);
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
	/* No lcore will report about it any more; what they have reported is nobody's. */
	switch_take_reports(sp->sw);
	sp->state = SWITCH_PORT_OUT;
	switch_reconcile(sp->sw);
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
		switch_reconcile(sp->sw);
}

static void port_gone(void *arg)
{
	struct switch_port *sp = arg;
	struct vus_switch *sw = sp->sw;

	role_assert_control();
	sw->port[sp->id] = NULL;
	log_info(sp->spec.name, "port removed");
	spec_free(&sp->spec);
	free(sp);
	switch_reconcile(sw);
}

void switch_port_end(struct switch_port *sp)
{
	sp->state = SWITCH_PORT_ENDING;
	loop_timer_stop(sp->sw->loop, &sp->retry);
	sp->port->ops->destroy(sp->port, port_gone, sp);
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

	_Static_assert(sizeof(rarp) == 60, "the shortest Ethernet frame, without FCS");
	memset(rarp.ethernet.ether_dhost, 0xff, ETH_ALEN);
	memcpy(rarp.ethernet.ether_shost, mac, ETH_ALEN);
	memcpy(rarp.arp.arp_sha, mac, ETH_ALEN);
	memcpy(rarp.arp.arp_tha, mac, ETH_ALEN);
	if (!sp->port->deaf)
		bridge_learn(sp->bridge->bridge, mac_key(mac), sp->id);
	/* If memory is short, its next frame tells the others. */
	lcores_flood(sp->port, (const uint8_t *)&rarp, sizeof(rarp));
}
