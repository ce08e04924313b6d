/* SPDX-License-Identifier: BSD-3-Clause */
/* The address table against a model that keeps a plain list: limits, fair eviction (A2), aging around the wrap of the
 * epoch, moves, static entries, a full table; and readers that look up while the writer churns. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <rte_hash_crc.h>

#include "cases.h"
#include "clock.h"
#include "eal.h"
#include "mac_table.h"
#include "rcu.h"
#include "vus_limits.h"

enum { READERS = 3, STUCK = READERS, RCU_READERS };

static uint64_t dice_state = 5;

static uint32_t dice(uint32_t below)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((dice_state >> 33) % below);
}

static struct mac_table *table_of(uint32_t size, uint32_t limit, uint16_t aging)
{
	struct mac_table_config config = {
		.size = size,
		.port_limit = limit,
		.aging = aging,
	};
	struct mac_table *table;

	role_assert_control();
	table = mac_table_create(&config);
	assert_non_null(table);
	return table;
}

/* --- the model --------------------------------------------------------------------------------------------------- */

enum { MODEL_PORTS = 6, MODEL_MACS = 150, MODEL_SIZE = 64, MODEL_LIMIT = 20, MODEL_AGING = 300 };

struct model_entry {
	bool known, is_static;
	uint16_t port, epoch;
	uint64_t renewed; /* order of renewals */
};

struct model {
	struct model_entry entry[MODEL_MACS];
	struct mac_table_stats stats;
	uint32_t generation;
	uint64_t clock;
};

/* Addresses that differ in one byte, in all, and by little. */
static mac_key_t mac_of(uint32_t i)
{
	return (mac_key_t)(i + 1) * UINT64_C(0x0100000203) % (UINT64_C(1) << 48);
}

static uint32_t model_count(const struct model *model, uint16_t port)
{
	uint32_t n = 0;

	for (int i = 0; i < MODEL_MACS; i++)
		n += model->entry[i].known && model->entry[i].port == port;
	return n;
}

static void model_forget(struct model *model, struct model_entry *entry)
{
	entry->known = false;
	model->stats.entries--;
	model->generation++;
}

static int model_room(struct model *model, uint16_t port, bool moves)
{
	struct model_entry *oldest = NULL;

	if (model_count(model, port) < MODEL_LIMIT && (moves || model->stats.entries < MODEL_SIZE))
		return 0;
	for (int i = 0; i < MODEL_MACS; i++) {
		struct model_entry *entry = &model->entry[i];

		if (entry->known && !entry->is_static && entry->port == port &&
		    (oldest == NULL || entry->renewed < oldest->renewed))
			oldest = entry;
	}
	if (oldest == NULL) {
		model->stats.refused++;
		return -ENOSPC;
	}
	model_forget(model, oldest);
	model->stats.evicted++;
	return 0;
}

static int model_put(struct model *model, struct model_entry *entry, struct model_entry value)
{
	bool moves = entry->known;

	if (!entry->known || entry->port != value.port || entry->is_static != value.is_static)
		model->generation++;
	if (!entry->known)
		model->stats.entries++;
	value.known = true;
	value.renewed = ++model->clock;
	*entry = value;
	return moves;
}

static int model_learn(struct model *model, uint32_t i, uint16_t port, uint16_t epoch)
{
	struct model_entry *entry = &model->entry[i];
	bool known = entry->known;
	int error;

	if (known && entry->is_static)
		return entry->port == port ? 0 : -EEXIST;
	if (!known || entry->port != port) {
		error = model_room(model, port, known);
		if (error != 0)
			return error;
		*(known ? &model->stats.moved : &model->stats.learned) += 1;
	}
	model_put(model, entry, (struct model_entry){.port = port, .epoch = epoch});
	return 0;
}

static int model_static(struct model *model, uint32_t i, uint16_t port)
{
	struct model_entry *entry = &model->entry[i];
	int error = entry->known ? 0 : model_room(model, port, false);

	if (error == 0)
		model_put(model, entry, (struct model_entry){.port = port, .is_static = true});
	return error;
}

