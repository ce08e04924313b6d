/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_regions.h: a device's memory table: from descriptors and offsets to mappings, and from one immutable map to the
 * next.
 *
 * Adding maps the region off the data path, builds a new map, publishes it, and frees the old one when the lcores have
 * left it; nothing waits. Removing publishes a smaller map, waits for the lcores, unmaps on the loop's helper thread and
 * says `released` at the end; meanwhile it is pending (vhu_release.h). A change that fails leaves the map in force as it
 * was. Before a mapping goes, `leaving` tells the owner where it lay, so that rings in it are withdrawn first.
 *
 * Descriptors are the caller's and need not live longer than the call. If what lies behind a mapping goes away all the
 * same (mem_arena.h), `died` is called.
 *
 * It never touches what it maps. F2.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_REGIONS_H
#define VUS_VHU_REGIONS_H

#include "fail.h"
#include "loop.h"
#include "mem_arena.h"
#include "mem_map.h"
#include "role.h"
#include "vhu_mapping.h"
#include "vhu_message.h"
#include "vhu_release.h"

struct vhu_regions;

struct vhu_regions_events {
	/* A mapping is about to be withdrawn: nothing new may begin to use [host, host + size). */
	void (*leaving)(struct vhu_regions *regions, const uint8_t *host, uint64_t size);
	/* One removal, replacement or clearing is through: unmapped. Called once for each that waits. */
	void (*released)(struct vhu_regions *regions);
	/* Whether a device may be reading what was there before this generation of the map, or a ring is still leaving. */
	enum vhu_release_wait (*waits)(struct vhu_regions *regions, uint16_t generation);
	/* SIGBUS struck: what lay behind a mapping is gone. */
	void (*died)(struct vhu_regions *regions);
};

struct vhu_regions {
	struct loop *loop;
	const struct vhu_regions_events *events;
	struct vhu_pending *pending; /* the device's */
	struct mem_table table;	 /* what lcores read */
	struct mem_arena *arena; /* made with the first region, destroyed by vhu_regions_reset() */
	struct loop_fd alarm;
	uint16_t generation; /* of the map */
	uint32_t n;
	struct vhu_mapping mapping[MEM_SLOTS_MAX]; /* in the order of the map's regions */
};

/* 0 or -errno. */
int vhu_regions_init(struct vhu_regions *regions, struct loop *loop,
		     struct vhu_pending *pending, const struct vhu_regions_events *events) RUNS_ON(control_thread);
/* Nothing may be mapped any more. */
void vhu_regions_fini(struct vhu_regions *regions) RUNS_ON(control_thread);

/* ADD_MEM_REG. 0, also for an identical one that is there already; -errno with a line in `fail`. */
int vhu_regions_add(struct vhu_regions *regions, const struct vhu_memory_region *wire, int fd,
		    struct fail *fail) RUNS_ON(control_thread);

/* REM_MEM_REG. 0: pending until `released`. -ENOENT: no such region; -ENOMEM. */
int vhu_regions_remove(struct vhu_regions *regions, const struct vhu_memory_region *wire)
	RUNS_ON(control_thread);

/* SET_MEM_TABLE: these and no others; what stays the same keeps its mapping. 0: pending until `released`;
 * -errno with a line in `fail`, and nothing has changed. */
int vhu_regions_replace(struct vhu_regions *regions, const struct vhu_memory_table *table,
			const int *fds, struct fail *fail) RUNS_ON(control_thread);

/* Everything goes, and is pending until `released` if there was anything. The rings have been withdrawn and passed. */
void vhu_regions_clear(struct vhu_regions *regions) RUNS_ON(control_thread);
/* After a clear that is through: the address space itself. */
void vhu_regions_reset(struct vhu_regions *regions) RUNS_ON(control_thread);

/* --- what the dirty log shares with regions (vhu_log.c) ----------------------------------------------------------- */

/* Maps a piece of a file into the arena: 0 or -errno with a line in `fail`. */
int vhu_regions_map_file(struct vhu_regions *regions, const struct vhu_memory_region *wire, int fd,
			 struct vhu_mapping *mapping, struct fail *fail) RUNS_ON(control_thread);
/* A release for at most `pieces` mappings that ends with `released`; `unmap` is the step of its last part. NULL: no
 * memory. */
struct vhu_release *vhu_regions_release(struct vhu_regions *regions, uint32_t pieces,
					enum vhu_step unmap);

static inline const struct mem_map *vhu_regions_map(const struct vhu_regions *regions)
{
	return rcu_own(&regions->table.map);
}

/* What is mapped may be read by devices from now on (dma.h): not while it is still arriving. */
void vhu_regions_offer(struct vhu_regions *regions) RUNS_ON(control_thread);

uint64_t vhu_regions_bytes(const struct vhu_regions *regions);

#endif
