/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_zc.h"

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
#include "ethdev_quirk.h"
#include "frame_ref.h"
#include "log.h"
#include "mem_copy.h"

enum {
	STUCK_MS = 100,
	/* A copy into a chain costs less than more segments than this. */
	SPANS_MAX = 4,
};

/* Whose body an mbuf carries. This lies in the buffer that belongs to the mbuf, which has no other use meanwhile. */
struct zc_body {
	struct rte_mbuf_ext_shared_info info;
	struct frame_ref *ref;
	struct ethdev_zc *zc;
};

/* Of ports that are gone, but whose frames a device may still be reading. */
struct kept {
	struct kept *next;
	struct ethdev_zc *zc;
};
static struct kept *kept OWNED_BY(control_thread);

/* --- giving and taking back -------------------------------------------------------------------------------------- */

static void give_back(struct ethdev_zc *zc, struct frame_ref *ref, uint16_t bodies)
{
	for (uint16_t i = 0; i < bodies; i++)
		frame_ref_drop(ref);
	/* Pairs with ethdev_zc_look() and ethdev_zc_bodies_n(): what has been counted has been read. */
	atomic_fetch_sub_explicit(&zc->out, bodies, memory_order_release);
}

/* Context: the thread that frees the mbuf. */
static void given_back(void *addr VUS_UNUSED, void *opaque)
{
	struct zc_body *body = opaque;

	give_back(body->zc, body->ref, 1);
}

/* What a NIC reads in place is in the ledger. */
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

static void attach(struct rte_mbuf *seg, const struct mem_span *span, struct ethdev_zc *zc,
		   struct frame_ref *ref)
{
	struct zc_body *body = (struct zc_body *)seg->buf_addr;

	body->info.free_cb = zc->dev->dma ? given_back_already : given_back;
	body->info.fcb_opaque = body;
	rte_mbuf_ext_refcnt_set(&body->info, 1);
	body->ref = ref;
	body->zc = zc;
	frame_ref_take(ref);
	/* IOVA as VA, or a driver that has no use for it. */
	rte_pktmbuf_attach_extbuf(seg, span->at, (rte_iova_t)(uintptr_t)span->at,
				  (uint16_t)span->len, &body->info);
	seg->data_off = 0;
	seg->data_len = (uint16_t)span->len;
}

struct rte_mbuf *ethdev_zc(struct ethdev *dev, struct lcore_ctx *ctx, const struct frame *frame,
			   struct frame_ref **taken)
{
	struct ethdev_zc *zc = &dev->zc[ctx->index];
	struct frame_ref *ref = frame_ref_of(ctx->burst, frame);
	struct rte_mbuf *seg[1 + SPANS_MAX];
	uint16_t n = (uint16_t)(1 + frame->body_spans);

	if (ref == NULL ||
	    (uint16_t)(zc->next - zc->first) >= ETHDEV_LEDGER - BURST_MAX ||
	    atomic_load_explicit(&zc->stuck, memory_order_relaxed) ||
	    !can_reach(dev, frame) || rte_pktmbuf_alloc_bulk(dev->pool, seg, n) != 0)
		return NULL;
	atomic_fetch_add_explicit(&zc->out, frame->body_spans, memory_order_relaxed);
	mem_copy(rte_pktmbuf_mtod(seg[0], uint8_t *), frame->head, frame->head_len);
	seg[0]->data_len = frame->head_len;
	seg[0]->pkt_len = frame->len;
	seg[0]->nb_segs = n;
	for (uint16_t i = 1; i < n; i++) {
		attach(seg[i], &frame->body[i - 1], zc, ref);
		seg[i - 1]->next = seg[i];
	}
	*taken = ref;
	return seg[0];
}

/* Whether the descriptor before `end` is done: another has its place already, or the device says so. */
static bool descriptor_done(const struct ethdev *dev, const struct ethdev_zc *zc,
			    uint32_t end)
{
	uint32_t after = zc->descriptors - end;

	return after >= dev->tx_desc ||
	       rte_eth_tx_descriptor_status(dev->id, zc->queue,
					    (uint16_t)(dev->tx_desc - 1 - after)) ==
		       RTE_ETH_TX_DESC_DONE;
}

static void settle_done(struct ethdev *dev, struct ethdev_zc *zc)
{
	while (zc->first != zc->next) {
		struct ethdev_zc_frame *entry = &zc->ledger[zc->first % ETHDEV_LEDGER];

		if (!descriptor_done(dev, zc, entry->end))
			return;
		give_back(zc, entry->ref, entry->bodies);
		zc->first++;
	}
}

/* Asks the device for what it has sent. */
static bool ethdev_zc_look(struct lcore_work *work)
{
	struct ethdev_zc *zc = container_of(work, struct ethdev_zc, work);
	struct ethdev *dev = zc->dev;
	/* Pairs with give_back(). */
	uint32_t out = atomic_load_explicit(&zc->out, memory_order_acquire);
	uint64_t now;

	if (out > 0 && dev->dma && !atomic_load_explicit(&dev->ending, memory_order_relaxed)) {
		settle_done(dev, zc);
		/* Pairs with give_back(). */
		out = atomic_load_explicit(&zc->out, memory_order_acquire);
	}
	if (out == 0 || atomic_load_explicit(&dev->ending, memory_order_relaxed)) {
		atomic_store_explicit(&zc->stuck, false, memory_order_relaxed);
		zc->seen = 0;
		return true;
	}
	now = clock_ns();
	if (out != zc->seen) {
		zc->seen = out;
		zc->since_ns = now;
	} else if (now - zc->since_ns > STUCK_MS * NS_PER_MS) {
		atomic_store_explicit(&zc->stuck, true, memory_order_relaxed);
	}
	return false;
}

