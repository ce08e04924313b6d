/* SPDX-License-Identifier: BSD-3-Clause */
/* reach.h: which right this process lacks on the way to a socket.
 *
 * connect(2) says EACCES and not where. Every folder of the path has to be searchable (x), and the socket writable (w);
 * the kernel is asked for one after the other, with the effective user and groups, so what it answers holds for access
 * lists and capabilities, too.
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_REACH_H
#define VUS_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct reach {
	char right; /* 'x' or 'w' is missing; 0: none is */
	size_t len; /* of the path, up to the part it is missing on */
	uid_t owner; /* of that part */
	gid_t group;
	mode_t mode;
};

struct reach reach_find(const char *path);
bool reach_same(const struct reach *a, const struct reach *b);

/* "user vus (998), group vus (998), may not search /run/vm (needs x; it is root:root 0700)": what reach_find() has found
 * on this path. */
void reach_describe(const char *path, const struct reach *reach, char *text, size_t size);

#endif
