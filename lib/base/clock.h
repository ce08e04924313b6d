/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.h: what time it is, and how much of a CPU a thread has had. lcores count cycles and convert at the edge.
 *
 * Context: any thread.
 * Units: nanoseconds.
 */
#ifndef VUS_CLOCK_H
#define VUS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#undef NS_PER_S /* DPDK has one, too, and it is an int */
#define NS_PER_S UINT64_C(1000000000)

/* Of a clock that is not there: 0. */
static inline uint64_t clock_of_ns(clockid_t id)
{
	struct timespec now = {0};

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Monotonic, from some moment on. */
static inline uint64_t clock_ns(void)
{
	return clock_of_ns(CLOCK_MONOTONIC);
}

/* Since 1970; somebody may set it. */
static inline uint64_t clock_since_1970_ns(void)
{
	return clock_of_ns(CLOCK_REALTIME);
}

/* What the calling thread has had of a CPU. */
static inline uint64_t clock_thread_cpu_ns(void)
{
	return clock_of_ns(CLOCK_THREAD_CPUTIME_ID);
}

#endif
