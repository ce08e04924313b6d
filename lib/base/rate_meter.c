/* SPDX-License-Identifier: BSD-3-Clause */
#include "rate_meter.h"

#include "clock.h"

void rate_limit_set(struct rate_limit *limit, uint64_t per_second, uint64_t burst_ns)
{
	*limit = (struct rate_limit){0};
	if (per_second == 0)
		return;
	limit->each = (uint64_t)(((unsigned __int128)(NS_PER_S * RATE_STEPS) << 32) / per_second);
	limit->burst = burst_ns * RATE_STEPS;
}

static uint64_t steps_of(const struct rate_limit *limit, uint64_t size)
{
	return (uint64_t)((unsigned __int128)size * limit->each >> 32);
}

/* How far ahead of now the meter is, with a clock that goes round: a time that seems to be farther away has passed. */
static uint64_t ahead_of(uint64_t through, uint64_t now)
{
	uint64_t ahead = through - now;

	return ahead < RATE_AHEAD_MOST ? ahead : 0;
}

/* The first of n that begin within the burst: how many, and the steps that they take. */
static uint16_t take_some(const struct rate_limit *limit, uint64_t ahead, const uint32_t *sizes, uint16_t n, uint64_t *taken)
{
	uint64_t size = 0;
	uint16_t i;

	*taken = 0;
	for (i = 0; i < n && ahead + *taken < limit->burst; i++) {
		size += sizes[i];
		*taken = steps_of(limit, size);
	}
	return i;
}

uint16_t rate_meter_take(struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, const uint32_t *sizes,
			 uint16_t n)
{
	uint64_t now = now_ns * RATE_STEPS, before = atomic_load_explicit(&meter->through, memory_order_relaxed);
	uint64_t ahead, taken, all = 0;
	uint16_t i;

	for (i = 0; i < n; i++)
		all += sizes[i];
	/* Goes round once for each that another thread took meanwhile. */
	do {
		ahead = ahead_of(before, now);
		i = n;
		taken = steps_of(limit, all);
		/* Most bursts are small beside what is there. */
		if (__builtin_expect(ahead + taken >= limit->burst, 0))
			i = take_some(limit, ahead, sizes, n, &taken);
		if (i == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&meter->through, &before, now + ahead + taken, memory_order_relaxed,
							memory_order_relaxed));
	return i;
}

static void take_steps(struct rate_meter *meter, uint64_t now, uint64_t steps)
{
	uint64_t before = atomic_load_explicit(&meter->through, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(&meter->through, &before, now + ahead_of(before, now) + steps,
						      memory_order_relaxed, memory_order_relaxed))
		continue;
}

void rate_meter_charge(struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, uint64_t size)
{
	take_steps(meter, now_ns * RATE_STEPS, steps_of(limit, size));
}

void rate_meter_give_back(struct rate_meter *meter, const struct rate_limit *limit, uint64_t size)
{
	atomic_fetch_sub_explicit(&meter->through, steps_of(limit, size), memory_order_relaxed);
}

void rate_meter_copy(struct rate_meter *copy, const struct rate_meter *meter)
{
	atomic_init(&copy->through, atomic_load_explicit(&meter->through, memory_order_relaxed));
}

/* Steps of one limit as those that the same size takes of another, at most `most`. */
static uint64_t steps_under(const struct rate_limit *limit, const struct rate_limit *was, uint64_t steps, uint64_t most)
{
	unsigned __int128 under = (unsigned __int128)steps * limit->each / was->each;

	return under < most ? (uint64_t)under : most;
}

void rate_meter_carry(struct rate_meter *meter, const struct rate_limit *limit, const struct rate_meter *from,
		      const struct rate_limit *was, uint64_t now_ns)
{
	uint64_t now = now_ns * RATE_STEPS, ahead = ahead_of(atomic_load_explicit(&from->through, memory_order_relaxed), now);
	bool same = limit->each == was->each && limit->burst == was->burst;

	if (!rate_limit_is_set(limit) || !rate_limit_is_set(was))
		ahead = 0;
	else if (!same && ahead < was->burst)
		ahead = limit->burst - steps_under(limit, was, was->burst - ahead, limit->burst);
	else if (!same)
		ahead = limit->burst + steps_under(limit, was, ahead - was->burst, RATE_AHEAD_MOST - 1 - limit->burst);
	atomic_init(&meter->through, now + ahead);
}

void rate_meter_carry_since(struct rate_meter *meter, const struct rate_limit *limit, const struct rate_meter *from,
			    const struct rate_limit *was, const struct rate_meter *seen, uint64_t seen_ns, uint64_t now_ns)
{
	struct rate_meter began, begins;
	uint64_t now = now_ns * RATE_STEPS, before, after;

	rate_meter_carry(&began, limit, seen, was, seen_ns);
	rate_meter_carry(&begins, limit, from, was, now_ns);
	before = ahead_of(atomic_load_explicit(&began.through, memory_order_relaxed), now);
	after = ahead_of(atomic_load_explicit(&begins.through, memory_order_relaxed), now);
	if (after > before)
		take_steps(meter, now, after - before);
}

uint64_t rate_meter_wait_ns(const struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, uint64_t worth_ns)
{
	uint64_t ahead = ahead_of(atomic_load_explicit(&meter->through, memory_order_relaxed), now_ns * RATE_STEPS);
	uint64_t worth = worth_ns * RATE_STEPS, over;

	if (worth > limit->burst)
		worth = limit->burst;
	if (ahead + worth < limit->burst || ahead == 0)
		return 0;
	over = ahead + worth - limit->burst;
	return over / RATE_STEPS + 1;
}

uint64_t rate_meter_enough_for(const struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, uint32_t size)
{
	uint64_t ahead = ahead_of(atomic_load_explicit(&meter->through, memory_order_relaxed), now_ns * RATE_STEPS);
	uint64_t each = steps_of(limit, size);

	if (ahead >= limit->burst)
		return 0;
	/* The last one begins within the burst. */
	return (limit->burst - ahead - 1) / (each > 0 ? each : 1) + 1;
}
