/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dpdk_compat.h"
#include "ethdev_device.h"
#include "ethdev_dma.h"
#include "ethdev_intr.h"
#include "ethdev_offload.h"
#include "ethdev_pool.h"
#include "ethdev_quirk.h"
#include "ethdev_vlan.h"
#include "ethdev_zc.h"
#include "log.h"

enum {
	RX_DESC = 1024,
	TX_DESC = 512,
	BIG_DESC = 256,	     /* of both, when a frame of any length needs one contiguous buffer */
	ROOM = 2048,	     /* of an ordinary mbuf: what NICs like best */
	ROOM_BIG = 16384,    /* of one for a device that cannot use several */
	FRAME_OVERHEAD = 22, /* Ethernet header and two VLAN tags; the MTU is what they carry */
	MTU_PIPE = 9216,     /* of a device without a wire or an interface to have one: jumbo frames pass */
};

struct plan {
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	uint16_t rxq_n, txq_n, rx_desc, tx_desc;
	uint16_t room;
	uint16_t mtu;
	uint32_t offloads; /* FRAME_CSUM | ... */
	enum ethdev_vlan vlan;
	bool soft_tags;
	bool virtio;
	bool chains; /* a frame may be several buffers, both ways */
	bool pieces; /* a frame that is sent may be */
	bool zero_copy; /* it is asked to read guests' frames where they lie */
	bool intr;
};

/* Less and less asked of the device, until it starts. */
static const struct attempt {
	bool intr; /* receive interrupts */
	bool big;  /* big buffers */
	bool bare; /* nothing left to it that we can do ourselves */
	bool one;  /* one queue */
} attempts[] = {
	{.intr = true},
	{0},
	{.bare = true, .intr = true},
	{.bare = true},
	{.bare = true, .big = true},
	{.bare = true, .one = true},
	{.bare = true, .big = true, .one = true},
};

/* --- the plan ---------------------------------------------------------------------------------------------------- */

static void plan_queues(struct plan *plan, const struct ethdev_quirk *quirk, unsigned int lcores,
			bool one)
{
	uint16_t rx_max = RTE_MIN(plan->info.max_rx_queues, VHOST_QUEUE_PAIRS_MAX);
	uint16_t tx_max = plan->info.max_tx_queues;

	plan->rxq_n = (uint16_t)RTE_MIN(lcores, rx_max);
	plan->txq_n = (uint16_t)RTE_MIN(lcores, tx_max);
	if (quirk->all)
		plan->rxq_n = rx_max;
	if (quirk->equal)
		plan->rxq_n = plan->txq_n =
			RTE_MIN(RTE_MAX(plan->rxq_n, plan->txq_n), RTE_MIN(rx_max, tx_max));
	if (quirk->one || one)
		plan->rxq_n = plan->txq_n = 1;
}

/* The MTU of the kernel interface behind the device: it is what the other side will send. 0: there is none. */
static uint16_t mtu_of_kernel(unsigned int if_index)
{
	char name[IF_NAMESIZE], path[64 + IF_NAMESIZE];
	unsigned int mtu = 0;
	FILE *file;

	if (if_index == 0 || if_indextoname(if_index, name) == NULL)
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%u", &mtu) != 1)
		mtu = 0;
	fclose(file);
	return (uint16_t)RTE_MIN(mtu, (unsigned int)UINT16_MAX);
}

/* `asked`: by the user, 0 for the device's own. */
static uint16_t mtu_wanted(uint16_t id, unsigned int if_index, bool any_length, unsigned int asked)
{
	uint16_t mtu = 0;

	if (asked != 0)
		return (uint16_t)RTE_MIN(asked, (unsigned int)UINT16_MAX);
	if (any_length && if_index == 0)
		return MTU_PIPE;
	if (rte_eth_dev_get_mtu(id, &mtu) != 0)
		mtu = RTE_ETHER_MTU;
	return RTE_MAX(RTE_MAX(mtu, mtu_of_kernel(if_index)), RTE_ETHER_MTU);
}

/* The MTU we go by, and the part of it that the driver accepts. */
static void plan_mtu(struct plan *plan, const struct ethdev_quirk *quirk, uint16_t wanted)
{
	uint32_t most = plan->info.max_mtu;

	if (plan->info.max_rx_pktlen < UINT16_MAX)
		most = RTE_MIN(most, plan->info.max_rx_pktlen - RTE_ETHER_HDR_LEN -
					     RTE_ETHER_CRC_LEN);
	plan->conf.rxmode.mtu = RTE_MIN((uint32_t)wanted, most);
	plan->mtu = quirk->any_length ? wanted : (uint16_t)plan->conf.rxmode.mtu;
}

