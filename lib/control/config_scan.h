/* SPDX-License-Identifier: BSD-3-Clause */
/* config_scan.h: what a text may cost before it is read as a configuration.
 *
 * libyaml's time grows with the square of how deep a text nests, and an alias (`*name`) stands for all that its anchor holds,
 * so a small text can stand for an endless one. Both are bounded here, in one pass over the text, which also finds
 * a second document: everything after the first would be ignored without a word.
 */
#ifndef VUS_CONFIG_SCAN_H
#define VUS_CONFIG_SCAN_H

#include <stddef.h>

#include "fail.h"

/* 0, or -EINVAL with FILE:LINE in `fail`. What is no YAML at all is for the loader to find. */
int config_scan(const char *file, const char *text, size_t len, struct fail *fail);

#endif
