/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_mapper.h: maps the files that one request brings, on a thread that may be lost (disposal.h).
 *
 * A front end holds the lock of its memory's file for as long as it likes, and who examines, seals, maps or unmaps the file waits
 * for it (X2). So all of that is one job of the port's account: started with the descriptors, over when `done` is called
 * on the control thread. What was mapped is then taken, or undone, which is a job again.
 *
 * Context: control thread; the job touches only the pieces and the arena.
 * Ownership: descriptors stay the caller's, and open until `done`. The struct is its owner's, who keeps it until `done`.
 */
#ifndef VUS_VHU_MAPPER_H
#define VUS_VHU_MAPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "disposal.h"
#include "fail.h"
#include "mem_arena.h"
#include "role.h"
#include "vhu_mapping.h"
#include "vhu_message.h"

struct vhu_mapper_piece {
	struct vhu_memory_region wire;
	int fd;
	int at; /* the mapping of the same region that is there already, and its number; -1: none */
	struct vhu_mapping before;
	bool kept; /* it is this very file: nothing was mapped */
	struct vhu_mapping mapping;
};

struct vhu_mapper {
	struct disposal_job job;
	struct mem_arena *arena;
	void (*done)(struct vhu_mapper *mapper);
	int error; /* of mapping: 0, or -errno with a line in `fail`, and nothing is mapped */
	struct fail fail;
	uint32_t n;
	struct vhu_mapper_piece piece[VHU_TABLE_REGIONS_MAX];
};

/* Maps the n pieces, whose `wire`, `fd`, `at` and `before` are set. `done` is called in any case. */
void vhu_mapper_start(struct vhu_mapper *mapper, struct disposal_account *account, struct mem_arena *arena,
		      void (*done)(struct vhu_mapper *mapper)) RUNS_ON(control_thread);
/* What was mapped belongs to somebody else now. */
void vhu_mapper_taken(struct vhu_mapper *mapper);
/* Unmaps what was mapped and not taken; calls `done` when it is gone, at once if there is nothing. */
void vhu_mapper_undo(struct vhu_mapper *mapper, struct disposal_account *account,
		     void (*done)(struct vhu_mapper *mapper)) RUNS_ON(control_thread);

#endif
