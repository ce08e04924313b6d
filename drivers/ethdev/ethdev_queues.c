/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_queues.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "ethdev_offload.h"
#include "ethdev_vlan.h"
#include "ethdev_zc.h"
#include "loop.h"

static inline struct ethdev_rxq *queue_of(struct port_rxq *rxq)
{
	return container_of(rxq, struct ethdev_rxq, rxq);
}

/* --- in ---------------------------------------------------------------------------------------------------------- */

/* A head in more than one segment: its bytes are put together in the burst's room. Returns where the body goes on: the
 * segment, and in *offset the first byte of it that is not in the head. */
static struct rte_mbuf *gather_head(struct rte_mbuf *seg, uint8_t *room, uint32_t want,
				    uint32_t *offset)
{
	uint32_t have = 0;

	*offset = 0;
	while (have < want) {
		uint32_t part = RTE_MIN(want - have, (uint32_t)seg->data_len);

		memcpy(room + have, rte_pktmbuf_mtod(seg, uint8_t *), part);
		have += part;
		*offset = part;
		if (part == seg->data_len) {
			seg = seg->next;
			*offset = 0;
		}
	}
	return seg;
}

/* Makes a frame of an mbuf of several segments. The length is what the segments hold. False: too many. */
static bool view_segments(struct frame *frame, struct rte_mbuf *mbuf, uint8_t *room,
			  struct mem_span *span, uint32_t spans_left)
{
	struct rte_mbuf *seg;
	uint32_t offset = 0, len = 0, n = 0;

	for (seg = mbuf; seg != NULL; seg = seg->next)
		len += seg->data_len;
	if (mbuf->data_len >= RTE_MIN(len, (uint32_t)FRAME_HEAD)) {
		frame->head = rte_pktmbuf_mtod(mbuf, uint8_t *);
		frame->head_len = mbuf->data_len;
		seg = mbuf->next;
	} else {
		frame->head = room;
		frame->head_len = (uint16_t)RTE_MIN(len, (uint32_t)FRAME_HEAD);
		seg = gather_head(mbuf, room, frame->head_len, &offset);
	}
	/* The first one is left free: frame_head_own_in(). */
	span++;
	for (; seg != NULL; seg = seg->next) {
		if (n + 1 >= spans_left)
			return false;
		span[n++] = (struct mem_span){rte_pktmbuf_mtod(seg, uint8_t *) + offset,
					      seg->data_len - offset};
		offset = 0;
	}
	frame->len = len;
	frame->body = span;
	frame->body_spans = (uint16_t)n;
	return true;
}

/* Fills a frame, or says why not; RX_DROPS means that all is well. `checksum` is what the device says of it. */
static inline enum rx_drop view(struct frame *frame, struct rte_mbuf *mbuf, uint64_t checksum,
				struct burst *burst, uint32_t *spans)
{
	memset(&frame->offload, 0, sizeof(frame->offload));
	frame->valid = checksum == RTE_MBUF_F_RX_L4_CKSUM_GOOD ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
	frame->mbuf = mbuf;
	frame->vlan = frame->mbuf_skip = 0;
	if (mbuf->next == NULL) {
		frame->head = rte_pktmbuf_mtod(mbuf, uint8_t *);
		frame->len = frame->head_len = mbuf->data_len;
		frame->body_spans = 0;
	} else {
		if (!view_segments(frame, mbuf, burst->room[burst->n].head, &burst->span[*spans], BURST_SPANS - *spans))
			return RX_DROP_LONG;
		*spans += frame->body_spans > 0 ? frame->body_spans + 1u : 0;
	}
	if (frame->len < FRAME_LEN_MIN)
		return RX_DROP_SHORT;
	if (frame->len > FRAME_LEN_MAX)
		return RX_DROP_LONG;
	if (__builtin_expect(checksum == RTE_MBUF_F_RX_L4_CKSUM_NONE, 0))
		ethdev_offload_receive(frame);
	/* The port that sends it on is not to do what a former sender of this mbuf needed. */
	mbuf->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	return RX_DROPS;
}

