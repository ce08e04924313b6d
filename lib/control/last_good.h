/* SPDX-License-Identifier: BSD-3-Clause */
/* last_good.h: the text of the last configuration file that could be applied, kept in a file of its own, for a start at
 * which the configuration file has an error.
 *
 * The file is replaced whole (replace_file.h). That takes as long as the disk does, so the loop's helper thread does it.
 *
 * Context: control thread.
 */
#ifndef VUS_LAST_GOOD_H
#define VUS_LAST_GOOD_H

#include <stddef.h>

#include "fail.h"
#include "loop.h"
#include "role.h"

struct last_good {
	struct loop *loop;
	const char *path;	 /* NULL: nothing is kept */
	void (*kept)(void *arg); /* everything given to last_good_keep() has been dealt with */
	void *arg;
	unsigned int pending; /* texts on their way to the disk */
};

/* Keeps `text`, which is allocated and becomes its own; NULL: nothing new. If it cannot be written, the
 * one before stays and a warning is logged. Calls kept() when nothing is on its way any more: at once, or later. */
void last_good_keep(struct last_good *last_good, char *text, size_t len) RUNS_ON(control_thread);

#endif
