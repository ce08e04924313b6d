/* SPDX-License-Identifier: BSD-3-Clause */
/* confine_calls.h: which system calls a thread of each kind has a use for.
 *
 * A thread's own list is as short as what it does. Three threads do much: control (files, sockets), the helper (files, the
 * start of a lane) and the device thread (whatever a driver of DPDK does to begin with a device). Threads of DPDK's own, and
 * those that have not said yet what they are, may make any call of any list (THREAD_OTHER).
 *
 * Calls that are newer than this list fail with ENOSYS, as they do on a kernel without them: a C library tries some, and does
 * without.
 *
 * Context: the main thread, before others begin.
 */
#ifndef VUS_CONFINE_CALLS_H
#define VUS_CONFINE_CALLS_H

#include <seccomp.h>

#include "thread_kind.h"

/* Of a call's arguments, which ones are on a kind's list. */
enum confine_listed { CONFINE_NONE, CONFINE_SOME, CONFINE_ALLOWED };

/* Calls from this number on came with Linux 5.17 and later. */
enum { CONFINE_NEWER_FIRST = 450 };

enum confine_listed confine_calls_list(enum thread_kind kind, int call);

/* Adds what a thread of this kind may do to a filter, whose default is what happens to all else. 0 or -errno. */
int confine_calls_add(scmp_filter_ctx filter, enum thread_kind kind);

#endif
