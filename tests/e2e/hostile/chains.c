/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains that no driver writes, in either direction: loops, indexes, addresses, lengths (V1 to V7, V10, T7). */
#include <string.h>

#include "play.h"

enum { DESCS_MAX = 4, N = DESC_NEXT, W = DESC_WRITE };

struct chain {
	uint16_t n, head;
	struct desc desc[DESCS_MAX];
	bool own_bar; /* the first address is that of the card's registers */
};

static void offer_chain(struct ring *ring, const struct chain *chain, uint64_t bar)
{
	for (uint16_t k = 0; k < chain->n; k++) {
		struct desc desc = chain->desc[k];

		if (chain->own_bar && k == 0)
			desc.addr = bar;
		ring_put(ring, k, desc);
	}
	if (chain->head != 0)
		ring_offer_head(ring, chain->head);
	else
		ring_offer(ring, chain->n);
}

static void from_guest(struct play *play, const struct hostile_case *c)
{
	offer_chain(&play->tx, c->data, play->device.bar);
}

/* What the guest that echoes says now and then is for everybody: it meets this chain. */
static void to_guest(struct play *play, const struct hostile_case *c)
{
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
	offer_chain(&play->rx, c->data, play->device.bar);
}

/* The same descriptor all around the ring, the last one linked to the first. */
static void around(struct play *play, const struct hostile_case *c)
{
	const uint32_t *len = c->data;

	for (uint16_t k = 0; k < RING_SIZE; k++)
		ring_put(&play->tx, k, (struct desc){BUFFER, *len, N, (uint16_t)((k + 1) % RING_SIZE)});
	ring_offer(&play->tx, RING_SIZE);
}

/* As many pieces as the ring has entries: a frame in the end. */
static void single_bytes(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (uint16_t k = 0; k < HEADER_LEN + FRAME_LEN; k++)
		ring_put(&play->tx, k,
			 (struct desc){BUFFER + k, 1, k + 1 < HEADER_LEN + FRAME_LEN ? N : 0, (uint16_t)(k + 1)});
	ring_offer(&play->tx, HEADER_LEN + FRAME_LEN);
}

static void tail_into_loop(struct play *play, const struct hostile_case *c)
{
	(void)c;
	*ring_desc(&play->tx, 10) = (struct desc){BUFFER, 12, N, 11};
	*ring_desc(&play->tx, 11) = (struct desc){BUFFER, 30, N, 12};
	*ring_desc(&play->tx, 12) = (struct desc){BUFFER, 30, N, 11};
	ring_offer_head(&play->tx, 10);
}

/* The available index moved by so much. */
static void move(struct play *play, const struct hostile_case *c)
{
	const int *by = c->data;
	uint16_t *avail = ring_avail(&play->tx);

	for (uint16_t i = 0; i < 5; i++) {
		ring_put(&play->tx, 0, (struct desc){BUFFER, HEADER_LEN + FRAME_LEN, 0, 0});
		ring_offer(&play->tx, 1);
		ring_take(&play->tx, i + 1u, 1000);
	}
	__atomic_store_n(&avail[1], (uint16_t)(avail[1] + *by), __ATOMIC_RELEASE);
	ring_kick(&play->tx);
}

static void many_of(struct ring *ring, uint16_t n, struct desc desc)
{
	for (uint16_t k = 0; k < n; k++) {
		desc.flags = (uint16_t)((desc.flags & ~N) | (k + 1 < n ? N : 0));
		desc.next = (uint16_t)(k + 1);
		ring_put(ring, k, desc);
	}
	ring_offer(ring, n);
}

static void giant(struct play *play, const struct hostile_case *c)
{
	(void)c;
	many_of(&play->tx, 128, (struct desc){16 << 20, 16 << 20, 0, 0});
}

static void receive_pieces(struct play *play, const struct hostile_case *c)
{
	const uint32_t *len = c->data;

	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
	many_of(&play->rx, RING_SIZE, (struct desc){RX_BUFFERS, *len, W, 0});
}

static void nothing_posted(struct play *play, const struct hostile_case *c)
{
	(void)c;
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
}

