/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_lend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "clock.h"
#include "dma.h"
#include "ethdev_dma.h"
#include "ethdev_habit.h"
#include "frame_ref.h"
#include "log.h"
#include "mem_copy.h"

enum {
	STUCK_MS = 100,
	/* A copy into a chain costs less than more segments than this. */
	SPANS_MAX = 4,
};

/* Who has lent what an mbuf carries. It lies in the buffer that belongs to the mbuf, which has no other use meanwhile. */
struct loan {
	struct rte_mbuf_ext_shared_info info;
	struct frame_ref *ref;
	struct ethdev_lender *lender;
};

/* Lenders of ports that are gone, to which a device may yet give something back. */
struct kept {
	struct kept *next;
	struct ethdev_lender *lender;
};
static struct kept *kept OWNED_BY(control_thread);

/* --- giving and taking back -------------------------------------------------------------------------------------- */

static void give_back(struct ethdev_lender *lender, struct frame_ref *ref, uint16_t bodies)
{
	for (uint16_t i = 0; i < bodies; i++)
		frame_ref_drop(ref);
	/* Pairs with look() and ethdev_lend_out(): what has been counted has been read. */
	atomic_fetch_sub_explicit(&lender->out, bodies, memory_order_release);
}

/* Context: the thread that frees the mbuf. */
static void given_back(void *addr VUS_UNUSED, void *opaque)
{
	struct loan *loan = opaque;

	give_back(loan->lender, loan->ref, 1);
}

/* What a NIC was lent is in the ledger. */
static void given_back_already(void *addr VUS_UNUSED, void *opaque VUS_UNUSED)
{
}

/* Whether the device may have this frame where it lies. */
static bool can_reach(const struct ethdev *dev, const struct frame *frame)
{
	if (frame->body_spans == 0 || frame->body_spans > SPANS_MAX)
		return false;
	for (uint16_t i = 0; i < frame->body_spans; i++)
		if (frame->body[i].len > UINT16_MAX ||
		    (dev->dma && !dma_reaches(frame->body[i].at, frame->body[i].len)))
			return false;
	return true;
}

static void attach(struct rte_mbuf *seg, const struct mem_span *span, struct ethdev_lender *lender,
		   struct frame_ref *ref)
{
	struct loan *loan = (struct loan *)seg->buf_addr;

	loan->info.free_cb = lender->dev->dma ? given_back_already : given_back;
	loan->info.fcb_opaque = loan;
	rte_mbuf_ext_refcnt_set(&loan->info, 1);
	loan->ref = ref;
	loan->lender = lender;
	frame_ref_take(ref);
	/* IOVA as VA, or a driver that has no use for it. */
	rte_pktmbuf_attach_extbuf(seg, span->at, (rte_iova_t)(uintptr_t)span->at,
				  (uint16_t)span->len, &loan->info);
	seg->data_off = 0;
	seg->data_len = (uint16_t)span->len;
}

struct rte_mbuf *ethdev_lend(struct ethdev *dev, struct lcore_ctx *ctx, const struct frame *frame,
			     struct frame_ref **held)
{
	struct ethdev_lender *lender = &dev->lender[ctx->index];
	struct frame_ref *ref = frame_ref_of(ctx->burst, frame);
	struct rte_mbuf *seg[1 + SPANS_MAX];
	uint16_t n = (uint16_t)(1 + frame->body_spans);

	if (ref == NULL ||
	    (uint16_t)(lender->next - lender->first) >= ETHDEV_LEDGER - BURST_MAX ||
	    atomic_load_explicit(&lender->stuck, memory_order_relaxed) ||
	    !can_reach(dev, frame) || rte_pktmbuf_alloc_bulk(dev->pool, seg, n) != 0)
		return NULL;
	atomic_fetch_add_explicit(&lender->out, frame->body_spans, memory_order_relaxed);
	mem_copy(rte_pktmbuf_mtod(seg[0], uint8_t *), frame->head, frame->head_len);
	seg[0]->data_len = frame->head_len;
	seg[0]->pkt_len = frame->len;
	seg[0]->nb_segs = n;
	for (uint16_t i = 1; i < n; i++) {
		attach(seg[i], &frame->body[i - 1], lender, ref);
		seg[i - 1]->next = seg[i];
	}
	*held = ref;
	return seg[0];
}

