/* SPDX-License-Identifier: BSD-3-Clause */
/* views.h: the switch's replies as tables.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_VIEWS_H
#define VUSCTL_VIEWS_H

#include <jansson.h>

/* Each takes the reply to the command of its name. */
void view_ports(const json_t *reply);
void view_port(const json_t *reply);
void view_macs(const json_t *reply);
void view_bridges(const json_t *reply);
/* Two replies: between them is what the lcores do now. */
void view_lcores(const json_t *before, const json_t *after);
/* What `rebalance` did. */
void view_moved(const json_t *reply);
/* The rates between two replies to `ports`. */
void view_rates(const json_t *before, const json_t *after);

/* Members of an object as a number (0 if there is none) and as text ("-" if there is none). */
double number_of(const json_t *object, const char *key);
const char *text_of(const json_t *object, const char *key);

#endif