#define CHAIN(...) (&(const struct chain){__VA_ARGS__})
#define ONE(...)   CHAIN(.n = 1, .desc = {{__VA_ARGS__}})
#define HEAD(i)	   CHAIN(.n = 0, .head = (i))
#define GOOD	   {BUFFER, HEADER_LEN, N, 1}
#define LEN(n)	   (&(const uint32_t){n})
#define BY(n)	   (&(const int){n})

#define TX(name, formats, expect, data) {name, formats, expect, from_guest, 0, 0, data, false}
#define RX(name, formats, expect, data) {name, formats, expect, to_guest, 0, 0, data, true}

#define AVAIL	  "available index moved by more than the ring holds"
#define HEAD_TEXT "head index beyond the ring"
#define NEXT_TEXT "next index beyond the table"
#define LOOP	  "descriptor loop"
#define ADDRESS	  "buffer outside of guest memory"
#define DIRECTION "buffer of the wrong direction"

const struct hostile_case chain_cases[] = {
	/* V1 */
	TX("tx_loop_itself", SPLIT, "fault 1 " LOOP, ONE(BUFFER, 64, N, 0)),
	TX("tx_loop_itself_empty", SPLIT, "fault 1 " LOOP, ONE(BUFFER, 0, N, 0)),
	TX("tx_loop_of_two", SPLIT, "fault 1 " LOOP, CHAIN(.n = 2, .desc = {{BUFFER, 64, N, 1}, {BUFFER, 64, N, 0}})),
	{"tx_loop_around_the_ring", BOTH, "fault 1 " LOOP, around, 0, 0, LEN(4), false},
	{"tx_loop_around_the_ring_empty", BOTH, "fault 1 " LOOP, around, 0, 0, LEN(0), false},
	{"tx_loop_with_a_tail", SPLIT, "fault 1 " LOOP, tail_into_loop, 0, 0, NULL, false},
	RX("rx_loop_itself", SPLIT, "fault 0 " LOOP, ONE(RX_BUFFERS, 1, N | W, 0)),
	RX("rx_loop_of_two_empty", SPLIT, "fault 0 " LOOP,
	   CHAIN(.n = 2, .desc = {{RX_BUFFERS, 0, N | W, 1}, {RX_BUFFERS, 0, N | W, 0}})),
	/* V3 */
	TX("tx_head_is_the_size", SPLIT, "fault 1 " HEAD_TEXT, HEAD(RING_SIZE)),
	TX("tx_head_ffff", SPLIT, "fault 1 " HEAD_TEXT, HEAD(0xffff)),
	TX("tx_next_is_the_size", SPLIT, "fault 1 " NEXT_TEXT, ONE(BUFFER, 12, N, RING_SIZE)),
	TX("tx_next_ffff", SPLIT, "fault 1 " NEXT_TEXT, ONE(BUFFER, 12, N, 0xffff)),
	RX("rx_head_8000", SPLIT, "fault 0 " HEAD_TEXT, HEAD(0x8000)),
	RX("rx_next_ffff", SPLIT, "fault 0 " NEXT_TEXT, ONE(RX_BUFFERS, 12, N | W, 0xffff)),
	/* V5 */
	{"tx_available_index_too_far", SPLIT, "fault 1 " AVAIL, move, 0, 0, BY(RING_SIZE + 1), false},
	{"tx_available_index_7fff", SPLIT, "fault 1 " AVAIL, move, 0, 0, BY(0x7fff), false},
	{"tx_available_index_back", SPLIT, "fault 1 " AVAIL, move, 0, 0, BY(-1), false},
	{"tx_available_index_back_a_lap", SPLIT, "fault 1 " AVAIL, move, 0, 0, BY(-RING_SIZE), false},
	/* T7 */
	TX("tx_wild", BOTH, "fault 1 " ADDRESS, ONE(WILD, 112, 0, 0)),
	TX("tx_last_address", BOTH, "fault 1 " ADDRESS, ONE(UINT64_MAX, 112, 0, 0)),
	TX("tx_address_wraps", BOTH, "fault 1 " ADDRESS, ONE(UINT64_MAX - 99, 200, 0, 0)),
	TX("tx_over_the_end_of_memory", BOTH, "fault 1 " ADDRESS, ONE(MEMORY_END - 50, 112, 0, 0)),
	TX("tx_own_registers", BOTH, "fault 1 " ADDRESS, CHAIN(.n = 1, .desc = {{0, 112, 0, 0}}, .own_bar = true)),
	TX("tx_wild_behind_a_good_header", BOTH, "fault 1 " ADDRESS, CHAIN(.n = 2, .desc = {GOOD, {WILD, 100, 0, 0}})),
	TX("tx_wild_header", BOTH, "fault 1 " ADDRESS, CHAIN(.n = 2, .desc = {{WILD, 12, N, 1}, {BUFFER + 12, 100, 0, 0}})),
	TX("tx_of_4_gib", BOTH, "fault 1 " ADDRESS, ONE(BUFFER, 0xffffffff, 0, 0)),
	TX("tx_sum_of_lengths_wraps", BOTH, "fault 1 " ADDRESS,
	   CHAIN(.n = 2, .desc = {{BUFFER, 0x80000038, N, 1}, {BUFFER, 0x80000038, 0, 0}})),
	RX("rx_wild", BOTH, "fault 0 " ADDRESS, ONE(WILD, 2048, W, 0)),
	RX("rx_last_address", BOTH, "fault 0 " ADDRESS, ONE(UINT64_MAX, 2048, W, 0)),
	RX("rx_over_the_end_of_memory", BOTH, "fault 0 " ADDRESS, ONE(MEMORY_END - 20, 2048, W, 0)),
	RX("rx_own_registers", BOTH, "fault 0 " ADDRESS, CHAIN(.n = 1, .desc = {{0, 2048, W, 0}}, .own_bar = true)),
	/* direction */
	TX("tx_writable", BOTH, "fault 1 " DIRECTION, ONE(BUFFER, 112, W, 0)),
	TX("tx_writable_behind_a_good_header", BOTH, "fault 1 " DIRECTION,
	   CHAIN(.n = 2, .desc = {GOOD, {BUFFER + 12, 100, W, 0}})),
	RX("rx_readable", BOTH, "fault 0 " DIRECTION, ONE(RX_BUFFERS, 2048, 0, 0)),
	RX("rx_readable_behind_a_writable", BOTH, "fault 0 " DIRECTION,
	   CHAIN(.n = 2, .desc = {{RX_BUFFERS, 12, N | W, 1}, {RX_BUFFERS + 12, 2036, 0, 0}})),
	/* V6, V7, V10 */
	TX("tx_nothing", BOTH, "drop rx_drop.short", ONE(BUFFER, 0, 0, 0)),
	TX("tx_only_a_header", BOTH, "drop rx_drop.short", ONE(BUFFER, 12, 0, 0)),
	TX("tx_within_the_header", BOTH, "drop rx_drop.short", ONE(BUFFER, 7, 0, 0)),
	TX("tx_thirteen_bytes", BOTH, "drop rx_drop.short", ONE(BUFFER, 25, 0, 0)),
	TX("tx_empty_pieces", BOTH, "drop rx_drop.short", CHAIN(.n = 2, .desc = {{BUFFER, 0, N, 1}, {BUFFER, 0, 0, 0}})),
	TX("tx_empty_at_a_wild_address", BOTH, "drop rx_drop.short", ONE(WILD, 0, 0, 0)),
	TX("tx_above_every_mtu", BOTH, "drop rx_drop.long", ONE(BUFFER, 65536 + 12 + 14 + 8, 0, 0)),
	{"tx_giant", BOTH, "drop rx_drop.long", giant, 0, 0, NULL, false},
	{"tx_single_bytes", BOTH, "sent 1", single_bytes, 0, 0, NULL, false},
	RX("rx_smaller_than_a_header", BOTH, "drop tx_drop.no_buffer", ONE(RX_BUFFERS, 5, W, 0)),
	{"rx_single_bytes", BOTH, "any", receive_pieces, 0, 0, LEN(1), true},
	{"rx_empty_pieces", BOTH, "any", receive_pieces, 0, 0, LEN(0), true},
	{"rx_nothing_posted", BOTH, "drop tx_drop.no_buffer", nothing_posted, 0, 0, NULL, true},
	{0},
};
