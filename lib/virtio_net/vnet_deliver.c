/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <linux/virtio_net.h>
#include <stddef.h>

#include "frame_finish.h"
#include "mem_copy.h"
#include "mem_touch.h"
#include "port.h"
#include "share.h"
#include "vnet.h"
#include "vnet_private.h"
#include "vus_limits.h"

/* The way of a burst into a guest's ring, from the outside in:
 *
 *	vnet_deliver()  takes the queue's turn, opens the view, counts, interrupts
 *	fill_finished() for a burst that needs offload: does what the guest has not agreed to take, fills piece by piece
 *	fill_ring()     chooses the format; copies until the burst or the ring is at its end, and publishes
 *	copy_burst()    frames of a buffer each, a buffer of one descriptor: finds the buffers, then copies
 *	copy_chained()  one frame into any number of buffers, of any number of descriptors
 */

/* A burst on its way into a guest's ring. */
struct delivery {
	struct virtq *q;
	struct virtq_view view;
	struct port_counters *counters;
	uint32_t len_max;
	uint8_t takes_valid; /* what of frame->valid the guest accepts */
	uint16_t ok;
	uint64_t bytes;
	bool interrupt;
	uint32_t cost; /* of finishing frames (share.h) */
};

/* Tells a migration what was written. */
static __attribute__((noinline)) void log_written(const struct virtq_view *view,
						  const struct mem_span *spans, uint64_t len)
{
	/* Pairs with the front end's harvest of the log (mem_log_mark() sets the bits): the bytes before them. */
	guest_fence();
	for (; len > 0; spans++) {
		uint64_t part = spans->len < len ? spans->len : len;

		mem_log_mark_host(view->log, view->map, spans->at, part);
		len -= part;
	}
}

/* The same for frames in a buffer each. */
static __attribute__((noinline)) void log_frames(const struct virtq_view *view,
						 const struct mem_span *slots,
						 struct frame *const *frames, uint16_t n)
{
	/* Pairs with the front end's harvest of the log (mem_log_mark() sets the bits): the bytes before them. */
	guest_fence();
	for (uint16_t i = 0; i < n; i++)
		mem_log_mark_host(view->log, view->map, slots[i].at,
				  view->conf->header_len + frames[i]->len);
}

/* --- frames of a buffer each ------------------------------------------------------------------------------------- */

/* Each byte of it is ours: what is left to be done was checked or is zero, and nothing leaks to the guest (O7). */
static inline struct virtio_net_hdr_mrg_rxbuf header_of(const struct delivery *d,
							const struct frame *frame, uint16_t buffers)
{
	struct virtio_net_hdr_mrg_rxbuf header = {.hdr = frame->offload, .num_buffers = buffers};

	header.hdr.flags |= frame->valid & d->takes_valid;
	return header;
}

/* The same straight to the guest, in words: a struct put together byte by byte is waited for when it is read as a whole. */
static inline void header_write(uint8_t *at, uint32_t header_len, const struct frame *frame,
				uint8_t takes_valid, uint16_t buffers)
{
	const uint8_t *header = (const uint8_t *)&frame->offload;
	uint64_t words;
	uint16_t rest;

	memcpy(&words, header, sizeof(words));
	memcpy(&rest, header + sizeof(words), sizeof(rest));
	words |= htole64(frame->valid & takes_valid); /* the flags come first */
	memcpy(at, &words, sizeof(words));
	memcpy(at + sizeof(words), &rest, sizeof(rest));
	if (header_len > sizeof(frame->offload))
		memcpy(at + sizeof(frame->offload), &buffers, sizeof(buffers));
}
_Static_assert(offsetof(struct virtio_net_hdr, flags) == 0, "where header_write() puts them");

/* Finds a buffer, as long as the frame needs, for each of the first frames while the simple case holds: a buffer of one
 * descriptor in one region. Returns: the number of buffers found. */
static inline __attribute__((always_inline)) uint16_t
find_buffers(const struct virtq_view *view, uint32_t len_max, struct frame *const *frames,
	     uint16_t n, struct mem_span *slots, const struct virtq_format *format)
{
	uint32_t header_len = view->conf->header_len;
	const struct mem_region *near = view->map->region;
	uint16_t heads[BURST_MAX];
	uint32_t i;

	format->look(view, n, heads);
	for (i = 0; i < n; i++) {
		uint32_t len = frames[i]->len;
		uint16_t place = format->place(view, heads, (uint16_t)i, i);
		struct virtq_desc desc;

		if (len > len_max || format->load(view, place, &desc) != 0 ||
		    !virtq_single(view, &desc, true, &near, &slots[i]) || desc.len < header_len + len)
			break;
		__builtin_prefetch(slots[i].at, 1);
		__builtin_prefetch(slots[i].at + 64, 1);
		format->stage(view, (uint16_t)i, format->id(place, &desc), 1, header_len + len);
	}
	return (uint16_t)i;
}

