/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq_split.h"

#include <stddef.h>

#include "vus_limits.h"

/* How many entries behind the used index were in hand when the process that wrote the record died. The record is true if
 * the used index stands where that burst found it, or where it was about to put it while others stayed in hand; a guest
 * that reset the ring meanwhile, or a switch without a journal that served it, has moved it. (One that has
 * reset it and is at the very index again loses a burst, as it may.) */
static uint16_t split_in_hand(const struct virtq_view *view, uint16_t used)
{
	uint64_t found = view->dp->found;
	uint16_t n = (uint16_t)((found >> 16) - used);

	if (!view->dp->resumes || n > VIRTQ_IN_HAND_MAX ||
	    ((uint16_t)found != used && (uint16_t)(found >> 32) != used))
		return 0;
	/* Pairs with the driver's release of avail->idx, which is looked at anew for the chains behind these. */
	return n <= (uint16_t)(guest_load16_acquire_again(&view->conf->avail->idx) - used) ? n : 0;
}

int split_begin(const struct virtq_view *view, bool from_guest)
{
	struct virtq_dp *dp = view->dp;
	uint16_t used = guest_load16(&view->conf->used->idx);
	uint16_t n = from_guest ? split_in_hand(view, used) : 0;

	/* We serve in order, so what is not used was not served. A front end that lost its device may not know how far
	 * that was: DPDK's virtio-user says 0 to the next back end. */
	dp->last_used = dp->published = dp->signalled = used;
	dp->last_avail = dp->avail_seen = used;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t head = split_head(view, i);

		if (head >= view->conf->size)
			return -VIRTQ_FAULT_HEAD;
		split_stage(view, i, head, 1, 0);
	}
	split_take(view, n, n);
	dp->avail_seen = dp->last_avail;
	return n;
}

/* Follows `next` from `desc` through the ring's own table. An indirect table may come last (virtio 1.2, 2.7.5.3.2). */
static int walk_ring(struct virtq_walk *walk, struct virtq_desc desc)
{
	const struct virtq_conf *conf = walk->view->conf;

	for (uint32_t steps = 0; steps < conf->size; steps++) {
		int error;

		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0)
			return virtq_walk_indirect(walk, &desc);
		error = virtq_walk_buffer(walk, &desc);
		if (error != 0)
			return error;
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		if (desc.next >= conf->size)
			return -VIRTQ_FAULT_NEXT;
		mem_fetch_named(&conf->desc[desc.next], sizeof(struct vring_desc));
		desc = split_desc_load(&conf->desc[desc.next]);
	}
	return -VIRTQ_FAULT_LOOP;
}

int split_chain(const struct virtq_view *view, uint32_t at VUS_UNUSED, uint16_t head,
		struct virtq_desc desc, bool writable, struct virtq_chain *chain,
		struct mem_span *spans, uint32_t max)
{
	struct virtq_walk walk = {
		.view = view,
		.writable = writable,
		.chain = chain,
		.spans = spans,
		.max = max,
	};

	*chain = (struct virtq_chain){.id = head, .slots = 1};
	return walk_ring(&walk, desc);
}

void split_log_used(const struct virtq_view *view, uint16_t from)
{
	const struct virtq_conf *conf = view->conf;
	uint64_t ring = conf->used_gpa + offsetof(struct vring_used, ring);
	uint16_t n = (uint16_t)(view->dp->published - from), at = from & (conf->size - 1);
	uint16_t first = n < conf->size - at ? n : (uint16_t)(conf->size - at);

	if (!conf->log_used)
		return;
	/* Pairs with the front end's harvest of the log (mem_log_mark() sets the bits): entries and index before them. */
	guest_fence();
	mem_log_mark(view->log, ring + at * sizeof(struct vring_used_elem),
		     first * sizeof(struct vring_used_elem));
	mem_log_mark(view->log, ring, (uint64_t)(n - first) * sizeof(struct vring_used_elem));
	mem_log_mark(view->log, conf->used_gpa, offsetof(struct vring_used, ring));
	mem_log_mark(view->log, ring + conf->size * sizeof(struct vring_used_elem),
		     sizeof(uint16_t));
}
