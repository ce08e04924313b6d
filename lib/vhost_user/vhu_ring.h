/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_ring.h: what control knows of one virtqueue: what the front end said about it, and whether lcores have it.
 *
 * A ring is started by its kick descriptor and stopped by GET_VRING_BASE. In between lcores have it (RUNNING) while it
 * is enabled and its three parts lie in the guest's memory; otherwise it is IDLE, keeps its place, and runs again when
 * that changes. A transmit queue of the guest that is disabled runs too, but what comes from it is discarded. Geometry
 * is accepted here and nowhere else, as a whole, when the ring is handed to the lcores.
 *
 * Withdrawing takes time: the owner is told first (it takes the ring out of its poll sets), the geometry stays published
 * until every lcore has passed (LEAVING), and only then `settled` is called and position and descriptors are ours again.
 * Before that, a ring whose chains a NIC may be reading is drained: its lcore takes no more of them and gives back what
 * is in hand, which takes it HOLD_LIMIT_MS at most.
 * The conversation is suspended meanwhile, so requests find a ring IDLE or RUNNING and nothing in between.
 *
 * Descriptors given to a ring are its own. Only eventfds are accepted and made non-blocking: an lcore writes to one of
 * them (L5). Control thread only; nothing here touches guest memory.
 */
#ifndef VUS_VHU_RING_H
#define VUS_VHU_RING_H

#include "fail.h"
#include "loop.h"
#include "role.h"
#include "virtq.h"

struct vhu_ring;

struct vhu_ring_events {
	/* Lcores may use the ring from now on, or must leave it. */
	void (*ready)(struct vhu_ring *ring, bool ready);
	/* The kick descriptor of a ring about to be ready; or -1: it is not used any more and may be closed next. */
	void (*kick)(struct vhu_ring *ring, int fd);
	/* A withdrawal or a change in place is through. */
	void (*settled)(struct vhu_ring *ring);
	/* A write to its call descriptor waited, and was broken off (poke.h). */
	void (*held_up)(struct vhu_ring *ring);
	/* The same for a ring that a lane serves (vhu_postcopy.h): begin; leave, which vhu_ring_left() ends; take the
	 * new call descriptor, which is through when the session says so. */
	void (*lane_run)(struct vhu_ring *ring, const struct virtq_setup *setup);
	void (*lane_leave)(struct vhu_ring *ring);
	void (*lane_call)(struct vhu_ring *ring);
};

enum vhu_ring_state { VHU_RING_IDLE, VHU_RING_RUNNING, VHU_RING_LEAVING };

struct vhu_ring {
	struct virtq q; /* lcores' */
	const struct vhu_ring_events *events;
	unsigned int index;
	enum vhu_ring_state state;

	/* As the front end said. */
	uint16_t size; /* 0: not yet */
	uint32_t told; /* the base it gave last: by that it is known in the journal */
	uint32_t base; /* where it begins, or where it stopped */
	bool addressed;
	uint64_t desc, avail, used; /* the front end's addresses */
	bool log_used;		    /* a migration logs the used ring, at this guest address: */
	uint64_t used_gpa;
	bool enabled;
	bool started;
	int kick_fd, call_fd, err_fd; /* -1: none */

	bool in_lane;	 /* a lane serves it, not the lcores; the owner sets it while IDLE */
	const struct virtq_conf *lane_conf; /* where it would lie for us: nothing is published */
	bool discards;	 /* RUNNING, but disabled: what the guest sends is to be thrown away */
	bool begun;	 /* the position in q counts, not `base` */
	bool moved_kick; /* kick_next replaces kick_fd when the lcores have left */
	int kick_next;
	struct loop *loop;
	bool unpolled;	 /* its owner has taken it from the lcores for good: nobody gives back what is in hand */
	struct loop_timer drain_timer;
	bool resets;	 /* LEAVING, and then as if it had never been started */
	bool broken_told;
	bool held_up;	 /* a write to its error descriptor waited, and was broken off (poke.h) */
	struct rcu_wait leave, swap;
	const struct virtq_conf *left_conf; /* of the ring that is being left */
	int left_fd;			    /* and its call descriptor, if there was no memory to swap it */
	const struct virtq_conf *swap_conf; /* the one before a change of what is logged */
	unsigned int swaps;		    /* call descriptors that lcores may still have */
};

/* `record` is the ring's place in the port's journal, or NULL. */
void vhu_ring_init(struct vhu_ring *ring, unsigned int index, const struct mem_table *memory,
		   struct virtq_record *record, const struct vhu_ring_events *events)
	RUNS_ON(control_thread);
/* Everything the front end said is forgotten and its descriptors closed. The ring is IDLE. */
void vhu_ring_forget(struct vhu_ring *ring);

/* Hands the ring to the lcores: 0; -EFAULT (no part of it is lost: it waits for its memory), -EINVAL or -ENOMEM with a
 * line in `fail`. The ring is IDLE, has a size and addresses. */
int vhu_ring_run(struct vhu_ring *ring, uint64_t features, const struct mem_map *map,
		 struct fail *fail) RUNS_ON(control_thread);
/* Withdraws a RUNNING ring; `settled` follows. */
void vhu_ring_leave(struct vhu_ring *ring) RUNS_ON(control_thread);
/* A lane has left the ring at `base`, or exists no more: it is IDLE. No event. */
void vhu_ring_left(struct vhu_ring *ring, uint32_t base) RUNS_ON(control_thread);
static inline bool vhu_ring_in_lane(const struct vhu_ring *ring)
{
	return ring->in_lane && ring->state != VHU_RING_IDLE;
}
/* Ends it for good: the place is kept as `base`, addresses, kick and call descriptors are dropped; size, error
 * descriptor and `enabled` stay. The ring is IDLE. */
void vhu_ring_stop(struct vhu_ring *ring);

/* The front end begins anew with a started ring: it is stopped, and its place is forgotten in the journal as well. True:
 * lcores have it, and `settled` follows. */
bool vhu_ring_reset(struct vhu_ring *ring) RUNS_ON(control_thread);

/* The front end knows where it stands, or resets it: nobody needs to look it up. */
void vhu_ring_close_record(struct vhu_ring *ring) RUNS_ON(control_thread);

/* Whether [host, host + size) holds a part of a RUNNING ring. */
bool vhu_ring_in(const struct vhu_ring *ring, const uint8_t *host, uint64_t size);

/* -EINVAL unless it is an eventfd, which becomes non-blocking. -1 is fine. */
int vhu_ring_check_fd(int fd);

/* New descriptors (-1: none), checked. A RUNNING ring takes a new kick by leaving and running again. A new call descriptor
 * is swapped in place, and nothing waits for the old one to be left: it is closed later, unless too many of them wait for
 * that. True: `settled` follows. */
bool vhu_ring_set_kick(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);
bool vhu_ring_set_call(struct vhu_ring *ring, int fd) RUNS_ON(control_thread);
void vhu_ring_set_err(struct vhu_ring *ring, int fd);

/* Whether the used ring is logged. True: `settled` follows, when every lcore knows. */
bool vhu_ring_set_log(struct vhu_ring *ring, bool log_used, uint64_t used_gpa)
	RUNS_ON(control_thread);

/* Rings the error descriptor, if there is one. */
void vhu_ring_signal_error(struct vhu_ring *ring);

#endif
