/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_regions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dma.h"
#include "mem_touch.h"
#include "vhu_release.h"

static void touch_asked(struct vhu_regions *regions) RUNS_ON(control_thread);

/* --- pages that lcores asked for ---------------------------------------------------------------------------------- */

static void touch_pages(struct disposal_job *job)
{
	mem_arena_touch_asked(container_of(job, struct vhu_regions, touching)->arena);
}

static void pages_touched(struct disposal_job *job)
{
	struct vhu_regions *regions = container_of(job, struct vhu_regions, touching);

	role_assert_control();
	regions->is_touching = false;
	if (regions->reset_due)
		vhu_regions_reset(regions);
	else
		touch_asked(regions);
}

static void touch_asked(struct vhu_regions *regions)
{
	if (regions->arena == NULL || regions->is_touching || regions->reset_due || mem_arena_touch(regions->arena) == NULL ||
	    !mem_touch_asked(mem_arena_touch(regions->arena)))
		return;
	regions->is_touching = true;
	regions->touching = (struct disposal_job){
		.run = touch_pages,
		.done = pages_touched,
		.what = "first touch of memory that its front end gave",
	};
	disposal_start(regions->account, &regions->touching);
}

static void alarm_rang(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct vhu_regions *regions = container_of(source, struct vhu_regions, alarm);
	uint64_t value;

	role_assert_control();
	if (read(source->fd, &value, sizeof(value)) < 0)
		return;
	if (regions->arena != NULL && mem_arena_is_dead(regions->arena))
		regions->events->died(regions);
	touch_asked(regions);
	regions->events->stalled(regions);
}

int vhu_regions_init(struct vhu_regions *regions, struct loop *loop, struct disposal_account *account,
		     struct vhu_pending *pending, const struct vhu_regions_events *events)
{
	int error;

	*regions = (struct vhu_regions){.loop = loop, .account = account, .events = events, .pending = pending};
	regions->alarm.ready = alarm_rang;
	regions->alarm.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (regions->alarm.fd < 0)
		return -errno;
	error = mem_arena_guard();
	if (error == 0)
		error = loop_fd_add(loop, &regions->alarm, EPOLLIN);
	if (error != 0)
		close(regions->alarm.fd);
	return error;
}

void vhu_regions_fini(struct vhu_regions *regions)
{
	loop_fd_remove(regions->loop, &regions->alarm);
	close(regions->alarm.fd);
	regions->alarm.fd = -1;
	free(regions->mapping);
	regions->mapping = NULL;
	regions->room = 0;
}

/* --- one region ------------------------------------------------------------------------------------------------- */

int vhu_regions_prepare(struct vhu_regions *regions, struct fail *fail)
{
	if (regions->arena == NULL)
		regions->arena = mem_arena_create(regions->alarm.fd);
	if (regions->arena == NULL)
		return fail_set(fail, -errno, "no address space for guest memory: %s",
				strerror(errno));
	return 0;
}

int vhu_regions_find(const struct vhu_regions *regions, const struct vhu_memory_region *wire)
{
	return mem_map_find(vhu_regions_map(regions), wire->gpa, wire->size, wire->uva);
}

static struct mem_region region_of(const struct vhu_memory_region *wire,
				   const struct vhu_mapping *mapping)
{
	return (struct mem_region){
		.gpa = wire->gpa,
		.size = wire->size,
		.uva = wire->uva,
		.host = mapping->at + mapping->delta,
	};
}

/* --- what goes -------------------------------------------------------------------------------------------------- */

static void released(void *arg)
{
	struct vhu_regions *regions = arg;

	role_assert_control();
	regions->events->released(regions);
}

/* The conversation is suspended until the release is through, so the generation is the one that began it. */
static enum vhu_release_wait waits(void *arg)
{
	struct vhu_regions *regions = arg;

	return regions->events->waits(regions, regions->generation);
}

/* One mapping goes with the release. */
static void retire(struct vhu_regions *regions, uint32_t i, struct vhu_release *release)
	RUNS_ON(control_thread)
{
	dma_withdraw(regions->mapping[i].at);
	vhu_release_piece(release, &regions->mapping[i]);
}

void vhu_regions_arrived(struct vhu_regions *regions)
{
	for (uint32_t i = 0; i < regions->n; i++)
		mem_arena_whole(regions->arena, regions->mapping[i].at, regions->mapping[i].len);
}

