/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "fdb_private.h"

/* Lines for `size` entries: there are places for at least 2.5 times as many. An address goes to its first line if that has
 * room, so that in a full table 96 of 100 are in the line looked at first; otherwise to its second. If both are full, an entry
 * that is in its first line makes room and goes to its own second line (make_place()), so that an address is refused only where
 * none of ten neighbours can. */
enum { LINE_PROMISED = 2, LINES_MIN = 8 };

enum { HUGE_PAGE = 2 << 20 };

/* --- places ------------------------------------------------------------------------------------------------------ */

static uint32_t positions(const struct fdb *fdb)
{
	return (fdb->mask + 1) * FDB_LINE_ENTRIES;
}

static struct fdb_line *fdb_line_of(const struct fdb *fdb, uint32_t position)
{
	return &fdb->line[position / FDB_LINE_ENTRIES];
}

static bool place_is_used(const struct fdb *fdb, uint32_t position)
{
	return atomic_load_explicit(&fdb_line_of(fdb, position)->key[position % FDB_LINE_ENTRIES],
				    memory_order_relaxed) != 0;
}

/* One store: readers see what was there before, or this. Pairs with fdb_place_read(). */
static void place_set_value(const struct fdb *fdb, uint32_t position, const struct fdb_value *value)
{
	atomic_store_explicit(&fdb_line_of(fdb, position)->value[position % FDB_LINE_ENTRIES], fdb_word(value),
			      memory_order_release);
}

/* Pairs with fdb_lookup_inline() and line_lookup(), whose loads are in the opposite order. */
static void place_fill(const struct fdb *fdb, uint32_t position, fdb_key_t key,
		       const struct fdb_value *value)
{
	struct fdb_line *line = fdb_line_of(fdb, position);
	uint32_t version = atomic_load_explicit(&line->version, memory_order_relaxed);

	atomic_store_explicit(&line->version, version + 1, memory_order_release);
	place_set_value(fdb, position, value);
	/* Pairs with fdb_place_of(). */
	atomic_store_explicit(&line->key[position % FDB_LINE_ENTRIES], key | FDB_USED,
			      memory_order_release);
}

/* Pairs with fdb_place_of(): a reader that finds the place empty, or another address in it, sees all that was stored before;
 * so an entry that went to its second line is found there. */
static void place_clear(const struct fdb *fdb, uint32_t position)
{
	atomic_store_explicit(&fdb_line_of(fdb, position)->key[position % FDB_LINE_ENTRIES], 0,
			      memory_order_release);
}

