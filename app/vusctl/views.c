/* SPDX-License-Identifier: BSD-3-Clause */
#include "views.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "table.h"

/* jansson iterates without const, and does not change what it iterates over. */
#define EACH(list, i, entry) json_array_foreach((json_t *)(list), i, entry)

double number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

void view_ports(const json_t *reply)
{
	static const char *const titles[] = {"PORT",   "BRIDGE",   "TYPE",  "LINK", ">RX",
					     ">TX", ">DROPPED", "STATE", NULL};
	const json_t *port;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(reply, "ports"), i, port)
	{
		table_cell("%s", text_of(port, "name"));
		table_cell("%s", text_of(port, "bridge"));
		table_cell("%s", text_of(port, "type"));
		table_cell("%s", text_of(port, "link"));
		table_cell("%s", human(number_of(port, "rx_ok")));
		table_cell("%s", human(number_of(port, "tx_ok")));
		table_cell("%s", human(number_of(port, "rx_drops") + number_of(port, "tx_drops")));
		table_cell("%s", text_of(port, "state"));
	}
	table_end("");
}

void view_macs(const json_t *reply)
{
	static const char *const titles[] = {"MAC", "BRIDGE", "PORT", ">AGE", NULL};
	const json_t *mac;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(reply, "macs"), i, mac)
	{
		table_cell("%s", text_of(mac, "mac"));
		table_cell("%s", text_of(mac, "bridge"));
		table_cell("%s", text_of(mac, "port"));
		if (json_is_true(json_object_get(mac, "static")))
			table_cell("static");
		else
			table_cell("%.0f s", number_of(mac, "age"));
	}
	table_end("");
	if (number_of(reply, "more") > 0)
		printf("... and %.0f more\n", number_of(reply, "more"));
}

void view_bridges(const json_t *reply)
{
	static const char *const titles[] = {"BRIDGE",	 ">PORTS",   ">MACS",  ">OF",
					     ">AGING",	 ">LEARNED", ">MOVED", ">AGED",
					     ">EVICTED", ">REFUSED", NULL};
	static const char *const keys[] = {"learned", "moved", "aged", "evicted", "refused"};
	const json_t *bridge;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(reply, "bridges"), i, bridge)
	{
		table_cell("%s", text_of(bridge, "name"));
		table_cell("%.0f", number_of(bridge, "ports"));
		table_cell("%.0f", number_of(bridge, "macs"));
		table_cell("%.0f", number_of(bridge, "mac_table_size"));
		if (number_of(bridge, "mac_aging") > 0)
			table_cell("%.0f s", number_of(bridge, "mac_aging"));
		else
			table_cell("never");
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			table_cell("%s", human(number_of(bridge, keys[k])));
	}
	table_end("");
}

/* --- rates ------------------------------------------------------------------------------------------------------ */

static double seconds_between(const json_t *before, const json_t *after)
{
	double ns = number_of(after, "time_ns") - number_of(before, "time_ns");

	return ns > 0 ? ns / 1e9 : 1;
}

/* The entry of `list` whose `key` is the same as in `like`; NULL: it was not there. */
static const json_t *same_in(const json_t *list, const json_t *like, const char *key)
{
	const json_t *entry;
	size_t i;

	EACH(list, i, entry)
	{
		if (json_equal(json_object_get(entry, key), json_object_get(like, key)))
			return entry;
	}
	return NULL;
}

/* How much a counter grew: all of it if what it counts is new, or was made anew. */
static double growth(const json_t *before, const json_t *after, const char *key)
{
	double now = number_of(after, key), then = number_of(before, key);

	return now >= then ? now - then : now;
}

static void rate_cells(const json_t *before, const json_t *after, const char *frames,
		       const char *bytes, double seconds)
{
	table_cell("%s", human(growth(before, after, frames) / seconds));
	table_cell("%s", human(growth(before, after, bytes) * 8 / seconds));
}

