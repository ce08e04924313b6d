/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_release.h: what lcores may still refer to, on its way out: an object that was unpublished, and mappings only it refers
 * to.
 *
 * First the lcores pass that can hold it (vhu_pending.h), then the object is freed, then devices that may be reading in it
 * are waited for (a NIC that sends a frame in place, frame_ref.h), then a thread that may be lost (disposal.h) unmaps, which may
 * take long, and then `done` is called on the control thread. A device that has not finished within FRAME_REF_LIMIT_MS finds
 * other memory in the place of what was there: a device behind an IOMMU none at all, one that uses our CPU empty pages, which
 * stay. A release is made before anything is withdrawn, so that nothing can fail half-way. Each of these is a pending step
 * (vhu_pending.h) from the start until `done`.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_RELEASE_H
#define VUS_VHU_RELEASE_H

#include "disposal.h"
#include "loop.h"
#include "mem_arena.h"
#include "role.h"
#include "vhu_mapping.h"
#include "vhu_pending.h"

struct vhu_release;

/* For at most `pieces` mappings of `arena` (may be NULL if 0), whose unmapping is the step `unmap`, charged to `account`. NULL:
 * no memory. */
struct vhu_release *vhu_release_create(struct loop *loop, struct disposal_account *account,
				       struct mem_arena *arena, uint32_t pieces, struct vhu_pending *pending, enum vhu_step unmap,
				       void (*done)(void *arg), void *arg);
/* Of a release that was not started. NULL is fine. */
void vhu_release_destroy(struct vhu_release *release);

/* What a release waits for when they have passed. */
enum vhu_release_wait {
	VHU_RELEASE_NOW,
	VHU_RELEASE_ZC,	  /* a device reads still what is to go: FRAME_REF_LIMIT_MS at most */
	VHU_RELEASE_USED, /* an lcore uses it still, until it says that it does not */
};
void vhu_release_after(struct vhu_release *release, enum vhu_release_wait (*waits)(void *arg));
void vhu_release_piece(struct vhu_release *release, const struct vhu_mapping *mapping);
/* `object` (malloc'ed, or NULL) is not published any more. The release is gone when `done` is called. */
void vhu_release_start(struct vhu_release *release, const void *object) RUNS_ON(control_thread);

#endif
