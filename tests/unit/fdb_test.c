/* SPDX-License-Identifier: BSD-3-Clause */
/* The FDB against a model that keeps a plain list: limits, fair eviction (A2), aging around the wrap of the epoch, moves,
 * static entries, a full table, what ends a mark. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash_crc.h>

#include "cases.h"
#include "dice.h"
#include "fdb_keys.h"
#include "vus_limits.h"

/* A mark of an address, as a look-up gives it. */
static struct fdb_mark mark_of(const struct fdb *fdb, fdb_key_t key)
{
	struct fdb_value value;
	struct fdb_mark mark;

	fdb_lookup(fdb, key, &value, &mark);
	return mark;
}

static struct fdb *fdb_of(uint32_t size, uint32_t limit, uint16_t aging)
{
	struct fdb_config config = {
		.size = size,
		.port_limit = limit,
		.aging = aging,
	};
	struct fdb *fdb;

	role_assert_control();
	fdb = fdb_create(&config);
	assert_non_null(fdb);
	return fdb;
}

/* --- the model --------------------------------------------------------------------------------------------------- */

enum { MODEL_PORTS = 6, MODEL_MACS = 150, MODEL_SIZE = 64, MODEL_LIMIT = 20, MODEL_AGING = 300 };

struct model_entry {
	bool known, is_static;
	uint16_t port, epoch;
	uint64_t renewed; /* order of renewals */
	/* What a look-up would see of it has changed since the mark was taken. */
	struct fdb_mark mark;
	bool changed;
};

