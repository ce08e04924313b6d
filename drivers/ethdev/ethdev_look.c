/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_if.h"

static void counted_free(struct ethdev_counted *counted)
{
	if (counted == NULL)
		return;
	free(counted->names);
	free(counted->values);
	free(counted);
}

static void ask_xstats(uint16_t id, struct ethdev_counted *counted) RUNS_ON(device_thread)
{
	int n = rte_eth_xstats_get(id, NULL, 0);

	if (n <= 0)
		return;
	counted->names = calloc((size_t)n, sizeof(*counted->names));
	counted->values = calloc((size_t)n, sizeof(*counted->values));
	if (counted->names != NULL && counted->values != NULL &&
	    rte_eth_xstats_get_names(id, counted->names, (unsigned int)n) == n &&
	    rte_eth_xstats_get(id, counted->values, (unsigned int)n) == n)
		counted->xstats_n = (unsigned int)n;
}

static struct ethdev_counted *ask_counters(uint16_t id) RUNS_ON(device_thread)
{
	struct ethdev_counted *counted = calloc(1, sizeof(*counted));

	if (counted == NULL || rte_eth_stats_get(id, &counted->stats) != 0) {
		free(counted);
		return NULL;
	}
	ask_xstats(id, counted);
	return counted;
}

void ethdev_look(uint16_t id, bool whole, struct ethdev_look *look)
{
	struct rte_eth_dev_info info;

	*look = (struct ethdev_look){.whole = whole, .node = rte_eth_dev_socket_id(id)};
	if (rte_eth_link_get_nowait(id, &look->link) != 0)
		look->link.link_status = RTE_ETH_LINK_DOWN;
	if (!whole)
		return;
	if (rte_eth_dev_info_get(id, &info) == 0 && info.driver_name != NULL) {
		snprintf(look->driver, sizeof(look->driver), "%s", info.driver_name);
		look->elsewhere = info.if_index != 0 && !kernel_if_is_here(info.if_index);
	}
	look->has_mac = rte_eth_macaddr_get(id, &look->mac) == 0;
	look->counted = ask_counters(id);
}

void ethdev_look_take(struct ethdev_look *to, struct ethdev_look *from)
{
	if (!from->whole) {
		to->link = from->link;
		return;
	}
	counted_free(to->counted);
	*to = *from;
	from->counted = NULL;
}

void ethdev_look_free(struct ethdev_look *look)
{
	counted_free(look->counted);
	look->counted = NULL;
}

bool ethdev_look_is_up(const struct ethdev_look *look)
{
	return look->link.link_status == RTE_ETH_LINK_UP;
}

void ethdev_look_text(const struct ethdev_look *look, char *text, size_t size)
{
	const struct rte_eth_link *link = &look->link;

	if (link->link_status != RTE_ETH_LINK_UP && look->elsewhere)
		snprintf(text, size,
			 "down: its interface is not in this network namespace; nothing goes to it, but it is heard");
	else if (link->link_status != RTE_ETH_LINK_UP)
		snprintf(text, size, "down: the device has no link (cable, peer or interface)");
	else if (link->link_speed == RTE_ETH_SPEED_NUM_NONE || link->link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		snprintf(text, size, "up");
	else
		snprintf(text, size, "up, %g Gbit/s%s", link->link_speed / 1000.0,
			 link->link_duplex == RTE_ETH_LINK_FULL_DUPLEX ? "" : ", half duplex");
}