static int model_remove(struct model *model, uint32_t i)
{
	if (!model->entry[i].known)
		return -ENOENT;
	model_forget(model, &model->entry[i]);
	return 0;
}

static void model_flush(struct model *model, uint16_t port, bool all)
{
	for (int i = 0; i < MODEL_MACS; i++)
		if (model->entry[i].known && model->entry[i].port == port &&
		    (all || !model->entry[i].is_static))
			model_forget(model, &model->entry[i]);
}

static void model_age(struct model *model, uint16_t epoch)
{
	for (int i = 0; i < MODEL_MACS; i++) {
		struct model_entry *entry = &model->entry[i];

		if (entry->known && !entry->is_static &&
		    (uint16_t)(epoch - entry->epoch) > MODEL_AGING) {
			model_forget(model, entry);
			model->stats.aged++;
		}
	}
}

static bool count_entry(void *arg, mac_key_t mac, const struct mac_value *value)
{
	uint32_t *n = arg;

	assert_true(mac != 0 && value->port < MODEL_PORTS);
	return ++*n < UINT32_MAX;
}

static bool stop_at_once(void *arg, mac_key_t mac VUS_UNUSED,
			 const struct mac_value *value VUS_UNUSED)
{
	++*(uint32_t *)arg;
	return false;
}

static void same(const struct mac_table *table, const struct model *model)
{
	struct mac_table_stats stats;
	uint32_t n = 0;

	role_assert_control();
	for (uint32_t i = 0; i < MODEL_MACS; i++) {
		const struct model_entry *entry = &model->entry[i];
		struct mac_value value;
		bool known = mac_table_lookup(table, mac_of(i), &value);

		if (known != entry->known ||
		    (known && (value.port != entry->port || value.epoch != mac_epoch(entry->epoch) ||
			       value.is_static != entry->is_static)))
			fail_msg("address %u: known %d at %u, must be %d at %u", i, known,
				 value.port, entry->known, entry->port);
	}
	mac_table_stats(table, &stats);
	assert_int_equal(stats.entries, model->stats.entries);
	assert_int_equal(stats.learned, model->stats.learned);
	assert_int_equal(stats.moved, model->stats.moved);
	assert_int_equal(stats.aged, model->stats.aged);
	assert_int_equal(stats.evicted, model->stats.evicted);
	assert_int_equal(stats.refused, model->stats.refused);
	mac_table_each(table, count_entry, &n);
	assert_int_equal(n, stats.entries);
	n = 0;
	mac_table_each(table, stop_at_once, &n);
	assert_int_equal(n, stats.entries > 0);
}

/* One step of a life: the same to both, the same from both. The generation moves when a look-up would. */
static void live(struct mac_table *table, struct model *model, uint16_t epoch)
{
	uint32_t i = dice(MODEL_MACS), before = mac_table_generation(table);
	uint32_t model_before = model->generation, what = dice(1000);
	uint16_t port = (uint16_t)dice(MODEL_PORTS);

	role_assert_control();
	if (what < 900) {
		/* One port makes up addresses; the others have a few. */
		if (port == 0)
			i = dice(MODEL_MACS);
		else
			i = port * 20u + dice(12);
		assert_int_equal(mac_table_learn(table, mac_of(i), port, epoch),
				 model_learn(model, i, port, epoch));
	} else if (what < 915) {
		assert_int_equal(mac_table_set_static(table, mac_of(i), port),
				 model_static(model, i, port));
	} else if (what < 985) {
		assert_int_equal(mac_table_remove(table, mac_of(i)), model_remove(model, i));
	} else if (what < 990) {
		mac_table_flush_port(table, port, what % 2);
		model_flush(model, port, what % 2);
	} else {
		mac_table_age(table, epoch);
		model_age(model, epoch);
	}
	if (model->generation != model_before)
		assert_int_not_equal(mac_table_generation(table), before);
}

