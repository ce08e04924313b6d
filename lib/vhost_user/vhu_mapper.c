/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_mapper.h"

static void unmap_first(struct vhu_mapper *mapper, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!mapper->piece[i].kept)
			mem_arena_release(mapper->arena, mapper->piece[i].mapping.at,
					  mapper->piece[i].mapping.len);
}

static void map_pieces(struct disposal_job *job)
{
	struct vhu_mapper *mapper = container_of(job, struct vhu_mapper, job);

	for (uint32_t i = 0; i < mapper->n; i++) {
		struct vhu_mapper_piece *piece = &mapper->piece[i];
		int made = vhu_mapping_make(&piece->mapping, piece->at >= 0 ? &piece->before : NULL, mapper->arena,
					    &piece->wire, piece->fd, &mapper->fail);

		piece->kept = made == VHU_MAPPING_KEPT;
		if (made >= 0)
			continue;
		mapper->error = made;
		unmap_first(mapper, i);
		mapper->n = 0;
	}
}

static void unmap_pieces(struct disposal_job *job)
{
	struct vhu_mapper *mapper = container_of(job, struct vhu_mapper, job);

	unmap_first(mapper, mapper->n);
	mapper->n = 0;
}

static void call_came_back(struct disposal_job *job)
{
	struct vhu_mapper *mapper = container_of(job, struct vhu_mapper, job);

	mapper->done(mapper);
}

static void start(struct vhu_mapper *mapper, struct disposal_account *account, void (*run)(struct disposal_job *job),
		  void (*done)(struct vhu_mapper *mapper)) RUNS_ON(control_thread)
{
	mapper->done = done;
	mapper->job = (struct disposal_job){
		.run = run,
		.done = call_came_back,
		.what = "mapping or unmapping of memory that its front end gave",
	};
	disposal_start(account, &mapper->job);
}

void vhu_mapper_start(struct vhu_mapper *mapper, struct disposal_account *account, struct mem_arena *arena,
		      void (*done)(struct vhu_mapper *mapper))
{
	mapper->arena = arena;
	mapper->error = 0;
	mapper->fail.text[0] = '\0';
	start(mapper, account, map_pieces, done);
}

void vhu_mapper_taken(struct vhu_mapper *mapper)
{
	mapper->n = 0;
}

void vhu_mapper_undo(struct vhu_mapper *mapper, struct disposal_account *account,
		     void (*done)(struct vhu_mapper *mapper))
{
	if (mapper->n == 0)
		done(mapper);
	else
		start(mapper, account, unmap_pieces, done);
}
