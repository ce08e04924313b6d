/* SPDX-License-Identifier: BSD-3-Clause */
#include "refusal.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

enum { NAME_BYTES = 64 };

static void user_name(uid_t uid, char name[NAME_BYTES])
{
	const struct passwd *user = getpwuid(uid);

	if (user != NULL)
		snprintf(name, NAME_BYTES, "%s", user->pw_name);
	else
		snprintf(name, NAME_BYTES, "uid %u", uid);
}

static void group_name(gid_t gid, char name[NAME_BYTES])
{
	const struct group *group = getgrgid(gid);

	if (group != NULL)
		snprintf(name, NAME_BYTES, "%s", group->gr_name);
	else
		snprintf(name, NAME_BYTES, "gid %u", gid);
}

/* `bits` is what a group needs of the mode: its members can do what we cannot. */
static _Noreturn void blame(const char *what, const char *path, const struct stat *st,
			    mode_t bits, const char *verb)
{
	char us[NAME_BYTES], owner[NAME_BYTES], group[NAME_BYTES];

	user_name(geteuid(), us);
	user_name(st->st_uid, owner);
	group_name(st->st_gid, group);
	if (st->st_gid != 0 && (st->st_mode & bits) == bits)
		die("%s %s is there, but %s may not %s it: it is %s:%s's, mode %04o; join group %s "
		    "(usermod -aG %s %s, and log in again), or use sudo",
		    what, path, us, verb, owner, group, st->st_mode & 07777, group, group, us);
	die("%s %s is there, but %s may not %s it: it is %s:%s's, mode %04o; use sudo", what, path, us,
	    verb, owner, group, st->st_mode & 07777);
}

/* The first folder on the way that we may not enter. */
static void blame_folder(const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
		if (access(folder, X_OK) != 0 && errno == EACCES && stat(folder, &st) == 0)
			blame("folder", folder, &st, S_IXGRP, "enter");
	}
}

void refusal(const char *path, int error)
{
	struct stat st;

	if (error == EACCES || error == EPERM) {
		blame_folder(path);
		if (stat(path, &st) == 0)
			blame("socket", path, &st, S_IRGRP | S_IWGRP, "open");
	}
	if (error == ENOENT)
		die("no vuswitch is at %s: there is no such socket; start it, or say where it is with "
		    "--control SOCKET",
		    path);
	if (error == ECONNREFUSED)
		die("no vuswitch listens at %s: the one that made it has ended; start it, or say where "
		    "another is with --control SOCKET",
		    path);
	die("%s cannot be opened: %s; say where the switch is with --control SOCKET", path,
	    strerror(error));
}
