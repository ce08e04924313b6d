/* SPDX-License-Identifier: BSD-3-Clause */
/* Indirect tables that break a rule (V4; virtio 1.2, 2.7.5.3 and 2.8.7), and ids and wrap counters of packed rings. */
#include <linux/virtio_ring.h>

#include "play.h"

enum { N = DESC_NEXT, I = DESC_INDIRECT };

struct table {
	uint32_t len; /* as the descriptor says */
	uint64_t at;  /* 0: TABLE */
	uint16_t n;   /* entries written, a chain of them: pieces of 28 bytes of a frame */
	uint16_t bad; /* which of them is replaced, by: */
	struct desc with;
	uint16_t flags; /* beside INDIRECT */
	bool outside;	/* nothing can be written there: what is written, is at TABLE */
};

/* As much of it as there is memory for. */
static void table_write(const struct play *play, const struct table *table, uint64_t at)
{
	for (uint16_t i = 0; i < table->n && at + (i + 1u) * sizeof(struct desc) <= MEMORY_END; i++) {
		struct desc desc = {BUFFER + 28u * (i % 4u), 28, i + 1 < table->n ? N : 0, (uint16_t)(i + 1)};

		if (i == table->bad && table->with.len != 0)
			desc = table->with;
		if (play->packed)
			((struct packed_desc *)memory_at(at))[i] = (struct packed_desc){
				desc.addr, desc.len, 0, (uint16_t)(desc.flags & ~N)};
		else
			((struct desc *)memory_at(at))[i] = desc;
	}
}

static void table(struct play *play, const struct hostile_case *c)
{
	const struct table *table = c->data;
	uint64_t at = table->at != 0 ? table->at : TABLE;

	table_write(play, table, table->outside ? TABLE : at);
	ring_put(&play->tx, 0, (struct desc){at, table->len, I | table->flags, 1});
	ring_offer(&play->tx, 1);
}

/* --- packed ------------------------------------------------------------------------------------------------------ */

static void id(struct play *play, const struct hostile_case *c)
{
	const uint16_t *id = c->data;

	ring_put(&play->tx, 0, (struct desc){BUFFER, HEADER_LEN + FRAME_LEN, 0, 0});
	ring_packed(&play->tx, 0)->id = *id;
	ring_offer(&play->tx, 1);
	ring_take(&play->tx, 1, 3000);
	if (ring_packed(&play->tx, 0)->id != *id)
		give_up("the id that came back");
}

/* Flags that say something else than that the first slot is available in the first lap. */
static void flags(struct play *play, const struct hostile_case *c)
{
	const uint16_t *flags = c->data;

	*ring_packed(&play->tx, 0) = (struct packed_desc){BUFFER, HEADER_LEN + FRAME_LEN, 0, *flags};
	ring_kick(&play->tx);
	wait_ms(30);
}

/* The chain goes on in a slot that the driver has not made available. */
static void into_the_unwritten(struct play *play, const struct hostile_case *c)
{
	(void)c;
	ring_put(&play->tx, 0, (struct desc){BUFFER, HEADER_LEN + FRAME_LEN, N, 0});
	ring_offer(&play->tx, 1);
}

/* Slots of the second lap, while the first one is not over. */
static void a_lap_ahead(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (uint16_t i = 0; i < RING_SIZE; i++)
		*ring_packed(&play->tx, i) = (struct packed_desc){
			BUFFER, HEADER_LEN + FRAME_LEN, i,
			i % 2 == 0 ? PACKED_AVAIL : PACKED_USED};
	ring_kick(&play->tx);
	wait_ms(30);
}

#define LEN(...) (&(const struct table){__VA_ARGS__})
#define U16(n)	 (&(const uint16_t){n})
#define T(name, formats, expect, ...) {name, formats, expect, table, 0, 0, LEN(__VA_ARGS__), false}

#define INDIRECT  "fault 1 bad indirect table"
#define NEXT_TEXT "fault 1 next index beyond the table"
#define LOOP	  "fault 1 descriptor loop"
#define ADDRESS	  "fault 1 buffer outside of guest memory"

const struct hostile_case table_cases[] = {
	T("table_good", BOTH, "sent 1", .len = 64, .n = 4),
	T("table_of_nothing", BOTH, INDIRECT, .len = 0, .n = 4),
	T("table_less_than_an_entry", BOTH, INDIRECT, .len = 15, .n = 4),
	T("table_no_multiple_of_16", BOTH, INDIRECT, .len = 65, .n = 5),
	T("table_longer_than_the_ring", BOTH, INDIRECT, .len = 16 * (RING_SIZE + 1), .n = RING_SIZE + 1),
	T("table_of_4_gib", BOTH, INDIRECT, .len = 0xfffffff0, .n = 4),
	T("table_odd_address", BOTH, INDIRECT, .len = 64, .at = TABLE + 1, .n = 4, .outside = true),
	T("table_with_next", BOTH, INDIRECT, .len = 64, .n = 4, .flags = N),
	T("table_in_a_table", BOTH, INDIRECT, .len = 64, .n = 4, .bad = 1, .with = {TABLE, 64, I, 0}),
	T("table_names_itself", BOTH, INDIRECT, .len = 32, .n = 2, .bad = 0, .with = {TABLE, 32, I, 0}),
	{"table_not_agreed", BOTH, INDIRECT, table, 0, FEATURE(VIRTIO_RING_F_INDIRECT_DESC), LEN(.len = 64, .n = 4), false},
	T("table_nowhere", BOTH, ADDRESS, .len = 64, .at = WILD, .n = 4, .outside = true),
	T("table_over_the_end_of_memory", BOTH, ADDRESS, .len = 64, .at = MEMORY_END - 32, .n = 4),
	T("table_at_the_last_address", BOTH, ADDRESS, .len = 64, .at = UINT64_MAX - 31, .n = 4, .outside = true),
	T("table_with_a_wild_buffer", BOTH, ADDRESS, .len = 64, .n = 4, .bad = 3, .with = {WILD, 28, 0, 0}),
	T("table_with_a_writable_buffer", BOTH, "fault 1 buffer of the wrong direction", .len = 64, .n = 4, .bad = 3,
	  .with = {BUFFER, 28, DESC_WRITE, 0}),
	T("table_next_beyond_it", SPLIT, NEXT_TEXT, .len = 64, .n = 4, .bad = 1, .with = {BUFFER, 28, N, 4}),
	T("table_loop", SPLIT, LOOP, .len = 64, .n = 4, .bad = 2, .with = {BUFFER, 28, N, 0}),
	T("table_of_the_ring_itself", BOTH, "any", .len = 64, .at = RINGS + RING_STRIDE),
	/* V3 */
	{"packed_id_ffff", PACKED, "sent 1", id, 0, 0, U16(0xffff), false},
	{"packed_id_is_the_size", PACKED, "sent 1", id, 0, 0, U16(RING_SIZE), false},
	{"packed_flags_of_the_next_lap", PACKED, "idle", flags, 0, 0, U16(PACKED_USED), false},
	{"packed_flags_of_one_used", PACKED, "idle", flags, 0, 0, U16(PACKED_AVAIL | PACKED_USED), false},
	{"packed_chain_into_the_unwritten", PACKED, "any", into_the_unwritten, 0, 0, NULL, false},
	{"packed_every_other_slot_a_lap_ahead", PACKED, "any", a_lap_ahead, 0, 0, NULL, false},
	{0},
};