void view_rates(const json_t *before, const json_t *after)
{
	static const char *const titles[] = {"PORT",	   "LINK",     ">RX/s",
					     ">bit/s",	   ">TX/s", ">bit/s",
					     ">DROPPED/s", "STATE",    NULL};
	double seconds = seconds_between(before, after);
	const json_t *port;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(after, "ports"), i, port)
	{
		const json_t *then = same_in(json_object_get(before, "ports"), port, "name");

		table_cell("%s", text_of(port, "name"));
		table_cell("%s", text_of(port, "link"));
		rate_cells(then, port, "rx_ok", "rx_bytes", seconds);
		rate_cells(then, port, "tx_ok", "tx_bytes", seconds);
		table_cell("%s",
			   human((growth(then, port, "rx_drops") + growth(then, port, "tx_drops")) /
				 seconds));
		table_cell("%s", text_of(port, "state"));
	}
	table_end("");
}

/* "vm1:0 45% vm2:0 3%": what each queue costs; as the switch has smoothed it, because a queue may just have moved. */
static void polls_text(const json_t *lcore, char *text, size_t size)
{
	const json_t *queue;
	size_t i, at = 0;

	snprintf(text, size, "-");
	EACH(json_object_get(lcore, "polls"), i, queue)
	{
		if (at < size)
			at += (size_t)snprintf(text + at, size - at, "%s%s:%.0f %.0f%%",
					       i > 0 ? " " : "", text_of(queue, "port"),
					       number_of(queue, "queue"),
					       number_of(queue, "load_percent"));
	}
}

static void print_moves(const json_t *list, const char *verb)
{
	const json_t *move;
	size_t i;

	EACH(list, i, move)
	{
		printf("%s queue %.0f of %s (%.0f %%) from lcore %.0f to %.0f: the busier of them at "
		       "%.0f %% instead of %.0f %%\n",
		       verb, number_of(move, "queue"), text_of(move, "port"),
		       number_of(move, "load_percent"), number_of(move, "from"),
		       number_of(move, "to"), number_of(move, "after_percent"),
		       number_of(move, "before_percent"));
	}
}

void view_moved(const json_t *reply)
{
	const json_t *moved = json_object_get(reply, "moved");

	print_moves(moved, "moved");
	if (json_array_size(moved) == 0)
		printf("no queue moved: there is too little to gain\n");
}

void view_lcores(const json_t *before, const json_t *after)
{
	static const char *const titles[] = {"LCORE",	 ">CPU",	  ">BUSY",
					     ">ASLEEP",	 ">CYCLES/FRAME", ">FRAMES/s",
					     ">LONGEST", "POLLS",	  NULL};
	static const char *const numa_titles[] = {"LCORE",	   ">CPU",     ">NODE",	   ">CROSS", ">BUSY", ">ASLEEP",
						  ">CYCLES/FRAME", ">FRAMES/s", ">LONGEST", "POLLS",  NULL};
	double seconds = seconds_between(before, after);
	double cycles = seconds * number_of(after, "cycles_per_second");
	bool numa = json_object_get(json_array_get(json_object_get(after, "lcores"), 0), "node") != NULL;
	const json_t *lcore;
	size_t i;

	table_begin(numa ? numa_titles : titles);
	EACH(json_object_get(after, "lcores"), i, lcore)
	{
		const json_t *then = same_in(json_object_get(before, "lcores"), lcore, "lcore");
		double busy = growth(then, lcore, "busy_cycles");
		double idle = growth(then, lcore, "idle_cycles");
		double frames = growth(then, lcore, "frames");
		char polls[256];

		polls_text(lcore, polls, sizeof(polls));
		table_cell("%.0f", number_of(lcore, "lcore"));
		table_cell("%.0f", number_of(lcore, "cpu"));
		if (numa) {
			/* Queues that it polls and whose memory lies on another node, of how many. */
			table_cell("%.0f", number_of(lcore, "node"));
			table_cell("%.0f/%zu", number_of(lcore, "crossing"), json_array_size(json_object_get(lcore, "polls")));
		}
		table_cell("%.0f %%", busy > cycles ? 100 : 100 * busy / cycles);
		/* A sleep is counted when it ends: what is not accounted for yet is one that goes on. */
		table_cell("%.0f %%",
			   busy + idle > cycles ? 0 : 100 * (cycles - busy - idle) / cycles);
		table_cell("%.0f", frames > 0 ? busy / frames : 0);
		table_cell("%s", human(frames / seconds));
		table_cell("%.0f us", number_of(lcore, "longest_us"));
		table_cell("%s", polls);
	}
	table_end("");
	printf("rebalance: %s; %.0f moves so far\n", text_of(after, "rebalance"),
	       number_of(after, "moves"));
	print_moves(json_object_get(after, "would_move"), "would move");
}
