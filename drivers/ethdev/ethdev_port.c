/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ethdev_device.h"
#include "ethdev_dma.h"
#include "ethdev_offload.h"
#include "ethdev_private.h"
#include "ethdev_setup.h"
#include "ethdev_zc.h"
#include "mem_arena.h"
#include "port_link.h"
#include "port_terms.h"

static const uint64_t LINK_LOOK_NS = 250 * NS_PER_MS;
/* Whoever waits for a device for this long is told. */
static const uint64_t LATE_NS = UINT64_C(5) * NS_PER_S;
/* Each so many looks at the link the counters are asked for: once a second. */
enum { LOOKS_WHOLE = 4 };

static void start_run(struct loop_job *job);
static void start_done(struct loop_job *job);
static void look_run(struct loop_job *job);
static void look_done(struct loop_job *job);
static void stop_run(struct loop_job *job);
static void stop_done(struct loop_job *job);
static void close_run(struct loop_job *job);
static void close_done(struct loop_job *job);

/* --- what the device thread does ---------------------------------------------------------------------------------- */

/* `doing` stands in "the device is to be ..." */
static void begin(struct ethdev_port *ep, struct loop_job *job, const char *doing) RUNS_ON(control_thread)
{
	struct loop *loop = ep->port.host->loop;

	/* Behind a start or a look, that is what is waited for. */
	if (!ep->works) {
		ep->doing = doing;
		ep->told_late = false;
		atomic_store_explicit(&ep->begun_ns, 0, memory_order_relaxed);
	}
	ep->works |= job == &ep->work;
	loop_timer_start(loop, &ep->late, LATE_NS);
	loop_device_job_start(loop, job);
}

/* On the device thread. */
static void begun(struct ethdev_port *ep)
{
	role_assert_device();
	atomic_store_explicit(&ep->begun_ns, clock_ns(), memory_order_relaxed);
}

/* Of those that wait, the first says so. */
static void is_late(struct loop_timer *timer)
{
	struct ethdev_port *ep = container_of(timer, struct ethdev_port, late);
	uint64_t begun_ns = atomic_load_explicit(&ep->begun_ns, memory_order_relaxed);
	uint64_t now = clock_ns();

	role_assert_control();
	if (begun_ns == 0 || now - begun_ns < LATE_NS) {
		loop_timer_start(ep->port.host->loop, timer, begun_ns == 0 ? LATE_NS : begun_ns + LATE_NS - now);
		return;
	}
	ep->told_late = true;
	log_warn(ep->port.name,
		 "device %s is to be %s, and its driver has not come back for %u s: other devices wait for it; see what is on "
		 "its other side, and the kernel's log",
		 ep->options.device, ep->doing, (unsigned int)((now - begun_ns) / NS_PER_S));
}

static void came_back(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	uint64_t begun_ns = atomic_load_explicit(&ep->begun_ns, memory_order_relaxed);

	loop_timer_stop(ep->port.host->loop, &ep->late);
	if (ep->told_late)
		log_warn(ep->port.name, "the driver of device %s has come back after %u s", ep->options.device,
			 (unsigned int)((clock_ns() - begun_ns) / NS_PER_S));
	ep->told_late = false;
}

/* A start or a look has come back. False: the port ends meanwhile, and what ends it is behind this. */
static bool work_is_done(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	ep->works = false;
	if (ep->gone != NULL)
		ep->doing = "stopped";
	else
		came_back(ep);
	return ep->gone == NULL;
}

/* --- the link ---------------------------------------------------------------------------------------------------- */

/* Polls the link: few drivers report a change, and those on a thread of EAL's. */
static void link_due(struct loop_timer *timer)
{
	struct ethdev_port *ep = container_of(timer, struct ethdev_port, link_timer);

	role_assert_control();
	ep->work = (struct loop_job){.run = look_run, .done = look_done};
	ep->looks++;
	begin(ep, &ep->work, "asked for its state");
}

static void look_run(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, work);

	role_assert_device();
	begun(ep);
	ethdev_look(ep->dev.id, ep->looks % LOOKS_WHOLE == 0, &ep->look);
}

