/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_device.h: a vhost-user back end: one virtio-net device that a front end (QEMU, virtio-user, ...) drives over a
 * socket.
 *
 * It owns the socket (listens, or connects and retries), the conversation, the guest's memory and the device's
 * virtqueues, and publishes the last two to the lcores by RCU. It knows no port, no bridge and no other device: what
 * its owner has to know comes through `struct vhu_events`.
 *
 * Nothing blocks: a request whose answer depends on the lcores (GET_VRING_BASE, REM_MEM_REG, ...) suspends this one
 * conversation until they have passed, and no other (M13). Guest memory is never touched.
 *
 * The memory table lives as long as the connection: ring stop, RESET_DEVICE and STATUS 0 keep it. Losing the connection
 * withdraws the rings, waits for the lcores, unmaps, and starts over: listening, or connecting.
 *
 * vhost-user specification (QEMU docs/interop/vhost-user.rst); docs/protocol.md lists what is offered.
 *
 * Context: control thread, in the event loop.
 */
#ifndef VUS_VHU_DEVICE_H
#define VUS_VHU_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "disposal.h"
#include "fail.h"
#include "loop.h"
#include "mem_map.h"
#include "node.h"
#include "rights.h"
#include "role.h"
#include "stall.h"
#include "vhu_pending.h"
#include "vhu_stall.h"
#include "virtq.h"
#include "vus_limits.h"

struct lane_link;
struct rcu_scope;
struct vhu_device;

enum vhu_mode { VHU_SERVER, VHU_CLIENT };

struct vhu_config {
	const char *name;   /* for log lines; copied */
	const char *socket; /* path; copied */
	enum vhu_mode mode;
	struct rights rights;	  /* of the socket, VHU_SERVER */
	unsigned int queue_pairs; /* offered: 1 to VHOST_QUEUE_PAIRS_MAX */
	bool postcopy_off;	  /* postcopy migration is not offered, though it were possible */
	bool offloads_off;	  /* nor checksum and segmentation offloads */
	bool control_queue_off;	  /* nor what comes with a control queue (vhu_feature.h); one queue pair */
	struct rcu_scope *scope; /* of what lcores read of the device; NULL: any lcore can. The owner's, and outlives it */
	struct stall_bound stall[STALL_KINDS]; /* how long its objects may hold lcores */
	const char *journal; /* the folder of journals (vhu_journal.h), or NULL; copied */
};

/* What the device reports to its owner, on the control thread. `index` is a ring: 2i is receive queue i of the guest (to_guest),
 * 2i + 1 its transmit queue i (from_guest). */
struct vhu_events {
	/* A ring is ready (started, enabled, its memory present: lcores may use it) or no longer, which the owner acts
	 * upon here and now. A burst that begins after this call finds nothing in it; one under way ends as it began,
	 * and the device waits for that. A from_guest ring may be there to be discarded only
	 * (vhu_device_ring_discards()). */
	void (*ring)(void *owner, unsigned int index, bool ready);
	/* NET_SET_MTU: the largest payload of an Ethernet frame, in bytes; 0: back to not said. */
	void (*mtu)(void *owner, uint16_t mtu);
	/* SEND_RARP: announce this address (F11). */
	void (*rarp)(void *owner, const uint8_t mac[6]);
	/* The front end is gone. */
	void (*gone)(void *owner);
	/* A descriptor that lcores may sleep on is coming (add) or going: the guest's kick eventfd of a from_guest
	 * ring. Going means: it will be closed after this call. */
	void (*kick)(void *owner, unsigned int index, int fd);
	/* Frames go through this link from now on, both ways, whatever rings there are: true, and it is the owner's
	 * (lane_link.h). False: the owner has not let go of the one before. */
	bool (*lane)(void *owner, struct lane_link *link);
	/* No frame comes out of the link any more. Orderly: the lane's process is gone, the rings come back, and what is
	 * still on its way to the guest is the owner's to deliver. Otherwise the migration broke off. */
	void (*lane_ended)(void *owner, bool orderly);
};

