/* SPDX-License-Identifier: BSD-3-Clause */
#include "group_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vus_limits.h"

struct group {
	struct group_key key;
	bool for_all;	      /* while the table is full */
	uint64_t first_until; /* no membership ends before */
	uint32_t n, room;
	struct group_member *member; /* [n], by port */
};

struct group_table {
	struct group_table_config config;
	uint32_t n, room;
	struct group **group; /* [n], in the order of compare() */
	uint64_t next;	      /* no membership ends before; UINT64_MAX: none will */
	uint32_t of_port[PORTS_MAX];
};

struct group_table *group_table_create(const struct group_table_config *config)
{
	struct group_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->config = *config;
	table->next = UINT64_MAX;
	return table;
}

static void group_free(struct group *group)
{
	free(group->member);
	free(group);
}

void group_table_destroy(struct group_table *table)
{
	if (table == NULL)
		return;
	for (uint32_t i = 0; i < table->n; i++)
		group_free(table->group[i]);
	free(table->group);
	free(table);
}

void group_table_set_bounds(struct group_table *table, const struct group_table_config *config)
{
	table->config = *config;
}

/* --- order ------------------------------------------------------------------------------------------------------ */

static int compare(const struct group_key *a, const struct group_key *b)
{
	uint8_t mac[2][6];
	int order;

	if (a->fid != b->fid)
		return a->fid < b->fid ? -1 : 1;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	group_mac((enum group_family)a->family, &a->group, mac[0]);
	group_mac((enum group_family)b->family, &b->group, mac[1]);
	order = memcmp(mac[0], mac[1], sizeof(mac[0]));
	return order != 0 ? order : memcmp(&a->group, &b->group, sizeof(a->group));
}

