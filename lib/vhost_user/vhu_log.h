/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_log.h: the dirty log of a device: from SET_LOG_BASE and the LOG_ALL feature to what lcores mark in (mem_log.h).
 *
 * Two things must come together before a log is published: the front end gave one (SET_LOG_BASE), and it agreed to
 * LOG_ALL. A new log replaces the old one; every lcore has passed before the request is answered, so that an
 * acknowledgement means that all of them write into the new one and none into the old. The log goes when LOG_ALL does,
 * and when the last ring has stopped: no message says so. With LOG_ALL and no log the rings wait, because a device that
 * starts during a migration gets its log last.
 *
 * vhost-user specification, "Migration".
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_LOG_H
#define VUS_VHU_LOG_H

#include <stdbool.h>

#include "fail.h"
#include "loop.h"
#include "mem_log.h"
#include "vhu_mapper.h"

struct vhu_regions;

struct vhu_log {
	const struct mem_log *log; /* as the front end gave it; NULL: none */
	struct vhu_mapping mapping;
	bool all;  /* LOG_ALL is agreed */
	bool ends; /* the last ring was stopped: the log goes as soon as all have left */
};

/* SET_LOG_BASE. Whether there can be such a log: 0 or -EINVAL with a line in `fail`. */
int vhu_log_check(const struct vhu_memory_region *wire, struct fail *fail);
/* The one piece of the mapper is the log. 0: taken, and pending until `released` of the regions is called; -errno with a line
 * in `fail`, and the old log stays. */
int vhu_log_set(struct vhu_log *log, struct vhu_regions *regions, struct vhu_mapper *mapper,
		struct fail *fail) RUNS_ON(control_thread);
/* LOG_ALL comes or goes. 0: nothing changed, or pending until `released`; -ENOMEM. */
int vhu_log_all(struct vhu_log *log, struct vhu_regions *regions, bool on) RUNS_ON(control_thread);
/* Forgets the log, if there is one; pending until `released`. */
void vhu_log_drop(struct vhu_log *log, struct vhu_regions *regions) RUNS_ON(control_thread);

/* Whether rings may run: logging is not asked for, or there is a log. */
static inline bool vhu_log_complete(const struct vhu_log *log)
{
	return !log->all || log->log != NULL;
}

#endif
