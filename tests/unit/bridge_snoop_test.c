/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a bridge that snoops sends what: bursts of generated frames against a plain model of RFC 4541, on a bridge with
 * VLANs and on one without, in one go and with floods that are left and gone on with; what control is given, and what is
 * counted.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge_rig.h"
#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "doorbell.h"
#include "fg_group.h"
#include "group_map.h"
#include "punt.h"
#include "rcu.h"

enum { GROUPS = 10, VLANS = 3, BURSTS = 4000, BURST = 24, FRAME = 200 };
static const uint16_t vids[VLANS] = {10, 20, 30};

static struct doorbell bell;
static bool vlans;
static struct group_table *table;
static struct group_queriers *queriers;
static struct port_set always;
static bool floods_unregistered;
static struct group_key refused[40];
static unsigned int refused_n;

/* --- what is known ------------------------------------------------------------------------------------------------ */

/* Pairs of them share an Ethernet address. */
static const char *const groups[GROUP_FAMILIES][GROUPS] = {
	{"239.1.1.1", "224.1.1.1", "239.129.1.1", "239.1.1.2", "232.0.0.1", "239.0.0.5", "224.0.0.5", "224.0.0.251", "225.0.0.5",
	 "239.255.255.250"},
	{"ff1e::1:1", "ff3e::1:1", "ff0e::2", "ff18::1:1:1", "ff1e::7:7", "ff02::2", "ff02::1:ff00:5", "ff05::2", "ff01::1",
	 "ff0e::fb"},
};

static uint16_t fid_of(unsigned int vlan)
{
	return vlans ? vids[vlan] : FID_DEFAULT;
}

static struct group_key key_of(unsigned int vlan, unsigned int family, unsigned int group)
{
	struct group_key key = {.fid = fid_of(vlan), .family = (uint16_t)family};

	inet_pton(family == GROUP_IPV4 ? AF_INET : AF_INET6, groups[family][group], key.group.bytes);
	return key;
}

/* Some VLANs are asked in, some ports have members, or routers; lcores get all of it. */
static void know_something(void)
{
	struct group_message query = {.kind = GROUP_MESSAGE_QUERY, .from = {{0xfe, 0x80, [15] = 1}}, .response_ms = 1};

	group_table_destroy(table);
	group_queriers_destroy(queriers);
	table = group_table_create(&(struct group_table_config){.groups_max = dice(2) == 0 ? 5 : 1000, .port_max = 1000});
	refused_n = 0;
	queriers = group_queriers_create(&(struct group_queriers_config){.interval = 1000, .response = 1});
	memset(&always, 0, sizeof(always));
	floods_unregistered = dice(2) == 0;
	if (dice(3) == 0)
		port_set_add(&always, (uint16_t)dice(PORTS));
	for (unsigned int vlan = 0; vlan < (vlans ? VLANS : 1); vlan++)
		for (unsigned int family = 0; family < GROUP_FAMILIES; family++) {
			query.family = (enum group_family)family;
			if (dice(4) > 0)
				OK(group_queriers_heard(queriers, fid_of(vlan), (uint16_t)dice(PORTS), &query, 1));
			if (dice(3) == 0)
				OK(group_queriers_router(queriers, fid_of(vlan), query.family, (uint16_t)dice(PORTS),
							 UINT64_MAX));
		}
	for (unsigned int i = dice(40); i > 0; i--) {
		struct group_key key = key_of(dice(VLANS), dice(2), dice(GROUPS));

		if (group_is_link_local((enum group_family)key.family, &key.group))
			continue;
		if (group_table_join(table, &key, (uint16_t)dice(PORTS), UINT64_MAX) < 0) {
			group_table_refused(table, &key);
			refused[refused_n++] = key;
		}
	}
	/* As control does. */
	floods_unregistered |= group_table_is_full(table);
	/* Beyond the answers to the queries. */
	group_queriers_expire(queriers, 10 * UINT64_C(1000000));
}

static void tell_lcores(void)
{
	struct group_map *map;

	role_assert_control();
	map = group_map_create(&(struct group_map_config){
		.table = table, .queriers = queriers, .routers = &always, .floods_unregistered = floods_unregistered});
	assert_non_null(map);
	bridge_set_groups(bridge, map);
}

/* --- the model ---------------------------------------------------------------------------------------------------- */

struct meant {
	uint32_t ports; /* a bit each, without the one it comes from */
	bool punted;
};

static bool is_snooped(unsigned int vlan, unsigned int family, uint32_t *routers)
{
	struct group_state state;

	*routers = 0;
	for (unsigned int p = 0; p < PORTS; p++)
		*routers |= port_set_has(&always, (uint16_t)p) ? 1u << p : 0;
	if (!group_queriers_state(queriers, fid_of(vlan), (enum group_family)family, &state))
		return false;
	for (uint32_t i = 0; i < state.routers_n; i++)
		*routers |= 1u << state.router[i].port;
	return state.snooped;
}

