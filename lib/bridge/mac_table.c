/* SPDX-License-Identifier: BSD-3-Clause */
#include "mac_table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "vus_limits.h"

/* Eight words are a cache line, and an address is in one of two lines. While half of all words are in use, both of an
 * address's lines are full as good as never. */
enum { LINE_WORDS = 8, LINES_MIN = 8 };

/* A word that readers see, 0: nobody. The rest is control's. */
enum {
	PORT_SHIFT = 48,
	PORT_BITS = 10,
	EPOCH_SHIFT = PORT_SHIFT + PORT_BITS,
	STATIC_SHIFT = EPOCH_SHIFT + MAC_EPOCH_BITS,
	USED_SHIFT = STATIC_SHIFT + 1,
};
_Static_assert(PORTS_MAX <= 1 << PORT_BITS && USED_SHIFT == 63, "a word holds an entry");
static const uint64_t MAC_BITS = (UINT64_C(1) << PORT_SHIFT) - 1;
static const uint64_t USED = UINT64_C(1) << USED_SHIFT;

struct mac_line {
	_Alignas(64) _Atomic uint64_t word[LINE_WORDS];
};

/* What the control thread knows of an entry; by its position among the words. */
struct mac_entry {
	mac_key_t mac;
	struct mac_value value;
	TAILQ_ENTRY(mac_entry) link; /* dynamic entries of one port, the longest not renewed first */
};
TAILQ_HEAD(mac_list, mac_entry);

struct mac_port {
	struct mac_list entries;
	uint32_t n;
};

struct mac_table {
	struct mac_line *line; /* [mask + 1] */
	uint32_t mask;
	_Atomic uint32_t generation;
	struct mac_table_config config;
	struct mac_entry *entry; /* [(mask + 1) * LINE_WORDS] */
	struct mac_port *port;	 /* [PORTS_MAX] */
	struct mac_table_stats stats;
};

/* --- the words --------------------------------------------------------------------------------------------------- */

static uint64_t word_of(mac_key_t mac, const struct mac_value *value)
{
	return mac | USED | (uint64_t)value->port << PORT_SHIFT |
	       (uint64_t)mac_epoch(value->epoch) << EPOCH_SHIFT |
	       (uint64_t)value->is_static << STATIC_SHIFT;
}

/* Addresses are chosen by whoever sends them. With a hash that can be computed elsewhere (a CRC collides for the same
 * addresses whatever its seed) a guest could fill the few places another's address fits into, and have its frames flooded.
 * Products folded over secrets spread as well and cost as little; one alone leaves neighbours in a pattern. */
static uint64_t secret[4];

