/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_regions.h: a device's memory table: its mappings, and from one immutable map to the next.
 *
 * What a message brings has been mapped (vhu_mapper.h) when it comes here. Adding builds a new map, publishes it, and frees the
 * old one when the lcores have left it; nothing waits. Removing publishes a smaller map, waits for the lcores, unmaps on a
 * thread that may be lost and says `released` at the end; meanwhile it is pending (vhu_release.h). A change that fails leaves
 * the map in force as it was. Before a mapping goes, `leaving` tells the owner where it lay, so that rings in it are
 * withdrawn first. If what lies behind a mapping goes away all the same (mem_arena.h), `died` is called.
 *
 * It never touches what it maps. F2.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_REGIONS_H
#define VUS_VHU_REGIONS_H

#include "disposal.h"
#include "fail.h"
#include "loop.h"
#include "mem_arena.h"
#include "mem_map.h"
#include "role.h"
#include "vhu_mapper.h"
#include "vhu_mapping.h"
#include "vhu_message.h"
#include "vhu_release.h"

struct vhu_regions;

struct vhu_regions_events {
	/* A mapping is about to be withdrawn: nothing new may begin to use [host, host + size). */
	void (*leaving)(struct vhu_regions *regions, const uint8_t *host, uint64_t size);
	/* One removal, replacement, clearing or reset is through: unmapped. Called once for each that waits. */
	void (*released)(struct vhu_regions *regions);
	/* Whether a device may be reading what was there before this generation of the map, or a ring is still leaving. */
	enum vhu_release_wait (*waits)(struct vhu_regions *regions, uint16_t generation);
	/* SIGBUS struck: what lay behind a mapping is gone. */
	void (*died)(struct vhu_regions *regions);
	/* Lcores were held by a page of it, or by another object of the front end. */
	void (*stalled)(struct vhu_regions *regions);
};

struct vhu_regions {
	struct loop *loop;
	struct disposal_account *account; /* what the front end gave is mapped and unmapped there */
	const struct vhu_regions_events *events;
	struct vhu_pending *pending; /* the device's */
	struct mem_table table;	 /* what lcores read */
	struct mem_arena *arena; /* made with the first region, destroyed by vhu_regions_reset() */
	struct disposal_job touching; /* of pages that lcores asked for (mem_touch.h) */
	bool is_touching, reset_due;
	struct disposal_job ending;
	uint32_t stranded; /* mappings that the arena's end unmaps, for want of memory */
	struct loop_fd alarm;
	uint16_t generation; /* of the map */
	uint32_t n;
	uint32_t room;		     /* for so many mappings: */
	struct vhu_mapping *mapping; /* [n], in the order of the map's regions */
};

/* 0 or -errno. */
int vhu_regions_init(struct vhu_regions *regions, struct loop *loop, struct disposal_account *account,
		     struct vhu_pending *pending, const struct vhu_regions_events *events) RUNS_ON(control_thread);
/* Nothing may be mapped any more. */
void vhu_regions_fini(struct vhu_regions *regions) RUNS_ON(control_thread);

/* The address space for what is to be mapped: 0 or -errno with a line in `fail`. */
int vhu_regions_prepare(struct vhu_regions *regions, struct fail *fail) RUNS_ON(control_thread);
/* The number of the mapping of such a region, or -1. */
int vhu_regions_find(const struct vhu_regions *regions, const struct vhu_memory_region *wire);

/* ADD_MEM_REG: the one piece of the mapper. 0: taken, or an identical one that is there already is kept; -errno with a line in
 * `fail`. */
int vhu_regions_add(struct vhu_regions *regions, struct vhu_mapper *mapper, struct fail *fail)
	RUNS_ON(control_thread);

/* REM_MEM_REG. 0: pending until `released`. -ENOENT: no such region; -ENOMEM. */
int vhu_regions_remove(struct vhu_regions *regions, const struct vhu_memory_region *wire)
	RUNS_ON(control_thread);

/* SET_MEM_TABLE: the pieces of the mapper and no others; what stays the same keeps its mapping. 0: taken, and pending until
 * `released`; -errno with a line in `fail`, and nothing has changed. */
int vhu_regions_replace(struct vhu_regions *regions, struct vhu_mapper *mapper, struct fail *fail)
	RUNS_ON(control_thread);

/* Everything goes, and is pending until `released` if there was anything. The rings have been withdrawn and passed. */
void vhu_regions_clear(struct vhu_regions *regions) RUNS_ON(control_thread);
/* After a clear that is through: the address space itself, pending until `released` if there is one. */
void vhu_regions_reset(struct vhu_regions *regions) RUNS_ON(control_thread);

/* --- what the dirty log shares with regions (vhu_log.c) ----------------------------------------------------------- */

/* A release for at most `pieces` mappings that ends with `released`; `unmap` is the step of its last part. NULL: no
 * memory. */
struct vhu_release *vhu_regions_release(struct vhu_regions *regions, uint32_t pieces,
					enum vhu_step unmap);

static inline const struct mem_map *vhu_regions_map(const struct vhu_regions *regions)
{
	return rcu_own(&regions->table.map);
}

/* The guest's memory has arrived by postcopy, says its front end; where it has not, its lcores' waiting is charged (X3, X4). */
void vhu_regions_arrived(struct vhu_regions *regions) RUNS_ON(control_thread);
/* What is mapped may be read by devices from now on (dma.h): not while it is still arriving. */
void vhu_regions_offer(struct vhu_regions *regions) RUNS_ON(control_thread);

uint64_t vhu_regions_bytes(const struct vhu_regions *regions);

#endif
