/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.h: a lane's view of its guest's memory: mapped here, filled by the front end.
 *
 * A region is mapped without access and parked until the front end says that it knows where we have it (LANE_COMMIT):
 * a fault before that would never be answered (F6). Then its whole pages are registered with the
 * userfaultfd, and a touch of a page that has not arrived waits for the front end to bring it. The map changes as the
 * switch's own does: built new each time, and the old one is freed when the worker has left it.
 *
 * Context: the lane's main thread, which never touches what it maps.
 */
#ifndef VUS_LANE_MEMORY_H
#define VUS_LANE_MEMORY_H

#include <stdbool.h>

#include "lane_message.h"
#include "mem_map.h"
#include "vus_limits.h"

struct lane_piece {
	struct lane_region region;
	uint8_t *at;
	bool committed;
};

struct lane_memory {
	int uffd;	     /* the userfaultfd; -1: none yet */
	struct mem_map *map; /* what is committed, or NULL */
	uint32_t n;
	struct lane_piece piece[MEM_SLOTS_MAX];
};

/* A new userfaultfd takes the place of the one before: the descriptor, which stays ours, or -errno. */
int lane_memory_uffd(struct lane_memory *memory);

/* Maps a region, to be committed: 0 and its address, or -errno. The descriptor is the caller's. */
int lane_memory_map(struct lane_memory *memory, const struct lane_region *region, int fd,
		    uint64_t *address);
/* Everything mapped becomes the guest's memory: 0 or -errno. memory->map is new; the one before is the caller's. */
int lane_memory_commit(struct lane_memory *memory);
/* A region leaves the map: 0 with what is to be unmapped once no thread can hold the old map, which is the caller's;
 * -ENOENT, -ENOMEM. */
int lane_memory_remove(struct lane_memory *memory, const struct lane_region *region,
		       struct lane_piece *left);

#endif
