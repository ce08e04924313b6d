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

/* What policies point to, in port.policy_part: a filter for each direction, and meters. */
enum { PART_METERS = FILTER_DIRECTIONS, PARTS };
_Static_assert((int)PARTS <= PORT_POLICY_PARTS, "a port has room for them");

static void *part_of(const struct policy *policy, unsigned int part)
{
	if (policy == NULL)
		return NULL;
	return part == PART_METERS ? (void *)policy->meters : (void *)policy->filter[part];
}

/* What is there, if it has the same list, or a new one; NULL: no list, or no memory. */
static struct port_filter *filter_for(const struct port *port, unsigned int direction, const struct filter_list *list)
{
	struct port_filter *now = port->policy_part[direction];

	if (list == NULL)
		return NULL;
	return now != NULL && port_filter_has(now, list) ? now : port_filter_create(list, port->counters_n);
}

/* What is there, if it is of the same limits, or new ones; NULL: no memory. */
static struct policy_meters *meters_for(const struct port *port, const struct policy_rates *rates)
{
	const struct policy *before = rcu_own(&port->policy);
	struct policy_meters *now = port->policy_part[PART_METERS];

	if (now != NULL && policy_rates_are_same(&before->rates, rates))
		return now;
	return policy_meters_create(rates, now, now != NULL ? &before->rates : NULL);
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
	if (config->capture != NULL)
		policy->capture = *config->capture;
	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++) {
		policy->filter[d] = filter_for(port, d, config->filter[d]);
		failed |= policy->filter[d] == NULL && config->filter[d] != NULL;
	}
	if ((flags & POLICY_RATES) != 0) {
		policy->meters = meters_for(port, config->rates);
		failed |= policy->meters == NULL;
	}
	if (!failed)
		return policy;
	for (unsigned int i = 0; i < PARTS; i++)
		if (part_of(policy, i) != port->policy_part[i])
			free(part_of(policy, i));
	free(policy);
	return NULL;
}

static uint32_t flags_of(const struct policy_config *config)
{
	uint32_t flags = (config->isolated ? POLICY_ISOLATED : 0) | (config->vlan != NULL ? POLICY_VLAN : 0) |
			 (config->guard != NULL ? POLICY_GUARD : 0) | (config->closed ? POLICY_CLOSED : 0) |
			 (config->rates != NULL ? rate_flags(config->rates) : 0) |
			 (config->capture != NULL && config->capture->n > 0 ? POLICY_CAPTURE : 0);

	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++)
		flags |= config->filter[d] != NULL ? POLICY_FILTER : 0;
	return flags;
}

/* Those of one go on from those of the other. */
static bool meters_have_changed(const struct policy *policy, const struct policy *before)
{
	return policy != NULL && before != NULL && policy->meters != NULL && before->meters != NULL &&
	       policy->meters != before->meters;
}

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
	if (meters_have_changed(policy, before))
		policy_meters_settle(policy->meters, &policy->rates, before->meters, &before->rates);
	rcu_free((void *)(uintptr_t)before);
	for (unsigned int i = 0; i < PARTS; i++) {
		void *part = part_of(policy, i);

		if (part != port->policy_part[i])
			rcu_free(port->policy_part[i]);
		port->policy_part[i] = part;
	}
	return 0;
}
