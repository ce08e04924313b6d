/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/virtio_net.h>

#include "mem_copy.h"
#include "virtq_split.h"
#include "vnet.h"
#include "vnet_private.h"
#include "vus_limits.h"

/* A burst on its way into a guest's ring. */
struct delivery {
	struct virtq *q;
	struct virtq_view view;
	struct port_counters *counters;
	uint32_t len_max;
	uint16_t ok;
	uint64_t bytes;
};

/* Tells a migration what was written. The bytes before the bits: mem_log_mark() relies on it. */
static __attribute__((noinline)) void log_written(const struct virtq_view *view,
						  const struct mem_span *spans, uint64_t len)
{
	guest_fence();
	for (; len > 0; spans++) {
		uint64_t part = spans->len < len ? spans->len : len;

		mem_log_mark_host(view->log, view->map, spans->at, part);
		len -= part;
	}
}

/* --- one frame, one buffer --------------------------------------------------------------------------------------- */

/* Built from zero: nothing of ours leaks to the guest, and offloads that were finished are not announced (O7). */
static inline void header_write(uint8_t *at, uint32_t header_len, uint16_t buffers)
{
	const struct virtio_net_hdr_mrg_rxbuf header = {.num_buffers = buffers};

	if (header_len == sizeof(header))
		memcpy(at, &header, sizeof(header));
	else
		memcpy(at, &header, sizeof(header.hdr));
}

/* Finds a place, as long as the frame needs, for each of the first frames while the simple case holds: the number of
 * frames placed. */
static inline __attribute__((always_inline)) uint16_t
place_simple(struct delivery *d, struct frame *const *frames, uint16_t n, struct mem_span *slots,
	     uint16_t *ids, const struct virtq_format *format)
{
	uint32_t header_len = d->view.conf->header_len;
	uint16_t i;

	for (i = 0; i < n; i++)
		format->prefetch(&d->view, i);
	for (i = 0; i < n; i++) {
		struct virtq_chain chain;
		struct mem_span *slot = &slots[i];

		if (frames[i]->len > d->len_max ||
		    format->peek(&d->view, i, true, &chain, slot, 1) != 0 ||
		    chain.len < header_len + frames[i]->len)
			break;
		__builtin_prefetch(slot->at, 1);
		__builtin_prefetch(slot->at + 64, 1);
		slot->len = header_len + frames[i]->len;
		ids[i] = chain.id;
	}
	return i;
}

static inline __attribute__((always_inline)) uint16_t
deliver_simple(struct delivery *d, struct frame *const *frames, uint16_t n,
	       const struct virtq_format *format)
{
	uint32_t header_len = d->view.conf->header_len;
	struct mem_span slots[BURST_MAX];
	uint16_t ids[BURST_MAX];
	int available = format->available(&d->view, n);
	uint64_t written = 0;
	uint16_t placed;

	if (available < 0) {
		vnet_break(d->q, -available);
		return 0;
	}
	placed = place_simple(d, frames, (uint16_t)available, slots, ids, format);
	for (uint16_t i = 0; i < placed; i++) {
		header_write(slots[i].at, header_len, 1);
		frame_copy(frames[i], slots[i].at + header_len);
		format->push(&d->view, ids[i], slots[i].len);
		d->bytes += frames[i]->len;
		written += slots[i].len;
	}
	if (__builtin_expect(d->view.log != NULL, 0))
		log_written(&d->view, slots, written);
	format->take(&d->view, placed);
	d->ok = (uint16_t)(d->ok + placed);
	return placed;
}

/* --- one frame, any buffers -------------------------------------------------------------------------------------- */

