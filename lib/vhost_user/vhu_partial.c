/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_partial.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

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

int vhu_partial_remember(struct vhu_partial *partial, const struct vhu_regions *regions)
{
	vhu_partial_forget(partial);
	partial->file = calloc(MEM_SLOTS_MAX, sizeof(*partial->file));
	if (partial->file == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < regions->n; i++) {
		const struct vhu_mapping *mapping = &regions->mapping[i];

		if (!vhu_partial_knows(partial, mapping->dev, mapping->ino))
			partial->file[partial->n++] =
				(struct vhu_partial_file){.dev = mapping->dev, .ino = mapping->ino};
	}
	return 0;
}

int vhu_partial_check(const struct vhu_partial *partial, int fd, struct fail *fail)
{
	struct stat st;

	if (partial->n == 0 || fstat(fd, &st) != 0 || !vhu_partial_knows(partial, st.st_dev, st.st_ino))
		return 0;
	return fail_set(fail, -ESTALE,
			"a part of this memory never arrived: its postcopy migration broke off, and to "
			"touch it would damage the guest; start the guest anew");
}
