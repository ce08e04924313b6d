/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_log.h"

#include <errno.h>
#include <stdlib.h>

#include "vhu_regions.h"
#include "vhu_release.h"

/* The log before, if there is one, goes with its mapping. */
static void replace(struct vhu_log *log, struct vhu_regions *regions, struct vhu_release *release,
		    const struct mem_log *with, const struct vhu_mapping *mapping)
	RUNS_ON(control_thread)
{
	const struct mem_log *before = log->log == with ? NULL : log->log;

	if (before != NULL)
		vhu_release_piece(release, &log->mapping);
	log->log = with;
	log->mapping = *mapping;
	rcu_set(&regions->table.log, log->all ? with : NULL);
	vhu_release_start(release, before);
}

int vhu_log_set(struct vhu_log *log, struct vhu_regions *regions, uint64_t size, uint64_t offset,
		int fd, struct fail *fail)
{
	const struct vhu_memory_region wire = {.size = size, .mmap_offset = offset};
	struct vhu_mapping mapping;
	struct vhu_release *release;
	struct mem_log *made;
	int error;

	if (offset % sizeof(uint64_t) != 0 || size < sizeof(uint64_t))
		return fail_set(fail, -EINVAL, "a dirty log begins and ends with a word");
	error = vhu_regions_map_file(regions, &wire, fd, &mapping, fail);
	if (error != 0)
		return error;
	made = malloc(sizeof(*made));
	release = vhu_regions_release(regions, 1, VHU_STEP_LOG);
	if (made == NULL || release == NULL) {
		mem_arena_release(regions->arena, mapping.at, mapping.len);
		vhu_release_destroy(release);
		free(made);
		return fail_set(fail, -ENOMEM, "no memory for a dirty log");
	}
	made->words = (uint64_t *)(void *)(mapping.at + mapping.delta);
	made->pages = size / sizeof(uint64_t) * 64;
	replace(log, regions, release, made, &mapping);
	return 0;
}

int vhu_log_all(struct vhu_log *log, struct vhu_regions *regions, bool on)
{
	struct vhu_release *release;

	if (log->all == on)
		return 0;
	release = vhu_regions_release(regions, 1, VHU_STEP_LOG);
	if (release == NULL)
		return -ENOMEM;
	log->all = on;
	if (on)
		replace(log, regions, release, log->log, &log->mapping);
	else
		replace(log, regions, release, NULL, &(struct vhu_mapping){0});
	return 0;
}

void vhu_log_drop(struct vhu_log *log, struct vhu_regions *regions)
{
	struct vhu_release *release;

	if (log->log == NULL)
		return;
	release = vhu_regions_release(regions, 1, VHU_STEP_LOG);
	if (release == NULL) {
		/* The arena's end unmaps it. */
		rcu_set(&regions->table.log, NULL);
		rcu_free((void *)(uintptr_t)log->log);
		log->log = NULL;
		return;
	}
	replace(log, regions, release, NULL, &(struct vhu_mapping){0});
}
