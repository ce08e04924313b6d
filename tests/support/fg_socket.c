/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_socket.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "fg_clock.h"

enum { FDS_MAX = 253 }; /* as many as Linux takes */

static int named(const char *path, int flags, int (*with)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock, err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (sock < 0)
		return -errno;
	if (with(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
		return sock;
	err = -errno;
	close(sock);
	return err;
}

int fg_socket_connect(const char *path, int flags)
{
	return named(path, flags, connect);
}

int fg_socket_bind(const char *path, int flags)
{
	return named(path, flags, bind);
}

int fg_socket_listen(const char *path, int flags, int backlog)
{
	int sock = fg_socket_bind(path, flags), err;

	if (sock < 0 || listen(sock, backlog) == 0)
		return sock;
	err = -errno;
	close(sock);
	return err;
}

ssize_t fg_socket_send(int sock, const void *data, size_t len, const int *fds, unsigned int n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (n_fds > FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		memset(control, 0, CMSG_SPACE(sizeof(int) * n_fds));
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int) * n_fds),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, sizeof(int) * n_fds);
	}
	n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

int fg_entries(pid_t pid, const char *what)
{
	char path[64];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	d = opendir(path);
	if (d == NULL)
		return -errno;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

int fg_open_fds(void)
{
	return fg_entries(getpid(), "fd") - 1;
}

int fg_fds_settled(pid_t pid, unsigned int quiet_ms)
{
	uint64_t quiet = quiet_ms * UINT64_C(1000), since = fg_now_us(), end = since + 100 * quiet;
	int n = fg_entries(pid, "fd");

	while (n >= 0 && fg_now_us() < end && fg_now_us() - since < quiet) {
		int now;

		fg_sleep_us(1000);
		now = fg_entries(pid, "fd");
		if (now != n)
			since = fg_now_us();
		n = now;
	}
	return n;
}

int fg_open_fds_settled(void)
{
	return fg_fds_settled(getpid(), 50) - 1;
}

int fg_open_fds_await(int n)
{
	uint64_t end = fg_now_us() + 10 * UINT64_C(1000000);

	while (fg_open_fds() != n && fg_now_us() < end)
		fg_sleep_us(1000);
	return fg_open_fds();
}
