/* SPDX-License-Identifier: BSD-3-Clause */
/* What is held, and until when (lcore_held.h): generated joins and leaves beside a list without an order. */
#include <stdlib.h>

#include "cases.h"
#include "dice.h"
#include "lcore_held.h"

enum { SLOTS = 700, STEPS = 200000 };

static struct lcore_held held[SLOTS];
static struct lcore_place place[SLOTS];
static struct lcore_tiers tiers = {.held = held, .place = place, .held_until = UINT64_MAX};
/* The model: 0: it is not held. */
static uint64_t until[SLOTS];
static uint32_t until_n;

static uint64_t first_of_all(void)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int slot = 0; slot < SLOTS; slot++)
		if (until[slot] != 0 && until[slot] < first)
			first = until[slot];
	return first;
}

static void join(uint16_t slot, uint64_t time)
{
	lcore_held_join(&tiers, slot, time);
	until[slot] = time;
	until_n++;
}

static void leave(uint16_t slot)
{
	lcore_held_leave(&tiers, slot);
	until[slot] = 0;
	until_n--;
}

static void assert_same(void)
{
	assert_int_equal(tiers.held_n, until_n);
	assert_int_equal(tiers.held_until, first_of_all());
	for (uint32_t i = 0; i < tiers.held_n; i++) {
		assert_int_equal(place[held[i].slot].at, i);
		assert_int_equal(held[i].until, until[held[i].slot]);
	}
}

/* Any slot at any moment, with times of which many are the same. */
static void joins_and_leaves(void **state)
{
	for (unsigned int step = 0; step < STEPS; step++) {
		uint16_t slot = (uint16_t)dice(SLOTS);

		if (until[slot] != 0)
			leave(slot);
		else
			join(slot, 1 + dice(step % 3 == 0 ? 5 : 100000));
		assert_int_equal(tiers.held_until, first_of_all());
		if (step % 100 == 0)
			assert_same();
	}
	while (tiers.held_n > 0)
		leave(held[dice(tiers.held_n)].slot);
	assert_same();
}

/* As lcores do: those whose time has come leave, the earliest first, and are held again for as long as their rate says. */
static void they_leave_in_their_order(void **state)
{
	uint64_t now = 0;

	for (uint16_t slot = 0; slot < SLOTS; slot++)
		join(slot, 1 + dice(1000));
	for (unsigned int step = 0; step < STEPS; step++) {
		uint16_t slot = held[0].slot;

		assert_true(held[0].until >= now);
		assert_int_equal(held[0].until, tiers.held_until);
		now = held[0].until;
		leave(slot);
		join(slot, now + 1 + dice(1000));
	}
	assert_same();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_and_leaves),
		cmocka_unit_test(they_leave_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
