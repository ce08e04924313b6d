/* SPDX-License-Identifier: BSD-3-Clause */
/* views.h: the switch's replies as tables.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_VIEWS_H
#define VUSCTL_VIEWS_H

#include <jansson.h>

#include "command.h"

/* Each takes the replies to the questions of the command of its name. */
void view_ports(const struct replies *replies);
void view_port(const struct replies *replies);
void view_macs(const struct replies *replies);
void view_vlans(const struct replies *replies);
void view_groups(const struct replies *replies);
void view_filters(const struct replies *replies);
void view_mirrors(const struct replies *replies);
/* With the rates between two replies. */
void view_drops(const struct replies *replies);
void view_bridges(const struct replies *replies);
void view_profiles(const struct replies *replies);
void view_version(const struct replies *replies);
/* What `rebalance` did. */
void view_moved(const struct replies *replies);
/* What the lcores did between two replies. */
void view_lcores(const struct replies *replies);
/* The rates between two replies to `ports`, and what the lcores did between two to `lcores`; on a page one of these two, below a
 * line that sums up the lcores. */
void view_top(const struct replies *replies);
/* The other one. */
void view_top_turn(void);

/* What happens, a line each, until the switch ends. */
void run_events(void);

/* Frames of ports, as pcapng, until the switch or the user ends it. */
void run_capture(void);
/* What an expression says to frames that are given in hexadecimal digits, or as a capture. */
void run_filter_test(void);

/* "why PORT FRAME": asks with the first frame. Ends the program where there is none. */
json_t *ask_why(void);
void view_why(const struct replies *replies);

/* Members of an object as a number (0 if there is none) and as text ("-" if there is none). */
double number_of(const json_t *object, const char *key);
const char *text_of(const json_t *object, const char *key);

/* How much a counter grew: all of it if what it counts is new, or was made anew. */
double growth(const json_t *before, const json_t *after, const char *key);
/* Between two replies. */
double seconds_between(const json_t *before, const json_t *after);
/* The entry of `list` whose `key` is the same as in `like`; NULL: it was not there. */
const json_t *same_in(const json_t *list, const json_t *like, const char *key);

#endif
