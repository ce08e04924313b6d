/* SPDX-License-Identifier: BSD-3-Clause */
#include "refusal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reach.h"

/* Where the right is its group's, to join that helps. */
static int blame(const char *path, int error, const struct reach *reach, struct fail *fail)
{
	mode_t needed = reach->right == 'x' ? S_IXGRP : S_IRGRP | S_IWGRP;
	const struct group *group = getgrgid(reach->group);
	const struct passwd *user = getpwuid(geteuid());
	char text[512];

	reach_describe(path, reach, text, sizeof(text));
	if (reach->group != 0 && (reach->mode & needed) == needed && group != NULL && user != NULL)
		return fail_set(
			fail, -error,
			"%s: a vuswitch may be there, but %s; join group %s (usermod -aG %s %s, and log in again), or use "
			"sudo",
			path, text, group->gr_name, group->gr_name, user->pw_name);
	return fail_set(fail, -error, "%s: a vuswitch may be there, but %s; use sudo", path, text);
}

int refusal(const char *path, int error, const char *elsewhere, struct fail *fail)
{
	struct reach reach = reach_find(path);

	if ((error == EACCES || error == EPERM) && reach.right != '\0')
		return blame(path, error, &reach, fail);
	if (error == ENOENT)
		return fail_set(fail, -error,
				"no vuswitch is at %s: there is no such socket; start it, or say where it is with %s", path,
				elsewhere);
	if (error == ECONNREFUSED)
		return fail_set(fail, -error,
				"no vuswitch listens at %s: the one that made it has ended; start it, or say where another "
				"is with %s",
				path, elsewhere);
	return fail_set(fail, -error, "%s cannot be opened: %s; say where the switch is with %s", path, strerror(error),
			elsewhere);
}
