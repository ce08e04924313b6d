/* SPDX-License-Identifier: BSD-3-Clause */
/* Who asks: from which query on a VLAN is snooped, until when; the election; routers that come and go. */
#include "cases.h"

#include <string.h>

#include "clock.h"
#include "group_querier.h"

enum { S = 1000 };
static const uint64_t second = NS_PER_S;

static struct group_message query(enum group_family family, uint8_t last, uint32_t response_ms, uint32_t interval_ms)
{
	struct group_message m = {
		.kind = GROUP_MESSAGE_QUERY, .family = family, .response_ms = response_ms, .interval_ms = interval_ms};

	if (last != 0)
		m.from = family == GROUP_IPV4 ? (struct group_address){{10, 0, 0, last}}
					      : (struct group_address){{0xfe, 0x80, [15] = last}};
	return m;
}

static struct group_queriers *begin(bool asks, uint8_t own)
{
	struct group_queriers *q = group_queriers_create(&(struct group_queriers_config){
		.asks = asks,
		.own = {query(GROUP_IPV4, own, 0, 0).from, query(GROUP_IPV6, own, 0, 0).from},
		.interval = 100 * second,
		.response = 10 * second,
	});

	assert_non_null(q);
	return q;
}

static struct group_state state_of(const struct group_queriers *q, uint16_t fid, enum group_family family)
{
	struct group_state state;

	assert_true(group_queriers_state(q, fid, family, &state));
	return state;
}

static unsigned int asks_n(struct group_queriers *q, uint64_t now)
{
	enum group_family family;
	unsigned int n = 0;
	uint16_t fid;

	group_queriers_expire(q, now);
	while (group_queriers_ask(q, now, &fid, &family))
		n++;
	return n;
}

/* Not before those who answer a query have done so, and not when nobody has asked for a while. */
static void snooped_while_somebody_asks(void **state)
{
	struct group_queriers *q = begin(false, 0);
	struct group_message m = query(GROUP_IPV4, 7, 2 * S, 20 * S);
	struct group_state known;

	assert_false(group_queriers_state(q, 5, GROUP_IPV4, &known));
	assert_true(group_queriers_next(q) == UINT64_MAX);
	OK(group_queriers_heard(q, 5, 3, &m, 1000 * second));
	assert_true(group_queriers_changed(q));
	assert_false(group_queriers_changed(q));
	assert_false(state_of(q, 5, GROUP_IPV4).snooped);
	assert_false(state_of(q, 5, GROUP_IPV6).other);
	assert_int_equal(group_queriers_next(q), 1002 * second);
	group_queriers_expire(q, 1002 * second - 1);
	assert_false(state_of(q, 5, GROUP_IPV4).snooped);
	group_queriers_expire(q, 1002 * second);
	assert_true(group_queriers_changed(q));
	known = state_of(q, 5, GROUP_IPV4);
	assert_true(known.snooped && known.other && !known.ours);
	assert_int_equal(known.routers_n, 1);
	assert_int_equal(known.router[0].port, 3);
	assert_false(state_of(q, 5, GROUP_IPV6).snooped);
	/* It says 20 s, and we are told 100: nothing ends earlier by what a guest says. */
	assert_int_equal(group_queriers_membership(q, 5, GROUP_IPV4), 210 * second);
	assert_int_equal(group_queriers_next(q), 1201 * second);
	assert_int_equal(asks_n(q, 1200 * second), 0);
	assert_true(state_of(q, 5, GROUP_IPV4).snooped);
	group_queriers_expire(q, 1201 * second);
	known = state_of(q, 5, GROUP_IPV4);
	assert_false(known.snooped || known.other || known.routers_n > 0);
	assert_int_equal(asks_n(q, 2000 * second), 0);
	group_queriers_destroy(q);
	group_queriers_destroy(NULL);
}

