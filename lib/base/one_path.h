/* SPDX-License-Identifier: BSD-3-Clause */
/* one_path.h: paths that users write: one spelling for each file, and characters that no path should have.
 *
 * Context: any thread but an lcore: the file system is asked.
 * Ownership: what is returned is the caller's.
 */
#ifndef VUS_ONE_PATH_H
#define VUS_ONE_PATH_H

#include <stdbool.h>

/* An absolute path in one spelling: what is there of it is asked of the file system, the rest goes by its letters. NULL: no
 * memory. */
char *one_path(const char *path);

bool has_control_character(const char *text);

#endif
