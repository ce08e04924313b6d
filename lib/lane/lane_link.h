/* SPDX-License-Identifier: BSD-3-Clause */
/* lane_link.h: what the switch and a lane share: two rings of frames, and the lane's counters.
 *
 * A lane (app/lane) is a process that serves one VM's virtqueues while that VM's memory is still arriving from another
 * host: it alone waits for a page that is missing. Frames for the VM go into `to_guest`, what the VM sends comes out of
 * `from_guest`. The memory is a sealed memfd that neither end can shrink under the other.
 *
 * struct lane_link is the switch's end. docs/postcopy.md; L6.
 *
 * Context: control creates and frees it. The lcore that polls the port's first receive queue consumes from_guest; any lcore
 * may produce into to_guest, a burst each (`turn`). When the lane has ended in good order (`ended`), lcores consume
 * what it left in to_guest too, one at a time.
 */
#ifndef VUS_LANE_LINK_H
#define VUS_LANE_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "burst_turn.h"
#include "lane_ring.h"
#include "port_counters.h"

/* The whole of the shared memory. */
struct lane_shared {
	struct lane_shared_ring to_guest, from_guest;
	struct port_counters counters; /* the lane writes what it delivers and drops; believed as far as it goes */
	_Atomic uint32_t len_max;      /* longest frame the guest takes; the switch writes */
};

struct lane_link {
	struct lane_shared *shared;
	int memory_fd; /* of the shared memory: for the lane */
	int wake_fd;   /* an eventfd: the lane writes it when frames come while their lcore sleeps */
	struct lane_consumer from_guest;
	struct burst_turn turn; /* to_guest, or `rest` */
	struct lane_producer to_guest;
	atomic_bool ended;	    /* the lane is gone, and orderly */
	struct lane_consumer rest;  /* once ended: to_guest, from where the lane left off */
	struct burst *rest_burst;
};

/* NULL and errno. May take a moment: the memory is there at once. */
struct lane_link *lane_link_create(void);
/* No lcore can hold it any more. NULL is fine. */
void lane_link_destroy(struct lane_link *link);

/* The lane's process is gone: lcores may take what it has left. No lcore waits for it. */
void lane_link_end(struct lane_link *link);

/* Whether everything the guest sent has been taken and passed on. The lane's process is gone. */
bool lane_link_passed_on(const struct lane_link *link);
/* Whether what it left was delivered, or makes no sense. After lane_link_end(). */
bool lane_link_delivered(const struct lane_link *link);

/* Frames on their way to the guest that the lane has neither delivered nor dropped; from the counters. Control. */
uint64_t lane_link_undelivered(const struct lane_link *link);

#endif