static void like_the_model(void **state)
{
	struct mac_table *table = table_of(MODEL_SIZE, MODEL_LIMIT, MODEL_AGING);
	struct model model;
	uint32_t seconds = 65000;

	role_assert_control();
	memset(&model, 0, sizeof(model));
	for (int step = 0; step < 60000; step++) {
		seconds += dice(12) == 0 ? dice(60) : 0; /* several turns of the epoch */
		if (dice(50) == 0) {
			/* Once a second in truth: never so late that an epoch comes around. */
			mac_table_age(table, (uint16_t)seconds);
			model_age(&model, (uint16_t)seconds);
		}
		live(table, &model, (uint16_t)seconds);
		if (step % 16 == 0)
			same(table, &model);
	}
	assert_true(seconds > 3 * 65536);
	assert_true(model.stats.evicted > 100 && model.stats.aged > 100 && model.stats.moved > 100);
	mac_table_destroy(table);
}

/* --- what is promised, one by one -------------------------------------------------------------------------------- */

static void a_renewal_is_not_a_change(void **state)
{
	struct mac_table *table = table_of(100, 0, 10);
	struct mac_value value;
	uint32_t generation;

	role_assert_control();
	assert_int_equal(mac_table_learn(table, 7, 1, 100), 0);
	generation = mac_table_generation(table);
	assert_int_equal(mac_table_learn(table, 7, 1, 101), 0);
	assert_int_equal(mac_table_generation(table), generation);
	assert_true(mac_table_lookup(table, 7, &value));
	assert_int_equal(value.epoch, mac_epoch(101));
	mac_table_age(table, 111);
	assert_true(mac_table_lookup(table, 7, &value));
	mac_table_age(table, 112);
	assert_false(mac_table_lookup(table, 7, &value));
	assert_int_not_equal(mac_table_generation(table), generation);
	mac_table_destroy(table);
	mac_table_destroy(NULL);
}

static void aging_over_the_wrap_and_never(void **state)
{
	struct mac_table *table = table_of(100, 0, 300), *never = table_of(100, 0, 0);
	struct mac_value value;

	role_assert_control();
	mac_table_learn(table, 7, 1, 65500);
	mac_table_learn(never, 7, 1, 65500);
	mac_table_age(table, (uint16_t)(65500 + 300));
	assert_true(mac_table_lookup(table, 7, &value));
	mac_table_age(table, (uint16_t)(65500 + 301));
	assert_false(mac_table_lookup(table, 7, &value));
	for (uint32_t epoch = 0; epoch < 70000; epoch += 100)
		mac_table_age(never, (uint16_t)epoch);
	assert_true(mac_table_lookup(never, 7, &value));
	mac_table_destroy(table);
	mac_table_destroy(never);
}

/* A VM that moves to another port while somebody else fills the table is followed. */
static void moves_while_the_table_is_full(void **state)
{
	struct mac_table *table = table_of(64, 0, 300);
	struct mac_table_stats stats;
	struct mac_value value;

	role_assert_control();
	assert_int_equal(mac_table_learn(table, 999, 1, 0), 0);
	for (mac_key_t mac = 1; mac <= 100; mac++)
		mac_table_learn(table, mac, 2, 0);
	mac_table_stats(table, &stats);
	assert_int_equal(stats.entries, 64);
	assert_int_equal(mac_table_learn(table, 5000, 3, 0), -ENOSPC);
	assert_int_equal(mac_table_learn(table, 999, 3, 0), 0);
	assert_true(mac_table_lookup(table, 999, &value));
	assert_int_equal(value.port, 3);
	mac_table_stats(table, &stats);
	assert_int_equal(stats.entries, 64);
	assert_int_equal(stats.moved, 1);
	mac_table_destroy(table);
}

