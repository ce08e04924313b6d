/* SPDX-License-Identifier: BSD-3-Clause */
/* port_drops_read.c: control's side of port_drops.h: it makes the tables, and reads what lcores have written down. */
#include <string.h>

#include "node.h"
#include "port.h"
#include "port_drops_slot.h"

enum { TRIES = 8 };

/* Of tests without lcores, too, whose memory is there all the same. */
static size_t size_of(unsigned int n)
{
	return (n > 0 ? n : 1) * sizeof(struct drop_table);
}

struct drop_table *drop_tables_create(unsigned int n, uint64_t interval)
{
	struct drop_table *tables = node_alloc(size_of(n), NODE_UNKNOWN);

	for (unsigned int i = 0; tables != NULL && i < n; i++)
		tables[i].interval = interval;
	return tables;
}

void drop_tables_free(struct drop_table *tables, unsigned int n)
{
	node_free(tables, size_of(n));
}

static uint64_t read_word(const _Atomic uint64_t *at)
{
	/* Pairs with write_slot(). */
	return atomic_load_explicit(at, memory_order_acquire);
}

/* Whether it is of this key, and was dropped since: then it is in `seen`. */
static bool read_slot(const struct drop_slot *slot, uint64_t key, uint64_t since, struct drop_seen *seen)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t version = read_word(&slot->version), is = read_word(&slot->key), at = read_word(&slot->at),
			 size = read_word(&slot->size), word[DROP_WORDS];

		for (unsigned int k = 0; k < DROP_WORDS; k++)
			word[k] = read_word(&slot->word[k]);
		if ((version & 1) != 0 || drop_load(&slot->version) != version)
			continue;
		if (is != key || at < since)
			return false;
		seen->at = at;
		seen->len = (uint32_t)(size >> 16);
		seen->n = (uint16_t)size;
		memcpy(seen->bytes, word, sizeof(word));
		return true;
	}
	return false;
}

/* The last of the frames that the lcores have. One that was dropped before the port's first is of a former port with the same
 * id. */
static void read_frame(const struct port *port, unsigned int reason, struct drop_seen *seen)
{
	uint64_t key = drop_key(port->id, reason);

	for (unsigned int i = 0; i < port->counters_n; i++) {
		const struct drop_table *table = port->counters[i].drops->table;

		for (unsigned int k = 0; table != NULL && k < DROP_WAYS; k++)
			read_slot(&table->slot[drop_places(key) + k], key, seen->at > seen->first ? seen->at : seen->first, seen);
	}
}

void port_drops_read(const struct port *port, unsigned int reason, struct drop_seen *seen)
{
	*seen = (struct drop_seen){0};
	for (unsigned int i = 0; i < port->counters_n; i++) {
		uint64_t first = drop_load(&port->counters[i].drops->at[reason].first);
		uint64_t last = drop_load(&port->counters[i].drops->at[reason].last);

		if (first != 0 && (seen->first == 0 || first < seen->first))
			seen->first = first;
		if (last > seen->last)
			seen->last = last;
	}
	if (seen->first != 0)
		read_frame(port, reason, seen);
}
