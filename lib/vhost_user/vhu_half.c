/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_half.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

void vhu_half_forget(struct vhu_half *half)
{
	free(half->file);
	*half = (struct vhu_half){0};
}

static bool knows(const struct vhu_half *half, dev_t dev, ino_t ino)
{
	for (uint32_t i = 0; i < half->n; i++)
		if (half->file[i].dev == dev && half->file[i].ino == ino)
			return true;
	return false;
}

int vhu_half_remember(struct vhu_half *half, const struct vhu_regions *regions)
{
	vhu_half_forget(half);
	half->file = calloc(MEM_SLOTS_MAX, sizeof(*half->file));
	if (half->file == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < regions->n; i++) {
		const struct vhu_mapping *mapping = &regions->mapping[i];

		if (!knows(half, mapping->dev, mapping->ino))
			half->file[half->n++] =
				(struct vhu_half_file){.dev = mapping->dev, .ino = mapping->ino};
	}
	return 0;
}

int vhu_half_check(const struct vhu_half *half, int fd, struct fail *fail)
{
	struct stat st;

	if (half->n == 0 || fstat(fd, &st) != 0 || !knows(half, st.st_dev, st.st_ino))
		return 0;
	return fail_set(fail, -ESTALE,
			"a part of this memory never arrived: its postcopy migration broke off, and to "
			"touch it would damage the guest; start the guest anew");
}
