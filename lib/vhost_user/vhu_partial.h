/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_partial.h: the files of a guest's memory of which only a part arrived.
 *
 * A conversation that ends while pages are still missing leaves memory behind that must never be touched again: a page
 * that is not there would be filled with zeros, under the guest. A front end may connect anew and give us the same files
 * as if nothing had happened (F7); they are known by device and inode. The last such guest of a port is
 * remembered: a file of an earlier one, which a hostile front end may come back with, is its own guest's loss.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_PARTIAL_H
#define VUS_VHU_PARTIAL_H

#include <stdint.h>
#include <sys/types.h>

#include "fail.h"
#include "vhu_regions.h"

struct vhu_partial_file {
	dev_t dev;
	ino_t ino;
};

struct vhu_partial {
	struct vhu_partial_file *file;
	uint32_t n;
};

/* The files of these regions take the place of those before: 0 or -ENOMEM. */
int vhu_partial_remember(struct vhu_partial *partial, const struct vhu_regions *regions);
/* One more, which was being mapped then. The same. */
int vhu_partial_add(struct vhu_partial *partial, const struct vhu_mapping *mapping);
void vhu_partial_forget(struct vhu_partial *partial);

/* 0, or -ESTALE with a line in `fail` for a file that is remembered. */
int vhu_partial_check(const struct vhu_partial *partial, const struct vhu_mapping *mapping, struct fail *fail);

#endif
