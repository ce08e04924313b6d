/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_groups.c: multicast snooping of a bridge: what lcores hand over of IGMP and MLD becomes a table, the table becomes
 * a map for lcores, and where the switch is the querier it asks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_random.h>

#include "clock.h"
#include "group_map.h"
#include "group_query.h"
#include "lcore_inject.h"
#include "log.h"
#include "policy.h"
#include "switch_private.h"

enum {
	/* Queries that are sent at once, and then after a while: the bridge's rate of frames is not used up (vus_limits.h). */
	QUERIES_AT_ONCE = 8,
	MS_PER_S = 1000,
	/* RFC 3376, 8.3. */
	RESPONSE_MS = 10 * MS_PER_S,
};
static const uint64_t QUERIES_PAUSE_NS = 50 * NS_PER_MS;
/* A new map is made for all changes of so long, and what ends in so long ends together: whatever guests say, all groups are
 * looked at no more often. */
static const uint64_t MAP_PAUSE_NS = 20 * NS_PER_MS;

struct switch_groups {
	struct switch_bridge *of;
	struct group_table *table;
	struct group_queriers *queriers;
	bool changed;	     /* what the map says */
	bool heard;	     /* something, since settle() */
	uint64_t mapped_ns;  /* when the last one was made */
	uint64_t expired_ns; /* when it was looked at what has ended */
	uint64_t asked_ns;   /* when the last queries were sent */
	uint8_t mac[6];	     /* of our queries */
	struct group_address link_local;
	struct log_limit full;
	struct loop_timer timer;
};

/* --- what options say ------------------------------------------------------------------------------------------- */

static uint32_t interval_ms(const struct bridge_options *options)
{
	return options->multicast_query_interval * MS_PER_S;
}

/* Hosts answer before they are asked again (RFC 3376, 8.3). */
static uint32_t response_ms(const struct bridge_options *options)
{
	return interval_ms(options) / 2 < RESPONSE_MS ? interval_ms(options) / 2 : RESPONSE_MS;
}

static struct group_table_config table_config(const struct bridge_options *options)
{
	return (struct group_table_config){.groups_max = options->multicast_groups,
					   .port_max = options->multicast_groups_per_port};
}

static struct group_queriers_config queriers_config(const struct switch_groups *g)
{
	const struct bridge_options *options = &g->of->made.options;
	struct group_queriers_config config = {
		.asks = options->multicast_querier,
		.interval = interval_ms(options) * NS_PER_MS,
		.response = response_ms(options) * NS_PER_MS,
	};

	memcpy(config.own[GROUP_IPV4].bytes, options->querier_ipv4, sizeof(options->querier_ipv4));
	memcpy(config.own[GROUP_IPV6].bytes, options->querier_ipv6, sizeof(options->querier_ipv6));
	if (group_address_is_none(&config.own[GROUP_IPV6]))
		config.own[GROUP_IPV6] = g->link_local;
	return config;
}

/* Of a port that is in a bridge. */
static const struct bridge_port_options *options_of(const struct vus_switch *sw, const struct port *port)
{
	return &sw->port[port->id]->made.member;
}

/* --- the map ---------------------------------------------------------------------------------------------------- */

static struct port_set routers_of(const struct switch_groups *g) RUNS_ON(control_thread)
{
	const struct vus_switch *sw = g->of->sw;
	struct port_set set = {{0}};

	for (uint16_t id = 0; id < PORTS_MAX; id++)
		if (sw->port[id] != NULL && sw->port[id]->bridge == g->of &&
		    sw->port[id]->made.member.multicast_router == BRIDGE_ROUTER_ON)
			port_set_add(&set, id);
	return set;
}

