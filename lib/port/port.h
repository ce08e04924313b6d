/* SPDX-License-Identifier: BSD-3-Clause */
/* port.h: the contract between the switch and whatever a port is made of.
 *
 * A port is a place where frames enter and leave: a VM's virtio-net device, an ethdev. A driver (drivers/) makes ports
 * of one type; the switch knows them by this contract only. A port has receive queues, which the switch spreads over
 * lcores, and one way in, deliver(), which any lcore may call at any time.
 *
 * Threads. Control creates, shows and destroys. An lcore calls receive(), complete(), arm() and disarm() of the queues
 * in its poll set, and deliver() of any port; one queue is in one poll set only. deliver() may run on several lcores at
 * once: how they share what is behind it is the driver's affair, but it must not wait for anything but another lcore's
 * burst. A port and its queues are freed only after every lcore has left them.
 *
 * Ownership. Frames given to deliver() remain the caller's and are valid during the call; a driver that needs the bytes
 * later copies them or takes an mbuf reference. deliver() accounts for each frame it is given: tx_ok or one tx_drop.
 * receive() accounts for what it takes and does not pass on (rx_drop); rx_ok is counted by the bridge.
 */
#ifndef VUS_PORT_H
#define VUS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "fail.h"
#include "frame.h"
#include "lines.h"
#include "port_counters.h"
#include "rcu.h"
#include "report.h"
#include "rights.h"
#include "role.h"
#include "vus_limits.h"

struct bridge;
struct json_t;
struct loop;
struct port;

/* Something an lcore looks after once a round, until it is done; it stays awake meanwhile. Embedded in a driver's own,
 * and of one lcore. */
struct lcore_errand {
	struct lcore_errand *next;
	bool (*run)(struct lcore_errand *errand); /* whether it is done */
	bool started;
};

/* What an lcore brings along to every call. */
struct lcore_ctx {
	uint16_t index; /* its number: whose counters it writes, which reader it is to RCU */
	uint16_t epoch; /* seconds, for aging; wraps */
	struct report_ring *reports;
	struct burst *burst;
	struct lcore_errand *errands;
};

/* The last addresses a receive queue saw, and where they were: most bursts need no table. bridge.c's. */
struct port_memo {
	uint64_t src_mac, dst_mac;
	uint32_t src_gen, dst_gen;
	uint16_t src_epoch;
	uint16_t dst_port;
};

/* What a receive queue costs, for the decision who polls it. balance.c's. */
struct port_rxq_load {
	uint64_t cycles;       /* the queue's counter at the last look */
	uint32_t share;	       /* of an lcore's time, in permille, smoothed */
	uint32_t rest, stayed; /* intervals: to be left where it is, and since its last move */
};

/* A receive queue. Embedded in the driver's own queue. Three groups of cache lines, each with one writer: what lcores only
 * read, what the lcore that polls it writes, and what control alone uses. */
struct port_rxq {
	struct port *port;
	uint16_t index;
	int wake_fd;	/* readable or edge-triggered when frames come while the lcore sleeps (after arm()); -1: the
			 * queue cannot wake anyone, and its lcore looks again every millisecond */
	bool unproven;	/* wake_fd may never be heard of (a device's interrupt): not relied on before it has woken
			 * an lcore once */
	int lcore;	/* control's: whose poll set holds the queue, -1 none */
	_Alignas(64) struct port_memo memo OWNED_BY(lcore_thread);
	/* What the lcore that polls this queue counts; anyone reads. Cycles are TSC ticks of its bursts, from receive to
	 * complete, with the looks at empty queues before them. */
	_Atomic uint64_t frames, bursts, cycles;
	_Atomic bool woke; /* its wake_fd has woken an lcore */
	/* Control's. */
	_Alignas(64) struct port_rxq_load load;
	unsigned int lcore_next; /* 1 + the lcore it is moving to; 0: any */
	uint64_t moves;		 /* from one lcore to another, since the start */
};
BEGINS_A_LINE(struct port_rxq, memo);
BEGINS_A_LINE(struct port_rxq, load);
WHOLE_LINES(struct port_rxq);
_Static_assert(offsetof(struct port_rxq, load) - offsetof(struct port_rxq, memo) == LINE_BYTES,
	       "a queue's lcore writes one line of it");

/* Whether an lcore may sleep until the queue wakes it. Any thread. */
static inline bool port_rxq_wakes(const struct port_rxq *q)
{
	return !q->unproven || atomic_load_explicit(&q->woke, memory_order_relaxed);
}

struct port_ops {
	/* Fills ctx->burst (n, frames) and returns n. Frames that are not fit to be switched were counted and given
	 * back already. Every receive() that returned frames is followed by one complete(). */
	uint16_t (*receive)(struct port_rxq *q, struct lcore_ctx *ctx);
	/* The frames of the last receive() have been delivered: the source may have its buffers back, in order. */
	void (*complete)(struct port_rxq *q, struct lcore_ctx *ctx);
	/* Sends n frames (1 to BURST_MAX) out of the port, in order. */
	void (*deliver)(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n);
	/* The lcore is about to sleep: from now on the queue wakes it through wake_fd. Returns true if frames are
	 * waiting already, in which case the lcore stays awake. */
	bool (*arm)(struct port_rxq *q);
	/* The lcore is awake and polls: no wake-ups needed. */
	void (*disarm)(struct port_rxq *q);

