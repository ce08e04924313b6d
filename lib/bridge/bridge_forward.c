/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge.h"

#include <string.h>

#include "bridge_egress.h"
#include "bridge_filter.h"
#include "bridge_guard.h"
#include "bridge_lookup.h"
#include "bridge_mirror.h"
#include "bridge_private.h"
#include "bridge_rate.h"
#include "bridge_snoop.h"
#include "capture_lcore.h"
#include "frame_offload.h"

enum { TO_NONE = TO_FLOOD + 1 };

/* Frames of this burst for one port, in order. */
struct outbox {
	struct port *port;
	uint16_t n;
	struct frame *frame[BURST_MAX];
};

/* A burst being sorted. Known and flooded frames are never held back at the same time, so that order is kept between
 * any two ports whichever way a frame goes. */
struct sorting {
	struct ingress in;
	struct port_counters *counters; /* of the port the burst came from */
	const struct bridge_members *members;
	/* Where the last frame went, a port: most go where the one before went. Nothing is held back for a flood then. Else
	 * TO_NONE. */
	uint32_t last_to;
	struct outbox *last;
	uint16_t outboxes;
	struct outbox outbox[BURST_MAX];
	/* On a vlan-aware bridge: how the last frame is tagged, and whether some that are held back for ports are not like it. */
	uint32_t tagging;
	bool mixed;
	uint16_t floods;
	struct frame *flood[BURST_MAX];
	const struct group_map *groups; /* NULL: the bridge does not snoop */
	/* Of the floods, where it does: the ports that take them, or NULL: all; and whether control has had them, too. */
	const struct port_set *flood_to;
	bool flood_punted;
	uint16_t ok;
	uint64_t bytes, copies;
	uint32_t cost; /* beside that of frames that leave by one port */
	bool left;     /* a flood, for a later visit: and the burst with it */
};

/* Frames that were counted as sent, or are about to be, and go nowhere. */
static __attribute__((noinline)) void drop(struct sorting *s, enum rx_drop why, struct frame **frames,
					   uint16_t n) RUNS_ON(lcore_thread)
{
	count_rx_drop(s->counters, why, n, frames[n - 1]);
	s->ok = (uint16_t)(s->ok - n);
	for (uint16_t i = 0; i < n; i++)
		s->bytes -= frames[i]->len;
	if (__builtin_expect(s->in.capture != NULL, 0))
		for (uint16_t i = 0; i < n; i++)
			capture_from_dropped(s->in.capture, s->in.ctx, frames[i], why);
}

/* On a vlan-aware bridge, frames that are not all alike: the port may have left the VLAN of some. Those that are to leave by it
 * are what `out` has then.
 * Returns: whether a tag of theirs is pushed or popped first. */
static __attribute__((noinline)) bool judge_each(struct sorting *s, struct outbox *out, const struct policy_vlan *vlan)
	RUNS_ON(lcore_thread)
{
	uint32_t stays = FRAME_TAGGING_NONE; /* of the last frame that leaves as it is: most are like it */
	bool retags = false;
	uint16_t n = 0;

	for (uint16_t i = 0; i < out->n; i++) {
		struct frame *frame = out->frame[i];
		uint32_t tagging = frame_tagging(frame);
		verdict_t verdict;

		out->frame[n++] = frame;
		if (tagging == stays)
			continue;
		verdict = bridge_vlan_egress(vlan, frame);
		if (__builtin_expect(verdict != VERDICT_PASS, 0)) {
			drop(s, verdict, &out->frame[--n], 1);
			continue;
		}
		if (bridge_vlan_stays(vlan, frame))
			stays = tagging;
		else
			retags = true;
	}
	out->n = n;
	return retags;
}

/* send_outbox() on a vlan-aware bridge. */
static __attribute__((noinline)) void send_outbox_vlan(struct sorting *s, struct outbox *out) RUNS_ON(lcore_thread)
{
	const struct policy *policy = rcu_get(&out->port->policy);
	const struct policy_vlan *vlan = policy_vlan_of(policy);
	verdict_t verdict = VERDICT_PASS;
	bool retags;

	if (__builtin_expect(s->mixed, 0)) {
		retags = judge_each(s, out, vlan);
		if (out->n == 0)
			return;
	} else {
		verdict = bridge_vlan_egress(vlan, out->frame[0]);
		retags = !bridge_vlan_stays(vlan, out->frame[0]);
	}
	if (verdict == VERDICT_PASS)
		verdict = bridge_egress_by(&s->in, out->port, policy, retags, out->frame, out->n);
	if (__builtin_expect(verdict != VERDICT_PASS, 0))
		drop(s, verdict, out->frame, out->n);
}

