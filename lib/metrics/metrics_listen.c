/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix_connect.h"

enum { BACKLOG = 16, MODE_NORMAL = 0660, SOCKET_PATH_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) };

/* --- what is written --------------------------------------------------------------------------------------------- */

int metrics_listen_check_path(const char *path, const char *what, struct fail *fail)
{
	if (path[0] != '/')
		return fail_set(fail, -EINVAL,
				"%s: \"%.200s\" is no path from the root; write it as in "
				"/run/vuswitch/metrics.sock",
				what, path);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fail_set(fail, -ENAMETOOLONG,
				"%s: %.200s has more than 107 characters, which is the kernel's "
				"limit for a socket; give a shorter one",
				what, path);
	return 0;
}

/* Cuts "HOST:PORT" apart; brackets are for an address with colons. False: it is something else. */
static bool cut(char *text, const char **host, const char **port)
{
	char *colon = strrchr(text, ':'), *end;

	*host = "127.0.0.1";
	*port = text;
	if (colon != NULL) {
		*colon = '\0';
		*host = text;
		*port = colon + 1;
	}
	if (colon != NULL && text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL || end[1] != '\0')
			return false;
		*end = '\0';
		*host = text + 1;
	} else if (colon != NULL && strchr(text, ':') != NULL) {
		return false;
	}
	return (*host)[0] != '\0' && strlen(*port) <= 5 && (*port)[0] != '\0' &&
	       (*port)[strspn(*port, "0123456789")] == '\0' && strtoul(*port, NULL, 10) >= 1 &&
	       strtoul(*port, NULL, 10) <= 65535;
}

