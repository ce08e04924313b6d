/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_ring.c: what is not of one direction: how a ring that was started begins, breaks, interrupts its guest, and waits while no
 * lcore polls it. */
#include "poke.h"
#include "port_drops.h"
#include "vnet.h"
#include "vnet_private.h"
#include "vnet_window.h"

/* --- its beginning, and its end ---------------------------------------------------------------------------------- */

void vnet_break(struct virtq *q, int fault)
{
	atomic_store_explicit(&q->fault, fault, memory_order_relaxed);
}

static inline __attribute__((always_inline)) bool begin_as(struct virtq *q,
	const struct virtq_view *view, struct port_counters *counters,
	const struct virtq_format *format) RUNS_ON(lcore_thread)
{
	int n;

	view->dp->fresh = false;
	view->dp->kicks_wanted = true;
	n = format->begin(view, counters != NULL);
	if (n < 0) {
		vnet_break(q, -n);
		return false;
	}
	if (counters != NULL)
		count_rx_drop(counters, RX_DROP_RESTART, (uint64_t)n, NULL);
	if (format->publish(view, 0)) {
		count(&q->counters.interrupts, 1);
		vnet_interrupt(q, view);
	}
	format->want_kicks(view, false);
	/* The place in the ring is found, and nothing else that was read for it is used. */
	mem_fetch_begin(counters != NULL ? MEM_FETCH_FROM_GUEST : MEM_FETCH_TO_GUEST);
	return true;
}

bool vnet_begin(struct virtq *q, const struct virtq_view *view, struct port_counters *counters)
{
	return view->conf->packed ? begin_as(q, view, counters, &virtq_packed)
				  : begin_as(q, view, counters, &virtq_split);
}

/* The one system call of the data path, but for what stall_charge() tells control. The descriptor is an eventfd and
 * non-blocking; one that is full means that the interrupt is pending already. One that makes the write wait was made to (L5).
 *
 * A write that takes long wakes very many waiters, or was disturbed: by interrupts of the host, or by a hypervisor that took
 * the CPU and does not tell the kernel. Such things come in proportion to the time that writes take. So one part in
 * INTERRUPT_PART of what the queue's usual writes took is passed over, and the rest is charged (X5). */
void vnet_interrupt(struct virtq *q, const struct virtq_view *view)
{
	enum { INTERRUPT_PART = 4, SPARE_NS = 10000000 };
	uint32_t spare = atomic_load_explicit(&q->spare_ns, memory_order_relaxed);
	uint64_t took;

	if (__builtin_expect(poke_timed(view->conf->call_fd, &took) != 0, 0))
		vnet_break(q, VIRTQ_FAULT_CALL);
	if (__builtin_expect(took <= POKE_LONG_NS, 1)) {
		spare += (uint32_t)took / INTERRUPT_PART;
		atomic_store_explicit(&q->spare_ns, spare < SPARE_NS ? spare : SPARE_NS, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&q->spare_ns, took < spare ? spare - (uint32_t)took : 0, memory_order_relaxed);
	if (took > spare && q->meter != NULL)
		stall_charge(q->meter, STALL_INTERRUPT, took - spare);
}

/* --- a ring that is not polled ------------------------------------------------------------------------------------ */

/* The driver's index, which moves on with the next chain. */
static bool split_watch(const struct virtq_view *view, struct port_word *word)
{
	const uint16_t *at = &view->conf->avail->idx;

	/* Each value is compared with one that led to nothing, and what it says is read anew by receive(). */
	*word = (struct port_word){.at = at, .mask = UINT16_MAX, .idle = guest_load16_again(at)};
	return word->idle == view->dp->last_avail;
}

/* The flags of the next descriptor: two bits of them say whether it is available. */
static bool packed_watch(const struct virtq_view *view, struct port_word *word)
{
	const uint16_t *at = &packed_ring(view->conf)[packed_index(view->dp->last_avail)].flags;
	uint16_t mask = 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED;

	/* As above. */
	*word = (struct port_word){.at = at, .mask = mask, .idle = guest_load16_again(at) & mask};
	return !packed_is_available(word->idle, view->dp->last_avail);
}

bool vnet_watch(struct virtq *q, struct port_word *word)
{
	struct virtq_view view;
	bool nothing;

	/* What devices have read, a burst that was set aside, the place of a ring that was not looked at: no word tells. */
	if (vnet_window_open(q) || q->dp.aside || q->dp.fresh || !vnet_view_open(q, &view, NULL))
		return false;
	nothing = view.conf->packed ? packed_watch(&view, word) : split_watch(&view, word);
	mem_note_close(MEM_NOTE_TO);
	return nothing;
}

static inline __attribute__((always_inline)) bool arm_as(const struct virtq_view *view,
	const struct virtq_format *format)
{
	format->want_kicks(view, true);
	return format->available(view, 0, 1) != 0;
}

bool vnet_arm(struct virtq *q)
{
	struct virtq_view view;
	bool waiting;

	/* No event says when a device has read a body, or when a burst that was set aside has its turn. */
	if (vnet_window_open(q) || q->dp.aside)
		return true;
	/* A ring that was not looked at yet is looked at first: there may be something to be done. */
	if (q->dp.fresh)
		return rcu_get(&q->conf) != NULL && virtq_fault(q) == VIRTQ_OK;
	if (!vnet_view_open(q, &view, NULL))
		return false;
	waiting = view.conf->packed ? arm_as(&view, &virtq_packed) : arm_as(&view, &virtq_split);
	mem_note_close(MEM_NOTE_TO);
	return waiting;
}

void vnet_disarm(struct virtq *q)
{
	struct virtq_view view;

	if (q->dp.fresh || !vnet_view_open(q, &view, NULL))
		return;
	if (view.conf->packed)
		virtq_packed.want_kicks(&view, false);
	else
		virtq_split.want_kicks(&view, false);
	mem_note_close(MEM_NOTE_TO);
}
