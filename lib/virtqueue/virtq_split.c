/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq_split.h"

#include <errno.h>
#include <stddef.h>

#include "vus_limits.h"

/* How many entries behind the used index were in hand when the process that wrote the record died. The record is true if
 * the used index stands where that burst found it; a guest that reset the ring meanwhile, or a switch without a journal
 * that served it, has moved it. (One that has reset it and is at the very index again loses a burst, as it may.) */
static uint16_t split_in_hand(const struct virtq_view *view, uint16_t used)
{
	uint16_t n = (uint16_t)((view->dp->found >> 16) - view->dp->found);

	if (!view->dp->resumes || (uint16_t)view->dp->found != used || n > BURST_MAX)
		return 0;
	return n <= (uint16_t)(guest_load16_acquire(&view->conf->avail->idx) - used) ? n : 0;
}

int split_begin(const struct virtq_view *view, bool from_guest)
{
	struct virtq_dp *dp = view->dp;
	uint16_t used = guest_load16(&view->conf->used->idx);
	uint16_t n = from_guest ? split_in_hand(view, used) : 0;

	/* We serve in order, so what is not used was not served. A front end that lost its device may not know how far
	 * that was: DPDK's virtio-user says 0 to whoever comes next. */
	dp->last_used = dp->published = dp->signalled = used;
	dp->last_avail = dp->avail_seen = used;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t head = split_head(view, i);

		if (head >= view->conf->size)
			return -VIRTQ_FAULT_HEAD;
		split_push(view, head, 0);
	}
	split_take(view, n);
	dp->avail_seen = dp->last_avail;
	return n;
}

/* Where a walk is, and what it may cost. */
struct walk {
	const struct virtq_view *view;
	bool writable;
	struct virtq_chain *chain;
	struct mem_span *spans;
	uint32_t max;
};

/* Adds one buffer to the chain. Virtio has no use for an empty one, but drivers that pad with them exist: it is legal as
 * long as the chain as a whole holds something, which its user checks. It costs like one that holds something, or a
 * guest could have us walk a whole ring for nothing with each frame (V14). */
static int walk_buffer(struct walk *walk, const struct vring_desc *desc)
{
	struct virtq_chain *chain = walk->chain;
	int n;

	if (((desc->flags & VRING_DESC_F_WRITE) != 0) != walk->writable)
		return -VIRTQ_FAULT_DIRECTION;
	if (chain->cost == walk->max)
		return -VIRTQ_FAULT_PIECES;
	chain->len += desc->len;
	n = mem_map_spans(walk->view->map, &walk->view->dp->hint, desc->addr, desc->len,
			  walk->spans + chain->spans, walk->max - chain->cost);
	if (n < 0)
		return n == -E2BIG ? -VIRTQ_FAULT_PIECES : -VIRTQ_FAULT_ADDRESS;
	chain->spans += (uint32_t)n;
	chain->cost += n > 0 ? (uint32_t)n : 1;
	return 0;
}

/* An indirect table may lie in pieces, so each descriptor is translated where it is; it is still read only once. */
static int walk_indirect(struct walk *walk, const struct vring_desc *indirect)
{
	const struct virtq_view *view = walk->view;
	uint32_t n = indirect->len / sizeof(struct vring_desc);
	uint32_t next = 0;

	/* virtio 1.2, 2.7.5.3.1: no NEXT beside INDIRECT, a whole number of descriptors, no more than the ring. */
	if (!view->conf->indirect || (indirect->flags & VRING_DESC_F_NEXT) != 0 || n == 0 ||
	    indirect->len % sizeof(struct vring_desc) != 0 || n > view->conf->size ||
	    indirect->addr % sizeof(uint64_t) != 0)
		return -VIRTQ_FAULT_INDIRECT;
	for (uint32_t steps = 0; steps < n; steps++) {
		uint64_t here;
		const uint8_t *at = mem_map_at(view->map, &view->dp->hint,
					       indirect->addr + next * sizeof(struct vring_desc),
					       &here);
		struct vring_desc desc;
		int error;

		if (at == NULL || here < sizeof(struct vring_desc) ||
		    (uintptr_t)at % sizeof(uint64_t) != 0)
			return -VIRTQ_FAULT_ADDRESS;
		desc = split_desc_load((const struct vring_desc *)(const void *)at);
		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0)
			return -VIRTQ_FAULT_INDIRECT;
		error = walk_buffer(walk, &desc);
		if (error != 0)
			return error;
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		next = desc.next;
		if (next >= n)
			return -VIRTQ_FAULT_NEXT;
	}
	return -VIRTQ_FAULT_LOOP;
}

/* Follows `next` from `desc` through the ring's own table. An indirect table may come last (virtio 1.2, 2.7.5.3.2). */
static int walk_ring(struct walk *walk, struct vring_desc desc)
{
	const struct virtq_conf *conf = walk->view->conf;

	for (uint32_t steps = 0; steps < conf->size; steps++) {
		int error;

		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0)
			return walk_indirect(walk, &desc);
		error = walk_buffer(walk, &desc);
		if (error != 0)
			return error;
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		if (desc.next >= conf->size)
			return -VIRTQ_FAULT_NEXT;
		desc = split_desc_load(&conf->desc[desc.next]);
	}
	return -VIRTQ_FAULT_LOOP;
}

int split_peek_chain(const struct virtq_view *view, struct vring_desc desc, bool writable,
		     struct virtq_chain *chain, struct mem_span *spans, uint32_t max)
{
	struct walk walk = {
		.view = view,
		.writable = writable,
		.chain = chain,
		.spans = spans,
		.max = max,
	};

	chain->spans = 0;
	chain->cost = 0;
	chain->len = 0;
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
	/* The entries and the index before the bits: mem_log_mark() relies on it. */
	guest_fence();
	mem_log_mark(view->log, ring + at * sizeof(struct vring_used_elem),
		     first * sizeof(struct vring_used_elem));
	mem_log_mark(view->log, ring, (uint64_t)(n - first) * sizeof(struct vring_used_elem));
	mem_log_mark(view->log, conf->used_gpa, offsetof(struct vring_used, ring));
	mem_log_mark(view->log, ring + conf->size * sizeof(struct vring_used_elem),
		     sizeof(uint16_t));
}
