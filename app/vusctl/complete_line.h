/* SPDX-License-Identifier: BSD-3-Clause */
/* complete_line.h: completes a command line of vusctl (complete.h), from the tables of commands and options; names of ports and
 * bridges come from the switch.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_COMPLETE_LINE_H
#define VUSCTL_COMPLETE_LINE_H

/* `words` are those behind the program's name; the last of the `n` is being typed. */
void complete_line(int n, char **words);

#endif