/* The first group that is not before `key`. */
static uint32_t place_of(const struct group_table *table, const struct group_key *key)
{
	uint32_t low = 0, high = table->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (compare(&table->group[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* NULL: there is none; *at is where it would be. */
static struct group *find(const struct group_table *table, const struct group_key *key, uint32_t *at)
{
	*at = place_of(table, key);
	return *at < table->n && compare(&table->group[*at]->key, key) == 0 ? table->group[*at] : NULL;
}

/* The first member that is not before `port`. */
static uint32_t member_place(const struct group *group, uint16_t port)
{
	uint32_t low = 0, high = group->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (group->member[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct group_member *member_of(const struct group *group, uint16_t port)
{
	uint32_t i = member_place(group, port);

	return i < group->n && group->member[i].port == port ? &group->member[i] : NULL;
}

/* --- room ------------------------------------------------------------------------------------------------------- */

/* One more of `size` bytes fits behind `n`. 0 or -ENOMEM. */
static int make_room(void **all, uint32_t *room, uint32_t n, size_t size)
{
	uint32_t more = *room == 0 ? 4 : 2 * *room;
	void *larger;

	if (n < *room)
		return 0;
	larger = realloc(*all, more * size);
	if (larger == NULL)
		return -ENOMEM;
	*all = larger;
	*room = more;
	return 0;
}

static struct group *add(struct group_table *table, const struct group_key *key, uint32_t at)
{
	struct group *group = calloc(1, sizeof(*group));
	void *all = table->group;
	int error = group != NULL ? make_room(&all, &table->room, table->n, sizeof(table->group[0])) : -ENOMEM;

	table->group = all;
	if (error != 0) {
		free(group);
		return NULL;
	}
	group->key = *key;
	group->first_until = UINT64_MAX;
	memmove(&table->group[at + 1], &table->group[at], (table->n++ - at) * sizeof(table->group[0]));
	table->group[at] = group;
	return group;
}

static int add_member(struct group_table *table, struct group *group, uint16_t port, uint64_t until)
{
	uint32_t i = member_place(group, port);
	void *all = group->member;
	int error = make_room(&all, &group->room, group->n, sizeof(group->member[0]));

	group->member = all;
	if (error != 0)
		return error;
	memmove(&group->member[i + 1], &group->member[i], (group->n++ - i) * sizeof(group->member[0]));
	group->member[i] = (struct group_member){.port = port, .until = until};
	table->of_port[port]++;
	return 0;
}

static void remove_member(struct group_table *table, struct group *group, const struct group_member *member)
{
	uint32_t i = (uint32_t)(member - group->member);

	table->of_port[member->port]--;
	memmove(&group->member[i], &group->member[i + 1], (--group->n - i) * sizeof(group->member[0]));
}

/* Takes out groups that have no member any more. */
static void drop_empty(struct group_table *table)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->n; i++) {
		struct group *group = table->group[i];

		if (group->n > 0)
			table->group[kept++] = group;
		else
			group_free(group);
	}
	table->n = kept;
}

/* --- members ---------------------------------------------------------------------------------------------------- */

static void lower(uint64_t *time, uint64_t to)
{
	if (to < *time)
		*time = to;
}

/* A membership of the group may end then. */
static void lower_ends(struct group_table *table, struct group *group, uint64_t until)
{
	lower(&group->first_until, until);
	lower(&table->next, until);
}

int group_table_join(struct group_table *table, const struct group_key *key, uint16_t port, uint64_t until)
{
	uint32_t at;
	struct group *group = find(table, key, &at);
	struct group_member *member = group != NULL ? member_of(group, port) : NULL;
	int error;

	if (member != NULL) {
		member->until = until;
		member->may_leave = false;
		lower_ends(table, group, until);
		return 0;
	}
	if (table->of_port[port] >= table->config.port_max)
		return -EDQUOT;
	if (group == NULL && group_table_is_full(table))
		return -ENOSPC;
	if (group == NULL)
		group = add(table, key, at);
	if (group == NULL)
		return -ENOMEM;
	error = add_member(table, group, port, until);
	lower_ends(table, group, until);
	if (group->n == 0)
		drop_empty(table);
	return error != 0 ? error : 1;
}

static bool shares_address(const struct group_key *a, const struct group_key *b)
{
	uint8_t mac[2][6];

	if (a->fid != b->fid || a->family != b->family)
		return false;
	group_mac((enum group_family)a->family, &a->group, mac[0]);
	group_mac((enum group_family)b->family, &b->group, mac[1]);
	return memcmp(mac[0], mac[1], sizeof(mac[0])) == 0;
}

bool group_table_refused(struct group_table *table, const struct group_key *key)
{
	uint32_t at = place_of(table, key);
	bool any = false;

	/* They are on either side of where it would be. */
	while (at > 0 && shares_address(&table->group[at - 1]->key, key))
		at--;
	for (; at < table->n && shares_address(&table->group[at]->key, key); at++) {
		any |= !table->group[at]->for_all;
		table->group[at]->for_all = true;
	}
	return any;
}

bool group_table_leave(struct group_table *table, const struct group_key *key, uint16_t port)
{
	uint32_t at;
	struct group *group = find(table, key, &at);
	const struct group_member *member = group != NULL ? member_of(group, port) : NULL;

	if (member == NULL)
		return false;
	remove_member(table, group, member);
	if (group->n == 0) {
		memmove(&table->group[at], &table->group[at + 1], (--table->n - at) * sizeof(table->group[0]));
		group_free(group);
	}
	return true;
}

void group_table_may_leave(struct group_table *table, const struct group_key *key, uint16_t port)
{
	uint32_t at;
	struct group *group = find(table, key, &at);
	struct group_member *member = group != NULL ? member_of(group, port) : NULL;

	if (member != NULL)
		member->may_leave = true;
}

static void shorten(struct group_table *table, struct group *group, struct group_member *member, uint64_t until)
{
	lower(&member->until, until);
	lower_ends(table, group, until);
}

void group_table_shorten(struct group_table *table, const struct group_key *key, bool all, uint64_t until)
{
	uint32_t at;
	struct group *group = find(table, key, &at);

	for (uint32_t i = 0; group != NULL && i < group->n; i++)
		if (all || group->member[i].may_leave)
			shorten(table, group, &group->member[i], until);
}

bool group_table_shorten_port(struct group_table *table, const struct group_key *key, uint16_t port, uint64_t until)
{
	uint32_t at;
	struct group *group = find(table, key, &at);
	struct group_member *member = group != NULL ? member_of(group, port) : NULL;

	if (member == NULL)
		return false;
	shorten(table, group, member, until);
	return true;
}

bool group_table_forget_port(struct group_table *table, uint16_t port)
{
	if (table->of_port[port] == 0)
		return false;
	for (uint32_t i = 0; i < table->n; i++) {
		const struct group_member *member = member_of(table->group[i], port);

		if (member != NULL)
			remove_member(table, table->group[i], member);
	}
	drop_empty(table);
	return true;
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static bool expire_group(struct group_table *table, struct group *group, uint64_t now)
{
	uint32_t kept = 0, before = group->n;

	group->first_until = UINT64_MAX;
	for (uint32_t i = 0; i < before; i++) {
		const struct group_member member = group->member[i];

		if (member.until <= now) {
			table->of_port[member.port]--;
			continue;
		}
		lower(&group->first_until, member.until);
		group->member[kept++] = member;
	}
	group->n = kept;
	return kept < before;
}

bool group_table_expire(struct group_table *table, uint64_t now)
{
	bool any = false, full = group_table_is_full(table);

	if (table->next > now)
		return false;
	table->next = UINT64_MAX;
	for (uint32_t i = 0; i < table->n; i++) {
		if (table->group[i]->first_until <= now)
			any |= expire_group(table, table->group[i], now);
		lower(&table->next, table->group[i]->first_until);
		/* There has been room: who was refused has been taken by now, or will be. */
		table->group[i]->for_all &= full;
	}
	if (any)
		drop_empty(table);
	return any;
}

uint64_t group_table_next(const struct group_table *table)
{
	return table->next;
}

/* --- to look at ------------------------------------------------------------------------------------------------- */

uint32_t group_table_n(const struct group_table *table)
{
	return table->n;
}

bool group_table_is_full(const struct group_table *table)
{
	return table->n >= table->config.groups_max;
}

struct group_entry group_table_at(const struct group_table *table, uint32_t i)
{
	const struct group *group = table->group[i];

	return (struct group_entry){
		.key = group->key,
		.for_all = group->for_all && group_table_is_full(table),
		.n = group->n,
		.member = group->member,
	};
}
