/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet_aside.h"

#include "vnet_private.h"
#include "vnet_window.h"

void vnet_aside_over(struct virtq *q)
{
	q->dp.aside = false;
	/* Pairs with virtq_is_referenced(): the chains before it. */
	atomic_store_explicit(&q->referenced, vnet_window_open(q), memory_order_release);
}

bool vnet_set_aside(struct virtq *q)
{
	if (!q->dp.aside) {
		q->dp.aside = true;
		atomic_store_explicit(&q->referenced, true, memory_order_relaxed);
		/* Pairs with lcores_ring_stop(): control sees that chains stay in hand, or we see that it drains the ring. */
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load_explicit(&q->draining, memory_order_relaxed)) {
			vnet_aside_over(q);
			return false;
		}
	}
	mem_note_close(MEM_NOTE_FROM);
	mem_fetch_end();
	return true;
}

static bool lies_in(const struct mem_region *region, const struct mem_span *span)
{
	uint64_t offset = (uint64_t)((uintptr_t)span->at - (uintptr_t)region->host);

	return offset < region->size && region->size - offset >= span->len;
}

/* Whether a piece of memory lies in a region of the map, which has some; *near is one, and becomes that which was found. */
static bool is_mapped(const struct mem_map *map, const struct mem_region **near, const struct mem_span *span)
{
	if (lies_in(*near, span))
		return true;
	for (uint32_t i = 0; i < map->n; i++) {
		*near = &map->region[i];
		if (lies_in(*near, span))
			return true;
	}
	return false;
}

/* Whether all bodies still lie in the guest's memory; and in *end how many spans the burst has in use. */
static bool bodies_are_mapped(const struct mem_map *map, const struct burst *burst, uint32_t *end)
{
	const struct mem_region *near = map->region;

	*end = 0;
	for (uint16_t i = 0; i < burst->n; i++) {
		const struct frame *frame = &burst->frame[i];

		for (uint16_t piece = 0; piece < frame->body_spans; piece++) {
			if (map->n == 0 || !is_mapped(map, &near, &frame->body[piece]))
				return false;
			*end = (uint32_t)(&frame->body[piece] - burst->span) + 1;
		}
	}
	return true;
}

enum vnet_aside vnet_take_up(struct virtq *q, struct burst *burst)
{
	const struct virtq_conf *conf = rcu_get(&q->conf);
	const struct mem_map *map = rcu_get(&q->memory->map);
	uint32_t spans;

	if (!q->dp.aside || virtq_fault(q) != VIRTQ_OK) {
		vnet_aside_over(q);
		return VNET_ASIDE_LOST;
	}
	if (conf == NULL || map == NULL)
		return VNET_ASIDE_LATER;
	mem_fetch_begin(MEM_FETCH_FROM_GUEST);
	mem_note_open(MEM_NOTE_FROM, conf); /* X3 */
	burst->source = conf;
	/* A device that is to read in place has a reference from before, or gets a copy. */
	burst->refs = NULL;
	if (!bodies_are_mapped(map, burst, &spans)) {
		vnet_complete(q, burst);
		return VNET_ASIDE_LOST;
	}
	mem_note_spans(MEM_NOTE_FROM, burst->span, spans);
	return VNET_ASIDE_THERE;
}
