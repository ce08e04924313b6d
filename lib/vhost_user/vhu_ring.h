/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_ring.h: what control knows of one virtqueue: what the front end said about it, and whether a data path has it.
 *
 * Started. The front end starts a ring with SET_VRING_KICK and stops it with GET_VRING_BASE (`started`).
 *
 * State. A started ring is RUNNING, which means that its data path (vhu_datapath.h: the lcores, or a postcopy lane) has it, while
 * it is enabled and its three parts lie in the guest's memory. Otherwise it is IDLE and keeps its position, and it runs again
 * from there when that changes. A transmit queue of the guest runs even when it is disabled, but its frames are discarded.
 * vhu_ring_run() checks the geometry as a whole, and nothing else does. The data path changes only while the ring is IDLE.
 *
 * Withdrawing a ring from its data path takes time (LEAVING). From lcores: if a NIC may be reading its chains, the
 * ring is drained first: its lcore takes no more chains and gives back those in hand, within FRAME_REF_LIMIT_MS. Then `ready`
 * tells the owner, which takes the ring out of its poll sets, and the geometry is unpublished. When every lcore has passed, the
 * ring is IDLE, its position and descriptors are control's again, and `settled` is called. All of this counts as pending
 * (vhu_pending.h) and suspends the conversation, so requests find a ring IDLE or RUNNING, never LEAVING.
 *
 * Descriptors given to a ring are its own. Only eventfds are accepted and made non-blocking: an lcore writes to one of
 * them (L5). Nothing here touches guest memory.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_RING_H
#define VUS_VHU_RING_H

#include "disposal.h"
#include "fail.h"
#include "loop.h"
#include "role.h"
#include "vhu_datapath.h"
#include "vhu_pending.h"
#include "vhu_signal.h"
#include "virtq.h"

struct vhu_ring;

struct vhu_ring_events {
	/* Lcores may use the ring from now on, or must leave it. */
	void (*ready)(struct vhu_ring *ring, bool ready);
	/* The kick descriptor of a ring about to be ready; or -1: it is not used any more and may be closed next. */
	void (*kick)(struct vhu_ring *ring, int fd);
	/* A step that was pending for the ring has ended. */
	void (*settled)(struct vhu_ring *ring);
	/* A write to its call or error descriptor blocked and was broken off (poke.h). */
	void (*held_up)(struct vhu_ring *ring);
};

enum vhu_ring_state { VHU_RING_IDLE, VHU_RING_RUNNING, VHU_RING_LEAVING };

struct vhu_ring {
	struct virtq q; /* lcores' */
	const struct vhu_ring_events *events;
	struct vhu_pending *pending; /* the device's */
	struct disposal_account *account; /* the device's: descriptors are closed there */
	const struct vhu_datapath *datapath; /* the owner sets it while the ring is IDLE */
	unsigned int index;
	enum vhu_ring_state state;

	/* As the front end said. */
	uint16_t size; /* 0: not yet */
	uint32_t reported; /* the base it gave last, which identifies the ring in the journal */
	uint32_t base; /* the position: where the ring begins, or where it stopped */
	bool addressed;
	uint64_t desc, avail, used; /* the front end's addresses */
	bool log_used;		    /* a migration logs the used ring, at this guest address: */
	uint64_t used_gpa;
	bool enabled;
	bool started; /* since its kick descriptor came, until it is stopped or reset */
	int kick_fd, call_fd, err_fd; /* -1: none */

	const void *part[3]; /* RUNNING: where its descriptor, available and used parts are mapped here */
	bool discards;	 /* RUNNING, but disabled: the guest's frames are dropped */
	bool begun;	 /* it goes on from the position in q; false: from `base` */
	bool moved_kick; /* LEAVING: kick_next replaces kick_fd when the ring is IDLE */
	int kick_next;
	bool resets;	 /* LEAVING: the ring is reset when it is IDLE */
	bool broken_reported;
	struct vhu_signal call, error; /* writes to its call and error descriptors */

	/* vhu_datapath_lcores.c's. */
	struct loop *loop;
	bool unpolled;	 /* in no poll set for good: no lcore gives back the chains in hand */
	struct loop_timer drain_timer;
	struct rcu_wait leave, swap;
	const struct virtq_conf *left_conf; /* of the ring that is being left */
	int left_fd;			    /* and its call descriptor, if there was no memory to swap it */
	const struct virtq_conf *swap_conf; /* the one before a change of what is logged */
	unsigned int swaps;		    /* call descriptors that lcores may still have */
};

/* `record` is the ring's place in the port's journal, or NULL. */
void vhu_ring_init(struct vhu_ring *ring, unsigned int index, const struct mem_table *memory,
		   struct virtq_record *record, struct vhu_pending *pending,
		   struct disposal_account *account, const struct vhu_ring_events *events)
	RUNS_ON(control_thread);
/* Everything the front end said is forgotten and its descriptors closed. The ring is IDLE. */
void vhu_ring_forget(struct vhu_ring *ring) RUNS_ON(control_thread);

/* Hands an IDLE ring that has a size and addresses to its data path.
 * Returns: 0, and the ring is RUNNING; -EFAULT (it waits for its memory and may be run again), -EINVAL or -ENOMEM with a line in
 * `fail`. */
int vhu_ring_run(struct vhu_ring *ring, uint64_t features, const struct mem_map *map,
		 struct fail *fail) RUNS_ON(control_thread);
/* Withdraws a RUNNING ring: LEAVING and pending until `settled` is called. Does nothing to another. */
void vhu_ring_leave(struct vhu_ring *ring) RUNS_ON(control_thread);
/* For data paths: nothing uses the ring any more; it stopped at `base`. Makes it IDLE. Calls no event. */
void vhu_ring_left(struct vhu_ring *ring, uint32_t base) RUNS_ON(control_thread);
/* Stops an IDLE ring: it is no longer started, and its addresses, kick and call descriptors are dropped. `base`, size, error
 * descriptor and `enabled` stay. */
void vhu_ring_stop(struct vhu_ring *ring) RUNS_ON(control_thread);

/* The front end begins anew with a started ring: stops it, and drops its record in the journal. Pending if it is RUNNING. */
void vhu_ring_reset(struct vhu_ring *ring) RUNS_ON(control_thread);

/* Drops the ring's record in the journal: the front end knows the position, or resets it. */
void vhu_ring_close_record(struct vhu_ring *ring) RUNS_ON(control_thread);

/* Whether the ring is RUNNING and a part of it lies in [host, host + size). */
bool vhu_ring_in(const struct vhu_ring *ring, const uint8_t *host, uint64_t size);

/* -EINVAL unless it is an eventfd, which becomes non-blocking. -1 is fine. */
int vhu_ring_check_fd(int fd);

/* New descriptors (-1: none), checked. A RUNNING ring takes a new kick by leaving and running again. A new call descriptor
 * is swapped in place, and nothing waits for lcores to leave the old one: it is closed later, unless too many of them
 * wait for that. */
void vhu_ring_set_kick(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);
void vhu_ring_set_call(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);
void vhu_ring_set_err(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);

/* Whether the used ring is logged; pending until every lcore knows. */
void vhu_ring_set_log(struct vhu_ring *ring, bool log_used, uint64_t used_gpa)
	RUNS_ON(control_thread);

/* Rings the error descriptor, if there is one. */
void vhu_ring_signal_error(struct vhu_ring *ring) RUNS_ON(control_thread);

#endif