/* A2: a million made-up addresses cost the one who makes them up, and nobody else. */
static void a_million_addresses(void **state)
{
	struct mac_table *table = table_of(MAC_TABLE_SIZE_DEFAULT, 8192, 300);
	struct mac_table_stats stats;
	struct mac_value value;

	role_assert_control();
	for (mac_key_t mac = 1; mac <= 100; mac++)
		assert_int_equal(mac_table_learn(table, mac << 40, (uint16_t)(mac % 10), 0), 0);
	for (mac_key_t mac = 1; mac <= 1000000; mac++)
		if (mac_table_learn(table, mac * 2654435761u + 1, 77, 0) != 0)
			fail_msg("address %lu is refused", (unsigned long)mac);
	for (mac_key_t mac = 1; mac <= 100; mac++) {
		assert_true(mac_table_lookup(table, mac << 40, &value));
		assert_int_equal(value.port, mac % 10);
	}
	mac_table_stats(table, &stats);
	assert_int_equal(stats.entries, 100 + 8192);
	assert_int_equal(stats.evicted, 1000000 - 8192);
	mac_table_destroy(table);
}

/* Sixteen differences that change no CRC: elimination over its 48 bits. */
static void crc_blind_spots(mac_key_t blind[16])
{
	mac_key_t zero = 0, row[48], cause[48];
	uint32_t found = 0, n = 0;

	for (int bit = 0; bit < 48; bit++) {
		mac_key_t mac = UINT64_C(1) << bit;
		mac_key_t value = rte_hash_crc(&mac, 8, 0) ^ rte_hash_crc(&zero, 8, 0), why = mac;

		for (uint32_t i = 0; i < n; i++)
			if ((value ^ row[i]) < value) {
				value ^= row[i];
				why ^= cause[i];
			}
		if (value == 0) {
			blind[found++] = why;
			continue;
		}
		row[n] = value;
		cause[n++] = why;
	}
	assert_int_equal(found, 16);
}

/* A2: addresses made so that a common hash is the same for all of them neither crowd each other nor anybody else. */
static void addresses_made_to_collide(void **state)
{
	struct mac_table *table = table_of(MAC_TABLE_SIZE_DEFAULT, 8192, 300);
	mac_key_t blind[16], zero = 0;
	struct mac_value value;

	role_assert_control();
	crc_blind_spots(blind);
	for (uint32_t i = 1; i < 4096; i++) {
		mac_key_t mac = 0;

		for (int b = 0; b < 12; b++)
			mac ^= (i >> b & 1) != 0 ? blind[b] : 0;
		assert_int_equal(rte_hash_crc(&mac, 8, 0), rte_hash_crc(&zero, 8, 0));
		if (mac_table_learn(table, mac, 1, 0) != 0)
			fail_msg("the %uth is refused", i);
	}
	assert_int_equal(mac_table_learn(table, blind[15], 2, 0), 0);
	assert_true(mac_table_lookup(table, blind[15], &value));
	assert_int_equal(value.port, 2);
	mac_table_destroy(table);
}

/* Every entry that was promised can be had. */
static void filled_to_the_brim(void **state)
{
	struct mac_table *table = table_of(MAC_TABLE_SIZE_DEFAULT, 0, 300);
	struct mac_value value;

	role_assert_control();
	for (uint32_t i = 0; i < MAC_TABLE_SIZE_DEFAULT; i++)
		if (mac_table_learn(table, mac_of(i), (uint16_t)(i % PORTS_MAX), 0) != 0)
			fail_msg("refused at %u", i);
	for (uint32_t i = 0; i < MAC_TABLE_SIZE_DEFAULT; i++) {
		assert_true(mac_table_lookup(table, mac_of(i), &value));
		assert_int_equal(value.port, i % PORTS_MAX);
	}
	for (uint16_t port = 0; port < PORTS_MAX; port++)
		mac_table_flush_port(table, port, true);
	for (uint32_t i = 0; i < MAC_TABLE_SIZE_DEFAULT; i++)
		assert_false(mac_table_lookup(table, mac_of(i), &value));
	mac_table_destroy(table);
}

/* --- readers ----------------------------------------------------------------------------------------------------- */

