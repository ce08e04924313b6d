/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_release.h"

#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "dma.h"
#include "log.h"
#include "rcu.h"
#include "vus_limits.h"

static const uint64_t ZC_LOOK_NS = NS_PER_MS / 4;

/* Some 50 us of unmapping. */
enum { TURN_PIECES = 16 };

struct vhu_release {
	struct rcu_wait wait;
	struct disposal_job job;
	struct disposal_account *account;
	struct loop *loop;
	struct mem_arena *arena;
	struct vhu_pending *pending;
	enum vhu_step step, unmap; /* pending now; and while the pieces are unmapped */
	void *object;
	void (*done)(void *arg);
	enum vhu_release_wait (*waits)(void *arg); /* NULL: for nothing */
	void *arg;
	struct loop_timer timer;
	uint64_t until_ns;
	bool abandoned; /* a device still reads it */
	uint32_t n;
	struct {
		uint8_t *at;
		size_t len;
	} piece[];
};

static void step_to(struct vhu_release *release, enum vhu_step step)
{
	vhu_pending_move(release->pending, release->step, step);
	release->step = step;
}

static void unmap_pieces(struct disposal_job *job)
{
	struct vhu_release *release = container_of(job, struct vhu_release, job);

	for (uint32_t i = 0; i < release->n; i++) {
		/* Many guests that leave at once have a thread each on few CPUs, and somebody else's call waits behind them:
		 * not until each has had what the kernel gives a thread at a time. */
		if (i % TURN_PIECES == TURN_PIECES - 1)
			sched_yield();
		dma_unmap(release->piece[i].at);
		if (release->abandoned)
			mem_arena_abandon(release->arena, release->piece[i].at,
					  release->piece[i].len);
		else
			mem_arena_release(release->arena, release->piece[i].at,
					  release->piece[i].len);
	}
}

static void pieces_gone(struct disposal_job *job)
{
	struct vhu_release *release = container_of(job, struct vhu_release, job);
	void (*done)(void *arg) = release->done;
	void *arg = release->arg;

	vhu_pending_end(release->pending, release->step);
	free(release);
	done(arg);
}

static void look_at_zc(struct loop_timer *timer)
{
	struct vhu_release *release = container_of(timer, struct vhu_release, timer);
	enum vhu_release_wait wait =
		release->waits != NULL ? release->waits(release->arg) : VHU_RELEASE_NOW;

	role_assert_control();
	if (wait == VHU_RELEASE_USED)
		release->until_ns = clock_ns() + FRAME_REF_LIMIT_MS * NS_PER_MS;
	if (wait != VHU_RELEASE_NOW) {
		if (clock_ns() < release->until_ns) {
			step_to(release, VHU_STEP_ZERO_COPY);
			loop_timer_start(release->loop, timer, ZC_LOOK_NS);
			return;
		}
		release->abandoned = true;
		log_warn("memory",
			 "a device has not read what it was given for %d ms: a guest's memory goes all "
			 "the same, and the device reads zeros, or nothing",
			 FRAME_REF_LIMIT_MS);
	}
	step_to(release, release->unmap);
	disposal_start(release->account, &release->job);
}

static void vhu_release_lcores_left(struct rcu_wait *wait)
{
	struct vhu_release *release = container_of(wait, struct vhu_release, wait);

	role_assert_control();
	free(release->object);
	release->job = (struct disposal_job){
		.run = unmap_pieces,
		.done = pieces_gone,
		.what = "unmapping of memory that its front end gave",
	};
	release->timer.fire = look_at_zc;
	release->until_ns = clock_ns() + FRAME_REF_LIMIT_MS * NS_PER_MS;
	if (release->n > 0)
		look_at_zc(&release->timer);
	else
		pieces_gone(&release->job);
}

struct vhu_release *vhu_release_create(struct loop *loop, struct disposal_account *account,
				       struct mem_arena *arena, uint32_t pieces, struct vhu_pending *pending, enum vhu_step unmap,
				       void (*done)(void *arg), void *arg)
{
	struct vhu_release *release =
		calloc(1, sizeof(*release) + pieces * sizeof(release->piece[0]));

	if (release == NULL)
		return NULL;
	release->loop = loop;
	release->account = account;
	release->arena = arena;
	release->pending = pending;
	release->unmap = unmap;
	release->done = done;
	release->arg = arg;
	return release;
}

void vhu_release_destroy(struct vhu_release *release)
{
	free(release);
}

void vhu_release_after(struct vhu_release *release, enum vhu_release_wait (*waits)(void *arg))
{
	release->waits = waits;
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
	release->step = VHU_STEP_LCORES;
	vhu_pending_begin(release->pending, release->step);
	vhu_pending_await(release->pending, &release->wait, vhu_release_lcores_left);
}
