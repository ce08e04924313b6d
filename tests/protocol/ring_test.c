/* SPDX-License-Identifier: BSD-3-Clause */
/* A hostile driver's transmit ring: V1 to V7, V10 and V13. A chain
 * that no driver should post either breaks its ring, which the error eventfd says, or comes back;
 * it is never sent, never ignored, and a reset of the ring mends everything.
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>

enum { NUM = 256, NEXT = FG_DESC_NEXT, INDIRECT = FG_DESC_INDIRECT, WRITE = FG_DESC_WRITE };

#define BUFFER (GUEST_GPA + (8ull << 20)) /* memory that no allocator has given out */
#define TABLE  (BUFFER + (4ull << 20))
#define WILD   0x13370000ull

struct cast {
	struct guest *g, *peer;
	struct fg_ring *tx;
};

/* BUFFER begins with a header and a frame to the peer: whatever is sent of it, arrives. */
static void fill_buffer(struct cast *c)
{
	struct fg_flow flow = {.id = 299};
	uint8_t *at = fg_memory_ptr(&c->g->mem, BUFFER, 12 + 2000);

	memset(at, 0, 12);
	fg_flow_build(&flow, c->peer->nic.mac, c->g->nic.mac, at + 12, 2000);
}

static struct cast enter(const struct fg_options *opt)
{
	struct cast c = {.peer = guest_run("h1", NULL)};

	c.g = guest_open("h0", opt);
	guest_start(c.g, &(struct fg_nic_options){.depth = 32, .region = -1});
	c.tx = c.g->nic.tx;
	fill_buffer(&c);
	return c;
}

/* The chain that was just prepared at @head is shown to the switch; the ring survives it or a
 * reset. */
static void show(struct cast *c, const char *name, uint16_t head)
{
	enum outcome outcome;

	fg_ring_avail(c->tx, head);
	fg_ring_kick_now(c->tx);
	outcome = outcome_of(c->tx);
	if (outcome == F_STUCK)
		fail_msg("%s: neither broken nor returned", name);
	assert_silence(c->peer);
	guest_restart(c->g);
	assert_traffic(c->g, c->peer, 2, 300);
}

/* A ring of @n descriptors that never ends. */
static void make_loop(struct fg_ring *r, uint16_t n, uint32_t len, uint16_t flags)
{
	for (uint16_t i = 0; i < n; i++)
		fg_ring_desc(r, i, BUFFER, len, NEXT | flags, (uint16_t)((i + 1) % n));
}

/* V1 */
static void loops_end(void **state)
{
	static const struct {
		const char *name;
		uint16_t n;
		uint32_t len;
	} loops[] = {{"itself", 1, 64},
		     {"itself, of nothing", 1, 0},
		     {"two", 2, 64},
		     {"two empty", 2, 0},
		     {"the whole ring", NUM, 1},
		     {"the whole ring, empty", NUM, 0},
		     {"all but one", NUM - 1, 4}};
	struct cast c = enter(NULL);

	for (unsigned int i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		make_loop(c.tx, loops[i].n, loops[i].len, 0);
		show(&c, loops[i].name, 0);
	}
	/* entered from outside: 10 -> 11 -> 12 -> 11 */
	fg_ring_desc(c.tx, 10, BUFFER, 12, NEXT, 11);
	fg_ring_desc(c.tx, 11, BUFFER, 30, NEXT, 12);
	fg_ring_desc(c.tx, 12, BUFFER, 30, NEXT, 11);
	show(&c, "a loop with a tail", 10);
}

/* V3 */
static void indexes_stay_in_the_ring(void **state)
{
	static const uint16_t wild[] = {NUM, NUM + 1, 0x7fff, 0x8000, 0xffff};
	struct cast c = enter(NULL);

	for (unsigned int i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		show(&c, "head beyond the ring", wild[i]);
		fg_ring_desc(c.tx, 0, BUFFER, 12, NEXT, wild[i]);
		show(&c, "next beyond the ring", 0);
	}
}

static struct fg_desc *table_of(struct cast *c, uint16_t n, uint32_t len)
{
	struct fg_desc *t = fg_memory_ptr(&c->g->mem, TABLE, 16 * (size_t)n);

	for (uint16_t i = 0; i < n; i++)
		t[i] = (struct fg_desc){BUFFER, len, i + 1 < n ? NEXT : 0, (uint16_t)(i + 1)};
	return t;
}