/* A reader that does not move on holds up nobody. */
static void a_reader_that_is_stuck(void **state)
{
	struct mac_table *table = table_of(64, 0, 300);
	struct mac_value value;

	role_assert_control();
	rcu_online(STUCK);
	for (mac_key_t mac = 1; mac <= 100000; mac++) {
		assert_int_equal(mac_table_learn(table, mac, 1, 0), 0);
		assert_true(mac_table_lookup(table, mac, &value));
	}
	rcu_offline(STUCK);
	mac_table_destroy(table);
}

enum { STEADY = 64, MOVER = 1000, CHURN = 2000 };

struct reader {
	pthread_t thread;
	unsigned int index;
	const struct mac_table *table;
	atomic_bool *stop;
	_Atomic uint64_t rounds, wrong;
};

/* Steady addresses are always there, the mover is at one of its two ports or the other, strangers never are. */
static void *reader_main(void *arg)
{
	struct reader *reader = arg;

	rcu_online(reader->index);
	while (!atomic_load(reader->stop)) {
		struct mac_value value = {.port = 0};
		uint64_t wrong = 0;

		for (uint32_t i = 0; i < STEADY; i++) {
			wrong += !mac_table_lookup(reader->table, mac_of(i), &value);
			wrong += value.port != i % 8;
			wrong += mac_table_lookup(reader->table, mac_of(i) | UINT64_C(1) << 47,
						  &value);
		}
		wrong += !mac_table_lookup(reader->table, mac_of(MOVER), &value);
		wrong += value.port != 10 && value.port != 11;
		for (uint32_t i = 0; i < 100; i++)
			if (mac_table_lookup(reader->table, mac_of(CHURN + i), &value))
				wrong += value.port < 20 || value.port >= 24;
		rcu_quiescent(reader->index);
		atomic_fetch_add(&reader->wrong, wrong);
		atomic_fetch_add(&reader->rounds, 1);
	}
	rcu_offline(reader->index);
	return NULL;
}

static void readers_beside_a_busy_writer(void **state)
{
	struct mac_table *table = table_of(256, 0, 300);
	struct reader reader[READERS];
	uint64_t end = clock_ns() + 1500 * NS_PER_MS;
	atomic_bool stop = false;

	role_assert_control();
	for (uint32_t i = 0; i < STEADY; i++)
		assert_int_equal(mac_table_learn(table, mac_of(i), (uint16_t)(i % 8), 0), 0);
	mac_table_learn(table, mac_of(MOVER), 10, 0);
	for (unsigned int i = 0; i < READERS; i++) {
		reader[i] = (struct reader){.index = i, .table = table, .stop = &stop};
		assert_int_equal(
			pthread_create(&reader[i].thread, NULL, reader_main, &reader[i]), 0);
	}
	while (clock_ns() < end)
		for (int i = 0; i < 100; i++) {
			uint32_t churn = CHURN + dice(400);

			mac_table_learn(table, mac_of(MOVER), (uint16_t)(10 + dice(2)), 0);
			mac_table_learn(table, mac_of(churn), (uint16_t)(20 + churn % 4), 0);
			mac_table_remove(table, mac_of(CHURN + dice(400)));
		}
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(reader[i].thread, NULL);
		assert_int_equal(atomic_load(&reader[i].wrong), 0);
		assert_true(atomic_load(&reader[i].rounds) > 0);
	}
	mac_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_the_model),
		cmocka_unit_test(a_renewal_is_not_a_change),
		cmocka_unit_test(aging_over_the_wrap_and_never),
		cmocka_unit_test(moves_while_the_table_is_full),
		cmocka_unit_test(a_million_addresses),
		cmocka_unit_test(addresses_made_to_collide),
		cmocka_unit_test(filled_to_the_brim),
		cmocka_unit_test(a_reader_that_is_stuck),
		cmocka_unit_test(readers_beside_a_busy_writer),
	};

	if (eal_start("0@0", NULL) != 0 || rcu_init(RCU_READERS) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
