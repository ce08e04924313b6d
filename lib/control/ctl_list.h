/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_list.h: a reply that is a list and may be long (ctl_commands.h: ports, macs, vlans, groups), made a piece at a time.
 *
 * A piece takes a fraction of a millisecond and some dozens of KiB, so a list of a million addresses delays no other request and
 * takes no memory. The switch goes on between two pieces: what comes, goes or moves meanwhile may be missing.
 *
 * Context: control thread.
 * Ownership: ctl_list_end() frees the list.
 */
#ifndef VUS_CTL_LIST_H
#define VUS_CTL_LIST_H

#include <jansson.h>

#include "ctl_text.h"
#include "role.h"
#include "switch.h"

struct ctl_list;

/* Whether there is such a list. */
bool ctl_list_is(const char *command);
/* NULL: there is nothing to list; `error` says why, or is NULL, too: no memory. The caller releases it. */
struct ctl_list *ctl_list_begin(struct vus_switch *sw, const json_t *request, json_t **error) RUNS_ON(control_thread);
/* Adds the next piece, the last of which ends the JSON object. Whether there are more. */
bool ctl_list_next(struct ctl_list *list, struct ctl_text *text) RUNS_ON(control_thread);
void ctl_list_end(struct ctl_list *list);
/* All of a list at once, for one that its request keeps short. NULL: no memory. The caller releases it. */
json_t *ctl_list_whole(struct vus_switch *sw, const json_t *request) RUNS_ON(control_thread);

#endif
