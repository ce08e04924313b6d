/* SPDX-License-Identifier: BSD-3-Clause */
/* policy.h: what configuration says of a port, as the bridge needs it.
 *
 * A policy is one immutable object a port, published in port->policy by RCU. A port with nothing configured has none:
 * NULL stands for a policy with no flag set. An lcore loads the pointer once a burst, at ingress of the port the burst
 * came from and at egress of each port it goes to; where that is NULL, nothing more is done.
 *
 *	error = port_policy_set(port, &(struct policy_config){.isolated = true});
 *
 * A feature adds what its option says to struct policy_config, a flag and its parameters to struct policy, and one step to
 * bridge_ingress.h or bridge_egress.h (docs/architecture.md has the table).
 *
 * Context: control sets a policy at any time in a port's life, before or after it joins a bridge; lcores read it between
 * two quiescent states.
 */
#ifndef VUS_POLICY_H
#define VUS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "capture_points.h"
#include "filter_direction.h"
#include "policy_guard.h"
#include "policy_rate.h"
#include "policy_vlan.h"
#include "port.h"
#include "rcu.h"
#include "role.h"

/* What an option can say. All zero: nothing is configured. */
struct policy_config {
	bool isolated; /* frames between two isolated ports of a bridge are dropped */
	bool closed;   /* nothing comes from the port or goes there; it has a guard */
	const struct policy_vlan *vlan; /* NULL: policy_vlan_default */
	const struct policy_guard *guard; /* NULL: none */
	const struct policy_rates *rates; /* NULL: no limits */
	const struct filter_list *filter[FILTER_DIRECTIONS]; /* NULL: all frames pass */
	const struct capture_points *capture; /* who looks at its frames; NULL: nobody */
};

enum {
	POLICY_ISOLATED = 1 << 0,
	POLICY_VLAN = 1 << 1,
	POLICY_GUARD = 1 << 2,
	POLICY_CLOSED = 1 << 3, /* with POLICY_GUARD */
	POLICY_RATE_FROM = 1 << 4,
	POLICY_RATE_TO = 1 << 5,
	POLICY_STORM = 1 << 6,
	POLICY_FILTER = 1 << 7,
	POLICY_CAPTURE = 1 << 8,
	POLICY_RATES = POLICY_RATE_FROM | POLICY_RATE_TO | POLICY_STORM,
	/* What keeps a burst from leaving by a port. */
	POLICY_EGRESS_BURST = POLICY_ISOLATED | POLICY_CLOSED,
	/* What keeps some of its frames from it, or looks at them. */
	POLICY_EGRESS_FRAMES = POLICY_RATE_TO | POLICY_FILTER | POLICY_CAPTURE,
};

struct policy {
	uint32_t flags; /* POLICY_ISOLATED | ..., at least one */
	struct policy_vlan vlan; /* POLICY_VLAN */
	const struct policy_guard *guard; /* POLICY_GUARD: behind the policy, in the same memory */
	struct policy_meters *meters; /* POLICY_RATES: of `rates` */
	struct policy_rates rates; /* POLICY_RATE_FROM, POLICY_RATE_TO, POLICY_STORM */
	struct port_filter *filter[FILTER_DIRECTIONS]; /* POLICY_FILTER: one at least is not NULL */
	struct capture_points capture; /* POLICY_CAPTURE: one at least */
};

/* Replaces the port's policy; frames of the next burst meet the new one.
 * Context: control.
 * Returns: 0 or -ENOMEM; then the policy is as it was.
 * Ownership: `config` stays the caller's; the policy is the port's, and port_fini() frees it. */
int port_policy_set(struct port *port, const struct policy_config *config) RUNS_ON(control_thread);

/* The VLANs of a port, where its bridge is vlan-aware. */
static inline const struct policy_vlan *policy_vlan_of(const struct policy *policy)
{
	return policy != NULL && (policy->flags & POLICY_VLAN) != 0 ? &policy->vlan : &policy_vlan_default;
}

/* Returns: the flags of a port's policy.
 * Context: control, or an lcore between two quiescent states. */
static inline uint32_t port_policy_flags(const struct port *port)
{
	const struct policy *policy = rcu_get(&port->policy);

	return policy != NULL ? policy->flags : 0;
}

#endif
