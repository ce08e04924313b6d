/* SPDX-License-Identifier: BSD-3-Clause */
#include "thread_kind.h"

#include <stddef.h>

static _Thread_local enum thread_kind kind_of_caller;
static void (*on_begin)(enum thread_kind kind);

const char *thread_kind_name(enum thread_kind kind)
{
	static const char *const names[THREAD_KINDS] = {
		[THREAD_OTHER] = "other",     [THREAD_CONTROL] = "control",   [THREAD_LCORE] = "lcore",
		[THREAD_BELL] = "bell",	      [THREAD_WATCH] = "watchdog",    [THREAD_HELPER] = "helper",
		[THREAD_DEVICE] = "device",   [THREAD_DISPOSAL] = "disposal", [THREAD_METRICS] = "metrics",
		[THREAD_WRITER] = "writer",
	};

	return names[kind];
}

enum thread_kind thread_kind_of_caller(void)
{
	return kind_of_caller;
}

void thread_begins(enum thread_kind kind)
{
	kind_of_caller = kind;
	if (on_begin != NULL)
		on_begin(kind);
}

void thread_on_begin(void (*begins)(enum thread_kind kind))
{
	on_begin = begins;
}