	/* Control thread. An lcore reported that ring `index` broke (REPORT_RING_BROKEN). NULL: the type has none. */
	void (*ring_broken)(struct port *port, unsigned int index);
	/* Control thread. Adds the driver's part of `vusctl port NAME` to a JSON object (drivers use jansson). `link`
	 * of the object ("up", "down") and `state` (one line in plain words) are mandatory. */
	void (*show)(struct port *port, struct json_t *object);
	/* Ends the port, which is in no bridge and no poll set any more and which every lcore has left. It may go on
	 * in the loop (a close that is not instant); `gone` is called at the end; nobody has the
	 * port any more, and the driver frees it. */
	void (*destroy)(struct port *port, void (*gone)(void *arg), void *arg);
};

/* What a user asks for: one entry of `ports:`, or one --vhost or --ethdev. Strings are the caller's. */
struct port_spec {
	const char *name;
	const char *bridge;
	const char *type;   /* "vhost-user" or "ethdev" */
	const char *socket; /* vhost-user */
	const char *mode;   /* vhost-user: "server" (we listen) or "client" (we connect and retry); NULL: server */
	struct rights rights; /* vhost-user, of the socket; only where we listen */
	unsigned int queues; /* pairs offered; 0: the driver's default */
	const char *postcopy; /* vhost-user: "on", where it is possible, or "off"; NULL: on */
	const char *offloads; /* "on", or "off": checksums and segmentation are left to nobody else; NULL: on */
	const char *control_queue; /* vhost-user: "on": the front end serves it, or "off"; NULL: on */
	const char *device; /* ethdev: a name or PCI address EAL knows */
	unsigned int mtu;   /* ethdev: bytes of payload; 0: what the device or its kernel interface is set to */
	const char *zero_copy_tx; /* ethdev: "on": guests' frames are read where they lie, if possible, or "off"; NULL: off */
};

/* What the switch does for a port, called by drivers on the control thread. */
struct port_host {
	/* The set of receive queues that want polling has changed (a ring started, a link came): port->rxqs of
	 * `port` is to be read again. */
	void (*queues_changed)(struct port_host *host, struct port *port);
	/* Says "`mac` lives behind this port" to everybody: floods a RARP from the port and learns the address. */
	void (*announce)(struct port_host *host, struct port *port, const uint8_t mac[6]);
	/* Whoever was at the other end is gone, or has stopped to listen (port->deaf): what was learned behind the
	 * port holds no more. */
	void (*peer_gone)(struct port_host *host, struct port *port);
	struct loop *loop;
	const char *journal; /* folder for what ports leave to the next process, or NULL */
	bool ending;	     /* the process ends: ports that are destroyed now are expected back */
	unsigned int lcores; /* how many there are: bound of lcore_ctx.index */
};

struct port_driver {
	const char *type;
	/* Makes a port: fills *port with one it has initialised by port_init(). 0 or -errno with a line in `fail`. */
	int (*create)(struct port_host *host, const struct port_spec *spec, uint16_t id,
		      struct port **port, struct fail *fail);
};

struct port {
	const struct port_ops *ops;
	struct bridge *bridge; /* set when it joins, before any lcore sees it */
	uint16_t id;	       /* index in the port table; reused only after every lcore has left the former owner */
	uint16_t rxq_n;
	/* Queues that want polling now are those with rxq->port set and `ready` true: control reads it only. */
	struct port_rxq *rxq[VHOST_QUEUE_PAIRS_MAX];
	bool rxq_ready[VHOST_QUEUE_PAIRS_MAX];
	/* Control's. Nothing can be delivered to it for now: no address is learned behind it, so that frames for one
	 * that was there before are flooded, and reach it wherever it turns up. */
	bool deaf;
	struct port_counters *counters; /* [host->lcores], and one that is control's */
	unsigned int counters_n;
	struct port_host *host;
	char name[NAME_LEN_MAX + 1];
	const char *type;
};

/* Sets up the common part and allocates the counters; 0 or -ENOMEM. */
int port_init(struct port *port, struct port_host *host, const struct port_ops *ops,
	      const struct port_spec *spec, uint16_t id);
void port_fini(struct port *port);

/* The sum over all threads. Any thread. */
void port_counters_sum(const struct port *port, struct port_counters *sum);

static inline void lcore_errand_start(struct lcore_ctx *ctx, struct lcore_errand *errand)
{
	if (errand->started)
		return;
	errand->started = true;
	errand->next = ctx->errands;
	ctx->errands = errand;
}

static inline struct port_counters *port_counters_of(struct port *port,
						     const struct lcore_ctx *ctx)
{
	return &port->counters[ctx->index];
}

/* What the control thread counts. */
static inline struct port_counters *port_counters_of_control(struct port *port)
{
	return &port->counters[port->counters_n - 1];
}

static inline void port_drop_tx(struct port *port, const struct lcore_ctx *ctx, enum tx_drop why,
				uint64_t n)
{
	count(&port_counters_of(port, ctx)->tx_drop[why], n);
}

#endif
