/* SPDX-License-Identifier: BSD-3-Clause */
/* lane_program.h: whether this machine can have lanes (lane_process.h): the program, and a kernel that tells it of missing
 * pages.
 *
 * Context: any thread but an lcore. What is kept is that the kernel was found to do its part.
 */
#ifndef VUS_LANE_PROGRAM_H
#define VUS_LANE_PROGRAM_H

#include "fail.h"

struct lane_program_path {
	char text[512];
};

/* Where the program is: 0 or -errno. `path` is filled either way, with where it should have been. */
int lane_program_find(struct lane_program_path *path);

/* 0, or -errno with a line that says what is missing. */
int lane_program_possible(struct fail *fail);

#endif
