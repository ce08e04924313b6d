/* SPDX-License-Identifier: BSD-3-Clause */
/* must.h: what a program that plays guests cannot go on without.
 *
 * Context: any thread.
 */
#ifndef E2E_MUST_H
#define E2E_MUST_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Ends the program if `error`, 0 or more or -errno, is one, and says so. */
static inline void must(int error, const char *what)
{
	if (error >= 0)
		return;
	printf("failed: %s: %s\n", what, strerror(-error));
	fflush(stdout);
	_exit(1);
}

#endif
