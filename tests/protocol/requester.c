/* SPDX-License-Identifier: BSD-3-Clause */
#include "requester.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

enum { ANSWER_LIMIT_S = 30 };

char requester_folder[32] = "/tmp/fg-request-XXXXXX";
static char file[64];

const char *requester_begin(void)
{
	if (mkdtemp(requester_folder) == NULL)
		return NULL;
	snprintf(file, sizeof(file), "%s/vuswitch.yaml", requester_folder);
	write_file("ports: []\n");
	return file;
}

int requester_end(void)
{
	return unlink(file) | rmdir(requester_folder);
}

struct client client_open(void)
{
	const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	struct client client = {.fd = fg_socket_connect(fixture.sw.control, 0)};

	assert_true(client.fd >= 0);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	client.from = fdopen(client.fd, "r");
	assert_non_null(client.from);
	return client;
}

void client_close(struct client *client)
{
	fclose(client->from);
}

void say(struct client *client, const char *text)
{
	for (size_t n = strlen(text); n > 0;) {
		ssize_t sent = send(client->fd, text, n, MSG_NOSIGNAL);

		assert_true(sent > 0);
		text += sent;
		n -= (size_t)sent;
	}
}

json_t *hear(struct client *client)
{
	char *line = NULL;
	size_t size = 0;
	json_t *reply;
	ssize_t n;

	do {
		clearerr(client->from);
		errno = 0;
		n = getline(&line, &size, client->from);
	} while (n < 0 && errno == EINTR); /* a process that was stopped, or frozen, and goes on */
	if (n <= 0)
		fail_msg("no answer: %s", strerror(errno));
	reply = json_loads(line, 0, NULL);
	assert_non_null(reply);
	free(line);
	return reply;
}

static char *expand(const char *text)
{
	char *all;
	size_t size;
	FILE *to = open_memstream(&all, &size);

	assert_non_null(to);
	for (; *text != '\0'; text++)
		if (*text == '@')
			fputs(requester_folder, to);
		else
			fputc(*text == '\'' ? '"' : *text, to);
	fclose(to);
	return all;
}

void say_request(struct client *client, const char *text)
{
	char *line = expand(text);

	say(client, line);
	say(client, "\n");
	free(line);
}

json_t *ask(struct client *client, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say_request(client, text);
	return hear(client);
}

const char *verdict_in(const json_t *reply)
{
	const char *code = json_string_value(json_object_get(reply, "code"));

	if (code != NULL)
		return code;
	if (json_object_get(reply, "error") != NULL)
		return "error";
	return json_is_true(json_object_get(reply, "changed")) ? "changed" : "same";
}

void expect(struct client *client, const char *verdict, const char *words, const char *text)
{
	json_t *reply = ask(client, "%s", text);
	char *said = json_dumps(reply, 0);

	if (strcmp(verdict_in(reply), verdict) != 0 || strstr(said, words) == NULL)
		fail_msg("%s is answered by %s, and not by %s with \"%s\"", text, said, verdict, words);
	free(said);
	json_decref(reply);
}

bool is_there(const char *port)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", requester_folder, port);
	return access(path, F_OK) == 0;
}

void write_file(const char *text)
{
	FILE *f = fopen(file, "w");
	char *all = expand(text);

	assert_non_null(f);
	fputs(all, f);
	fclose(f);
	free(all);
}

void clean(struct client *client)
{
	json_t *reply = ask(client, "{'command': 'config'}");
	const json_t *requests = json_object_get(reply, "requests"), *name;
	size_t i;

	json_array_foreach(json_object_get(requests, "ports"), i, name)
		json_decref(ask(client, "{'command': 'port.remove', 'name': '%s'}", json_string_value(name)));
	json_array_foreach(json_object_get(requests, "bridges"), i, name)
		json_decref(ask(client, "{'command': 'bridge.remove', 'name': '%s'}", json_string_value(name)));
	json_array_foreach(json_object_get(requests, "profiles"), i, name)
		json_decref(ask(client, "{'command': 'profile.remove', 'name': '%s'}", json_string_value(name)));
	json_decref(reply);
	write_file("ports: []\n");
	json_decref(ask(client, "{'command': 'reload'}"));
}
