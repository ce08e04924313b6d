/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge.h"

#include "bridge_lookup.h"
#include "bridge_private.h"

/* Frames of this burst for one port, in order. */
struct outbox {
	struct port *port;
	uint16_t n;
	struct frame *frame[BURST_MAX];
};

/* A burst being sorted. Known and flooded frames are never held back at the same time, so that order is kept between
 * any two ports whichever way a frame goes. */
struct sorting {
	struct lcore_ctx *ctx;
	struct port *from;
	const struct bridge_members *members;
	/* Where the last frame went, a port: most go where the one before went. Nothing is held back for a flood then. */
	uint16_t last_to;
	struct outbox *last;
	uint16_t outboxes;
	struct outbox outbox[BURST_MAX];
	uint16_t floods;
	struct frame *flood[BURST_MAX];
	uint16_t ok;
	uint64_t bytes, copies;
};

/* --- on its way -------------------------------------------------------------------------------------------------- */

static void send_known(struct sorting *s)
{
	for (uint16_t i = 0; i < s->outboxes; i++) {
		struct outbox *out = &s->outbox[i];

		out->port->ops->deliver(out->port, s->ctx, out->frame, out->n);
	}
	s->outboxes = 0;
	s->last_to = TO_NOBODY;
}

static void send_floods(struct sorting *s)
{
	uint64_t others = 0;

	if (s->floods == 0)
		return;
	for (unsigned int i = 0; i < s->members->n; i++) {
		struct port *port = s->members->port[i];

		if (port == s->from)
			continue;
		port->ops->deliver(port, s->ctx, s->flood, s->floods);
		others++;
	}
	if (others > 0)
		s->copies += (others - 1) * s->floods;
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

/* False: there is nobody it could go to. */
static __attribute__((noinline)) bool sort_frame(struct sorting *s, struct frame *frame, uint16_t to)
{
	struct port *port = to < PORTS_MAX ? s->members->by_id[to] : NULL;

	if (port != NULL) {
		send_floods(s);
		add_known(s, port, frame);
		s->last_to = to;
	} else if (s->members->n > 1) {
		/* Unknown, a group, or behind a port that has just left. */
		send_known(s);
		s->flood[s->floods++] = frame;
	} else {
		return false;
	}
	return true;
}

void bridge_forward(struct lcore_ctx *ctx, struct port_rxq *q)
{
	const struct bridge *bridge = q->port->bridge;
	struct port_counters *counters = port_counters_of(q->port, ctx);
	uint32_t generation = mac_table_generation(bridge->macs);
	struct burst *burst = ctx->burst;
	struct sorting s;

	s.ctx = ctx;
	s.from = q->port;
	s.members = rcu_get(&bridge->members);
	s.last_to = TO_NOBODY;
	s.outboxes = s.floods = s.ok = 0;
	s.bytes = s.copies = 0;
	for (uint32_t i = 0; i < burst->n; i++) {
		struct frame *frame = &burst->frame[i];
		uint16_t to = bridge_lookup(ctx, q, frame, generation);

		if (to == TO_NOBODY)
			continue;
		if (to == s.last_to)
			s.last->frame[s.last->n++] = frame;
		else if (!sort_frame(&s, frame, to)) {
			count(&counters->rx_drop[RX_DROP_ALONE], 1);
			continue;
		}
		s.ok++;
		s.bytes += frame->len;
	}
	send_known(&s);
	send_floods(&s);
	count(&counters->rx_ok, s.ok);
	count(&counters->rx_bytes, s.bytes);
	count(&counters->copies, s.copies);
}

void bridge_flood(struct lcore_ctx *ctx, struct port *from, struct frame *frame)
{
	struct sorting s = {
		.ctx = ctx,
		.from = from,
		.members = rcu_get(&from->bridge->members),
		.flood = {frame},
		.floods = 1,
		/* Nobody sent it: every one of its copies is a further one. */
		.copies = 1,
	};

	if (s.members->n < 2)
		return;
	send_floods(&s);
	count(&port_counters_of(from, ctx)->copies, s.copies);
}
