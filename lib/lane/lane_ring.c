/* SPDX-License-Identifier: BSD-3-Clause */
#include "lane_ring.h"

#include <string.h>

#include "frame_offload.h"
#include "mem_guest.h"

_Static_assert((LANE_RING_BYTES & (LANE_RING_BYTES - 1)) == 0, "offsets are masked");
_Static_assert(LANE_RING_BYTES >= 2 * (BURST_BYTES + FRAME_LEN_MAX), "a burst always fits");

/* --- where things lie -------------------------------------------------------------------------------------------- */

static uint8_t *byte_at(struct lane_shared_ring *ring, uint64_t position)
{
	return &ring->data[position & (LANE_RING_BYTES - 1)];
}

/* The one or two pieces of [position, position + len). Records begin at multiples of 32, so that a record's own bytes
 * are never in two. */
static uint32_t pieces(struct lane_shared_ring *ring, uint64_t position, uint32_t len,
		       struct mem_span spans[2])
{
	uint64_t at = position & (LANE_RING_BYTES - 1);
	uint32_t first = len <= LANE_RING_BYTES - at ? len : (uint32_t)(LANE_RING_BYTES - at);

	spans[0] = (struct mem_span){.at = byte_at(ring, position), .len = first};
	spans[1] = (struct mem_span){.at = ring->data, .len = len - first};
	return first < len ? 2 : 1;
}

/* --- producer ---------------------------------------------------------------------------------------------------- */

uint64_t lane_room(const struct lane_producer *producer)
{
	/* Pairs with lane_done(): the consumer has read what stood there. */
	uint64_t tail = atomic_load_explicit(&producer->ring->tail, memory_order_acquire);
	uint64_t used = producer->head - tail;

	/* A consumer that claims what cannot be gets nothing. */
	return used <= LANE_RING_BYTES ? LANE_RING_BYTES - used : 0;
}

static void lane_ring_put(struct lane_producer *producer, const struct frame *frame)
{
	const struct lane_record record = {.len = frame->len, .offload = frame->offload};
	struct mem_span spans[2];

	memcpy(byte_at(producer->ring, producer->head), &record, sizeof(record));
	pieces(producer->ring, producer->head + sizeof(record), frame->len, spans);
	frame_copy_spans(frame, spans, 0);
	producer->head += lane_record_bytes(frame->len);
	producer->frames++;
}

bool lane_takes(const struct frame *frame)
{
	struct frame seen = *frame;

	if (!frame_needs_offload(frame))
		return true;
	seen.head_len = frame->head_len < FRAME_HEAD ? frame->head_len : FRAME_HEAD;
	return frame_offload_check(&seen, FRAME_OFFLOADS);
}

uint16_t lane_send(struct lane_producer *producer, struct frame *const *frames, uint16_t n)
{
	uint64_t room = lane_room(producer);
	uint16_t i;

	for (i = 0; i < n; i++) {
		uint64_t bytes = lane_record_bytes(frames[i]->len);

		if (bytes > room)
			break;
		room -= bytes;
		lane_ring_put(producer, frames[i]);
	}
	/* Pairs with lane_receive(): records before it are complete. */
	atomic_store_explicit(&producer->ring->head, producer->head, memory_order_release);
	return i;
}

bool lane_wants_wake(struct lane_producer *producer)
{
	/* Pairs with lane_arm(): the frames before the look at the flag. */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&producer->ring->asleep, memory_order_relaxed) != 0 &&
	       atomic_exchange(&producer->ring->asleep, 0) != 0;
}

/* --- consumer ---------------------------------------------------------------------------------------------------- */

/* Loaded once: what was checked is what counts. */
static struct lane_record record_load(struct lane_shared_ring *ring, uint64_t position)
{
	const uint64_t *at = (const uint64_t *)(const void *)byte_at(ring, position);
	const uint64_t words[3] = {
		guest_load64(at),
		guest_load64(at + 1),
		guest_load64(at + 2),
	};
	struct lane_record record;

	memcpy(&record, words, sizeof(record));
	return record;
}

/* The head into the burst's room; the body stays. False: what it says is left to be done does not fit the frame. */
static bool frame_of_record(struct frame *frame, struct lane_shared_ring *ring, uint64_t position,
			    const struct lane_record *record, struct mem_span *spans)
{
	uint32_t head_len = record->len < FRAME_HEAD ? record->len : FRAME_HEAD;
	uint64_t from = position + sizeof(*record);
	struct mem_span head[2];

	pieces(ring, from, head_len, head);
	memcpy(frame->head, head[0].at, head[0].len);
	memcpy(frame->head + head[0].len, head[1].at, head[1].len);
	mem_fetch_read(frame->head, head[0].at, head[0].len);
	mem_fetch_read(frame->head + head[0].len, head[1].at, head[1].len);
	frame->len = record->len;
	frame->head_len = (uint16_t)head_len;
	frame->mbuf = NULL;
	frame->offload = record->offload;
	frame->valid = 0;
	frame->vlan = frame->mbuf_skip = 0;
	frame->body = spans;
	frame->body_spans = 0;
	if (record->len > head_len)
		frame->body_spans = (uint16_t)pieces(ring, from + head_len,
						     record->len - head_len, spans);
	return frame_offload_check(frame, FRAME_OFFLOADS);
}

uint16_t lane_receive(struct lane_consumer *consumer, struct burst *burst, uint16_t max)
{
	struct lane_shared_ring *ring = consumer->ring;
	/* Pairs with lane_send(). */
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	const uint64_t enough = consumer->next + BURST_BYTES;

	mem_fetch_begin(MEM_FETCH_FROM_GUEST);
	burst->n = 0;
	if (head < consumer->next || head - consumer->next > LANE_RING_BYTES)
		consumer->broken = true;
	while (!consumer->broken && burst->n < max && consumer->next < head &&
	       consumer->next < enough) {
		struct lane_record record = record_load(ring, consumer->next);
		struct frame *frame = &burst->frame[burst->n];

		if (record.len < FRAME_LEN_MIN || record.len > FRAME_LEN_MAX ||
		    lane_record_bytes(record.len) > head - consumer->next) {
			consumer->broken = true;
			break;
		}
		frame->head = burst->room[burst->n].head;
		if (!frame_of_record(frame, ring, consumer->next, &record,
				     &burst->span[2 * burst->n])) {
			consumer->broken = true;
			break;
		}
		consumer->next += lane_record_bytes(record.len);
		burst->n++;
	}
	return burst->n;
}

void lane_keep(struct lane_consumer *consumer, struct burst *burst, uint16_t n)
{
	while (burst->n > n)
		consumer->next -= lane_record_bytes(burst->frame[--burst->n].len);
}

void lane_done(struct lane_consumer *consumer)
{
	mem_fetch_end();
	consumer->tail = consumer->next;
	/* Pairs with lane_room(). */
	atomic_store_explicit(&consumer->ring->tail, consumer->tail, memory_order_release);
}

bool lane_empty(const struct lane_consumer *consumer)
{
	/* Pairs with lane_send(). */
	return consumer->broken ||
	       atomic_load_explicit(&consumer->ring->head, memory_order_acquire) == consumer->tail;
}

bool lane_arm(struct lane_consumer *consumer)
{
	atomic_store(&consumer->ring->asleep, 1);
	/* Pairs with lane_wants_wake(): the flag before the look for frames. */
	atomic_thread_fence(memory_order_seq_cst);
	return !lane_empty(consumer);
}

void lane_disarm(struct lane_consumer *consumer)
{
	atomic_store_explicit(&consumer->ring->asleep, 0, memory_order_relaxed);
}
