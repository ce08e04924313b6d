/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_hint.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "rights.h"
#include "vus_limits.h"

void vhu_hint_refused(struct vhu_hint *hint, const char *name, const char *path)
{
	struct reach reach = reach_find(path);

	/* Looked up at each try, and reported when the answer is another. */
	if (hint->text[0] != '\0' && reach_same(&reach, &hint->reach))
		return;
	hint->reach = reach;
	if (reach.right != '\0')
		reach_describe(path, &reach, hint->text, sizeof(hint->text));
	else
		snprintf(hint->text, sizeof(hint->text),
			 "the rights on the path let user %s in: ask SELinux or AppArmor",
			 rights_user(geteuid()).text);
	log_limited(&hint->log, LOG_WARN, name, "cannot connect to %s: %s", path, hint->text);
}

static struct rights_words words_of(const struct stat *st)
{
	return rights_of_file(st->st_uid, st->st_gid, st->st_mode);
}

void vhu_hint_alone(struct vhu_hint *hint, const char *name, const char *path,
		    const struct vhu_socket_file *file)
{
	const char *slash = strrchr(path, '/');
	struct stat socket, folder;
	char above[128];

	snprintf(above, sizeof(above), "%.*s/.", slash != NULL ? (int)(slash - path) : 1,
		 slash != NULL ? path : ".");
	if (lstat(path, &socket) != 0 || stat(above, &folder) != 0 || socket.st_dev != file->dev ||
	    socket.st_ino != file->ino)
		snprintf(hint->text, sizeof(hint->text),
			 "its socket file was removed or replaced by somebody else; take the port "
			 "out of the configuration and put it back, or restart vuswitch");
	else
		snprintf(hint->text, sizeof(hint->text),
			 "after %d s the socket was %s, its folder %s; who connects needs w on the "
			 "socket (socket-owner, socket-group, socket-mode) and x on each folder of "
			 "its path",
			 HINT_AFTER_S, words_of(&socket).text, words_of(&folder).text);
	log_info(name, "no front end has connected to %s: %s", path, hint->text);
}