/* Some drivers take tags off that nobody asked them to, a VF's above all, and say so: to a bridge they are part of the frame. */
static __attribute__((noinline)) enum rx_drop put_tags_back(struct rte_mbuf **mbuf)
{
	uint64_t stripped = (*mbuf)->ol_flags;
	struct rte_ether_hdr *ethernet;

	if ((stripped & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && rte_vlan_insert(mbuf) != 0)
		return RX_DROP_VLAN_STRIPPED;
	if ((stripped & RTE_MBUF_F_RX_QINQ_STRIPPED) == 0)
		return RX_DROPS;
	(*mbuf)->vlan_tci = (*mbuf)->vlan_tci_outer;
	if (rte_vlan_insert(mbuf) != 0)
		return RX_DROP_VLAN_STRIPPED;
	ethernet = rte_pktmbuf_mtod(*mbuf, struct rte_ether_hdr *);
	ethernet->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ);
	return RX_DROPS;
}

uint16_t ethdev_receive(struct port_rxq *rxq, struct lcore_ctx *ctx)
{
	struct ethdev_rxq *q = queue_of(rxq);
	struct burst *burst = ctx->burst;
	struct rte_mbuf **mbuf = q->mine.mbuf;
	uint32_t spans = 0;
	uint16_t n;

	role_assert_lcore();
	n = q->mine.waiting;
	q->mine.waiting = 0;
	if (n == 0)
		n = rte_eth_rx_burst(q->device, rxq->index, mbuf, q->burst);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbuf[i], void *));
	burst->n = 0;
	for (uint16_t i = 0; i < n; i++) {
		enum rx_drop why = RX_DROPS;

		if (__builtin_expect((mbuf[i]->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)) != 0, 0))
			why = put_tags_back(&mbuf[i]);
		if (why == RX_DROPS)
			why = view(&burst->frame[burst->n], mbuf[i], mbuf[i]->ol_flags & q->checksums, burst, &spans);
		if (why == RX_DROPS) {
			mbuf[burst->n++] = mbuf[i];
		} else {
			count_rx_drop(port_counters_of(rxq->port, ctx), why, 1, NULL);
			rte_pktmbuf_free(mbuf[i]);
		}
	}
	q->mine.held = burst->n;
	return burst->n;
}

void ethdev_complete(struct port_rxq *rxq, struct lcore_ctx *ctx VUS_UNUSED)
{
	struct ethdev_rxq *q = queue_of(rxq);

	role_assert_lcore();
	rte_pktmbuf_free_bulk(q->mine.mbuf, q->mine.held);
	q->mine.held = 0;
}

/* The mbufs are ours for as long as that takes. */
bool ethdev_set_aside(struct port_rxq *rxq VUS_UNUSED, struct lcore_ctx *ctx VUS_UNUSED)
{
	return true;
}

/* What ethdev_rxq_drain() freed is no burst any more. */
enum port_taken ethdev_take_up(struct port_rxq *rxq, struct lcore_ctx *ctx VUS_UNUSED)
{
	role_assert_lcore();
	return queue_of(rxq)->mine.held > 0 ? PORT_TAKEN : PORT_LOST;
}

/* net_tap reads its descriptor only after a signal, which goes to some thread of the process and is handled when that
 * one gets a CPU. An lcore that is about to sleep does not wait for it: the packet would lie there until the next. */
static bool signal_is_late(const struct ethdev_rxq *q)
{
	struct pollfd fd = {.fd = q->rxq.wake_fd, .events = POLLIN};

	return q->signo > 0 && poll(&fd, 1, 0) == 1 && raise(q->signo) == 0;
}

bool ethdev_arm(struct port_rxq *rxq)
{
	struct ethdev_rxq *q = queue_of(rxq);

	role_assert_lcore();
	if (q->mine.held > 0) /* set aside */
		return true;
	if (rxq->wake_fd < 0)
		return false;
	if (q->intr_switch && rte_eth_dev_rx_intr_enable(q->device, rxq->index) != 0)
		return false;
	/* What came between the last look and the interrupt being on raises none. Not every device can say what is
	 * in its ring, but each can hand it over: the next receive() starts with it. */
	if (q->mine.waiting == 0)
		q->mine.waiting =
			rte_eth_rx_burst(q->device, rxq->index, q->mine.mbuf, q->burst);
	if (q->mine.waiting == 0 && signal_is_late(q))
		q->mine.waiting =
			rte_eth_rx_burst(q->device, rxq->index, q->mine.mbuf, q->burst);
	return q->mine.waiting > 0;
}

