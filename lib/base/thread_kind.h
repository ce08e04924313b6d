/* SPDX-License-Identifier: BSD-3-Clause */
/* thread_kind.h: what a thread of ours is there for, said once, by itself, when it begins.
 *
 * A library knows what its thread does and nothing of what such a thread is to be allowed; the program knows that, and
 * asks to be told of each that begins (app/vuswitch/confine.h). A program that does not ask, such as a test, has threads
 * that may do anything. Threads of DPDK's own (interrupts, telemetry, requests of other processes) never say so.
 *
 * Context: any thread.
 */
#ifndef VUS_THREAD_KIND_H
#define VUS_THREAD_KIND_H

enum thread_kind {
	THREAD_OTHER,	 /* has said nothing: DPDK's */
	THREAD_CONTROL,	 /* the main thread: sockets, configuration, every object's life */
	THREAD_LCORE,	 /* moves frames */
	THREAD_BELL,	 /* waits for kicks in the place of an lcore that is awake */
	THREAD_WATCH,	 /* looks at lcores: the two watchdogs */
	THREAD_HELPER,	 /* slow jobs of the loop: files, the start of a lane, pinning memory */
	THREAD_DEVICE,	 /* calls of DPDK on devices */
	THREAD_DISPOSAL, /* system calls that a peer can hold up */
	THREAD_METRICS,	 /* answers whoever reads metrics */
	THREAD_WRITER,	 /* sends captured frames to whoever asked for them */
	THREAD_KINDS,
};

/* "lcore", "control": what a line calls it. */
const char *thread_kind_name(enum thread_kind kind);

/* Of the calling thread. Async-signal-safe. */
enum thread_kind thread_kind_of_caller(void);

/* The calling thread is of this kind from here on. To be called once, before it does what its kind is there for, and with
 * all it needs but does only once behind it. */
void thread_begins(enum thread_kind kind);

/* `begins` is called by each thread that says what it is, from now on, on that thread; NULL: nothing is.
 * Context: the main thread, before others begin. */
void thread_on_begin(void (*begins)(enum thread_kind kind));

#endif
