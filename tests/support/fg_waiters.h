/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_waiters: very many waiters on one descriptor, in few: copies of it in epoll sets. Whoever writes to it wakes them all.
 *
 * Thread-safety: one thread. Functions return 0 or -errno.
 */
#ifndef FG_WAITERS_H
#define FG_WAITERS_H

enum { FG_WAITERS_SIDE = 400 };

/* FG_WAITERS_SIDE sets with as many copies. The descriptor itself is in no set. */
struct fg_waiters {
	int copy[FG_WAITERS_SIDE], set[FG_WAITERS_SIDE];
	unsigned int copies, sets;
};

int fg_waiters_open(struct fg_waiters *, int fd);
void fg_waiters_close(struct fg_waiters *);

#endif
