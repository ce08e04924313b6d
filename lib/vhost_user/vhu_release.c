/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_release.h"

#include <stdlib.h>

#include "rcu.h"

struct vhu_release {
	struct rcu_wait wait;
	struct loop_job job;
	struct loop *loop;
	struct mem_arena *arena;
	void *object;
	void (*done)(void *arg);
	void *arg;
	uint32_t n;
	struct {
		uint8_t *at;
		size_t len;
	} piece[];
};

static void unmap_pieces(struct loop_job *job)
{
	struct vhu_release *release = container_of(job, struct vhu_release, job);

	for (uint32_t i = 0; i < release->n; i++)
		mem_arena_release(release->arena, release->piece[i].at, release->piece[i].len);
}

static void pieces_gone(struct loop_job *job)
{
	struct vhu_release *release = container_of(job, struct vhu_release, job);
	void (*done)(void *arg) = release->done;
	void *arg = release->arg;

	free(release);
	done(arg);
}

static void lcores_left(struct rcu_wait *wait)
{
	struct vhu_release *release = container_of(wait, struct vhu_release, wait);

	role_assert_control();
	free(release->object);
	release->job.run = unmap_pieces;
	release->job.done = pieces_gone;
	if (release->n > 0)
		loop_job_start(release->loop, &release->job);
	else
		pieces_gone(&release->job);
}

struct vhu_release *vhu_release_create(struct loop *loop, struct mem_arena *arena, uint32_t pieces,
				       void (*done)(void *arg), void *arg)
{
	struct vhu_release *release =
		calloc(1, sizeof(*release) + pieces * sizeof(release->piece[0]));

	if (release == NULL)
		return NULL;
	release->loop = loop;
	release->arena = arena;
	release->done = done;
	release->arg = arg;
	return release;
}

void vhu_release_destroy(struct vhu_release *release)
{
	free(release);
}

void vhu_release_piece(struct vhu_release *release, const struct vhu_mapping *mapping)
{
	release->piece[release->n].at = mapping->at;
	release->piece[release->n].len = mapping->len;
	release->n++;
}

void vhu_release_start(struct vhu_release *release, const void *object)
{
	release->object = (void *)(uintptr_t)object;
	rcu_wait_start(&release->wait, lcores_left);
}
