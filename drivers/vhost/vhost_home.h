/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_home.h: the NUMA node on which a guest's memory lies, and the port's own memory beside it.
 *
 * On a machine with several nodes a port whose rings run looks now and then: at the pages of its rings, and at some of all
 * other guest memory. Only what our address space has already counts, and nothing is brought in or touched: the kernel is
 * asked where pages lie, on a disposal thread of the port's account. The node of most of them is the port's home. What
 * lies elsewhere of the memory that the port itself is made of moves there, and lcores of that node poll its queues. A queue
 * whose rings lie elsewhere than most of the guest's memory is placed by its rings.
 *
 * The first look comes VHOST_HOME_FIRST_NS after a ring began to run, when an lcore has read it; each further one after twice
 * the time, up to VHOST_HOME_LAST_NS, since memory of guests is moved, too. A machine with one node has none of this.
 *
 * Context: control thread.
 * Ownership: a look that is being made when its port goes is freed when it comes back, and nobody hears of it.
 */
#ifndef VUS_VHOST_HOME_H
#define VUS_VHOST_HOME_H

#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "loop.h"
#include "node.h"
#include "role.h"

struct vhost_look;
struct vhost_port;

#define VHOST_HOME_FIRST_NS (100 * NS_PER_MS)
#define VHOST_HOME_LAST_NS (60 * NS_PER_S)

/* As the last look found it. */
struct vhost_home {
	int node;		    /* NODE_UNKNOWN: not known yet */
	int own;		    /* where the port's own memory lies; NODE_UNKNOWN: in several places */
	unsigned int looked, there; /* at so many pages of the guest's, of which so many lay at home */
	struct loop_timer timer;    /* for the next one */
	uint64_t next_ns;	    /* ... and how long it was waited for it */
	struct vhost_look *look;    /* being made; NULL: none */
	uint64_t looks;
	int error; /* of the last one */
};

void vhost_home_init(struct vhost_port *vhost) RUNS_ON(control_thread);
/* A ring runs. */
void vhost_home_begin(struct vhost_port *vhost) RUNS_ON(control_thread);
/* The port goes. */
void vhost_home_end(struct vhost_port *vhost) RUNS_ON(control_thread);
/* "node 1 (70 of 72 pages that were looked at); the switch's own for it: node 1". */
void vhost_home_describe(const struct vhost_port *vhost, char *text, size_t size) RUNS_ON(control_thread);

/* The node on which most of these pages lie; `now` unless another one has half as many again. NODE_UNKNOWN: of none of them
 * it is known.
 * Context: any thread. */
int vhost_home_of(const int *node, unsigned int n, int now);

#endif
