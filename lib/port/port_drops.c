/* SPDX-License-Identifier: BSD-3-Clause */
/* port_drops.c: what lcores write down of a drop. What reads it is port_drops_read.c. */
#include "port_drops.h"

#include <string.h>

#include <rte_cycles.h>

#include "frame.h"
#include "port_drops_slot.h"

static void store(_Atomic uint64_t *at, uint64_t value)
{
	/* Pairs with read_slot(): whoever sees it sees that the version is odd. */
	atomic_store_explicit(at, value, memory_order_release);
}

static void write_slot(struct drop_slot *slot, uint64_t key, uint64_t now, const struct frame *frame)
{
	uint64_t version = drop_load(&slot->version), word[DROP_WORDS] = {0};
	uint32_t n = frame->head_len < DROP_BYTES ? frame->head_len : DROP_BYTES;

	memcpy(word, frame->head, n);
	atomic_store_explicit(&slot->version, version + 1, memory_order_relaxed);
	store(&slot->key, key);
	store(&slot->at, now);
	store(&slot->size, (uint64_t)frame->len << 16 | n);
	for (uint32_t i = 0; i < (n + sizeof(*word) - 1) / sizeof(*word); i++)
		store(&slot->word[i], word[i]);
	store(&slot->version, version + 2);
}

/* The key's place, or else the oldest of those that it may have. */
static struct drop_slot *slot_for(struct drop_table *table, uint64_t key)
{
	struct drop_slot *slot = &table->slot[drop_places(key)], *oldest = slot;

	for (unsigned int i = 0; i < DROP_WAYS; i++, slot++) {
		if (drop_load(&slot->key) == key)
			return slot;
		if (drop_load(&slot->at) < drop_load(&oldest->at))
			oldest = slot;
	}
	return oldest;
}

void port_drops_note(struct port_drops *drops, unsigned int reason, const struct frame *frame)
{
	uint64_t now = rte_rdtsc(), key = drop_key(drops->port, reason);
	struct drop_table *table = drops->table;
	struct drop_slot *slot;

	if (drop_load(&drops->at[reason].first) == 0)
		atomic_store_explicit(&drops->at[reason].first, now, memory_order_relaxed);
	atomic_store_explicit(&drops->at[reason].last, now, memory_order_relaxed);
	if (frame == NULL || table == NULL)
		return;
	slot = slot_for(table, key);
	if (drop_load(&slot->at) == 0 || now - drop_load(&slot->at) >= table->interval)
		write_slot(slot, key, now, frame);
}
