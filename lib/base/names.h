/* SPDX-License-Identifier: BSD-3-Clause */
/* names.h: finds the number of a thing by its name, in a time that does not grow with how many there are.
 *
 * Context: any thread but an lcore; one at a time for one index.
 * Ownership: the index has its own copies of the names. All zero is an empty one; names_clear() frees what it has.
 */
#ifndef VUS_NAMES_H
#define VUS_NAMES_H

struct names_entry;

struct names {
	struct names_entry *all;
};

/* 0; -EEXIST: the name is there already, and stays what it was; -ENOMEM. */
int names_add(struct names *names, const char *name, unsigned int number);
/* The number, or -1: there is no such name. */
int names_find(const struct names *names, const char *name);
/* A name that is not there is fine. */
void names_remove(struct names *names, const char *name);
void names_clear(struct names *names);

#endif