void vhu_regions_offer(struct vhu_regions *regions)
{
	for (uint32_t i = 0; i < regions->n; i++) {
		struct vhu_mapping *mapping = &regions->mapping[i];

		if (!mapping->offered)
			dma_offer(mapping->at, mapping->len);
		mapping->offered = true;
	}
}

struct vhu_release *vhu_regions_release(struct vhu_regions *regions, uint32_t pieces,
					enum vhu_step unmap)
{
	return vhu_release_create(regions->loop, regions->account, regions->arena, pieces, regions->pending, unmap,
				  released, regions);
}

/* Publishes `map` (maybe NULL). Returns: the one before, which lcores may still have. */
static const struct mem_map *publish(struct vhu_regions *regions, struct mem_map *map) RUNS_ON(control_thread)
{
	const struct mem_map *before = vhu_regions_map(regions);

	regions->generation++;
	if (map != NULL) {
		map->generation = regions->generation;
		map->touch = mem_arena_touch(regions->arena);
	}
	rcu_set(&regions->table.map, map);
	return before;
}

/* The same; the one before goes with `release`. */
static void publish_and_release(struct vhu_regions *regions, struct mem_map *map, struct vhu_release *release)
	RUNS_ON(control_thread)
{
	const struct mem_map *before;

	dma_withdrawn();
	before = publish(regions, map);
	vhu_release_after(release, waits);
	vhu_release_start(release, before);
}

/* Room for `n` mappings: what it takes is given back with the last of them. 0 or -ENOMEM. */
static int make_room(struct vhu_regions *regions, uint32_t n)
{
	struct vhu_mapping *mapping;

	if (n <= regions->room)
		return 0;
	n = n > 2 * regions->room ? n : 2 * regions->room;
	mapping = realloc(regions->mapping, n * sizeof(*mapping));
	if (mapping == NULL)
		return -ENOMEM;
	regions->mapping = mapping;
	regions->room = n;
	return 0;
}

/* --- changes ---------------------------------------------------------------------------------------------------- */

static int add_error(struct fail *fail, int error, const struct vhu_memory_region *wire)
{
	const char *why = error == EEXIST   ? "overlaps another"
			  : error == EINVAL ? "has no size, or wraps around"
			  : error == ENOSPC ? "is one more than there are slots"
					    : strerror(error);

	return fail_set(fail, -error, "memory region of %#llx bytes at guest address %#llx %s",
			(unsigned long long)wire->size, (unsigned long long)wire->gpa, why);
}

int vhu_regions_add(struct vhu_regions *regions, struct vhu_mapper *mapper, struct fail *fail)
{
	const struct mem_map *old = vhu_regions_map(regions);
	const struct vhu_mapper_piece *piece = &mapper->piece[0];
	struct mem_region region = region_of(&piece->wire, &piece->mapping);
	struct mem_map *map;
	uint32_t i = 0;

	if (piece->kept)
		return 0;
	map = mem_map_with(old, &region);
	if (map == NULL)
		return add_error(fail, errno, &piece->wire);
	if (make_room(regions, regions->n + 1) != 0) {
		mem_map_free(map);
		return add_error(fail, ENOMEM, &piece->wire);
	}
	while (map->region[i].gpa != piece->wire.gpa)
		i++;
	memmove(&regions->mapping[i + 1], &regions->mapping[i],
		(regions->n - i) * sizeof(regions->mapping[0]));
	regions->mapping[i] = piece->mapping;
	regions->n++;
	vhu_mapper_taken(mapper);
	rcu_free_in(regions->pending->scope, (void *)(uintptr_t)publish(regions, map));
	return 0;
}

int vhu_regions_remove(struct vhu_regions *regions, const struct vhu_memory_region *wire)
{
	const struct mem_map *old = vhu_regions_map(regions);
	int at = mem_map_find(old, wire->gpa, wire->size, wire->uva);
	struct vhu_release *release;
	struct mem_map *map;

	if (at < 0)
		return -ENOENT;
	release = vhu_regions_release(regions, 1, VHU_STEP_UNMAP);
	map = mem_map_without(old, (uint32_t)at);
	if (release == NULL || map == NULL) {
		vhu_release_destroy(release);
		mem_map_free(map);
		return -ENOMEM;
	}
	regions->events->leaving(regions, old->region[at].host, old->region[at].size);
	retire(regions, (uint32_t)at, release);
	regions->n--;
	memmove(&regions->mapping[at], &regions->mapping[at + 1],
		(regions->n - (uint32_t)at) * sizeof(regions->mapping[0]));
	publish_and_release(regions, map, release);
	return 0;
}

