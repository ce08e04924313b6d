/* SPDX-License-Identifier: BSD-3-Clause */
/* port.h: a place where frames enter and leave, as the switch, the bridge and the lcores see it: what it is made of is its
 * driver's (port_driver.h).
 *
 * Context: control makes and changes it, but for what is marked; lcores read it.
 * Ownership: of the driver, until it has called `gone` of port_ops.destroy().
 */
#ifndef VUS_PORT_H
#define VUS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "lcore_ctx.h"
#include "lines.h"
#include "offence.h"
#include "port_counters.h"
#include "port_driver.h"
#include "port_drops.h"
#include "port_rxq.h"
#include "rate.h"
#include "rcu.h"
#include "report.h"
#include "role.h"
#include "vus_limits.h"

struct bridge;
struct policy;

/* What floods a bridge (policy_rate.h). */
enum port_storm { PORT_STORM_BROADCAST, PORT_STORM_MULTICAST, PORT_STORM_UNKNOWN, PORT_STORMS };
enum { PORT_POLICY_PARTS = 3 };

struct port {
	const struct port_ops *ops;
	struct bridge *bridge; /* set when it joins, before any lcore sees it */
	RCU_PTR(const struct policy) policy; /* lib/bridge/policy.h; NULL: nothing is configured */
	/* Control's: what policies point to, one after the other (lib/bridge/policy.c); each is one piece of memory. */
	void *policy_part[PORT_POLICY_PARTS];
	uint16_t id;	       /* index in the port table; reused only after every lcore has left the former owner */
	uint16_t rxq_n;
	struct port_rxq **rxq; /* [rxq_n]; control polls those that are ready */
	/* Control's. Nothing can be delivered to it for now: no address is learned behind it, so that frames for one
	 * that was there before are flooded, and reach it wherever it turns up. */
	bool cannot_receive;
	/* Control's. create() goes on: until port_host.started() it has no queues, nobody delivers to it, and of its driver only
	 * state(), show(), reconfigure() and destroy() are called. */
	bool starting;
	bool inserts; /* it has port_ops.insert(); set before any lcore sees it */
	/* Control's (port_link.h): frames can pass, as the driver says; and a request has set the link down. */
	bool link_up, link_set_down;
	struct port_counters *counters; /* [host->lcores], and one that is control's; port_counters_size() bytes */
	unsigned int counters_n;
	struct port_host *host;
	char name[NAME_LEN_MAX + 1];
	const char *type;
	struct rcu_scope scope; /* control's: of what the port publishes for lcores */
	/* Punts from this port, and frames that control sends on its behalf. Any lcore writes, CONTROL_FRAMES_RATE times a
	 * second at most. */
	_Alignas(LINE_BYTES) struct rate punts, injects;
	/* A frame that it should not have sent; any lcore writes, OFFENCES_RATE times a second at most. */
	_Alignas(LINE_BYTES) struct offence offence;
};
BEGINS_A_LINE(struct port, punts);
BEGINS_A_LINE(struct port, offence);
WHOLE_LINES(struct port);

/* Sets up the common part and allocates the counters; 0 or -ENOMEM. */
int port_init(struct port *port, struct port_host *host, const struct port_ops *ops,
	      const struct port_spec *spec, uint16_t id);
/* Room for `n` receive queues, which the driver puts there. Once. 0 or -ENOMEM. */
int port_alloc_rxqs(struct port *port, uint16_t n);
void port_fini(struct port *port);

/* Counters, and what is known of drops beside them, of so many threads. */
static inline size_t port_counters_size(unsigned int n)
{
	return n * (sizeof(struct port_counters) + sizeof(struct port_drops));
}

/* The sum over all threads.
 * Context: any thread. */
void port_counters_sum(const struct port *port, struct port_counters *sum);

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

/* Counts n frames for a port as dropped, and each says why. */
static inline void drop_tx_frames(struct port_counters *counters, enum tx_drop why, struct frame *const *frames, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		frames[i]->tx_drop = (uint8_t)(1 + why);
	count_tx_drop(counters, why, n, n > 0 ? frames[n - 1] : NULL);
}

static inline void port_drop_tx_frames(struct port *port, const struct lcore_ctx *ctx, enum tx_drop why,
				       struct frame *const *frames, uint64_t n)
{
	drop_tx_frames(port_counters_of(port, ctx), why, frames, n);
}

#endif
