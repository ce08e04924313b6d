/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_partial.h"

#include <errno.h>
#include <stdlib.h>

/* All of a guest's regions, and those of a table that was being mapped. */
enum { FILES_MAX = MEM_SLOTS_MAX + VHU_TABLE_REGIONS_MAX };

void vhu_partial_forget(struct vhu_partial *partial)
{
	free(partial->file);
	*partial = (struct vhu_partial){0};
}

static bool vhu_partial_knows(const struct vhu_partial *partial, dev_t dev, ino_t ino)
{
	for (uint32_t i = 0; i < partial->n; i++)
		if (partial->file[i].dev == dev && partial->file[i].ino == ino)
			return true;
	return false;
}

int vhu_partial_add(struct vhu_partial *partial, const struct vhu_mapping *mapping)
{
	if (vhu_partial_knows(partial, mapping->dev, mapping->ino))
		return 0;
	if (partial->file == NULL)
		partial->file = calloc(FILES_MAX, sizeof(*partial->file));
	if (partial->file == NULL || partial->n == FILES_MAX)
		return -ENOMEM;
	partial->file[partial->n++] = (struct vhu_partial_file){.dev = mapping->dev, .ino = mapping->ino};
	return 0;
}

int vhu_partial_remember(struct vhu_partial *partial, const struct vhu_regions *regions)
{
	int error = 0;

	vhu_partial_forget(partial);
	for (uint32_t i = 0; error == 0 && i < regions->n; i++)
		error = vhu_partial_add(partial, &regions->mapping[i]);
	return error;
}

int vhu_partial_check(const struct vhu_partial *partial, const struct vhu_mapping *mapping, struct fail *fail)
{
	if (!vhu_partial_knows(partial, mapping->dev, mapping->ino))
		return 0;
	return fail_set(fail, -ESTALE,
			"a part of this memory never arrived: its postcopy migration broke off, and to "
			"touch it would damage the guest; start the guest anew");
}