/* V4. Every rule about indirect tables, broken (virtio 1.2, 2.7.5.3). */
static void indirect_tables_keep_the_rules(void **state)
{
	struct cast c = enter(NULL);
	struct fg_desc *t;

	table_of(&c, 4, 40);
	fg_ring_desc(c.tx, 0, TABLE, 0, INDIRECT, 0);
	show(&c, "a table of nothing", 0);
	fg_ring_desc(c.tx, 0, TABLE, 15, INDIRECT, 0);
	show(&c, "less than one entry", 0);
	table_of(&c, 4, 40);
	fg_ring_desc(c.tx, 0, TABLE, 65, INDIRECT, 0);
	show(&c, "no multiple of 16", 0);
	table_of(&c, NUM + 1, 1);
	fg_ring_desc(c.tx, 0, TABLE, 16 * (NUM + 1), INDIRECT, 0);
	show(&c, "more entries than the ring", 0);
	fg_ring_desc(c.tx, 0, TABLE, 0xfffffff0, INDIRECT, 0);
	show(&c, "4 GiB of table", 0);
	fg_ring_desc(c.tx, 0, WILD, 64, INDIRECT, 0);
	show(&c, "a table nowhere", 0);
	fg_ring_desc(c.tx, 0, GUEST_GPA + GUEST_MEMORY - 32, 64, INDIRECT, 0);
	show(&c, "a table over the end of memory", 0);
	fg_ring_desc(c.tx, 0, -32ull, 64, INDIRECT, 0);
	show(&c, "a table that wraps", 0);
	t = table_of(&c, 4, 40);
	t[1].next = 4;
	fg_ring_desc(c.tx, 0, TABLE, 64, INDIRECT, 0);
	show(&c, "next beyond the table", 0);
	t = table_of(&c, 4, 40);
	t[2].next = 0;
	t[2].flags = NEXT;
	fg_ring_desc(c.tx, 0, TABLE, 64, INDIRECT, 0);
	show(&c, "a loop in the table", 0);
	t = table_of(&c, 4, 40);
	t[1] = (struct fg_desc){TABLE, 64, INDIRECT, 0};
	fg_ring_desc(c.tx, 0, TABLE, 64, INDIRECT, 0);
	show(&c, "a table in the table", 0);
	t = table_of(&c, 2, 40);
	t[0] = (struct fg_desc){TABLE, 32, INDIRECT, 0};
	fg_ring_desc(c.tx, 0, TABLE, 32, INDIRECT, 0);
	show(&c, "a table that names itself", 0);
	table_of(&c, 4, 40)[3].addr = WILD;
	fg_ring_desc(c.tx, 0, TABLE, 64, INDIRECT, 0);
	show(&c, "a table with a wild buffer", 0);
}

/* V4. A table in a ring whose driver has not agreed to tables. */
static void indirect_must_be_agreed(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct cast c = enter(&plain);

	table_of(&c, 2, 100);
	fg_ring_desc(c.tx, 0, TABLE, 32, INDIRECT, 0);
	show(&c, "indirect, not agreed upon", 0);
}

/* V5. The available index may move by at most the ring's size, and forward. */
static void the_available_index_moves_forward(void **state)
{
	static const int moves[] = {NUM + 1, NUM + 2, 0x7fff, 0x8000, -1, -2, -NUM};

	for (unsigned int i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		struct cast c = enter(NULL);

		assert_traffic(c.g, c.peer, 5, 100);
		fg_ring_set_avail_idx(c.tx, (uint16_t)(c.tx->avail_idx + moves[i]));
		fg_ring_kick_now(c.tx);
		assert_int_equal(outcome_of(c.tx), F_BROKEN);
		assert_silence(c.peer); /* nothing is sent twice */
		guest_restart(c.g);
		assert_traffic(c.g, c.peer, 2, 100);
		guest_close(c.g);
		guest_close(c.peer);
	}
}

/* V6. Nothing at a wild address, at each place of a burst: what was before it is sent. */
static void empty_buffers_carry_nothing(void **state)
{
	struct cast c = enter(NULL);

	for (unsigned int place = 0; place < 12; place++) {
		uint8_t frame[100], got[2048];
		struct fg_flow flow = {.id = 300 + place};

		for (unsigned int i = 0; i < place; i++) {
			fg_flow_build(&flow, c.peer->nic.mac, c.g->nic.mac, frame, sizeof(frame));
			OK(fg_nic_queue(&c.g->nic, frame, sizeof(frame), &fg_layout_one));
		}
		fg_ring_desc(c.tx, NUM - 1, WILD, 0, 0, 0);
		fg_ring_avail(c.tx, NUM - 1);
		fg_ring_kick_now(c.tx);
		for (unsigned int i = 0; i < place; i++) {
			int n = fg_nic_recv(&c.peer->nic, got, sizeof(got), FG_WAIT_MS);

			assert_int_equal(n, sizeof(frame));
			assert_true(fg_flow_check(&flow, got, (size_t)n));
		}
		assert_true(fg_flow_whole(&flow));
		assert_int_not_equal(outcome_of(c.tx), F_STUCK);
		assert_silence(c.peer);
		guest_restart(c.g);
	}
}

