/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of groups against a model that is one list of memberships: joins, leaves, time, ports that go, in any order. */
#include "cases.h"

#include <errno.h>
#include <string.h>

#include "dice.h"
#include "group_table.h"

enum { VLANS = 3, ADDRESSES = 12, PORTS = 6, GROUPS_MAX = 20, PORT_MAX = 8, STEPS = 40000, MODEL = 1024 };

static struct model {
	struct group_key key;
	uint16_t port;
	bool may_leave;
	uint64_t until;
} model[MODEL];
static unsigned int model_n;

static const struct group_table_config config = {.groups_max = GROUPS_MAX, .port_max = PORT_MAX};

/* Some share an Ethernet address: 224.1.2.3 and 239.129.2.3. */
static struct group_key any_key(void)
{
	struct group_key key = {.fid = (uint16_t)(10 * dice(VLANS)), .family = (uint16_t)dice(GROUP_FAMILIES)};
	uint32_t which = dice(ADDRESSES);

	if (key.family == GROUP_IPV4)
		key.group = (struct group_address){{(uint8_t)(which % 2 == 0 ? 224 : 239), (uint8_t)(which % 4 < 2 ? 1 : 129), 2,
						    (uint8_t)(which / 4)}};
	else
		key.group = (struct group_address){{0xff, 0x1e, [7] = (uint8_t)(which % 3), [15] = (uint8_t)(which / 3)}};
	return key;
}

static struct model *model_find(const struct group_key *key, uint16_t port)
{
	for (unsigned int i = 0; i < model_n; i++)
		if (memcmp(&model[i].key, key, sizeof(*key)) == 0 && model[i].port == port)
			return &model[i];
	return NULL;
}

static bool model_has_group(const struct group_key *key)
{
	for (unsigned int i = 0; i < model_n; i++)
		if (memcmp(&model[i].key, key, sizeof(*key)) == 0)
			return true;
	return false;
}

static unsigned int model_groups(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < model_n; i++) {
		unsigned int k = 0;

		while (memcmp(&model[k].key, &model[i].key, sizeof(model[k].key)) != 0)
			k++;
		n += k == i;
	}
	return n;
}

static unsigned int model_of_port(uint16_t port)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < model_n; i++)
		n += model[i].port == port;
	return n;
}

static void model_remove(struct model *member)
{
	*member = model[--model_n];
}

static int model_join(const struct group_key *key, uint16_t port, uint64_t until)
{
	struct model *member = model_find(key, port);

	if (member != NULL) {
		member->until = until;
		member->may_leave = false;
		return 0;
	}
	if (model_of_port(port) >= PORT_MAX)
		return -EDQUOT;
	if (!model_has_group(key) && model_groups() >= GROUPS_MAX)
		return -ENOSPC;
	assert_true(model_n < MODEL);
	model[model_n++] = (struct model){.key = *key, .port = port, .until = until};
	return 1;
}

/* All that is in one is in the other; groups that share an address are beside each other. */
static void compare(const struct group_table *table)
{
	unsigned int n = 0;
	uint64_t next = UINT64_MAX;

	assert_int_equal(group_table_n(table), model_groups());
	assert_int_equal(group_table_is_full(table), model_groups() >= GROUPS_MAX);
	for (uint32_t i = 0; i < group_table_n(table); i++) {
		const struct group_entry entry = group_table_at(table, i);
		uint8_t mac[6], other[6];

		assert_true(entry.n > 0);
		for (uint32_t k = 0; k < entry.n; k++) {
			const struct model *member = model_find(&entry.key, entry.member[k].port);

			assert_non_null(member);
			assert_int_equal(member->until, entry.member[k].until);
			assert_true(k == 0 || entry.member[k - 1].port < entry.member[k].port);
		}
		n += entry.n;
		group_mac((enum group_family)entry.key.family, &entry.key.group, mac);
		for (uint32_t k = i + 2; k < group_table_n(table); k++) {
			const struct group_entry later = group_table_at(table, k), between = group_table_at(table, k - 1);
			uint8_t last[6];

			group_mac((enum group_family)later.key.family, &later.key.group, other);
			group_mac((enum group_family)between.key.family, &between.key.group, last);
			if (later.key.fid == entry.key.fid && memcmp(mac, other, 6) == 0)
				assert_memory_equal(mac, last, 6);
		}
	}
	assert_int_equal(n, model_n);
	for (unsigned int i = 0; i < model_n; i++)
		next = model[i].until < next ? model[i].until : next;
	/* It may be early, never late. */
	assert_true(group_table_next(table) <= next);
}

static void model_expire(uint64_t now)
{
	for (unsigned int i = model_n; i-- > 0;)
		if (model[i].until <= now)
			model_remove(&model[i]);
}

static void model_shorten(const struct group_key *key, bool all, uint64_t until)
{
	for (unsigned int i = 0; i < model_n; i++)
		if (memcmp(&model[i].key, key, sizeof(*key)) == 0 && (all || model[i].may_leave) && until < model[i].until)
			model[i].until = until;
}