static void plan_buffers(struct plan *plan, const struct ethdev_quirk *quirk, bool big)
{
	const uint64_t rx = plan->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	const uint64_t tx = plan->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	uint32_t frame = plan->mtu + FRAME_OVERHEAD;

	plan->room = (uint16_t)RTE_MAX((uint32_t)ROOM,
				       RTE_MIN(plan->info.min_rx_bufsize, (uint32_t)ROOM_BIG));
	if (big)
		plan->room = ROOM_BIG;
	if (frame > plan->room && (quirk->chains || (rx && tx))) {
		plan->chains = true;
		plan->conf.rxmode.offloads |= rx;
		plan->conf.txmode.offloads |= tx;
	} else if (frame > plan->room) {
		plan->room = (uint16_t)RTE_MIN(RTE_ALIGN_CEIL(frame, 64u),
					       (uint32_t)UINT16_MAX - RTE_PKTMBUF_HEADROOM);
	}
	if (plan->zero_copy)
		plan->conf.txmode.offloads |= tx;
	plan->pieces = plan->chains || (plan->zero_copy && (quirk->chains || tx));
	plan->rx_desc = plan->room > ROOM ? BIG_DESC : RX_DESC;
	plan->tx_desc = plan->room > ROOM ? BIG_DESC : TX_DESC;
}

static int plan_make(struct plan *plan, uint16_t id, const struct port *port,
		     const struct ethdev_options *options, const struct attempt *attempt)
{
	const uint64_t flows = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP |
			       RTE_ETH_RSS_SCTP;
	const struct ethdev_quirk *quirk;
	int error;

	*plan = (struct plan){
		.zero_copy = options->zero_copy_tx,
	};
	error = rte_eth_dev_info_get(id, &plan->info);
	if (error != 0)
		return error;
	quirk = ethdev_quirk_of(plan->info.driver_name);
	plan_mtu(plan, quirk,
		 mtu_wanted(id, plan->info.if_index, quirk->any_length, options->mtu));
	plan_queues(plan, quirk, port->host->lcores, attempt->one);
	plan_buffers(plan, quirk, attempt->big);
	plan->virtio = quirk->virtio;
	plan->intr = attempt->intr && !quirk->no_intr;
	/* Offloads take descriptors that zero-copy could not count. */
	if (!attempt->bare && !plan->zero_copy && !quirk->soft &&
	    options->offloads)
		plan->offloads = ethdev_offload_plan(&plan->info, quirk->virtio, &plan->conf);
	plan->vlan = attempt->bare ? ETHDEV_VLAN_NONE : ethdev_vlan_plan(&plan->info, quirk, options, &plan->conf);
	plan->soft_tags = quirk->soft_tags;
	plan->chains |= (plan->offloads & ~(uint32_t)FRAME_CSUM) != 0;
	plan->conf.intr_conf.rxq = plan->intr;
	if (plan->rxq_n > 1 && plan->info.flow_type_rss_offloads & flows) {
		plan->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		plan->conf.rx_adv_conf.rss_conf.rss_hf = plan->info.flow_type_rss_offloads & flows;
	}
	return 0;
}

static bool has_handler(uint16_t id)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(id, &info) == 0 && ethdev_quirk_of(info.driver_name)->handler;
}

/* --- the device -------------------------------------------------------------------------------------------------- */

static int setup_queues(uint16_t id, const struct plan *plan, struct rte_mempool *pool, int socket)
{
	struct rte_eth_rxconf rxconf = plan->info.default_rxconf;
	struct rte_eth_txconf txconf = plan->info.default_txconf;
	int error = 0;

	rxconf.offloads = plan->conf.rxmode.offloads;
	txconf.offloads = plan->conf.txmode.offloads;
	/* A NIC that reads frames in place reports each that it has sent, not of each 32nd as is usual. */
	if (plan->zero_copy && ethdev_dma_possible(id))
		txconf.tx_rs_thresh = 1;
	for (uint16_t i = 0; i < plan->rxq_n && error == 0; i++)
		error = rte_eth_rx_queue_setup(id, i, plan->rx_desc, (unsigned int)socket, &rxconf,
					       pool);
	for (uint16_t i = 0; i < plan->txq_n && error == 0; i++)
		error = rte_eth_tx_queue_setup(id, i, plan->tx_desc, (unsigned int)socket, &txconf);
	return error;
}

/* Twice what the rings and the lcores' caches can hold: one half for this port, the other for the rings of
 * the ports that its frames leave by. */
static unsigned int buffers(const struct plan *plan, unsigned int lcores)
{
	return 2u * (plan->rxq_n * plan->rx_desc + plan->txq_n * plan->tx_desc + lcores * 192u);
}