/* Members of all groups with the Ethernet address of this one. */
static bool members_of(unsigned int vlan, unsigned int family, unsigned int group, uint32_t *members)
{
	struct group_key key = key_of(vlan, family, group);
	uint8_t mac[6], other[6];
	bool any = false;

	group_mac((enum group_family)family, &key.group, mac);
	*members = 0;
	for (uint32_t i = 0; i < group_table_n(table); i++) {
		const struct group_entry entry = group_table_at(table, i);

		group_mac((enum group_family)entry.key.family, &entry.key.group, other);
		if (entry.key.fid != key.fid || entry.key.family != key.family || memcmp(mac, other, 6) != 0)
			continue;
		any = true;
		for (uint32_t k = 0; k < entry.n; k++)
			*members |= 1u << entry.member[k].port;
	}
	return any;
}

/* Whether the table, being full, has refused this one or another with its Ethernet address. */
static bool is_refused(unsigned int vlan, unsigned int family, unsigned int group)
{
	struct group_key key = key_of(vlan, family, group);
	uint8_t mac[6], other[6];
	bool any = false;

	group_mac((enum group_family)family, &key.group, mac);
	for (unsigned int i = 0; i < refused_n; i++) {
		group_mac((enum group_family)refused[i].family, &refused[i].group, other);
		any |= refused[i].fid == key.fid && refused[i].family == key.family && memcmp(mac, other, 6) == 0;
	}
	return any;
}

static struct meant model(const struct fg_said *said, unsigned int vlan, unsigned int family, unsigned int group)
{
	struct meant meant = {.ports = (1u << PORTS) - 1, .punted = said->what != FG_DATA};
	struct group_key key = key_of(vlan, family, group);
	uint32_t routers, members;
	bool snooped = is_snooped(vlan, family, &routers);

	if (said->what == FG_JOINS || said->what == FG_LEAVES)
		meant.ports = snooped ? routers : meant.ports;
	else if (said->what == FG_DATA && snooped && !group_is_link_local((enum group_family)family, &key.group)) {
		if (is_refused(vlan, family, group))
			return meant;
		if (members_of(vlan, family, group, &members))
			meant.ports = members | routers;
		else if (!floods_unregistered)
			meant.ports = routers;
	}
	return meant;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static uint8_t bytes[BURST][FG_GROUP_FRAME];
static uint32_t expected[PORTS][BURST * BURSTS], expected_n[PORTS], seen_n[PORTS];
static uint32_t number, punted, taken, copies, no_member, alone;

static void see(struct recorder *to, const struct frame *frame)
{
	unsigned int p = to->port.id;
	uint32_t n;

	memcpy(&n, frame->head + 8, sizeof(n));
	assert_true(seen_n[p] < expected_n[p]);
	assert_int_equal(n, expected[p][seen_n[p]]);
	seen_n[p]++;
}

static void expect(const struct meant *meant, unsigned int from, bool of_group)
{
	uint32_t to = meant->ports & ~(1u << from), reached = (uint32_t)__builtin_popcount(to);

	for (unsigned int p = 0; p < PORTS; p++)
		if ((to >> p & 1) != 0)
			expected[p][expected_n[p]++] = number;
	punted += meant->punted;
	if (reached + meant->punted > 0)
		copies += reached + meant->punted - 1;
	else if (of_group)
		no_member++;
	else
		alone++;
}

/* One that is no message and for no group: broadcast, an unknown address, another protocol's group. */
static size_t make_other(uint8_t *frame, const uint8_t mac[6], uint16_t vlan)
{
	static const uint8_t others[3][6] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {2, 7, 7, 7, 7, 7}, {1, 0, 0x0c, 0xcc, 0xcc, 0xcc}};
	size_t len = fg_group_write(frame, mac, &(struct fg_said){.what = FG_DATA, .group = "239.1.1.1", .vlan = vlan});

	memcpy(frame, others[dice(3)], 6);
	return len;
}

