/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_drops.h"

#include <stdio.h>

#include <rte_cycles.h>

#include "lcore.h"
#include "mirror_map.h"
#include "port_drops.h"

static uint64_t frames_of(const struct port *port, unsigned int reason)
{
	uint64_t frames = 0;

	for (unsigned int i = 0; i < port->counters_n; i++)
		frames += counted(&port->counters[i].value[PORT_COUNTERS_ALONE + reason]);
	return frames;
}

bool ctl_drops_any(const struct port *port)
{
	for (unsigned int reason = 0; reason < PORT_DROPS; reason++)
		if (frames_of(port, reason) > 0)
			return true;
	return false;
}

static void put_number(struct ctl_text *text, const char *key, uint64_t value)
{
	ctl_text_put(text, ",\"");
	ctl_text_put(text, key);
	ctl_text_put(text, "\":");
	ctl_text_number(text, value);
}

/* How long ago; nothing where that is not known. */
static void put_ago(struct ctl_text *text, const char *key, uint64_t at)
{
	uint64_t now = rte_rdtsc();

	if (at != 0)
		put_number(text, key, now > at ? (uint64_t)((double)(now - at) * 1e3 / (double)rte_get_tsc_hz()) : 0);
}

static void put_frame(struct ctl_text *text, const struct drop_seen *seen)
{
	char digits[2 * DROP_BYTES + 1] = "";

	if (seen->at == 0)
		return;
	for (unsigned int i = 0; i < seen->n; i++)
		snprintf(digits + (size_t)2 * i, 3, "%02x", seen->bytes[i]);
	ctl_text_put(text, ",\"frame\":{\"bytes\":\"");
	ctl_text_put(text, digits);
	ctl_text_put(text, "\"");
	put_number(text, "len", seen->len);
	put_ago(text, "ago_ms", seen->at);
	ctl_text_put(text, "}");
}

static void put_reason(struct ctl_text *text, const struct port *port, unsigned int reason, uint64_t frames)
{
	const struct port_counter *row = &port_counter_table[PORT_COUNTERS_ALONE + reason];
	struct drop_seen seen;

	port_drops_read(port, reason, &seen);
	ctl_text_put(text, "{\"reason\":\"");
	ctl_text_put(text, row->group->name);
	ctl_text_put(text, ".");
	ctl_text_put(text, row->name);
	ctl_text_put(text, "\"");
	put_number(text, "frames", frames);
	put_ago(text, "first_ms", seen.first);
	put_ago(text, "last_ms", seen.last);
	put_frame(text, &seen);
	ctl_text_put(text, "}");
}

void ctl_drops_put(struct ctl_text *text, const struct port *port)
{
	bool first = true;

	ctl_text_put(text, "\"port\":");
	ctl_text_string(text, port->name);
	ctl_text_put(text, ",\"reasons\":[");
	for (unsigned int reason = 0; reason < PORT_DROPS; reason++) {
		uint64_t frames = frames_of(port, reason);

		if (frames == 0)
			continue;
		if (!first)
			ctl_text_put(text, ",");
		put_reason(text, port, reason, frames);
		first = false;
	}
	ctl_text_put(text, "]");
}

/* --- what is no port's ---------------------------------------------------------------------------------------------- */

struct own {
	const char *of, *name, *bridge, *reason; /* `name` and `bridge` may be NULL */
	uint64_t count;
};

/* Nothing where there was none. */
static void put_own(struct ctl_text *text, bool *first, const struct own *own)
{
	if (own->count == 0)
		return;
	ctl_text_put(text, *first ? "{\"of\":\"" : ",{\"of\":\"");
	ctl_text_put(text, own->of);
	ctl_text_put(text, "\"");
	if (own->name != NULL) {
		ctl_text_put(text, ",\"name\":");
		ctl_text_string(text, own->name);
	}
	if (own->bridge != NULL) {
		ctl_text_put(text, ",\"bridge\":");
		ctl_text_string(text, own->bridge);
	}
	ctl_text_put(text, ",\"reason\":\"");
	ctl_text_put(text, own->reason);
	ctl_text_put(text, "\"");
	put_number(text, "count", own->count);
	ctl_text_put(text, "}");
	*first = false;
}

static void put_bridge(struct ctl_text *text, bool *first, struct bridge *bridge) RUNS_ON(control_thread)
{
	const struct mirror_map *map = bridge_mirrors(bridge);
	const char *name = bridge_name(bridge);

	put_own(text, first,
		&(struct own){.of = "bridge", .name = name, .reason = "inject_drops", .count = bridge_injects(bridge)->drops});
	for (unsigned int i = 0; map != NULL && i < map->n; i++)
		put_own(text, first,
			&(struct own){.of = "mirror",
				      .name = map->mirror[i]->name,
				      .bridge = name,
				      .reason = "dropped",
				      .count = mirror_sum(map->mirror[i]).dropped});
}

void ctl_drops_put_switch(struct ctl_text *text, const struct vus_switch *sw)
{
	bool first = true;

	put_own(text, &first, &(struct own){.of = "switch", .reason = "reports_lost", .count = lcores_reports_lost()});
	for (unsigned int i = 0; i < BRIDGES_MAX; i++) {
		struct bridge *bridge = switch_bridge_at(sw, i);

		if (bridge != NULL)
			put_bridge(text, &first, bridge);
	}
	for (unsigned int i = 0; i < PORTS_MAX; i++) {
		const struct port *port = switch_port_at(sw, i);

		if (port != NULL)
			put_own(text, &first,
				&(struct own){.of = "capture", .name = port->name, .reason = "lost",
					      .count = switch_captures_lost(sw, port)});
	}
}