static int try_start(struct ethdev *dev, struct plan *plan, unsigned int lcores,
		     struct fail *fail) RUNS_ON(device_thread)
{
	int socket = rte_eth_dev_socket_id(dev->id), error;
	unsigned int n;

	error = rte_eth_dev_configure(dev->id, plan->rxq_n, plan->txq_n, &plan->conf);
	if (error != 0)
		return fail_set(fail, error, "it takes no configuration of %u+%u queues: %s",
				plan->rxq_n, plan->txq_n, rte_strerror(-error));
	error = rte_eth_dev_adjust_nb_rx_tx_desc(dev->id, &plan->rx_desc, &plan->tx_desc);
	if (error != 0)
		return fail_set(fail, error, "it takes no ring of a usual size: %s",
				rte_strerror(-error));
	n = buffers(plan, lcores);
	dev->pool = ethdev_pool_get(n, plan->room, socket);
	if (dev->pool == NULL)
		return fail_set(fail, -errno,
				"no memory for its %u buffers of %u bytes (%s); give EAL more, with "
				"hugepages or -m",
				n, plan->room, rte_strerror(errno));
	error = setup_queues(dev->id, plan, dev->pool, socket);
	if (error == 0)
		error = rte_eth_dev_start(dev->id);
	if (error == 0)
		return 0;
	rte_eth_dev_stop(dev->id);
	ethdev_pool_put(dev->pool);
	dev->pool = NULL;
	return fail_set(fail, error, "it does not start: %s", rte_strerror(-error));
}

/* Frames for any address, not only for the device's own address. Devices that hear everything anyway refuse. */
static void hear_everything(const struct ethdev *dev, const struct port *port)
{
	int error = rte_eth_promiscuous_enable(dev->id);

	if (error == 0 || error == -ENOTSUP)
		return;
	rte_eth_allmulticast_enable(dev->id);
	log_warn(port->name,
		 "the device refuses promiscuous mode (%s): frames to other addresses "
		 "than its own may not arrive",
		 rte_strerror(-error));
}

/* Configuring told the device; its kernel interface, if it has one, is told here, but only what the user asked for. */
static void apply_mtu(const struct ethdev *dev, const struct port *port, const struct plan *plan,
		      unsigned int asked)
{
	uint16_t reported = (uint16_t)plan->conf.rxmode.mtu;
	int error = 0;

	if (asked != 0 && plan->info.if_index != 0)
		error = rte_eth_dev_set_mtu(dev->id, reported);
	if (error != 0 && error != -ENOTSUP)
		log_warn(port->name, "the device refuses an MTU of %u: %s", reported,
			 rte_strerror(-error));
	if (plan->mtu < asked || plan->mtu < mtu_of_kernel(plan->info.if_index))
		log_warn(port->name, "the device's driver takes an MTU of %u at most; longer "
				     "frames are dropped", plan->mtu);
}

/* --- queues ------------------------------------------------------------------------------------------------------ */

/* The descriptor that tells of frames of a queue, or -1. Asking a device that has none makes ethdev complain. */
static int wake_fd(uint16_t id, uint16_t queue)
{
	int type = rte_log_register("lib.ethdev"), level = rte_log_get_level((uint32_t)type), fd;

	rte_log_set_level((uint32_t)type, RTE_LOG_CRIT);
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(id, queue);
	rte_log_set_level((uint32_t)type, (uint32_t)level);
	return fd;
}

/* The signal without which the driver does not look at the descriptor (net_tap), or 0. */
static int signal_of(int fd)
{
	int flags = fcntl(fd, F_GETFL), signo = fcntl(fd, F_GETSIG);

	if (flags < 0 || !(flags & O_ASYNC) || signo <= 0)
		return 0;
	/* What the kernel sends instead when too many of those are pending would end the process. */
	signal(SIGIO, SIG_IGN);
	return signo;
}

/* The longest frame that fits into as many buffers as it takes for one, and a quarter of its ring. */
static uint32_t cut_max(const struct plan *plan)
{
	uint32_t buffers = plan->tx_desc / 4u, most = plan->info.tx_desc_lim.nb_seg_max;

	if (most != 0 && most < buffers)
		buffers = most;
	return RTE_MIN(buffers * plan->room, (uint32_t)FRAME_LEN_MAX);
}

/* Frames of one visit: BURST_BYTES at most, and a multiple of four, which vectorised drivers want. */
static uint16_t burst_of(uint32_t frame_max)
{
	uint32_t n = RTE_ALIGN_FLOOR(BURST_BYTES / frame_max, 4u);

	return (uint16_t)RTE_MIN(RTE_MAX(n, 4u), (uint32_t)ETHDEV_BURST);
}

