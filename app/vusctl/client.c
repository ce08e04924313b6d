/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl_client.h"
#include "one_line.h"
#include "options.h"
#include "screen.h"

enum { ANSWER_SECONDS = 5 };

static struct ctl_client client;

void die(const char *fmt, ...)
{
	char text[1024];
	va_list args;

	screen_leave();
	fflush(stdout);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	one_line(text, sizeof(text));
	fprintf(stderr, "vusctl: %s\n", text);
	exit(EXIT_FAILURE);
}

void client_connect(const char *path)
{
	struct fail fail;

	if (ctl_client_open(&client, path, ANSWER_SECONDS, "--control SOCKET", &fail) != 0)
		die("%s", fail.text);
}

/* Ends the program if it is an error. */
static json_t *read_reply(void)
{
	struct fail fail;
	const char *complaint;
	json_t *reply = ctl_client_reply(&client, &fail);

	if (reply == NULL)
		die("%s", fail.text);
	complaint = json_string_value(json_object_get(reply, "error"));
	/* For a program, which finds a word for it there. */
	if (complaint != NULL && options.json)
		fputs(client.line, stdout);
	if (complaint != NULL)
		die("%s", complaint);
	return reply;
}

json_t *client_ask(json_t *request)
{
	struct fail fail;

	if (ctl_client_ask(&client, request, &fail) != 0)
		die("%s", fail.text);
	return read_reply();
}

int client_ask_stream(json_t *request)
{
	struct fail fail;
	int fd = ctl_client_ask_stream(&client, request, &fail);

	if (fd < 0)
		die("%s", fail.text);
	json_decref(read_reply());
	return fd;
}

const char *client_ask_text(json_t *request)
{
	json_decref(client_ask(request));
	return client.line;
}

const char *client_listen(json_t *request)
{
	const char *text = client_ask_text(request);

	ctl_client_listen(&client);
	return text;
}

const char *client_next_line(void)
{
	return ctl_client_next_line(&client);
}
