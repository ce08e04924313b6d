/* SPDX-License-Identifier: BSD-3-Clause */
/* view_lcores.h: what the lcores did between two replies to `lcores`.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_VIEW_LCORES_H
#define VUSCTL_VIEW_LCORES_H

#include <jansson.h>

/* A row for each. */
void lcores_table(const json_t *before, const json_t *after);
/* "2 lcores: 34 % busy, 60 % idle, 6 % asleep": 100 together. */
void lcores_sum(const json_t *before, const json_t *after);

#endif
