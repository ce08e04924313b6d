/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_lane_program.h: whether this machine can have lanes (vhu_lane.h): the program, and a kernel that tells it of missing
 * pages.
 *
 * Any thread; nothing is kept.
 */
#ifndef VUS_VHU_LANE_PROGRAM_H
#define VUS_VHU_LANE_PROGRAM_H

#include "fail.h"

struct vhu_lane_path {
	char text[512];
};

/* Where the program is: 0 or -errno. `path` is filled either way, with where it should have been. */
int vhu_lane_program(struct vhu_lane_path *path);

/* 0, or -errno with a line that says what is missing. */
int vhu_lane_possible(struct fail *fail);

#endif
