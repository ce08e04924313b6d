/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_lookup.h: where a frame goes: source learned, destination looked up, both by way of what the queue remembers;
 * lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_LOOKUP_H
#define VUS_BRIDGE_LOOKUP_H

#include <endian.h>
#include <string.h>

#include "bridge_private.h"

/* The first bit of an address that travels: a group, broadcast included. */
static const mac_key_t MAC_GROUP = 1;
static const mac_key_t MAC_BITS = (UINT64_C(1) << 48) - 1;

/* Where a frame goes, when it is not a port. */
enum { TO_FLOOD = PORTS_MAX, TO_NOBODY };
_Static_assert(TO_NOBODY < UINT16_MAX, "a destination fits the memo");

/* What the queue does not remember: reports the source to control if it has to be learned or renewed, and the port of a
 * destination, or TO_FLOOD. Both remember what they were asked. */
void bridge_lookup_learn(struct lcore_ctx *ctx, struct port_rxq *q, mac_key_t mac, uint32_t generation)
	RUNS_ON(lcore_thread);
uint16_t bridge_lookup_find(struct port_rxq *q, mac_key_t mac, uint32_t generation)
	RUNS_ON(lcore_thread);

/* An address in a head, which has at least FRAME_LEN_MIN bytes: eight are read, two too many. */
static inline mac_key_t mac_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word) & MAC_BITS;
}
_Static_assert(FRAME_LEN_MIN >= 6 + 8, "eight bytes from the source address on are there");

/* The port a frame is for, or TO_FLOOD, or TO_NOBODY with its reason counted. */
static inline uint16_t bridge_lookup(struct lcore_ctx *ctx, struct port_rxq *q,
				     const struct frame *frame, uint32_t generation)
	RUNS_ON(lcore_thread)
{
	const struct bridge_memo *memo = bridge_memo_of(q);
	mac_key_t dst = mac_at(frame->head), src = mac_at(frame->head + 6);
	uint16_t to = TO_FLOOD;

	if (__builtin_expect(src != memo->src_mac || generation != memo->src_gen ||
				     ctx->epoch != memo->src_epoch,
			     0)) {
		if (src == 0 || (src & MAC_GROUP) != 0) {
			count(&port_counters_of(q->port, ctx)->rx_drop[RX_DROP_SOURCE], 1);
			return TO_NOBODY;
		}
		bridge_lookup_learn(ctx, q, src, generation);
	}
	if (__builtin_expect(dst == memo->dst_mac && generation == memo->dst_gen, 1))
		to = memo->dst_port;
	else if ((dst & MAC_GROUP) == 0)
		to = bridge_lookup_find(q, dst, generation);
	if (__builtin_expect(to == q->port->id, 0)) {
		count(&port_counters_of(q->port, ctx)->rx_drop[RX_DROP_REFLECTION], 1);
		return TO_NOBODY;
	}
	return to;
}

#endif
