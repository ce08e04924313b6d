/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that a second thread rewrites while the switch reads it (V8, V9). What comes of it depends on the moment. $RACE_MS is
 * how long each goes on. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

enum { RACE_MS = 40, AGAIN_MS = 20, RESETS_MS = 5, TABLE_LEN = 8 };

struct race {
	/* What is rewritten, with a random number each time; `where`: 0 rx, 1 tx. */
	void (*rewrite)(struct play *, struct ring *, uint64_t random);
	int where;
	bool table; /* chains are indirect tables */
	bool resets;
};

struct rewriter {
	struct play *play;
	const struct race *race;
	struct ring ring; /* where it is: the play's is made anew now and then */
	atomic_bool stop;
};

static uint64_t shuffle(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Good or bad, in turn. */
static uint64_t an_address(uint64_t random)
{
	static const uint64_t bad[] = {WILD, UINT64_MAX - 3, MEMORY_END - 20, RINGS, RINGS + RING_STRIDE};

	return random % 2 == 0 ? BUFFER : bad[random / 2 % (sizeof(bad) / sizeof(bad[0]))];
}

static uint16_t *packed_flags(struct ring *ring, uint64_t random)
{
	return &ring_packed(ring, (uint16_t)(random % ring->size))->flags;
}

static void rewrite_addresses(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	/* Both formats have it first. */
	*(volatile uint64_t *)&ring_desc(ring, (uint16_t)(random % ring->size))->addr = an_address(random >> 16);
}

static void rewrite_lengths(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	*(volatile uint32_t *)&ring_desc(ring, (uint16_t)(random % ring->size))->len = (uint32_t)(random >> (random % 32 + 16));
}

static void rewrite_flags(struct play *play, struct ring *ring, uint64_t random)
{
	if (play->packed)
		*(volatile uint16_t *)packed_flags(ring, random) = (uint16_t)(random >> 32);
	else
		*(volatile uint16_t *)&ring_desc(ring, (uint16_t)(random % ring->size))->flags = (uint16_t)(random >> 32 & 7);
}

/* Split: next; packed: the id. */
static void rewrite_links(struct play *play, struct ring *ring, uint64_t random)
{
	if (play->packed)
		*(volatile uint16_t *)&ring_packed(ring, (uint16_t)(random % ring->size))->id = (uint16_t)(random >> 32);
	else
		*(volatile uint16_t *)&ring_desc(ring, (uint16_t)(random % ring->size))->next =
			(uint16_t)((random >> 32) % (ring->size + 2u));
}

static void rewrite_index(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	*(volatile uint16_t *)(ring_avail(ring) + 1) += (uint16_t)(random % 600 - 300);
}

static void rewrite_entries(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	*(volatile uint16_t *)(ring_avail(ring) + 2 + random % ring->size) = (uint16_t)((random >> 32) % (ring->size + 4u));
}

static void rewrite_driver_part(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	*(volatile uint16_t *)(ring_avail(ring) + random % 300) = (uint16_t)(random >> 32);
}

static void rewrite_device_part(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	*((volatile uint16_t *)memory_at(ring->card) + random % 1000) = (uint16_t)(random >> 32);
}

static void rewrite_everything(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	*((volatile uint64_t *)memory_at(ring->desc) + random % (RING_STRIDE / 8)) = random;
}

static void rewrite_header(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	(void)ring;
	*((volatile uint8_t *)memory_at(BUFFER) + random % HEADER_LEN) = (uint8_t)(random >> 32);
}

static void rewrite_frame(struct play *play, struct ring *ring, uint64_t random)
{
	(void)play;
	(void)ring;
	*((volatile uint8_t *)memory_at(BUFFER) + HEADER_LEN + random % FRAME_LEN) = (uint8_t)(random >> 32);
}

static void rewrite_table(struct play *play, struct ring *ring, uint64_t random)
{
	volatile struct desc *at = (struct desc *)memory_at(TABLE) + random % TABLE_LEN;

	(void)play;
	(void)ring;
	if (random % 3 == 0)
		at->addr = an_address(random >> 8);
	else if (random % 3 == 1)
		at->len = (uint32_t)(random >> 32);
	else
		at->flags = (uint16_t)(random >> 32 & 7);
}

static void *rewrite(void *arg)
{
	struct rewriter *writer = arg;
	struct ring ring = writer->ring;
	uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	while (!atomic_load_explicit(&writer->stop, memory_order_relaxed))
		writer->race->rewrite(writer->play, &ring, shuffle(&state));
	return NULL;
}

static void write_table(bool packed)
{
	for (uint16_t i = 0; i < TABLE_LEN; i++) {
		struct desc *at = (struct desc *)memory_at(TABLE) + i;

		*at = (struct desc){BUFFER + 14u * i, 14, i + 1 < TABLE_LEN ? DESC_NEXT : 0, (uint16_t)(i + 1)};
		if (packed)
			*(struct packed_desc *)at = (struct packed_desc){BUFFER + 14u * i, 14, 0, 0};
	}
}

/* A broken ring is left alone until a reset, so there is one every now and then. */
static void again(struct play *play)
{
	stage_set(play, 0, 0);
	write_table(play->packed);
	stage_run(play);
}

static void race(struct play *play, const struct hostile_case *c)
{
	const struct race *race = c->data;
	struct rewriter writer = {.play = play, .race = race};
	const char *longer = getenv("RACE_MS");
	int race_ms = longer != NULL ? atoi(longer) : RACE_MS;
	pthread_t thread;

	again(play);
	writer.ring = race->where == 0 ? play->rx : play->tx;
	errno = pthread_create(&thread, NULL, rewrite, &writer);
	if (errno != 0)
		give_up("a second thread");
	for (int ms = 0; ms < race_ms; ms++) {
		struct desc desc = {BUFFER, HEADER_LEN + FRAME_LEN, 0, 0};

		if (race->table)
			desc = (struct desc){TABLE, TABLE_LEN * 16, DESC_INDIRECT, 0};
		play->tx.quiet = true;
		for (int i = 0; i < 8; i++) {
			ring_put(&play->tx, 0, desc);
			ring_offer(&play->tx, 1);
		}
		ring_kick(&play->tx);
		if (ms % (race->resets ? RESETS_MS : AGAIN_MS) == 0)
			again(play);
		wait_ms(1);
	}
	atomic_store(&writer.stop, true);
	pthread_join(thread, NULL);
}

#define R(name, formats, function, of, ...)                                                                               \
	{name, formats, "any", race, 0, 0, &(const struct race){.rewrite = function, .where = of, __VA_ARGS__}, true}

const struct hostile_case race_cases[] = {
	R("race_addresses", BOTH, rewrite_addresses, 1),
	R("race_lengths", BOTH, rewrite_lengths, 1),
	R("race_flags", BOTH, rewrite_flags, 1),
	R("race_next_or_id", BOTH, rewrite_links, 1),
	R("race_available_index", SPLIT, rewrite_index, 1),
	R("race_available_entries", SPLIT, rewrite_entries, 1),
	R("race_driver_part", BOTH, rewrite_driver_part, 1),
	R("race_device_part", BOTH, rewrite_device_part, 1),
	R("race_whole_ring", BOTH, rewrite_everything, 1),
	R("race_header", BOTH, rewrite_header, 1),
	R("race_frame", BOTH, rewrite_frame, 1),
	R("race_table", BOTH, rewrite_table, 1, .table = true),
	R("race_receive_addresses", BOTH, rewrite_addresses, 0),
	R("race_receive_lengths", BOTH, rewrite_lengths, 0),
	R("race_receive_flags", BOTH, rewrite_flags, 0),
	R("race_receive_device_part", BOTH, rewrite_device_part, 0),
	R("race_receive_whole_ring", BOTH, rewrite_everything, 0),
	R("race_whole_ring_under_resets", BOTH, rewrite_everything, 1, .resets = true),
	R("race_receive_whole_ring_under_resets", BOTH, rewrite_everything, 0, .resets = true),
	{0},
};