/* V6. Lengths of 0 inside a chain, at good and at wild addresses. */
static void empty_pieces_are_checked(void **state)
{
	struct cast c = enter(NULL);

	fg_ring_desc(c.tx, 0, BUFFER, 0, NEXT, 1);
	fg_ring_desc(c.tx, 1, BUFFER, 0, 0, 0);
	show(&c, "two empty pieces", 0);
	fg_ring_desc(c.tx, 0, BUFFER, 12, NEXT, 1);
	fg_ring_desc(c.tx, 1, WILD, 0, 0, 0);
	show(&c, "a header and nothing", 0);
	fg_ring_desc(c.tx, 0, WILD, 100, 0, 0);
	show(&c, "a wild buffer", 0);
	fg_ring_desc(c.tx, 0, BUFFER, 12, NEXT, 1);
	fg_ring_desc(c.tx, 1, WILD, 100, 0, 0);
	show(&c, "a good header and a wild frame", 0);
	fg_ring_desc(c.tx, 0, WILD, 12, NEXT, 1);
	fg_ring_desc(c.tx, 1, BUFFER, 100, 0, 0);
	show(&c, "a wild header and a good frame", 0);
}

/* V7. Chains that end within the header, with it, or too soon behind it. */
static void a_chain_is_longer_than_its_header(void **state)
{
	struct cast c = enter(NULL);

	for (uint32_t len = 1; len < 12 + 14; len++) {
		fg_ring_desc(c.tx, 0, BUFFER, len, 0, 0);
		show(&c, "a short chain", 0);
	}
	for (uint16_t n = 1; n <= 12 + 13; n += 4) {
		for (uint16_t i = 0; i < n; i++)
			fg_ring_desc(c.tx, i, BUFFER + i, 1, i + 1 < n ? NEXT : 0,
				     (uint16_t)(i + 1));
		show(&c, "a short chain of single bytes", 0);
	}
}

/* V10. More bytes than any frame has, in 128 steps, and sums that do not fit 32 bits. */
static void giant_chains_are_not_copied(void **state)
{
	static const struct {
		const char *name;
		uint16_t n;
		uint32_t len, last;
	} giants[] = {{"128 x 16 MiB", 128, 16 << 20, 16 << 20},
		      {"4 GiB and a frame", NUM, 16 << 20, (16 << 20) - 1},
		      {"sum wraps to a frame", 2, 0x7fffffff, 0x7fffffff},
		      {"one of 4 GiB - 1", 1, 0xffffffff, 0xffffffff},
		      {"one byte above 64 KiB and all headers", 1, 65536 + 12 + 14 + 8,
		       65536 + 12 + 14 + 8},
		      {"256 x 64 KiB", NUM, 65536, 65536}};
	struct cast c = enter(NULL);

	for (unsigned int i = 0; i < sizeof(giants) / sizeof(giants[0]); i++) {
		for (uint16_t k = 0; k < giants[i].n; k++) {
			bool last = k + 1 == giants[i].n;

			fg_ring_desc(c.tx, k, giants[i].len < 4 << 20 ? BUFFER : GUEST_GPA,
				     last ? giants[i].last : giants[i].len, last ? 0 : NEXT,
				     (uint16_t)(k + 1));
		}
		show(&c, giants[i].name, 0);
	}
}

/* V2. As many descriptors as the largest ring has: bounded work, counted. */
static void endless_chains_are_bounded(void **state)
{
	const struct fg_options large = {.ring_size = 32768};
	struct cast c = enter(&large);
	uint16_t n[] = {257, 2049, 8192, 32767};

	for (unsigned int i = 0; i < 4; i++) {
		for (uint16_t k = 0; k < n[i]; k++)
			fg_ring_desc(c.tx, k, BUFFER + k,
				     k == 0   ? 5
				     : i == 0 ? 0
					      : 2,
				     k + 1 < n[i] ? NEXT : 0, (uint16_t)(k + 1));
		show(&c, "a very long chain", 0);
	}
}

/* A buffer to be written is none to send; likewise behind a good header. */
static void direction_matters(void **state)
{
	struct cast c = enter(NULL);

	fg_ring_desc(c.tx, 0, BUFFER, 100, WRITE, 0);
	show(&c, "writable", 0);
	fg_ring_desc(c.tx, 0, BUFFER, 12, NEXT, 1);
	fg_ring_desc(c.tx, 1, BUFFER, 100, WRITE, 0);
	show(&c, "header, then writable", 0);
	fg_ring_desc(c.tx, 0, BUFFER, 12, NEXT | WRITE, 1);
	fg_ring_desc(c.tx, 1, BUFFER, 100, 0, 0);
	show(&c, "writable, then readable", 0);
}

/* V13. One bad head among good ones: what was before it is sent, the ring is broken once and says
 * so, the other direction goes on, and after a reset everything does. */
