/* SPDX-License-Identifier: BSD-3-Clause */
/* rate_meter.h: so much a second and so much at once, of what comes in sizes: a token bucket kept as one time (GCRA, ITU-T
 * I.371), which several threads take from.
 *
 * The time is when all that was taken would have been through at the rate. What is taken moves it on; while it is less than
 * the burst ahead of now, more may be taken. So the last thing taken may go beyond the burst by less than itself, and what comes
 * after it waits for that: a thing that is larger than the burst passes, too, and over a longer time the rate is kept exactly.
 *
 *	rate_limit_set(&limit, 50000000, 10 * NS_PER_MS);
 *	n = rate_meter_take(&meter, &limit, clock_ns(), bits, n);
 *
 * Context: any thread. Several may take from one meter at once: none waits, and together they get what one would get. A meter
 * that has nothing to give is only read.
 * Units: nanoseconds of clock_ns(); sizes in whatever the limit is counted in, a second.
 */
#ifndef VUS_RATE_METER_H
#define VUS_RATE_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	/* Steps of time in a nanosecond: the shortest frame at 400 Gbit/s takes more than 100, and the time that a meter keeps
	 * goes round after nine years. */
	RATE_STEPS = 64,
	/* No less than so many a second. */
	RATE_LEAST = 16,
};

/* Steps that a meter is ahead at most, 39 hours: what is taken at once takes less. One that seems to be farther ahead was not
 * used for years, and is behind; one that was used last so long before the end of the nine years waits for that long at most. */
#define RATE_AHEAD_MOST (UINT64_C(1) << 53)

/* All zero is no limit. */
struct rate_limit {
	uint64_t each;	/* steps that one takes, times 2^32 */
	uint64_t burst; /* steps */
};

/* All zero is one from which nothing was taken. */
struct rate_meter {
	_Atomic uint64_t through; /* steps of clock_ns() */
};

/* At most `per_second` (RATE_LEAST at least; 0: no limit), and at once what comes in burst_ns. */
void rate_limit_set(struct rate_limit *limit, uint64_t per_second, uint64_t burst_ns);

static inline bool rate_limit_is_set(const struct rate_limit *limit)
{
	return limit->each != 0;
}

/* Takes the first of n things of these sizes, as many as may be taken now.
 * Returns: how many. */
uint16_t rate_meter_take(struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, const uint32_t *sizes,
			 uint16_t n);
/* Takes this, whether it may be taken now or not. */
void rate_meter_charge(struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, uint64_t size);
/* Of what was taken, so much was not used. */
void rate_meter_give_back(struct rate_meter *meter, const struct rate_limit *limit, uint64_t size);
/* Sets a meter that nobody else knows yet to what another one is. */
void rate_meter_copy(struct rate_meter *copy, const struct rate_meter *meter);
/* Sets a meter that nobody else knows yet to what `from` is, which goes on under another limit: what is there, or is owed, stays
 * as much, up to the burst of the new limit. So what comes under limits that change is no more than each allows in its time, and
 * the largest burst; and what waited long under a low rate does not under a higher one. Without a limit before, the burst is
 * there. */
void rate_meter_carry(struct rate_meter *meter, const struct rate_limit *limit, const struct rate_meter *from,
		      const struct rate_limit *was, uint64_t now_ns);
/* A meter that was carried when `from` was `seen` like this, at `seen_ns`, has no more to give from now on than if it were
 * carried now, less what has been taken of it. What was taken of `from` meanwhile its own limit allowed: nobody waits for it at
 * another rate. */
void rate_meter_carry_since(struct rate_meter *meter, const struct rate_limit *limit, const struct rate_meter *from,
			    const struct rate_limit *was, const struct rate_meter *seen, uint64_t seen_ns, uint64_t now_ns);
/* Returns: how many things of one size may be taken now, at most. */
uint64_t rate_meter_enough_for(const struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, uint32_t size);

/* Returns: after how many nanoseconds so much time's worth may be taken; 0: now. */
uint64_t rate_meter_wait_ns(const struct rate_meter *meter, const struct rate_limit *limit, uint64_t now_ns, uint64_t worth_ns);

#endif
