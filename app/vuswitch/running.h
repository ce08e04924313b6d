/* SPDX-License-Identifier: BSD-3-Clause */
/* running.h: what a configuration would change in the switch that runs, for --check.
 *
 * Context: before there is anything else; waits for the switch's answer, five seconds at most.
 */
#ifndef VUS_RUNNING_H
#define VUS_RUNNING_H

#include <stdio.h>

#include "config.h"
#include "options.h"

/* Asks the switch at the control socket of `options`, which `config` is read by, for its configuration, and says to `to` what
 * `config`, which is checked, would change and what that costs, a line each. Nothing is said if no switch runs there; to
 * `warnings`, if it cannot be asked. */
void running_compare(const struct options *options, const struct config *config, FILE *to, FILE *warnings);

#endif
