/* SPDX-License-Identifier: BSD-3-Clause */
/* refusal.h: why the control socket cannot be opened, and what helps.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_REFUSAL_H
#define VUSCTL_REFUSAL_H

/* Ends the program with one line about the connect() to `path` that failed with `error`. */
_Noreturn void refusal(const char *path, int error);

#endif
