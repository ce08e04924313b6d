/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "one_line.h"
#include "refusal.h"
#include "screen.h"

enum { ANSWER_SECONDS = 5 };

static FILE *to, *from;
static const char *where;

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
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("no socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(address.sun_path))
		die("%s: a socket's path has at most 107 characters", path);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		refusal(path, errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	to = fdopen(fd, "w");
	from = fdopen(fd, "r");
	if (to == NULL || from == NULL)
		die("no memory");
	where = path;
}

static char *line;
static size_t line_size;

static const char *exchange(json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);

	json_decref(request);
	if (text == NULL)
		die("no memory");
	if (fprintf(to, "%s\n", text) < 0 || fflush(to) != 0 || getline(&line, &line_size, from) < 0)
		die("the switch at %s does not answer%s", where,
		    errno == EAGAIN ? " within 5 s" : ": it has ended");
	free(text);
	return line;
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *reply = json_loads(text, 0, &error);
	const char *complaint = json_string_value(json_object_get(reply, "error"));

	if (reply == NULL)
		die("the answer from %s is not JSON: %s", where, error.text);
	if (complaint != NULL)
		die("%s", complaint);
	return reply;
}

json_t *client_ask(json_t *request)
{
	return parse(exchange(request));
}

const char *client_ask_text(json_t *request)
{
	const char *text = exchange(request);

	json_decref(parse(text));
	return text;
}

const char *client_listen(json_t *request)
{
	const char *text = client_ask_text(request);
	struct timeval forever = {0};

	setsockopt(fileno(from), SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	return text;
}

const char *client_next_line(void)
{
	return getline(&line, &line_size, from) < 0 ? NULL : line;
}