static void a_bad_head_breaks_one_ring(void **state)
{
	struct cast c = enter(NULL);
	struct fg_flow flow = {.id = 400};
	uint8_t frame[200], got[2048];
	uint64_t errors = 0;

	for (unsigned int i = 0; i < 20; i++) {
		if (i == 10)
			fg_ring_avail(c.tx, 0xffff);
		fg_flow_build(&flow, c.peer->nic.mac, c.g->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&c.g->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&c.g->nic);
	fg_ring_kick_now(c.tx);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(fg_nic_recv(&c.peer->nic, got, sizeof(got), FG_WAIT_MS),
				 sizeof(frame));
		assert_true(fg_flow_check(&flow, got, sizeof(frame)));
	}
	assert_true(fg_ring_error(c.tx, FG_WAIT_MS));
	for (unsigned int i = 0; i < 50; i++) { /* kicking a broken ring stirs nothing */
		fg_ring_kick_now(c.tx);
		errors += fg_ring_error(c.tx, 1);
	}
	assert_int_equal(errors, 0);
	c.tx->avail->ring[10] = c.tx->avail->ring[11]; /* nor does mending it */
	fg_ring_kick_now(c.tx);
	fg_sleep_us(20000);
	assert_silence(c.peer);
	assert_traffic(c.peer, c.g, 5, 500);
	guest_restart(c.g);
	assert_traffic(c.g, c.peer, 5, 500);
}

/* A packed ring that is full of chains of two descriptors, from a place on. */
static void fill_packed(struct fg_ring *r, uint16_t first)
{
	const struct fg_vring v = fg_ring_v(r);

	for (uint16_t i = 0; i < r->num; i++) {
		const struct fg_packed_desc desc = {.addr = BUFFER, .len = 10, .flags = i % 2 == 0 ? NEXT : 0};

		fg_packed_put(&v, fg_place_after(&v, first, i), desc, i == 0);
	}
}

static void flip(const struct fg_vring *v, uint16_t place)
{
	volatile uint16_t *flags = &fg_packed_at(v, place)->flags;

	for (int i = 0; i < 1000; i++) {
		*flags = NEXT | fg_available(place);
		*flags = fg_available(place ^ FG_WRAP);
	}
}

/* V3 and V9. A burst takes all of a packed ring at the end of the guest's memory, while the first descriptor is now available
 * and now available in the next lap: no slot is taken twice, and nothing is read behind the ring. */
static void packed_rings_have_an_end(void **state)
{
	enum { SIZE = 4, LASTS_MS = 4000 };
	const int64_t end = fg_deadline(LASTS_MS);
	const uint16_t first = FG_WRAP | (SIZE - 1);
	const struct fg_options opt = {.features = (FG_FEATURES_DEFAULT & ~FG_F_IN_ORDER) | FG_F_PACKED, .ring_size = SIZE};
	struct guest *g = guest_open("h0", &opt);
	struct fg_ring *r = &g->s.ring[1];
	struct fg_vring v;
	int64_t deadline;
	uint16_t base;

	r->desc_gpa = GUEST_GPA + GUEST_MEMORY - SIZE * sizeof(*r->desc);
	r->desc = fg_memory_ptr(&g->mem, r->desc_gpa, SIZE * sizeof(*r->desc));
	OK(fg_session_start(&g->s));
	assert_true(r->packed);
	v = fg_ring_v(r);
	while (fg_left_ms(end) > 0) {
		OK(fg_stop_ring(&g->s, 1, &base));
		fill_packed(r, first);
		OK(fg_start_ring(&g->s, 1, (uint32_t)first << 16 | first));
		deadline = fg_deadline(FG_WAIT_MS);
		while (!fg_packed_is_used(&v, fg_place_after(&v, first, 2)) && fg_left_ms(deadline) > 0) {
			fg_ring_kick_now(r);
			flip(&v, first);
		}
		assert_true(fg_packed_is_used(&v, fg_place_after(&v, first, 2)));
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(loops_end),
		TEST_CASE(endless_chains_are_bounded),
		TEST_CASE(indexes_stay_in_the_ring),
		TEST_CASE(packed_rings_have_an_end),
		TEST_CASE(indirect_tables_keep_the_rules),
		TEST_CASE(indirect_must_be_agreed),
		TEST_CASE(the_available_index_moves_forward),
		TEST_CASE(empty_buffers_carry_nothing),
		TEST_CASE(empty_pieces_are_checked),
		TEST_CASE(a_chain_is_longer_than_its_header),
		TEST_CASE(giant_chains_are_not_copied),
		TEST_CASE(direction_matters),
		TEST_CASE(a_bad_head_breaks_one_ring),
	};

	return fixture_main("ring", CASES(cases));
}
