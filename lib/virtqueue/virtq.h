/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq.h: one virtqueue, seen from the device: its geometry, its place in the ring, its state of health.
 *
 * Three owners, three groups of fields. The geometry (`struct virtq_conf`: size, addresses, negotiated format, call
 * descriptor) is immutable and published by control through one RCU pointer; NULL means that the queue is not to be
 * touched: never started, stopped, or paused because its memory is away. The position (`struct virtq_dp`) belongs to
 * the lcore that polls or fills the queue, and to control while no geometry is published and every lcore has passed. Counters
 * have the same writer and may be read by anyone.
 *
 * The geometry is checked as a whole when it is made, the only place where it is accepted; what the guest writes into
 * the ring is checked descriptor by descriptor. The first thing wrong with a ring breaks it: `fault` is set, nothing
 * is read from it or written to it any more, and a reset (a new virtq_start()) revives it. Control notices the fault,
 * tells the front end through the error descriptor, and logs it once.
 *
 * virtio 1.2, 2.6 and 2.7. A descriptor ring is named by the front end's virtual addresses; it must lie in one region
 * per part.
 *
 * Units: descriptors for sizes and indexes, bytes for lengths.
 *
 * Context: control starts and stops a queue; one lcore at a time has its position.
 */
#ifndef VUS_VIRTQ_H
#define VUS_VIRTQ_H

#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "burst_turn.h"
#include "lines.h"
#include "mem_map.h"
#include "rcu.h"
#include "role.h"
#include "stall.h"
#include "virtq_record.h"

/* Why a ring is broken. Names for people: virtq_fault_text(). */
enum virtq_fault {
	VIRTQ_OK,
	VIRTQ_FAULT_AVAIL_INDEX, /* the available index moved by more than the ring holds (V5) */
	VIRTQ_FAULT_HEAD,	 /* a head index beyond the ring (V3) */
	VIRTQ_FAULT_NEXT,	 /* a next index beyond its table (V3) */
	VIRTQ_FAULT_LOOP,	 /* more descriptors than the ring has (V1) */
	VIRTQ_FAULT_INDIRECT,	 /* an indirect table not negotiated, nested, of odd size or too long (V4) */
	VIRTQ_FAULT_ADDRESS,	 /* a buffer outside of the guest's memory (T7, V6) */
	VIRTQ_FAULT_DIRECTION,	 /* device-writable where it must be readable, or the reverse */
	VIRTQ_FAULT_PIECES,	 /* more pieces of memory than BURST_SPANS (V2) */
	VIRTQ_FAULT_CALL,	 /* its interrupt descriptor made the thread that wrote it wait (L5): the front end's doing */
	VIRTQ_FAULTS,
};

/* What control knows of a ring and the lcores need: immutable once published. */
struct virtq_conf {
	uint16_t size;		/* a power of two, unless the ring is packed */
	bool packed;		/* VIRTIO_F_RING_PACKED; the parts are then: */
	uint8_t header_len;	/* bytes of the virtio-net header: 12 with VERSION_1 or MRG_RXBUF, else 10 */
	bool event_idx;		/* VIRTIO_RING_F_EVENT_IDX */
	bool indirect;		/* VIRTIO_RING_F_INDIRECT_DESC */
	bool mergeable;		/* VIRTIO_NET_F_MRG_RXBUF */
	uint64_t features;	/* all that was agreed upon */
	int call_fd;		/* the guest's interrupt, or -1: none wanted. Owned by the device */
	struct vring_desc *desc;   /* packed: the ring */
	struct vring_avail *avail; /* packed: what the driver says of interrupts */
	struct vring_used *used;   /* packed: what we say of kicks */
	uint16_t *used_event;	/* end of avail: when the driver wants an interrupt */
	uint16_t *avail_event;	/* end of used: when we want a kick */
	bool log_used;		/* a migration logs the used ring too, at: */
	uint64_t used_gpa, desc_gpa;
};

/* Position in the ring, and what the writer of this queue remembers from burst to burst. */
struct virtq_dp {
	/* Split: indexes; packed: places (virtq_packed.h), and the next entry of either is one of the ring. */
	uint16_t last_avail;	/* next entry of the available ring to take */
	uint16_t last_used;	/* next entry of the used ring to write; runs ahead of `published` inside a burst */
	uint16_t published;	/* the used index the guest sees */
	uint16_t avail_seen;	/* the available index when it was last read */
	uint16_t signalled;	/* used index at the last interrupt decision */
	bool signalled_valid;	/* false after a (re)start: the next burst interrupts whatever the guest asked */
	uint16_t list, pushed;	/* packed: where the record's list begins, and how many of it are to be published */
	uint16_t last_chain;	/* packed: where the last chain returned began, and its id */
	uint16_t last_id;
	bool packed;
	bool fresh;		/* the place is still to be found in the ring (at the first use) */
	bool kicks_wanted;	/* as last written for the guest */
	bool aside;		/* the last burst is set aside: its chains are in hand (virtio_net's) */
	bool resumes;		/* fresh, and the record is about this ring: `found` is what it said */
	/* Chains in hand whose bodies devices may be reading (virtio_net's): the number of the oldest, and of the next
	 * one that will be taken; the same: none. */
	uint16_t window_first, window_next;
	uint64_t found;
	struct virtq_record *record; /* the queue's */
	struct mem_hint hint;	/* where its buffers were */
};