static void a_longer_interval_counts(void **state)
{
	struct group_queriers *q = begin(false, 0);
	struct group_message m = query(GROUP_IPV6, 7, 2 * S, 300 * S);

	assert_int_equal(group_queriers_membership(q, 0, GROUP_IPV6), 210 * second);
	OK(group_queriers_heard(q, 0, 3, &m, 1000 * second));
	assert_int_equal(group_queriers_membership(q, 0, GROUP_IPV6), 602 * second);
	/* A query for one group is no sign that its sender asks for all. */
	m = query(GROUP_IPV4, 7, 2 * S, 300 * S);
	m.group = (struct group_address){{239, 1, 1, 1}};
	OK(group_queriers_heard(q, 0, 3, &m, 1000 * second));
	assert_false(state_of(q, 0, GROUP_IPV4).other);
	group_queriers_destroy(q);
}

/* Who says that it asks but twice a day does not keep us from asking for so long, and the answers are not awaited for an hour. */
static void nobody_is_believed_anything(void **state)
{
	struct group_queriers *q = begin(true, 0);
	struct group_message m = query(GROUP_IPV6, 7, 8387584, 31744 * S);

	OK(group_queriers_add(q, 1, 1000 * second));
	OK(group_queriers_heard(q, 1, 3, &m, 1000 * second));
	assert_true(state_of(q, 1, GROUP_IPV6).other);
	assert_int_equal(group_queriers_membership(q, 1, GROUP_IPV6), GROUP_OTHER_MOST * (2 * 100 + 10) * second);
	group_queriers_expire(q, (1000 + GROUP_OTHER_MOST * 10) * second);
	assert_true(state_of(q, 1, GROUP_IPV6).snooped);
	assert_int_equal(asks_n(q, 1000 * second), 1); /* IGMP */
	group_queriers_expire(q, (1000 + GROUP_OTHER_MOST * (2 * 100 + 10 / 2)) * second - 1);
	assert_true(state_of(q, 1, GROUP_IPV6).other);
	group_queriers_expire(q, (1000 + GROUP_OTHER_MOST * (2 * 100 + 10 / 2)) * second);
	assert_true(state_of(q, 1, GROUP_IPV6).ours && state_of(q, 1, GROUP_IPV6).snooped);
	/* But that there is a router it may say for that long. */
	assert_int_equal(state_of(q, 1, GROUP_IPV6).routers_n, 1);
	group_queriers_destroy(q);
}

/* Twice with a quarter of the interval between, and then with all of it. */
static void we_ask(void **state)
{
	struct group_queriers *q = begin(true, 0);
	unsigned int n = 0;

	for (uint64_t now = 1000; now < 1500; now++) {
		if (now == 1000) {
			OK(group_queriers_add(q, 0, now * second));
			OK(group_queriers_add(q, 4094, now * second));
		}
		n += asks_n(q, now * second);
		assert_int_equal(state_of(q, 0, GROUP_IPV4).snooped, now >= 1010);
		assert_true(state_of(q, 0, GROUP_IPV4).ours);
		if (now == 1024)
			assert_int_equal(n, 4);
		if (now == 1049)
			assert_int_equal(n, 8);
		if (now == 1050)
			assert_int_equal(n, 12);
	}
	/* 1000, 1025, 1050, 1150, 1250, 1350, 1450. */
	assert_int_equal(n, 7 * 4);
	group_queriers_destroy(q);
}

/* The same options once more: no query is sent before its time, and what was snooped still is. */
static void the_same_options_change_nothing(void **state)
{
	for (int asks = 0; asks < 2; asks++) {
		struct group_queriers *q = begin(asks != 0, 5);
		struct group_queriers_config same = {
			.asks = asks != 0,
			.own = {query(GROUP_IPV4, 5, 0, 0).from, query(GROUP_IPV6, 5, 0, 0).from},
			.interval = 100 * second,
			.response = 10 * second,
		};
		struct group_message m = query(GROUP_IPV4, 9, 10 * S, 100 * S);

		OK(group_queriers_add(q, 1, 1000 * second));
		OK(group_queriers_heard(q, 1, 3, &m, 1000 * second));
		assert_int_equal(asks_n(q, 1000 * second), asks != 0 ? 2 : 0);
		group_queriers_expire(q, 1010 * second);
		assert_true(state_of(q, 1, GROUP_IPV4).snooped);
		group_queriers_changed(q);
		group_queriers_configure(q, &same, 1011 * second);
		assert_int_equal(asks_n(q, 1011 * second), 0);
		assert_false(group_queriers_changed(q));
		assert_true(state_of(q, 1, GROUP_IPV4).snooped);
		same.interval = 50 * second;
		group_queriers_configure(q, &same, 1012 * second);
		assert_int_equal(asks_n(q, 1012 * second), asks != 0 ? 2 : 0);
		group_queriers_destroy(q);
	}
}