struct model {
	struct model_entry entry[MODEL_MACS];
	struct fdb_stats stats;
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
	entry->changed = true;
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

static void model_put(struct model *model, struct model_entry *entry, uint16_t port, uint16_t epoch,
		      bool is_static)
{
	if (!entry->known || entry->port != port || entry->is_static != is_static)
		entry->changed = true;
	if (!entry->known)
		model->stats.entries++;
	entry->known = true;
	entry->port = port;
	entry->epoch = epoch;
	entry->is_static = is_static;
	entry->renewed = ++model->clock;
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
	model_put(model, entry, port, epoch, false);
	return 0;
}

static int model_static(struct model *model, uint32_t i, uint16_t port)
{
	struct model_entry *entry = &model->entry[i];
	int error = entry->known ? 0 : model_room(model, port, false);

	if (error == 0)
		model_put(model, entry, port, 0, true);
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

static bool count_entry(void *arg, fdb_key_t key, const struct fdb_value *value)
{
	uint32_t *n = arg;

	assert_true(key != 0 && value->destination < MODEL_PORTS);
	return ++*n < UINT32_MAX;
}

static bool stop_at_once(void *arg, fdb_key_t key VUS_UNUSED,
			 const struct fdb_value *value VUS_UNUSED)
{
	++*(uint32_t *)arg;
	return false;
}

static void same(const struct fdb *fdb, struct model *model)
{
	struct fdb_stats stats;
	uint32_t from = 0;
	uint32_t n = 0;

	role_assert_control();
	for (uint32_t i = 0; i < MODEL_MACS; i++) {
		struct model_entry *entry = &model->entry[i];
		struct fdb_value value;
		bool held = fdb_mark_holds(fdb, entry->mark);
		bool known = fdb_lookup(fdb, mac_of(i), &value, &entry->mark);

		assert_false(held && entry->changed);
		assert_true(fdb_mark_holds(fdb, entry->mark));
		entry->changed = false;
		if (known != entry->known || (known && (value.destination != entry->port ||
							value.epoch != fdb_epoch(entry->epoch) ||
							value.is_static != entry->is_static)))
			fail_msg("address %u: known %d at %u, must be %d at %u", i, known,
				 value.destination, entry->known, entry->port);
	}
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, model->stats.entries);
	assert_int_equal(stats.learned, model->stats.learned);
	assert_int_equal(stats.moved, model->stats.moved);
	assert_int_equal(stats.aged, model->stats.aged);
	assert_int_equal(stats.evicted, model->stats.evicted);
	assert_int_equal(stats.refused, model->stats.refused);
	assert_false(fdb_each(fdb, &from, UINT32_MAX, count_entry, &n));
	assert_int_equal(n, stats.entries);
	n = 0;
	from = 0;
	fdb_each(fdb, &from, UINT32_MAX, stop_at_once, &n);
	assert_int_equal(n, stats.entries > 0);
}

/* One step: the same to both, the same from both. */
static void live(struct fdb *fdb, struct model *model, uint16_t epoch)
{
	uint32_t i = dice(MODEL_MACS), what = dice(1000);
	uint16_t port = (uint16_t)dice(MODEL_PORTS);

	role_assert_control();
	if (what < 900) {
		/* One port makes up addresses; the others have a few. */
		if (port == 0)
			i = dice(MODEL_MACS);
		else
			i = port * 20u + dice(12);
		assert_int_equal(fdb_learn(fdb, mac_of(i), port, epoch),
				 model_learn(model, i, port, epoch));
	} else if (what < 915) {
		assert_int_equal(fdb_set_static(fdb, mac_of(i), port),
				 model_static(model, i, port));
	} else if (what < 985) {
		assert_int_equal(fdb_remove(fdb, mac_of(i)), model_remove(model, i));
	} else if (what < 990) {
		fdb_flush(fdb, port, what % 2);
		model_flush(model, port, what % 2);
	} else {
		fdb_age(fdb, epoch, UINT32_MAX);
		model_age(model, epoch);
	}
}

static void like_the_model(void **state)
{
	struct fdb *fdb = fdb_of(MODEL_SIZE, MODEL_LIMIT, MODEL_AGING);
	struct model model;
	uint32_t seconds = 65000;

	role_assert_control();
	memset(&model, 0, sizeof(model));
	for (int step = 0; step < 60000; step++) {
		seconds += dice(12) == 0 ? dice(60) : 0; /* several turns of the epoch */
		if (dice(50) == 0) {
			/* Once a second in truth: never so late that an epoch comes around. */
			fdb_age(fdb, (uint16_t)seconds, UINT32_MAX);
			model_age(&model, (uint16_t)seconds);
		}
		live(fdb, &model, (uint16_t)seconds);
		if (step % 16 == 0)
			same(fdb, &model);
	}
	assert_true(seconds > 3 * 65536);
	assert_true(model.stats.evicted > 100 && model.stats.aged > 100 && model.stats.moved > 100);
	fdb_destroy(fdb);
}

/* --- what is promised, one by one -------------------------------------------------------------------------------- */

static void a_renewal_is_not_a_change(void **state)
{
	struct fdb *fdb = fdb_of(100, 0, 10);
	struct fdb_mark mark;
	struct fdb_value value;

	(void)state;
	role_assert_control();
	assert_int_equal(fdb_learn(fdb, 7, 1, 100), 0);
	mark = mark_of(fdb, 7);
	assert_int_equal(fdb_learn(fdb, 7, 1, 101), 0);
	assert_true(fdb_mark_holds(fdb, mark));
	assert_true(known_at(fdb, 7, &value));
	assert_int_equal(value.epoch, fdb_epoch(101));
	fdb_age(fdb, 111, UINT32_MAX);
	assert_true(known_at(fdb, 7, &value));
	assert_true(fdb_mark_holds(fdb, mark));
	fdb_age(fdb, 112, UINT32_MAX);
	assert_false(known_at(fdb, 7, &value));
	assert_false(fdb_mark_holds(fdb, mark));
	fdb_destroy(fdb);
	fdb_destroy(NULL);
}

/* A change ends the marks of its own address, known or not, and few others. */
static void a_change_ends_few_marks(void **state)
{
	enum { OTHERS = 4096 };
	static struct fdb_mark other[OTHERS];
	struct fdb *fdb = fdb_of(MAC_TABLE_SIZE_DEFAULT, 0, 10);
	struct fdb_mark mark, nothing = {0};
	unsigned int ended = 0;

	(void)state;
	role_assert_control();
	assert_false(fdb_mark_holds(fdb, nothing));
	for (uint32_t i = 0; i < OTHERS; i += 2)
		fdb_learn(fdb, mac_of(i), 1, 0);
	for (uint32_t i = 0; i < OTHERS; i++)
		other[i] = mark_of(fdb, mac_of(i));
	mark = mark_of(fdb, mac_of(OTHERS));
	fdb_learn(fdb, mac_of(OTHERS), 1, 0);
	assert_false(fdb_mark_holds(fdb, mark));
	mark = mark_of(fdb, mac_of(OTHERS));
	fdb_learn(fdb, mac_of(OTHERS), 2, 0);
	assert_false(fdb_mark_holds(fdb, mark));
	mark = mark_of(fdb, mac_of(OTHERS));
	fdb_remove(fdb, mac_of(OTHERS));
	assert_false(fdb_mark_holds(fdb, mark));
	for (uint32_t i = 0; i < OTHERS; i++)
		ended += !fdb_mark_holds(fdb, other[i]);
	assert_true(ended < 4 * OTHERS / FDB_BUCKETS);
	fdb_destroy(fdb);
}

static void one_address_in_two_fids(void **state)
{
	fdb_key_t last = fdb_key((1 << FDB_FID_BITS) - 1, 7), first = fdb_key(FID_DEFAULT, 7);
	struct fdb *fdb = fdb_of(100, 0, 10);
	struct fdb_value value;

	(void)state;
	role_assert_control();
	assert_int_equal(fdb_key_fid(last), 4095);
	assert_int_equal(fdb_key_mac(last), 7);
	assert_int_equal(fdb_learn(fdb, first, 1, 0), 0);
	assert_false(known_at(fdb, last, &value));
	assert_int_equal(fdb_learn(fdb, last, 2, 0), 0);
	assert_true(known_at(fdb, first, &value));
	assert_int_equal(value.destination, 1);
	assert_true(known_at(fdb, last, &value));
	assert_int_equal(value.destination, 2);
	assert_int_equal(fdb_remove(fdb, first), 0);
	assert_false(known_at(fdb, first, &value));
	assert_true(known_at(fdb, last, &value));
	fdb_destroy(fdb);
}

/* Destinations that are not ports share no port's limit, and are flushed one by one. */
static void destinations_that_are_not_ports(void **state)
{
	static const uint32_t destination[] = {PORTS_MAX - 1, PORTS_MAX, 0xfffff,
					       FDB_DESTINATIONS - 1};
	struct fdb *fdb = fdb_of(1000, 10, 10);
	struct fdb_value value;

	(void)state;
	role_assert_control();
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(fdb_learn(fdb, mac_of(i), destination[i % 4], 9), 0);
	assert_int_equal(fdb_set_static(fdb, mac_of(40), 0xfffff), 0);
	for (uint32_t i = 0; i < 40; i++) {
		assert_true(known_at(fdb, mac_of(i), &value));
		assert_int_equal(value.destination, destination[i % 4]);
		assert_int_equal(value.epoch, fdb_epoch(9));
		assert_false(value.is_static);
	}
	assert_true(known_at(fdb, mac_of(40), &value));
	assert_true(value.is_static && value.destination == 0xfffff);
	fdb_flush(fdb, 0xfffff, true);
	for (uint32_t i = 0; i < 41; i++)
		assert_int_equal(known_at(fdb, mac_of(i), &value), i < 40 && i % 4 != 2);
	fdb_age(fdb, 20, UINT32_MAX);
	assert_false(known_at(fdb, mac_of(1), &value));
	fdb_destroy(fdb);
}

/* A full table, all of it at destinations that are not ports and share one limit: the oldest address goes from one of them to
 * another, and none has to make room for it. */
static void moves_within_one_limit(void **state)
{
	struct fdb *fdb = fdb_of(8, 0, 10);
	struct fdb_stats stats;
	struct fdb_value value;

	role_assert_control();
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 8; i++)
			assert_int_equal(fdb_learn(fdb, mac_of(i), PORTS_MAX + round, 9), 0);
	for (uint32_t i = 0; i < 8; i++) {
		assert_true(known_at(fdb, mac_of(i), &value));
		assert_int_equal(value.destination, PORTS_MAX + 2);
	}
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, 8);
	assert_int_equal(stats.moved, 16);
	assert_int_equal(stats.evicted, 0);
	fdb_destroy(fdb);
}

