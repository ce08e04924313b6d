/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ctl_commands.h"
#include "ctl_drops.h"
#include "group_querier.h"
#include "group_table.h"
#include "policy.h"

enum {
	MACS_LIMIT_DEFAULT = 10000,
	/* A piece: so long, or so many bytes; looked at after so many places of an FDB. */
	PIECE_US = 500,
	PIECE_BYTES = 64 * 1024,
	PLACES_AT_ONCE = 4096,
};

/* The ports of a VLAN, by their ids. */
struct vlan_ports {
	uint64_t member[PORTS_MAX / 64], untagged[PORTS_MAX / 64];
};

struct ctl_list {
	const struct vus_switch *sw;
	const struct ctl_list_kind *kind;
	bool begun;
	uint64_t first, limit; /* of those shown */
	uint64_t seen, shown;
	unsigned int at;		/* the port, or the bridge, that is next, */
	uint32_t place;			/* and where in its FDB */
	char only[NAME_LEN_MAX + 1];	/* this bridge's addresses; "": those of all */
	bool some;			/* only the drops of these ports, by their ids; else of all */
	uint64_t some_ports[PORTS_MAX / 64];
	const char *bridge;		/* whose addresses are being added */
	uint16_t vlan;			/* only addresses of this one; 0: of all */
	uint16_t vlan_first;		/* of VLANs with the same ports, the first; 0: none yet */
	struct vlan_ports vlan_ports;	/* ... which are these */
	struct ctl_text *text;
};

/* A kind of list: adds entries for a while; whether there may be more. And what the reply has beside them, if anything. */
struct ctl_list_kind {
	const char *name;
	uint64_t limit;
	bool (*add)(struct ctl_list *list);
	uint64_t (*total)(const struct ctl_list *list);
	void (*beside)(struct ctl_list *list);
};

/* Whether the next entry is among those asked for. */
static bool takes_next(struct ctl_list *list)
{
	return list->seen++ >= list->first && list->shown < list->limit;
}

static void entry_begins(struct ctl_list *list)
{
	ctl_text_put(list->text, list->shown++ > 0 ? ",{" : "{");
}

static void add_key(struct ctl_text *text, const char *key)
{
	ctl_text_put(text, ",\"");
	ctl_text_put(text, key);
	ctl_text_put(text, "\":");
}

static void add_string(struct ctl_text *text, const char *key, const char *value)
{
	add_key(text, key);
	ctl_text_string(text, value);
}

