/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_show.c: an ethdev port for people and for `vusctl -j`. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <rte_mempool.h>

#include "clock.h"
#include "dma.h"
#include "ethdev_private.h"
#include "ethdev_zc.h"
#include "frame_offload.h"

static void ethdev_show_set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text != NULL ? text : ""));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void show_link(const struct ethdev_port *ep, const struct port_state *state, json_t *object)
{
	ethdev_show_set_text(object, "link", state->up ? "up" : "down");
	ethdev_show_set_text(object, "state", state->text);
	if (state->up && ep->seen.link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		set_number(object, "speed_mbps", ep->seen.link.link_speed);
}

static void show_device(const struct ethdev_look *seen, json_t *object)
{
	char text[RTE_ETHER_ADDR_FMT_SIZE];

	if (seen->driver[0] != '\0')
		ethdev_show_set_text(object, "driver", seen->driver);
	if (seen->has_mac) {
		rte_ether_format_addr(text, sizeof(text), &seen->mac);
		ethdev_show_set_text(object, "mac", text);
	}
	if (seen->node >= 0)
		json_object_set_new(object, "numa_node", json_integer(seen->node));
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
	ethdev_show_set_text(object, "vlan_offload", ethdev_vlan_text(dev->vlan));
	set_number(object, "tx_queues", dev->txq_n);
	json_object_set_new(object, "tx_queues_shared", json_boolean(dev->txq_shared));
	ethdev_show_set_text(object, "wakes_by", wakes ? "interrupt" : "a look every millisecond");
	show_zc(dev, object);
	set_number(object, "buffers", dev->pool->size);
	set_number(object, "buffers_free", rte_mempool_avail_count(dev->pool));
}

/* What the device itself has counted since it was started. */
static void show_stats(const struct rte_eth_stats *stats, json_t *object)
{
	json_t *device = json_object();

	set_number(device, "rx", stats->ipackets);
	set_number(device, "tx", stats->opackets);
	set_number(device, "rx_bytes", stats->ibytes);
	set_number(device, "tx_bytes", stats->obytes);
	set_number(device, "imissed", stats->imissed);
	set_number(device, "ierrors", stats->ierrors);
	set_number(device, "oerrors", stats->oerrors);
	set_number(device, "rx_nombuf", stats->rx_nombuf);
	json_object_set_new(object, "device_counters", device);
}

/* The driver's own counters, those that are not zero. */
static void show_xstats(const struct ethdev_counted *counted, json_t *object)
{
	json_t *xstats = json_object();

	for (unsigned int i = 0; i < counted->xstats_n; i++)
		if (counted->values[i].value != 0 && counted->values[i].id < counted->xstats_n)
			set_number(xstats, counted->names[counted->values[i].id].name, counted->values[i].value);
	json_object_set_new(object, "xstats", xstats);
}

/* A device that is starting, or has not answered for a while. */
static void waits_text(const struct ethdev_port *ep, char *text, size_t size)
{
	uint64_t begun_ns = atomic_load_explicit(&ep->begun_ns, memory_order_relaxed);

	if (begun_ns == 0)
		snprintf(text, size, "starting: it waits until other devices have started or stopped");
	else
		snprintf(text, size, "%s: its driver has not come back for %u s", ep->port.starting ? "starting" : "unknown",
			 (unsigned int)((clock_ns() - begun_ns) / NS_PER_S));
}

void ethdev_state(struct port *port, struct port_state *state)
{
	const struct ethdev_port *ep = ethdev_port_of(port);

	role_assert_control();
	state->up = !port->starting && ethdev_look_is_up(&ep->seen);
	if (port->starting || ep->told_late)
		waits_text(ep, state->text, sizeof(state->text));
	else
		ethdev_look_text(&ep->seen, state->text, sizeof(state->text));
}

void ethdev_show(struct port *port, struct json_t *object)
{
	const struct ethdev_port *ep = ethdev_port_of(port);
	struct port_state state;

	role_assert_control();
	ethdev_state(port, &state);
	show_link(ep, &state, object);
	ethdev_show_set_text(object, "device", ep->options.device);
	if (port->starting)
		return;
	show_device(&ep->seen, object);
	show_queues(&ep->dev, object);
	if (ep->seen.counted == NULL)
		return;
	show_stats(&ep->seen.counted->stats, object);
	show_xstats(ep->seen.counted, object);
}
