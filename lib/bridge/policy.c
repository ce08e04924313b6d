/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>

int port_policy_set(struct port *port, const struct policy_config *config)
{
	const struct policy *before = rcu_own(&port->policy);
	uint32_t flags = config->isolated ? POLICY_ISOLATED : 0;
	struct policy *policy = NULL;

	if (flags != 0) {
		policy = malloc(sizeof(*policy));
		if (policy == NULL)
			return -ENOMEM;
		*policy = (struct policy){.flags = flags};
	}
	rcu_set(&port->policy, policy);
	rcu_free((void *)(uintptr_t)before);
	return 0;
}
