/* SPDX-License-Identifier: BSD-3-Clause */
/* time_limit.h: vuscni ends in time, whoever keeps it waiting: a runtime that does not end its configuration, a switch that
 * is stopped, an IPAM plugin that hangs.
 *
 * Context: the one thread of vuscni; what is due is done by a signal's handler.
 */
#ifndef VUSCNI_TIME_LIMIT_H
#define VUSCNI_TIME_LIMIT_H

#include <sys/types.h>

enum { TIME_LIMIT_SECONDS = 60 };

/* After so many seconds from now an error is told in this version of the specification, and the program ends. */
void time_limit_set(unsigned int seconds, const char *version);
/* A process that is killed then; 0: none. */
void time_limit_child(pid_t child);

#endif
