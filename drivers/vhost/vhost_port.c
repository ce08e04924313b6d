/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_port.h"

#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "loop.h"
#include "port_link.h"
#include "vhost_options.h"
#include "vhost_rings.h"

/* An Ethernet header and two VLAN tags: an MTU counts neither. */
enum { FRAME_OVERHEAD = ETH_HLEN + 2 * 4 };

/* --- what the device tells -------------------------------------------------------------------------------------- */

/* The queues that are ready, in a new set; NULL if there are none, or no memory (then frames are dropped, counted). */
static struct vhost_tx_set *tx_set_create(struct vhost_port *vhost)
{
	unsigned int n = (unsigned int)__builtin_popcount(vhost->tx_ready);
	struct vhost_tx_set *set;

	if (n == 0)
		return NULL;
	set = malloc(sizeof(*set) + n * sizeof(set->queue[0]));
	if (set == NULL) {
		log_error(vhost->port.name, "no memory for its set of queues: frames to it are dropped");
		return NULL;
	}
	set->n = 0;
	for (unsigned int pair = 0; pair < vhost->pairs; pair++) {
		if ((vhost->tx_ready & UINT32_C(1) << pair) == 0)
			continue;
		set->queue[set->n].index = 2 * pair;
		set->queue[set->n].ring = vhu_device_virtq(vhost->device, 2 * pair);
		set->n++;
	}
	return set;
}

static void to_guest_changed(struct vhost_port *vhost, unsigned int pair, bool ready)
	RUNS_ON(control_thread)
{
	const struct vhost_tx_set *before = rcu_own(&vhost->tx);
	uint32_t bit = UINT32_C(1) << pair;

	vhost->tx_ready = ready ? vhost->tx_ready | bit : vhost->tx_ready & ~bit;
	rcu_set(&vhost->tx, tx_set_create(vhost));
	rcu_free_in(&vhost->port.scope, (void *)(uintptr_t)before);
	vhost->port.cannot_receive = vhost->tx_ready == 0;
	/* A guest that stops here may be about to run elsewhere. */
	if (vhost->port.cannot_receive && !vhost->ending)
		vhost->port.host->peer_gone(vhost->port.host, &vhost->port);
}

void vhost_tell_link(struct vhost_port *vhost)
{
	bool up = vhost->tx_ready != 0 || vhost->link != NULL;

	for (unsigned int pair = 0; pair < vhost->pairs; pair++)
		up |= vhost->rxq[pair].q.ready;
	port_tell_link(&vhost->port, up);
}

static void ring_moved(struct vhost_port *vhost, unsigned int index, bool ready) RUNS_ON(control_thread)
{
	unsigned int pair = index / 2;

	if (ready)
		vhost_home_begin(vhost);
	if (ready) /* a fresh start: the next fault is news, however soon it comes */
		atomic_store_explicit(&vhost->reported_epoch[index], 0, memory_order_relaxed);
	if (index % 2 == 0) {
		to_guest_changed(vhost, pair, ready);
		return;
	}
	if (ready)
		atomic_store_explicit(&vhost->rxq[pair].discards,
				      vhu_device_ring_discards(vhost->device, index),
				      memory_order_relaxed);
	vhost->rxq[pair].q.ready = ready;
	if (!vhost->ending)
		vhost->port.host->queues_changed(vhost->port.host, &vhost->port);
}

static void ring_changed(void *owner, unsigned int index, bool ready)
{
	role_assert_control();
	ring_moved(owner, index, ready);
	vhost_tell_link(owner);
}

static void mtu_changed(void *owner, uint16_t mtu)
{
	struct vhost_port *vhost = owner;

	vhost->mtu = mtu;
	atomic_store_explicit(&vhost->len_max,
			      mtu != 0 ? (uint32_t)mtu + FRAME_OVERHEAD : (uint32_t)FRAME_LEN_MAX,
			      memory_order_relaxed);
	if (vhost->link != NULL)
		atomic_store(&vhost->link->shared->len_max, atomic_load(&vhost->len_max));
}

static void rarp_asked(void *owner, const uint8_t mac[6])
{
	struct vhost_port *vhost = owner;

	role_assert_control();
	if (!vhost->ending)
		vhost->port.host->announce(vhost->port.host, &vhost->port, mac);
}

static void front_end_gone(void *owner)
{
	struct vhost_port *vhost = owner;

	role_assert_control();
	/* Another may come, with a lane of its own. */
	vhost_lane_retire(vhost);
	if (!vhost->ending)
		vhost->port.host->peer_gone(vhost->port.host, &vhost->port);
}

/* Comes before the queue is ready and goes after every lcore has left it: the queue is in no poll set meanwhile. */
static void kick_changed(void *owner, unsigned int index, int fd)
{
	struct vhost_port *vhost = owner;

	role_assert_control();
	if (index % 2 == 0)
		return;
	vhost->rxq[index / 2].q.wake_fd = fd;
	vhost->rxq[index / 2].q.account = fd >= 0 ? vhu_device_account(vhost->device) : NULL;
}

static const struct vhu_events device_events = {
	.ring = ring_changed,
	.mtu = mtu_changed,
	.rarp = rarp_asked,
	.gone = front_end_gone,
	.kick = kick_changed,
	.lane = vhost_lane_begins,
	.lane_ended = vhost_lane_ends,
};

/* --- the port --------------------------------------------------------------------------------------------------- */

static void ring_broken(struct port *port, unsigned int index)
{
	role_assert_control();
	vhu_device_ring_broken(vhost_port_of(port)->device, index);
}

