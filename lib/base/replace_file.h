/* SPDX-License-Identifier: BSD-3-Clause */
/* replace_file.h: a file that is replaced whole: a file beside it, fsync, rename. Whatever happens, it has the old text or the
 * new one, and when this returns the new one is on the disk. It is not written if it has this text already; a new one is its
 * owner's alone (0600).
 *
 * Context: any thread that may wait for a disk.
 * Returns: 0, or -errno with a line in `fail`; then the file is as it was.
 */
#ifndef VUS_REPLACE_FILE_H
#define VUS_REPLACE_FILE_H

#include <stddef.h>

#include "fail.h"

int replace_file(const char *path, const char *text, size_t len, struct fail *fail);

#endif
