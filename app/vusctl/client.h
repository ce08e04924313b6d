/* SPDX-License-Identifier: BSD-3-Clause */
/* client.h: asks a running switch over its control socket.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_CLIENT_H
#define VUSCTL_CLIENT_H

#include <jansson.h>

/* Connects to the switch at `path`, or ends the program with one line that says why not. */
void client_connect(const char *path);

/* Sends a request (and releases it); the reply as it came, a line, good until the next call. Ends the program if the
 * switch does not answer within five seconds, or answers with an error; --json shows that, too. */
const char *client_ask_text(json_t *request);
/* The same, read; the caller releases it. */
json_t *client_ask(json_t *request);

/* Sends a request (and releases it) that is followed by lines for as long as the switch is there. The first one, which ends the
 * program if it is an error. */
const char *client_listen(json_t *request);
/* Sends a request (and releases it) that is followed by bytes, which are read from the descriptor that is returned. Ends the
 * program if the reply is an error. */
int client_ask_stream(json_t *request);
/* The next of these lines, good until the next call, however long it takes; NULL: the switch has ended. */
const char *client_next_line(void);

/* One line on standard error, and exit status 1. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
