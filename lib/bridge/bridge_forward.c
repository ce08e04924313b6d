/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge.h"

#include <endian.h>
#include <string.h>

#include "bridge_private.h"

/* The first bit of an address that travels: a group, broadcast included. */
static const mac_key_t MAC_GROUP = 1;
static const mac_key_t MAC_BITS = (UINT64_C(1) << 48) - 1;

/* Where a frame goes, when it is not a port. */
enum { TO_FLOOD = PORTS_MAX, TO_NOBODY };
_Static_assert(TO_NOBODY < UINT16_MAX, "a destination fits the memo");

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

/* --- learning ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void learn(struct lcore_ctx *ctx, struct port_rxq *q,
					    mac_key_t mac, uint32_t generation) RUNS_ON(lcore_thread)
{
	struct bridge *bridge = q->port->bridge;
	struct mac_value value;
	bool known = mac_table_lookup(bridge->macs, mac, &value);

	/* Whatever comes of a report: the same address is not reported again before the table or the second has
	 * changed. */
	q->memo.src_mac = mac;
	q->memo.src_gen = generation;
	q->memo.src_epoch = ctx->epoch;
	if (known && (value.is_static || (value.port == q->port->id &&
					  value.epoch == mac_epoch(ctx->epoch))))
		return;
	report_post(ctx->reports, &(struct report){
					  .kind = REPORT_MAC_SEEN,
					  .key = mac,
					  .port = q->port->id,
					  .bridge = bridge->index,
				  });
}

/* --- where to ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) uint16_t find(struct port_rxq *q, mac_key_t mac,
					       uint32_t generation) RUNS_ON(lcore_thread)
{
	struct mac_value value;

	q->memo.dst_mac = mac;
	q->memo.dst_gen = generation;
	q->memo.dst_port =
		mac_table_lookup(q->port->bridge->macs, mac, &value) ? value.port : TO_FLOOD;
	return q->memo.dst_port;
}

/* An address in a head, which has at least FRAME_LEN_MIN bytes: eight are read, two too many. */
static inline mac_key_t mac_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word) & MAC_BITS;
}
_Static_assert(FRAME_LEN_MIN >= 6 + 8, "eight bytes from the source address on are there");

/* The port a frame is for, or TO_FLOOD, or TO_NOBODY with its reason counted. */
static inline uint16_t classify(struct lcore_ctx *ctx, struct port_rxq *q, const struct frame *frame,
				uint32_t generation) RUNS_ON(lcore_thread)
{
	mac_key_t dst = mac_at(frame->head), src = mac_at(frame->head + 6);
	uint16_t to = TO_FLOOD;

	if (__builtin_expect(src != q->memo.src_mac || generation != q->memo.src_gen ||
				     ctx->epoch != q->memo.src_epoch,
			     0)) {
		if (src == 0 || (src & MAC_GROUP) != 0) {
			count(&port_counters_of(q->port, ctx)->rx_drop[RX_DROP_SOURCE], 1);
			return TO_NOBODY;
		}
		learn(ctx, q, src, generation);
	}
	if (__builtin_expect(dst == q->memo.dst_mac && generation == q->memo.dst_gen, 1))
		to = q->memo.dst_port;
	else if ((dst & MAC_GROUP) == 0)
		to = find(q, dst, generation);
	if (__builtin_expect(to == q->port->id, 0)) {
		count(&port_counters_of(q->port, ctx)->rx_drop[RX_DROP_REFLECTION], 1);
		return TO_NOBODY;
	}
	return to;
}

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
		uint16_t to = classify(ctx, q, frame, generation);

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