static void put_one(unsigned int from)
{
	static const int kinds_said[] = {FG_DATA, FG_DATA, FG_DATA, FG_DATA, FG_JOINS, FG_LEAVES, FG_ASKS, FG_PIM_HELLO, FG_MRD};
	struct burst *burst = ctx[0].burst;
	unsigned int vlan = vlans ? dice(VLANS) : 0, family = dice(GROUP_FAMILIES), group = dice(GROUPS);
	struct fg_said said = {.what = kinds_said[dice(9)],
			       .version = 1 + dice(3),
			       .group = groups[family][group],
			       .len = dice(40),
			       .response_ms = 3000,
			       .vlan = vlans ? vids[vlan] : 0};
	uint8_t *frame = bytes[burst->n], mac[6] = {2, 1};
	struct meant meant = {.ports = (1u << PORTS) - 1};
	size_t len;

	memcpy(mac + 2, &(uint32_t){++number}, 4);
	if (said.what != FG_DATA && dice(8) == 0)
		said.what = FG_DATA;
	if (dice(8) == 0) {
		len = make_other(frame, mac, said.vlan);
	} else {
		len = fg_group_write(frame, mac, &said);
		meant = model(&said, vlan, family, group);
	}
	expect(&meant, from, meant.ports != (1u << PORTS) - 1 || frame[0] != 0xff);
	burst->frame[burst->n] =
		(struct frame){.head = burst->room[burst->n].head, .head_len = (uint16_t)len, .len = (uint32_t)len};
	memcpy(burst->room[burst->n++].head, frame, len < FRAME_HEAD ? len : FRAME_HEAD);
}

static void take_punts(void)
{
	const struct punt *punt;

	role_assert_control();
	for (; (punt = punt_next(ctx[0].punts)) != NULL; taken++) {
		assert_true(punt->kind == PUNT_IGMP || punt->kind == PUNT_MLD);
		punt_done(ctx[0].punts);
	}
}

static void send_burst(unsigned int from)
{
	struct port_rxq *q = &port[from].rxq;

	role_assert_lcore();
	ctx[0].bound = dice(3) == 0 ? 1 + dice(60) : 0;
	for (unsigned int n = 1 + dice(BURST); n > 0; n--)
		put_one(from);
	if (!bridge_forward(&ctx[0], q))
		while (!bridge_go_on(&ctx[0], q))
			;
	ctx[0].burst->n = 0;
	ctx[0].bound = 0;
}

static void run(bool with_vlans)
{
	struct policy_vlan trunk = {.tagged = true};
	struct port_counters sum;
	uint64_t drops = 0, gone = 0, more = 0;

	role_assert_control();
	vlans = with_vlans;
	number = punted = taken = copies = no_member = alone = 0;
	memset(expected_n, 0, sizeof(expected_n));
	memset(seen_n, 0, sizeof(seen_n));
	open_bridge_as(PORTS, &(struct bridge_config){.name = "br0", .vlan_aware = with_vlans});
	OK(vlan_set_read(&trunk.members, "all"));
	for (unsigned int p = 0; p < PORTS; p++) {
		port[p].seen = see;
		OK(port_policy_set(&port[p].port, &(struct policy_config){.vlan = with_vlans ? &trunk : NULL}));
	}
	for (unsigned int i = 0; i < BURSTS; i++) {
		if (i % 20 == 0) {
			know_something();
			tell_lcores();
		}
		send_burst(dice(PORTS));
		learn();
		take_punts();
		for (unsigned int p = 0; p < PORTS; p++)
			assert_int_equal(seen_n[p], expected_n[p]);
	}
	for (unsigned int p = 0; p < PORTS; p++) {
		port_counters_sum(&port[p].port, &sum);
		drops += counted(&sum.rx_drop[RX_DROP_MCAST_NO_MEMBER]);
		more += counted(&sum.copies);
		for (int i = 0; i < PUNT_DROPS; i++)
			gone += counted(&sum.punt_drop[i]);
	}
	assert_int_equal(drops, no_member);
	assert_int_equal(alone, 0);
	assert_int_equal(more, copies);
	/* Most are beyond the rate. */
	assert_true(taken > 0);
	assert_int_equal(gone + taken, punted);
	group_table_destroy(table);
	group_queriers_destroy(queriers);
	table = NULL;
	queriers = NULL;
	close_bridge(PORTS);
}

static void each_frame_goes_where_it_is_wanted(void **state)
{
	run(false);
}

static void each_vlan_has_its_own(void **state)
{
	run(true);
}

/* What is not understood is flooded and not punted: tags that are not the bridge's, heads that end early, fragments. */
static void what_cannot_be_read_is_flooded(void **state)
{
	uint8_t mac[6] = {2, 2, 2, 2, 2, 2};
	struct port_counters sum;
	unsigned int n = 0;

	role_assert_control();
	vlans = false;
	open_bridge(3, 300);
	know_something();
	floods_unregistered = false;
	tell_lcores();
	for (unsigned int p = 0; p < 3; p++)
		port[p].quiet = true;
	for (unsigned int family = 0; family < 2; family++)
		for (size_t cut = 14; cut < 80; cut++) {
			struct burst *burst = ctx[0].burst;
			const struct fg_said said = {.what = FG_JOINS, .version = 3, .group = groups[family][0]};
			size_t len = fg_group_write(bytes[0], mac, &said), whole = fg_group_message(bytes[0]) + 1;

			if (cut >= whole)
				break;
			memset(burst->room[0].head, 0, FRAME_HEAD);
			memcpy(burst->room[0].head, bytes[0], cut);
			burst->frame[0] =
				(struct frame){.head = burst->room[0].head, .head_len = (uint16_t)cut, .len = (uint32_t)cut};
			burst->n = 1;
			(void)len;
			role_assert_lcore();
			bridge_forward(&ctx[0], &port[0].rxq);
			burst->n = 0;
			n++;
		}
	port_counters_sum(&port[0].port, &sum);
	assert_int_equal(counted(&sum.rx_ok), n);
	assert_null(punt_next(ctx[0].punts));
	group_table_destroy(table);
	group_queriers_destroy(queriers);
	table = NULL;
	queriers = NULL;
	close_bridge(3);
}

