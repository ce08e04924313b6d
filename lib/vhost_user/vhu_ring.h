/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_ring.h: what control knows of one virtqueue: what the front end said about it, and whether lcores have it.
 *
 * A ring is started by its kick descriptor and stopped by GET_VRING_BASE. In between lcores have it (RUNNING) while it
 * is enabled and its three parts lie in the guest's memory; otherwise it is IDLE, keeps its place, and runs again when
 * that changes. A transmit queue of the guest that is disabled runs too, but what comes from it is discarded. Geometry
 * is accepted here and nowhere else, as a whole, when the ring is handed to the lcores.
 *
 * A data path (vhu_datapath.h) moves its frames: the lcores, or a postcopy lane. It is chosen when the ring is started and
 * stays the ring's until it is IDLE again.
 *
 * Withdrawing takes time (LEAVING). By lcores: the owner is told first (it takes the ring out of its poll sets), the
 * geometry stays published until every lcore has passed, and only then `settled` is called and position and descriptors
 * are ours again. Before that, a ring whose chains a NIC may be reading is drained: its lcore takes no more of them and
 * gives back what is in hand, which takes it FRAME_REF_LIMIT_MS at most.
 * All of this counts as pending (vhu_pending.h), so the conversation is suspended meanwhile, and requests find a ring
 * IDLE or RUNNING and nothing in between.
 *
 * Descriptors given to a ring are its own. Only eventfds are accepted and made non-blocking: an lcore writes to one of
 * them (L5). Nothing here touches guest memory.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_RING_H
#define VUS_VHU_RING_H

#include "fail.h"
#include "loop.h"
#include "role.h"
#include "vhu_datapath.h"
#include "vhu_pending.h"
#include "virtq.h"

struct vhu_ring;

struct vhu_ring_events {
	/* Lcores may use the ring from now on, or must leave it. */
	void (*ready)(struct vhu_ring *ring, bool ready);
	/* The kick descriptor of a ring about to be ready; or -1: it is not used any more and may be closed next. */
	void (*kick)(struct vhu_ring *ring, int fd);
	/* A step that was pending for the ring has ended. */
	void (*settled)(struct vhu_ring *ring);
	/* A write to its call descriptor waited, and was broken off (poke.h). */
	void (*held_up)(struct vhu_ring *ring);
};

enum vhu_ring_state { VHU_RING_IDLE, VHU_RING_RUNNING, VHU_RING_LEAVING };

struct vhu_ring {
	struct virtq q; /* lcores' */
	const struct vhu_ring_events *events;
	struct vhu_pending *pending; /* the device's */
	const struct vhu_datapath *datapath; /* the owner sets it while the ring is IDLE */
	unsigned int index;
	enum vhu_ring_state state;

	/* As the front end said. */
	uint16_t size; /* 0: not yet */
	uint32_t reported; /* the base it gave last: by that it is known in the journal */
	uint32_t base; /* where it begins, or where it stopped */
	bool addressed;
	uint64_t desc, avail, used; /* the front end's addresses */
	bool log_used;		    /* a migration logs the used ring, at this guest address: */
	uint64_t used_gpa;
	bool enabled;
	bool started;
	int kick_fd, call_fd, err_fd; /* -1: none */

	const void *part[3]; /* RUNNING: where its descriptor, available and used parts are mapped here */
	bool discards;	 /* RUNNING, but disabled: what the guest sends is to be thrown away */
	bool begun;	 /* the position in q counts, not `base` */
	bool moved_kick; /* kick_next replaces kick_fd when the lcores have left */
	int kick_next;
	bool resets;	 /* LEAVING, and then as if it had never been started */
	bool broken_reported;
	bool held_up;	 /* a write to its error descriptor waited, and was broken off (poke.h) */

	/* vhu_datapath_lcores.c's. */
	struct loop *loop;
	bool unpolled;	 /* its owner has taken it from the lcores for good: none of them gives back what is in hand */
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
		   const struct vhu_ring_events *events)
	RUNS_ON(control_thread);
/* Everything the front end said is forgotten and its descriptors closed. The ring is IDLE. */
void vhu_ring_forget(struct vhu_ring *ring);

/* Hands the ring to its data path: 0; -EFAULT (no part of it is lost: it waits for its memory), -EINVAL or -ENOMEM with a
 * line in `fail`. The ring is IDLE, has a size and addresses. */
int vhu_ring_run(struct vhu_ring *ring, uint64_t features, const struct mem_map *map,
		 struct fail *fail) RUNS_ON(control_thread);
/* Withdraws a RUNNING ring, of another nothing; pending until `settled` follows. */
void vhu_ring_leave(struct vhu_ring *ring) RUNS_ON(control_thread);
/* For data paths: nothing uses the ring any more, it stopped at `base` and is IDLE. No event. */
void vhu_ring_left(struct vhu_ring *ring, uint32_t base) RUNS_ON(control_thread);
/* Ends it for good: the place is kept as `base`, addresses, kick and call descriptors are dropped; size, error
 * descriptor and `enabled` stay. The ring is IDLE. */
void vhu_ring_stop(struct vhu_ring *ring);

/* The front end begins anew with a started ring: it is stopped, and its place is forgotten in the journal as well. Pending
 * if it is RUNNING. */
void vhu_ring_reset(struct vhu_ring *ring) RUNS_ON(control_thread);

/* The front end knows where it stands, or resets it: the journal is not asked. */
void vhu_ring_close_record(struct vhu_ring *ring) RUNS_ON(control_thread);

/* Whether [host, host + size) holds a part of a RUNNING ring. */
bool vhu_ring_in(const struct vhu_ring *ring, const uint8_t *host, uint64_t size);

/* -EINVAL unless it is an eventfd, which becomes non-blocking. -1 is fine. */
int vhu_ring_check_fd(int fd);

/* New descriptors (-1: none), checked. A RUNNING ring takes a new kick by leaving and running again. A new call descriptor
 * is swapped in place, and nothing waits for lcores to leave the old one: it is closed later, unless too many of them
 * wait for that. */
void vhu_ring_set_kick(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);
void vhu_ring_set_call(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);
void vhu_ring_set_err(struct vhu_ring *ring, int fd);

/* Whether the used ring is logged; pending until every lcore knows. */
void vhu_ring_set_log(struct vhu_ring *ring, bool log_used, uint64_t used_gpa)
	RUNS_ON(control_thread);

/* Rings the error descriptor, if there is one. */
void vhu_ring_signal_error(struct vhu_ring *ring);

#endif