/* Takes buffers until they hold `need` bytes, all of them or none: 0 with their number, or why not. */
static inline __attribute__((always_inline)) int
reserve(struct delivery *d, uint64_t need, struct mem_span *spans, uint16_t *buffers,
	const struct virtq_format *format)
{
	uint32_t n_spans = 0, cost = 0;
	uint64_t room = 0;
	uint16_t n = 0;

	while (room < need) {
		struct virtq_chain chain;
		int available = format->available(&d->view, (uint16_t)(n + 1));
		int error;

		if (n > 0 && !d->view.conf->mergeable) {
			format->unpush(&d->view, n);
			return TX_DROP_TOO_BIG;
		}
		if (available <= n) {
			if (available < 0)
				vnet_break(d->q, -available);
			format->unpush(&d->view, n);
			return available < 0 ? TX_DROP_BROKEN : TX_DROP_NO_BUFFER;
		}
		error = format->peek(&d->view, n, true, &chain, spans + n_spans,
				     BURST_SPANS - cost);
		if (error != 0) {
			format->unpush(&d->view, n);
			if (error == -VIRTQ_FAULT_PIECES && n > 0)
				return TX_DROP_TOO_BIG;
			vnet_break(d->q, -error);
			return TX_DROP_BROKEN;
		}
		format->push(&d->view, chain.id,
			     (uint32_t)(chain.len < need - room ? chain.len : need - room));
		n_spans += chain.spans;
		cost += chain.cost;
		room += chain.len;
		n++;
	}
	*buffers = n;
	return -1;
}

static __attribute__((noinline)) int deliver_any(struct delivery *d, const struct frame *frame)
{
	struct mem_span spans[BURST_SPANS];
	uint32_t header_len = d->view.conf->header_len;
	struct virtio_net_hdr_mrg_rxbuf header = {0};
	uint16_t buffers;
	int drop;

	if (frame->len > d->len_max)
		return TX_DROP_TOO_BIG;
	drop = reserve(d, (uint64_t)header_len + frame->len, spans, &buffers, &virtq_split);
	if (drop >= 0)
		return drop;
	header.num_buffers = buffers;
	/* To the buffers, the header is bytes like those of a frame that is all head. */
	frame_copy_spans(&(struct frame){.head = (uint8_t *)&header,
					 .head_len = (uint16_t)header_len},
			 spans, 0);
	frame_copy_spans(frame, spans, header_len);
	if (d->view.log != NULL)
		log_written(&d->view, spans, (uint64_t)header_len + frame->len);
	virtq_split.take(&d->view, buffers);
	d->bytes += frame->len;
	d->ok++;
	return -1;
}

/* --- a burst ----------------------------------------------------------------------------------------------------- */

/* The simple case for as long as it holds, the general one for the frame that ended it, and so on. A ring that is full or
 * broken ends the burst: what is left of it goes the same way. */
static void deliver_frames(struct delivery *d, struct frame *const *frames, uint16_t n)
{
	uint16_t i = deliver_simple(d, frames, n, &virtq_split);

	while (i < n) {
		int drop = virtq_fault(d->q) != VIRTQ_OK ? TX_DROP_BROKEN
							 : deliver_any(d, frames[i]);

		if (drop == TX_DROP_NO_BUFFER || drop == TX_DROP_BROKEN) {
			count(&d->counters->tx_drop[drop], (uint64_t)(n - i));
			count(&d->q->counters.full, drop == TX_DROP_NO_BUFFER);
			return;
		}
		if (drop >= 0)
			count(&d->counters->tx_drop[drop], 1);
		i++;
		i = (uint16_t)(i + deliver_simple(d, frames + i, (uint16_t)(n - i), &virtq_split));
	}
}

/* lcores take turns at a guest's queue, a burst each. Only lcores wait here, and only for one another. */
static void queue_take(struct virtq *q)
{
	while (atomic_flag_test_and_set_explicit(&q->busy, memory_order_acquire))
		__builtin_ia32_pause();
}

void vnet_deliver(struct virtq *q, struct frame *const *frames, uint16_t n, uint32_t len_max,
		  struct port_counters *counters)
{
	struct delivery d = {.q = q, .counters = counters, .len_max = len_max};
	bool interrupt = false;

	queue_take(q);
	if (vnet_view_open(q, &d.view, NULL)) {
		deliver_frames(&d, frames, n);
		interrupt = virtq_split.publish(&d.view);
		count(&q->counters.frames, d.ok);
		count(&counters->tx_ok, d.ok);
		count(&counters->tx_bytes, d.bytes);
	} else {
		count(&counters->tx_drop[virtq_fault(q) != VIRTQ_OK ? TX_DROP_BROKEN
								    : TX_DROP_NOT_READY],
		      n);
	}
	count(&q->counters.interrupts, interrupt);
	atomic_flag_clear_explicit(&q->busy, memory_order_release);
	if (interrupt)
		vnet_interrupt(q, &d.view);
}