/* For `vusctl port`: a snapshot in numbers and words. */
struct vhu_status {
	bool connected;
	char state[512];	 /* "waiting: no listener at PATH (ECONNREFUSED), last try 0.4 s ago", "running", ... */
	uint64_t features;	 /* agreed virtio features */
	uint64_t protocol_features;
	unsigned int slots_used; /* memory regions */
	uint64_t memory_bytes;
	unsigned int queue_pairs; /* offered */
	unsigned int rings_ready;
	uint64_t connections;	 /* since the start */
	uint64_t refused;	 /* connections turned away: one was already there */
	uint64_t replaced;	 /* connections ended because another came and they were dead or mute */
	uint64_t messages;	 /* of all connections */
	struct vhu_pending pending; /* what the conversation waits for */
	struct disposal_stats calls; /* on what its front ends gave */
	struct disposal_stats calls_refused; /* and on the connections that were turned away */
	const char *waiting;	 /* the request that is answered after that, or NULL */
	struct vhu_stalls stalls;
	char postcopy[320];	 /* "offered", "off: ...", "not offered: ...", "memory is arriving: ..." */
	bool arriving;		 /* its memory is, or a lane still has its rings (postcopy) */
	char last_error[256];	 /* why the last connection ended badly, or empty */
};

/* Starts listening or connecting. 0 or -errno with a line in `fail` (a path in use, a folder missing, ...). */
int vhu_device_create(struct loop *loop, const struct vhu_config *config,
		      const struct vhu_events *events, void *owner, struct vhu_device **device,
		      struct fail *fail) RUNS_ON(control_thread);

/* Server: the socket file's rights, from now on; who is connected stays. 0 or -errno with a line in `fail`. */
int vhu_device_set_rights(struct vhu_device *device, const struct rights *rights, struct fail *fail)
	RUNS_ON(control_thread);

/* How long its objects may hold lcores, from now on. */
void vhu_device_set_stall_bounds(struct vhu_device *device, const struct stall_bound bound[STALL_KINDS])
	RUNS_ON(control_thread);

/* Ends the conversation, withdraws rings and memory, removes the socket file and, unless it `returns` with the next
 * process, the journal; `gone` is called from the loop once nothing is left, lcores included. */
void vhu_device_destroy(struct vhu_device *device, bool returns, void (*gone)(void *arg), void *arg)
	RUNS_ON(control_thread);

/* What calls on this port's front ends' descriptors are charged to. */
struct disposal_account *vhu_device_account(const struct vhu_device *device);

/* The guest's memory, or NULL. */
const struct mem_map *vhu_device_memory(const struct vhu_device *device) RUNS_ON(control_thread);
/* The memory of ours that the device is made of (node.h): how many pieces. */
enum { VHU_DEVICE_SPANS = 1 + VHOST_QUEUE_PAIRS_MAX };
unsigned int vhu_device_own(const struct vhu_device *device, struct node_span span[VHU_DEVICE_SPANS])
	RUNS_ON(control_thread);

/* The ring, for the data path: valid as long as the device. index < 2 * queue_pairs. */
struct virtq *vhu_device_virtq(struct vhu_device *device, unsigned int index);
bool vhu_device_virtq_ready(const struct vhu_device *device, unsigned int index)
	RUNS_ON(control_thread);
/* The ring is there, but the front end has disabled it: frames are to be taken from it and thrown away. */
bool vhu_device_ring_discards(const struct vhu_device *device, unsigned int index)
	RUNS_ON(control_thread);

/* An lcore reported that this ring broke (virtq_fault()): tells the front end through the error descriptor and logs it,
 * once. */
void vhu_device_ring_broken(struct vhu_device *device, unsigned int index)
	RUNS_ON(control_thread);

/* The lane wrote into its link what makes no sense. */
void vhu_device_lane_broken(struct vhu_device *device) RUNS_ON(control_thread);

unsigned int vhu_device_rings_ready(const struct vhu_device *device) RUNS_ON(control_thread);
/* What it is up to, in words (vhu_status.state); how many rings are ready. */
unsigned int vhu_device_state(const struct vhu_device *device, char *text, size_t size) RUNS_ON(control_thread);
void vhu_device_status(const struct vhu_device *device, struct vhu_status *status)
	RUNS_ON(control_thread);

#endif
