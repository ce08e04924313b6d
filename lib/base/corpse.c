/* SPDX-License-Identifier: BSD-3-Clause */
#include "corpse.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "process_name.h"

enum {
	PATH_BYTES = 64,
	COMM_BYTES = 16,
	CORPSES_MAX = 16,
	CHILD_MS = 250,
	FLAG_EXITING = 0x4,
	/* What a C library of its time does not name. */
	FLAG_PIDFD_THREAD = O_EXCL,
	OPTION_PEERPIDFD = 77,
};

/* The number in the name of an entry of /proc; 0: none. */
static int number_of(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]) ? (int)strtoul(entry->d_name, NULL, 10) : 0;
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

/* Of /proc/PID/task/TID/stat; proc(5) has the fields. */
struct thread_stat {
	char state;
	unsigned int flags;
	unsigned long long start; /* clock ticks since the boot */
	unsigned long long pending; /* signals of this thread alone: SIGKILL is given to each */
};

static bool read_thread(const char *path, struct thread_stat *stat)
{
	char text[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	char *end;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name may have anything in it. */
	end = strrchr(text, ')');
	return end != NULL &&
	       sscanf(end + 1,
		      " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu "
		      "%*u %*d %*u %*u %*u %*u %*u %*u %llu",
		      &stat->state, &stat->flags, &stat->start, &stat->pending) == 4;
}

static bool is_dead(const struct thread_stat *stat)
{
	if (stat->state == 'Z' || stat->state == 'X' || (stat->flags & FLAG_EXITING) != 0)
		return true;
	return (stat->pending & 1ull << (SIGKILL - 1)) != 0 && (stat->state == 'D' || stat->state == 'S');
}

/* How many threads a process has, and how many of these are still somewhere in the kernel. */
struct threads {
	unsigned int n, left;
};

/* One look at all of them. */
static bool all_dead(pid_t pid, struct threads *seen)
{
	char path[PATH_BYTES];
	DIR *dir;
	struct dirent *entry;
	bool dead = true;

	*seen = (struct threads){.n = 0};
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir != NULL && dead && (entry = readdir(dir)) != NULL) {
		struct thread_stat stat;

		if (number_of(entry) == 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)pid, entry->d_name);
		dead = read_thread(path, &stat) && is_dead(&stat);
		seen->n++;
		seen->left += dead && stat.state != 'Z' && stat.state != 'X';
	}
	if (dir != NULL)
		closedir(dir);
	return dead && seen->n > 0;
}

/* By the name of its first thread, which is that of the file it was started from. */
static bool called_as_we_are(pid_t pid)
{
	char own[COMM_BYTES + 1], name[COMM_BYTES + 1];

	process_name(getpid(), own, sizeof(own));
	process_name(pid, name, sizeof(name));
	return own[0] != '\0' && strcmp(own, name) == 0;
}

static bool look(pid_t pid, struct threads *seen)
{
	struct threads first;

	/* Twice: a thread may have been made by one that then ended, behind the place where we were reading. */
	return pid > 0 && pid != getpid() && called_as_we_are(pid) && all_dead(pid, &first) && all_dead(pid, seen) &&
	       seen->n <= first.n;
}

bool corpse_is(pid_t pid)
{
	struct threads seen;

	return look(pid, &seen);
}

/* --- who owns it ------------------------------------------------------------------------------------------------ */

/* The number of the process behind a pidfd, which it has not given up: -1 if it is gone, 0 if it is of another namespace. */
static pid_t pid_of(int pidfd)
{
	char path[PATH_BYTES], line[128];
	FILE *file;
	int pid = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL && sscanf(line, "Pid: %d", &pid) != 1)
		;
	if (file != NULL)
		fclose(file);
	return pid;
}

/* Whether the process was there when the socket was made. If not, its number was another's then. The clock of the day may
 * have been set meanwhile: by less than it takes to use up the numbers. */
static bool is_older(pid_t pid, const char *path)
{
	char of_process[PATH_BYTES];
	struct thread_stat process;
	struct timespec day, boot;
	struct stat socket;
	double started;

	snprintf(of_process, sizeof(of_process), "/proc/%d/stat", (int)pid);
	if (!read_thread(of_process, &process) || lstat(path, &socket) != 0 || clock_gettime(CLOCK_REALTIME, &day) != 0 ||
	    clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
		return false;
	started = (double)(day.tv_sec - boot.tv_sec) + (double)process.start / (double)sysconf(_SC_CLK_TCK);
	return started <= (double)socket.st_mtim.tv_sec + 1;
}

bool corpse_listens(int connected, const char *path)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);
	int pidfd = -1;
	bool corpse;

	if (getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	len = sizeof(pidfd);
	/* It cannot be another's number while we hold this. Linux before 6.5 has none. */
	if (getsockopt(connected, SOL_SOCKET, OPTION_PEERPIDFD, &pidfd, &len) != 0)
		return errno == ENOPROTOOPT && is_older(peer.pid, path) && corpse_is(peer.pid);
	corpse = pid_of(pidfd) == peer.pid && corpse_is(peer.pid) && pid_of(pidfd) == peer.pid;
	close(pidfd);
	return corpse;
}