void ethdev_disarm(struct port_rxq *rxq)
{
	struct ethdev_rxq *q = queue_of(rxq);

	role_assert_lcore();
	if (rxq->wake_fd >= 0 && q->intr_switch)
		rte_eth_dev_rx_intr_disable(q->device, rxq->index);
}

void ethdev_rxq_drain(struct ethdev_rxq *q) ROLE_UNCHECKED
{
	rte_pktmbuf_free_bulk(q->mine.mbuf, q->mine.waiting + q->mine.held);
	q->mine.waiting = 0;
	q->mine.held = 0;
}

/* --- out --------------------------------------------------------------------------------------------------------- */

/* Whether a pool has buffers to spare: a port whose frames wait in another's transmit ring keeps a quarter of its own
 * for receiving (A5). What lcores have cached is not counted. */
static inline bool can_spare(const struct rte_mempool *pool)
{
	return rte_mempool_get_ops(pool->ops_index)->get_count(pool) >= pool->size / 4;
}

static struct rte_mbuf *copy_to_chain(const struct ethdev *dev, const struct frame *frame)
{
	struct rte_mbuf *seg[FRAME_LEN_MAX / 1024 + 1];
	struct mem_span span[RTE_DIM(seg)];
	uint32_t left = frame->len, n = (left + dev->room - 1) / dev->room;

	if (n > RTE_DIM(seg) || rte_pktmbuf_alloc_bulk(dev->pool, seg, n) != 0)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		seg[i]->data_len = (uint16_t)RTE_MIN(left, (uint32_t)dev->room);
		seg[i]->next = i + 1 < n ? seg[i + 1] : NULL;
		span[i] = (struct mem_span){rte_pktmbuf_mtod(seg[i], uint8_t *), seg[i]->data_len};
		left -= seg[i]->data_len;
	}
	frame_copy_spans(frame, span, 0);
	seg[0]->pkt_len = frame->len;
	seg[0]->nb_segs = (uint16_t)n;
	return seg[0];
}

/* Padded to `shortest`. */
static inline struct rte_mbuf *copy_to_mbuf_of(const struct ethdev *dev, const struct frame *frame, uint32_t shortest)
{
	uint32_t len = frame->len;
	struct rte_mbuf *mbuf;
	uint8_t *data;

	if (len > dev->room)
		return copy_to_chain(dev, frame);
	mbuf = rte_pktmbuf_alloc(dev->pool);
	if (mbuf == NULL)
		return NULL;
	data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	frame_copy(frame, data);
	if (len < shortest) {
		memset(data + len, 0, shortest - len);
		len = shortest;
	}
	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = len;
	return mbuf;
}

static inline struct rte_mbuf *copy_to_mbuf(const struct ethdev *dev, const struct frame *frame)
{
	return copy_to_mbuf_of(dev, frame, ETHDEV_FRAME_MIN);
}

/* A NIC's frame with another head (frame_head_own()): the head in a fresh mbuf, and behind it what the frame keeps of its
 * own, which other receivers may be sending too: a reference to each segment, and to one that is kept in part an indirect mbuf
 * that begins further on. NULL: no mbuf is left, or nothing but the head. */
static __attribute__((noinline)) struct rte_mbuf *chain_head(const struct ethdev *dev,
							     const struct frame *frame)
{
	struct rte_mbuf *from = frame->mbuf, *seg[2];
	uint16_t skip = frame->mbuf_skip, n = 1;

	while (from != NULL && skip >= from->data_len) {
		skip = (uint16_t)(skip - from->data_len);
		from = from->next;
	}
	/* What says whose an external buffer is may lie in the mbuf that has it (ethdev_zc.c), and goes with that. */
	if (from != NULL && skip > 0 && RTE_MBUF_HAS_EXTBUF(from))
		return copy_to_mbuf(dev, frame);
	if (from == NULL || rte_pktmbuf_alloc_bulk(dev->pool, seg, skip > 0 ? 2 : 1) != 0)
		return NULL;
	memcpy(rte_pktmbuf_mtod(seg[0], uint8_t *), frame->head, frame->head_len);
	seg[0]->data_len = frame->head_len;
	seg[0]->next = from;
	if (skip > 0) {
		rte_pktmbuf_attach(seg[1], from);
		seg[1]->data_off = (uint16_t)(seg[1]->data_off + skip);
		seg[1]->data_len = (uint16_t)(seg[1]->data_len - skip);
		seg[1]->next = from->next;
		seg[0]->next = seg[1];
		from = from->next;
		n++;
	}
	for (; from != NULL; from = from->next, n++)
		rte_mbuf_refcnt_update(from, 1);
	seg[0]->nb_segs = n;
	seg[0]->pkt_len = frame->len;
	return seg[0];
}

