/* SPDX-License-Identifier: BSD-3-Clause */
/* config_text.h: the bytes of a configuration file. It never waits: SIGHUP has the control thread read it. */
#ifndef VUS_CONFIG_TEXT_H
#define VUS_CONFIG_TEXT_H

#include <stddef.h>

#include "fail.h"

/* Reads all of a regular file (or of /dev/null) into *text, which the caller frees. 0 or -errno with a line in `fail`. */
int config_text_read(const char *file, char **text, size_t *len, struct fail *fail);

#endif