/* Whether the descriptor before `end` is done: another has its place already, or the device says so. */
static bool descriptor_done(const struct ethdev *dev, const struct ethdev_lender *lender,
			    uint32_t end)
{
	uint32_t after = lender->descriptors - end;

	return after >= dev->tx_desc ||
	       rte_eth_tx_descriptor_status(dev->id, lender->queue,
					    (uint16_t)(dev->tx_desc - 1 - after)) ==
		       RTE_ETH_TX_DESC_DONE;
}

static void settle_done(struct ethdev *dev, struct ethdev_lender *lender)
{
	while (lender->first != lender->next) {
		struct ethdev_lent *lent = &lender->ledger[lender->first % ETHDEV_LEDGER];

		if (!descriptor_done(dev, lender, lent->end))
			return;
		give_back(lender, lent->ref, lent->bodies);
		lender->first++;
	}
}

/* Asks the device for what it has sent. */
static bool look(struct lcore_errand *errand)
{
	struct ethdev_lender *lender = container_of(errand, struct ethdev_lender, errand);
	struct ethdev *dev = lender->dev;
	/* Pairs with give_back(). */
	uint32_t out = atomic_load_explicit(&lender->out, memory_order_acquire);
	uint64_t now;

	if (out > 0 && dev->dma && !atomic_load_explicit(&dev->ending, memory_order_relaxed)) {
		settle_done(dev, lender);
		/* Pairs with give_back(). */
		out = atomic_load_explicit(&lender->out, memory_order_acquire);
	}
	if (out == 0 || atomic_load_explicit(&dev->ending, memory_order_relaxed)) {
		atomic_store_explicit(&lender->stuck, false, memory_order_relaxed);
		lender->seen = 0;
		return true;
	}
	now = clock_ns();
	if (out != lender->seen) {
		lender->seen = out;
		lender->since_ns = now;
	} else if (now - lender->since_ns > STUCK_MS * NS_PER_MS) {
		atomic_store_explicit(&lender->stuck, true, memory_order_relaxed);
	}
	return false;
}

static void note_down(struct ethdev_lender *lender, const struct ethdev_note *note)
{
	lender->descriptors += note->descriptors;
	if (note->ref != NULL)
		lender->ledger[lender->next++ % ETHDEV_LEDGER] = (struct ethdev_lent){
			.ref = note->ref,
			.end = lender->descriptors,
			.bodies = (uint16_t)(note->descriptors - 1),
		};
}

void ethdev_lend_sent(struct ethdev *dev, struct lcore_ctx *ctx, const struct ethdev_note *note,
		      uint16_t n, uint16_t sent)
{
	struct ethdev_lender *lender = &dev->lender[ctx->index];

	for (uint16_t i = 0; dev->dma && i < n; i++) {
		if (i < sent)
			note_down(lender, &note[i]);
		else if (note[i].ref != NULL)
			give_back(lender, note[i].ref, (uint16_t)(note[i].descriptors - 1));
	}
	if (atomic_load_explicit(&lender->out, memory_order_relaxed) != 0)
		lcore_errand_start(ctx, &lender->errand);
}

/* --- control ----------------------------------------------------------------------------------------------------- */

/* Why frames cannot be lent, in words for people, or NULL: they can. */
static const char *obstacle(const struct ethdev *dev)
{
	if (!dev->multi_segs)
		return "the device sends no frame that is in several pieces";
	if (dev->reads)
		return NULL;
	if (!dev->dma)
		return "the device cannot read guests' memory: it is no NIC that is bound to vfio-pci behind an "
		       "IOMMU, with EAL's IOVA as VA";
	if (rte_eth_tx_descriptor_status(dev->id, 0, 0) < 0)
		return "its driver does not tell what has been sent";
	if (dev->txq_shared)
		return "it has fewer transmit queues than there are lcores";
	return NULL;
}

