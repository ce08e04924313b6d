/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>

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

int port_policy_set(struct port *port, const struct policy_config *config)
{
	const struct policy *before = rcu_own(&port->policy);
	uint32_t flags = (config->isolated ? POLICY_ISOLATED : 0) | (config->vlan != NULL ? POLICY_VLAN : 0) |
			 (config->guard != NULL ? POLICY_GUARD : 0) | (config->closed ? POLICY_CLOSED : 0) |
			 (config->rates != NULL ? rate_flags(config->rates) : 0);
	struct guarded {
		struct policy policy;
		struct policy_guard guard;
	} *guarded;
	struct policy *policy = NULL;

	if (flags != 0) {
		guarded = malloc(config->guard != NULL ? sizeof(*guarded) : sizeof(*policy));
		if (guarded == NULL)
			return -ENOMEM;
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
	}
	rcu_set(&port->policy, policy);
	rcu_free((void *)(uintptr_t)before);
	return 0;
}
