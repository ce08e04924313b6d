/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.h: monotonic time. lcores count cycles and convert at the edge.
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

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What the calling thread has had of a CPU. */
static inline uint64_t clock_thread_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
