/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "refusal.h"

static void set_limit(int fd, unsigned int seconds)
{
	struct timeval limit = {.tv_sec = (time_t)seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int ctl_client_open(struct ctl_client *client, const char *path, unsigned int seconds, const char *elsewhere,
		    struct fail *fail)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error, second;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail_set(fail, -ENAMETOOLONG, "%s: a socket's path has at most 107 characters", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_set(fail, -errno, "no socket: %s", strerror(errno));
	/* A connect() waits while the switch does not accept, for as long as a send may. */
	set_limit(fd, seconds);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error = errno;
		close(fd);
		return refusal(path, error, elsewhere, fail);
	}
	second = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	client->to = fdopen(fd, "w");
	client->from = second >= 0 ? fdopen(second, "r") : NULL;
	client->path = path;
	client->seconds = seconds;
	return client->to != NULL && client->from != NULL ? 0 : fail_set(fail, -ENOMEM, "no memory");
}

void ctl_client_close(struct ctl_client *client)
{
	if (client->to != NULL)
		fclose(client->to);
	if (client->from != NULL)
		fclose(client->from);
	free(client->line);
	*client = (struct ctl_client){0};
}

int ctl_client_ask(struct ctl_client *client, json_t *request, struct fail *fail)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int error = 0;

	json_decref(request);
	if (text == NULL)
		return fail_set(fail, -ENOMEM, "no memory");
	errno = 0;
	if (fprintf(client->to, "%s\n", text) < 0 || fflush(client->to) != 0 ||
	    getline(&client->line, &client->line_size, client->from) < 0)
		error = errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
	free(text);
	if (error == -ETIMEDOUT)
		return fail_set(fail, error, "the switch at %s does not answer within %u s", client->path, client->seconds);
	if (error != 0)
		return fail_set(fail, error, "the switch at %s does not answer: it has ended", client->path);
	return 0;
}

json_t *ctl_client_reply(const struct ctl_client *client, struct fail *fail)
{
	json_error_t error;
	json_t *reply = json_loads(client->line, 0, &error);

	if (reply == NULL)
		fail_set(fail, -EPROTO, "the answer from %s is not JSON: %s", client->path, error.text);
	return reply;
}

int ctl_client_ask_stream(struct ctl_client *client, json_t *request, struct fail *fail)
{
	int error;

	/* No byte behind the reply is read with it. */
	setvbuf(client->from, NULL, _IONBF, 0);
	error = ctl_client_ask(client, request, fail);
	if (error != 0)
		return error;
	set_limit(fileno(client->from), 0);
	return fileno(client->from);
}

void ctl_client_listen(struct ctl_client *client)
{
	set_limit(fileno(client->from), 0);
}

const char *ctl_client_next_line(struct ctl_client *client)
{
	return getline(&client->line, &client->line_size, client->from) < 0 ? NULL : client->line;
}