static void take_look(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	bool was = atomic_load_explicit(&ep->dev.up, memory_order_relaxed), up;
	char text[128];

	ethdev_look_take(&ep->seen, &ep->look);
	loop_timer_start(ep->port.host->loop, &ep->link_timer, LINK_LOOK_NS);
	up = ethdev_look_is_up(&ep->seen);
	if (up == was)
		return;
	atomic_store_explicit(&ep->dev.up, up, memory_order_relaxed);
	ethdev_look_text(&ep->seen, text, sizeof(text));
	log_limited(&ep->link_log, LOG_INFO, ep->port.name, "link %s", text);
	port_tell_link(&ep->port, up);
}

static void look_done(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, work);

	role_assert_control();
	if (work_is_done(ep))
		take_look(ep);
}

/* --- it ends ------------------------------------------------------------------------------------------------------ */

static void finish(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	void (*gone)(void *arg) = ep->gone;

	loop_timer_stop(ep->port.host->loop, &ep->late);
	ethdev_free(&ep->dev);
	ethdev_look_free(&ep->look);
	ethdev_look_free(&ep->seen);
	gone(ep->gone_arg);
	port_fini(&ep->port);
	option_clear(&ethdev_options, &ep->options);
	free(ep);
}

static void close_run(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, end);

	role_assert_device();
	begun(ep);
	if (ep->there)
		ethdev_close(&ep->dev);
}

static void close_done(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, end);

	role_assert_control();
	came_back(ep);
	finish(ep);
}

static void nothing_mapped(void *arg)
{
	struct ethdev_port *ep = arg;

	role_assert_control();
	ep->end = (struct loop_job){.run = close_run, .done = close_done};
	begin(ep, &ep->end, "closed");
}

static void stop_run(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, end);

	role_assert_device();
	begun(ep);
	if (ep->there)
		ethdev_stop(&ep->dev);
}

static void stop_done(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, end);

	role_assert_control();
	came_back(ep);
	if (ep->runs && ep->dev.dma)
		dma_stop(nothing_mapped, ep);
	else
		nothing_mapped(ep);
}

/* No lcore knows it. What is under way, a start or a look, comes first. */
static void stop(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	ep->end = (struct loop_job){.run = stop_run, .done = stop_done};
	begin(ep, &ep->end, "stopped");
}

/* Nothing of a guest's can be on its way to the device any more. */
static void ethdev_port_lcores_left(struct rcu_wait *wait)
{
	role_assert_control();
	stop(container_of(wait, struct ethdev_port, dev.stop_wait));
}

static void ethdev_port_destroy(struct port *port, void (*gone)(void *arg), void *arg)
{
	struct ethdev_port *ep = ethdev_port_of(port);

	role_assert_control();
	loop_timer_stop(port->host->loop, &ep->link_timer);
	atomic_store_explicit(&ep->unwanted, true, memory_order_relaxed);
	ep->gone = gone;
	ep->gone_arg = arg;
	if (ep->runs && ep->dev.zc != NULL)
		ethdev_zc_stop(&ep->dev, ethdev_port_lcores_left);
	else if (port->starting || ep->there)
		stop(ep);
	else
		finish(ep);
}

/* --- it begins ---------------------------------------------------------------------------------------------------- */

static void deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
{
	ethdev_deliver(&ethdev_port_of(port)->dev, port, ctx, frames, n);
}

