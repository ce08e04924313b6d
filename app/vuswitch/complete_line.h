/* SPDX-License-Identifier: BSD-3-Clause */
/* complete_line.h: completes a command line of vuswitch (complete.h), from the tables of options.
 *
 * Context: the main thread of a process that does nothing else.
 */
#ifndef VUS_COMPLETE_LINE_H
#define VUS_COMPLETE_LINE_H

/* `words` are those behind the program's name; the last of the `n` is being typed. */
void complete_line(int n, char **words);

#endif