/* One writer: the lcore that has the position. */
struct virtq_counters {
	_Atomic uint64_t frames;
	_Atomic uint64_t interrupts;
	_Atomic uint64_t full; /* bursts to the guest that ran out of buffers */
	_Atomic uint64_t zero_copy; /* frames whose bodies were there for devices to read */
	_Atomic uint64_t given_up; /* chains returned although a device had not given them back in time */
};

struct frame_refs;

struct virtq {
	RCU_PTR(const struct virtq_conf) conf;
	const struct mem_table *memory; /* the device's; set once */
	_Atomic int fault;		/* enum virtq_fault; the thread that has the position writes it, a start clears it */
	/* References to bodies (frame_ref.h), of from_guest queues. Control sets `draining`: no new chain is taken. The lcore
	 * that has the position sets `referenced`: chains are in hand after complete(). */
	_Atomic bool draining, referenced;
	struct frame_refs *refs;	/* NULL: every body is copied; set once */
	struct burst_turn turn;		/* to-guest queues */
	struct virtq_record *record;	/* its place in the port's journal, or `own`; set once */
	struct stall_meter *meter;	/* the device's: what slow interrupts are charged to; NULL: nobody; set once */
	_Atomic uint32_t spare_ns;	/* that an interrupt may take beyond what is usual and is not charged */
	_Alignas(64) struct virtq_dp dp OWNED_BY(lcore_thread);
	_Alignas(64) struct virtq_counters counters;
	_Alignas(64) struct virtq_record own;
};
BEGINS_A_LINE(struct virtq, dp);
BEGINS_A_LINE(struct virtq, counters);
BEGINS_A_LINE(struct virtq, own);
WHOLE_LINES(struct virtq);

/* What a front end says of a ring before it runs. */
struct virtq_setup {
	uint16_t size;
	uint64_t desc_uva, avail_uva, used_uva;
	uint64_t features; /* virtio feature bits agreed upon */
	bool log_used;	   /* VHOST_VRING_F_LOG: the used ring is logged at `used_gpa` */
	uint64_t used_gpa; /* log_guest_addr */
	int call_fd;
};

/* `record` outlives the queue; NULL: there is no journal. */
void virtq_init(struct virtq *q, const struct mem_table *memory, struct virtq_record *record)
	RUNS_ON(control_thread);

/* A geometry ready to be published: NULL and errno EINVAL (size 0, not a power of two, too large; a part misaligned),
 * EFAULT (a part not inside one region of `map`), ENOMEM. To be freed by rcu_free() once published, else free(). */
struct virtq_conf *virtq_conf_create(const struct virtq_setup *setup, const struct mem_map *map);
/* The same ring with another interrupt descriptor. */
struct virtq_conf *virtq_conf_with_call(const struct virtq_conf *conf, int call_fd);
/* The same ring, its used part logged or not. */
struct virtq_conf *virtq_conf_with_log(const struct virtq_conf *conf, bool log_used,
				       uint64_t used_gpa);

/* Begins anew with no fault: the queue must be unpublished and passed. `base` is SET_VRING_BASE's: of a split ring the next
 * entry of the available ring; of a packed one the next available place, and in the upper half the next to be used
 * (0: the same). */
void virtq_start(struct virtq *q, const struct virtq_conf *conf, uint32_t base)
	RUNS_ON(control_thread);
/* The same for a ring that the record is about: it begins where the record and the ring together say. */
void virtq_resume(struct virtq *q, const struct virtq_conf *conf, uint32_t base)
	RUNS_ON(control_thread);
/* Replaces the geometry (or withdraws it: NULL) and keeps the position. Returns the one before, which is to be freed
 * after every lcore has passed. */
const struct virtq_conf *virtq_publish(struct virtq *q, const struct virtq_conf *conf)
	RUNS_ON(control_thread);
/* Where it stands, as GET_VRING_BASE reports it: of a queue that is unpublished and passed. */
uint32_t virtq_position(const struct virtq *q) RUNS_ON(control_thread);

/* "descriptor loop", "buffer outside of guest memory", ... */
const char *virtq_fault_text(enum virtq_fault fault);

/* Whether chains are in hand that devices may be reading.
 * Context: any thread; certain once every lcore has passed since `draining` was set. */
static inline bool virtq_is_referenced(const struct virtq *q)
{
	/* Pairs with set_referenced(): what was in hand has been given back. */
	return atomic_load_explicit(&q->referenced, memory_order_acquire);
}

static inline enum virtq_fault virtq_fault(const struct virtq *q)
{
	return (enum virtq_fault)atomic_load_explicit(&q->fault, memory_order_relaxed);
}

#endif