static inline __attribute__((always_inline)) void send_outbox(struct sorting *s, struct outbox *out)
	RUNS_ON(lcore_thread)
{
	verdict_t verdict;

	if (__builtin_expect(s->in.vlan != NULL, 0)) {
		send_outbox_vlan(s, out);
		return;
	}
	verdict = bridge_egress(&s->in, out->port, out->frame, out->n);
	if (__builtin_expect(verdict != VERDICT_PASS, 0))
		drop(s, verdict, out->frame, out->n);
}

/* To many ports in turn, of which each gets little. The last step towards a port is taken one turn before its own, the step
 * before that two turns: a line comes in less, and so few are on their way that all of them stay in a cache even where they
 * lie in the same sets, as in guests that are alike. */
static __attribute__((noinline)) void send_in_turn(struct sorting *s) RUNS_ON(lcore_thread)
{
	struct port_ahead ahead[BURST_MAX];

	for (int i = -PORT_AHEAD_STEPS; i < s->outboxes; i++) {
		for (int step = 0; step < PORT_AHEAD_STEPS; step++) {
			int at = i + PORT_AHEAD_STEPS - step;
			struct outbox *out;

			if (at < 0 || at >= s->outboxes)
				continue;
			out = &s->outbox[at];
			if (out->port->ops->ahead != NULL)
				out->port->ops->ahead(out->port, (enum port_ahead_step)step, out->frame, out->n, &ahead[at]);
		}
		if (i >= 0)
			send_outbox(s, &s->outbox[i]);
	}
}

static void send_known(struct sorting *s) RUNS_ON(lcore_thread)
{
	enum { MANY = 10 }; /* fewer get more each, and to them it costs more than it saves */

	if (__builtin_expect(s->outboxes >= MANY, 0))
		send_in_turn(s);
	else
		for (uint16_t i = 0; i < s->outboxes; i++)
			send_outbox(s, &s->outbox[i]);
	s->cost += s->outboxes * SHARE_DELIVERY;
	s->outboxes = 0;
	s->mixed = false;
	s->last_to = TO_NONE;
}

