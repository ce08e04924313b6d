/* SPDX-License-Identifier: BSD-3-Clause */
/* option_rate.h: numbers with a unit of a thousand, a million, ...: "50M", "200k", "off"; lib/option only.
 *
 * Context: any thread.
 */
#ifndef VUS_OPTION_RATE_H
#define VUS_OPTION_RATE_H

#include <stddef.h>
#include <stdint.h>

/* "off" is 0. Returns: 0; -EINVAL: it is no such number; -ERANGE: it is too large to be one. */
int option_rate_parse(const char *text, uint64_t *value);
/* The shortest way to write it. */
void option_rate_text(uint64_t value, char *text, size_t size);

#endif