/* Two full lines: an entry that can be in another goes there, and keeps its turn; if none can, the address is refused. */
static void a_full_line_gives_way(void **state)
{
	struct fdb *fdb = fdb_of(16, 0, 10);
	fdb_key_t key[12], last = 0;
	struct fdb_stats stats;
	struct fdb_value value;

	(void)state;
	role_assert_control();
	for (uint16_t i = 0; i < 10; i++) {
		key[i] = last = key_in(fdb, i % 2, 1 - i % 2, last);
		assert_int_equal(fdb_learn(fdb, last, 5, i), 0);
	}
	key[10] = key_in(fdb, 0, 1, last);
	assert_int_equal(fdb_learn(fdb, key[10], 5, 10), -ENOSPC);
	fdb_remove(fdb, key[3]);
	key[3] = key_in(fdb, 1, 2, key[10]);
	assert_int_equal(fdb_learn(fdb, key[3], 5, 10), 0);
	assert_int_equal(fdb_learn(fdb, key[10], 5, 11), 0);
	for (uint16_t i = 0; i <= 10; i++) {
		assert_true(known_at(fdb, key[i], &value));
		assert_int_equal(value.destination, 5);
	}
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, 11);
	assert_int_equal(stats.refused, 1);
	fdb_age(fdb, 20, UINT32_MAX); /* all but key[3] and key[10] */
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, 2);
	assert_true(known_at(fdb, key[3], &value) && known_at(fdb, key[10], &value));
	fdb_age(fdb, 21, UINT32_MAX);
	assert_false(known_at(fdb, key[3], &value));
	assert_true(known_at(fdb, key[10], &value));
	fdb_destroy(fdb);
}

