/* SPDX-License-Identifier: BSD-3-Clause */
#include "reach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rights.h"

/* Whether the right is missing on the first `len` bytes of the path, and if so, whose that part is. */
static bool is_missing(const char *path, size_t len, int mode, struct reach *reach)
{
	char part[PATH_MAX];
	struct stat st;

	snprintf(part, sizeof(part), "%.*s", (int)len, path);
	if (faccessat(AT_FDCWD, part, mode, AT_EACCESS) == 0 || errno != EACCES)
		return false;
	*reach = (struct reach){.right = mode == X_OK ? 'x' : 'w', .len = len};
	/* Where a link's own target is out of reach, the link is what can be named. */
	if (stat(part, &st) == 0 || lstat(part, &st) == 0) {
		reach->owner = st.st_uid;
		reach->group = st.st_gid;
		reach->mode = st.st_mode & 07777;
	}
	return true;
}

struct reach reach_find(const char *path)
{
	struct reach reach = {0};

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		if (is_missing(path, len, X_OK, &reach))
			return reach;
	}
	is_missing(path, strlen(path), W_OK, &reach);
	return reach;
}

bool reach_same(const struct reach *a, const struct reach *b)
{
	return a->right == b->right && a->len == b->len && a->owner == b->owner &&
	       a->group == b->group && a->mode == b->mode;
}

void reach_describe(const char *path, const struct reach *reach, char *text, size_t size)
{
	snprintf(text, size, "user %s, group %s, may not %s %.*s (needs %c; it is %s)",
		 rights_user(geteuid()).text, rights_group(getegid()).text,
		 reach->right == 'x' ? "search" : "write to", (int)reach->len, path, reach->right,
		 rights_of_file(reach->owner, reach->group, reach->mode).text);
}
