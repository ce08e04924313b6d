/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_ref.h"

#include <stdlib.h>

#include "node.h"

_Atomic unsigned int frame_ref_users;

/* Tables that a device may yet write to. */
struct kept {
	struct kept *next;
	struct frame_refs *refs;
};
static struct kept *kept OWNED_BY(control_thread);

struct frame_refs *frame_refs_create(void)
{
	return node_alloc(sizeof(struct frame_refs), NODE_UNKNOWN);
}

void frame_refs_destroy(struct frame_refs *refs)
{
	bool in_use = false;

	if (refs == NULL)
		return;
	for (unsigned int i = 0; i < VIRTQ_IN_HAND_LIST; i++)
		in_use = in_use || frame_ref_count(&refs->ref[i]) != 0;
	if (in_use) {
		struct kept *keep = malloc(sizeof(*keep));

		/* Found from here, so that it is not taken for a leak. */
		if (keep != NULL) {
			*keep = (struct kept){.next = kept, .refs = refs};
			kept = keep;
		}
		return;
	}
	node_free(refs, sizeof(*refs));
}

bool frame_refs_before(const struct frame_refs *refs, uint16_t generation)
{
	for (unsigned int i = 0; refs != NULL && i < VIRTQ_IN_HAND_LIST; i++) {
		/* Pairs with frame_ref_drop(). */
		uint32_t word = atomic_load_explicit(&refs->ref[i].word, memory_order_acquire);

		if ((uint16_t)word != 0 && (int16_t)((uint16_t)(word >> 16) - generation) < 0)
			return true;
	}
	return false;
}
