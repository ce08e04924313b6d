/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "clock.h"

/* The times of files advance by ticks, of 10 ms at most. */
static const uint64_t TICK_NS = 20 * NS_PER_MS;

/* The last look: most ports have their sockets in one folder. */
static struct {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint64_t at_ns; /* 0: none */
	struct vhu_folder folder;
} last;

static struct vhu_folder look(const char *path)
{
	struct vhu_folder folder = {.settled = true};
	struct timespec now;
	struct stat st;
	int64_t ago;

	if (stat(path, &st) != 0) {
		folder.error = errno;
		return folder;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	ago = (now.tv_sec - st.st_ctim.tv_sec) * (int64_t)NS_PER_S + now.tv_nsec - st.st_ctim.tv_nsec;
	folder.dev = st.st_dev;
	folder.ino = st.st_ino;
	folder.changed = st.st_ctim;
	folder.settled = ago > (int64_t)TICK_NS;
	return folder;
}

struct vhu_folder vhu_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	uint64_t now = clock_ns();

	if (len >= sizeof(last.path))
		return (struct vhu_folder){.error = ENAMETOOLONG};
	if (last.at_ns != 0 && now < last.at_ns + VHU_FOLDER_LOOKS_MS * NS_PER_MS && strlen(last.path) == len &&
	    memcmp(last.path, path, len) == 0)
		return last.folder;
	memcpy(last.path, path, len);
	last.path[len] = '\0';
	last.at_ns = now;
	last.folder = look(len > 0 ? last.path : ".");
	return last.folder;
}

bool vhu_folder_is_same(const struct vhu_folder *before, const struct vhu_folder *now)
{
	return before->settled && before->error == now->error && before->dev == now->dev && before->ino == now->ino &&
	       before->changed.tv_sec == now->changed.tv_sec && before->changed.tv_nsec == now->changed.tv_nsec;
}
