/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "corpse.h"
#include "log.h"
#include "unix_connect.h"

enum { BACKLOG = 16, PATH_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) };

/* --- both ------------------------------------------------------------------------------------------------------- */

int vhu_socket_check(const char *path, struct fail *fail)
{
	size_t len = strlen(path);

	if (len > 0 && path[len - 1] == '/')
		return fail_set(fail, -EINVAL, "socket path %s is that of a folder: give it a name in there", path);
	if (len < PATH_BYTES)
		return 0;
	return fail_set(fail, -ENAMETOOLONG, "socket path %s is longer than %d bytes: use a shorter one",
			path, PATH_BYTES - 1);
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* --- rights ----------------------------------------------------------------------------------------------------- */

/* Gives the file behind an O_PATH descriptor its owner, group and mode. By descriptor, not by path: who may write
 * in the folder could put something else there, and have that given to them. */
static int give(int fd, const char *path, const struct rights *rights, struct fail *fail)
{
	uid_t owner = rights->given[RIGHTS_OWNER] ? rights->owner : (uid_t)-1;
	gid_t group = rights->given[RIGHTS_GROUP] ? rights->group : (gid_t)-1;
	const struct rights whose = {
		.given = {rights->given[RIGHTS_OWNER], rights->given[RIGHTS_GROUP]},
		.owner = owner, .group = group};
	char link[32], words[160];
	int error;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	/* The mode first: to change it afterwards needs more than to give the file away. */
	if (rights->given[RIGHTS_MODE] && chmod(link, rights->mode) != 0)
		return fail_set(fail, -errno, "%s cannot be given mode %04o: %s; choose a folder on "
				"another file system, such as /run/vuswitch", path, rights->mode, strerror(errno));
	if (fchownat(fd, "", owner, group, AT_EMPTY_PATH) == 0)
		return 0;
	error = -errno; /* before users are looked up */
	rights_describe(&whose, words, sizeof(words));
	return fail_set(fail, error,
			"%s cannot be given %s: %s; run vuswitch as root or with CAP_CHOWN%s", path,
			words, strerror(-error),
			rights->given[RIGHTS_OWNER] ? ", or leave socket-owner out"
						    : ", or put its user into that group");
}

/* --- the folder ------------------------------------------------------------------------------------------------- */

/* Who may write on the socket may pass through its folder. */
static mode_t folder_mode(const struct rights *rights)
{
	mode_t mode = 0700;

	if (!rights->given[RIGHTS_MODE])
		return 0777;
	if ((rights->mode & 0060) != 0)
		mode |= 0050;
	if ((rights->mode & 0006) != 0)
		mode |= 0005;
	return mode;
}

/* Whether the directory is what mkdir() makes: ours, and with nothing in it. Who may write in the folder above could
 * have put another of ours there meanwhile, and have that given away. */
static bool is_new(int fd)
{
	int listed = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = listed >= 0 ? fdopendir(listed) : NULL;
	unsigned int entries = 0;
	struct stat st;

	while (dir != NULL && entries <= 2 && readdir(dir) != NULL)
		entries++;
	if (dir != NULL)
		closedir(dir);
	else if (listed >= 0)
		close(listed);
	return dir != NULL && entries <= 2 && fstat(fd, &st) == 0 && st.st_uid == geteuid();
}

/* A descriptor of the folder (O_PATH) or -errno. */
static int vhu_socket_make_folder(const char *folder, const struct rights *rights, struct fail *fail)
{
	struct rights of_folder = *rights;
	char words[160];
	int fd, error = 0;

	of_folder.mode = folder_mode(rights);
	if (mkdir(folder, of_folder.mode) != 0)
		return fail_set(fail, -errno, "folder %s cannot be made for its sockets: %s%s", folder,
				strerror(errno),
				errno == ENOENT	 ? " (create the one above it first)"
				: errno == EEXIST ? " (a link that leads to nothing: remove it, or make what it names)"
				: errno == EROFS ? " (under systemd, name it in RuntimeDirectory=)"
						 : "");
	fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_set(fail, -errno, "folder %s cannot be opened: %s", folder,
				strerror(errno));
	if (rights_any(rights) && !is_new(fd))
		error = fail_set(fail, -EPERM,
				 "folder %s was exchanged while it was made: let nobody else write in the one "
				 "above it", folder);
	else if (rights_any(rights))
		error = give(fd, folder, &of_folder, fail);
	if (error != 0) {
		close(fd);
		rmdir(folder);
		return error;
	}
	rights_describe(rights_any(rights) ? &of_folder : rights, words, sizeof(words));
	log_info(folder, "this folder was missing and has been made%s%s",
		 words[0] != '\0' ? ": " : "", words);
	return fd;
}

/* The folder of a socket's path: a descriptor (O_PATH) or -errno. */
static int open_folder(const char *path, const struct rights *rights, struct fail *fail)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_BYTES] = ".";
	int fd;

	if (slash != NULL) {
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
		if (slash == path)
			strcpy(folder, "/");
	}
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return vhu_socket_make_folder(folder, rights, fail);
	return fail_set(fail, -errno, "the folder of socket %s cannot be opened: %s; choose another path",
			path, strerror(errno));
}