int metrics_listen_parse(const char *text, struct sockaddr_storage *address, socklen_t *len,
			 struct fail *fail)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	const char *host, *port;
	char copy[80];

	snprintf(copy, sizeof(copy), "%s", text);
	if (strlen(text) >= sizeof(copy) || !cut(copy, &host, &port) ||
	    getaddrinfo(host, port, &hints, &found) != 0)
		return fail_set(fail, -EINVAL,
				"\"%.80s\" is no address to listen at; write a TCP port (of "
				"127.0.0.1), ADDRESS:PORT or "
				"[IPV6ADDRESS]:PORT, as in 9321 or 192.0.2.1:9321",
				text);
	memcpy(address, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* --- listeners --------------------------------------------------------------------------------------------------- */

static int refuse(struct metrics_listener *listener, struct fail *fail, const char *where,
		  const char *mend)
{
	int error = -errno;

	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	return fail_set(fail, error, "metrics cannot be read at %s: %s; %s", where, strerror(-error), mend);
}

/* A path in a folder that is looked up once, however links on its way to it change. False: it does not fit. */
static bool in_folder(int folder, const char *base, char path[SOCKET_PATH_BYTES])
{
	return snprintf(path, SOCKET_PATH_BYTES, "/proc/self/fd/%d/%s", folder, base) < SOCKET_PATH_BYTES;
}

/* The folder of the socket, as a descriptor that stands for it, and the socket's name there. -1 and errno. */
static int open_folder(const char *path, const char **base)
{
	char folder[SOCKET_PATH_BYTES];
	const char *slash = strrchr(path, '/');

	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
	*base = slash + 1;
	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int is_in_the_way(const struct metrics_listener *listener, const char *path, struct fail *fail)
{
	const char *address = listener->address.sun_path;
	struct stat file;

	if (fstatat(listener->folder, listener->base, &file, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	if (!S_ISSOCK(file.st_mode))
		return fail_set(fail, -EEXIST,
				"metrics cannot be read at %s: this file is not a socket; move it "
				"away, or give another path",
				path);
	if (unix_is_listened_on(address))
		return fail_set(fail, -EADDRINUSE,
				"metrics cannot be read at %s: another program answers here; stop "
				"it, or give another path",
				path);
	return 0;
}

/* The file of the socket gets its mode and its owner, by a descriptor and not by its path: who may write in the folder could put
 * a link there, and have what it leads to given away. -1 and errno. */
static int give_rights(struct metrics_listener *listener, const struct rights *rights)
{
	int fd = openat(listener->folder, listener->base, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
	mode_t mode = rights->given[RIGHTS_MODE] ? rights->mode : MODE_NORMAL;
	uid_t owner = rights->given[RIGHTS_OWNER] ? rights->owner : (uid_t)-1;
	gid_t group = rights->given[RIGHTS_GROUP] ? rights->group : (gid_t)-1;
	struct stat *file = &listener->file;
	char link[32];

	if (fd < 0 || fstat(fd, file) != 0) {
		error = errno;
	} else if (!S_ISSOCK(file->st_mode) || file->st_uid != geteuid() || file->st_nlink != 1) {
		error = EPERM;
	} else {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		/* The mode first: to change it afterwards needs more than to give the file away. Nobody can connect yet. */
		if (chmod(link, mode) != 0 || fchownat(fd, "", owner, group, AT_EMPTY_PATH) != 0)
			error = errno;
	}
	if (fd >= 0)
		close(fd);
	errno = error;
	return error == 0 ? 0 : -1;
}

static int listen_in_folder(struct metrics_listener *listener, const char *path, const struct rights *rights,
			    struct fail *fail)
{
	static const char mend[] =
		"give a path in a folder that is there and that the switch may write to";
	int error = is_in_the_way(listener, path, fail);

	if (error != 0)
		return error;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return refuse(listener, fail, path, mend);
	unlinkat(listener->folder, listener->base, 0);
	/* The mode a socket has when it is bound becomes its file's: there is no moment at which
	 * others may connect. */
	if (fchmod(listener->fd, 0600) != 0 ||
	    bind(listener->fd, (struct sockaddr *)&listener->address, sizeof(listener->address)) !=
		    0)
		return refuse(listener, fail, path, mend);
	if (give_rights(listener, rights) != 0 || listen(listener->fd, BACKLOG) != 0) {
		error = refuse(listener, fail, path,
			       "give metrics-owner, metrics-group and metrics-mode that the switch "
			       "may set, and let nobody else write in its folder");
		unlinkat(listener->folder, listener->base, 0);
		return error;
	}
	return 0;
}

int metrics_listen_unix(struct metrics_listener *listener, const char *path,
			const struct rights *rights, struct fail *fail)
{
	int error = metrics_listen_check_path(path, "metrics", fail);
	const char *base;

	*listener = (struct metrics_listener){.fd = -1, .folder = -1, .address.sun_family = AF_UNIX};
	if (error != 0)
		return error;
	listener->folder = open_folder(path, &base);
	if (listener->folder < 0)
		return refuse(listener, fail, path, "give a path in a folder that is there");
	snprintf(listener->base, sizeof(listener->base), "%s", base);
	if (!in_folder(listener->folder, base, listener->address.sun_path))
		error = fail_set(fail, -ENAMETOOLONG,
				 "metrics cannot be read at %s: the name of the file is too long; give a shorter one", path);
	else
		error = listen_in_folder(listener, path, rights, fail);
	if (error != 0) {
		close(listener->folder);
		listener->folder = -1;
	}
	return error;
}

int metrics_listen_tcp(struct metrics_listener *listener, const char *text, struct fail *fail)
{
	static const char mend[] =
		"give metrics-listen an address of this machine and a port that is free";
	struct sockaddr_storage address;
	const int on = 1;
	socklen_t len;
	int error = metrics_listen_parse(text, &address, &len, fail);

	*listener = (struct metrics_listener){.fd = -1, .folder = -1};
	if (error != 0)
		return error;
	listener->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (address.ss_family == AF_INET6 &&
	     setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    bind(listener->fd, (struct sockaddr *)&address, len) != 0 ||
	    listen(listener->fd, BACKLOG) != 0)
		return refuse(listener, fail, text, mend);
	return 0;
}

void metrics_listen_end(struct metrics_listener *listener)
{
	struct stat file;

	if (listener->fd < 0)
		return;
	shutdown(listener->fd, SHUT_RDWR);
	listener->fd = -1;
	if (listener->folder < 0)
		return;
	if (fstatat(listener->folder, listener->base, &file, AT_SYMLINK_NOFOLLOW) == 0 && file.st_ino == listener->file.st_ino &&
	    file.st_dev == listener->file.st_dev)
		unlinkat(listener->folder, listener->base, 0);
	close(listener->folder);
	listener->folder = -1;
}
