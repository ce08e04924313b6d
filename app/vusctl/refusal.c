/* SPDX-License-Identifier: BSD-3-Clause */
#include "refusal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "reach.h"

/* Where the right is its group's, to join that helps. */
static _Noreturn void blame(const char *path, const struct reach *reach)
{
	mode_t needed = reach->right == 'x' ? S_IXGRP : S_IRGRP | S_IWGRP;
	const struct group *group = getgrgid(reach->group);
	const struct passwd *user = getpwuid(geteuid());
	char text[512];

	reach_describe(path, reach, text, sizeof(text));
	if (reach->group != 0 && (reach->mode & needed) == needed && group != NULL && user != NULL)
		die("%s: a vuswitch may be there, but %s; join group %s (usermod -aG %s %s, and log in again), or use "
		    "sudo",
		    path, text, group->gr_name, group->gr_name, user->pw_name);
	die("%s: a vuswitch may be there, but %s; use sudo", path, text);
}

void refusal(const char *path, int error)
{
	struct reach reach = reach_find(path);

	if ((error == EACCES || error == EPERM) && reach.right != '\0')
		blame(path, &reach);
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
