/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_socket.h: a unix socket that is listened on at a path: made there, removed.
 *
 * One that is made has its owner, group and mode, and is listened on, before another process can see it: it is bound under a
 * name in the same folder that no other process has, and renamed. The socket file of a dead process is replaced; one
 * that a process listens on is not. The folder is made if it is missing, with rights that let in whom the socket lets in.
 *
 * Context: control thread; nothing blocks.
 */
#ifndef VUS_VHU_SOCKET_H
#define VUS_VHU_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "fail.h"
#include "rights.h"
#include "role.h"

/* Which file it is, whatever its path leads to later. */
struct vhu_socket_file {
	dev_t dev;
	ino_t ino;
};

/* Whether a path fits an address. 0 or -ENAMETOOLONG. */
int vhu_socket_check(const char *path, struct fail *fail) RUNS_ON(control_thread);

/* Listens: 0, a descriptor that does not block and the file it has, or -errno. */
int vhu_socket_listen(const char *path, const struct rights *rights, int *fd,
		      struct vhu_socket_file *file, struct fail *fail) RUNS_ON(control_thread);

/* Gives the file its owner, group and mode while it is listened on. 0 or -errno. */
int vhu_socket_give(const char *path, const struct vhu_socket_file *file, const struct rights *rights,
		    struct fail *fail) RUNS_ON(control_thread);

/* Removes the file, unless another is in its place. */
void vhu_socket_remove(const char *path, const struct vhu_socket_file *file)
	RUNS_ON(control_thread);

#endif
