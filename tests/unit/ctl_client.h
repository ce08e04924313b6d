/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_client.h: the other end of the control socket, in the thread of the switch: it lets the loop run while it waits. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>

#include "loop.h"

/* Sends it whole. */
void ctl_say(int fd, const char *text);
/* A line of the answer; NULL: the other side has closed. The caller frees it. */
char *ctl_hear_line(struct loop *loop, int fd) RUNS_ON(control_thread);
/* The same, read. */
json_t *ctl_hear(struct loop *loop, int fd) RUNS_ON(control_thread);

#endif