static void close_small(unsigned int ports)
{
	group_table_destroy(table);
	group_queriers_destroy(queriers);
	table = NULL;
	queriers = NULL;
	close_bridge(ports);
}

/* A bridge that snoops limits what is flooded as another does. */
static void storms_are_limited(void **state)
{
	struct policy_rates rates = {0};
	unsigned int sent = 0;

	role_assert_control();
	vlans = false;
	open_bridge(3, 300);
	know_something();
	tell_lcores();
	rate_limit_set(&rates.storm[PORT_STORM_BROADCAST], 16, NS_PER_S);
	OK(port_policy_set(&port[0].port, &(struct policy_config){.rates = &rates}));
	for (unsigned int p = 0; p < 3; p++)
		port[p].quiet = true;
	role_assert_lcore();
	for (unsigned int i = 0; i < 10; i++) {
		for (unsigned int k = 0; k < 20; k++, sent++)
			put(&ctx[0], EVERYBODY, home(0));
		forward(&port[0]);
	}
	/* The machine may stand still for a second or two. */
	assert_in_range(rx_drop(&port[0], RX_DROP_STORM_BROADCAST), sent / 2, sent - 16);
	close_small(3);
}

static unsigned int broadcasts[PORTS];

static void count_broadcasts(struct recorder *to, const struct frame *frame)
{
	broadcasts[to->port.id] += frame->head[0] == 0xff;
}

/* Two frames are flooded together, and one is for a group that gets a member in the middle: the other one goes on to all. */
static void a_flood_goes_on_while_groups_change(void **state)
{
	const struct fg_said said = {.what = FG_DATA, .group = "239.1.1.1", .len = 8};
	struct group_message query = {.kind = GROUP_MESSAGE_QUERY, .from = {{10, 0, 0, 1}}, .response_ms = 1};
	struct group_key key = {.fid = FID_DEFAULT, .family = GROUP_IPV4, .group = {{239, 1, 1, 1}}};
	struct burst *burst = ctx[0].burst;
	uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	bool done;

	role_assert_control();
	role_assert_lcore();
	memset(broadcasts, 0, sizeof(broadcasts));
	floods_unregistered = true;
	open_bridge(PORTS, 300);
	table = group_table_create(&(struct group_table_config){.groups_max = 100, .port_max = 100});
	queriers = group_queriers_create(&(struct group_queriers_config){.interval = 1000 * NS_PER_S, .response = 1});
	OK(group_queriers_heard(queriers, FID_DEFAULT, 1, &query, 1));
	group_queriers_expire(queriers, NS_PER_S);
	tell_lcores();
	for (unsigned int p = 0; p < PORTS; p++)
		port[p].seen = count_broadcasts;
	for (burst->n = 0; burst->n < 2; burst->n++) {
		size_t len = fg_group_write(burst->room[burst->n].head, mac, &said);

		burst->frame[burst->n] =
			(struct frame){.head = burst->room[burst->n].head, .head_len = (uint16_t)len, .len = (uint32_t)len};
		if (burst->n == 1)
			memset(burst->room[1].head, 0xff, 6);
	}
	ctx[0].bound = 1;
	done = bridge_forward(&ctx[0], &port[0].rxq);
	assert_false(done);
	group_table_join(table, &key, 2, UINT64_MAX);
	tell_lcores();
	while (!done)
		done = bridge_go_on(&ctx[0], &port[0].rxq);
	for (unsigned int p = 1; p < PORTS; p++)
		assert_int_equal(broadcasts[p], 1);
	burst->n = 0;
	ctx[0].bound = 0;
	close_small(PORTS);
}

static void opened(void **state)
{
	OK(doorbell_init(&bell));
	ctx[0].punts = punt_ring_create(&bell);
	assert_non_null(ctx[0].punts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opened),
		cmocka_unit_test(each_frame_goes_where_it_is_wanted),
		cmocka_unit_test(each_vlan_has_its_own),
		cmocka_unit_test(what_cannot_be_read_is_flooded),
		cmocka_unit_test(storms_are_limited),
		cmocka_unit_test(a_flood_goes_on_while_groups_change),
	};

	return bridge_rig_run(CASES(tests));
}