static void the_lower_address_asks(void **state)
{
	struct group_queriers *q = begin(true, 5);
	struct group_message higher = query(GROUP_IPV4, 9, 10 * S, 125 * S), lower = query(GROUP_IPV4, 4, 10 * S, 125 * S);
	struct group_message nobody = query(GROUP_IPV4, 0, 10 * S, 125 * S);
	struct group_state known;

	OK(group_queriers_add(q, 1, 1000 * second));
	assert_int_equal(asks_n(q, 1000 * second), 2);
	OK(group_queriers_heard(q, 1, 3, &higher, 1001 * second));
	OK(group_queriers_heard(q, 1, 3, &nobody, 1001 * second));
	assert_true(state_of(q, 1, GROUP_IPV4).ours);
	OK(group_queriers_heard(q, 1, 3, &lower, 1002 * second));
	assert_false(state_of(q, 1, GROUP_IPV4).ours);
	assert_true(state_of(q, 1, GROUP_IPV6).ours);
	/* Beside it the higher one says nothing new, but for a router being there. */
	OK(group_queriers_heard(q, 1, 8, &higher, 1003 * second));
	known = state_of(q, 1, GROUP_IPV4);
	assert_memory_equal(&known.querier, &lower.from, sizeof(lower.from));
	assert_int_equal(state_of(q, 1, GROUP_IPV4).routers_n, 2);
	assert_int_equal(asks_n(q, 1040 * second), 1); /* MLD */
	/* 2 * 125 + 10 / 2 after its last query it is our turn again. */
	assert_int_equal(asks_n(q, 1256 * second), 1);
	assert_int_equal(asks_n(q, 1257 * second), 1);
	assert_true(state_of(q, 1, GROUP_IPV4).ours);
	group_queriers_destroy(q);
}

/* RFC 4541: 0.0.0.0 gives way to everybody, and to nobody of its kind. */
static void nobody_gives_way(void **state)
{
	struct group_queriers *q = begin(true, 0);
	struct group_message nobody = query(GROUP_IPV4, 0, 10 * S, 125 * S), somebody = query(GROUP_IPV4, 200, 10 * S, 125 * S);

	OK(group_queriers_add(q, 1, 1000 * second));
	OK(group_queriers_heard(q, 1, 3, &nobody, 1001 * second));
	assert_true(state_of(q, 1, GROUP_IPV4).ours);
	OK(group_queriers_heard(q, 1, 3, &somebody, 1001 * second));
	assert_false(state_of(q, 1, GROUP_IPV4).ours);
	/* Told to ask no more, and to ask again, from a lower address. */
	group_queriers_configure(q, &(struct group_queriers_config){.interval = 100 * second, .response = second}, 1002 * second);
	assert_int_equal(asks_n(q, 1003 * second), 0);
	assert_false(state_of(q, 1, GROUP_IPV6).ours);
	group_queriers_configure(q,
				 &(struct group_queriers_config){.asks = true,
								 .own = {query(GROUP_IPV4, 1, 0, 0).from},
								 .interval = 100 * second,
								 .response = second},
				 1004 * second);
	assert_true(state_of(q, 1, GROUP_IPV4).ours);
	assert_int_equal(asks_n(q, 1004 * second), 2);
	group_queriers_destroy(q);
}