/* A free place in a line, or -1. */
static int64_t line_free(const struct fdb *fdb, uint32_t line)
{
	for (uint32_t i = 0; i < FDB_LINE_ENTRIES; i++)
		if (!place_is_used(fdb, line * FDB_LINE_ENTRIES + i))
			return line * FDB_LINE_ENTRIES + i;
	return -1;
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static struct fdb_owner *owner_of(const struct fdb *fdb, uint32_t destination)
{
	return &fdb->owner[destination < PORTS_MAX ? destination : PORTS_MAX];
}

/* After the lines are written. Pairs with fdb_lookup() and fdb_mark_holds(). */
static void entry_changed(struct fdb *fdb, fdb_key_t key)
{
	atomic_fetch_add_explicit(&fdb->generation[fdb_bucket(fdb_hash(fdb, key))], 1,
				  memory_order_release);
}

static struct fdb_entry *fdb_find(const struct fdb *fdb, fdb_key_t key)
{
	uint64_t hash = fdb_hash(fdb, key);
	uint32_t line[2] = {fdb_first_line(fdb, hash), fdb_second_line(fdb, hash)};

	for (int i = 0; i < 2; i++) {
		int place = fdb_place_of(&fdb->line[line[i]], key | FDB_USED);

		if (place >= 0)
			return &fdb->entry[line[i] * FDB_LINE_ENTRIES + (uint32_t)place];
	}
	return NULL;
}

/* The entry goes to another place, and keeps its turn among those of its owner. In a look-up's order, from the first line to
 * the second, and there before it is gone here: no reader misses it. */
static void entry_move(struct fdb *fdb, struct fdb_entry *entry, uint32_t position)
{
	struct fdb_entry *to = &fdb->entry[position];

	to->key = entry->key;
	to->value = entry->value;
	if (!entry->value.is_static) {
		struct fdb_list *entries = &owner_of(fdb, entry->value.destination)->entries;

		TAILQ_INSERT_AFTER(entries, entry, to, link);
		TAILQ_REMOVE(entries, entry, link);
	}
	place_fill(fdb, position, to->key, &to->value);
	place_clear(fdb, (uint32_t)(entry - fdb->entry));
}

/* A place in a full line, whose entry moved to its second line; -1 if none could. */
static int64_t make_place(struct fdb *fdb, uint32_t line)
{
	for (uint32_t i = 0; i < FDB_LINE_ENTRIES; i++) {
		struct fdb_entry *entry = &fdb->entry[line * FDB_LINE_ENTRIES + i];
		uint64_t hash = fdb_hash(fdb, entry->key);
		int64_t free = fdb_first_line(fdb, hash) == line
				       ? line_free(fdb, fdb_second_line(fdb, hash))
				       : -1;

		if (free >= 0) {
			entry_move(fdb, entry, (uint32_t)free);
			return entry - fdb->entry;
		}
	}
	return -1;
}

/* A free place for an address, or -1. */
static int64_t find_place(struct fdb *fdb, fdb_key_t key)
{
	uint64_t hash = fdb_hash(fdb, key);
	uint32_t first = fdb_first_line(fdb, hash), second = fdb_second_line(fdb, hash);
	int64_t place = line_free(fdb, first);

	if (place < 0)
		place = line_free(fdb, second);
	if (place < 0)
		place = make_place(fdb, first);
	return place >= 0 ? place : make_place(fdb, second);
}

static void list_leave(struct fdb *fdb, struct fdb_entry *entry)
{
	struct fdb_owner *owner = owner_of(fdb, entry->value.destination);

	if (!entry->value.is_static)
		TAILQ_REMOVE(&owner->entries, entry, link);
	owner->n--;
}

static void list_join(struct fdb *fdb, struct fdb_entry *entry)
{
	struct fdb_owner *owner = owner_of(fdb, entry->value.destination);

	if (!entry->value.is_static)
		TAILQ_INSERT_TAIL(&owner->entries, entry, link);
	owner->n++;
}

static void entry_remove(struct fdb *fdb, struct fdb_entry *entry)
{
	list_leave(fdb, entry);
	place_clear(fdb, (uint32_t)(entry - fdb->entry));
	fdb->stats.entries--;
	entry_changed(fdb, entry->key);
}

static void entry_replace(struct fdb *fdb, struct fdb_entry *entry, struct fdb_value value)
{
	list_leave(fdb, entry);
	entry->value = value;
	list_join(fdb, entry);
	place_set_value(fdb, (uint32_t)(entry - fdb->entry), &value);
}

static int entry_add(struct fdb *fdb, fdb_key_t key, struct fdb_value value)
{
	int64_t place = find_place(fdb, key);
	struct fdb_entry *entry;

	if (place < 0)
		return -ENOSPC;
	entry = &fdb->entry[place];
	entry->key = key;
	entry->value = value;
	place_fill(fdb, (uint32_t)place, key, &value);
	list_join(fdb, entry);
	fdb->stats.entries++;
	entry_changed(fdb, key);
	return 0;
}

/* An owner at its limit, or any that wants a further entry while the table is full, makes room at its own expense. An
 * address that moves brings its entry along, and needs no room if that stays with its owner. */
static int fdb_make_room(struct fdb *fdb, uint32_t destination, const struct fdb_entry *moves)
{
	struct fdb_owner *owner = owner_of(fdb, destination);
	struct fdb_entry *oldest = TAILQ_FIRST(&owner->entries);

	if (moves != NULL && owner_of(fdb, moves->value.destination) == owner)
		return 0;
	if (owner->n < owner->limit && (moves != NULL || fdb->stats.entries < fdb->config.size))
		return 0;
	if (oldest == NULL) {
		fdb->stats.refused++;
		return -ENOSPC;
	}
	entry_remove(fdb, oldest);
	fdb->stats.evicted++;
	return 0;
}

/* --- the control thread's side ----------------------------------------------------------------------------------- */

int fdb_learn(struct fdb *fdb, fdb_key_t key, uint32_t destination, uint16_t epoch)
{
	struct fdb_value value = {.destination = destination, .epoch = epoch};
	struct fdb_entry *entry = fdb_find(fdb, key);
	int error;

	if (entry != NULL && entry->value.is_static)
		return entry->value.destination == destination ? 0 : -EEXIST;
	if (entry != NULL && entry->value.destination == destination) {
		entry_replace(fdb, entry, value);
		return 0;
	}
	error = fdb_make_room(fdb, destination, entry);
	if (error != 0)
		return error;
	if (entry != NULL) {
		entry_replace(fdb, entry, value);
		fdb->stats.moved++;
		entry_changed(fdb, key);
		return 0;
	}
	error = entry_add(fdb, key, value);
	if (error == 0)
		fdb->stats.learned++;
	else
		fdb->stats.refused++;
	return error;
}

void fdb_renew(struct fdb *fdb, fdb_key_t key, uint32_t destination, uint16_t epoch)
{
	struct fdb_entry *entry = fdb_find(fdb, key);

	if (entry != NULL && !entry->value.is_static && entry->value.destination == destination)
		entry_replace(fdb, entry, (struct fdb_value){.destination = destination, .epoch = epoch});
}

int fdb_set_static(struct fdb *fdb, fdb_key_t key, uint32_t destination)
{
	struct fdb_value value = {.destination = destination, .is_static = true};
	struct fdb_entry *entry = fdb_find(fdb, key);
	int error;

	if (entry != NULL) {
		entry_replace(fdb, entry, value);
		entry_changed(fdb, key);
		return 0;
	}
	error = fdb_make_room(fdb, destination, NULL);
	return error != 0 ? error : entry_add(fdb, key, value);
}

int fdb_remove(struct fdb *fdb, fdb_key_t key)
{
	struct fdb_entry *entry = fdb_find(fdb, key);

	if (entry == NULL)
		return -ENOENT;
	entry_remove(fdb, entry);
	return 0;
}

static void flush_static(struct fdb *fdb, uint32_t destination)
{
	for (uint32_t i = 0; i < positions(fdb); i++)
		if (place_is_used(fdb, i) && fdb->entry[i].value.destination == destination)
			entry_remove(fdb, &fdb->entry[i]);
}

void fdb_flush(struct fdb *fdb, uint32_t destination, bool all)
{
	struct fdb_owner *owner = owner_of(fdb, destination);
	struct fdb_entry *next;

	for (struct fdb_entry *entry = TAILQ_FIRST(&owner->entries); entry != NULL; entry = next) {
		next = TAILQ_NEXT(entry, link);
		if (entry->value.destination == destination)
			entry_remove(fdb, entry);
	}
	if (all && owner->n > 0)
		flush_static(fdb, destination);
}

bool fdb_age(struct fdb *fdb, uint16_t epoch, uint32_t most)
{
	if (fdb->config.aging == 0)
		return false;
	for (; fdb->ages < FDB_OWNERS; fdb->ages++) {
		struct fdb_list *entries = &fdb->owner[fdb->ages].entries;
		struct fdb_entry *entry;

		while ((entry = TAILQ_FIRST(entries)) != NULL &&
		       (uint16_t)(epoch - entry->value.epoch) > fdb->config.aging) {
			if (most-- == 0)
				return true;
			entry_remove(fdb, entry);
			fdb->stats.aged++;
		}
	}
	fdb->ages = 0;
	return false;
}

void fdb_stats(const struct fdb *fdb, struct fdb_stats *stats)
{
	*stats = fdb->stats;
}

bool fdb_each(const struct fdb *fdb, uint32_t *from, uint32_t places,
	      bool (*entry)(void *arg, fdb_key_t key, const struct fdb_value *value), void *arg)
{
	uint32_t all = positions(fdb);

	while (*from < all && places-- > 0) {
		uint32_t i = (*from)++;

		if (place_is_used(fdb, i) && !entry(arg, fdb->entry[i].key, &fdb->entry[i].value))
			break;
	}
	return *from < all;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

/* Written now, so that no lcore meets a page that is not there; in huge pages where there are any, for a large table is
 * looked up all over. NULL: no memory. */
static struct fdb_line *lines_create(size_t bytes)
{
	struct fdb_line *line = aligned_alloc(bytes < HUGE_PAGE ? LINE_BYTES : HUGE_PAGE, bytes);

	if (line == NULL)
		return NULL;
	if (bytes >= HUGE_PAGE)
		madvise(line, bytes, MADV_HUGEPAGE);
	memset(line, 0, bytes);
	return line;
}

static void owners_init(struct fdb *fdb)
{
	for (unsigned int i = 0; i < FDB_OWNERS; i++) {
		TAILQ_INIT(&fdb->owner[i].entries);
		fdb->owner[i].limit = i < PORTS_MAX ? fdb->config.port_limit : fdb->config.size;
	}
}

struct fdb *fdb_create(const struct fdb_config *config)
{
	struct fdb *fdb = aligned_alloc(LINE_BYTES, sizeof(*fdb));
	uint32_t lines = LINES_MIN;

	if (fdb == NULL)
		return NULL;
	memset(fdb, 0, sizeof(*fdb));
	while ((uint64_t)lines * LINE_PROMISED < config->size)
		lines *= 2;
	fdb->config = *config;
	if (fdb->config.port_limit == 0)
		fdb->config.port_limit = config->size;
	fdb->mask = lines - 1;
	fdb->line = lines_create(lines * sizeof(*fdb->line));
	fdb->entry = calloc(positions(fdb), sizeof(*fdb->entry));
	fdb->owner = calloc(FDB_OWNERS, sizeof(*fdb->owner));
	if (fdb->line == NULL || fdb->owner == NULL || fdb->entry == NULL ||
	    getrandom(fdb->secret, sizeof(fdb->secret), 0) != sizeof(fdb->secret)) {
		fdb_destroy(fdb);
		errno = ENOMEM;
		return NULL;
	}
	fdb->secret[1] |= 1;
	fdb->secret[3] |= 1;
	for (unsigned int i = 0; i < FDB_BUCKETS; i++)
		atomic_init(&fdb->generation[i], 1); /* 0 is what a mark of zeros has */
	owners_init(fdb);
	return fdb;
}

void fdb_destroy(struct fdb *fdb)
{
	if (fdb == NULL)
		return;
	free(fdb->line);
	free(fdb->entry);
	free(fdb->owner);
	free(fdb);
}
