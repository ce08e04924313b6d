/* SPDX-License-Identifier: BSD-3-Clause */
/* config_text.h: the bytes of a configuration file.
 *
 * Context: any thread but an lcore. It never waits: on SIGHUP the control thread reads the file.
 */
#ifndef VUS_CONFIG_TEXT_H
#define VUS_CONFIG_TEXT_H

#include <stddef.h>

#include "fail.h"

/* Reads all of a regular file (or of /dev/null) into *text.
 * Returns: 0, or -errno with a line in `fail`.
 * Ownership: the caller frees *text. */
int config_text_read(const char *file, char **text, size_t *len, struct fail *fail);

#endif
