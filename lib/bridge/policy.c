/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>

#include "policy_filter.h"

const struct policy_vlan policy_vlan_default = {.native = 1, .untagged = 1, .members.word[0] = 1 << 1};
const struct policy_vlan policy_vlan_switch = {
	.native = 1, .untagged = 1, .tagged = true, .members.word = {[0 ... VLAN_VIDS / 64 - 1] = UINT64_MAX}};

static uint32_t rate_flags(const struct policy_rates *rates)
{
	uint32_t flags = 0;

	if (frame_limits_are_set(&rates->from))
		flags |= POLICY_RATE_FROM;
	if (frame_limits_are_set(&rates->to))
		flags |= POLICY_RATE_TO;
	for (int i = 0; i < PORT_STORMS; i++)
		if (rate_limit_is_set(&rates->storm[i]))
			flags |= POLICY_STORM;
	return flags;
}

/* What is there, if it has the same list, or a new one; NULL: no list, or no memory. */
static struct port_filter *filter_for(const struct port *port, unsigned int direction, const struct filter_list *list)
{
	struct port_filter *now = port->policy_part[direction];

	if (list == NULL)
		return NULL;
	return now != NULL && port_filter_has(now, list) ? now : port_filter_create(list, port->counters_n);
}

/* NULL: no memory. */
static struct policy *policy_create(const struct port *port, uint32_t flags, const struct policy_config *config)
{
	struct guarded {
		struct policy policy;
		struct policy_guard guard;
	} *guarded = malloc(config->guard != NULL ? sizeof(*guarded) : sizeof(guarded->policy));
	struct policy *policy;
	bool failed = false;

	if (guarded == NULL)
		return NULL;
	policy = &guarded->policy;
	*policy = (struct policy){.flags = flags};
	if (config->guard != NULL) {
		guarded->guard = *config->guard;
		policy->guard = &guarded->guard;
	}
	if (config->vlan != NULL)
		policy->vlan = *config->vlan;
	if (config->rates != NULL)
		policy->rates = *config->rates;
	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++) {
		policy->filter[d] = filter_for(port, d, config->filter[d]);
		failed |= policy->filter[d] == NULL && config->filter[d] != NULL;
	}
	if (!failed)
		return policy;
	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++)
		if (policy->filter[d] != port->policy_part[d])
			free(policy->filter[d]);
	free(policy);
	return NULL;
}

static uint32_t flags_of(const struct policy_config *config)
{
	uint32_t flags = (config->isolated ? POLICY_ISOLATED : 0) | (config->vlan != NULL ? POLICY_VLAN : 0) |
			 (config->guard != NULL ? POLICY_GUARD : 0) | (config->closed ? POLICY_CLOSED : 0) |
			 (config->rates != NULL ? rate_flags(config->rates) : 0);

	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++)
		flags |= config->filter[d] != NULL ? POLICY_FILTER : 0;
	return flags;
}

_Static_assert((int)FILTER_DIRECTIONS <= PORT_POLICY_PARTS, "a port has room for them");

int port_policy_set(struct port *port, const struct policy_config *config)
{
	const struct policy *before = rcu_own(&port->policy);
	uint32_t flags = flags_of(config);
	struct policy *policy = NULL;

	if (flags != 0) {
		policy = policy_create(port, flags, config);
		if (policy == NULL)
			return -ENOMEM;
	}
	rcu_set(&port->policy, policy);
	rcu_free((void *)(uintptr_t)before);
	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++) {
		struct port_filter *filter = policy != NULL ? policy->filter[d] : NULL;

		if (filter != port->policy_part[d])
			rcu_free(port->policy_part[d]);
		port->policy_part[d] = filter;
	}
	return 0;
}
