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

int vhu_log_check(const struct vhu_memory_region *wire, struct fail *fail)
{
	if (wire->mmap_offset % sizeof(uint64_t) != 0 || wire->size < sizeof(uint64_t))
		return fail_set(fail, -EINVAL, "a dirty log begins and ends with a word");
	return 0;
}

int vhu_log_set(struct vhu_log *log, struct vhu_regions *regions, struct vhu_mapper *mapper, struct fail *fail)
{
	const struct vhu_mapper_piece *piece = &mapper->piece[0];
	struct mem_log *made = malloc(sizeof(*made));
	struct vhu_release *release = vhu_regions_release(regions, 1, VHU_STEP_LOG);

	if (made == NULL || release == NULL) {
		vhu_release_destroy(release);
		free(made);
		return fail_set(fail, -ENOMEM, "no memory for a dirty log");
	}
	made->words = (uint64_t *)(void *)(piece->mapping.at + piece->mapping.delta);
	made->pages = piece->wire.size / sizeof(uint64_t) * 64;
	vhu_mapper_taken(mapper);
	replace(log, regions, release, made, &piece->mapping);
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