/* Copies the first frames while the simple case holds. Returns: the number of frames copied. */
static inline __attribute__((always_inline)) uint16_t
copy_burst(struct delivery *d, struct frame *const *frames, uint16_t n,
	   const struct virtq_format *format)
{
	const struct virtq_view view = d->view; /* its address is not passed on: it lives in registers */
	uint32_t header_len = view.conf->header_len;
	uint8_t takes_valid = d->takes_valid;
	struct mem_span slots[BURST_MAX];
	int available = format->available(&view, 0, n);
	uint64_t bytes = 0;
	uint16_t found;

	/* Of buffers that were looked at before and not taken, nothing that was read is used. */
	mem_fetch_begin(MEM_FETCH_TO_GUEST);
	if (available < 0) {
		vnet_break(d->q, -available);
		return 0;
	}
	if (!format->room(&view, n))
		d->interrupt |= format->publish(&view, 0);
	found = find_buffers(&view, d->len_max, frames, (uint16_t)available, slots, format);
	/* Where a page has to be cleared first, the buffers from there on are found again. */
	if (__builtin_expect(view.map->touch != NULL, 0))
		found = (uint16_t)mem_touch_ready_to_write(view.map->touch, slots, found);
	mem_note_frames(frames, found);
	mem_note_spans(MEM_NOTE_TO, slots, found);
	for (uint16_t i = 0; i < found; i++) {
		const struct frame *frame = frames[i];
		uint8_t *at = slots[i].at;

		header_write(at, header_len, frame, takes_valid, 1);
		frame_copy(frame, at + header_len);
		bytes += frame->len;
	}
	d->ok = (uint16_t)(d->ok + found);
	d->bytes += bytes;
	if (found > 0) {
		if (__builtin_expect(view.log != NULL, 0))
			log_frames(&d->view, slots, frames, found);
		format->take(&view, found, found);
	}
	return found;
}

/* --- one frame, any buffers -------------------------------------------------------------------------------------- */

/* The chain `at` slots from the next one: 0, VIRTQ_NONE or -(enum virtq_fault). */
static inline __attribute__((always_inline)) int
resolve(const struct virtq_view *view, uint32_t at, struct virtq_chain *chain,
	struct mem_span *spans, uint32_t max, const struct virtq_format *format)
{
	const struct mem_region *near = view->map->region;
	uint16_t place = format->head(view, at);
	struct virtq_desc desc;
	int error = format->load(view, place, &desc);

	if (error != 0)
		return error;
	if (max == 0 || !virtq_single(view, &desc, true, &near, spans))
		return format->chain(view, at, place, desc, true, chain, spans, max);
	*chain = (struct virtq_chain){
		.id = format->id(place, &desc), .slots = 1, .spans = 1, .cost = 1, .len = desc.len};
	return 0;
}

/* Finds buffers until they hold `need` bytes, all of them or none: -1 with their number and slots, or why not. */
static inline __attribute__((always_inline)) int
reserve(struct delivery *d, uint64_t need, struct mem_span *spans, uint16_t *buffers,
	uint32_t *slots, const struct virtq_format *format)
{
	uint32_t n_spans = 0, cost = 0, at = 0;
	uint64_t room = 0;
	uint16_t n = 0;

	while (room < need) {
		struct virtq_chain chain;
		int available = format->available(&d->view, at, 1);
		int error;

		if (n > 0 && (!d->view.conf->mergeable || !format->room(&d->view, n + 1)))
			return TX_DROP_TOO_BIG;
		if (available <= 0) {
			if (available < 0)
				vnet_break(d->q, -available);
			return available < 0 ? TX_DROP_BROKEN : TX_DROP_NO_BUFFER;
		}
		error = resolve(&d->view, at, &chain, spans + n_spans, BURST_SPANS - cost, format);
		if (error != 0) {
			if (error == VIRTQ_NONE)
				return TX_DROP_NO_BUFFER;
			if (error == -VIRTQ_FAULT_PIECES && n > 0)
				return TX_DROP_TOO_BIG;
			vnet_break(d->q, -error);
			return TX_DROP_BROKEN;
		}
		format->stage(&d->view, n, chain.id, chain.slots,
			      (uint32_t)(chain.len < need - room ? chain.len : need - room));
		n_spans += chain.spans;
		cost += chain.cost;
		room += chain.len;
		at += chain.slots;
		n++;
	}
	if (d->view.map->touch != NULL && mem_touch_ready_to_write(d->view.map->touch, spans, n_spans) < n_spans)
		return TX_DROP_UNTOUCHED;
	mem_note_spans(MEM_NOTE_TO, spans, n_spans);
	*buffers = n;
	*slots = at;
	return -1;
}

