/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers of an FDB while the writer replaces entries all the time: each gets the value of the address it asked for, or none,
 * and finds every address that stays. Meant for TSan (scripts/test), and for real cores. */
#include <pthread.h>
#include <stdatomic.h>

#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "fdb_keys.h"

enum { READERS = 3 };

static fdb_key_t mac_of(uint32_t i)
{
	return (fdb_key_t)(i + 1) * UINT64_C(0x0100000203) % (UINT64_C(1) << FDB_MAC_BITS);
}

/* Every address has a destination of its own, far from that of any other. */
enum { STEADY = 12, MOVING = 1000, REPLACED = 2000, REPLACED_N = 64 };

static uint32_t home_of(uint32_t i)
{
	return (i + 1) * 8191 % FDB_DESTINATIONS;
}

struct reader {
	pthread_t thread;
	const struct fdb *fdb;
	atomic_bool *stop;
	_Atomic uint64_t rounds, missed, wrong, found;
};

/* Steady addresses are always there, the moving address is at one of its two destinations, and one that comes and
 * goes is at its own or not found. */
static void *reader_main(void *arg)
{
	struct reader *reader = arg;

	while (!atomic_load(reader->stop)) {
		struct fdb_value value = {.destination = 0};
		uint64_t missed = 0, wrong = 0, found = 0;

		for (uint32_t i = 0; i < STEADY; i++) {
			if (!known_at(reader->fdb, mac_of(i), &value))
				missed++;
			else
				wrong += value.destination != home_of(i) || value.epoch != 3;
		}
		missed += !known_at(reader->fdb, mac_of(MOVING), &value);
		wrong += value.destination != 10 && value.destination != 11;
		for (uint32_t i = REPLACED; i < REPLACED + REPLACED_N; i++)
			if (known_at(reader->fdb, mac_of(i), &value)) {
				wrong += value.destination != home_of(i);
				found++;
			}
		atomic_fetch_add(&reader->missed, missed);
		atomic_fetch_add(&reader->wrong, wrong);
		atomic_fetch_add(&reader->found, found);
		atomic_fetch_add(&reader->rounds, 1);
	}
	return NULL;
}

/* Eight lines in all: each place is filled with another address again and again under the readers' eyes. */
static void replace_for(struct fdb *fdb, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	role_assert_control();
	while (clock_ns() < end)
		for (int i = 0; i < 100; i++) {
			uint32_t replaced = REPLACED + dice(REPLACED_N);

			fdb_learn(fdb, mac_of(MOVING), 10 + dice(2), 0);
			fdb_learn(fdb, mac_of(replaced), home_of(replaced), 3);
			fdb_remove(fdb, mac_of(REPLACED + dice(REPLACED_N)));
		}
}

static void readers_beside_a_busy_writer(void **state)
{
	struct fdb_config config = {.size = 16};
	struct fdb *fdb;
	struct reader reader[READERS];
	struct fdb_stats stats;
	atomic_bool stop = false;

	(void)state;
	role_assert_control();
	fdb = fdb_create(&config);
	assert_non_null(fdb);
	assert_int_equal(fdb->mask, 7);
	/* More than there is room for: lines get full, entries go to their second, and some are refused. */
	fdb->config.size = fdb->owner[PORTS_MAX].limit = 2 * REPLACED_N;
	for (uint32_t i = 0; i < STEADY; i++)
		assert_int_equal(fdb_learn(fdb, mac_of(i), home_of(i), 3), 0);
	fdb_learn(fdb, mac_of(MOVING), 10, 0);
	for (unsigned int i = 0; i < READERS; i++) {
		reader[i] = (struct reader){.fdb = fdb, .stop = &stop};
		assert_int_equal(pthread_create(&reader[i].thread, NULL, reader_main, &reader[i]),
				 0);
	}
	replace_for(fdb, 1000 * NS_PER_MS);
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(reader[i].thread, NULL);
		assert_int_equal(atomic_load(&reader[i].missed), 0);
		assert_int_equal(atomic_load(&reader[i].wrong), 0);
		assert_true(atomic_load(&reader[i].rounds) > 0);
		assert_true(atomic_load(&reader[i].found) > 0);
	}
	fdb_stats(fdb, &stats);
	assert_true(stats.learned > 1000 && stats.refused > 0);
	fdb_destroy(fdb);
}

/* --- an entry that goes to its second line ----------------------------------------------------------------------- */

struct follower {
	const struct fdb *fdb;
	fdb_key_t key;
	/* The writer's: even while the address is there. */
	_Atomic uint64_t turn;
	_Atomic bool stop;
	_Atomic uint64_t found, missed;
};

static void *follower_main(void *arg)
{
	struct follower *follower = arg;

	while (!atomic_load(&follower->stop)) {
		uint64_t turn = atomic_load(&follower->turn);
		struct fdb_value value;
		bool known = known_at(follower->fdb, follower->key, &value);

		if (turn % 2 != 0 || atomic_load(&follower->turn) != turn)
			continue;
		atomic_fetch_add(
			known && value.destination == 7 ? &follower->found : &follower->missed, 1);
	}
	return NULL;
}

/* Lines 0 and 1 are full, and only the followed address can go from line 0 to another, when one more comes. */
static void an_entry_on_its_way_is_not_missed(void **state)
{
	struct fdb_config config = {.size = 16};
	struct follower follower = {.fdb = NULL};
	uint64_t end = clock_ns() + 500 * NS_PER_MS;
	fdb_key_t last = 0, more;
	pthread_t thread;
	struct fdb *fdb;

	(void)state;
	role_assert_control();
	follower.fdb = fdb = fdb_create(&config);
	assert_non_null(fdb);
	follower.key = key_in(fdb, 0, 2, 0);
	fdb_learn(fdb, follower.key, 7, 0);
	for (uint32_t i = 0; i < 2 * FDB_LINE_ENTRIES - 1; i++) {
		last = key_in(fdb, (i + 1) % 2, i % 2, last);
		assert_int_equal(fdb_learn(fdb, last, 8, 0), 0);
	}
	more = key_in(fdb, 0, 1, last);
	assert_int_equal(pthread_create(&thread, NULL, follower_main, &follower), 0);
	while (clock_ns() < end) {
		assert_int_equal(fdb_learn(fdb, more, 8, 0), 0);
		atomic_fetch_add(&follower.turn, 1);
		fdb_remove(fdb, more);
		fdb_remove(fdb, follower.key);
		fdb_learn(fdb, follower.key, 7, 0);
		atomic_fetch_add(&follower.turn, 1);
	}
	atomic_store(&follower.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&follower.missed), 0);
	assert_true(atomic_load(&follower.found) > 0);
	fdb_destroy(fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_beside_a_busy_writer),
		cmocka_unit_test(an_entry_on_its_way_is_not_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
