/* SPDX-License-Identifier: BSD-3-Clause */
/* burst.h: what an lcore has to receive into, on the heap, where a sanitizer guards both ends of it. free() ends it. */
#ifndef BURST_H
#define BURST_H

#include <stdlib.h>
#include <string.h>

#include "frame.h"

static inline struct burst *burst_new(void)
{
	size_t size = (sizeof(struct burst) + 63) & ~(size_t)63;
	struct burst *burst = aligned_alloc(64, size);

	return burst == NULL ? NULL : memset(burst, 0, size);
}

#endif
