/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_session.h: the inside of a vhu_device: its state, and how a message becomes a change and an answer.
 *
 * vhu_device.c is its life, vhu_session.c the conversation, vhu_request.c what each request does. A request is handled
 * at once; what takes longer (a ring that leaves, a region being unmapped) is a pending step (vhu_pending.h). While there
 * is one the conversation is suspended; when there is none rings that can run are run, and the request is answered.
 * The end of a conversation is the same without an answer: rings leave, memory goes, and the device is IDLE.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_SESSION_H
#define VUS_VHU_SESSION_H

#include "disposal.h"
#include "log.h"
#include "stall.h"
#include "vhu_connection.h"
#include "vhu_datapath.h"
#include "vhu_device.h"
#include "vhu_endpoint.h"
#include "vhu_journal.h"
#include "vhu_log.h"
#include "vhu_mapper.h"
#include "vhu_pending.h"
#include "vhu_postcopy.h"
#include "vhu_regions.h"
#include "vhu_ring.h"

enum vhu_session_state {
	VHU_IDLE,    /* no front end */
	VHU_TALKING, /* one is connected */
	VHU_CLOSING, /* it is gone; rings and memory are on their way out */
};

/* The answer of the request that was handled last. */
struct vhu_reply {
	uint32_t size;
	union vhu_payload payload;
	int fd; /* goes with it, and is closed then; -1: none */
};

struct vhu_device {
	struct loop *loop;
	const struct vhu_events *events;
	void *owner;
	char *name;
	unsigned int queue_pairs, rings_n;
	struct vhu_endpoint endpoint;
	struct disposal_account *account; /* calls on what front ends of this port have given */

	enum vhu_session_state state;
	struct vhu_connection connection;
	int peer_pidfd; /* the process that connected, -1: unknown */

	bool offloads;	   /* are offered */
	bool control_queue;
	uint64_t features; /* agreed */
	bool features_set;
	uint64_t protocol_features;
	uint64_t device_status;
	uint16_t mtu;
	struct vhu_regions regions;
	struct vhu_mapper mapper;     /* of the one request that is having its files mapped */
	struct vhu_message bringing;  /* ... that request, and its descriptors */
	enum vhu_error refusal;	      /* ... and why it is refused, while what was mapped is unmapped */
	bool arriving;		      /* ... and whether it came between POSTCOPY_LISTEN and END */
	struct vhu_log dirty;	      /* what a migration has to send again */
	struct vhu_log_base log_base; /* as it was last given */
	const struct vhu_datapath *datapath; /* of rings that start now, and of the memory */
	struct vhu_postcopy postcopy;
	struct vhu_journal journal;

	struct vhu_pending pending;
	uint64_t asked_ns; /* when the turn began in which the last request came */
	bool answer_due; /* `request` is to be answered when nothing is pending */
	struct vhu_header request;
	unsigned int request_ring;
	struct rcu_wait close_wait;

	struct stall_account stall; /* what its objects cost the lcores */
	struct stall_meter meter;   /* what its interrupts do, not yet in the account */
	uint64_t connections, replaced, messages;
	char last_error[256];
	struct log_limit log;
	bool migrates, arrives; /* what vhu_monitor.h has told of the guest */

	bool destroying;
	bool returns; /* ... and the journal stays for the next process */
	void (*gone)(void *arg);
	void *gone_arg;

	struct vhu_ring ring[]; /* [rings_n] */
};

/* What a request does: `handle` changes the device (NULL: nothing), `mapped` does so once the files are mapped that `handle`
 * began to map (vhu_session_map()), `answer` fills in the value that is asked for (NULL: the request has an acknowledgement
 * only) once nothing is pending. */
struct vhu_request_ops {
	enum vhu_error (*handle)(struct vhu_device *device, struct vhu_message *msg,
				 struct fail *fail);
	enum vhu_error (*mapped)(struct vhu_device *device, struct vhu_message *msg,
				 struct fail *fail);
	void (*answer)(struct vhu_device *device, unsigned int ring, struct vhu_reply *reply);
};
extern const struct vhu_request_ops vhu_requests[VHU_REQUESTS];

extern const struct vhu_connection_events vhu_session_connection_events;
extern const struct vhu_regions_events vhu_session_regions_events;
extern const struct vhu_ring_events vhu_session_ring_events;

/* A front end is there: the descriptor is the session's. The device is IDLE. */
void vhu_session_begin(struct vhu_device *device, int fd) RUNS_ON(control_thread);
/* Hangs up, if there is a connection: `why` is reported and kept unless it is an orderly end. */
void vhu_session_end(struct vhu_device *device, const char *why, bool orderly)
	RUNS_ON(control_thread);
/* Whether the process that connected has ended, although its connection has not. */
bool vhu_session_peer_died(const struct vhu_device *device);

/* A request cannot be done: it is answered so, or the conversation ends. */
void vhu_session_refuse(struct vhu_device *device, const struct vhu_header *request, enum vhu_error error,
			const char *text) RUNS_ON(control_thread);

/* vhu_session_memory.c: has the files of a message mapped, one for each of these n regions. Pending until then; then `mapped`
 * of the request is called, with the message and its descriptors as they came. Ownership: takes the descriptors. */
enum vhu_error vhu_session_map(struct vhu_device *device, struct vhu_message *msg,
			       const struct vhu_memory_region *regions, uint32_t n, struct fail *fail)
	RUNS_ON(control_thread);
/* What a failed change of memory is to its front end. */
enum vhu_error vhu_error_of(int error);

/* A step has ended: if none is pending the conversation goes on. */
void vhu_session_go_on(struct vhu_device *device) RUNS_ON(control_thread);

static inline struct vhu_device *vhu_device_of_ring(struct vhu_ring *ring)
{
	return container_of(ring - ring->index, struct vhu_device, ring[0]);
}

/* The rings that are started, one bit each. */
uint32_t vhu_session_started(const struct vhu_device *device);
/* Without VHOST_USER_F_PROTOCOL_FEATURES there is no SET_VRING_ENABLE: a started ring is enabled. */
bool vhu_session_ring_enabled(const struct vhu_device *device, const struct vhu_ring *ring);

/* vhu_device.c: the virtio features that this device offers. */
uint64_t vhu_device_offers(const struct vhu_device *device);

/* vhu_device.c: a write to a descriptor of this ring waited. Hangs up, and accepts no connection for a while: who does that
 * would do it again. */
void vhu_device_cut_off(struct vhu_device *device, unsigned int index) RUNS_ON(control_thread);

/* vhu_device.c: the conversation is over and everything is given back. */
void vhu_device_idle(struct vhu_device *device) RUNS_ON(control_thread);

#endif
