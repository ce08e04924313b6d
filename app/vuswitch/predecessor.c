/* SPDX-License-Identifier: BSD-3-Clause */
#include "predecessor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static const uint64_t WAIT_NS = NS_PER_S;
static const long PAUSE_FIRST_MS = 10, PAUSE_MAX_MS = 160;

static bool somebody_listens(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool listens;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path) || access(path, F_OK) != 0)
		return false;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	/* A full backlog is somebody, too. */
	listens = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
	close(fd);
	return listens;
}

static void wait_for(const char *path, uint64_t end)
{
	for (long ms = PAUSE_FIRST_MS; somebody_listens(path) && clock_ns() < end;) {
		struct timespec pause = {.tv_nsec = ms * (long)NS_PER_MS};

		nanosleep(&pause, NULL);
		if (ms < PAUSE_MAX_MS)
			ms *= 2;
	}
}

void predecessor_wait(const char *control, const struct config *config)
{
	uint64_t end = clock_ns() + WAIT_NS;

	wait_for(control, end);
	for (unsigned int i = 0; i < config->ports_n; i++) {
		const struct port_spec *spec = &config->ports[i].spec;

		if (spec->socket != NULL && strcmp(spec->mode, "server") == 0)
			wait_for(spec->socket, end);
	}
}