/* Everything that is not kept goes. */
static void retire_others(struct vhu_regions *regions, const struct vhu_mapper *mapper,
			  struct vhu_release *release) RUNS_ON(control_thread)
{
	const struct mem_map *old = vhu_regions_map(regions);

	for (uint32_t i = 0; i < regions->n; i++) {
		bool kept = false;

		for (uint32_t k = 0; k < mapper->n; k++)
			kept = kept || (mapper->piece[k].kept && mapper->piece[k].at == (int)i);
		if (kept)
			continue;
		regions->events->leaving(regions, old->region[i].host, old->region[i].size);
		retire(regions, i, release);
	}
}

int vhu_regions_replace(struct vhu_regions *regions, struct vhu_mapper *mapper, struct fail *fail)
{
	struct mem_region region[VHU_TABLE_REGIONS_MAX];
	struct vhu_release *release;
	struct mem_map *map;
	int error;

	for (uint32_t i = 0; i < mapper->n; i++)
		region[i] = region_of(&mapper->piece[i].wire, &mapper->piece[i].mapping);
	map = mem_map_of(region, mapper->n);
	error = errno;
	release = vhu_regions_release(regions, regions->n, VHU_STEP_UNMAP);
	if (map == NULL || release == NULL || make_room(regions, mapper->n) != 0) {
		vhu_release_destroy(release);
		mem_map_free(map);
		return map == NULL ? add_error(fail, error, &mapper->piece[0].wire)
				   : fail_set(fail, -ENOMEM, "no memory for the memory table");
	}
	retire_others(regions, mapper, release);
	for (uint32_t i = 0; i < mapper->n; i++)
		for (uint32_t k = 0; k < mapper->n; k++)
			if (map->region[i].gpa == mapper->piece[k].wire.gpa)
				regions->mapping[i] = mapper->piece[k].mapping;
	regions->n = mapper->n;
	vhu_mapper_taken(mapper);
	publish_and_release(regions, map, release);
	return 0;
}

void vhu_regions_clear(struct vhu_regions *regions)
{
	struct vhu_release *release;

	if (vhu_regions_map(regions) == NULL)
		return;
	release = vhu_regions_release(regions, regions->n, VHU_STEP_UNMAP);
	if (release == NULL) {
		/* The arena's end unmaps what is left. */
		const struct mem_map *map = vhu_regions_map(regions);

		for (uint32_t i = 0; i < regions->n; i++)
			dma_withdraw(regions->mapping[i].at);
		dma_withdrawn();
		rcu_set(&regions->table.map, NULL);
		rcu_free((void *)(uintptr_t)map);
		regions->stranded = regions->n;
		regions->n = 0;
		return;
	}
	for (uint32_t i = 0; i < regions->n; i++)
		retire(regions, i, release);
	regions->n = 0;
	publish_and_release(regions, NULL, release);
}

static void unmap_arena(struct disposal_job *job)
{
	struct vhu_regions *regions = container_of(job, struct vhu_regions, ending);

	for (uint32_t i = 0; i < regions->stranded; i++)
		dma_unmap(regions->mapping[i].at);
	mem_arena_destroy(regions->arena);
}

static void arena_gone(struct disposal_job *job)
{
	struct vhu_regions *regions = container_of(job, struct vhu_regions, ending);

	role_assert_control();
	regions->arena = NULL;
	regions->stranded = 0;
	free(regions->mapping);
	regions->mapping = NULL;
	regions->room = 0;
	regions->reset_due = false;
	vhu_pending_end(regions->pending, VHU_STEP_UNMAP);
	regions->events->released(regions);
}

void vhu_regions_reset(struct vhu_regions *regions)
{
	if (regions->arena == NULL)
		return;
	if (!regions->reset_due)
		vhu_pending_begin(regions->pending, VHU_STEP_UNMAP);
	regions->reset_due = true;
	/* It may be in a page of it; then this is called again. */
	if (regions->is_touching)
		return;
	regions->ending = (struct disposal_job){
		.run = unmap_arena,
		.done = arena_gone,
		.what = "unmapping of what its front end had given",
	};
	disposal_start(regions->account, &regions->ending);
}

uint64_t vhu_regions_bytes(const struct vhu_regions *regions)
{
	const struct mem_map *map = vhu_regions_map(regions);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < regions->n; i++)
		bytes += map->region[i].size;
	return bytes;
}
