/* SPDX-License-Identifier: BSD-3-Clause */
#include "last_good.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* A text on its way to the disk. */
struct keep {
	struct loop_job job;
	struct last_good *last_good;
	char *text;
	size_t len;
	int error;
	struct fail fail;
};

/* --- the file --------------------------------------------------------------------------------------------------- */

/* What is at the path may be anything: to open a pipe would wait for its other end, and keep the helper from its jobs. */
static FILE *last_good_open_file(const char *path)
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
	FILE *file = last_good_open_file(path);
	bool same = now != NULL && file != NULL && fread(now, 1, len + 1, file) == len &&
		    memcmp(now, text, len) == 0;

	if (file != NULL)
		fclose(file);
	free(now);
	return same;
}

static int last_good_write_all(int fd, const char *text, size_t len)
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

int last_good_write(const char *path, const char *text, size_t len, struct fail *fail)
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
	if (fd < 0)
		return fail_set(fail, -errno, "%s: %s", beside, strerror(errno));
	error = last_good_write_all(fd, text, len);
	close(fd);
	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error == 0)
		error = sync_folder(path);
	else
		unlink(beside);
	return error == 0 ? 0 : fail_set(fail, error, "%s: %s", path, strerror(-error));
}

/* --- the job ---------------------------------------------------------------------------------------------------- */

static void keep_run(struct loop_job *job)
{
	struct keep *keep = container_of(job, struct keep, job);

	keep->error = last_good_write(keep->last_good->path, keep->text, keep->len, &keep->fail);
}

static void last_good_tell(const struct fail *fail)
{
	log_warn("vuswitch",
		 "this configuration could not be kept as the last good one: %s; a start with a "
		 "broken file would take the one before it",
		 fail->text);
}

static void keep_done(struct loop_job *job)
{
	struct keep *keep = container_of(job, struct keep, job);
	struct last_good *last_good = keep->last_good;

	role_assert_control();
	if (keep->error != 0)
		last_good_tell(&keep->fail);
	free(keep->text);
	free(keep);
	if (--last_good->pending == 0)
		last_good->kept(last_good->arg);
}

static void keep_start(struct last_good *last_good, char *text, size_t len) RUNS_ON(control_thread)
{
	struct keep *keep = malloc(sizeof(*keep));

	if (keep == NULL) {
		last_good_tell(&(struct fail){.text = "no memory"});
		free(text);
		return;
	}
	*keep = (struct keep){
		.job = {.run = keep_run, .done = keep_done},
		.last_good = last_good,
		.text = text,
		.len = len,
	};
	last_good->pending++;
	loop_job_start(last_good->loop, &keep->job);
}

void last_good_keep(struct last_good *last_good, char *text, size_t len)
{
	if (last_good->path != NULL && text != NULL)
		keep_start(last_good, text, len);
	else
		free(text);
	if (last_good->pending == 0)
		last_good->kept(last_good->arg);
}
