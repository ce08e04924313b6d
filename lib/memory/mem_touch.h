/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_touch.h: which huge pages of a port's memory may have to be cleared by whoever touches them first (X4).
 *
 * The first touch of a huge page that its file does not have yet clears it: hundreds of microseconds for 2 MiB, hundreds of
 * milliseconds for 1 GiB. Lcores leave that to a thread that may be lost (disposal.h). Each port has a bit for every 2 MiB of its
 * address space: set while the page is not known to be there. Before an lcore touches what it found in a ring it asks whether
 * all of it is; what is not it asks for, and leaves the chain in the ring, or drops the frame. The alarm tells control, which
 * starts the thread. Only pages that a guest has named in its ring are touched: a hole that it never uses stays one.
 *
 * So that the first frames to a guest are not lost, an lcore that delivers clears a few pages of 2 MiB of each port itself:
 * MEM_TOUCH_OWN at once and one more each MEM_TOUCH_OWN_MS, which is a thousandth of its time. Larger pages it never does.
 *
 * A page that was known and is a hole again (a balloon, a hole punched) is cleared by the lcore that meets it. The watchdog
 * notices, charges the port, and nothing of that mapping is known any more.
 *
 * Context: mem_touch_ready(), mem_touch_ready_to_write() and mem_touch_left() any reader of a map; mem_touch_take() the one
 * thread that touches; mark, clear and area the arena's (mem_arena.c).
 */
#ifndef VUS_MEM_TOUCH_H
#define VUS_MEM_TOUCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem_map.h"

enum {
	MEM_GRANULE_BITS = 21,
	/* Pages asked for and not touched yet; more of them are asked for again. */
	MEM_TOUCH_ASKED = 64,
	MEM_TOUCH_AREAS = 16,
	/* Pages that an lcore clears itself: at once, and another one each. */
	MEM_TOUCH_OWN = 4,
	MEM_TOUCH_OWN_MS = 200,
};
#define MEM_GRANULE ((size_t)1 << MEM_GRANULE_BITS)

struct mem_touch {
	/* What lcores read for each piece: it changes when a chunk of address space is added. */
	_Atomic unsigned int areas;
	struct mem_touch_area {
		uintptr_t at;
		size_t len;
		_Atomic uint64_t *bit; /* one more than there are granules, at least */
	} area[MEM_TOUCH_AREAS];
	_Atomic uint64_t left; /* bits that are set */
	int alarm_fd;	       /* the arena's */
	atomic_bool large;     /* some pages are larger than a granule */
	_Atomic uint64_t own_at; /* when no page is owed for those that lcores cleared, ns */
	atomic_bool asked;     /* since mem_touch_begin() */
	_Atomic uintptr_t at[MEM_TOUCH_ASKED];
};

/* Whether there is a page that is not known. */
static inline bool mem_touch_left(const struct mem_touch *touch)
{
	return atomic_load_explicit(&touch->left, memory_order_relaxed) != 0;
}

/* How many of the first pieces lie in pages that are all there. All that are not are asked for. Of a piece no more counts than
 * the longest frame with its header. */
uint32_t mem_touch_ready(struct mem_touch *touch, const struct mem_span *spans, uint32_t n);
/* The same for what is written at once: of the pages that are not there the caller clears a few by writing. */
uint32_t mem_touch_ready_to_write(struct mem_touch *touch, const struct mem_span *spans, uint32_t n);

/* Whether somebody has asked. */
static inline bool mem_touch_asked(struct mem_touch *touch)
{
	return atomic_load(&touch->asked);
}
/* What is asked for from now on sets `asked` again. */
void mem_touch_begin(struct mem_touch *touch);
/* The nth that was asked for, which may be asked for again; NULL: none. */
const uint8_t *mem_touch_take(struct mem_touch *touch, unsigned int nth);

/* The bits of [at, at + len), which lies in an area. */
void mem_touch_mark(struct mem_touch *touch, uintptr_t at, size_t len);
void mem_touch_clear(struct mem_touch *touch, uintptr_t at, size_t len);
/* Has bits for an area: 0 or -errno. Under the arena's lock. */
int mem_touch_area(struct mem_touch *touch, uintptr_t at, size_t len);
/* Nobody reads it any more. */
void mem_touch_fini(struct mem_touch *touch);

#endif
