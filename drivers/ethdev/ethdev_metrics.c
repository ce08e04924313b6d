/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_metrics.c: the metrics of a device's port, beside those of any port. */
#include <rte_mempool.h>

#include "ethdev_private.h"
#include "metrics_set.h"

#define PER_DIRECTION(suffix, unit_name, help_text)                                                \
	{.name = "vuswitch_device_" suffix,                                                        \
	 .type = METRICS_COUNTER,                                                                  \
	 .unit = unit_name,                                                                        \
	 .help = help_text,                                                                        \
	 .label = "direction",                                                                     \
	 .value = "rx"},                                                                           \
	{                                                                                          \
		.name = "vuswitch_device_" suffix, .type = METRICS_COUNTER, .unit = unit_name,     \
		.help = help_text, .label = "direction", .value = "tx"                             \
	}

static const struct metrics_row rows[] = {
	{.name = "vuswitch_device_buffers",
	 .type = METRICS_GAUGE,
	 .help = "buffers that the port has for frames of its device"},
	{.name = "vuswitch_device_buffers_free",
	 .type = METRICS_GAUGE,
	 .help = "how many of them are free"},
	PER_DIRECTION("frames", NULL,
		      "frames that the device itself has counted since it was started"),
	PER_DIRECTION("bytes", "bytes", "their bytes, as the device counts them"),
	PER_DIRECTION("errors", NULL, "frames that the device could not receive or send"),
	{.name = "vuswitch_device_missed",
	 .type = METRICS_COUNTER,
	 .help = "frames that the device dropped because nobody took them from it in time"},
	{.name = "vuswitch_device_no_buffer",
	 .type = METRICS_COUNTER,
	 .help = "how often no buffer was free for a frame of the device"},
};

static const struct metrics_kind kind = {
	.title = "Devices",
	.note = "ports of type ethdev that have started; the device's own counters are at most a "
		"second old, and begin anew with it",
	METRICS_ROWS(rows),
	.label = {"port"}};

const struct metrics_kind *const ethdev_metrics[] = {&kind, NULL};

void ethdev_measure(struct port *port, struct metrics_set *set)
{
	static const struct rte_eth_stats none;
	const struct ethdev_port *ep = ethdev_port_of(port);
	const struct rte_eth_stats *stats;

	role_assert_control();
	if (port->starting)
		return;
	stats = ep->seen.counted != NULL ? &ep->seen.counted->stats : &none;
	metrics_set_add(set, &kind, (const char *const[]){port->name},
			(const uint64_t[]){
				ep->dev.pool->size, rte_mempool_avail_count(ep->dev.pool),
				stats->ipackets, stats->opackets, stats->ibytes, stats->obytes,
				stats->ierrors, stats->oerrors, stats->imissed, stats->rx_nombuf});
}
