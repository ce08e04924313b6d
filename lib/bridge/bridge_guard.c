/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_guard.h"

#include "fdb_lookup.h"
#include "offence.h"

/* Seconds for which an address has to be silent behind one port before it may be behind one with loop-guard. */
enum { LOOP_QUIET_S = 5 };

bool bridge_guard_holds(const struct fdb_value *value, uint32_t destination, uint16_t epoch)
{
	/* Of epochs the FDB keeps the lower bits. */
	return value->destination != destination &&
	       (value->is_static || fdb_epoch((uint16_t)(epoch - value->epoch)) <= LOOP_QUIET_S);
}

static __attribute__((noinline)) bool comes_back(const struct ingress *in, const struct bridge *bridge, const struct frame *frame,
						 uint16_t fid) RUNS_ON(lcore_thread)
{
	struct fdb_mark mark;
	uint32_t word = fdb_lookup_inline(bridge->fdb, fdb_key(fid, mac_at(frame->head + 6)), &mark);
	struct fdb_value value;

	if (word == FDB_WORD_NONE)
		return false;
	value = fdb_value_of(word);
	return bridge_guard_holds(&value, in->port->id, in->ctx->epoch);
}

static __attribute__((noinline)) void tell(const struct ingress *in, const struct frame *frame, verdict_t why)
	RUNS_ON(lcore_thread)
{
	if (why == RX_DROP_GUARD_BPDU && (in->guard->checks & GUARD_CLOSES) != 0)
		offence_closes(in->ctx, in->port);
	offence_post(in->ctx, in->port, (uint16_t)why, frame);
}

verdict_t bridge_guard_read(const struct ingress *in, const struct bridge *bridge, const struct frame *frame, uint16_t fid)
{
	verdict_t verdict;

	if (__builtin_expect((in->policy->flags & POLICY_CLOSED) != 0, 0))
		return RX_DROP_CLOSED;
	verdict = guard_verdict(in->guard, frame);
	if (verdict == VERDICT_PASS && bridge_guard_loops(in->guard) && comes_back(in, bridge, frame, fid))
		verdict = RX_DROP_GUARD_LOOP;
	if (__builtin_expect(verdict != VERDICT_PASS, 0))
		tell(in, frame, verdict);
	return verdict;
}