static void add_number(struct ctl_text *text, const char *key, uint64_t value)
{
	add_key(text, key);
	ctl_text_number(text, value);
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

/* Reasons stand in their group's object, and their sum beside that. */
static int add_reasons(struct ctl_text *text, const struct port_counters *sum, int i)
{
	const struct port_counter_group *group = port_counter_table[i].group;
	uint64_t total = 0;

	add_key(text, group->name);
	ctl_text_put(text, "{");
	for (int first = i; i < PORT_COUNTERS && port_counter_table[i].group == group; i++) {
		uint64_t value = counted(&sum->value[i]);

		ctl_text_put(text, i > first ? ",\"" : "\"");
		ctl_text_put(text, port_counter_table[i].name);
		ctl_text_put(text, "\":");
		ctl_text_number(text, value);
		total += value;
	}
	ctl_text_put(text, "}");
	add_number(text, group->total, total);
	return i;
}

static void add_counters(struct ctl_text *text, const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	for (int i = 0; i < PORT_COUNTERS;) {
		if (port_counter_table[i].group != NULL) {
			i = add_reasons(text, &sum, i);
			continue;
		}
		add_number(text, port_counter_table[i].name, counted(&sum.value[i]));
		i++;
	}
}

static void add_port(struct ctl_list *list, struct port *port) RUNS_ON(control_thread)
{
	const struct config_port *config = switch_port_config(list->sw, port);
	struct ctl_text *text = list->text;
	struct port_state state;

	switch_port_state(list->sw, port, &state);
	entry_begins(list);
	ctl_text_put(text, "\"name\":");
	ctl_text_string(text, port->name);
	add_string(text, "type", config->type);
	add_string(text, "bridge", config->member.bridge);
	add_string(text, "from", switch_port_from(list->sw, port));
	add_number(text, "id", port->id);
	add_string(text, "link", state.up ? "up" : "down");
	add_string(text, "state", state.text);
	if (port->starting) {
		add_key(text, "starting");
		ctl_text_put(text, "true");
	}
	if (switch_port_closed_seconds(list->sw, port) > 0) {
		add_key(text, "closed");
		ctl_text_put(text, "true");
	}
	add_counters(text, port);
	ctl_text_put(text, "}");
}

static bool add_next_port(struct ctl_list *list)
{
	struct port *port;

	role_assert_control();
	port = switch_port_at(list->sw, list->at);
	if (port != NULL && takes_next(list))
		add_port(list, port);
	return ++list->at < PORTS_MAX && list->shown < list->limit;
}

static uint64_t ports_total(const struct ctl_list *list)
{
	role_assert_control();
	return switch_ports_n(list->sw);
}

/* --- drops ------------------------------------------------------------------------------------------------------ */

static bool add_drops(struct ctl_list *list)
{
	const struct port *port;

	role_assert_control();
	port = switch_port_at(list->sw, list->at);
	if (port != NULL && (!list->some || (list->some_ports[list->at / 64] >> list->at % 64 & 1) != 0) && ctl_drops_any(port) &&
	    takes_next(list)) {
		entry_begins(list);
		ctl_drops_put(list->text, port);
		ctl_text_put(list->text, "}");
	}
	return ++list->at < PORTS_MAX && list->shown < list->limit;
}

/* What is no port's, unless some ports are asked for. */
static void drops_beside(struct ctl_list *list)
{
	role_assert_control();
	if (list->some)
		return;
	ctl_text_put(list->text, ",\"switch\":[");
	ctl_drops_put_switch(list->text, list->sw);
	ctl_text_put(list->text, "]");
}

/* The names of a request. NULL, or why not. */
static json_t *take_ports(struct ctl_list *list, const json_t *ports) RUNS_ON(control_thread)
{
	const json_t *name;
	size_t i;

	if (ports == NULL)
		return NULL;
	if (!json_is_array(ports))
		return ctl_error("ports is a list of names, as in {\"command\": \"drops\", \"ports\": [\"vm1\"]}");
	list->some = json_array_size(ports) > 0;
	json_array_foreach(ports, i, name)
	{
		const char *text = json_string_value(name);
		const struct port *port = text != NULL ? switch_find_port(list->sw, text) : NULL;

		if (port == NULL)
			return ctl_no_port(list->sw, text != NULL ? text : "");
		list->some_ports[port->id / 64] |= UINT64_C(1) << port->id % 64;
	}
	return NULL;
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

static bool add_mac(void *arg, fdb_key_t key, const struct fdb_value *value)
{
	struct ctl_list *list = arg;
	const struct port *port;

	role_assert_control();
	if (list->vlan != 0 && list->vlan != fdb_key_fid(key))
		return true;
	/* How many there are of a VLAN only a look at all says. */
	if (!takes_next(list))
		return list->vlan != 0 || list->shown < list->limit;
	port = value->destination < PORTS_MAX ? switch_port_at(list->sw, value->destination) : NULL;
	entry_begins(list);
	ctl_text_put(list->text, "\"mac\":");
	ctl_text_string(list->text, mac_key_text(fdb_key_mac(key)).text);
	add_string(list->text, "bridge", list->bridge);
	if (fdb_key_fid(key) != FID_DEFAULT)
		add_number(list->text, "vlan", fdb_key_fid(key));
	add_string(list->text, "port", port != NULL ? port->name : "?");
	add_key(list->text, "static");
	ctl_text_put(list->text, value->is_static ? "true" : "false");
	add_number(list->text, "age", value->is_static ? 0 : (uint16_t)(switch_epoch(list->sw) - value->epoch));
	ctl_text_put(list->text, "}");
	return list->vlan != 0 || list->shown < list->limit;
}

/* A bridge whose addresses are asked for, or NULL. */
static struct bridge *bridge_listed(const struct ctl_list *list, unsigned int index) RUNS_ON(control_thread)
{
	struct bridge *bridge = switch_bridge_at(list->sw, index);

	return bridge != NULL && (list->only[0] == '\0' || strcmp(bridge_name(bridge), list->only) == 0) ? bridge : NULL;
}

static bool add_macs(struct ctl_list *list)
{
	struct bridge *bridge;

	role_assert_control();
	bridge = bridge_listed(list, list->at);
	if (bridge != NULL) {
		list->bridge = bridge_name(bridge);
		if (fdb_each(bridge_fdb(bridge), &list->place, PLACES_AT_ONCE, add_mac, list))
			return list->vlan != 0 || list->shown < list->limit;
	}
	list->place = 0;
	return ++list->at < BRIDGES_MAX && (list->vlan != 0 || list->shown < list->limit);
}

static uint64_t macs_total(const struct ctl_list *list)
{
	struct fdb_stats stats;
	uint64_t total = 0;

	role_assert_control();
	if (list->vlan != 0)
		return list->seen;
	for (unsigned int i = 0; i < BRIDGES_MAX; i++) {
		struct bridge *bridge = bridge_listed(list, i);

		if (bridge == NULL)
			continue;
		fdb_stats(bridge_fdb(bridge), &stats);
		total += stats.entries;
	}
	return total;
}

/* --- VLANs ------------------------------------------------------------------------------------------------------ */

static void find_vlan_ports(const struct ctl_list *list, const struct bridge *bridge, uint16_t vid, struct vlan_ports *ports)
	RUNS_ON(control_thread)
{
	memset(ports, 0, sizeof(*ports));
	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		const struct port *port = switch_port_at(list->sw, id);
		const struct policy_vlan *vlan;

		if (port == NULL || port->bridge != bridge)
			continue;
		vlan = policy_vlan_of(rcu_own(&port->policy));
		if (vlan_set_has(&vlan->members, vid))
			ports->member[id / 64] |= UINT64_C(1) << id % 64;
		if (vlan_set_has(&vlan->members, vid) && vlan->untagged == vid)
			ports->untagged[id / 64] |= UINT64_C(1) << id % 64;
	}
}

static void add_port_names(struct ctl_list *list, bool untagged) RUNS_ON(control_thread)
{
	const struct vlan_ports *ports = &list->vlan_ports;
	const char *between = "";

	add_key(list->text, untagged ? "untagged" : "tagged");
	ctl_text_put(list->text, "[");
	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		const struct port *port = switch_port_at(list->sw, id);
		bool is_untagged = (ports->untagged[id / 64] >> id % 64 & 1) != 0;

		if (port == NULL || (ports->member[id / 64] >> id % 64 & 1) == 0 || is_untagged != untagged)
			continue;
		ctl_text_put(list->text, between);
		ctl_text_string(list->text, port->name);
		between = ",";
	}
	ctl_text_put(list->text, "]");
}

