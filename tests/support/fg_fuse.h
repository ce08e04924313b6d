/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_fuse: a FUSE file system with one file, the server of which can leave one process's requests unanswered: then the close() of
 * the file sleeps in that process, kill -9 or not. The server is a child; it dies with us, and that ends what waits for it.
 *
 * It needs /dev/fuse and the right to mount. Thread-safety: one thread. Functions return 0 (or what they say) or -errno.
 */
#ifndef FG_FUSE_H
#define FG_FUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Shared with the child. */
struct fg_fuse_state {
	atomic_int muted; /* the process that gets no answer */
	atomic_uint left; /* requests of its that were left unanswered */
	atomic_int error; /* of the mount; 1: not tried yet */
	atomic_bool opened;
	char folder[32];
};

struct fg_fuse {
	struct fg_fuse_state *state;
	pid_t server;
	int file; /* to be passed on: the only way to it is this descriptor */
};

/* -EPERM, -ENOENT or the like where it cannot be mounted. Nothing of it stays in the file system, however the process ends. */
int fg_fuse_start(struct fg_fuse *);
/* From here on @pid gets no answer to what it asks about an open file. */
void fg_fuse_mute(struct fg_fuse *, pid_t pid);
/* Ends every request that waits. */
void fg_fuse_stop(struct fg_fuse *);

#endif