static inline uint64_t folded(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Where an address may be: in two lines, never the same, and in each from `first` on, where most are found at once. */
struct mac_places {
	uint32_t line[2], first;
};

static inline struct mac_places places_of(const struct mac_table *table, mac_key_t mac)
{
	uint64_t fold = folded(folded(mac ^ secret[0], secret[1]) ^ secret[2], secret[3]);
	uint32_t line = (uint32_t)fold & table->mask;

	return (struct mac_places){
		.line = {line, line ^ (1 + (uint32_t)((fold >> 32) * table->mask >> 32))},
		.first = (uint32_t)(fold >> 29) % LINE_WORDS,
	};
}

/* The i-th place: a position among the words. */
static inline uint32_t place_at(const struct mac_places *places, uint32_t i)
{
	return places->line[i / LINE_WORDS] * LINE_WORDS + (places->first + i) % LINE_WORDS;
}

static inline _Atomic uint64_t *word_at(const struct mac_table *table, uint32_t position)
{
	return &table->line[position / LINE_WORDS].word[position % LINE_WORDS];
}

static inline uint64_t word_get(const struct mac_table *table, uint32_t position)
{
	return atomic_load_explicit(word_at(table, position), memory_order_relaxed);
}

static inline struct mac_value value_of(uint64_t word)
{
	return (struct mac_value){
		.port = (uint16_t)(word >> PORT_SHIFT & ((1u << PORT_BITS) - 1)),
		.epoch = (uint16_t)(word >> EPOCH_SHIFT & ((1u << MAC_EPOCH_BITS) - 1)),
		.is_static = (word >> STATIC_SHIFT & 1) != 0,
	};
}

bool mac_table_lookup(const struct mac_table *table, mac_key_t mac, struct mac_value *value)
{
	struct mac_places places = places_of(table, mac);

	for (uint32_t i = 0; i < 2 * LINE_WORDS; i++) {
		uint64_t word = word_get(table, place_at(&places, i));

		if ((word & (MAC_BITS | USED)) == (mac | USED)) {
			*value = value_of(word);
			return true;
		}
	}
	return false;
}

uint32_t mac_table_generation(const struct mac_table *table)
{
	/* Pairs with changed(): a look-up from here on finds the change. */
	return atomic_load_explicit(&table->generation, memory_order_acquire);
}

/* --- the control thread's side ----------------------------------------------------------------------------------- */

static void changed(struct mac_table *table)
{
	/* Pairs with mac_table_generation(). */
	atomic_fetch_add_explicit(&table->generation, 1, memory_order_release);
}

static uint32_t positions(const struct mac_table *table)
{
	return (table->mask + 1) * LINE_WORDS;
}

/* One store: readers see what was there before, or this. */
static void word_set(const struct mac_table *table, uint32_t position, uint64_t word)
{
	atomic_store_explicit(word_at(table, position), word, memory_order_relaxed);
}

static struct mac_entry *find(const struct mac_table *table, mac_key_t mac)
{
	struct mac_places places = places_of(table, mac);

	for (uint32_t i = 0; i < 2 * LINE_WORDS; i++) {
		uint32_t position = place_at(&places, i);

		if (word_get(table, position) != 0 && table->entry[position].mac == mac)
			return &table->entry[position];
	}
	return NULL;
}

/* The first free place in the emptier line of an address; -1 if both are full. */
static int64_t find_free(const struct mac_table *table, mac_key_t mac)
{
	struct mac_places places = places_of(table, mac);
	uint32_t free[2] = {0, 0};
	int64_t at[2] = {-1, -1};

	for (uint32_t i = 2 * LINE_WORDS; i-- > 0;) {
		uint32_t position = place_at(&places, i);

		if (word_get(table, position) == 0) {
			free[i / LINE_WORDS]++;
			at[i / LINE_WORDS] = position;
		}
	}
	return at[free[1] > free[0]];
}

static void list_leave(struct mac_table *table, struct mac_entry *entry)
{
	struct mac_port *port = &table->port[entry->value.port];

	if (!entry->value.is_static)
		TAILQ_REMOVE(&port->entries, entry, link);
	port->n--;
}

static void list_join(struct mac_table *table, struct mac_entry *entry)
{
	struct mac_port *port = &table->port[entry->value.port];

	if (!entry->value.is_static)
		TAILQ_INSERT_TAIL(&port->entries, entry, link);
	port->n++;
}

static void entry_remove(struct mac_table *table, struct mac_entry *entry)
{
	list_leave(table, entry);
	word_set(table, (uint32_t)(entry - table->entry), 0);
	table->stats.entries--;
	changed(table);
}

static void entry_replace(struct mac_table *table, struct mac_entry *entry, struct mac_value value)
{
	list_leave(table, entry);
	entry->value = value;
	list_join(table, entry);
	word_set(table, (uint32_t)(entry - table->entry), word_of(entry->mac, &value));
}

static int entry_add(struct mac_table *table, mac_key_t mac, struct mac_value value)
{
	int64_t at = find_free(table, mac);
	struct mac_entry *entry;

	if (at < 0)
		return -ENOSPC;
	entry = &table->entry[at];
	entry->mac = mac;
	entry->value = value;
	word_set(table, (uint32_t)at, word_of(mac, &value));
	list_join(table, entry);
	table->stats.entries++;
	changed(table);
	return 0;
}

/* A port at its limit, or any port that wants a further entry while the table is full, makes room at its own expense. An
 * address that moves brings its entry along. */
static int make_room(struct mac_table *table, uint16_t port_id, bool moves)
{
	struct mac_port *port = &table->port[port_id];
	struct mac_entry *oldest = TAILQ_FIRST(&port->entries);

	if (port->n < table->config.port_limit &&
	    (moves || table->stats.entries < table->config.size))
		return 0;
	if (oldest == NULL) {
		table->stats.refused++;
		return -ENOSPC;
	}
	entry_remove(table, oldest);
	table->stats.evicted++;
	return 0;
}

int mac_table_learn(struct mac_table *table, mac_key_t mac, uint16_t port, uint16_t epoch)
{
	struct mac_value value = {.port = port, .epoch = epoch};
	struct mac_entry *entry = find(table, mac);
	int error;

	if (entry != NULL && entry->value.is_static)
		return entry->value.port == port ? 0 : -EEXIST;
	if (entry != NULL && entry->value.port == port) {
		entry_replace(table, entry, value);
		return 0;
	}
	error = make_room(table, port, entry != NULL);
	if (error != 0)
		return error;
	if (entry != NULL) {
		entry_replace(table, entry, value);
		table->stats.moved++;
		changed(table);
		return 0;
	}
	error = entry_add(table, mac, value);
	if (error == 0)
		table->stats.learned++;
	else
		table->stats.refused++;
	return error;
}

int mac_table_set_static(struct mac_table *table, mac_key_t mac, uint16_t port)
{
	struct mac_value value = {.port = port, .is_static = true};
	struct mac_entry *entry = find(table, mac);
	int error;

	if (entry != NULL) {
		entry_replace(table, entry, value);
		changed(table);
		return 0;
	}
	error = make_room(table, port, false);
	return error != 0 ? error : entry_add(table, mac, value);
}

int mac_table_remove(struct mac_table *table, mac_key_t mac)
{
	struct mac_entry *entry = find(table, mac);

	if (entry == NULL)
		return -ENOENT;
	entry_remove(table, entry);
	return 0;
}

static void flush_static(struct mac_table *table, uint16_t port)
{
	for (uint32_t i = 0; i < positions(table); i++)
		if (word_get(table, i) != 0 && table->entry[i].value.port == port)
			entry_remove(table, &table->entry[i]);
}

void mac_table_flush_port(struct mac_table *table, uint16_t port, bool all)
{
	struct mac_list *entries = &table->port[port].entries;

	while (!TAILQ_EMPTY(entries))
		entry_remove(table, TAILQ_FIRST(entries));
	if (all && table->port[port].n > 0)
		flush_static(table, port);
}

void mac_table_age(struct mac_table *table, uint16_t epoch)
{
	if (table->config.aging == 0)
		return;
	for (unsigned int i = 0; i < PORTS_MAX; i++) {
		struct mac_list *entries = &table->port[i].entries;
		struct mac_entry *entry;

		while ((entry = TAILQ_FIRST(entries)) != NULL &&
		       (uint16_t)(epoch - entry->value.epoch) > table->config.aging) {
			entry_remove(table, entry);
			table->stats.aged++;
		}
	}
}

void mac_table_stats(const struct mac_table *table, struct mac_table_stats *stats)
{
	*stats = table->stats;
}

void mac_table_each(const struct mac_table *table,
		    bool (*entry)(void *arg, mac_key_t mac, const struct mac_value *value),
		    void *arg)
{
	for (uint32_t i = 0; i < positions(table); i++)
		if (word_get(table, i) != 0 &&
		    !entry(arg, table->entry[i].mac, &table->entry[i].value))
			return;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct mac_table *mac_table_create(const struct mac_table_config *config)
{
	struct mac_table *table = calloc(1, sizeof(*table));
	uint32_t lines = LINES_MIN;

	if (table == NULL)
		return NULL;
	while ((uint64_t)lines * LINE_WORDS < 2 * (uint64_t)config->size)
		lines *= 2;
	table->config = *config;
	atomic_init(&table->generation, 1); /* 0 is what a memory of nothing has */
	if (table->config.port_limit == 0)
		table->config.port_limit = config->size;
	table->mask = lines - 1;
	table->line = aligned_alloc(64, lines * sizeof(*table->line));
	table->entry = calloc(positions(table), sizeof(*table->entry));
	table->port = calloc(PORTS_MAX, sizeof(*table->port));
	if (table->line == NULL || table->port == NULL || table->entry == NULL ||
	    (secret[1] == 0 && getrandom(secret, sizeof(secret), 0) != sizeof(secret))) {
		mac_table_destroy(table);
		errno = ENOMEM;
		return NULL;
	}
	secret[1] |= 1;
	secret[3] |= 1;
	memset(table->line, 0, lines * sizeof(*table->line));
	for (unsigned int i = 0; i < PORTS_MAX; i++)
		TAILQ_INIT(&table->port[i].entries);
	return table;
}

void mac_table_destroy(struct mac_table *table)
{
	if (table == NULL)
		return;
	free(table->line);
	free(table->entry);
	free(table->port);
	free(table);
}
