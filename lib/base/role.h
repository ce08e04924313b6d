/* SPDX-License-Identifier: BSD-3-Clause */
/* role.h: which thread may touch what, said so that a compiler can check it.
 *
 * There are three roles. `control_thread` is the one thread that owns sockets, configuration and every object's life;
 * `lcore_thread` is any of the threads that move frames; `device_thread` is the one that makes, starts, asks, stops and closes
 * DPDK's devices. A function says who may call it with RUNS_ON(role), a field (or a whole nested struct) says whose it is
 * with OWNED_BY(role). clang turns both into errors at compile time; gcc sees nothing.
 *
 * What clang cannot follow, a call through a pointer, is bridged by role_assert_control(), role_assert_lcore() and
 * role_assert_device() at the head of each thread's entry and each callback: to clang they are the proof, and in a debug
 * build they compare with the role the thread took by role_take().
 *
 * Context: any thread.
 */
#ifndef VUS_ROLE_H
#define VUS_ROLE_H

#include <assert.h>

#if defined(__clang__)
#define ROLE_CAPABILITY __attribute__((capability("role")))
#define OWNED_BY(role) __attribute__((guarded_by(role)))
#define RUNS_ON(role) __attribute__((requires_capability(role)))
#define ROLE_PROOF(role) __attribute__((assert_capability(role)))
#define ROLE_UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define ROLE_CAPABILITY
#define OWNED_BY(role)
#define RUNS_ON(role)
#define ROLE_PROOF(role)
#define ROLE_UNCHECKED
#endif

/* A parameter an interface passes and this implementation has no use for. */
#define VUS_UNUSED __attribute__((unused))

enum role { ROLE_NONE, ROLE_CONTROL, ROLE_LCORE, ROLE_DEVICE };

struct ROLE_CAPABILITY role_tag {
	enum role role;
};
extern struct role_tag control_thread, lcore_thread, device_thread;

extern _Thread_local enum role role_of_thread;

/* The calling thread takes a role for the rest of its life. */
static inline void role_take(enum role role)
{
	role_of_thread = role;
}

static inline void role_assert_control(void) ROLE_PROOF(control_thread)
{
	assert(role_of_thread != ROLE_LCORE && role_of_thread != ROLE_DEVICE);
}

static inline void role_assert_lcore(void) ROLE_PROOF(lcore_thread)
{
	assert(role_of_thread != ROLE_CONTROL && role_of_thread != ROLE_DEVICE);
}

static inline void role_assert_device(void) ROLE_PROOF(device_thread)
{
	assert(role_of_thread == ROLE_DEVICE);
}

#endif