/* An mbuf to send that is the caller's to give away, or NULL if none is left. `*spare` remembers the pool that was
 * found to have buffers to spare, so that a burst asks once. */
static inline struct rte_mbuf *to_mbuf(const struct ethdev *dev, const struct frame *frame,
				       const struct rte_mempool **spare)
{
	struct rte_mbuf *mbuf = frame->mbuf;

	if (__builtin_expect(frame_needs_offload(frame), 0)) {
		mbuf = copy_to_mbuf(dev, frame);
		if (mbuf != NULL)
			ethdev_offload_request(dev, frame, mbuf);
		return mbuf;
	}
	if (mbuf == NULL || frame->len < ETHDEV_FRAME_MIN ||
	    (mbuf->nb_segs > 1 && !dev->multi_segs))
		return copy_to_mbuf(dev, frame);
	if (mbuf->pool != *spare) {
		if (!can_spare(mbuf->pool))
			return copy_to_mbuf(dev, frame);
		*spare = mbuf->pool;
	}
	if (__builtin_expect(frame->mbuf_skip != 0, 0))
		return dev->multi_segs && frame->len >= ETHDEV_ZC_MIN ? chain_head(dev, frame)
								      : copy_to_mbuf(dev, frame);
	rte_pktmbuf_refcnt_update(mbuf, 1);
	return mbuf;
}

/* The same for a frame into which the device may have to put a tag: then it is a guest's. */
static inline struct rte_mbuf *to_mbuf_inserting(const struct ethdev *dev, const struct frame *frame,
						 const struct rte_mempool **spare)
{
	struct rte_mbuf *mbuf;

	if (frame_inserted_len(frame) == 0)
		return to_mbuf(dev, frame, spare);
	mbuf = copy_to_mbuf_of(dev, frame, ETHDEV_FRAME_MIN - FRAME_TAG);
	if (mbuf == NULL)
		return NULL;
	if (frame_needs_offload(frame))
		ethdev_offload_request(dev, frame, mbuf);
	ethdev_vlan_request(frame, mbuf);
	return mbuf;
}

static inline uint16_t transmit(uint16_t id, uint16_t queue, struct rte_mbuf **mbuf, uint16_t n)
{
	uint16_t sent = 0, more;

	/* Some devices take less in one call than they have room for. */
	do {
		more = rte_eth_tx_burst(id, queue, mbuf + sent, (uint16_t)(n - sent));
		sent = (uint16_t)(sent + more);
	} while (more > 0 && sent < n);
	return sent;
}

static uint16_t transmit_shared(struct ethdev *dev, uint16_t queue, struct rte_mbuf **mbuf,
				uint16_t n)
{
	uint16_t sent;

	rte_spinlock_lock(&dev->txq[queue].lock);
	sent = transmit(dev->id, queue, mbuf, n);
	rte_spinlock_unlock(&dev->txq[queue].lock);
	return sent;
}

/* The same for a device that may read a frame in place, with a note of what it was. */
static __attribute__((noinline)) struct rte_mbuf *
to_mbuf_zc(struct ethdev *dev, struct lcore_ctx *ctx, const struct frame *frame,
	   const struct rte_mempool **spare, struct ethdev_note *note) RUNS_ON(lcore_thread)
{
	struct rte_mbuf *mbuf = NULL;

	note->ref = NULL;
	if (frame->len >= ETHDEV_ZC_MIN && !frame_needs_offload(frame))
		mbuf = ethdev_zc(dev, ctx, frame, &note->ref);
	if (mbuf == NULL)
		mbuf = to_mbuf(dev, frame, spare);
	if (mbuf != NULL)
		note->descriptors = mbuf->nb_segs;
	return mbuf;
}

