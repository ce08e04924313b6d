/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_datapath.h: what moves the frames of a device's rings: the lcores of this process, or a postcopy lane.
 *
 * The session and the rings decide what is to be: a ring runs or stops, it gets another call descriptor, memory comes or
 * goes. A data path carries it out, as a vDPA device does behind the kernel's struct vdpa_config_ops. What takes time it
 * begins as a step (vhu_pending.h); when the step is done it ends it and says so with vhu_ring_events.settled or
 * vhu_session_go_on().
 *
 * A device has one data path for what begins now; a ring keeps the one it was started with until it is IDLE again.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_DATAPATH_H
#define VUS_VHU_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "fail.h"
#include "vhu_message.h"

struct vhu_device;
struct vhu_ring;
struct virtq_conf;
struct virtq_setup;

struct vhu_datapath {
	/* It reads and writes the guest's memory through the mappings of this process. */
	bool in_process;

	/* --- one ring (vhu_ring.h) ---------------------------------------------------------------------------------- */

	/* An IDLE ring runs from now on. Ownership: `conf` is the data path's. */
	void (*ring_start)(struct vhu_ring *ring, const struct virtq_setup *setup, struct virtq_conf *conf);
	/* A RUNNING ring is LEAVING: once nothing uses it any more, vhu_ring_left() and then `settled`. */
	void (*ring_stop)(struct vhu_ring *ring);
	/* A RUNNING ring gets this call descriptor (-1: none). Ownership: it is the ring's, and the one before is closed
	 * when nothing writes to it any more. */
	void (*ring_set_call)(struct vhu_ring *ring, int fd);
	/* Whether the used part of a RUNNING ring is logged has changed. */
	void (*ring_set_log)(struct vhu_ring *ring);

	/* --- memory, which is mapped here by vhu_regions.h in any case ---------------------------------------------- */

	/* These n regions have been added by `msg`; 0: the region is there already. */
	enum vhu_error (*map)(struct vhu_device *device, const struct vhu_message *msg,
			      const struct vhu_memory_region *regions, uint32_t n, struct fail *fail);
	/* This region is being removed. */
	void (*unmap)(struct vhu_device *device, const struct vhu_memory_region *region);
	/* Another table is about to replace all regions. */
	enum vhu_error (*unmap_all)(struct vhu_device *device);
};

extern const struct vhu_datapath vhu_datapath_lcores; /* vhu_datapath_lcores.c */
extern const struct vhu_datapath vhu_datapath_lane;   /* vhu_datapath_lane.c */

#endif