/* While the table is full it does not know of every group: those that it does not know are flooded. */
static void make_map(struct switch_groups *g, uint64_t now) RUNS_ON(control_thread)
{
	const struct port_set routers = routers_of(g);
	struct group_map *map = group_map_create(&(struct group_map_config){
		.table = g->table,
		.queriers = g->queriers,
		.routers = &routers,
		.floods_unregistered = g->of->made.options.multicast_unregistered == BRIDGE_UNREGISTERED_FLOOD ||
				       group_table_is_full(g->table),
	});

	g->mapped_ns = now;
	/* Without memory lcores go by the one before until the next change or the next time. */
	if (map == NULL)
		return;
	g->changed = false;
	bridge_set_groups(g->of->bridge, map);
}

/* --- queries ---------------------------------------------------------------------------------------------------- */

/* What a query of ours has in common, whatever it asks. */
static struct group_query query_of(const struct switch_groups *g, enum group_family family,
				   const struct group_queriers_config *config)
{
	return (struct group_query){
		.family = family,
		.mac = g->mac,
		.from = &config->own[family],
		.interval_ms = interval_ms(&g->of->made.options),
		.response_ms = response_ms(&g->of->made.options),
	};
}

static void ask_all(const struct switch_groups *g, uint16_t fid, enum group_family family) RUNS_ON(control_thread)
{
	const struct group_queriers_config config = queriers_config(g);
	struct group_query query = query_of(g, family, &config);
	uint8_t frame[GROUP_QUERY_BYTES];

	query.vlan = fid;
	lcores_inject_bridge(g->of->bridge, NULL, frame, group_query_write(&query, frame));
}

/* Out of one port, which sends it with its VLAN's tag or without. */
static void ask_port(struct port *port, uint16_t fid, struct group_query *query)
	RUNS_ON(control_thread)
{
	uint8_t frame[GROUP_QUERY_BYTES];

	query->vlan = fid;
	lcores_inject_port(port, frame, group_query_write(query, frame));
}