static void aging_over_the_wrap_and_never(void **state)
{
	struct fdb *fdb = fdb_of(100, 0, 300), *never = fdb_of(100, 0, 0);
	struct fdb_value value;

	role_assert_control();
	fdb_learn(fdb, 7, 1, 65500);
	fdb_learn(never, 7, 1, 65500);
	fdb_age(fdb, (uint16_t)(65500 + 300), UINT32_MAX);
	assert_true(known_at(fdb, 7, &value));
	fdb_age(fdb, (uint16_t)(65500 + 301), UINT32_MAX);
	assert_false(known_at(fdb, 7, &value));
	for (uint32_t epoch = 0; epoch < 70000; epoch += 100)
		fdb_age(never, (uint16_t)epoch, UINT32_MAX);
	assert_true(known_at(never, 7, &value));
	fdb_destroy(fdb);
	fdb_destroy(never);
}

/* A VM that moves to another port while a third fills the table is followed. */
/* A sweep that has much to do does it in pieces, and misses nothing in between. */
static void ages_in_pieces(void **state)
{
	enum { ADDRESSES = 50000, PIECE = 256 };
	struct fdb *fdb = fdb_of(2 * ADDRESSES, 0, 10);
	struct fdb_stats stats;
	struct fdb_value value;
	uint64_t before = 0;

	(void)state;
	role_assert_control();
	for (uint64_t i = 0; i < ADDRESSES; i++)
		assert_int_equal(fdb_learn(fdb, 1000 + i, (uint16_t)(i % 7), 100), 0);
	while (fdb_age(fdb, 111, PIECE)) {
		fdb_stats(fdb, &stats);
		assert_int_equal(stats.aged - before, PIECE);
		before = stats.aged;
		/* One that is renewed meanwhile stays, one that is new as well. */
		if (before == 2 * PIECE) {
			assert_int_equal(fdb_learn(fdb, 1000 + ADDRESSES - 1, (ADDRESSES - 1) % 7, 111), 0);
			assert_int_equal(fdb_learn(fdb, 1, 0, 111), 0);
		}
	}
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.aged, ADDRESSES - 1);
	assert_int_equal(stats.entries, 2);
	assert_true(known_at(fdb, 1000 + ADDRESSES - 1, &value));
	assert_true(known_at(fdb, 1, &value));
	fdb_destroy(fdb);
}

static void moves_while_the_table_is_full(void **state)
{
	struct fdb *fdb = fdb_of(64, 0, 300);
	struct fdb_stats stats;
	struct fdb_value value;

	role_assert_control();
	assert_int_equal(fdb_learn(fdb, 999, 1, 0), 0);
	for (mac_key_t mac = 1; mac <= 100; mac++)
		fdb_learn(fdb, mac, 2, 0);
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, 64);
	assert_int_equal(fdb_learn(fdb, 5000, 3, 0), -ENOSPC);
	assert_int_equal(fdb_learn(fdb, 999, 3, 0), 0);
	assert_true(known_at(fdb, 999, &value));
	assert_int_equal(value.destination, 3);
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, 64);
	assert_int_equal(stats.moved, 1);
	fdb_destroy(fdb);
}

