/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet.h"

#include <linux/virtio_net.h>

#include "mem_copy.h"
#include "poke.h"
#include "vnet_private.h"
#include "vus_limits.h"

/* --- what every burst begins and ends with ----------------------------------------------------------------------- */

void vnet_break(struct virtq *q, int fault)
{
	atomic_store_explicit(&q->fault, fault, memory_order_relaxed);
}

static inline __attribute__((always_inline)) bool begin_as(struct virtq *q,
	const struct virtq_view *view, struct port_counters *counters,
	const struct virtq_format *format) RUNS_ON(lcore_thread)
{
	int n;

	view->dp->fresh = false;
	view->dp->kicks_wanted = true;
	n = format->begin(view, counters != NULL);
	if (n < 0) {
		vnet_break(q, -n);
		return false;
	}
	if (counters != NULL)
		count(&counters->rx_drop[RX_DROP_RESTART], (uint64_t)n);
	if (format->publish(view)) {
		count(&q->counters.interrupts, 1);
		vnet_interrupt(q, view);
	}
	format->want_kicks(view, false);
	return true;
}

bool vnet_begin(struct virtq *q, const struct virtq_view *view, struct port_counters *counters)
{
	return view->conf->packed ? begin_as(q, view, counters, &virtq_packed)
				  : begin_as(q, view, counters, &virtq_split);
}

void vnet_interrupt(struct virtq *q, const struct virtq_view *view)
{
	/* The one system call of the data path. The descriptor is an eventfd and non-blocking; one that is full
	 * means that the interrupt is pending already. One that holds us up was made to (L5). */
	if (__builtin_expect(poke(view->conf->call_fd) != 0, 0))
		vnet_break(q, VIRTQ_FAULT_CALL);
}

/* --- receive ----------------------------------------------------------------------------------------------------- */

/* Takes bytes off the front of a list of spans, into `to`, and leaves the list at what follows. The caller knows that
 * there are that many. */
static void spans_take(struct mem_span **spans, uint8_t *to, uint32_t n)
{
	while (n > 0) {
		struct mem_span *span = *spans;
		uint32_t part = span->len < n ? span->len : n;

		memcpy(to, span->at, part);
		to += part;
		n -= part;
		span->at += part;
		span->len -= part;
		if (span->len == 0)
			(*spans)++;
	}
}

/* Header and head split anywhere over any number of descriptors. */
static void frame_gather(struct frame *frame, struct mem_span *spans, uint32_t n_spans,
			 uint32_t header_len)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	struct mem_span *at = spans;

	spans_take(&at, (uint8_t *)&header, header_len);
	frame->offload = header.hdr;
	frame->head_len = frame->len < FRAME_HEAD ? (uint16_t)frame->len : FRAME_HEAD;
	spans_take(&at, frame->head, frame->head_len);
	frame->body = at;
	frame->body_spans =
		frame->len > frame->head_len ? (uint16_t)(n_spans - (uint32_t)(at - spans)) : 0;
}

/* The common layout: header and frame in one piece. */
static inline void frame_snapshot(struct frame *frame, struct mem_span *span, uint32_t header_len)
{
	const uint8_t *at = span->at + header_len;

	memcpy(&frame->offload, span->at, sizeof(frame->offload));
	if (frame->len > FRAME_HEAD) {
		memcpy(frame->head, at, FRAME_HEAD);
		frame->head_len = FRAME_HEAD;
		*span = (struct mem_span){.at = span->at + header_len + FRAME_HEAD,
					  .len = frame->len - FRAME_HEAD};
		frame->body = span;
		frame->body_spans = 1;
	} else {
		mem_copy_short(frame->head, at, frame->len);
		frame->head_len = (uint16_t)frame->len;
		frame->body = NULL;
		frame->body_spans = 0;
	}
}

/* Makes a frame of a chain, or says why it is none (an rx_drop), or -1. */
static inline int frame_of_chain(struct frame *frame, const struct virtq_chain *chain,
				 struct mem_span *spans, const struct virtq_conf *conf)
{
	uint32_t header_len = conf->header_len;

	if (__builtin_expect(chain->len < header_len + FRAME_LEN_MIN, 0))
		return RX_DROP_SHORT;
	if (__builtin_expect(chain->len > header_len + FRAME_LEN_MAX, 0))
		return RX_DROP_LONG;
	frame->len = (uint32_t)chain->len - header_len;
	frame->mbuf = NULL;
	if (__builtin_expect(chain->spans == 1, 1))
		frame_snapshot(frame, spans, header_len);
	else
		frame_gather(frame, spans, chain->spans, header_len);
	frame->valid = 0;
	if (__builtin_expect(frame_asks(frame), 0))
		return vnet_offload_check(frame, conf);
	/* Nothing is asked, whatever else stands there. */
	frame->offload = (struct virtio_net_hdr){0};
	return -1;
}

/* Resolves up to n chains into `chains` and `spans`: their number. What a frame begins with is on its way to us while the
 * rest of the burst is still being resolved. */
