/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_linger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_over_loopback(struct fg_linger *linger)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 2048, error = 0;
	socklen_t len = sizeof(address);

	if (listener < 0)
		return -errno;
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	linger->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (linger->fd < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
	    connect(linger->fd, (struct sockaddr *)&address, len) != 0)
		error = -errno;
	linger->other = error == 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	close(listener);
	return error == 0 && linger->other < 0 ? -errno : error;
}

int fg_linger_open(struct fg_linger *linger, int seconds)
{
	const struct linger on = {.l_onoff = 1, .l_linger = seconds};
	static const char bytes[65536];
	int error = connect_over_loopback(linger), flags;

	if (error != 0)
		return error;
	/* More than both ends hold. */
	flags = fcntl(linger->fd, F_GETFL);
	fcntl(linger->fd, F_SETFL, flags | O_NONBLOCK);
	while (write(linger->fd, bytes, sizeof(bytes)) > 0)
		;
	fcntl(linger->fd, F_SETFL, flags);
	return setsockopt(linger->fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)) == 0 ? 0 : -errno;
}

void fg_linger_release(struct fg_linger *linger)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(linger->other, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(linger->other);
}
