/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "clock.h"
#include "ethdev_device.h"
#include "ethdev_dma.h"
#include "ethdev_private.h"
#include "ethdev_setup.h"
#include "ethdev_zc.h"
#include "monitor.h"

static const uint64_t LINK_LOOK_NS = 250 * NS_PER_MS;

/* --- the link ---------------------------------------------------------------------------------------------------- */

/* Polls the link: few drivers report a change, and those on a thread of EAL's. */
static void look_at_link(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	struct rte_eth_link link = {0};
	bool was = atomic_load_explicit(&ep->dev.up, memory_order_relaxed), up;
	char text[128];

	up = rte_eth_link_get_nowait(ep->dev.id, &link) == 0 &&
	     link.link_status == RTE_ETH_LINK_UP;
	if (up == was)
		return;
	atomic_store_explicit(&ep->dev.up, up, memory_order_relaxed);
	ethdev_link_text(ep->dev.id, text, sizeof(text));
	log_limited(&ep->link_log, LOG_INFO, ep->port.name, "link %s", text);
	monitor_emit(MONITOR_LINK, ep->port.name, "{s:s}", "link", up ? "up" : "down");
}

static void link_due(struct loop_timer *timer)
{
	struct ethdev_port *ep = container_of(timer, struct ethdev_port, link_timer);

	role_assert_control();
	look_at_link(ep);
	loop_timer_start(ep->port.host->loop, timer, LINK_LOOK_NS);
}

/* --- its life ---------------------------------------------------------------------------------------------------- */

static void deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
{
	ethdev_deliver(&ethdev_port_of(port)->dev, port, ctx, frames, n);
}

static void device_done(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	void (*gone)(void *arg) = ep->gone;

	ethdev_device_give_back(ep->dev.id);
	ethdev_free(&ep->dev);
	gone(ep->gone_arg);
	port_fini(&ep->port);
	free(ep->device);
	free(ep);
}

static void nothing_mapped(void *arg)
{
	role_assert_control();
	device_done(arg);
}

/* Nothing of a guest's can be on its way to the device any more. */
static void ethdev_port_lcores_left(struct rcu_wait *wait)
{
	struct ethdev_port *ep = container_of(wait, struct ethdev_port, dev.stop_wait);

	role_assert_control();
	ethdev_stop(&ep->dev);
	if (ep->dev.dma)
		dma_stop(nothing_mapped, ep);
	else
		device_done(ep);
}

static void ethdev_port_destroy(struct port *port, void (*gone)(void *arg), void *arg)
{
	struct ethdev_port *ep = ethdev_port_of(port);

	role_assert_control();
	loop_timer_stop(port->host->loop, &ep->link_timer);
	ep->gone = gone;
	ep->gone_arg = arg;
	if (ep->dev.zc != NULL) {
		ethdev_zc_stop(&ep->dev, ethdev_port_lcores_left);
		return;
	}
	ethdev_stop(&ep->dev);
	device_done(ep);
}

static const struct port_ops ops = {
	.receive = ethdev_receive,
	.complete = ethdev_complete,
	.set_aside = ethdev_set_aside,
	.take_up = ethdev_take_up,
	.deliver = deliver,
	.arm = ethdev_arm,
	.disarm = ethdev_disarm,
	.state = ethdev_state,
	.show = ethdev_show,
	.destroy = ethdev_port_destroy,
};

/* The port around a device that was taken; everything but the device is undone on failure. */
static int start(struct ethdev_port *ep, const struct ethdev_options *options, struct fail *fail)
	RUNS_ON(control_thread)
{
	int error = ethdev_start(&ep->dev, &ep->port, options, fail);

	if (error != 0)
		return fail_prefix(fail, error, "device %s", options->device);
	ep->link_timer.fire = link_due;
	look_at_link(ep);
	loop_timer_start(ep->port.host->loop, &ep->link_timer, LINK_LOOK_NS);
	ep->dev.dma = ep->dev.dma && ep->dev.zc != NULL;
	if (ep->dev.dma)
		dma_start(ep->port.host->loop, &ethdev_dma_ops);
	return 0;
}

static int ethdev_port_create(struct port_host *host, const struct port_spec *spec, uint16_t id,
			      struct port **port, struct fail *fail)
{
	const struct ethdev_options *options = spec->options;
	struct ethdev_port *ep = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*ep), 64u));
	int error;

	role_assert_control();
	if (ep == NULL)
		return fail_set(fail, -ENOMEM, "no memory for a port");
	memset(ep, 0, sizeof(*ep));
	error = port_init(&ep->port, host, &ops, spec, id);
	ep->device = strdup(options->device);
	if (error != 0 || ep->device == NULL) {
		error = fail_set(fail, -ENOMEM, "no memory for a port");
		goto no_device;
	}
	error = ethdev_device_take(options->device, spec->name, &ep->dev.id, fail);
	if (error != 0)
		goto no_device;
	error = start(ep, options, fail);
	if (error != 0) {
		ethdev_device_give_back(ep->dev.id);
		ethdev_free(&ep->dev);
		goto no_device;
	}
	*port = &ep->port;
	return 0;

no_device:
	port_fini(&ep->port);
	free(ep->device);
	free(ep);
	return error;
}

const struct port_driver ethdev_port_driver = {
	.type = "ethdev",
	.option = "--ethdev",
	.example = "up0=0000:03:00.0",
	.help = "a DPDK device as a port, without a file; may be repeated; DEVICE may have arguments, as in "
		"up0=net_tap0,iface=tap0",
	.anew = "its link is down meanwhile",
	.arguments = true,
	.options = &ethdev_options,
	.verify = ethdev_options_verify,
	.takes = ethdev_options_takes,
	.warn = ethdev_options_warn,
	.create = ethdev_port_create,
};
