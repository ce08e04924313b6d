/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_fetch.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { GRAIN = 8, GRAINS = 1 << 16 /* of a burst; more are not watched */ };

/* Eight bytes of memory, and which of them were read. */
struct grain {
	uint64_t number; /* address / GRAIN */
	uint32_t burst;	 /* the entry is free unless this is the burst's number */
	uint8_t fields, bodies;
	const char *reader;
};

struct fetches {
	uint32_t burst, used;
	struct grain grain[GRAINS];
};

struct bursts {
	struct fetches of[MEM_FETCH_BURSTS];
	enum mem_fetch_burst now;
	bool mutate;
};

static bool aliases;

/* Stays with its thread for good: no thread that reads guest memory ends before the process does, but in tests. */
static __thread struct bursts *bursts;

static struct bursts *mine(void)
{
	const char *mode;

	if (bursts != NULL)
		return bursts;
	mode = getenv("VUS_FETCH");
	bursts = mmap(NULL, sizeof(*bursts), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bursts == MAP_FAILED)
		__builtin_trap();
	bursts->mutate = mode != NULL && strcmp(mode, "mutate") == 0;
	for (int i = 0; i < MEM_FETCH_BURSTS; i++)
		bursts->of[i].burst = 1;
	return bursts;
}

/* The entry of these eight bytes; one that is free if they were not read; NULL if there is no room. */
static struct grain *grain_of(struct fetches *fetches, uint64_t number)
{
	uint64_t at = number * UINT64_C(0x9e3779b97f4a7c15) >> 48;

	for (unsigned int step = 0; step < GRAINS; step++) {
		struct grain *grain = &fetches->grain[(at + step) % GRAINS];

		if (grain->burst != fetches->burst || grain->number == number)
			return grain;
	}
	return NULL;
}

static uint8_t noise(void)
{
	static __thread uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (uint8_t)(state >> 24 | 1);
}

/* Which of the bytes of `mask` were read before. */
static uint8_t read_before(struct bursts *all, uint64_t number, uint8_t mask, bool body, const char **reader)
{
	uint8_t before = 0;

	for (int i = 0; i < MEM_FETCH_BURSTS; i++) {
		struct grain *grain = grain_of(&all->of[i], number);
		uint8_t hit;

		if (grain == NULL || grain->burst != all->of[i].burst)
			continue;
		hit = mask & (body ? grain->fields : grain->fields | grain->bodies);
		if (hit != 0)
			*reader = grain->reader;
		before |= hit;
	}
	return before;
}

static void note(struct fetches *fetches, uint64_t number, uint8_t mask, bool body, const char *reader)
{
	struct grain *grain = grain_of(fetches, number);

	if (grain == NULL)
		return;
	if (grain->burst != fetches->burst) {
		if (fetches->used == GRAINS / 2)
			return;
		fetches->used++;
		*grain = (struct grain){.number = number, .burst = fetches->burst};
	}
	if (body)
		grain->bodies |= mask;
	else
		grain->fields |= mask;
	grain->reader = reader;
}

static uint8_t mask_of(uint64_t number, uint64_t from, uint64_t len)
{
	uint8_t mask = 0;

	for (uint64_t i = 0; i < GRAIN; i++)
		mask |= (uint8_t)((number * GRAIN + i - from < len) << i);
	return mask;
}

/* One read of [from, from + len). `to`: what the reader got, which is changed where it read before. */
static void fetch(const void *at, size_t len, uint8_t *to, bool body, const char *reader)
{
	uint64_t from = (uintptr_t)at;
	struct bursts *all = mine();
	const char *other = NULL;

	if (len == 0 || (body && aliases))
		return;
	for (uint64_t number = from / GRAIN; number <= (from + len - 1) / GRAIN; number++) {
		uint8_t mask = mask_of(number, from, len);
		uint8_t before = read_before(all, number, mask, body, &other);

		for (uint64_t i = 0; to != NULL && i < GRAIN; i++)
			if ((before >> i & 1) != 0)
				to[number * GRAIN + i - from] ^= noise();
		note(&all->of[all->now], number, mask, body, reader);
	}
	if (other == NULL)
		return;
	fprintf(stderr, "double fetch: %s() reads %zu bytes of a guest at %p that %s() has read in the same burst\n",
		reader, len, at, other);
	if (!all->mutate)
		__builtin_trap();
}

static void forget(struct fetches *fetches)
{
	fetches->burst++;
	fetches->used = 0;
}

void mem_fetch_aliases(bool named_twice)
{
	aliases = named_twice;
}

void mem_fetch_begin(enum mem_fetch_burst burst)
{
	struct bursts *all = mine();

	all->now = burst;
	forget(&all->of[MEM_FETCH_TO_GUEST]);
	if (burst == MEM_FETCH_FROM_GUEST)
		forget(&all->of[MEM_FETCH_FROM_GUEST]);
}

void mem_fetch_end(void)
{
	mem_fetch_begin(MEM_FETCH_FROM_GUEST);
}

uint64_t mem_fetch_field(const void *at, size_t size, uint64_t value, const char *reader)
{
	uint8_t bytes[sizeof(value)];

	memcpy(bytes, &value, sizeof(bytes));
	fetch(at, size, bytes, false, reader);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

void mem_fetch_bytes(void *to, const void *from, size_t len, const char *reader)
{
	fetch(from, len, to, false, reader);
}

void mem_fetch_copied(const void *from, size_t len, const char *reader)
{
	fetch(from, len, NULL, true, reader);
}

void mem_fetch_named(const void *at, size_t len)
{
	struct bursts *all = mine();
	uint64_t from = (uintptr_t)at;

	if (!aliases || len == 0)
		return;
	for (uint64_t number = from / GRAIN; number <= (from + len - 1) / GRAIN; number++)
		for (int i = 0; i < MEM_FETCH_BURSTS; i++) {
			struct grain *grain = grain_of(&all->of[i], number);

			if (grain != NULL && grain->burst == all->of[i].burst)
				grain->fields &= (uint8_t)~mask_of(number, from, len);
		}
}