static void insert(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
{
	ethdev_insert(&ethdev_port_of(port)->dev, port, ctx, frames, n);
}

/* A device that is starting, or ending, has no link. */
static void terms(struct port *port, const struct frame *frame VUS_UNUSED, struct port_terms *terms)
{
	const struct ethdev *dev = &ethdev_port_of(port)->dev;

	role_assert_control();
	if (port->starting || !atomic_load_explicit(&dev->up, memory_order_relaxed))
		terms->refuses = TX_DROP_NOT_READY;
	terms->takes = ethdev_capabilities(dev);
	terms->mbufs = true;
	terms->room = port->starting ? FRAME_HEAD : dev->room;
}

static const struct port_ops ops = {
	.receive = ethdev_receive,
	.complete = ethdev_complete,
	.set_aside = ethdev_set_aside,
	.take_up = ethdev_take_up,
	.deliver = deliver,
	.insert = insert,
	.arm = ethdev_arm,
	.disarm = ethdev_disarm,
	.state = ethdev_state,
	.show = ethdev_show,
	.terms = terms,
	.measure = ethdev_measure,
	.destroy = ethdev_port_destroy,
};

static int make_device(struct ethdev_port *ep, struct fail *fail) RUNS_ON(device_thread)
{
	int error = ethdev_device_take(ep->options.device, ep->port.name, &ep->dev.id, fail);

	if (error != 0)
		return error;
	error = ethdev_start(&ep->dev, &ep->port, &ep->options, fail);
	if (error == 0) {
		ethdev_look(ep->dev.id, true, &ep->look);
		return 0;
	}
	ethdev_close(&ep->dev);
	return fail_prefix(fail, error, "device %s", ep->options.device);
}

static void start_run(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, work);

	role_assert_device();
	begun(ep);
	ep->error = -ECANCELED;
	if (atomic_load_explicit(&ep->unwanted, memory_order_relaxed))
		return;
	ep->error = make_device(ep, &ep->fail);
	mem_arena_guard(); /* its buffers may have made EAL's heap grow */
	ep->there = ep->error == 0;
}

/* From here on lcores may know it. 0 or -ENOMEM. */
static int run(struct ethdev_port *ep) RUNS_ON(control_thread)
{
	struct ethdev *dev = &ep->dev;

	if (port_alloc_rxqs(&ep->port, dev->rxq_n) != 0)
		return fail_set(&ep->fail, -ENOMEM, "device %s: no memory for its queues", ep->options.device);
	for (uint16_t i = 0; i < dev->rxq_n; i++)
		ep->port.rxq[i] = &dev->rxq[i]->rxq;
	ep->port.inserts = dev->vlan == ETHDEV_VLAN_INSERTS;
	ep->runs = true;
	ethdev_zc_begin(dev);
	dev->dma = dev->dma && dev->zc != NULL;
	if (dev->dma)
		dma_start(ep->port.host->loop, &ethdev_dma_ops);
	take_look(ep);
	return 0;
}

static void start_done(struct loop_job *job)
{
	struct ethdev_port *ep = container_of(job, struct ethdev_port, work);
	struct port_host *host = ep->port.host;

	role_assert_control();
	if (!work_is_done(ep))
		return;
	ep->port.starting = false;
	if (ep->error == 0)
		ep->error = run(ep);
	host->started(host, &ep->port, ep->error != 0 ? &ep->fail : NULL);
}

static int ethdev_port_create(struct port_host *host, const struct port_spec *spec, uint16_t id,
			      struct port **port, struct fail *fail)
{
	struct ethdev_port *ep = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*ep), 64u));
	int error;

	role_assert_control();
	if (ep == NULL)
		return fail_set(fail, -ENOMEM, "no memory for a port");
	memset(ep, 0, sizeof(*ep));
	error = port_init(&ep->port, host, &ops, spec, id);
	if (error == 0)
		error = option_copy(&ethdev_options, &ep->options, spec->options);
	if (error == 0)
		error = loop_device_thread(host->loop);
	if (error != 0) {
		option_clear(&ethdev_options, &ep->options);
		port_fini(&ep->port);
		free(ep);
		return fail_set(fail, error, "no memory for a port, or for the thread of its device");
	}
	ep->link_timer.fire = link_due;
	ep->late.fire = is_late;
	ep->port.starting = true;
	ep->work = (struct loop_job){.run = start_run, .done = start_done};
	begin(ep, &ep->work, "started");
	*port = &ep->port;
	return 0;
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
	.metrics = ethdev_metrics,
	.verify = ethdev_options_verify,
	.takes = ethdev_options_takes,
	.warn = ethdev_options_warn,
	.create = ethdev_port_create,
};