static void routers_come_and_go(void **state)
{
	struct group_queriers *q = begin(false, 0);
	struct group_state known;

	OK(group_queriers_router(q, 1, GROUP_IPV4, 9, 1100 * second));
	OK(group_queriers_router(q, 1, GROUP_IPV4, 4, 1050 * second));
	OK(group_queriers_router(q, 1, GROUP_IPV4, 9, 1020 * second)); /* what is shorter changes nothing */
	OK(group_queriers_router(q, 1, GROUP_IPV4, 77, 0));
	known = state_of(q, 1, GROUP_IPV4);
	assert_int_equal(known.routers_n, 2);
	assert_int_equal(known.router[0].port, 4);
	assert_int_equal(known.router[1].port, 9);
	assert_int_equal(group_queriers_next(q), 1050 * second);
	group_queriers_changed(q);
	group_queriers_expire(q, 1050 * second);
	assert_true(group_queriers_changed(q));
	assert_int_equal(state_of(q, 1, GROUP_IPV4).routers_n, 1);
	group_queriers_forget_port(q, 9);
	assert_true(group_queriers_changed(q));
	assert_int_equal(state_of(q, 1, GROUP_IPV4).routers_n, 0);
	group_queriers_destroy(q);
}

/* It is awake when there is something to do, and not before. */
static void it_sleeps_until_something_is_due(void **state)
{
	struct group_queriers *q = begin(true, 0);
	uint64_t now = 1000 * second, until = 2500 * second;
	unsigned int asked = 0, awake = 0;

	OK(group_queriers_add(q, 3, now));
	OK(group_queriers_add(q, 7, now));
	OK(group_queriers_router(q, 7, GROUP_IPV6, 5, now + 333 * second));
	for (; now < until; awake++) {
		asked += asks_n(q, now);
		assert_true(group_queriers_next(q) > now);
		now = group_queriers_next(q);
	}
	/* At 0, 25, 50 and then each 100 seconds; the answers are in at 10; the router goes at 333. */
	assert_int_equal(asked, 4 * 17);
	assert_in_range(awake, 17 + 2, 2 * (17 + 2));
	assert_int_equal(state_of(q, 7, GROUP_IPV6).routers_n, 0);
	group_queriers_destroy(q);
}

static void vlans_are_forgotten(void **state)
{
	struct group_queriers *q = begin(true, 0);
	struct group_state known;

	for (uint16_t fid = 0; fid < 4095; fid++)
		OK(group_queriers_add(q, fid, 1000 * second));
	OK(group_queriers_router(q, 4000, GROUP_IPV4, 9, 1100 * second));
	assert_int_equal(asks_n(q, 1000 * second), 2 * 4095);
	group_queriers_changed(q);
	for (uint16_t fid = 0; fid < 4095; fid++)
		if (fid != 8 && fid != 4001)
			group_queriers_forget(q, fid);
	group_queriers_forget(q, 4000);
	assert_true(group_queriers_changed(q));
	for (uint16_t fid = 0; fid < 4095; fid++)
		assert_int_equal(group_queriers_state(q, fid, GROUP_IPV4, &known), fid == 8 || fid == 4001);
	assert_int_equal(asks_n(q, 1200 * second), 2 * 2);
	OK(group_queriers_add(q, 4000, 1200 * second));
	assert_int_equal(state_of(q, 4000, GROUP_IPV4).routers_n, 0);
	assert_int_equal(asks_n(q, 1200 * second), 2);
	group_queriers_destroy(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_sleeps_until_something_is_due),
		cmocka_unit_test(vlans_are_forgotten),
		cmocka_unit_test(the_same_options_change_nothing),
		cmocka_unit_test(nobody_is_believed_anything),
		cmocka_unit_test(snooped_while_somebody_asks), cmocka_unit_test(a_longer_interval_counts),
		cmocka_unit_test(we_ask),		       cmocka_unit_test(the_lower_address_asks),
		cmocka_unit_test(nobody_gives_way),	       cmocka_unit_test(routers_come_and_go),
	};

	return cmocka_run_group_tests_name("group_querier", tests, NULL, NULL);
}
