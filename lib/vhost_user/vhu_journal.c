/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static const char magic[8] = "VUSRINGS";
enum { VERSION = 1, ATTEMPTS = 3 };

struct vhu_journal_file {
	char magic[8];
	uint32_t version, size; /* bytes of the file */
	_Alignas(64) struct virtq_record record[VHOST_RINGS_MAX];
};

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
	close(fd);
	return error;
}

/* Between our opening a file and locking it, the process before us may have removed it: then there is a new one. */
static int open_and_lock(const char *path)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		struct stat ours, there;
		int fd = open_ours(path, &ours);

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

/* An empty file is a new one. Any other that is not as we leave them (another version's, damaged) is begun anew. */
static int map_file(struct vhu_journal *journal, const char *name)
{
	struct vhu_journal_file *file;
	struct stat st;
	bool old;

	if (fstat(journal->fd, &st) != 0)
		return -errno;
	old = st.st_size != 0;
	if (st.st_size != sizeof(*file) && ftruncate(journal->fd, sizeof(*file)) != 0)
		return -errno;
	errno = posix_fallocate(journal->fd, 0, sizeof(*file));
	if (errno != 0)
		return -errno;
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, journal->fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	if (st.st_size != sizeof(*file) || !makes_sense(file)) {
		if (old)
			log_warn(name, "journal %s is damaged or of another version: begun anew",
				 journal->path);
		memset(file, 0, sizeof(*file));
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

void vhu_journal_open(struct vhu_journal *journal, const char *folder, const char *name)
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
		error = map_file(journal, name);
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
