/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_show.h"

#include <stdio.h>

#include "group_table.h"
#include "policy.h"

static void set_count(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

/* A reason stands in its group's object, and in the sum beside that. */
static void set_reason(json_t *object, const struct port_counter *counter, uint64_t value)
{
	const struct port_counter_group *group = counter->group;
	json_t *reasons = json_object_get(object, group->name);
	uint64_t before = 0;

	if (reasons == NULL) {
		reasons = json_object();
		json_object_set_new(object, group->name, reasons);
	} else {
		before = (uint64_t)json_integer_value(json_object_get(object, group->total));
	}
	set_count(reasons, counter->name, value);
	set_count(object, group->total, before + value);
}

static void set_counters(json_t *object, const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	for (int i = 0; i < PORT_COUNTERS; i++) {
		const struct port_counter *counter = &port_counter_table[i];
		uint64_t value = counted(&sum.value[i]);

		if (counter->group != NULL)
			set_reason(object, counter, value);
		else
			set_count(object, counter->name, value);
	}
}

/* null: not known. */
static json_t *show_node(int node)
{
	return node == NODE_UNKNOWN ? json_null() : json_integer(node);
}

static json_t *show_queue(const struct port *port, uint16_t i) RUNS_ON(control_thread)
{
	const struct port_rxq *q = port->rxq[i];
	json_t *object = json_object();

	set_count(object, "queue", i);
	json_object_set_new(object, "ready", json_boolean(q->ready));
	/* null: no lcore polls it. */
	json_object_set_new(object, "lcore",
			    q->lcore < 0
				    ? json_null()
				    : json_integer(lcore_id(lcore_at((unsigned int)q->lcore))));
	json_object_set_new(object, "pinned", json_boolean(q->pinned));
	json_object_set_new(object, "wakes", json_boolean(q->wake_fd >= 0 && port_rxq_wakes(q)));
	set_count(object, "frames", counted(&q->frames));
	set_count(object, "bursts", counted(&q->bursts));
	set_count(object, "busy_cycles", counted(&q->cycles));
	set_count(object, "moves", q->moves);
	if ((port_policy_flags(port) & POLICY_RATE_FROM) != 0)
		set_count(object, "waited_us", counted(&q->waited) / (lcore_cycles_per_second() / 1000000));
	if (nodes_several()) {
		json_object_set_new(object, "node", show_node(q->node));
		json_object_set_new(object, "crosses",
				    json_boolean(q->lcore >= 0 && lcore_crosses(lcore_at((unsigned int)q->lcore), q)));
	}
	return object;
}

static json_t *show_common(const struct vus_switch *sw, struct port *port) RUNS_ON(control_thread)
{
	const struct config_port *config = switch_port_config(sw, port);
	json_t *object = json_object();

	json_object_set_new(object, "name", json_string(port->name));
	json_object_set_new(object, "type", json_string(config->type));
	json_object_set_new(object, "bridge", json_string(config->member.bridge));
	json_object_set_new(object, "from", json_string(switch_port_from(sw, port)));
	if (switch_port_profile(sw, port) != NULL)
		json_object_set_new(object, "profile", json_string(switch_port_profile(sw, port)));
	set_count(object, "id", port->id);
	if (port->starting)
		json_object_set_new(object, "starting", json_true());
	return object;
}

json_t *ctl_show_port(const struct vus_switch *sw, struct port *port)
{
	const struct config_port *config = switch_port_config(sw, port);
	json_t *object = show_common(sw, port), *options = json_object(), *queues = json_array();

	option_to_json(config->driver->options, config->options, options);
	option_to_json(&bridge_port_options, &config->member, options);
	for (unsigned int i = 0; !config->driver->paces && i < bridge_port_options.n; i++)
		if (bridge_port_options_paces(bridge_port_options.row[i].key))
			json_object_del(options, bridge_port_options.row[i].key);
	json_object_set_new(object, "options", options);
	port->ops->show(port, object);
	if (switch_link_is_set_down(sw, port->name)) {
		json_object_set_new(object, "link", json_string("down"));
		json_object_set_new(object, "link_set", json_string("down"));
	} else if (switch_port_closed_seconds(sw, port) > 0) {
		struct port_state state;

		switch_port_state(sw, port, &state);
		json_object_set_new(object, "state", json_string(state.text));
		json_object_set_new(object, "closed", json_true());
	}
	for (uint16_t i = 0; i < port->rxq_n; i++)
		if (port->rxq[i] != NULL)
			json_array_append_new(queues, show_queue(port, i));
	json_object_set_new(object, "rx_queues", queues);
	set_counters(object, port);
	return object;
}

json_t *ctl_show_profile(const struct config *config, const struct config_profile *profile)
{
	json_t *options = json_object();

	option_given_to_json(&bridge_port_options, &profile->member, options);
	for (unsigned int i = 0; config->drivers[i] != NULL; i++)
		option_given_to_json(config->drivers[i]->options, profile->options[i], options);
	return json_pack("{s:s, s:s, s:s*, s:i, s:o}", "name", profile->name, "from", config_profile_from(profile), "type",
			 profile->type, "ports", 0, "options", options);
}

/* --- bridges ---------------------------------------------------------------------------------------------------- */

json_t *ctl_show_bridge(const struct vus_switch *sw, unsigned int index)
{
	struct bridge *bridge = switch_bridge_at(sw, index);
	const struct bridge_options *options = switch_bridge_options(sw, index);
	const struct config_bridge *config = config_find_bridge(switch_config(sw), bridge_name(bridge));
	struct switch_groups_view groups;
	json_t *object = json_object();
	struct fdb_stats stats;

	fdb_stats(bridge_fdb(bridge), &stats);
	json_object_set_new(object, "name", json_string(bridge_name(bridge)));
	if (config != NULL)
		json_object_set_new(object, "from", json_string(config_bridge_from(config)));
	set_count(object, "ports", bridge_ports_n(bridge));
	set_count(object, "macs", stats.entries);
	set_count(object, "mac_table_size", options->mac_table_size);
	set_count(object, "mac_limit_per_port", options->mac_limit_per_port);
	set_count(object, "mac_aging", options->mac_aging);
	json_object_set_new(object, "vlan_aware", json_boolean(options->vlan_aware));
	json_object_set_new(object, "forward_link_local", json_boolean(options->forward_link_local));
	json_object_set_new(object, "multicast_snooping", json_boolean(options->multicast_snooping));
	if (switch_groups_of(sw, index, &groups))
		set_count(object, "groups", group_table_n(groups.table));
	set_count(object, "learned", stats.learned);
	set_count(object, "moved", stats.moved);
	set_count(object, "aged", stats.aged);
	set_count(object, "evicted", stats.evicted);
	set_count(object, "refused", stats.refused);
	set_count(object, "inject_drops", bridge_injects(bridge)->drops);
	return object;
}

/* --- lcores ----------------------------------------------------------------------------------------------------- */

/* A share of `whole` in percent, 0 of nothing. */
static json_t *percent(uint64_t part, uint64_t whole)
{
	return json_real(whole == 0 ? 0.0 : 100.0 * (double)part / (double)whole);
}

static json_t *show_polled(const struct lcore *lcore) RUNS_ON(control_thread)
{
	const struct poll_set *set = lcore_poll_set(lcore);
	json_t *list = json_array();

	for (uint16_t i = 0; i < set->n; i++) {
		const struct port_rxq *q = set->queue[i];
		json_t *object = json_pack("{s:s, s:i, s:I, s:f}", "port", q->port->name, "queue", (int)q->index, "busy_cycles",
					   (json_int_t)counted(&q->cycles), "load_percent",
					   balance_load_of(set->queue[i])->share / (double)BALANCE_PERCENT);

		if (nodes_several())
			json_object_set_new(object, "node", show_node(q->node));
		json_array_append_new(list, object);
	}
	return list;
}

/* How many of its queues have their memory on another node. */
static unsigned int crossing_of(const struct lcore *lcore) RUNS_ON(control_thread)
{
	const struct poll_set *set = lcore_poll_set(lcore);
	unsigned int n = 0;

	for (uint16_t i = 0; i < set->n; i++)
		n += lcore_crosses(lcore, set->queue[i]);
	return n;
}

json_t *ctl_show_move(const struct lcores_move *move)
{
	const struct balance_move *gain = &move->gain;

	return json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:f}", "port", move->queue->port->name,
			 "queue", (int)move->queue->index, "from",
			 (int)lcore_id(lcore_at(gain->from)), "to", (int)lcore_id(lcore_at(gain->to)),
			 "load_percent", gain->load / (double)BALANCE_PERCENT,
			 "before_percent", gain->before / (double)BALANCE_PERCENT,
			 "after_percent", gain->after / (double)BALANCE_PERCENT);
}