/* A2: a million made-up addresses cost the port that makes them up, and no other. */
static void a_million_addresses(void **state)
{
	struct fdb *fdb = fdb_of(MAC_TABLE_SIZE_DEFAULT, 8192, 300);
	struct fdb_stats stats;
	struct fdb_value value;

	role_assert_control();
	for (mac_key_t mac = 1; mac <= 100; mac++)
		assert_int_equal(fdb_learn(fdb, mac << 40, (uint16_t)(mac % 10), 0), 0);
	for (mac_key_t mac = 1; mac <= 1000000; mac++)
		if (fdb_learn(fdb, mac * 2654435761u + 1, 77, 0) != 0)
			fail_msg("address %lu is refused", (unsigned long)mac);
	for (mac_key_t mac = 1; mac <= 100; mac++) {
		assert_true(known_at(fdb, mac << 40, &value));
		assert_int_equal(value.destination, mac % 10);
	}
	fdb_stats(fdb, &stats);
	assert_int_equal(stats.entries, 100 + 8192);
	assert_int_equal(stats.evicted, 1000000 - 8192);
	fdb_destroy(fdb);
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

/* A2: addresses made so that a common hash is the same for all of them neither crowd each other nor other addresses. */
static void addresses_made_to_collide(void **state)
{
	struct fdb *fdb = fdb_of(MAC_TABLE_SIZE_DEFAULT, 8192, 300);
	mac_key_t blind[16], zero = 0;
	struct fdb_value value;

	role_assert_control();
	crc_blind_spots(blind);
	for (uint32_t i = 1; i < 4096; i++) {
		mac_key_t mac = 0;

		for (int b = 0; b < 12; b++)
			mac ^= (i >> b & 1) != 0 ? blind[b] : 0;
		assert_int_equal(rte_hash_crc(&mac, 8, 0), rte_hash_crc(&zero, 8, 0));
		if (fdb_learn(fdb, mac, 1, 0) != 0)
			fail_msg("the %uth is refused", i);
	}
	assert_int_equal(fdb_learn(fdb, blind[15], 2, 0), 0);
	assert_true(known_at(fdb, blind[15], &value));
	assert_int_equal(value.destination, 2);
	fdb_destroy(fdb);
}

/* Every entry that was promised can be had. */
static void filled_to_the_brim(void **state)
{
	struct fdb *fdb = fdb_of(MAC_TABLE_SIZE_DEFAULT, 0, 300);
	struct fdb_value value;

	role_assert_control();
	for (uint32_t i = 0; i < MAC_TABLE_SIZE_DEFAULT; i++)
		if (fdb_learn(fdb, mac_of(i), (uint16_t)(i % PORTS_MAX), 0) != 0)
			fail_msg("refused at %u", i);
	for (uint32_t i = 0; i < MAC_TABLE_SIZE_DEFAULT; i++) {
		assert_true(known_at(fdb, mac_of(i), &value));
		assert_int_equal(value.destination, i % PORTS_MAX);
	}
	for (uint16_t port = 0; port < PORTS_MAX; port++)
		fdb_flush(fdb, port, true);
	for (uint32_t i = 0; i < MAC_TABLE_SIZE_DEFAULT; i++)
		assert_false(known_at(fdb, mac_of(i), &value));
	fdb_destroy(fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_the_model),
		cmocka_unit_test(a_renewal_is_not_a_change),
		cmocka_unit_test(a_change_ends_few_marks),
		cmocka_unit_test(one_address_in_two_fids),
		cmocka_unit_test(destinations_that_are_not_ports),
		cmocka_unit_test(moves_within_one_limit),
		cmocka_unit_test(a_full_line_gives_way),
		cmocka_unit_test(aging_over_the_wrap_and_never),
		cmocka_unit_test(ages_in_pieces),
		cmocka_unit_test(moves_while_the_table_is_full),
		cmocka_unit_test(a_million_addresses),
		cmocka_unit_test(addresses_made_to_collide),
		cmocka_unit_test(filled_to_the_brim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