static void step(struct group_table *table, uint64_t *now)
{
	const struct group_key key = any_key();
	uint16_t port = (uint16_t)dice(PORTS);
	struct model *member = model_find(&key, port);
	uint64_t until = *now + 1 + dice(200);
	unsigned int before = model_n;
	bool all = dice(2) != 0;

	switch (dice(13)) {
	case 0:
		assert_int_equal(group_table_leave(table, &key, port), member != NULL);
		if (member != NULL)
			model_remove(member);
		break;
	case 1:
		group_table_shorten(table, &key, all, until);
		model_shorten(&key, all, until);
		break;
	case 2:
		assert_int_equal(group_table_shorten_port(table, &key, port, until), member != NULL);
		if (member != NULL && until < member->until)
			member->until = until;
		break;
	case 3:
		*now += dice(40);
		model_expire(*now);
		assert_int_equal(group_table_expire(table, *now), model_n < before);
		break;
	case 4:
		if (dice(20) != 0)
			break;
		assert_int_equal(group_table_forget_port(table, port), model_of_port(port) > 0);
		for (unsigned int i = model_n; i-- > 0;)
			if (model[i].port == port)
				model_remove(&model[i]);
		break;
	case 5:
		group_table_may_leave(table, &key, port);
		if (member != NULL)
			member->may_leave = true;
		break;
	default:
		assert_int_equal(group_table_join(table, &key, port, until), model_join(&key, port, until));
		break;
	}
}

static void it_is_as_its_model(void **state)
{
	struct group_table *table = group_table_create(&config);
	uint64_t now = 1000;

	assert_non_null(table);
	model_n = 0;
	for (unsigned int i = 0; i < STEPS; i++) {
		step(table, &now);
		if (i % 16 == 0)
			compare(table);
	}
	compare(table);
	now += 1000;
	assert_int_equal(group_table_expire(table, now), model_n > 0);
	assert_int_equal(group_table_n(table), 0);
	assert_true(group_table_next(table) == UINT64_MAX);
	group_table_destroy(table);
	group_table_destroy(NULL);
}

/* A port that takes all it can leaves the others what is theirs, and bounds may become smaller. */
static void a_greedy_port_has_its_share(void **state)
{
	struct group_table *table = group_table_create(&config);
	struct group_key key = {.family = GROUP_IPV4, .group = {{239, 1, 1, 0}}};

	assert_non_null(table);
	for (unsigned int i = 0; i < 200; i++) {
		key.group.bytes[3] = (uint8_t)i;
		assert_int_equal(group_table_join(table, &key, 1, 100), i < PORT_MAX ? 1 : -EDQUOT);
	}
	assert_int_equal(group_table_join(table, &key, 2, 100), 1);
	group_table_set_bounds(table, &(struct group_table_config){.groups_max = 3, .port_max = 2});
	assert_int_equal(group_table_n(table), PORT_MAX + 1);
	assert_int_equal(group_table_join(table, &key, 2, 200), 0);
	key.group.bytes[2] = 9;
	assert_int_equal(group_table_join(table, &key, 2, 200), -ENOSPC);
	assert_int_equal(group_table_join(table, &key, 1, 200), -EDQUOT);
	group_table_destroy(table);
}

/* A full table cannot tell apart what shares an address with a group that it had to refuse, until there is room. */
static void what_shares_an_address_with_a_refused_group_is_for_all(void **state)
{
	static const struct group_table_config three = {.groups_max = 3, .port_max = 9};
	struct group_table *table = group_table_create(&three);
	/* By address: 1, 1, 2; and the refused one has address 1, too. */
	static const struct group_key key[] = {
		{.family = GROUP_IPV4, .group = {{224, 1, 2, 1}}},   {.family = GROUP_IPV4, .group = {{239, 129, 2, 1}}},
		{.family = GROUP_IPV4, .group = {{239, 1, 2, 2}}},   {.family = GROUP_IPV4, .group = {{230, 1, 2, 1}}},
		{.family = GROUP_IPV4, .group = {{230, 1, 2, 3}}},   {.fid = 1, .family = GROUP_IPV4, .group = {{224, 1, 2, 1}}},
	};

	assert_non_null(table);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(group_table_join(table, &key[i], 1, 100 + i), 1);
	for (unsigned int i = 3; i < 6; i++) {
		assert_int_equal(group_table_join(table, &key[i], 2, 100), -ENOSPC);
		assert_int_equal(group_table_refused(table, &key[i]), i == 3);
		assert_false(group_table_refused(table, &key[i]));
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(group_table_at(table, i).for_all, i < 2);
	/* There is room; and when there is none again, nobody was refused since. */
	assert_true(group_table_expire(table, 100));
	assert_int_equal(group_table_n(table), 2);
	assert_false(group_table_at(table, 0).for_all);
	assert_true(group_table_leave(table, &key[2], 1));
	assert_int_equal(group_table_join(table, &key[2], 1, 200), 1);
	assert_false(group_table_expire(table, 100));
	assert_int_equal(group_table_join(table, &key[4], 2, 200), 1);
	assert_true(group_table_is_full(table));
	group_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_as_its_model),
		cmocka_unit_test(a_greedy_port_has_its_share),
		cmocka_unit_test(what_shares_an_address_with_a_refused_group_is_for_all),
	};

	return cmocka_run_group_tests_name("group_table", tests, NULL, NULL);
}
