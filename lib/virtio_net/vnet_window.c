/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet_window.h"

#include "clock.h"
#include "frame_ref.h"

static inline uint16_t slot_of(uint16_t chain)
{
	return chain % VIRTQ_IN_HAND_LIST;
}

static uint16_t in_hand(const struct virtq *q) RUNS_ON(lcore_thread)
{
	return (uint16_t)(q->dp.window_next - q->dp.window_first);
}

static void set_referenced(struct virtq *q, bool referenced)
{
	if (atomic_load_explicit(&q->referenced, memory_order_relaxed) != referenced)
		/* Pairs with virtq_is_referenced(). */
		atomic_store_explicit(&q->referenced, referenced, memory_order_release);
}

/* Stops waiting for devices: chains that are still referenced go back too. */
static void vnet_window_give_up(struct virtq *q) RUNS_ON(lcore_thread)
{
	struct virtq_dp *dp = &q->dp;
	uint64_t abandoned = 0;

	for (; dp->window_first != dp->window_next; dp->window_first++)
		abandoned += q->refs->zc[slot_of(dp->window_first)] &&
			     frame_ref_count(&q->refs->ref[slot_of(dp->window_first)]) != 0;
	count(&q->counters.given_up, abandoned);
}

uint16_t vnet_window_keep(struct virtq *q)
{
	struct frame_refs *refs = q->refs;
	struct virtq_dp *dp = &q->dp;
	uint16_t first = dp->window_first;

	while (dp->window_first != dp->window_next) {
		uint16_t slot = slot_of(dp->window_first);

		if (refs->zc[slot] && frame_ref_count(&refs->ref[slot]) != 0)
			break;
		dp->window_first++;
	}
	if (in_hand(q) > 0) {
		uint64_t now = clock_ns();

		if (dp->window_first != first || refs->since_ns == 0)
			refs->since_ns = now;
		else if (now - refs->since_ns > FRAME_REF_LIMIT_MS * NS_PER_MS)
			vnet_window_give_up(q);
	}
	if (in_hand(q) == 0)
		refs->since_ns = 0;
	set_referenced(q, in_hand(q) > 0);
	return in_hand(q);
}

uint16_t vnet_window_before(struct virtq *q, const struct virtq_view *view, uint16_t max)
{
	uint16_t keep, room;

	if (q->refs == NULL)
		return max;
	if (vnet_window_open(q)) {
		keep = vnet_window_keep(q);
		if (view->conf->packed ? virtq_packed.publish(view, keep)
				       : virtq_split.publish(view, keep)) {
			count(&q->counters.interrupts, 1);
			vnet_interrupt(q, view);
		}
	}
	if (atomic_load_explicit(&q->draining, memory_order_relaxed))
		return 0;
	room = (uint16_t)(VIRTQ_IN_HAND_MAX - in_hand(q));
	return room < max ? room : max;
}

/* A burst is read in place as a whole or not at all: each frame must be one chain, and each reference free (one that was given
 * up may still be counted). */
static bool can_refer(const struct virtq *q, const struct virtq_view *view, const struct burst *burst,
		      uint16_t chains) RUNS_ON(lcore_thread)
{
	if (!frame_ref_wanted() || burst->n != chains || in_hand(q) > view->conf->size / 4)
		return false;
	for (uint16_t i = 0; i < chains; i++)
		if (frame_ref_count(&q->refs->ref[slot_of(
			    (uint16_t)(q->dp.window_next + i))]) != 0)
			return false;
	return true;
}

void vnet_window_take(struct virtq *q, const struct virtq_view *view, struct burst *burst,
		      uint16_t chains)
{
	struct frame_refs *refs = q->refs;
	uint16_t next = q->dp.window_next;
	bool zero_copy;

	if (refs == NULL || chains == 0)
		return;
	zero_copy = can_refer(q, view, burst, chains);
	if (!zero_copy && !vnet_window_open(q)) {
		/* Past a reference that is out still, in the end. */
		q->dp.window_first = q->dp.window_next = (uint16_t)(next + chains);
		return;
	}
	for (uint16_t i = 0; i < chains; i++) {
		uint16_t slot = slot_of((uint16_t)(next + i));

		refs->zc[slot] = zero_copy;
		if (zero_copy)
			atomic_store_explicit(&refs->ref[slot].word,
					      (uint32_t)view->map->generation << 16,
					      memory_order_relaxed);
	}
	if (zero_copy) {
		burst->refs = refs;
		burst->first_ref = next;
		count(&q->counters.zero_copy, chains);
	}
	q->dp.window_next = (uint16_t)(next + chains);
	set_referenced(q, true);
}

void vnet_window_forget(struct virtq *q)
{
	q->dp.window_first = q->dp.window_next;
	set_referenced(q, false);
}