json_t *ctl_show_lcore(const struct lcore *lcore)
{
	const struct lcore_counters *counters = lcore_counters(lcore);
	uint64_t busy = counted(&counters->busy), idle = counted(&counters->idle);
	uint64_t asleep = counted(&counters->asleep), frames = counted(&counters->frames);
	uint64_t all = busy + idle + asleep;
	json_t *object = json_object();

	set_count(object, "lcore", lcore_id(lcore));
	json_object_set_new(object, "cpu", json_integer(lcore_cpu(lcore)));
	set_count(object, "frames", frames);
	set_count(object, "loops", counted(&counters->loops));
	set_count(object, "sleeps", counted(&counters->sleeps));
	set_count(object, "rings", counted(&counters->rings));
	set_count(object, "busy_cycles", busy);
	set_count(object, "idle_cycles", idle);
	set_count(object, "asleep_cycles", asleep);
	json_object_set_new(object, "load_percent", json_real(lcore_load(lcore) / (double)BALANCE_PERCENT));
	json_object_set_new(object, "busy_percent", percent(busy, all));
	json_object_set_new(object, "asleep_percent", percent(asleep, all));
	json_object_set_new(object, "cycles_per_packet",
			    json_real(frames == 0 ? 0.0 : (double)busy / (double)frames));
	json_object_set_new(object, "longest_us",
			    json_real((double)counted(&counters->longest) * 1e6 /
				      (double)lcore_cycles_per_second()));
	if (nodes_several()) {
		json_object_set_new(object, "node", show_node(lcore_node(lcore)));
		set_count(object, "crossing", crossing_of(lcore));
	}
	json_object_set_new(object, "polls", show_polled(lcore));
	return object;
}