void ethdev_deliver(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
		    struct frame **frames, uint16_t n)
{
	if (__builtin_expect(frames_need_offload(frames, n), 0))
		ethdev_deliver_offloads(dev, port, ctx, frames, n, false);
	else
		ethdev_send(dev, port, ctx, frames, n);
}

void ethdev_insert(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
{
	if (frames_need_offload(frames, n))
		ethdev_deliver_offloads(dev, port, ctx, frames, n, true);
	else
		ethdev_send_inserting(dev, port, ctx, frames, n);
}

/* Whether the driver is to look over a burst before it is sent. */
static inline bool is_to_prepare(const struct ethdev *dev, struct frame *const *frames, uint16_t n, bool inserts)
{
	return (inserts && dev->soft_tags) || (dev->offloads != 0 && frames_need_offload(frames, n));
}

/* `inserts` is a constant: a port that puts no tags in has no trace of it. */
static inline __attribute__((always_inline)) void send_frames(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
							      struct frame *const *frames, uint16_t n, bool inserts)
	RUNS_ON(lcore_thread)
{
	struct port_counters *counters = port_counters_of(port, ctx);
	struct rte_mbuf *mbuf[BURST_MAX];
	struct frame *of[BURST_MAX];
	const struct rte_mempool *spare = NULL;
	struct ethdev_note note[BURST_MAX];
	/* Pairs with zc_from_now(): dev->zc is there. */
	bool zero_copy = !inserts && atomic_load_explicit(&dev->zero_copy, memory_order_acquire);
	uint16_t ready = 0, kept, sent;
	uint64_t bytes = 0;

	if (!atomic_load_explicit(&dev->up, memory_order_relaxed)) {
		port_drop_tx_frames(port, ctx, TX_DROP_NOT_READY, frames, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		if (frame_wire_len(frames[i]) + (inserts ? frame_inserted_len(frames[i]) : 0) > dev->frame_max) {
			drop_tx_frames(counters, TX_DROP_TOO_BIG, &frames[i], 1);
			continue;
		}
		if (inserts)
			mbuf[ready] = to_mbuf_inserting(dev, frames[i], &spare);
		else
			mbuf[ready] = __builtin_expect(zero_copy, 0) ? to_mbuf_zc(dev, ctx, frames[i], &spare, &note[ready])
								     : to_mbuf(dev, frames[i], &spare);
		of[ready] = frames[i];
		if (__builtin_expect(mbuf[ready] != NULL, 1))
			ready++;
		else
			drop_tx_frames(counters, TX_DROP_NO_BUFFER, &frames[i], 1);
	}
	kept = is_to_prepare(dev, frames, n, inserts) ? ethdev_offload_prepare(dev, port, ctx, mbuf, of, ready) : ready;
	if (dev->txq_shared)
		sent = transmit_shared(dev, ctx->index % dev->txq_n, mbuf, kept);
	else
		sent = transmit(dev->id, ctx->index, mbuf, kept);
	for (uint16_t i = 0; i < sent; i++)
		bytes += of[i]->len + (inserts ? frame_inserted_len(of[i]) : 0);
	drop_tx_frames(counters, TX_DROP_NO_BUFFER, of + sent, (uint64_t)(kept - sent));
	rte_pktmbuf_free_bulk(mbuf + sent, (unsigned int)(kept - sent));
	if (__builtin_expect(zero_copy, 0))
		ethdev_zc_sent(dev, ctx, note, ready, sent);
	count(&counters->tx_ok, sent);
	count(&counters->tx_bytes, bytes);
}

void ethdev_send(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
		 struct frame *const *frames, uint16_t n)
{
	role_assert_lcore();
	send_frames(dev, port, ctx, frames, n, false);
}

void ethdev_send_inserting(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx, struct frame *const *frames, uint16_t n)
{
	role_assert_lcore();
	send_frames(dev, port, ctx, frames, n, true);
}
