/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_connect.h: tries to connect to a front end that listens, made by threads that may be lost.
 *
 * Connecting does not block, and wakes who waits on the listener, however many these are (X5).
 *
 * Context: control thread, in its loop.
 * Ownership: of the embedder; `account` is the caller's.
 */
#ifndef VUS_VHU_CONNECT_H
#define VUS_VHU_CONNECT_H

#include <stddef.h>

#include "disposal.h"
#include "role.h"

struct vhu_connect {
	/* What came of the try: 0 and a connected socket, which is the callee's, or -errno as of unix_connect(). */
	void (*done)(struct vhu_connect *connect, int error, int fd);
	struct connect_job *job; /* under way, or NULL */
};

/* Begins a try; none is under way. 0, or -ENOMEM and done() is not called. */
int vhu_connect_start(struct vhu_connect *connect, struct disposal_account *account, const char *path)
	RUNS_ON(control_thread);
/* What comes of one that is under way concerns nobody. */
void vhu_connect_forget(struct vhu_connect *connect) RUNS_ON(control_thread);

#endif
