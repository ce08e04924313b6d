/* SPDX-License-Identifier: BSD-3-Clause */
/* change.h: commands that change the switch: what they ask for, and what the switch says of it.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_CHANGE_H
#define VUSCTL_CHANGE_H

#include <jansson.h>

#include "command.h"

/* "port add NAME KEY=VALUE..." and the like: verb and kind are the command's name. Ends the program where a word is wrong. */
json_t *ask_edit(void);
/* "ensure FILE": a document of YAML or JSON; "-" is standard input. Ends the program where it cannot be read. */
json_t *ask_ensure(void);
json_t *ask_reload(void);

/* What changes nothing of the configuration: "port link NAME up|down" and so on. */
json_t *ask_link(void);
json_t *ask_flush(void);
json_t *ask_pin(void);
json_t *ask_level(void);
json_t *ask_save(void);
/* The text of a file: to FILE, which is replaced whole, or to standard output. Ends the program where it cannot be written. */
void view_saved(const struct replies *replies);

/* What became of what, a line each. */
void view_changes(const struct replies *replies);

#endif
