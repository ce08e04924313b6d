/* SPDX-License-Identifier: BSD-3-Clause */
#include "replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is at the path may be anything: to open a pipe would wait for its other end, and hold up the thread. */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (file == NULL && fd >= 0)
		close(fd);
	return file;
}

static bool has_text(const char *path, const char *text, size_t len)
{
	char *now = malloc(len + 1);
	FILE *file = open_file(path);
	bool same = now != NULL && file != NULL && fread(now, 1, len + 1, file) == len &&
		    memcmp(now, text, len) == 0;

	if (file != NULL)
		fclose(file);
	free(now);
	return same;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) != 0 ? -errno : 0;
}

/* A rename is on the disk when its folder is. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, error;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = fsync(fd) != 0 ? -errno : 0;
	close(fd);
	return error;
}

int replace_file(const char *path, const char *text, size_t len, struct fail *fail)
{
	char beside[PATH_MAX];
	int error, fd;

	if (has_text(path, text, len))
		return 0;
	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return fail_set(fail, -ENAMETOOLONG, "%s: the path is too long", path);
	/* A new file, whatever is there: no user may read here what he could not read there. */
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT)
		return fail_set(fail, -ENOENT, "%s: its folder is not there; make it first", path);
	if (fd < 0)
		return fail_set(fail, -errno, "%s: %s", beside, strerror(errno));
	error = write_all(fd, text, len);
	close(fd);
	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error == 0)
		error = sync_folder(path);
	else
		unlink(beside);
	return error == 0 ? 0 : fail_set(fail, error, "%s: %s", path, strerror(-error));
}