/* Those from vlan_first to `last`, which have the same ports. */
static void add_vlans_to(struct ctl_list *list, const struct bridge *bridge, uint16_t last) RUNS_ON(control_thread)
{
	static const struct vlan_ports none;

	if (memcmp(&list->vlan_ports, &none, sizeof(none)) == 0 || !takes_next(list))
		return;
	entry_begins(list);
	ctl_text_put(list->text, "\"bridge\":");
	ctl_text_string(list->text, bridge_name(bridge));
	add_number(list->text, "first", list->vlan_first);
	add_number(list->text, "last", last);
	add_port_names(list, true);
	add_port_names(list, false);
	ctl_text_put(list->text, "}");
}

/* Looks at one VLAN. */
static bool add_vlans(struct ctl_list *list)
{
	struct bridge *bridge;
	struct vlan_ports ports;
	uint16_t vid = (uint16_t)(list->place + VLAN_MIN);

	role_assert_control();
	bridge = bridge_listed(list, list->at);
	if (bridge != NULL && bridge_is_vlan_aware(bridge) && vid <= VLAN_MAX) {
		find_vlan_ports(list, bridge, vid, &ports);
		if (list->vlan_first == 0 || memcmp(&ports, &list->vlan_ports, sizeof(ports)) != 0) {
			if (list->vlan_first != 0)
				add_vlans_to(list, bridge, (uint16_t)(vid - 1));
			list->vlan_first = vid;
			list->vlan_ports = ports;
		}
		list->place++;
		return list->shown < list->limit;
	}
	if (bridge != NULL && list->vlan_first != 0)
		add_vlans_to(list, bridge, VLAN_MAX);
	list->vlan_first = 0;
	list->place = 0;
	return ++list->at < BRIDGES_MAX && list->shown < list->limit;
}

/* Known at the end. */
static uint64_t total_seen(const struct ctl_list *list)
{
	return list->seen;
}

