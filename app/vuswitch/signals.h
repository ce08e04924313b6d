/* SPDX-License-Identifier: BSD-3-Clause */
/* signals.h: SIGTERM and SIGINT end the switch, SIGHUP reads its file again; handled in the event loop, where
 * anything may be done.
 *
 * Context: control thread.
 */
#ifndef VUS_SIGNALS_H
#define VUS_SIGNALS_H

#include "loop.h"

struct signals {
	struct loop *loop;
	void (*stop)(void *arg);
	void (*reload)(void *arg);
	void *arg;
	struct loop_fd source;
};

/* Keeps them from every thread that is made from now on; SIGPIPE is ignored. Before any thread is made. */
void signals_block(void);
/* `signals` has loop, stop, reload and arg filled in. 0 or -errno. */
int signals_start(struct signals *signals) RUNS_ON(control_thread);
void signals_stop(struct signals *signals) RUNS_ON(control_thread);

#endif
