/* SPDX-License-Identifier: BSD-3-Clause */
/* requester: a client of the control socket that changes the fixture's switch, and a folder for the sockets and the file that
 * it does so with. Asserts, so for the thread of the test case.
 *
 * In what is said, and in the file, ' stands for " and @ for the folder.
 */
#ifndef REQUESTER_H
#define REQUESTER_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

enum { LINE_MAX_BYTES = 4096 };

struct client {
	int fd;
	FILE *from;
};

extern char requester_folder[32];

/* Makes the folder, and in it the file for --config, whose path it returns; or NULL. */
const char *requester_begin(void);
/* 0: nothing but the file was left in it. */
int requester_end(void);
void write_file(const char *text);
/* A socket, or anything else, of that name in the folder. */
bool is_there(const char *name);

struct client client_open(void);
void client_close(struct client *client);
/* As it is. */
void say(struct client *client, const char *text);
void say_request(struct client *client, const char *text);
/* The caller's. */
json_t *hear(struct client *client);
json_t *ask(struct client *client, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "changed", "same", or the code of the error. */
const char *verdict_in(const json_t *reply);
/* Asks, and fails unless the verdict is this one, and the answer has the words. */
void expect(struct client *client, const char *verdict, const char *words, const char *text);
/* What requests have added goes, and the file says nothing. */
void clean(struct client *client);

#endif