static int fail_busy(const char *path, struct fail *fail)
{
	return fail_set(fail, -EADDRINUSE,
			"another process makes %s at the same time: stop it or choose another path", path);
}

/* --- the file --------------------------------------------------------------------------------------------------- */

/* The address of a socket in a folder that is open, wherever the path that led there leads by now. False: a name that is as long
 * as the longest paths does not fit. */
static bool in_folder(int folder, const char *name, char address[PATH_BYTES])
{
	return snprintf(address, PATH_BYTES, "/proc/self/fd/%d/%s", folder, name) < PATH_BYTES;
}

/* In the folder, and no other process has it: of two that make the same socket, neither takes the other's for its own. */
struct name {
	char text[80];
};

static struct name name_beside(const char *base)
{
	uint32_t number = (uint32_t)getpid();
	struct name name;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number ^= (uint32_t)clock_ns();
	snprintf(name.text, sizeof(name.text), ".%.56s.%08x", base, number);
	return name;
}

/* Not every file system knows the flag. */
static int rename_to_free(int folder, const char *from, const char *to)
{
	if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0 ||
	    (errno == EINVAL && renameat(folder, from, folder, to) == 0))
		return 0;
	return -errno;
}

/* Removes that file and no other: another that was made there meanwhile is put back. */
static int remove_dead(int folder, const char *base, const struct stat *dead)
{
	const struct name aside = name_beside(base);
	struct stat st;

	if (renameat(folder, base, folder, aside.text) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstatat(folder, aside.text, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (st.st_dev == dead->st_dev && st.st_ino == dead->st_ino && st.st_mtim.tv_sec == dead->st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == dead->st_mtim.tv_nsec)
		return unlinkat(folder, aside.text, 0) != 0 ? -errno : 0;
	rename_to_free(folder, aside.text, base);
	return -EADDRINUSE;
}

/* Something may be at the path. If it is a socket without a listener, or with one that is dead, it was left behind: remove it,
 * from this folder, wherever the path leads to by now. */
static int clear_path(int folder, const char *base, const char *path, struct fail *fail)
	RUNS_ON(control_thread)
{
	char address[PATH_BYTES];
	struct stat st;
	int error, fd;

	if (fstatat(folder, base, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return fail_set(fail, -EEXIST,
				"%s exists and is not a socket: remove it or choose another path", path);
	/* That it is the same file is seen again when it is removed. */
	error = unix_connect(in_folder(folder, base, address) ? address : path, &fd);
	if (error == 0) {
		if (corpse_listens(fd, path))
			error = -ECONNREFUSED;
		close(fd);
	}
	if (error == -EACCES)
		return fail_set(fail, -EACCES,
				"%s exists, and vuswitch has no right to find out whether somebody "
				"listens there: remove it if nobody does", path);
	if (error != -ECONNREFUSED)
		return fail_set(fail, -EADDRINUSE,
				"another process listens on %s: stop it or choose another path", path);
	error = remove_dead(folder, base, &st);
	if (error == -EADDRINUSE)
		return fail_busy(path, fail);
	if (error != 0)
		return fail_set(fail, error, "%s: the socket file of a process that is gone cannot be removed: %s", path,
				strerror(-error));
	log_info(path, "replacing the socket file of a process that is gone");
	return 0;
}

/* A socket on its way to its path. */
struct draft {
	const char *path, *base; /* what it is to be; the part behind the last slash */
	struct name name;	 /* meanwhile, in the same folder */
	char address[PATH_BYTES];
	int folder, fd;
};

static void draft_name(struct draft *draft)
{
	draft->name = name_beside(draft->base);
	in_folder(draft->folder, draft->name.text, draft->address);
}

static int draft_bind(struct draft *draft, struct fail *fail) RUNS_ON(control_thread)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error;

	strcpy(address.sun_path, draft->address);
	draft->fd = new_socket();
	if (draft->fd < 0)
		return fail_set(fail, -errno, "no socket for %s: %s", draft->path, strerror(errno));
	if (bind(draft->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	error = fail_set(fail, -errno, "cannot listen on %s: %s%s", draft->path, strerror(errno),
			 errno == EACCES ? " (vuswitch may not write in its folder)" : "");
	close(draft->fd);
	return error;
}

/* Rights, and ears; then it may be seen. */
static int draft_finish(struct draft *draft, const struct rights *rights,
			struct vhu_socket_file *file, struct fail *fail)
{
	int fd = openat(draft->folder, draft->name.text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int error = 0;

	if (fd < 0 || fstat(fd, &st) != 0)
		error = fail_set(fail, -errno, "cannot listen on %s: %s", draft->path, strerror(errno));
	else if (rights_any(rights) &&
		 (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1))
		error = fail_set(fail, -EPERM,
				 "%s was exchanged while it was made: let nobody else write in its "
				 "folder", draft->path);
	else if (rights_any(rights))
		error = give(fd, draft->path, rights, fail);
	if (fd >= 0)
		close(fd);
	if (error != 0)
		return error;
	if (listen(draft->fd, BACKLOG) != 0)
		return fail_set(fail, -errno, "cannot listen on %s: %s", draft->path, strerror(errno));
	error = rename_to_free(draft->folder, draft->name.text, draft->base);
	if (error == -EEXIST)
		return fail_busy(draft->path, fail);
	if (error != 0)
		return fail_set(fail, error, "cannot listen on %s: %s", draft->path, strerror(-error));
	*file = (struct vhu_socket_file){.dev = st.st_dev, .ino = st.st_ino};
	return 0;
}

int vhu_socket_listen(const char *path, const struct rights *rights, int *fd,
		      struct vhu_socket_file *file, struct fail *fail)
{
	const char *slash = strrchr(path, '/');
	struct draft draft = {.path = path, .base = slash != NULL ? slash + 1 : path, .fd = -1};
	int error = vhu_socket_check(path, fail);

	if (error != 0)
		return error;
	draft.folder = open_folder(path, rights, fail);
	if (draft.folder < 0)
		return draft.folder;
	draft_name(&draft);
	error = clear_path(draft.folder, draft.base, path, fail);
	if (error == 0)
		error = draft_bind(&draft, fail);
	if (error == 0) {
		error = draft_finish(&draft, rights, file, fail);
		if (error != 0) {
			unlinkat(draft.folder, draft.name.text, 0);
			close(draft.fd);
		}
	}
	close(draft.folder);
	if (error == 0)
		*fd = draft.fd;
	return error;
}

int vhu_socket_give(const char *path, const struct vhu_socket_file *file, const struct rights *rights,
		    struct fail *fail)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), error;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		error = fail_set(fail, -errno, "%s: %s", path, strerror(errno));
	else if (st.st_dev != file->dev || st.st_ino != file->ino)
		error = fail_set(fail, -ENOENT, "%s is not the socket that this switch has made", path);
	else
		error = give(fd, path, rights, fail);
	if (fd >= 0)
		close(fd);
	return error;
}

void vhu_socket_remove(const char *path, const struct vhu_socket_file *file)
{
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
	char above[PATH_BYTES + 2];
	struct stat st;
	int folder;

	snprintf(above, sizeof(above), "%.*s.", (int)(base - path), path);
	folder = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return;
	if (fstatat(folder, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		unlinkat(folder, base, 0);
	close(folder);
}
