/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_guard.h: the guards of a port (guard.h), as ingress asks them; lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_GUARD_H
#define VUS_BRIDGE_GUARD_H

#include "bridge_ingress.h"
#include "guard.h"

/* Whether sources are asked whether they are behind another port. Those in the port's own macs are its own, whoever else has used
 * them: nobody can silence it by sending from them. */
static inline bool bridge_guard_loops(const struct policy_guard *guard)
{
	return (guard->checks & (GUARD_LOOP | GUARD_MACS)) == GUARD_LOOP;
}

/* A port that has guards, or is closed: whether the frame may pass, which is in this filtering database.
 * Returns: VERDICT_PASS; or why it is dropped, not counted yet. Control hears of it (offence.h). */
verdict_t bridge_guard_read(const struct ingress *in, const struct bridge *bridge, const struct frame *frame, uint16_t fid)
	RUNS_ON(lcore_thread);

/* Whether what is plain (guard.h) may pass without any other look. */
static inline bool bridge_guard_passes_plain(const struct ingress *in)
{
	return (in->policy->flags & POLICY_CLOSED) == 0 && !bridge_guard_loops(in->guard);
}

/* The same as bridge_guard_read(), with what bridge_guard_passes_plain() says. */
static inline __attribute__((always_inline)) verdict_t bridge_guard(const struct ingress *in, bool passes_plain,
								    const struct bridge *bridge, const struct frame *frame,
								    uint16_t fid) RUNS_ON(lcore_thread)
{
	if (__builtin_expect(passes_plain && guard_is_plain(in->guard, frame), 1))
		return VERDICT_PASS;
	return bridge_guard_read(in, bridge, frame, fid);
}

/* Whether an address that is known behind a port has been silent there for too short a time to be behind another one. */
bool bridge_guard_holds(const struct fdb_value *value, uint32_t destination, uint16_t epoch);

#endif
