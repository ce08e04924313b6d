/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_linger: a descriptor whose last close() sleeps: a TCP socket with SO_LINGER and data that its peer does not read.
 *
 * Thread-safety: one thread.
 */
#ifndef FG_LINGER_H
#define FG_LINGER_H

struct fg_linger {
	int fd;	   /* to be passed on, and then closed */
	int other; /* the end that does not read */
};

/* Its close() sleeps for @seconds, or until fg_linger_release(). 0 or -errno. */
int fg_linger_open(struct fg_linger *, int seconds);
/* Resets the connection: whoever sleeps in close() wakes up. */
void fg_linger_release(struct fg_linger *);

#endif