/* --- multicast groups ------------------------------------------------------------------------------------------- */

static void group_begins(struct ctl_list *list, uint16_t fid)
{
	entry_begins(list);
	ctl_text_put(list->text, "\"bridge\":");
	ctl_text_string(list->text, list->bridge);
	if (fid != FID_DEFAULT)
		add_number(list->text, "vlan", fid);
}

/* A port of a list, and how long it stays there. */
static void add_group_port(struct ctl_list *list, bool first, uint16_t id, uint64_t until) RUNS_ON(control_thread)
{
	const struct port *port = switch_port_at(list->sw, id);
	uint64_t now = clock_ns();

	ctl_text_put(list->text, first ? "{\"port\":" : ",{\"port\":");
	ctl_text_string(list->text, port != NULL ? port->name : "?");
	add_number(list->text, "expires", until > now ? (until - now + NS_PER_S - 1) / NS_PER_S : 0);
	ctl_text_put(list->text, "}");
}

static void add_group(struct ctl_list *list, const struct group_table *table, uint32_t i) RUNS_ON(control_thread)
{
	const struct group_entry entry = group_table_at(table, i);
	char text[GROUP_ADDRESS_TEXT];

	if (!takes_next(list))
		return;
	group_address_text((enum group_family)entry.key.family, &entry.key.group, text);
	group_begins(list, entry.key.fid);
	add_string(list->text, "group", text);
	add_key(list->text, "ports");
	ctl_text_put(list->text, "[");
	for (uint32_t k = 0; k < entry.n; k++)
		add_group_port(list, k == 0, entry.member[k].port, entry.member[k].until);
	ctl_text_put(list->text, "]}");
}

static bool has_router_by_option(const struct ctl_list *list, const struct port *port) RUNS_ON(control_thread)
{
	return switch_port_config(list->sw, port)->member.multicast_router == BRIDGE_ROUTER_ON;
}

/* Those that are told to have one do so for ever, those where one was heard for a while. */
static void add_routers(struct ctl_list *list, const struct group_state *state) RUNS_ON(control_thread)
{
	const struct bridge *bridge = switch_bridge_at(list->sw, list->at);
	bool first = true;

	for (unsigned int id = 0; id < PORTS_MAX; id++) {
		const struct port *port = switch_port_at(list->sw, id);

		if (port == NULL || port->bridge != bridge || !has_router_by_option(list, port))
			continue;
		ctl_text_put(list->text, first ? "{\"port\":" : ",{\"port\":");
		ctl_text_string(list->text, port->name);
		ctl_text_put(list->text, "}");
		first = false;
	}
	for (uint32_t i = 0; i < state->routers_n; i++) {
		const struct port *port = switch_port_at(list->sw, state->router[i].port);

		if (port != NULL && has_router_by_option(list, port))
			continue;
		add_group_port(list, first, state->router[i].port, state->router[i].until);
		first = false;
	}
}

/* Who asks in a VLAN, and where routers are. */
static void add_querier(struct ctl_list *list, const struct group_queriers *queriers, uint16_t fid, enum group_family family)
	RUNS_ON(control_thread)
{
	char text[GROUP_ADDRESS_TEXT];
	struct group_state state;

	if (!group_queriers_state(queriers, fid, family, &state) || !takes_next(list))
		return;
	group_address_text(family, &state.querier, text);
	group_begins(list, fid);
	add_string(list->text, "family", family == GROUP_IPV4 ? "ipv4" : "ipv6");
	add_string(list->text, "querier", state.ours ? "self" : state.other ? text : "none");
	add_key(list->text, "snooped");
	ctl_text_put(list->text, state.snooped ? "true" : "false");
	add_key(list->text, "routers");
	ctl_text_put(list->text, "[");
	add_routers(list, &state);
	ctl_text_put(list->text, "]}");
}

/* Of each bridge: its VLANs, a family at a time, and then its groups. */
static bool add_groups(struct ctl_list *list)
{
	struct switch_groups_view view;
	struct bridge *bridge;

	role_assert_control();
	bridge = bridge_listed(list, list->at);
	if (bridge != NULL && switch_groups_of(list->sw, list->at, &view)) {
		uint32_t place = list->place++, groups_from = VLAN_VIDS * GROUP_FAMILIES;

		list->bridge = bridge_name(bridge);
		if (place < groups_from)
			add_querier(list, view.queriers, (uint16_t)(place / GROUP_FAMILIES),
				    (enum group_family)(place % GROUP_FAMILIES));
		else if (place - groups_from < group_table_n(view.table))
			add_group(list, view.table, place - groups_from);
		if (place - groups_from < group_table_n(view.table) || place < groups_from)
			return list->shown < list->limit;
	}
	list->place = 0;
	return ++list->at < BRIDGES_MAX && list->shown < list->limit;
}

