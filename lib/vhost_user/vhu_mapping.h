/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_mapping.h: one region of guest memory: a piece of a front end's file in our address space.
 *
 * Only tmpfs (memfd) and hugetlbfs files are mapped, no more than they contain, and nothing is mapped that was not named. The
 * file is sealed against shrinking where that is possible (memfd); where it is not, mem_arena.h contains the SIGBUS.
 * F4, T1, T4, T5, T10.
 *
 * The front end decides how long a call on its file takes (X2). mmap() of a hugetlbfs file waits for the file's lock with
 * the whole process's address space locked, so the lock is taken before, with nothing else held, and a file whose lock is
 * busy every time is refused. mmap() of a tmpfs file does not take it.
 *
 * Huge pages that the file does not have yet are cleared by whoever touches them first: the arena is told (mem_touch.h).
 *
 * Context: a thread that may be lost (disposal.h); nothing here touches what is mapped.
 */
#ifndef VUS_VHU_MAPPING_H
#define VUS_VHU_MAPPING_H

#include <stdbool.h>
#include <sys/types.h>

#include "fail.h"
#include "mem_arena.h"
#include "vhu_message.h"

struct vhu_mapping {
	uint64_t offset; /* in the file, of the region's first byte */
	dev_t dev;
	ino_t ino;
	uint8_t *at; /* whole pages around the region */
	size_t len;
	uint64_t delta; /* from there to the region's first byte */
	bool offered;	/* to devices (dma.h) */
};

enum { VHU_MAPPING_MADE, VHU_MAPPING_KEPT };

/* One of the above, or -errno with a line in `fail`. `before` (NULL: there is none) is kept, and nothing mapped, if it is this
 * piece of this very file: the same device and inode, not only the same addresses (T10). The descriptor is the caller's. */
int vhu_mapping_make(struct vhu_mapping *mapping, const struct vhu_mapping *before, struct mem_arena *arena,
		     const struct vhu_memory_region *wire, int fd, struct fail *fail);

#endif
