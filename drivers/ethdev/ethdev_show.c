/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_show.c: an ethdev port for people and for `vusctl -j`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "dma.h"
#include "ethdev_private.h"
#include "ethdev_zc.h"
#include "frame_offload.h"

void ethdev_link_text(uint16_t id, char *text, size_t size)
{
	struct rte_eth_link link = {0};

	if (rte_eth_link_get_nowait(id, &link) != 0 || link.link_status != RTE_ETH_LINK_UP)
		snprintf(text, size, "down: the device has no link (cable, peer or interface)");
	else if (link.link_speed == RTE_ETH_SPEED_NUM_NONE ||
		 link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		snprintf(text, size, "up");
	else
		snprintf(text, size, "up, %g Gbit/s%s", link.link_speed / 1000.0,
			 link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX ? "" : ", half duplex");
}

static void ethdev_show_set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text != NULL ? text : ""));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void show_link(uint16_t id, json_t *object)
{
	struct rte_eth_link link = {0};
	char text[128];
	bool up = rte_eth_link_get_nowait(id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;

	ethdev_link_text(id, text, sizeof(text));
	ethdev_show_set_text(object, "link", up ? "up" : "down");
	ethdev_show_set_text(object, "state", text);
	if (up && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		set_number(object, "speed_mbps", link.link_speed);
}

static void show_device(uint16_t id, json_t *object)
{
	struct rte_ether_addr mac;
	struct rte_eth_dev_info info;
	char text[RTE_ETHER_ADDR_FMT_SIZE];
	int socket = rte_eth_dev_socket_id(id);

	if (rte_eth_dev_info_get(id, &info) == 0)
		ethdev_show_set_text(object, "driver", info.driver_name);
	if (rte_eth_macaddr_get(id, &mac) == 0) {
		rte_ether_format_addr(text, sizeof(text), &mac);
		ethdev_show_set_text(object, "mac", text);
	}
	if (socket >= 0)
		json_object_set_new(object, "numa_node", json_integer(socket));
}

/* Whether guests' frames are read where they lie. */
static void show_zc(const struct ethdev *dev, json_t *object) RUNS_ON(control_thread)
{
	struct dma_status dma = dma_status();
	char text[256];

	if (dev->zc_obstacle != NULL && strcmp(dev->zc_obstacle, "off") != 0)
		snprintf(text, sizeof(text), "on, but frames are copied: %s", dev->zc_obstacle);
	else if (dev->zc_obstacle != NULL)
		snprintf(text, sizeof(text), "off");
	else if (ethdev_zc_stuck(dev))
		snprintf(text, sizeof(text), "on, but frames are copied: the device gives nothing back");
	else if (dev->dma)
		snprintf(text, sizeof(text),
			 "on, frames of %d bytes and more; %u MiB of guests' memory are mapped%s",
			 ETHDEV_ZC_MIN, (unsigned int)(dma.bytes >> 20),
			 dma.waiting + dma.refused == 0 ? ""
			 : dma.refused > 0		? ", the rest could not be"
							: ", more is to come");
	else
		snprintf(text, sizeof(text), "on, frames of %d bytes and more", ETHDEV_ZC_MIN);
	ethdev_show_set_text(object, "zero_copy_tx", text);
	if (dev->zc != NULL)
		set_number(object, "zero_copy_out", ethdev_zc_bodies_n(dev));
}

static void show_queues(const struct ethdev *dev, json_t *object)
	RUNS_ON(control_thread)
{
	bool wakes = true;

	for (uint16_t i = 0; i < dev->rxq_n; i++)
		wakes = wakes && dev->rxq[i]->rxq.wake_fd >= 0 && port_rxq_wakes(&dev->rxq[i]->rxq);
	set_number(object, "mtu", dev->mtu);
	ethdev_show_set_text(object, "offloads",
			     (dev->offloads & FRAME_TSO4) != 0	 ? "checksums, segmentation"
			     : (dev->offloads & FRAME_CSUM) != 0 ? "checksums"
								 : "none");
	set_number(object, "tx_queues", dev->txq_n);
	json_object_set_new(object, "tx_queues_shared", json_boolean(dev->txq_shared));
	ethdev_show_set_text(object, "wakes_by", wakes ? "interrupt" : "a look every millisecond");
	show_zc(dev, object);
	set_number(object, "buffers", dev->pool->size);
	set_number(object, "buffers_free", rte_mempool_avail_count(dev->pool));
}

/* What the device itself has counted since it was started. */
static void show_counted(uint16_t id, json_t *object)
{
	struct rte_eth_stats stats;
	json_t *device;

	if (rte_eth_stats_get(id, &stats) != 0)
		return;
	device = json_object();
	set_number(device, "rx", stats.ipackets);
	set_number(device, "tx", stats.opackets);
	set_number(device, "rx_bytes", stats.ibytes);
	set_number(device, "tx_bytes", stats.obytes);
	set_number(device, "imissed", stats.imissed);
	set_number(device, "ierrors", stats.ierrors);
	set_number(device, "oerrors", stats.oerrors);
	set_number(device, "rx_nombuf", stats.rx_nombuf);
	json_object_set_new(object, "device_counters", device);
}

/* The driver's own counters, those that are not zero. */
static void show_xstats(uint16_t id, json_t *object)
{
	int n = rte_eth_xstats_get(id, NULL, 0);
	struct rte_eth_xstat_name *names = NULL;
	struct rte_eth_xstat *values = NULL;
	json_t *xstats = json_object();

	if (n > 0) {
		names = calloc((size_t)n, sizeof(*names));
		values = calloc((size_t)n, sizeof(*values));
	}
	if (names != NULL && values != NULL &&
	    rte_eth_xstats_get_names(id, names, (unsigned int)n) == n &&
	    rte_eth_xstats_get(id, values, (unsigned int)n) == n)
		for (int i = 0; i < n; i++)
			if (values[i].value != 0 && values[i].id < (uint64_t)n)
				set_number(xstats, names[values[i].id].name, values[i].value);
	free(names);
	free(values);
	json_object_set_new(object, "xstats", xstats);
}

void ethdev_state(struct port *port, struct port_state *state)
{
	struct rte_eth_link link = {0};
	uint16_t id = ethdev_port_of(port)->dev.id;

	role_assert_control();
	state->up = rte_eth_link_get_nowait(id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
	ethdev_link_text(id, state->text, sizeof(state->text));
}

void ethdev_show(struct port *port, struct json_t *object)
{
	struct ethdev_port *ep = ethdev_port_of(port);

	role_assert_control();
	show_link(ep->dev.id, object);
	ethdev_show_set_text(object, "device", ep->device);
	show_device(ep->dev.id, object);
	show_queues(&ep->dev, object);
	show_counted(ep->dev.id, object);
	show_xstats(ep->dev.id, object);
}