static inline __attribute__((always_inline)) int
copy_chained_as(struct delivery *d, struct frame *const *frames, const struct virtq_format *format)
{
	const struct frame *frame = *frames;
	struct mem_span spans[BURST_SPANS];
	uint32_t header_len = d->view.conf->header_len;
	struct virtio_net_hdr_mrg_rxbuf header;
	uint32_t slots = 0;
	uint16_t buffers = 0;
	int drop;

	/* Of the buffer that copy_burst() did not take, nothing that it read is used. */
	mem_fetch_begin(MEM_FETCH_TO_GUEST);
	if (frame->len > d->len_max)
		return TX_DROP_TOO_BIG;
	if (!format->room(&d->view, VIRTQ_IN_HAND_MAX))
		d->interrupt |= format->publish(&d->view, 0);
	mem_note_frames(frames, 1);
	drop = reserve(d, (uint64_t)header_len + frame->len, spans, &buffers, &slots, format);
	if (drop >= 0)
		return drop;
	header = header_of(d, frame, buffers);
	/* To the buffers, the header is bytes like those of a frame that is all head. */
	frame_copy_spans(&(struct frame){.head = (uint8_t *)&header,
					 .head_len = (uint16_t)header_len},
			 spans, 0);
	frame_copy_spans(frame, spans, header_len);
	if (d->view.log != NULL)
		log_written(&d->view, spans, (uint64_t)header_len + frame->len);
	format->take(&d->view, slots, buffers);
	d->bytes += frame->len;
	d->ok++;
	return -1;
}

/* Copies the first frame, or drops it. Returns: -1, or the reason (enum tx_drop), which is not counted yet. */
static __attribute__((noinline)) int copy_chained(struct delivery *d, struct frame *const *frames)
{
	return d->view.conf->packed ? copy_chained_as(d, frames, &virtq_packed)
				    : copy_chained_as(d, frames, &virtq_split);
}

/* --- a burst ----------------------------------------------------------------------------------------------------- */

/* The simple case for as long as it holds, the general one for the frame that ended it, and so on. A ring that is full or
 * broken, or whose next buffer is not to be touched yet, ends the burst: what is left of it is dropped for the same reason. */
static inline __attribute__((always_inline)) void
fill_as(struct delivery *d, struct frame *const *frames, uint16_t n,
	const struct virtq_format *format)
{
	struct frame *const *end = frames + n;

	while ((frames += copy_burst(d, frames, (uint16_t)(end - frames), format)) < end) {
		int drop = virtq_fault(d->q) != VIRTQ_OK ? TX_DROP_BROKEN : copy_chained(d, frames);

		if (drop == TX_DROP_NO_BUFFER || drop == TX_DROP_BROKEN || drop == TX_DROP_UNTOUCHED) {
			drop_tx_frames(d->counters, (enum tx_drop)drop, frames, (uint64_t)(end - frames));
			count(&d->q->counters.full, drop == TX_DROP_NO_BUFFER);
			break;
		}
		if (drop >= 0)
			drop_tx_frames(d->counters, (enum tx_drop)drop, frames, 1);
		frames++;
	}
	d->interrupt |= format->publish(&d->view, 0);
}

static void fill_ring(struct delivery *d, struct frame *const *frames, uint16_t n)
{
	if (d->view.conf->packed)
		fill_as(d, frames, n, &virtq_packed);
	else
		fill_as(d, frames, n, &virtq_split);
}

/* What a guest has agreed to take, of frames that need offload. */
static inline struct frame_capabilities capabilities_of(const struct virtq_conf *conf, uint32_t len_max)
{
	return (struct frame_capabilities){
		.offloads = frame_offloads_to_guest(conf->features),
		.len_max = len_max,
		.cut_max = FRAME_LEN_MAX,
		.too_big = 1 + TX_DROP_TOO_BIG,
	};
}

enum tx_drop vnet_terms(const struct virtq *q, uint32_t len_max, struct frame_capabilities *caps)
{
	const struct virtq_conf *conf = rcu_get(&q->conf);

