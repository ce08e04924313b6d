/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cases.h"
#include "clock.h"

void ctl_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

char *ctl_hear_line(struct loop *loop, int fd)
{
	uint64_t end = clock_ns() + 5 * NS_PER_S;
	size_t size = 1 << 16, len = 0;
	char *line = malloc(size);

	while (clock_ns() < end) {
		ssize_t n;

		loop_turn(loop, NS_PER_MS);
		while ((n = recv(fd, line + len, 1, 0)) == 1) {
			if (line[len] == '\n') {
				line[len] = '\0';
				return line;
			}
			if (++len == size)
				line = realloc(line, size *= 2);
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			free(line);
			return NULL;
		}
	}
	fail_msg("no answer");
	return NULL;
}

json_t *ctl_hear(struct loop *loop, int fd)
{
	char *line = ctl_hear_line(loop, fd);
	json_t *reply;

	assert_non_null(line);
	reply = json_loads(line, 0, NULL);
	assert_non_null(reply);
	free(line);
	return reply;
}
