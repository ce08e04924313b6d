/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpse.h"
#include "log.h"

static const char magic[8] = "VUSRINGS";
enum { VERSION = 1, ATTEMPTS = 3 };

struct vhu_journal_file {
	char magic[8];
	uint32_t version, size; /* bytes of the file */
	_Alignas(64) struct virtq_record record[VHOST_RINGS_MAX];
};

/* What the file of a dead process says, in a new one at its path. With the folder locked: of two that find the dead one at
 * the same time, the second finds our file at the path, and us alive. */
static int copy_locked(const char *path, int old, const char *beside)
{
	struct stat dead, there;
	size_t size = sizeof(struct vhu_journal_file);
	void *text;
	ssize_t n;
	int fd;

	if (fstat(old, &dead) != 0 || lstat(path, &there) != 0 || there.st_ino != dead.st_ino || there.st_dev != dead.st_dev)
		return -ESTALE;
	unlink(beside);
	fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	text = malloc(size);
	n = text != NULL ? pread(old, text, size, 0) : -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && n >= 0 && pwrite(fd, text, (size_t)n, 0) == n && rename(beside, path) == 0) {
		free(text);
		return fd;
	}
	free(text);
	unlink(beside);
	close(fd);
	return -EIO;
}

/* The file is locked by a process that is dead and not gone, and that lock stays. A descriptor of a file with the same
 * content that we have locked, or -errno. */
static int inherit(const char *path, int old)
{
	char folder[PATH_MAX], beside[PATH_MAX];
	int above, error = -EWOULDBLOCK;

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder) ||
	    snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	above = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above < 0)
		return -errno;
	if (flock(above, LOCK_EX | LOCK_NB) == 0)
		error = copy_locked(path, old, beside);
	close(above);
	return error;
}

/* Ours: no other user could have written it. A link or a pipe is not followed or waited for. */
static int open_ours(const char *path, struct stat *st)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) != 0)
		error = -errno;
	else if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || (st->st_mode & 077) != 0)
		error = -EPERM;
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		error = -errno;
	if (error == 0)
		return fd;
	if (error == -EWOULDBLOCK && corpse_has_locked(fd)) {
		error = inherit(path, fd);
		if (error >= 0 && fstat(error, st) != 0) {
			close(error);
			error = -EIO;
		}
	}
	close(fd);
	return error;
}

/* Between our opening a file and locking it, the process before us may have removed it, or another have put one in its place:
 * then there is a new one. */
static int open_and_lock(const char *path)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		struct stat ours, there;
		int fd = open_ours(path, &ours);

		if (fd == -ESTALE)
			continue;
		if (fd < 0 || (lstat(path, &there) == 0 && there.st_ino == ours.st_ino &&
			       there.st_dev == ours.st_dev))
			return fd;
		close(fd);
	}
	return -EAGAIN;
}

static bool makes_sense(const struct vhu_journal_file *file)
{
	return memcmp(file->magic, magic, sizeof(magic)) == 0 && file->version == VERSION &&
	       file->size == sizeof(*file);
}

/* An empty file is a new one. Any other that is not as we leave them (another version's, damaged) is begun anew. All files have
 * one size, but pages only where records are used. */
static int map_file(struct vhu_journal *journal, const char *name, unsigned int rings)
{
	struct vhu_journal_file *file;
	off_t used = (off_t)offsetof(struct vhu_journal_file, record) + (off_t)(rings * sizeof(file->record[0]));
	struct stat st;
	bool old;

	if (fstat(journal->fd, &st) != 0)
		return -errno;
	old = st.st_size != 0;
	if (st.st_size != sizeof(*file) && ftruncate(journal->fd, sizeof(*file)) != 0)
		return -errno;
	errno = posix_fallocate(journal->fd, 0, used);
	if (errno != 0)
		return -errno;
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, journal->fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	if (st.st_size != sizeof(*file) || !makes_sense(file)) {
		if (old) {
			log_warn(name, "journal %s is damaged or of another version: begun anew",
				 journal->path);
			memset(file, 0, (size_t)used);
		}
		memcpy(file->magic, magic, sizeof(magic));
		file->version = VERSION;
		file->size = sizeof(*file);
	}
	journal->file = file;
	return 0;
}

static void vhu_journal_forget(struct vhu_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal->path);
	*journal = (struct vhu_journal){.fd = -1};
}

void vhu_journal_open(struct vhu_journal *journal, const char *folder, const char *name, unsigned int rings)
{
	int error;

	*journal = (struct vhu_journal){.fd = -1};
	if (folder == NULL)
		return;
	if (asprintf(&journal->path, "%s/%s.journal", folder, name) < 0) {
		journal->path = NULL;
		return;
	}
	error = open_and_lock(journal->path);
	if (error >= 0) {
		journal->fd = error;
		error = map_file(journal, name, rings);
	}
	if (error == 0)
		return;
	log_warn(name, "no journal at %s (%s): if the switch is killed, this VM's frames in hand "
		 "may be delivered twice",
		 journal->path,
		 error == -EWOULDBLOCK ? "another switch uses it"
		 : error == -EPERM     ? "it is not a file of ours alone"
				       : strerror(-error));
	vhu_journal_forget(journal);
}

void vhu_journal_close(struct vhu_journal *journal, bool keep)
{
	if (journal->file == NULL)
		return;
	/* Before the lock goes with the descriptor. */
	if (!keep)
		unlink(journal->path);
	munmap(journal->file, sizeof(*journal->file));
	vhu_journal_forget(journal);
}

struct virtq_record *vhu_journal_record(struct vhu_journal *journal, unsigned int ring)
{
	return journal->file != NULL ? &journal->file->record[ring] : NULL;
}