bool corpse_has_locked(int fd)
{
	FILE *file = fopen("/proc/locks", "re");
	unsigned int dead = 0, alive = 0;
	char line[256];
	struct stat st;

	if (file == NULL)
		return false;
	if (fstat(fd, &st) != 0)
		alive++;
	/* By the number of the file alone: how a file system's device is called is not the same everywhere, and a live owner of
	 * another file with that number is in doubt, too. */
	while (alive == 0 && fgets(line, sizeof(line), file) != NULL) {
		unsigned long long inode;
		int pid;

		if (sscanf(line, "%*d: FLOCK %*s %*s %d %*x:%*x:%llu", &pid, &inode) != 2 || inode != st.st_ino)
			continue;
		if (corpse_is(pid))
			dead++;
		else
			alive++;
	}
	fclose(file);
	return alive == 0 && dead > 0;
}

/* --- hanging up ------------------------------------------------------------------------------------------------- */

static int pidfd_of_thread(pid_t thread)
{
	return (int)syscall(SYS_pidfd_open, thread, FLAG_PIDFD_THREAD);
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* Who has connected and waits to be let in has to see it, too. */
static void hang_up_socket(int fd)
{
	bool listens = option_of(fd, SO_ACCEPTCONN) == 1;

	shutdown(fd, SHUT_RDWR);
	for (int next = fd; listens && next >= 0;) {
		next = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (next >= 0)
			shutdown(next, SHUT_RDWR);
	}
}

/* Of the descriptors `fds` (a folder of links) of a thread. None is closed here: that may wait. */
static void hang_up_sockets(DIR *fds, int pidfd)
{
	struct dirent *entry;

	while ((entry = readdir(fds)) != NULL) {
		char link[PATH_BYTES];
		ssize_t n = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link));
		int fd;

		if (n < 8 || strncmp(link, "socket:[", 8) != 0)
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)strtoul(entry->d_name, NULL, 10), 0);
		if (fd >= 0 && option_of(fd, SO_DOMAIN) == AF_UNIX)
			hang_up_socket(fd);
	}
}

/* Any thread that has the descriptors will do; those that have ended have none. */
static void hang_up(pid_t pid)
{
	char path[PATH_BYTES];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		int pidfd = number_of(entry) != 0 ? pidfd_of_thread(number_of(entry)) : -1;
		DIR *fds = NULL;

		/* With the thread in hand: that it is one of a dead process is still so. */
		if (pidfd >= 0 && corpse_is(pid)) {
			snprintf(path, sizeof(path), "/proc/%d/task/%.16s/fd", (int)pid, entry->d_name);
			fds = opendir(path);
		}
		if (fds != NULL) {
			hang_up_sockets(fds, pidfd);
			closedir(fds);
		}
		if (pidfd >= 0)
			close(pidfd);
	}
	if (tasks != NULL)
		closedir(tasks);
}

/* Those that still hold something: one that is a zombie through and through has let go of all, and waits for its parent. */
static unsigned int find(pid_t *found, unsigned int max)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned int n = 0;

	while (dir != NULL && n < max && (entry = readdir(dir)) != NULL) {
		struct threads seen;

		if (look(number_of(entry), &seen) && seen.left > 0)
			found[n++] = number_of(entry);
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

void corpses_hang_up(void)
{
	struct pollfd ended = {.events = POLLIN};
	pid_t found[CORPSES_MAX];
	unsigned int n = find(found, CORPSES_MAX);
	pid_t child;

	if (n == 0)
		return;
	child = fork();
	if (child == 0) {
		for (unsigned int i = 0; i < n; i++)
			hang_up(found[i]);
		_exit(0);
	}
	ended.fd = child > 0 ? (int)syscall(SYS_pidfd_open, child, 0) : -1;
	if (ended.fd < 0)
		return;
	poll(&ended, 1, CHILD_MS);
	waitpid(child, NULL, WNOHANG);
	close(ended.fd);
}

void corpses_tell(void)
{
	pid_t found[CORPSES_MAX];
	unsigned int n = find(found, CORPSES_MAX);

	for (unsigned int i = 0; i < n; i++)
		log_warn("vuswitch",
			 "process %d, a vuswitch, was killed and cannot end: a thread of it is stuck in the kernel "
			 "(/proc/%d/task/*/stack says where). What it served is taken over; its memory, and the devices it has "
			 "opened, come back when the kernel lets it go", (int)found[i], (int)found[i]);
}
