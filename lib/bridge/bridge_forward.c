/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge.h"

#include "bridge_egress.h"
#include "bridge_lookup.h"
#include "bridge_private.h"

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
	uint16_t floods;
	struct frame *flood[BURST_MAX];
	uint16_t ok;
	uint64_t bytes, copies;
	uint32_t cost; /* beside that of frames that leave by one port */
};

/* Frames that were counted as sent and went nowhere. */
static __attribute__((noinline)) void drop(struct sorting *s, enum rx_drop why, struct frame **frames,
					   uint16_t n)
{
	count(&s->counters->rx_drop[why], n);
	s->ok = (uint16_t)(s->ok - n);
	for (uint16_t i = 0; i < n; i++)
		s->bytes -= frames[i]->len;
}

static void send_known(struct sorting *s) RUNS_ON(lcore_thread)
{
	for (uint16_t i = 0; i < s->outboxes; i++) {
		struct outbox *out = &s->outbox[i];
		verdict_t verdict = bridge_egress(&s->in, out->port, out->frame, out->n);

		if (__builtin_expect(verdict != VERDICT_PASS, 0))
			drop(s, verdict, out->frame, out->n);
	}
	s->cost += s->outboxes * SHARE_DELIVERY;
	s->outboxes = 0;
	s->last_to = TO_NONE;
}

/* Sends what is held back for a flood to every member it may leave by: how many there were, and in *why what kept it from
 * the others. */
static uint64_t flood(struct sorting *s, enum rx_drop *why) RUNS_ON(lcore_thread)
{
	uint64_t reached = 0, bytes = 0;

	*why = RX_DROP_ALONE;
	for (unsigned int i = 0; i < s->members->n; i++) {
		verdict_t verdict =
			bridge_egress(&s->in, s->members->port[i], s->flood, s->floods);

		if (verdict == VERDICT_PASS)
			reached++;
		else if (verdict != RX_DROP_REFLECTION)
			*why = verdict;
	}
	for (uint16_t i = 0; i < s->floods; i++)
		bytes += s->flood[i]->len;
	s->cost += share_cost((uint32_t)reached * s->floods, (uint32_t)reached, reached * bytes);
	return reached;
}

static void send_floods(struct sorting *s) RUNS_ON(lcore_thread)
{
	enum rx_drop why;
	uint64_t reached;

	if (s->floods == 0)
		return;
	reached = flood(s, &why);
	if (reached > 0)
		s->copies += (reached - 1) * s->floods;
	else
		drop(s, why, s->flood, s->floods);
	s->floods = 0;
}

static void add_known(struct sorting *s, struct port *port, struct frame *frame)
{
	uint16_t i = 0;

	while (i < s->outboxes && s->outbox[i].port != port)
		i++;
	if (i == s->outboxes) {
		s->outbox[i].port = port;
		s->outbox[i].n = 0;
		s->outboxes++;
	}
	s->outbox[i].frame[s->outbox[i].n++] = frame;
	s->last = &s->outbox[i];
}

static __attribute__((noinline)) void sort_frame(struct sorting *s, struct frame *frame, uint32_t to)
	RUNS_ON(lcore_thread)
{
	struct port *port = to < PORTS_MAX ? s->members->by_id[to] : NULL;

	if (port != NULL) {
		send_floods(s);
		add_known(s, port, frame);
		s->last_to = to;
	} else {
		/* Unknown, a group, or behind a port that has just left. */
		send_known(s);
		s->flood[s->floods++] = frame;
	}
}

void bridge_forward(struct lcore_ctx *ctx, struct port_rxq *q)
{
	const struct bridge *bridge = q->port->bridge;
	struct burst *burst = ctx->burst;
	struct sorting s;

	bridge_lookup_begin(ctx, q);
	s.in = ingress_of(ctx, q->port);
	s.counters = port_counters_of(q->port, ctx);
	s.members = rcu_get(&bridge->members);
	s.last_to = TO_NONE;
	s.outboxes = s.floods = s.ok = 0;
	s.bytes = s.copies = 0;
	s.cost = 0;
	for (uint32_t i = 0; i < burst->n; i++) {
		struct frame *frame = &burst->frame[i];
		uint16_t fid;
		uint32_t to;
		verdict_t verdict = bridge_ingress(frame, &fid);

		if (__builtin_expect(verdict != VERDICT_PASS, 0)) {
			count(&s.counters->rx_drop[verdict], 1);
			continue;
		}
		to = bridge_lookup(ctx, q, fid, frame);
		if (to == s.last_to)
			s.last->frame[s.last->n++] = frame;
		else
			sort_frame(&s, frame, to);
		s.ok++;
		s.bytes += frame->len;
	}
	send_known(&s);
	send_floods(&s);
	count(&s.counters->rx_ok, s.ok);
	count(&s.counters->rx_bytes, s.bytes);
	count(&s.counters->copies, s.copies);
	ctx->cost += share_cost(s.ok, 0, s.bytes) + s.cost;
}
