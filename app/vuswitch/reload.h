/* SPDX-License-Identifier: BSD-3-Clause */
/* reload.h: reads the configuration again beside the control thread.
 *
 * A file of a thousand ports takes 20 ms to read and check: the loop's helper does it, and frees the configuration before,
 * while the control thread goes on answering. What is asked for while a file is being read is read once more behind it: the file
 * may have changed since.
 *
 * Context: control thread.
 * Ownership: a struct reload is the owner's, in memory that stays until the loop is destroyed; all zero but for the first
 * members.
 */
#ifndef VUS_RELOAD_H
#define VUS_RELOAD_H

#include <stdbool.h>

#include "config.h"
#include "fail.h"
#include "loop.h"
#include "options.h"
#include "role.h"

struct reload {
	struct loop *loop;
	const struct options *options; /* not changed while a file is being read */
	/* The file has been read; `config` is NULL where it has an error, which is in `fail`. What is left in it is freed. */
	void (*taken)(void *arg, struct config *config, const struct fail *fail);
	void *arg;

	struct loop_job job;
	struct config config; /* read; then what there is to free */
	struct fail fail;
	int error;
	bool reads, frees, again, ended;
};

/* taken() follows. */
void reload_start(struct reload *reload) RUNS_ON(control_thread);
/* taken() is still to come. */
bool reload_is_due(const struct reload *reload) RUNS_ON(control_thread);
/* taken() comes no more. */
void reload_end(struct reload *reload) RUNS_ON(control_thread);

#endif
