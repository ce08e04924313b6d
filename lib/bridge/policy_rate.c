/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy_rate.h"

#include <stdlib.h>

#include "clock.h"

static bool limit_is_same(const struct rate_limit *a, const struct rate_limit *b)
{
	return a->each == b->each && a->burst == b->burst;
}

static bool limits_are_same(const struct frame_limits *a, const struct frame_limits *b)
{
	return limit_is_same(&a->bits, &b->bits) && limit_is_same(&a->packets, &b->packets);
}

bool policy_rates_are_same(const struct policy_rates *a, const struct policy_rates *b)
{
	bool same = limits_are_same(&a->from, &b->from) && limits_are_same(&a->to, &b->to);

	for (int i = 0; i < PORT_STORMS; i++)
		same = same && limit_is_same(&a->storm[i], &b->storm[i]);
	return same;
}

struct policy_meters *policy_meters_create(const struct policy_rates *rates, const struct policy_meters *from,
					   const struct policy_rates *was)
{
	static const struct policy_meters unused;
	static const struct policy_rates none;
	struct policy_meters *meters = aligned_alloc(_Alignof(struct policy_meters), sizeof(*meters));
	struct policy_meters_seen *before;

	if (meters == NULL)
		return NULL;
	if (from == NULL) {
		from = &unused;
		was = &none;
	}
	before = &meters->before;
	before->ns = clock_ns();
	frame_meters_copy(&before->from, &from->from);
	frame_meters_copy(&before->to, &from->to);
	frame_meters_carry(&meters->from, &rates->from, &before->from, &was->from, before->ns);
	frame_meters_carry(&meters->to, &rates->to, &before->to, &was->to, before->ns);
	for (int i = 0; i < PORT_STORMS; i++) {
		rate_meter_copy(&before->storm[i], &from->storm[i]);
		rate_meter_carry(&meters->storm[i], &rates->storm[i], &before->storm[i], &was->storm[i], before->ns);
	}
	return meters;
}

void policy_meters_settle(struct policy_meters *meters, const struct policy_rates *rates, const struct policy_meters *from,
			  const struct policy_rates *was)
{
	const struct policy_meters_seen *seen = &meters->before;
	uint64_t now = clock_ns();

	frame_meters_carry_since(&meters->from, &rates->from, &from->from, &was->from, &seen->from, seen->ns, now);
	frame_meters_carry_since(&meters->to, &rates->to, &from->to, &was->to, &seen->to, seen->ns, now);
	for (int i = 0; i < PORT_STORMS; i++)
		rate_meter_carry_since(&meters->storm[i], &rates->storm[i], &from->storm[i], &was->storm[i], &seen->storm[i],
				       seen->ns, now);
}
