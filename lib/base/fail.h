/* SPDX-License-Identifier: BSD-3-Clause */
/* fail.h: an error on its way to a person.
 *
 * A function that can fail for a reason the user can mend takes a `struct fail *`, writes one line into it where the
 * cause is known (what, where, how to mend it) and returns -errno. The caller that talks to the user prints it,
 * once.
 *
 * Context: any thread.
 * Ownership: the struct is the caller's, lives on its stack and needs no cleanup.
 */
#ifndef VUS_FAIL_H
#define VUS_FAIL_H

struct fail {
	char text[1024]; /* a longer one ends in "..." */
};

/* Writes the line, control characters of its arguments as C writes them (one_line.h), and returns `error` (a negative errno), so
 * that `return fail_set(...)` reads well. */
int fail_set(struct fail *fail, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "`prefix`: " in front of what was said further down, and returns `error`. */
int fail_prefix(struct fail *fail, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