static void ask_for_group(const struct switch_groups *g, struct port *port, const struct group_key *key) RUNS_ON(control_thread)
{
	const struct group_queriers_config config = queriers_config(g);
	struct group_query query = query_of(g, (enum group_family)key->family, &config);

	query.group = &key->group;
	query.response_ms = GROUP_LAST_MEMBER_MS;
	ask_port(port, key->fid, &query);
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static void send_queries(struct switch_groups *g, uint64_t now) RUNS_ON(control_thread)
{
	enum group_family family;
	uint16_t fid;

	if (now - g->asked_ns < QUERIES_PAUSE_NS)
		return;
	for (int i = 0; i < QUERIES_AT_ONCE && group_queriers_ask(g->queriers, now, &fid, &family); i++) {
		ask_all(g, fid, family);
		g->asked_ns = now;
	}
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When there is something to do next. */
static uint64_t next_of(const struct switch_groups *g, uint64_t now)
{
	uint64_t table = later_of(group_table_next(g->table), g->expired_ns + MAP_PAUSE_NS),
		 queriers = later_of(group_queriers_next(g->queriers), g->expired_ns + MAP_PAUSE_NS);

	/* A query that is late waits for the pause to be over. */
	if (group_queriers_next(g->queriers) <= now)
		queriers = later_of(queriers, g->asked_ns + QUERIES_PAUSE_NS);
	return earlier_of(earlier_of(table, queriers), g->changed ? g->mapped_ns + MAP_PAUSE_NS : UINT64_MAX);
}

/* Does what is to be done by now. */
static void settle(struct switch_groups *g) RUNS_ON(control_thread)
{
	uint64_t now = clock_ns(), next;

	g->heard = false;
	if (now - g->expired_ns >= MAP_PAUSE_NS) {
		g->changed |= group_table_expire(g->table, now);
		group_queriers_expire(g->queriers, now);
		g->expired_ns = now;
	}
	send_queries(g, now);
	g->changed |= group_queriers_changed(g->queriers);
	if (g->changed && now - g->mapped_ns >= MAP_PAUSE_NS)
		make_map(g, now);
	next = next_of(g, now);
	if (next == UINT64_MAX)
		loop_timer_stop(g->of->sw->loop, &g->timer);
	else
		loop_timer_start(g->of->sw->loop, &g->timer, next > now + NS_PER_MS ? next - now : NS_PER_MS);
}

/* When all that lcores have handed over is heard. */
static void settle_soon(struct switch_groups *g) RUNS_ON(control_thread)
{
	if (!g->heard)
		loop_timer_start(g->of->sw->loop, &g->timer, 0);
	g->heard = true;
}

static void groups_due(struct loop_timer *timer)
{
	role_assert_control();
	settle(container_of(timer, struct switch_groups, timer));
}

/* --- what is heard ---------------------------------------------------------------------------------------------- */

static void join(struct switch_groups *g, struct port *port, const struct group_key *key, uint64_t now) RUNS_ON(control_thread)
{
	uint64_t lasts = group_queriers_membership(g->queriers, key->fid, (enum group_family)key->family);
	int error = group_table_join(g->table, key, port->id, now + lasts);

	g->changed |= error > 0;
	if (error >= 0)
		return;
	count(&port_counters_of_control(port)->mcast_refused, 1);
	if (error == -ENOSPC) {
		g->changed |= group_table_refused(g->table, key);
		log_limited(&g->full, LOG_WARN, bridge_name(g->of->bridge),
			    "%u multicast groups are as many as it keeps: frames for others are flooded; make "
			    "multicast-groups larger, "
			    "or multicast-groups-per-port smaller",
			    g->of->made.options.multicast_groups);
	}
}

/* Who else behind the port is a member is asked, unless there can be none; another querier asks by itself (take_query()). */
static void leave(struct switch_groups *g, struct port *port, const struct group_key *key, uint64_t now) RUNS_ON(control_thread)
{
	struct group_state state = {.other = false};

	if (options_of(g->of->sw, port)->multicast_fast_leave) {
		g->changed |= group_table_leave(g->table, key, port->id);
		return;
	}
	group_table_may_leave(g->table, key, port->id);
	group_queriers_state(g->queriers, key->fid, (enum group_family)key->family, &state);
	if (!state.other &&
	    group_table_shorten_port(g->table, key, port->id, now + GROUP_ROBUSTNESS * GROUP_LAST_MEMBER_MS * NS_PER_MS) &&
	    state.ours)
		ask_for_group(g, port, key);
}

static void take_report(struct switch_groups *g, struct port *port, uint16_t fid, struct group_message *m, uint64_t now)
	RUNS_ON(control_thread)
{
	struct group_record record;

	group_queriers_add(g->queriers, fid, now);
	while (group_message_next(m, &record)) {
		const struct group_key key = {.fid = fid, .family = (uint16_t)m->family, .group = record.group};

		/* Those are flooded. */
		if (group_is_link_local(m->family, &record.group))
			continue;
		if (record.what == GROUP_RECORD_JOIN)
			join(g, port, &key, now);
		else if (record.what == GROUP_RECORD_LEAVE)
			leave(g, port, &key, now);
	}
}

/* Whether the port's queries end memberships of which nobody has said that they end: a router's do, and a VM is one if its
 * options say so. */
static bool is_trusted_router(const struct vus_switch *sw, const struct port *port)
{
	const struct config_port *made = &sw->port[port->id]->made;

	return !made->driver->vm || made->member.multicast_router == BRIDGE_ROUTER_ON;
}

static void take_query(struct switch_groups *g, const struct port *port, uint16_t fid, const struct group_message *m,
		       uint64_t now) RUNS_ON(control_thread)
{
	uint64_t response = m->response_ms < GROUP_LAST_MEMBER_MS ? GROUP_LAST_MEMBER_MS : m->response_ms;
	const struct group_key key = {.fid = fid, .family = (uint16_t)m->family, .group = m->group};

	group_queriers_heard(g->queriers, fid, port->id, m, now);
	if (!group_address_is_none(&m->group) && !m->of_sources && !m->suppress)
		group_table_shorten(g->table, &key, is_trusted_router(g->of->sw, port),
				    now + GROUP_ROBUSTNESS * response * NS_PER_MS);
}

static void take_message(void *arg, struct port *port, const struct punt *punt)
{
	struct vus_switch *sw = arg;
	struct switch_groups *g = sw->port[port->id]->bridge->groups;
	uint64_t now = clock_ns();
	struct group_message m;
	uint16_t fid;
	int error = g != NULL ? group_message_read(punt->bytes, punt->len, &m) : -ENOMSG;

	role_assert_control();
	if (error == -EBADMSG)
		count(&port_counters_of_control(port)->mcast_malformed, 1);
	if (error != 0)
		return;
	count(&port_counters_of_control(port)->mcast_heard, 1);
	fid = bridge_is_vlan_aware(g->of->bridge) ? punt->vlan & VLAN_VID_MASK : FID_DEFAULT;
	if (m.kind == GROUP_MESSAGE_REPORT)
		take_report(g, port, fid, &m, now);
	else if (options_of(sw, port)->multicast_router == BRIDGE_ROUTER_OFF)
		return;
	else if (m.kind == GROUP_MESSAGE_QUERY)
		take_query(g, port, fid, &m, now);
	else
		group_queriers_router(g->queriers, fid, m.family, port->id,
				      m.kind == GROUP_MESSAGE_ROUTER ? now + m.hold_ms * NS_PER_MS : 0);
	settle_soon(g);
}

void switch_groups_listen(struct vus_switch *sw)
{
	switch_handle_punts(sw, PUNT_IGMP, take_message, sw);
	switch_handle_punts(sw, PUNT_MLD, take_message, sw);
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

void switch_groups_port_joined(struct switch_port *sp)
{
	struct switch_groups *g = sp->bridge != NULL ? sp->bridge->groups : NULL;
	uint16_t fid;

	if (g == NULL)
		return;
	if (bridge_fid_of(g->of->bridge, sp->port, &fid))
		group_queriers_add(g->queriers, fid, clock_ns());
	g->changed = true; /* it may be one with a router */
	settle(g);
}

/* VLANs in which no port is any more are forgotten: what they were asked, and who was a router there. */
static void drop_vlans(struct switch_groups *g) RUNS_ON(control_thread)
{
	const struct vus_switch *sw = g->of->sw;
	struct vlan_set left = {{0}};

	if (!bridge_is_vlan_aware(g->of->bridge))
		return;
	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		const struct vlan_set *members;

		if (sw->port[id] == NULL || sw->port[id]->bridge != g->of || sw->port[id]->state != SWITCH_PORT_IN)
			continue;
		members = &policy_vlan_of(rcu_own(&sw->port[id]->port->policy))->members;
		for (size_t i = 0; i < sizeof(left.word) / sizeof(left.word[0]); i++)
			left.word[i] |= members->word[i];
	}
	for (uint16_t fid = 0; fid < VLAN_VIDS; fid++)
		if (!vlan_set_has(&left, fid))
			group_queriers_forget(g->queriers, fid);
}

void switch_groups_port_left(struct switch_port *sp)
{
	struct switch_groups *g = sp->bridge != NULL ? sp->bridge->groups : NULL;

	if (g == NULL)
		return;
	group_table_forget_port(g->table, sp->id);
	group_queriers_forget_port(g->queriers, sp->id);
	drop_vlans(g);
	g->changed = true;
	settle(g);
}

void switch_groups_port_came(struct switch_port *sp)
{
	struct switch_groups *g = sp->bridge != NULL ? sp->bridge->groups : NULL;
	struct group_queriers_config config;
	struct group_state state;
	uint16_t fid;

	if (g == NULL || !bridge_fid_of(g->of->bridge, sp->port, &fid))
		return;
	config = queriers_config(g);
	for (int family = 0; family < GROUP_FAMILIES; family++) {
		struct group_query query = query_of(g, (enum group_family)family, &config);

		if (!group_queriers_state(g->queriers, fid, (enum group_family)family, &state) || !(state.ours || state.other))
			continue;
		/* RFC 4541, 2.1.1: in the name of nobody, where it is another one who asks. */
		if (!state.ours && family == GROUP_IPV4)
			config.own[GROUP_IPV4] = (struct group_address){{0}};
		ask_port(sp->port, fid, &query);
	}
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* Locally administered, and another one than that of a switch on the same wire. */
static void make_mac(struct switch_groups *g)
{
	uint64_t random = rte_rand();

	memcpy(g->mac, &random, sizeof(g->mac));
	g->mac[0] = (uint8_t)((g->mac[0] & ~1u) | 2u);
	g->link_local = group_link_local_of(g->mac);
}

static void destroy(struct switch_groups *g)
{
	group_table_destroy(g->table);
	group_queriers_destroy(g->queriers);
	free(g);
}

static struct switch_groups *create(struct switch_bridge *bridge) RUNS_ON(control_thread)
{
	const struct group_table_config table = table_config(&bridge->made.options);
	struct switch_groups *g = calloc(1, sizeof(*g));
	struct group_queriers_config queriers;

	if (g == NULL)
		return NULL;
	g->of = bridge;
	g->timer.fire = groups_due;
	make_mac(g);
	queriers = queriers_config(g);
	g->table = group_table_create(&table);
	g->queriers = group_queriers_create(&queriers);
	if (g->table == NULL || g->queriers == NULL) {
		destroy(g);
		return NULL;
	}
	return g;
}

void switch_groups_end(struct switch_bridge *bridge)
{
	struct switch_groups *g = bridge->groups;

	if (g == NULL)
		return;
	bridge->groups = NULL;
	bridge_set_groups(bridge->bridge, NULL);
	loop_timer_stop(bridge->sw->loop, &g->timer);
	destroy(g);
}

/* The ports that are there already. */
static void add_vlans(struct switch_groups *g, uint64_t now) RUNS_ON(control_thread)
{
	const struct vus_switch *sw = g->of->sw;
	uint16_t fid;

	for (unsigned int id = 0; id < PORTS_MAX; id++)
		if (sw->port[id] != NULL && sw->port[id]->bridge == g->of &&
		    bridge_fid_of(g->of->bridge, sw->port[id]->port, &fid))
			group_queriers_add(g->queriers, fid, now);
}

int switch_groups_configure(struct switch_bridge *bridge)
{
	struct group_queriers_config queriers;
	struct group_table_config table;
	struct switch_groups *g;

	if (!bridge->made.options.multicast_snooping) {
		switch_groups_end(bridge);
		return 0;
	}
	if (bridge->groups == NULL)
		bridge->groups = create(bridge);
	g = bridge->groups;
	if (g == NULL)
		return -ENOMEM;
	table = table_config(&bridge->made.options);
	queriers = queriers_config(g);
	group_table_set_bounds(g->table, &table);
	group_queriers_configure(g->queriers, &queriers, clock_ns());
	add_vlans(g, clock_ns());
	g->changed = true;
	settle(g);
	/* Who has asked for this is answered when it holds. */
	if (g->changed)
		make_map(g, clock_ns());
	return 0;
}

bool switch_groups_of(const struct vus_switch *sw, unsigned int index, struct switch_groups_view *view)
{
	struct switch_groups *g = switch_bridge_at(sw, index) != NULL ? sw->bridge[index]->groups : NULL;

	if (g == NULL)
		return false;
	/* What is shown is what lcores go by, and all that was heard. */
	if (g->heard)
		settle(g);
	if (g->changed)
		make_map(g, clock_ns());
	*view = (struct switch_groups_view){.table = g->table, .queriers = g->queriers};
	return true;
}