static void note_down(struct ethdev_zc *zc, const struct ethdev_note *note)
{
	zc->descriptors += note->descriptors;
	if (note->ref != NULL)
		zc->ledger[zc->next++ % ETHDEV_LEDGER] = (struct ethdev_zc_frame){
			.ref = note->ref,
			.end = zc->descriptors,
			.bodies = (uint16_t)(note->descriptors - 1),
		};
}

void ethdev_zc_sent(struct ethdev *dev, struct lcore_ctx *ctx, const struct ethdev_note *note,
		    uint16_t n, uint16_t sent)
{
	struct ethdev_zc *zc = &dev->zc[ctx->index];

	for (uint16_t i = 0; dev->dma && i < n; i++) {
		if (i < sent)
			note_down(zc, &note[i]);
		else if (note[i].ref != NULL)
			give_back(zc, note[i].ref, (uint16_t)(note[i].descriptors - 1));
	}
	if (atomic_load_explicit(&zc->out, memory_order_relaxed) != 0)
		lcore_work_start(ctx, &zc->work);
}

/* --- control and the device thread ------------------------------------------------------------------------------- */

/* Why frames cannot be read in place, in words for people, or NULL: they can. */
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

/* From here on each ring that is withdrawn waits for what devices read of it. */
static void zc_from_now(struct rcu_wait *wait)
{
	struct ethdev *dev = container_of(wait, struct ethdev, zc_wait);

	/* Pairs with ethdev_send(). */
	atomic_store_explicit(&dev->zero_copy, true, memory_order_release);
}

static int make_zc(struct ethdev *dev, unsigned int lcores) RUNS_ON(device_thread)
{
	size_t size = lcores * sizeof(*dev->zc);

	dev->zc = aligned_alloc(_Alignof(struct ethdev_zc), size);
	if (dev->zc == NULL)
		return -ENOMEM;
	memset(dev->zc, 0, size);
	dev->zc_n = lcores;
	for (unsigned int i = 0; i < lcores; i++) {
		dev->zc[i].dev = dev;
		dev->zc[i].queue = (uint16_t)(i % dev->txq_n);
		dev->zc[i].work.run = ethdev_zc_look;
	}
	return 0;
}

int ethdev_zc_prepare(struct ethdev *dev, const struct port *port,
		      const struct rte_eth_dev_info *info, bool asked)
{
	const struct rte_devargs *args = info->device != NULL ? rte_dev_devargs(info->device) : NULL;

	dev->zc_obstacle = "off";
	if (!asked)
		return 0;
	/* A memif that shares its own memory with the peer has to find frames in there. */
	dev->reads = ethdev_quirk_of(info->driver_name)->reads &&
		     (args == NULL || args->args == NULL ||
		      strstr(args->args, "zero-copy=yes") == NULL);
	dev->dma = !dev->reads && ethdev_dma_possible(dev->id);
	dev->zc_obstacle = obstacle(dev);
	if (dev->zc_obstacle == NULL)
		return make_zc(dev, port->host->lcores);
	log_warn(port->name, "zero-copy-tx is on, and frames are copied all the same: %s",
		 dev->zc_obstacle);
	return 0;
}

void ethdev_zc_begin(struct ethdev *dev)
{
	if (dev->zc == NULL)
		return;
	atomic_fetch_add(&frame_ref_users, 1);
	rcu_wait_start(&dev->zc_wait, zc_from_now);
}

static void passed_once(struct rcu_wait *wait)
{
	rcu_wait_start(wait, container_of(wait, struct ethdev, stop_wait)->stop_done);
}

void ethdev_zc_stop(struct ethdev *dev, void (*done)(struct rcu_wait *wait))
{
	atomic_fetch_sub(&frame_ref_users, 1);
	atomic_store_explicit(&dev->ending, true, memory_order_relaxed);
	dev->stop_done = done;
	/* An lcore may have run its work and not have passed yet. The second time it has seen the end of this one. */
	rcu_wait_start(&dev->stop_wait, passed_once);
}

void ethdev_zc_settle(struct ethdev *dev)
{
	for (unsigned int i = 0; i < dev->zc_n; i++) {
		struct ethdev_zc *zc = &dev->zc[i];

		for (; zc->first != zc->next; zc->first++) {
			const struct ethdev_zc_frame *entry = &zc->ledger[zc->first % ETHDEV_LEDGER];

			give_back(zc, entry->ref, entry->bodies);
		}
	}
}

void ethdev_zc_free(struct ethdev *dev)
{
	struct kept *keep;

	if (dev->zc == NULL)
		return;
	if (ethdev_zc_bodies_n(dev) == 0) {
		free(dev->zc);
		return;
	}
	log_warn("ethdev", "a device keeps %llu frames that lie in guests' memory",
		 (unsigned long long)ethdev_zc_bodies_n(dev));
	keep = malloc(sizeof(*keep));
	if (keep != NULL) {
		*keep = (struct kept){.next = kept, .zc = dev->zc};
		kept = keep;
	}
}

uint64_t ethdev_zc_bodies_n(const struct ethdev *dev)
{
	uint64_t out = 0;

	/* Pairs with give_back(). */
	for (unsigned int i = 0; i < dev->zc_n; i++)
		out += atomic_load_explicit(&dev->zc[i].out, memory_order_acquire);
	return out;
}

bool ethdev_zc_stuck(const struct ethdev *dev)
{
	bool stuck = false;

	for (unsigned int i = 0; i < dev->zc_n; i++)
		stuck = stuck || atomic_load_explicit(&dev->zc[i].stuck, memory_order_relaxed);
	return stuck;
}