/* From here on each ring that is withdrawn waits for what it has lent. */
static void lend_from_now(struct rcu_wait *wait)
{
	struct ethdev *dev = container_of(wait, struct ethdev, lend_wait);

	/* Pairs with ethdev_send(). */
	atomic_store_explicit(&dev->lends, true, memory_order_release);
}

static int make_lenders(struct ethdev *dev, unsigned int lcores) RUNS_ON(control_thread)
{
	size_t size = lcores * sizeof(*dev->lender);

	dev->lender = aligned_alloc(_Alignof(struct ethdev_lender), size);
	if (dev->lender == NULL)
		return -ENOMEM;
	memset(dev->lender, 0, size);
	dev->lenders = lcores;
	for (unsigned int i = 0; i < lcores; i++) {
		dev->lender[i].dev = dev;
		dev->lender[i].queue = (uint16_t)(i % dev->txq_n);
		dev->lender[i].errand.run = look;
	}
	atomic_fetch_add(&frame_ref_users, 1);
	rcu_wait_start(&dev->lend_wait, lend_from_now);
	return 0;
}

int ethdev_lend_prepare(struct ethdev *dev, const struct port *port,
			const struct rte_eth_dev_info *info, bool asked)
{
	const struct rte_devargs *args = info->device != NULL ? rte_dev_devargs(info->device) : NULL;

	dev->lend_obstacle = "off";
	if (!asked)
		return 0;
	/* A memif that shares its own memory with the peer has to find frames in there. */
	dev->reads = ethdev_habit_of(info->driver_name)->reads &&
		     (args == NULL || args->args == NULL ||
		      strstr(args->args, "zero-copy=yes") == NULL);
	dev->dma = !dev->reads && ethdev_dma_possible(dev->id);
	dev->lend_obstacle = obstacle(dev);
	if (dev->lend_obstacle == NULL)
		return make_lenders(dev, port->host->lcores);
	log_warn(port->name, "zero-copy-tx is on, and frames are copied all the same: %s",
		 dev->lend_obstacle);
	return 0;
}

static void passed_once(struct rcu_wait *wait)
{
	rcu_wait_start(wait, container_of(wait, struct ethdev, stop_wait)->stop_done);
}

void ethdev_lend_stop(struct ethdev *dev, void (*done)(struct rcu_wait *wait))
{
	atomic_fetch_sub(&frame_ref_users, 1);
	atomic_store_explicit(&dev->ending, true, memory_order_relaxed);
	dev->stop_done = done;
	/* An lcore may have run its errands and not have passed yet. The second time it has seen the end of this one. */
	rcu_wait_start(&dev->stop_wait, passed_once);
}

void ethdev_lend_settle(struct ethdev *dev)
{
	for (unsigned int i = 0; i < dev->lenders; i++) {
		struct ethdev_lender *lender = &dev->lender[i];

		for (; lender->first != lender->next; lender->first++) {
			const struct ethdev_lent *lent = &lender->ledger[lender->first % ETHDEV_LEDGER];

			give_back(lender, lent->ref, lent->bodies);
		}
	}
}

void ethdev_lend_free(struct ethdev *dev)
{
	struct kept *keep;

	if (dev->lender == NULL)
		return;
	if (ethdev_lend_out(dev) == 0) {
		free(dev->lender);
		return;
	}
	log_warn("ethdev", "a device keeps %llu frames that lie in guests' memory",
		 (unsigned long long)ethdev_lend_out(dev));
	keep = malloc(sizeof(*keep));
	if (keep != NULL) {
		*keep = (struct kept){.next = kept, .lender = dev->lender};
		kept = keep;
	}
}

uint64_t ethdev_lend_out(const struct ethdev *dev)
{
	uint64_t out = 0;

	/* Pairs with give_back(). */
	for (unsigned int i = 0; i < dev->lenders; i++)
		out += atomic_load_explicit(&dev->lender[i].out, memory_order_acquire);
	return out;
}

bool ethdev_lend_stuck(const struct ethdev *dev)
{
	bool stuck = false;

	for (unsigned int i = 0; i < dev->lenders; i++)
		stuck = stuck || atomic_load_explicit(&dev->lender[i].stuck, memory_order_relaxed);
	return stuck;
}
