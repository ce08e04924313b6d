/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_set.c: what is set while the switch runs, and is in no configuration: links, pins, levels of the log,
 * addresses to be forgotten. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "port_link.h"
#include "switch_private.h"

static struct switch_port *find(const struct vus_switch *sw, const char *port) RUNS_ON(control_thread)
{
	int id = names_find(&sw->port_names, port);

	return id >= 0 ? sw->port[id] : NULL;
}

/* --- links ------------------------------------------------------------------------------------------------------ */

int switch_set_link(struct vus_switch *sw, const char *port, bool up)
{
	struct switch_port *sp = find(sw, port);

	if (up)
		names_remove(&sw->links_down, port);
	else if (names_add(&sw->links_down, port, 0) == -ENOMEM)
		return -ENOMEM;
	if (sp == NULL || sp->state == SWITCH_PORT_ENDING)
		return 0;
	port_set_link_down(sp->port, !up);
	switch_due_port(sp);
	return 0;
}

bool switch_link_is_set_down(const struct vus_switch *sw, const char *port)
{
	return sw->links_down.all != NULL && names_find(&sw->links_down, port) >= 0;
}

/* --- queues ----------------------------------------------------------------------------------------------------- */

struct pin_name {
	char text[NAME_LEN_MAX + 16];
};

static struct pin_name pin_name(const char *port, unsigned int queue)
{
	struct pin_name name;

	snprintf(name.text, sizeof(name.text), "%s/%u", port, queue);
	return name;
}

int switch_pin_of(const struct vus_switch *sw, const char *port, unsigned int queue)
{
	return sw->pins.all != NULL ? names_find(&sw->pins, pin_name(port, queue).text) : -1;
}

int switch_pin_queue(struct vus_switch *sw, const char *port, unsigned int queue, int lcore)
{
	const struct pin_name name = pin_name(port, queue);
	struct switch_port *sp = find(sw, port);
	struct port_rxq *q;

	names_remove(&sw->pins, name.text);
	if (lcore >= 0 && names_add(&sw->pins, name.text, (unsigned int)lcore) != 0)
		return -ENOMEM;
	if (sp == NULL || sp->state != SWITCH_PORT_IN || queue >= sp->port->rxq_n || sp->port->rxq[queue] == NULL)
		return 0;
	q = sp->port->rxq[queue];
	q->pinned = lcore >= 0;
	/* Without memory it stays where it is, and goes there when it joins a poll set again. */
	if (lcore >= 0 && q->lcore >= 0 && q->lcore != lcore)
		switch_port_move_queue(sp, q, (unsigned int)lcore);
	return 0;
}

int switch_queues_of(const struct vus_switch *sw, const char *port)
{
	const struct switch_port *sp = find(sw, port);

	return sp != NULL && sp->state != SWITCH_PORT_STARTING && sp->state != SWITCH_PORT_ENDING ? sp->port->rxq_n : -1;
}

static void forget_set_of(struct vus_switch *sw, const char *port) RUNS_ON(control_thread)
{
	names_remove(&sw->links_down, port);
	for (unsigned int i = 0; sw->pins.all != NULL && i < VHOST_QUEUE_PAIRS_MAX; i++)
		names_remove(&sw->pins, pin_name(port, i).text);
}

void switch_forget_set(struct vus_switch *sw, const struct config *before)
{
	for (unsigned int i = 0; log_topics_n() > 0 && i < before->ports_n; i++)
		switch_forget_topic(sw, before->ports[i].name);
	for (unsigned int i = 0; log_topics_n() > 0 && i < before->bridges_n; i++)
		switch_forget_topic(sw, before->bridges[i].name);
	if (sw->links_down.all == NULL && sw->pins.all == NULL)
		return;
	for (unsigned int i = 0; i < before->ports_n; i++)
		if (config_find_port(&sw->config, before->ports[i].name) == NULL)
			forget_set_of(sw, before->ports[i].name);
}

/* --- what the log has of whom ----------------------------------------------------------------------------------- */

/* Whose lines are about no port and no bridge. */
static const char *const topics[] = {"control", "disposal", "dma", "ethdev", "journal", "memory", "vhost-user", "vuswitch"};

bool switch_has_topic(const struct vus_switch *sw, const char *topic)
{
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		if (strcmp(topics[i], topic) == 0)
			return true;
	return config_find_port(&sw->config, topic) != NULL || config_find_bridge(&sw->config, topic) != NULL ||
	       names_find(&sw->port_names, topic) >= 0 || names_find(&sw->bridge_names, topic) >= 0;
}

void switch_list_topics(char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]) && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? ", " : "", topics[i]);
}

void switch_forget_topic(const struct vus_switch *sw, const char *topic)
{
	if (log_topics_n() > 0 && !switch_has_topic(sw, topic))
		log_forget_topic(topic);
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

static unsigned int addresses_of(struct bridge *bridge) RUNS_ON(control_thread)
{
	struct fdb_stats stats;

	fdb_stats(bridge_fdb(bridge), &stats);
	return stats.entries;
}

int switch_flush_port(struct vus_switch *sw, const char *port)
{
	struct switch_port *sp = find(sw, port);
	unsigned int before;

	if (sp == NULL)
		return -ENOENT;
	if (sp->state != SWITCH_PORT_IN)
		return 0;
	before = addresses_of(sp->bridge->bridge);
	bridge_forget_port(sp->bridge->bridge, sp->port);
	return (int)(before - addresses_of(sp->bridge->bridge));
}

int switch_flush_bridge(struct vus_switch *sw, const char *bridge)
{
	struct switch_bridge *sb = switch_bridge_find(sw, bridge);
	unsigned int before;

	if (sb == NULL)
		return -ENOENT;
	before = addresses_of(sb->bridge);
	for (unsigned int id = 0; id < PORTS_MAX; id++)
		if (sw->port[id] != NULL && sw->port[id]->bridge == sb)
			bridge_forget_port(sb->bridge, sw->port[id]->port);
	return (int)(before - addresses_of(sb->bridge));
}