	if (virtq_fault(q) != VIRTQ_OK)
		return TX_DROP_BROKEN;
	if (conf == NULL || rcu_get(&q->memory->map) == NULL)
		return TX_DROP_NOT_READY;
	*caps = capabilities_of(conf, len_max);
	return TX_DROPS;
}

uint32_t vnet_asks(const struct virtq *q)
{
	const struct virtq_conf *conf = rcu_get(&q->conf);

	return conf != NULL ? frame_offloads_from_guest(conf->features) : 0;
}

/* Some of the frames need offload: what this guest has not agreed to take is done for it. */
static __attribute__((noinline)) void fill_finished(struct delivery *d, struct frame *const *frames,
						    uint16_t n)
{
	const struct frame_capabilities caps = capabilities_of(d->view.conf, d->len_max);
	struct frame_finish finish;

	/* From here on it is wire lengths that were checked against the guest's MTU. */
	d->len_max = FRAME_LEN_MAX;
	frame_finish_begin(&finish, frames, n, &caps);
	while ((n = frame_finish_next(&finish)) > 0) {
		fill_ring(d, finish.out, n);
		frame_finish_tell(&finish, n);
	}
	count_tx_drop(d->counters, TX_DROP_TOO_BIG, finish.too_big, finish.big);
	count(&d->counters->tx_checksummed, finish.checksummed);
	count(&d->counters->tx_segmented, finish.segmented);
	count(&d->counters->tx_segments, finish.segments);
	d->cost += (uint32_t)(finish.checksummed + finish.segments) * SHARE_FINISH;
}

/* Asks for the pages of buffers that frames come to later: so they are there in time. Of the furthest that the guest has given,
 * AHEAD at most from here, or of each up to there. */
static inline __attribute__((always_inline)) void
ask_ahead_as(const struct virtq_view *view, bool each, const struct virtq_format *format)
{
	enum { AHEAD = 256 };
	const struct mem_region *near = view->map->region;
	struct virtq_desc desc;
	struct mem_span span;
	int n;

	/* Nothing that is read here is used for a frame. */
	mem_fetch_begin(MEM_FETCH_TO_GUEST);
	n = mem_touch_left(view->map->touch) ? format->available(view, 0, AHEAD) : 0;
	while (n > 0) {
		uint32_t at = (uint32_t)n - 1;
		bool there = format->load(view, format->head(view, at), &desc) == 0;

		if (there && virtq_single(view, &desc, true, &near, &span))
			mem_touch_ready(view->map->touch, &span, 1);
		if (there && !each)
			break;
		n = each ? n - 1 : n / 2;
	}
}

static __attribute__((noinline)) void ask_ahead(const struct virtq_view *view, bool each)
{
	if (view->conf->packed)
		ask_ahead_as(view, each, &virtq_packed);
	else
		ask_ahead_as(view, each, &virtq_split);
}

void vnet_resume(struct virtq *q)
{
	struct virtq_view view;

	burst_turn_take(&q->turn);
	if (vnet_view_open(q, &view, NULL) && view.map->touch != NULL)
		ask_ahead(&view, true);
	mem_note_close(MEM_NOTE_TO);
	burst_turn_leave(&q->turn);
}

uint32_t vnet_deliver(struct virtq *q, struct frame *const *frames, uint16_t n, uint32_t len_max,
		  struct port_counters *counters)
{
	struct delivery d = {.q = q, .counters = counters, .len_max = len_max};

	burst_turn_take(&q->turn);
	if (vnet_view_open(q, &d.view, NULL)) {
		d.takes_valid = (d.view.conf->features >> VIRTIO_NET_F_GUEST_CSUM & 1) != 0
					? VIRTIO_NET_HDR_F_DATA_VALID
					: 0;
		if (__builtin_expect(frames_need_offload(frames, n), 0))
			fill_finished(&d, frames, n);
		else
			fill_ring(&d, frames, n);
		if (__builtin_expect(d.view.map->touch != NULL, 0))
			ask_ahead(&d.view, false);
		count(&q->counters.frames, d.ok);
		count(&counters->tx_ok, d.ok);
		count(&counters->tx_bytes, d.bytes);
	} else {
		enum tx_drop why = virtq_fault(q) != VIRTQ_OK ? TX_DROP_BROKEN : TX_DROP_NOT_READY;

		drop_tx_frames(counters, why, frames, n);
	}
	mem_note_close(MEM_NOTE_TO);
	count(&q->counters.interrupts, d.interrupt);
	burst_turn_leave(&q->turn);
	if (d.interrupt)
		vnet_interrupt(q, &d.view);
	return d.cost;
}