/* The first member whose id is not below `from`. */
static unsigned int member_from(const struct bridge_members *members, uint32_t from)
{
	unsigned int low = 0, high = members->n;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (members->port[middle]->id < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What came of a flood, or of a part of one. */
struct flooding {
	uint64_t reached; /* members */
	enum rx_drop why; /* what kept it from the others */
	uint32_t next;	  /* the id of the member that it was left at; PORTS_MAX: all were asked */
};

/* To a member that is asked for all frames of a flood, which are of one VLAN. RX_DROP_ALONE: it is not in that. */
static inline __attribute__((always_inline)) verdict_t flood_to(struct sorting *s, struct port *port) RUNS_ON(lcore_thread)
{
	const struct policy *policy = rcu_get(&port->policy);

	if (__builtin_expect(s->in.vlan != NULL, 0)) {
		verdict_t verdict = bridge_vlan_egress(policy_vlan_of(policy), s->flood[0]);

		if (verdict != VERDICT_PASS)
			return verdict == RX_DROP_VLAN_NOT_MEMBER ? RX_DROP_ALONE : verdict;
	}
	return bridge_egress_by(&s->in, port, policy, s->in.vlan != NULL, s->flood, s->floods);
}

/* The next member that takes a flood, of those whose ids are not below `from`: its place among the members, or, where the
 * flood is for some of them, its id. */
static inline __attribute__((always_inline)) uint32_t receiver_next(const struct sorting *s, uint32_t from)
{
	if (__builtin_expect(s->flood_to == NULL, 1))
		return from;
	do
		from = port_set_next(s->flood_to, from);
	while (from < PORTS_MAX && s->members->by_id[from] == NULL && ++from < PORTS_MAX);
	return from;
}

/* Sends what is held back for a flood to every member that it may leave by, of those whose ids are not below `from`; after
 * one of them at least it may have cost enough. */
static struct flooding flood(struct sorting *s, uint32_t from) RUNS_ON(lcore_thread)
{
	struct flooding flooding = {.why = RX_DROP_ALONE, .next = PORTS_MAX};
	const struct bridge_members *members = s->members;
	bool all = s->flood_to == NULL;
	struct port *const *port = all ? members->port : members->by_id;
	uint32_t each, bound = s->in.ctx->bound, i = all ? member_from(members, from) : from, n = all ? members->n : PORTS_MAX;
	uint32_t asked = 0;
	const uint32_t before = s->in.ctx->cost; /* to which filters add */
	uint64_t bytes = 0;

	if (!all)
		flooding.why = RX_DROP_MCAST_NO_MEMBER;
	for (uint32_t k = 0; k < s->floods; k++)
		bytes += s->flood[k]->len;
	each = share_cost(s->floods * SHARE_COPY, 1, bytes);
	for (i = receiver_next(s, i); i < n; i = receiver_next(s, i + 1)) {
		verdict_t verdict;

		if (port[i] == s->in.port) {
			asked++;
			continue;
		}
		if (flooding.reached > 0 && bound != 0 && s->cost + (s->in.ctx->cost - before) >= bound) {
			flooding.next = port[i]->id;
			break;
		}
		asked++;
		verdict = flood_to(s, port[i]);
		if (verdict == VERDICT_PASS) {
			flooding.reached++;
			s->cost += each;
		} else if (verdict != RX_DROP_ALONE && verdict != RX_DROP_MIRROR_SINK) {
			flooding.why = verdict;
		}
	}
	/* A burst may be as many floods as frames. */
	s->cost += (asked - (uint32_t)flooding.reached) / SHARE_PASSED;
	return flooding;
}

/* Remembers what is being flooded, and the member that it was left at. */
static __attribute__((noinline)) void leave(struct sorting *s, uint32_t next)
{
	struct burst *burst = s->in.ctx->burst;

	memset(burst->flooded, 0, sizeof(burst->flooded));
	for (uint16_t i = 0; i < s->floods; i++) {
		size_t at = (size_t)(s->flood[i] - burst->frame);

		burst->flooded[at / 64] |= UINT64_C(1) << at % 64;
	}
	burst->port = (uint16_t)next;
	s->left = true;
}

static void send_floods(struct sorting *s) RUNS_ON(lcore_thread)
{
	struct flooding flooding;

	if (s->floods == 0)
		return;
	flooding = flood(s, 0);
	if (flooding.reached + s->flood_punted > 0)
		s->copies += (flooding.reached + s->flood_punted - 1) * s->floods;
	else
		drop(s, flooding.why, s->flood, s->floods);
	if (flooding.next < PORTS_MAX)
		leave(s, flooding.next);
	s->floods = 0;
}

/* Which outbox was a port's when it had one last. Whether it still is, the outbox says: so nothing is cleared. */
static _Thread_local __attribute__((tls_model("local-exec"))) uint8_t outbox_of[PORTS_MAX];
_Static_assert(BURST_MAX <= UINT8_MAX + 1, "outboxes have numbers that fit");

static void add_known(struct sorting *s, struct port *port, struct frame *frame)
{
	uint8_t *at = &outbox_of[port->id];
	struct outbox *out = &s->outbox[*at];

	if (*at >= s->outboxes || out->port != port) {
		*at = (uint8_t)s->outboxes++;
		out = &s->outbox[*at];
		out->port = port;
		out->n = 0;
	}
	out->frame[out->n++] = frame;
	s->last = out;
}

/* IEEE 802.1Q-2018, table 8-1. */
static inline bool is_link_local(const struct frame *frame)
{
	const mac_key_t last = UINT64_C(0x0f) << 40;

	return (mac_at(frame->head) & ~last) == UINT64_C(0xc28001);
}

/* Whether the port's limits let it be flooded; else it is dropped. A frame is asked about once: not before it is certain that no
 * flood before it was left. */
static inline bool passes_storm(struct sorting *s, struct frame *frame) RUNS_ON(lcore_thread)
{
	verdict_t verdict;

	if (__builtin_expect(s->in.policy == NULL || (s->in.policy->flags & POLICY_STORM) == 0, 1))
		return true;
	verdict = bridge_storm(s->in.ctx, s->in.policy, frame);
	if (verdict == VERDICT_PASS)
		return true;
	drop(s, verdict, &frame, 1);
	return false;
}

/* On a bridge that snoops. A frame for control is a flood by itself, so that it is known which of them control has had. */
static __attribute__((noinline)) bool add_snooped(struct sorting *s, struct frame *frame) RUNS_ON(lcore_thread)
{
	struct snooped snooped = bridge_snoop(s->groups, frame, s->in.vlan != NULL);
	bool punts = snooped.punt != PUNT_KINDS;

	if (s->floods > 0 &&
	    (punts || snooped.to != s->flood_to || (s->in.vlan != NULL && !bridge_vlan_same(s->flood[0], frame))))
		send_floods(s);
	if (s->left)
		return false;
	if (!passes_storm(s, frame))
		return true;
	s->flood_to = snooped.to;
	s->flood[s->floods++] = frame;
	if (!punts)
		return true;
	punt_post(s->in.ctx, s->in.port, snooped.punt, frame);
	s->cost += SHARE_COPY;
	s->flood_punted = true;
	send_floods(s);
	s->flood_punted = false;
	return true;
}

/* A frame that is to be flooded joins the others. False: they are of another VLAN, and their flood was left. */
static inline __attribute__((always_inline)) bool add_flood(struct sorting *s, struct frame *frame) RUNS_ON(lcore_thread)
{
	if (__builtin_expect(s->in.port->bridge->drops_link_local, 0) && is_link_local(frame)) {
		drop(s, RX_DROP_LINK_LOCAL, &frame, 1);
		return true;
	}
	send_known(s);
	if (__builtin_expect(s->groups != NULL, 0))
		return add_snooped(s, frame);
	if (__builtin_expect(s->in.vlan != NULL, 0) && s->floods > 0 && !bridge_vlan_same(s->flood[0], frame))
		send_floods(s);
	if (s->left)
		return false;
	if (passes_storm(s, frame))
		s->flood[s->floods++] = frame;
	return true;
}

/* False: a flood before it was left, and so is the frame. */
static __attribute__((noinline)) bool sort_frame(struct sorting *s, struct frame *frame, uint32_t to)
	RUNS_ON(lcore_thread)
{
	struct port *port = to < PORTS_MAX ? s->members->by_id[to] : NULL;

	if (port != NULL) {
		send_floods(s);
		if (s->left)
			return false;
		add_known(s, port, frame);
		s->last_to = to;
		return true;
	}
	/* Unknown, a group, or behind a port that has just left. */
	return add_flood(s, frame);
}

static inline __attribute__((always_inline)) void sorting_begin(struct sorting *s, struct lcore_ctx *ctx, struct port_rxq *q)
	RUNS_ON(lcore_thread)
{
	bridge_lookup_begin(ctx, q);
	s->in = ingress_of(ctx, q->port->bridge, q->port);
	s->counters = port_counters_of(q->port, ctx);
	s->members = rcu_get(&q->port->bridge->members);
	s->last_to = TO_NONE;
	s->outboxes = s->floods = s->ok = 0;
	s->tagging = FRAME_TAGGING_NONE;
	s->mixed = false;
	s->bytes = s->copies = 0;
	s->groups = rcu_get(&q->port->bridge->groups);
	s->flood_to = NULL;
	s->flood_punted = false;
	s->cost = 0;
	s->left = false;
}

/* Before a frame is sorted: those of a burst of one VLAN are judged together on their way out. */
static inline void note_tagging(struct sorting *s, uint32_t tagging)
{
	if (__builtin_expect(tagging == s->tagging, 1))
		return;
	s->tagging = tagging;
	s->mixed = s->outboxes > 0;
}

/* What guards and filters judge is what receivers will see. */
static __attribute__((noinline)) verdict_t settle(struct sorting *s, struct frame *frame) RUNS_ON(lcore_thread)
{
	s->cost += SHARE_COPY;
	if (frame_offload_settle(frame))
		return VERDICT_PASS;
	return s->in.guard != NULL ? RX_DROP_GUARD_ODD : RX_DROP_FILTER_UNKNOWN;
}

/* The frames of the burst from number `i` on. Of most ports constants: `vlans`, whether the bridge is vlan-aware; `guards`,
 * whether the port has some; and `inspects`, whether it has a filter for what comes from it, or captures. */
static inline __attribute__((always_inline)) void sort_burst_as(struct sorting *s, struct lcore_ctx *ctx, struct port_rxq *q,
								uint32_t i, bool vlans, bool guards, bool inspects)
	RUNS_ON(lcore_thread)
{
	bool passes_plain = guards && bridge_guard_passes_plain(&s->in);
	struct vlan_untagged untagged = vlans ? bridge_vlan_untagged(s->in.vlan) : (struct vlan_untagged){0};
	struct burst *burst = ctx->burst;
	struct frame *frame = &burst->frame[i], *end = &burst->frame[burst->n];

	for (; frame < end; frame++) {
		struct filter_outcome outcome;
		uint32_t to, tagging = 0;
		uint16_t fid;
		verdict_t verdict = bridge_ingress(frame, &fid);

		if (inspects && s->in.capture != NULL)
			capture_from(s->in.capture, ctx, frame);
		if (vlans && verdict == VERDICT_PASS) {
			verdict = bridge_vlan_ingress(s->in.vlan, untagged, frame, &tagging);
			fid = tagging_fid(tagging);
		}
		if ((guards || (inspects && s->in.filter != NULL)) && __builtin_expect(frame_needs_offload(frame), 0) &&
		    verdict == VERDICT_PASS)
			verdict = settle(s, frame);
		if (guards && verdict == VERDICT_PASS)
			verdict = bridge_guard(&s->in, passes_plain, q->port->bridge, frame, fid);
		if (inspects && s->in.filter != NULL && verdict == VERDICT_PASS)
			verdict = bridge_filter_ingress(&s->in, frame, &outcome);
		if (__builtin_expect(verdict != VERDICT_PASS, 0)) {
			count_rx_drop(s->counters, verdict, 1, frame);
			if (inspects && s->in.capture != NULL)
				capture_from_dropped(s->in.capture, ctx, frame, verdict);
			continue;
		}
		if (vlans)
			note_tagging(s, tagging);
		to = bridge_lookup(ctx, q, fid, frame);
		if (to == s->last_to) {
			s->last->frame[s->last->n++] = frame;
		} else if (__builtin_expect(!sort_frame(s, frame, to), 0)) {
			if (inspects && s->in.capture != NULL)
				capture_from_undo(s->in.capture, ctx, frame);
			break;
		}
		if (inspects && s->in.filter != NULL)
			bridge_filter_passed(&s->in, &outcome);
		s->ok++;
		s->bytes += frame->len;
	}
	burst->next = (uint16_t)(frame - burst->frame);
	send_known(s);
	send_floods(s);
}

static __attribute__((noinline)) void sort_burst_vlan(struct sorting *s, struct lcore_ctx *ctx, struct port_rxq *q, uint32_t i)
	RUNS_ON(lcore_thread)
{
	sort_burst_as(s, ctx, q, i, true, false, false);
}

static __attribute__((noinline)) void sort_burst_guarded(struct sorting *s, struct lcore_ctx *ctx, struct port_rxq *q, uint32_t i)
	RUNS_ON(lcore_thread)
{
	sort_burst_as(s, ctx, q, i, s->in.vlan != NULL, true, false);
}

static __attribute__((noinline)) void sort_burst_inspected(struct sorting *s, struct lcore_ctx *ctx, struct port_rxq *q,
							     uint32_t i) RUNS_ON(lcore_thread)
{
	if (s->in.capture != NULL)
		capture_from_begin(s->in.capture, ctx);
	sort_burst_as(s, ctx, q, i, s->in.vlan != NULL, s->in.guard != NULL, true);
	if (s->in.capture != NULL)
		capture_from_end(s->in.capture, ctx);
}

static inline __attribute__((always_inline)) void sort_burst(struct sorting *s, struct lcore_ctx *ctx, struct port_rxq *q,
							     uint32_t i) RUNS_ON(lcore_thread)
{
	if (__builtin_expect(s->in.filter != NULL || s->in.capture != NULL, 0))
		sort_burst_inspected(s, ctx, q, i);
	else if (__builtin_expect(s->in.guard != NULL, 0))
		sort_burst_guarded(s, ctx, q, i);
	else if (__builtin_expect(s->in.vlan != NULL, 0))
		sort_burst_vlan(s, ctx, q, i);
	else
		sort_burst_as(s, ctx, q, i, false, false, false);
}

/* Whether the burst is done. */
static inline __attribute__((always_inline)) bool sorting_end(struct sorting *s, struct lcore_ctx *ctx) RUNS_ON(lcore_thread)
{
	count(&s->counters->rx_ok, s->ok);
	count(&s->counters->rx_bytes, s->bytes);
	count(&s->counters->copies, s->copies);
	ctx->cost += share_cost(0, 0, s->bytes) + s->cost;
	return !s->left;
}

/* The frames of a sink, from number `i` on. */
static void drop_of_sink(struct sorting *s, struct burst *burst, uint32_t i) RUNS_ON(lcore_thread)
{
	const struct capture_points *capture = s->in.capture;

	count_rx_drop(s->counters, RX_DROP_MIRROR_SINK, burst->n - i, &burst->frame[burst->n - 1]);
	burst->next = burst->n;
	if (capture == NULL)
		return;
	capture_from_begin(capture, s->in.ctx);
	for (; i < burst->n; i++) {
		capture_from(capture, s->in.ctx, &burst->frame[i]);
		capture_from_dropped(capture, s->in.ctx, &burst->frame[i], RX_DROP_MIRROR_SINK);
	}
	capture_from_end(capture, s->in.ctx);
}

/* On a bridge with mirrors, the frames of the burst from number `i` on. Whether they are to be sorted: they are not a sink's. */
static __attribute__((noinline)) bool mirror_burst(struct sorting *s, struct burst *burst, uint32_t i) RUNS_ON(lcore_thread)
{
	if (bridge_mirror_is_sink(&s->in)) {
		drop_of_sink(s, burst, i);
		return false;
	}
	/* What is left of a burst has been mirrored as a whole. */
	if (i == 0)
		bridge_mirror_from(&s->in, burst->frame, burst->n);
	return true;
}

bool bridge_forward(struct lcore_ctx *ctx, struct port_rxq *q)
{
	struct sorting s;

	sorting_begin(&s, ctx, q);
	if (__builtin_expect(s.in.mirrors == NULL, 1) || mirror_burst(&s, ctx->burst, 0))
		sort_burst(&s, ctx, q, 0);
	return sorting_end(&s, ctx);
}

/* Where the frames of a flood go on to. All of them were for the same ports; by now these may be others, and not the same for all
 * of them: then they go to all ports, for none may be missed. */
static const struct port_set *same_ports(const struct sorting *s) RUNS_ON(lcore_thread)
{
	const struct port_set *to = bridge_snoop(s->groups, s->flood[0], s->in.vlan != NULL).to;

	for (uint32_t i = 1; i < s->floods; i++)
		if (bridge_snoop(s->groups, s->flood[i], s->in.vlan != NULL).to != to)
			return NULL;
	return to;
}

/* Its frames have been counted as sent on their way. */
bool bridge_go_on(struct lcore_ctx *ctx, struct port_rxq *q)
{
	struct burst *burst = ctx->burst;
	struct flooding flooding;
	struct sorting s;

	sorting_begin(&s, ctx, q);
	for (uint32_t i = 0; i < BURST_MAX / 64; i++)
		for (uint64_t left = burst->flooded[i]; left != 0; left &= left - 1)
			s.flood[s.floods++] = &burst->frame[64 * i + (uint32_t)__builtin_ctzll(left)];
	if (s.groups != NULL)
		s.flood_to = same_ports(&s);
	flooding = flood(&s, burst->port);
	s.copies = flooding.reached * s.floods;
	s.floods = 0;
	if (flooding.next < PORTS_MAX) {
		burst->port = (uint16_t)flooding.next;
		s.left = true;
	} else if (s.in.mirrors == NULL || mirror_burst(&s, burst, burst->next)) {
		sort_burst(&s, ctx, q, burst->next);
	}
	return sorting_end(&s, ctx);
}

void bridge_give_up(struct lcore_ctx *ctx, struct port_rxq *q)
{
	/* Its bytes are not to be touched any more. */
	count_rx_drop(port_counters_of(q->port, ctx), RX_DROP_WITHDRAWN, (uint64_t)(ctx->burst->n - ctx->burst->next), NULL);
}
