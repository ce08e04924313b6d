/* SPDX-License-Identifier: BSD-3-Clause */
#include "unix_connect.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "corpse.h"

int unix_connect(const char *path, int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	if (connect(*fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	error = -errno;
	close(*fd);
	return error;
}

bool unix_is_listened_on(const char *path)
{
	int fd, error = unix_connect(path, &fd);
	bool dead;

	if (error != 0)
		return error == -EAGAIN;
	dead = corpse_listens(fd, path);
	close(fd);
	return !dead;
}