static inline __attribute__((always_inline)) uint16_t
peek_chains(struct virtq *q, const struct virtq_view *view, struct virtq_chain *chains,
	    struct mem_span *spans, uint16_t n, const struct virtq_format *format)
{
	uint32_t n_spans = 0, cost = 0, at = 0;
	uint64_t bytes = 0;
	uint16_t i;

	for (i = 0; i < n; i++)
		format->prefetch(view, i);
	for (i = 0; i < n && bytes < BURST_BYTES; i++) {
		int error = format->peek(view, at, false, &chains[i], spans + n_spans,
					 BURST_SPANS - cost);

		if (__builtin_expect(error != 0, 0)) {
			/* No room for this chain beside the others: it is the next burst's first. */
			if (error < 0 && (error != -VIRTQ_FAULT_PIECES || cost == 0))
				vnet_break(q, -error);
			break;
		}
		if (chains[i].spans > 0) {
			__builtin_prefetch(spans[n_spans].at);
			__builtin_prefetch(spans[n_spans].at + 64);
		}
		cost += chains[i].cost;
		n_spans += chains[i].spans;
		bytes += chains[i].len;
		at += chains[i].slots;
	}
	return i;
}

static inline __attribute__((always_inline)) void
receive_chains(struct virtq *q, const struct virtq_view *view, struct burst *burst, uint16_t n,
	       struct port_counters *counters, const struct virtq_format *format)
{
	struct virtq_chain chains[BURST_MAX];
	struct mem_span *span = burst->span;
	uint32_t slots = 0;

	n = peek_chains(q, view, chains, span, n, format);
	for (uint16_t i = 0; i < n; i++) {
		struct frame *frame = &burst->frame[burst->n];
		int drop;

		format->push(view, &chains[i], 0);
		slots += chains[i].slots;
		frame->head = burst->room[burst->n];
		drop = frame_of_chain(frame, &chains[i], span, view->conf);
		span += chains[i].spans;
		if (__builtin_expect(drop >= 0, 0))
			count(&counters->rx_drop[drop], 1);
		else
			burst->n++;
	}
	burst->source = view->conf;
	if (n > 0)
		format->take(view, slots);
}

static inline __attribute__((always_inline)) void
complete_burst(struct virtq *q, struct burst *burst, const struct virtq_format *format)
{
	/* The geometry of receive(): the ring may have been withdrawn since, but control waits for us to pass
	 * before it looks at the position, and must find every chain we took given back. */
	struct virtq_view view = {
		.dp = &q->dp,
		.conf = burst->source,
		.log = rcu_get(&q->memory->log),
	};

	if (format->publish(&view)) {
		count(&q->counters.interrupts, 1);
		vnet_interrupt(q, &view);
	}
}

static inline __attribute__((always_inline)) uint16_t
receive_as(struct virtq *q, const struct virtq_view *view, struct burst *burst,
	   struct port_counters *counters, const struct virtq_format *format)
{
	int n = format->available(view, 0, BURST_MAX);

	if (n <= 0) {
		if (n < 0)
			vnet_break(q, -n);
		return 0;
	}
	receive_chains(q, view, burst, (uint16_t)n, counters, format);
	count(&q->counters.frames, burst->n);
	if (burst->n == 0)
		complete_burst(q, burst, format);
	return burst->n;
}

uint16_t vnet_receive(struct virtq *q, struct burst *burst, struct port_counters *counters)
{
	struct virtq_view view;

	burst->n = 0;
	if (!vnet_view_open(q, &view, counters))
		return 0;
	return view.conf->packed ? receive_as(q, &view, burst, counters, &virtq_packed)
				 : receive_as(q, &view, burst, counters, &virtq_split);
}

void vnet_complete(struct virtq *q, struct burst *burst)
{
	const struct virtq_conf *conf = burst->source;

	if (conf->packed)
		complete_burst(q, burst, &virtq_packed);
	else
		complete_burst(q, burst, &virtq_split);
}

/* --- sleeping ---------------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) bool arm_as(const struct virtq_view *view,
	const struct virtq_format *format)
{
	format->want_kicks(view, true);
	return format->available(view, 0, 1) != 0;
}

bool vnet_arm(struct virtq *q)
{
	struct virtq_view view;

	/* A ring that was not looked at yet is looked at first: there may be something to be done. */
	if (q->dp.fresh)
		return rcu_get(&q->conf) != NULL && virtq_fault(q) == VIRTQ_OK;
	if (!vnet_view_open(q, &view, NULL))
		return false;
	return view.conf->packed ? arm_as(&view, &virtq_packed) : arm_as(&view, &virtq_split);
}

void vnet_disarm(struct virtq *q)
{
	struct virtq_view view;

	if (q->dp.fresh || !vnet_view_open(q, &view, NULL))
		return;
	if (view.conf->packed)
		virtq_packed.want_kicks(&view, false);
	else
		virtq_split.want_kicks(&view, false);
}