static void vhost_free(struct vhost_port *vhost)
{
	for (unsigned int i = 0; i < vhost->pairs; i++)
		port_rxq_fini(&vhost->rxq[i].q);
	port_fini(&vhost->port);
	free(vhost->socket);
	node_free(vhost, vhost_size(vhost->pairs));
}

/* The device is gone, and with it every lcore that could see its queues. */
static void vhost_port_device_gone(void *arg)
{
	struct vhost_port *vhost = arg;
	void (*gone)(void *arg) = vhost->gone;
	void *gone_arg = vhost->gone_arg;

	free((void *)(uintptr_t)rcu_own(&vhost->tx));
	vhost_free(vhost);
	gone(gone_arg);
}

static void vhost_port_destroy(struct port *port, void (*gone)(void *arg), void *arg)
{
	struct vhost_port *vhost = vhost_port_of(port);

	role_assert_control();
	vhost->ending = true;
	vhost->gone = gone;
	vhost->gone_arg = arg;
	vhost_lane_retire(vhost);
	vhost_home_end(vhost);
	vhu_device_destroy(vhost->device, port->host->ending, vhost_port_device_gone, vhost);
}

/* The socket's rights and the bounds are live; what is not given any more is as it would be by itself. */
static int reconfigure(struct port *port, const void *options, uint64_t changed, struct fail *fail)
{
	struct vhost_port *vhost = vhost_port_of(port);
	const struct rights next = vhost_options_rights(options);
	struct rights whole = next;
	struct stall_bound bound[STALL_KINDS];
	int error;

	role_assert_control();
	(void)changed;
	rights_fill(&whole, &vhost->rights);
	error = vhu_device_set_rights(vhost->device, &whole, fail);
	if (error == 0)
		vhost->rights = next;
	vhost_options_bounds(options, bound);
	vhu_device_set_stall_bounds(vhost->device, bound);
	return error;
}

static const struct port_ops vhost_ops = {
	.receive = vhost_receive,
	.complete = vhost_complete,
	.deliver = vhost_deliver,
	.ahead = vhost_ahead,
	.arm = vhost_arm,
	.disarm = vhost_disarm,
	.watch = vhost_watch,
	.set_aside = vhost_set_aside,
	.take_up = vhost_take_up,
	.ring_broken = ring_broken,
	.state = vhost_state,
	.show = vhost_show,
	.terms = vhost_terms,
	.measure = vhost_measure,
	.reconfigure = reconfigure,
	.destroy = vhost_port_destroy,
};

static struct vhost_port *vhost_alloc(struct port_host *host, const struct port_spec *spec,
				      uint16_t id, unsigned int pairs)
{
	struct vhost_port *vhost = node_alloc(vhost_size(pairs), NODE_UNKNOWN);

	if (vhost == NULL)
		return NULL;
	vhost->pairs = pairs;
	vhost->socket = strdup(((const struct vhost_options *)spec->options)->socket);
	if (vhost->socket == NULL || port_init(&vhost->port, host, &vhost_ops, spec, id) != 0 ||
	    port_alloc_rxqs(&vhost->port, (uint16_t)pairs) != 0) {
		vhost_free(vhost);
		return NULL;
	}
	return vhost;
}

static void add_queues(struct vhost_port *vhost) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < vhost->pairs; i++) {
		struct vhost_rxq *rxq = &vhost->rxq[i];

		rxq->ring = vhu_device_virtq(vhost->device, 2 * i + 1);
		rxq->other = vhu_device_virtq(vhost->device, 2 * i);
		port_rxq_init(&rxq->q, &vhost->port, (uint16_t)i);
		vhost->port.rxq[i] = &rxq->q;
	}
}

static int vhost_port_create(struct port_host *host, const struct port_spec *spec, uint16_t id,
			     struct port **port, struct fail *fail)
{
	const struct vhost_options *options = spec->options;
	struct vhu_config config = {
		.name = spec->name,
		.socket = options->socket,
		.mode = options->mode,
		.rights = vhost_options_rights(options),
		.queue_pairs = options->queues,
		.postcopy_off = !options->postcopy,
		.offloads_off = !options->offloads,
		.control_queue_off = !options->control_queue,
		.journal = host->journal,
	};
	struct vhost_port *vhost;
	int error;

	role_assert_control();
	vhost_options_bounds(options, config.stall);
	vhost = vhost_alloc(host, spec, id, config.queue_pairs);
	if (vhost == NULL)
		return fail_set(fail, -ENOMEM, "no memory for a port");
	config.scope = &vhost->port.scope;
	vhost->mode = config.mode;
	vhost->rights = config.rights;
	vhost->port.cannot_receive = true;
	mtu_changed(vhost, 0);
	error = vhu_device_create(host->loop, &config, &device_events, vhost, &vhost->device, fail);
	if (error != 0) {
		vhost_free(vhost);
		return error;
	}
	add_queues(vhost);
	vhost_home_init(vhost);
	*port = &vhost->port;
	return 0;
}

const struct port_driver vhost_port_driver = {
	.type = "vhost-user",
	.option = "--vhost",
	.example = "vm1=/run/vuswitch/vm1.sock",
	.help = "a port for a VM, without a file; may be repeated",
	.anew = "its VM loses the connection",
	.vm = true,
	.paces = true,
	.options = &vhost_options,
	.metrics = vhost_metrics,
	.measure = vhost_measure_all,
	.verify = vhost_options_verify,
	.takes = vhost_options_takes,
	.warn = vhost_options_warn,
	.create = vhost_port_create,
};
