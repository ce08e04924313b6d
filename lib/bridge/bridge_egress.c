/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_egress.h"

verdict_t bridge_egress_verdict(const struct ingress *in, const struct policy *policy)
{
	uint32_t both = policy->flags & (in->policy != NULL ? in->policy->flags : 0);

	if (__builtin_expect((policy->flags & POLICY_CLOSED) != 0, 0))
		return RX_DROP_CLOSED;
	return (both & POLICY_ISOLATED) != 0 ? RX_DROP_ISOLATED : VERDICT_PASS;
}
