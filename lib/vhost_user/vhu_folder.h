/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_folder.h: whether something has changed in the folder of a path since it was looked at.
 *
 * Who waits for a socket at the path need not try to connect while nothing has: a socket is made by an entry in its folder. What
 * a link leads to, and rights on the way there, may change unseen, and so may a folder of another machine.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_FOLDER_H
#define VUS_VHU_FOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "role.h"

/* What a folder was like. All zero: it was never looked at. */
struct vhu_folder {
	dev_t dev;
	ino_t ino;
	struct timespec changed;
	int error;    /* errno of the look */
	bool settled; /* the next change will have another time */
};

enum { VHU_FOLDER_LOOKS_MS = 50 };

/* One look serves all paths of a folder for VHU_FOLDER_LOOKS_MS. */
struct vhu_folder vhu_folder_of(const char *path) RUNS_ON(control_thread);
/* False if in doubt. */
bool vhu_folder_is_same(const struct vhu_folder *before, const struct vhu_folder *now);

#endif
