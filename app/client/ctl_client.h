/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_client.h: asks a running switch over its control socket, a line for a line.
 *
 * Context: a program's one thread.
 * Returns: 0 or -errno, with one line that says why.
 * Ownership: the struct is the caller's, all zero before ctl_client_open(); ctl_client_close() frees what it has.
 */
#ifndef CLIENT_CTL_CLIENT_H
#define CLIENT_CTL_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "fail.h"

struct ctl_client {
	FILE *to, *from;
	const char *path;
	unsigned int seconds;
	char *line;
	size_t line_size;
};

/* Connects to the switch at `path`, which has to last as long as the client. Each answer may take `seconds`; `elsewhere` is
 * how the user says where another switch is (refusal.h). */
int ctl_client_open(struct ctl_client *client, const char *path, unsigned int seconds, const char *elsewhere,
		    struct fail *fail);
void ctl_client_close(struct ctl_client *client);

/* Sends a request, and releases it; the reply is client->line until the next call. -ETIMEDOUT: it took too long. */
int ctl_client_ask(struct ctl_client *client, json_t *request, struct fail *fail);
/* The reply as JSON, which may tell of an error, or NULL: it is none. The caller releases it. */
json_t *ctl_client_reply(const struct ctl_client *client, struct fail *fail);

/* Instead of ctl_client_ask(), before anything was asked: what follows the reply is no line, and is read from the descriptor that
 * is returned, however long it takes; -errno. It stays the client's. */
int ctl_client_ask_stream(struct ctl_client *client, json_t *request, struct fail *fail);

/* From now on lines come by themselves, and may take as long as they like. */
void ctl_client_listen(struct ctl_client *client);
/* The next of them, or NULL: the switch has ended. */
const char *ctl_client_next_line(struct ctl_client *client);

#endif
