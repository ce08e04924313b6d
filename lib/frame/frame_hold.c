/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_hold.h"

#include <stdlib.h>
#include <string.h>

_Atomic unsigned int frame_hold_takers;

/* Tables that a device may yet write to. */
struct kept {
	struct kept *next;
	struct frame_holds *holds;
};
static struct kept *kept OWNED_BY(control_thread);

struct frame_holds *frame_holds_create(void)
{
	struct frame_holds *holds = aligned_alloc(_Alignof(struct frame_holds), sizeof(*holds));

	if (holds != NULL)
		memset(holds, 0, sizeof(*holds));
	return holds;
}

void frame_holds_destroy(struct frame_holds *holds)
{
	bool held = false;

	if (holds == NULL)
		return;
	for (unsigned int i = 0; i < VIRTQ_IN_HAND_LIST; i++)
		held = held || frame_hold_references(&holds->hold[i]) != 0;
	if (held) {
		struct kept *keep = malloc(sizeof(*keep));

		/* Found from here, so that it is not taken for a leak. */
		if (keep != NULL) {
			*keep = (struct kept){.next = kept, .holds = holds};
			kept = keep;
		}
		return;
	}
	free(holds);
}

bool frame_holds_before(const struct frame_holds *holds, uint16_t edition)
{
	for (unsigned int i = 0; holds != NULL && i < VIRTQ_IN_HAND_LIST; i++) {
		/* Pairs with frame_hold_drop(). */
		uint32_t word = atomic_load_explicit(&holds->hold[i].word, memory_order_acquire);

		if ((uint16_t)word != 0 && (int16_t)((uint16_t)(word >> 16) - edition) < 0)
			return true;
	}
	return false;
}
