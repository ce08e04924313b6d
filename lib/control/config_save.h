/* SPDX-License-Identifier: BSD-3-Clause */
/* config_save.h: a configuration as the text of a file, and what requests have added in a file of its own.
 *
 * Context: any thread but an lcore; what reads or writes a file waits for the disk.
 * Returns: 0 or -errno with a line in `fail`.
 */
#ifndef VUS_CONFIG_SAVE_H
#define VUS_CONFIG_SAVE_H

#include <stddef.h>

#include "config.h"

/* Writes a checked config as the text of a file that gives the same switch: what is the file's, the command line's and what
 * requests have added, each with a comment that says where it is from. It is read again, and compared, before it is given.
 * `*text` is the caller's. */
int config_save(const struct config *config, char **text, size_t *len, struct fail *fail);

/* Keeps the requests of a checked config in a file, which is replaced whole (replace_file.h). */
int config_state_write(const char *file, const struct config *config, struct fail *fail);
/* Reads them again: `*requests` is the caller's, and NULL where there is no such file. What they say is checked with the rest. */
int config_state_read(const char *file, struct tree **requests, struct fail *fail);
/* What requests had added, but for what the configuration has as well, and the same: it was saved there. NULL: no memory. */
struct tree *config_state_rest(const struct tree *requests, const struct config *config);

#endif
