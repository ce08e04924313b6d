/* SPDX-License-Identifier: BSD-3-Clause */
/* refusal.h: why the control socket cannot be opened, and what helps.
 *
 * Context: a program's one thread.
 */
#ifndef CLIENT_REFUSAL_H
#define CLIENT_REFUSAL_H

#include "fail.h"

/* One line about the connect() to `path` that failed with `error`, a positive errno. `elsewhere` is how the user says where
 * another switch is, as "--control SOCKET". Returns -error. */
int refusal(const char *path, int error, const char *elsewhere, struct fail *fail);

#endif
