/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "mem_note.h"
#include "mem_touch.h"
#include "virtq_packed.h"
#include "virtq_split.h"

/* Adds one buffer to the chain. Virtio has no use for an empty one, but drivers that pad with them exist: it is legal as
 * long as the chain as a whole is not empty, which its user checks. It costs like one that is not empty, or a
 * guest could have us walk a whole ring for nothing with each frame (V14). */
int virtq_walk_buffer(struct virtq_walk *walk, const struct virtq_desc *desc)
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
	chain->spans = (uint16_t)(chain->spans + n);
	chain->cost = (uint16_t)(chain->cost + (n > 0 ? n : 1));
	return 0;
}

/* An indirect table may lie in pieces, so each descriptor is translated where it is; it is still read only once. In a
 * split ring its descriptors are linked, in a packed ring (virtio 1.2, 2.8.7) they are used one after the other. */
int virtq_walk_indirect(struct virtq_walk *walk, const struct virtq_desc *indirect)
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
		struct virtq_desc desc;
		int error;

		if (at == NULL || here < sizeof(struct vring_desc) ||
		    (uintptr_t)at % sizeof(uint64_t) != 0)
			return -VIRTQ_FAULT_ADDRESS;
		if (view->map->touch != NULL &&
		    mem_touch_ready(view->map->touch, &(struct mem_span){(uint8_t *)(uintptr_t)at, sizeof(desc)}, 1) == 0)
			return VIRTQ_NONE;
		mem_fetch_named(at, sizeof(desc));
		mem_note_single(at);
		desc = view->conf->packed ? packed_desc_load((const void *)at)
					  : split_desc_load((const void *)at);
		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0)
			return -VIRTQ_FAULT_INDIRECT;
		error = virtq_walk_buffer(walk, &desc);
		if (error != 0)
			return error;
		if (view->conf->packed ? steps + 1 == n : (desc.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		next = view->conf->packed ? steps + 1 : desc.next;
		if (next >= n)
			return -VIRTQ_FAULT_NEXT;
	}
	return -VIRTQ_FAULT_LOOP;
}

