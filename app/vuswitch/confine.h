/* SPDX-License-Identifier: BSD-3-Clause */
/* confine.h: threads that can do what they are there for, and nothing else.
 *
 * Each kind of thread has a list of system calls (confine_calls.h), kept by a seccomp filter that it cannot shed. Before
 * threads of ours begin, one filter with all that any of them may do is laid on the whole process, DPDK's threads
 * included; each thread of ours then adds its own when it has said what it is (thread_kind.h).
 *
 * A call that is on no list is refused: it fails with EPERM, and a line names the thread and the call, once for each kind of
 * thread. The switch does not end by it: whoever has taken over a thread gains nothing either way, and what a driver or a
 * library of another version asks for, and nobody has seen, is to cost its own port at most, and not every VM its network.
 * With CONFINE_LOG such a call is made all the same, and told. Not seen there: calls that take six arguments (mmap() of memory
 * that runs); those that begin a process are in the kernel's log only.
 *
 * Context: the main thread, after EAL has started and before there is a thread of ours.
 */
#ifndef VUS_CONFINE_H
#define VUS_CONFINE_H

#include "fail.h"
#include "thread_kind.h"

enum confine_mode {
	CONFINE_OFF,
	CONFINE_LOG,
	CONFINE_ON,
/* Sanitizers' runtimes make calls of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	CONFINE_DEFAULT = CONFINE_OFF,
#else
	CONFINE_DEFAULT = CONFINE_ON,
#endif
};

/* "on", "log", "off". 0 or -EINVAL. */
int confine_parse(const char *text, enum confine_mode *mode);

/* For all threads that are there, and all that will be. 0 or -errno with a line in `fail`. */
int confine_start(enum confine_mode mode, struct fail *fail);

/* A call of this thread that is on no list is told of from here on; where SIGSYS is blocked it ends the process without a word.
 * Context: that thread. */
void confine_prepare_thread(void);
/* The calling thread is of this kind, and does what is on its list from here on. Without confine_start(): anything.
 * Context: that thread. */
void confine_thread(enum thread_kind kind);

#endif
