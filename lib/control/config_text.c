/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vus_paths.h"

enum { FILE_BYTES_MAX = 1 << 20 };

/* What else a path may name, in a word; NULL: it is a file. */
static const char *kind_of(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return NULL;
	if (S_ISDIR(st->st_mode))
		return "a folder";
	if (S_ISFIFO(st->st_mode))
		return "a pipe, which SIGHUP could not read again";
	/* /dev/null: a file with nothing in it. */
	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3))
		return NULL;
	return "a device";
}

/* The first start of an installed switch has an example to begin with, and no file yet. */
static int fail_unreadable(const char *file, struct fail *fail)
{
	static const char example[] = VUS_EXAMPLE_CONFIG;
	int error = errno;

	if (error == ENOENT && access(example, R_OK) == 0)
		return fail_set(fail, -error,
				"%s: cannot be read: %s; write it, as in %s, or give another file to --config",
				file, strerror(error), example);
	return fail_set(fail, -error, "%s: cannot be read: %s; give a readable file to --config",
			file, strerror(error));
}

static int config_text_open_file(const char *file, int *fd, struct fail *fail)
{
	const char *kind;
	struct stat st;

	/* O_NONBLOCK: the open of a pipe would wait for its writer. */
	*fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) != 0)
		return fail_unreadable(file, fail);
	kind = kind_of(&st);
	return kind == NULL ? 0 : fail_set(fail, -EINVAL, "%s: this is %s; give a file to --config",
					   file, kind);
}

static int read_all(int fd, const char *file, char *text, size_t *len, struct fail *fail)
{
	*len = 0;
	while (*len <= FILE_BYTES_MAX) {
		ssize_t n = read(fd, text + *len, FILE_BYTES_MAX + 1 - *len);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fail_set(fail, -errno, "%s: cannot be read: %s", file, strerror(errno));
		if (n > 0)
			*len += (size_t)n;
	}
	return fail_set(fail, -EFBIG, "%s: is larger than 1 MiB: not a configuration", file);
}

int config_text_read(const char *file, char **text, size_t *len, struct fail *fail)
{
	int fd, error = config_text_open_file(file, &fd, fail);

	if (error == 0) {
		*text = malloc(FILE_BYTES_MAX + 1);
		error = *text == NULL ? fail_set(fail, -ENOMEM, "%s: no memory", file)
				      : read_all(fd, file, *text, len, fail);
		if (error != 0)
			free(*text);
	}
	if (fd >= 0)
		close(fd);
	return error;
}