static int make_queues(struct ethdev *dev, struct port *port, const struct plan *plan)
{
	int node = rte_eth_dev_socket_id(dev->id) < NODES_MAX ? rte_eth_dev_socket_id(dev->id) : NODE_UNKNOWN;
	bool sums = plan->conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM;

	dev->txq = node_alloc(sizeof(*dev->txq) * dev->txq_n, node);
	if (dev->txq == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < dev->txq_n; i++)
		rte_spinlock_init(&dev->txq[i].lock);
	for (uint16_t i = 0; i < dev->rxq_n; i++) {
		struct ethdev_rxq *q = node_alloc(sizeof(*q), node);

		if (q == NULL)
			return -ENOMEM;
		port_rxq_init(&q->rxq, port, i);
		q->rxq.node = node;
		q->device = dev->id;
		q->burst = burst_of(dev->frame_max);
		q->checksums = sums ? RTE_MBUF_F_RX_L4_CKSUM_MASK : 0;
		if (plan->intr)
			q->rxq.wake_fd = wake_fd(dev->id, i);
		/* A tap's descriptor is readable by itself and has no switch. */
		if (q->rxq.wake_fd >= 0)
			q->intr_switch = rte_eth_dev_rx_intr_disable(dev->id, i) != -ENOTSUP;
		q->rxq.unproven = q->intr_switch;
		if (q->rxq.wake_fd >= 0 && !q->intr_switch)
			q->signo = signal_of(q->rxq.wake_fd);
		dev->rxq[i] = q;
		q->rxq.ready = true;
	}
	return 0;
}

int ethdev_start(struct ethdev *dev, struct port *port, const struct ethdev_options *options,
		 struct fail *fail)
{
	struct plan plan;
	int error = -ENODEV;

	for (unsigned int i = 0; i < RTE_DIM(attempts) && error != 0 && error != -ENOMEM; i++) {
		error = plan_make(&plan, dev->id, port, options, &attempts[i]);
		if (error != 0)
			return fail_set(fail, error, "it says nothing about itself: %s",
					rte_strerror(-error));
		error = try_start(dev, &plan, port->host->lcores, fail);
		if (error != 0)
			log_debug(port->name, "attempt %u: %s", i + 1, fail->text);
	}
	if (error != 0)
		return error;
	dev->rxq_n = plan.rxq_n;
	dev->txq_n = plan.txq_n;
	dev->tx_desc = plan.tx_desc;
	dev->txq_shared = plan.txq_n < port->host->lcores;
	dev->multi_segs = plan.pieces;
	dev->room = plan.room;
	dev->offloads = plan.offloads;
	dev->cut_max = cut_max(&plan);
	dev->vlan = plan.vlan;
	dev->soft_tags = plan.soft_tags;
	dev->writes_ipv4 = !plan.virtio;
	dev->mtu = plan.mtu;
	dev->frame_max = RTE_MIN((uint32_t)plan.mtu + FRAME_OVERHEAD, (uint32_t)FRAME_LEN_MAX);
	if (!plan.chains)
		dev->frame_max = RTE_MIN(dev->frame_max, (uint32_t)dev->room);
	apply_mtu(dev, port, &plan, options->mtu);
	hear_everything(dev, port);
	if (make_queues(dev, port, &plan) == 0 &&
	    ethdev_zc_prepare(dev, port, &plan.info, plan.zero_copy) == 0)
		return 0;
	ethdev_stop(dev);
	return fail_set(fail, -ENOMEM, "no memory for its queues");
}

static void stop_device(void *arg)
{
	const struct ethdev *dev = arg;

	rte_eth_dev_stop(dev->id);
}

void ethdev_stop(struct ethdev *dev)
{
	if (has_handler(dev->id))
		ethdev_intr_call(stop_device, dev);
	else
		stop_device(dev);
	for (uint16_t i = 0; i < dev->rxq_n; i++)
		if (dev->rxq[i] != NULL)
			ethdev_rxq_drain(dev->rxq[i]);
	ethdev_zc_settle(dev);
}

void ethdev_close(struct ethdev *dev)
{
	if (has_handler(dev->id))
		ethdev_intr_wait();
	ethdev_device_give_back(dev->id);
	ethdev_pool_put(dev->pool);
	dev->pool = NULL;
}

void ethdev_free(struct ethdev *dev)
{
	for (uint16_t i = 0; i < dev->rxq_n; i++) {
		if (dev->rxq[i] != NULL)
			port_rxq_fini(&dev->rxq[i]->rxq);
		node_free(dev->rxq[i], sizeof(*dev->rxq[i]));
	}
	node_free(dev->txq, sizeof(*dev->txq) * dev->txq_n);
	ethdev_zc_free(dev);
}
