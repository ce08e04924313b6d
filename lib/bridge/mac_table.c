/* SPDX-License-Identifier: BSD-3-Clause */
#include "mac_table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include <rte_hash.h>

#include "rcu.h"
#include "vus_limits.h"

/* What the control thread knows of an entry; by its position in the hash. */
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
	struct rte_hash *hash;
	_Atomic uint32_t generation;
	struct mac_table_config config;
	struct mac_entry *entry; /* [positions of the hash] */
	struct mac_port *port;	 /* [PORTS_MAX] */
	struct mac_table_stats stats;
};

/* --- the 64-bit word a reader sees ------------------------------------------------------------------------------- */

static void *value_pack(const struct mac_value *value)
{
	uint64_t word = (uint64_t)value->port | (uint64_t)value->epoch << 16 |
			(uint64_t)value->is_static << 32;

	return (void *)(uintptr_t)word;
}

static struct mac_value value_unpack(const void *data)
{
	uint64_t word = (uintptr_t)data;

	return (struct mac_value){
		.port = (uint16_t)word,
		.epoch = (uint16_t)(word >> 16),
		.is_static = (word >> 32) & 1,
	};
}

bool mac_table_lookup(const struct mac_table *table, mac_key_t mac, struct mac_value *value)
{
	void *data;

	if (rte_hash_lookup_data(table->hash, &mac, &data) < 0)
		return false;
	*value = value_unpack(data);
	return true;
}

uint32_t mac_table_generation(const struct mac_table *table)
{
	return atomic_load_explicit(&table->generation, memory_order_acquire);
}

/* --- the control thread's side ----------------------------------------------------------------------------------- */

static void changed(struct mac_table *table)
{
	atomic_fetch_add_explicit(&table->generation, 1, memory_order_release);
}

static struct mac_entry *find(const struct mac_table *table, mac_key_t mac)
{
	int32_t at = rte_hash_lookup(table->hash, &mac);

	return at < 0 ? NULL : &table->entry[at];
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
	/* The slot is recycled by the hash itself, after every reader has passed. */
	rte_hash_del_key(table->hash, &entry->mac);
	table->stats.entries--;
	changed(table);
}

static void entry_replace(struct mac_table *table, struct mac_entry *entry, struct mac_value value)
{
	list_leave(table, entry);
	entry->value = value;
	list_join(table, entry);
	rte_hash_add_key_data(table->hash, &entry->mac, value_pack(&value));
}

static int entry_add(struct mac_table *table, mac_key_t mac, struct mac_value value)
{
	struct mac_entry *entry;

	if (rte_hash_add_key_data(table->hash, &mac, value_pack(&value)) != 0)
		return -ENOSPC;
	entry = find(table, mac);
	entry->mac = mac;
	entry->value = value;
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
	const void *key;
	void *data;
	uint32_t at = 0;
	int32_t position;

	while ((position = rte_hash_iterate(table->hash, &key, &data, &at)) >= 0)
		if (table->entry[position].value.port == port)
			entry_remove(table, &table->entry[position]);
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
	const void *key;
	void *data;
	uint32_t at = 0;
	int32_t position;

	while ((position = rte_hash_iterate(table->hash, &key, &data, &at)) >= 0)
		if (!entry(arg, table->entry[position].mac, &table->entry[position].value))
			return;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

/* Addresses are chosen by whoever sends them. With a hash that can be computed elsewhere (a CRC collides for the same
 * addresses whatever its seed) a guest could fill the few slots another's address fits into, and have its frames flooded.
 * A product folded over a secret spreads as well and costs as little. */
static uint64_t secret[2];

static uint32_t mac_hash(const void *key, uint32_t len VUS_UNUSED, uint32_t seed VUS_UNUSED)
{
	unsigned __int128 product;
	uint64_t mac, fold;

	memcpy(&mac, key, sizeof(mac));
	product = (unsigned __int128)(mac ^ secret[0]) * secret[1];
	fold = (uint64_t)product ^ (uint64_t)(product >> 64);
	return (uint32_t)(fold ^ fold >> 32);
}

static struct rte_hash *hash_create(const struct mac_table_config *config)
{
	static unsigned int number;
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters parameters = {
		.name = name,
		/* A cuckoo table that is filled to the brim refuses keys, and removed slots wait for readers. */
		.entries = config->size < 32 ? 64 : 2 * config->size,
		.key_len = sizeof(mac_key_t),
		.hash_func = mac_hash,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
		.socket_id = SOCKET_ID_ANY,
	};
	struct rte_hash_rcu_config readers = {
		.v = rcu_qsbr(),
		.mode = RTE_HASH_QSBR_MODE_DQ,
	};
	struct rte_hash *hash;

	if (secret[1] == 0 && getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return NULL;
	secret[1] |= 1;
	snprintf(name, sizeof(name), "mac_%u_%.16s", number++, config->name);
	hash = rte_hash_create(&parameters);
	if (hash != NULL && rte_hash_rcu_qsbr_add(hash, &readers) != 0) {
		rte_hash_free(hash);
		return NULL;
	}
	return hash;
}

struct mac_table *mac_table_create(const struct mac_table_config *config)
{
	struct mac_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->config = *config;
	atomic_init(&table->generation, 1); /* 0 is what a memory of nothing has */
	if (table->config.port_limit == 0)
		table->config.port_limit = config->size;
	table->hash = hash_create(config);
	table->port = calloc(PORTS_MAX, sizeof(*table->port));
	if (table->hash != NULL)
		table->entry = calloc((size_t)rte_hash_max_key_id(table->hash) + 1,
				      sizeof(*table->entry));
	if (table->hash == NULL || table->port == NULL || table->entry == NULL) {
		mac_table_destroy(table);
		errno = ENOMEM;
		return NULL;
	}
	for (unsigned int i = 0; i < PORTS_MAX; i++)
		TAILQ_INIT(&table->port[i].entries);
	return table;
}

void mac_table_destroy(struct mac_table *table)
{
	if (table == NULL)
		return;
	rte_hash_free(table->hash);
	free(table->entry);
	free(table->port);
	free(table);
}