/* --- any list --------------------------------------------------------------------------------------------------- */

static const struct ctl_list_kind kinds[] = {
	{"ports", PORTS_MAX, add_next_port, ports_total, NULL},
	{"macs", MACS_LIMIT_DEFAULT, add_macs, macs_total, NULL},
	{"vlans", VLAN_VIDS * BRIDGES_MAX, add_vlans, total_seen, NULL},
	{"groups", MACS_LIMIT_DEFAULT, add_groups, total_seen, NULL},
	{"drops", PORTS_MAX, add_drops, total_seen, drops_beside},
};

static const struct ctl_list_kind *kind_of(const char *command)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, command) == 0)
			return &kinds[i];
	return NULL;
}

bool ctl_list_is(const char *command)
{
	return kind_of(command) != NULL;
}

/* A number of the request that is not negative; 0 where there is none. */
static uint64_t number_of(const json_t *request, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(request, key));

	return number > 0 ? (uint64_t)number : 0;
}

struct ctl_list *ctl_list_begin(struct vus_switch *sw, const json_t *request, json_t **error)
{
	const char *only = json_string_value(json_object_get(request, "bridge"));
	struct ctl_list *list = calloc(1, sizeof(*list));
	bool found = only == NULL;

	*error = NULL;
	if (list == NULL)
		return NULL;
	list->sw = sw;
	list->kind = kind_of(json_string_value(json_object_get(request, "command")));
	list->first = number_of(request, "first");
	list->vlan = (uint16_t)number_of(request, "vlan");
	list->limit = json_is_integer(json_object_get(request, "limit")) ? number_of(request, "limit") : list->kind->limit;
	if (only != NULL)
		snprintf(list->only, sizeof(list->only), "%s", only);
	for (unsigned int i = 0; i < BRIDGES_MAX && !found; i++)
		found = switch_bridge_at(sw, i) != NULL && strcmp(bridge_name(switch_bridge_at(sw, i)), only) == 0;
	if (!found)
		*error = ctl_no_bridge(sw, only);
	else if (list->kind->add == add_drops)
		*error = take_ports(list, json_object_get(request, "ports"));
	if (*error == NULL)
		return list;
	free(list);
	return NULL;
}

static void end_text(struct ctl_list *list) RUNS_ON(control_thread)
{
	uint64_t total = list->kind->total(list), end = list->first + list->shown;

	ctl_text_put(list->text, "]");
	if (list->kind->beside != NULL)
		list->kind->beside(list);
	add_number(list->text, "total", total);
	add_number(list->text, "more", list->shown == list->limit && total > end ? total - end : 0);
	add_number(list->text, "time_ns", clock_ns());
	ctl_text_put(list->text, "}");
}

bool ctl_list_next(struct ctl_list *list, struct ctl_text *text)
{
	uint64_t end_ns = clock_ns() + PIECE_US * NS_PER_US;
	bool more = true;

	list->text = text;
	if (!list->begun) {
		list->begun = true;
		ctl_text_put(text, "{\"");
		ctl_text_put(text, list->kind->name);
		ctl_text_put(text, "\":[");
		more = list->limit > 0;
	}
	while (more) {
		more = list->kind->add(list);
		if (more && (text->n >= PIECE_BYTES || clock_ns() >= end_ns))
			return true;
	}
	end_text(list);
	return false;
}

void ctl_list_end(struct ctl_list *list)
{
	free(list);
}

json_t *ctl_list_whole(struct vus_switch *sw, const json_t *request)
{
	struct ctl_text text = {0};
	json_t *reply = NULL;
	struct ctl_list *list = ctl_list_begin(sw, request, &reply);

	if (list == NULL)
		return reply;
	while (ctl_list_next(list, &text))
		;
	ctl_list_end(list);
	if (!text.failed)
		reply = json_loadb(text.bytes, text.n, 0, NULL);
	free(text.bytes);
	return reply;
}
