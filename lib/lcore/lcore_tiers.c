/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_tiers.h"

#include <errno.h>
#include <stdlib.h>

#include "lcore_held.h"
#include "lcore_private.h"
#include "mem_guest.h"
#include "mem_note.h"

int lcore_tiers_init(struct lcore_tiers *tiers)
{
	*tiers = (struct lcore_tiers){
		.hot = calloc(LCORE_QUEUES_MAX, sizeof(*tiers->hot)),
		.held = calloc(LCORE_QUEUES_MAX, sizeof(*tiers->held)),
		.held_until = UINT64_MAX,
		.warm = calloc(LCORE_QUEUES_MAX, sizeof(*tiers->warm)),
		.place = calloc(LCORE_QUEUES_MAX, sizeof(*tiers->place)),
	};
	return tiers->hot != NULL && tiers->warm != NULL && tiers->held != NULL && tiers->place != NULL ? 0 : -ENOMEM;
}

void lcore_tiers_fini(struct lcore_tiers *tiers)
{
	free(tiers->hot);
	free(tiers->warm);
	free(tiers->held);
	free(tiers->place);
}

/* --- from tier to tier ------------------------------------------------------------------------------------------- */

static void warm_set(struct lcore_tiers *tiers, uint32_t at, struct lcore_warm warm)
{
	tiers->warm[at] = warm;
	tiers->place[warm.slot].at = (uint16_t)at;
}

/* Behind those that have been looked at in this turn: what joins cannot make the turn longer. */
static void warm_join(struct lcore_tiers *tiers, struct lcore_warm warm)
{
	uint32_t at = tiers->scanned++;

	if (at < tiers->warm_n)
		warm_set(tiers, tiers->warm_n, tiers->warm[at]);
	tiers->warm_n++;
	warm_set(tiers, at, warm);
}

/* The last one of those that have been looked at takes its place, or the last one of those that have not: none is left out. */
static void warm_leave(struct lcore_tiers *tiers, uint32_t at)
{
	if (at < tiers->scanned) {
		warm_set(tiers, at, tiers->warm[--tiers->scanned]);
		at = tiers->scanned;
	}
	/* What is beyond the end may have moved just now. */
	if (at < --tiers->warm_n)
		warm_set(tiers, at, tiers->warm[tiers->warm_n]);
}

static void lcore_leave_tier(struct lcore_tiers *tiers, uint16_t slot)
{
	struct lcore_place *place = &tiers->place[slot];

	if (place->tier == TIER_HOT) {
		/* The last one of the array takes its place there. */
		tiers->hot[place->at] = tiers->hot[--tiers->hot_n];
		tiers->place[tiers->hot[place->at].slot].at = place->at;
	} else if (place->tier == TIER_WARM) {
		warm_leave(tiers, place->at);
	} else if (place->tier == TIER_HELD) {
		lcore_held_leave(tiers, slot);
	} else if (place->tier == TIER_COLD) {
		tiers->cold_n--;
	}
	place->tier = TIER_NONE;
}

/* Frames came last at `moved`. */
static void become_hot(struct lcore *lc, uint16_t slot, uint64_t moved, uint64_t at) RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	struct lcore_place *place = &tiers->place[slot];

	lcore_leave_tier(tiers, slot);
	place->tier = TIER_HOT;
	place->at = (uint16_t)tiers->hot_n;
	tiers->hot[tiers->hot_n++] = (struct lcore_hot){
		.q = place->q,
		.moved = moved,
		.cool_at = at + TIER_HOT_US * lcores.us,
		.slot = slot,
	};
}

/* False: it stays what it is. */
static bool become_warm(struct lcore *lc, uint16_t slot, uint64_t moved) RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	struct lcore_place *place = &tiers->place[slot];
	struct port_word word;

	if (atomic_load_explicit(&place->q->withdrawn, memory_order_relaxed) ||
	    !place->q->port->ops->watch(place->q, &word))
		return false;
	lcore_leave_tier(tiers, slot);
	place->tier = TIER_WARM;
	place->moved = moved;
	warm_join(tiers, (struct lcore_warm){.word = word, .slot = slot});
	return true;
}

/* False: its frames need not wait, as far as the last visit knows. */
static bool become_held(struct lcore *lc, uint16_t slot, uint64_t at) RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	struct lcore_place *place = &tiers->place[slot];
	uint64_t until = place->q->pace.until;

	/* Without a limit, nobody has looked at `until` lately. */
	if (until <= at || (port_policy_flags(place->q->port) & POLICY_RATE_FROM) == 0)
		return false;
	lcore_leave_tier(tiers, slot);
	place->tier = TIER_HELD;
	lcore_held_join(tiers, slot, until);
	return true;
}

void lcore_let_go(struct lcore *lc, uint64_t at)
{
	struct lcore_tiers *tiers = &lc->tiers;

	while (tiers->held_n > 0 && tiers->held[0].until <= at)
		become_hot(lc, tiers->held[0].slot, at, at);
}

static bool can_be_cold(const struct port_rxq *q)
{
	return q->port->ops->watch != NULL && q->wake_fd >= 0 && !atomic_load_explicit(&q->unwatched, memory_order_relaxed) &&
	       !atomic_load_explicit(&q->withdrawn, memory_order_relaxed);
}

/* False: frames are waiting, or it cannot be, and it stays what it is. */
static bool become_cold(struct lcore *lc, uint16_t slot) RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	struct port_rxq *q = tiers->place[slot].q;

	if (!can_be_cold(q))
		return false;
	if (q->port->ops->arm(q)) {
		q->port->ops->disarm(q);
		return false;
	}
	/* While it had nothing, or its lcore nothing to do, what it owed has been paid (share.h). */
	q->owed = 0;
	lcore_leave_tier(tiers, slot);
	tiers->place[slot].tier = TIER_COLD;
	tiers->cold_n++;
	return true;
}

bool lcore_cool(struct lcore *lc, uint32_t i, uint64_t at)
{
	struct lcore_hot *hot = &lc->tiers.hot[i];

	if (become_held(lc, hot->slot, at))
		return true;
	if (hot->q->port->ops->watch != NULL &&
	    (become_warm(lc, hot->slot, hot->moved) ||
	     (at - hot->moved > TIER_SILENT_US * lcores.us && become_cold(lc, hot->slot))))
		return true;
	hot->cool_at = at + TIER_HOT_US * lcores.us;
	return false;
}

/* --- the poll set ------------------------------------------------------------------------------------------------ */

static void lcore_join(struct lcore *lc, struct port_rxq *q, uint64_t at) RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	struct lcore_place *place = &tiers->place[q->slot];

	if (q->slot >= tiers->slots)
		tiers->slots = q->slot + 1u;
	if (place->joined == q->joined)
		return;
	lcore_leave_tier(tiers, q->slot);
	place->q = q;
	place->joined = q->joined;
	/* Somewhere else, or in another ring. */
	q->pace = (struct port_rxq_pace){0};
	become_hot(lc, q->slot, at, at);
	/* It may have been armed by the lcore it was with, and would have its driver kick for nothing until we sleep, which
	 * a busy lcore never does. */
	q->port->ops->disarm(q);
}

void lcore_take_set(struct lcore *lc, const struct poll_set *set, uint64_t at)
{
	struct lcore_tiers *tiers = &lc->tiers;

	for (uint16_t i = 0; i < set->n; i++) {
		lcore_join(lc, set->queue[i], at);
		tiers->place[set->queue[i]->slot].seen = set->generation;
	}
	for (uint32_t slot = 0; slot < tiers->slots; slot++) {
		struct lcore_place *place = &tiers->place[slot];

		if (place->seen == set->generation || place->joined == 0)
			continue;
		/* What it points to may be gone. */
		lcore_leave_tier(tiers, (uint16_t)slot);
		place->joined = 0;
		place->q = NULL;
	}
	while (tiers->slots > 0 && tiers->place[tiers->slots - 1].joined == 0)
		tiers->slots--;
	tiers->generation = set->generation;
}

void lcore_give_up_words(struct lcore *lc, uint64_t at)
{
	struct lcore_tiers *tiers = &lc->tiers;

	/* Pairs with words_give_up(): queues that are withdrawn are seen to be. */
	tiers->given_up = atomic_load_explicit(&lc->rung.given_up, memory_order_acquire);
	while (tiers->warm_n > 0) {
		uint16_t slot = tiers->warm[tiers->warm_n - 1].slot;

		become_hot(lc, slot, tiers->place[slot].moved, at);
	}
}

/* --- warm queues ------------------------------------------------------------------------------------------------- */

/* The word of the i-th one has changed, which leaves its place to another. Whether frames have come or not, it is looked at as a
 * whole for a while. */
static uint32_t lcore_word_changed(struct lcore *lc, uint32_t i, uint64_t *at) RUNS_ON(lcore_thread)
{
	uint16_t slot = lc->tiers.warm[i].slot;
	struct lcore_place *place = &lc->tiers.place[slot];
	uint64_t moved = place->moved;
	uint16_t n = lcore_poll(lc, place->q, at);

	become_hot(lc, slot, n > 0 ? *at : moved, *at);
	return n;
}

/* One of them has its turn: it becomes cold if it has been silent for long. */
static void lcore_chill_one(struct lcore *lc, uint64_t at) RUNS_ON(lcore_thread)
{
	struct lcore_tiers *tiers = &lc->tiers;
	uint16_t slot;

	if (++tiers->turn >= tiers->warm_n)
		tiers->turn = 0;
	slot = tiers->warm[tiers->turn].slot;
	if (at - tiers->place[slot].moved <= TIER_WARM_US * lcores.us || !can_be_cold(tiers->place[slot].q))
		return;
	if (!become_cold(lc, slot))
		become_hot(lc, slot, at, at);
}

uint32_t lcore_scan(struct lcore *lc, uint64_t *at)
{
	struct lcore_tiers *tiers = &lc->tiers;
	uint32_t frames = 0;
	uint64_t start = *at, end = start, took;
	uint64_t least = TIER_SCAN_US * lcores.us;
	bool few = tiers->warm_n <= TIER_SCAN_FEW;

	mem_note_turn();
	if (tiers->scanned == tiers->warm_n)
		tiers->scanned = 0;
	/* One that has frames ends the look: the hot ones have their turn. */
	for (uint32_t n = 0; n < TIER_SCAN_WORDS && frames == 0 && tiers->scanned < tiers->warm_n; n++) {
		const struct port_word *word = &tiers->warm[tiers->scanned].word;

		mem_note_single(word->at);
		/* A word that changed is all that it says: what the ring holds is read and checked by receive(). */
		if (__builtin_expect((guest_load16_again(word->at) & word->mask) == word->idle, 1))
			tiers->scanned++;
		else
			frames += lcore_word_changed(lc, tiers->scanned, at);
	}
	mem_note_single(NULL);
	if (tiers->warm_n > 0)
		lcore_chill_one(lc, *at);
	if (frames > 0 || !few)
		end = rte_rdtsc();
	took = end - start;
	/* Where it was ended, the rest need not wait for longer than the part of the time asks for. */
	if (took * TIER_SCAN_PART > least || frames > 0)
		least = took * TIER_SCAN_PART;
	tiers->scan_at = end + least;
	return frames;
}

/* --- cold queues ------------------------------------------------------------------------------------------------- */

static uint32_t lcore_answer_one(struct lcore *lc, uint16_t slot, uint64_t *at) RUNS_ON(lcore_thread)
{
	struct lcore_place *place = &lc->tiers.place[slot];
	struct port_rxq *q = place->q;
	uint16_t n;

	/* Its limit has changed (lcores_look_at()): what the last visit said of it is over. */
	if (place->tier == TIER_HELD)
		become_hot(lc, slot, *at, *at);
	if (place->tier == TIER_HOT)
		q->pace.until = 0;
	/* Left over from a queue that has moved or gone, or it is looked at anyway. */
	if (place->tier != TIER_COLD)
		return 0;
	count(&lc->counters.rings, 1);
	n = lcore_poll(lc, q, at);
	if (n == 0 && can_be_cold(q) && !q->port->ops->arm(q))
		return 0;
	q->port->ops->disarm(q);
	become_hot(lc, slot, *at, *at);
	return n;
}

uint32_t lcore_answer(struct lcore *lc, uint64_t *at)
{
	struct lcore_rung *rung = &lc->rung;
	uint32_t frames = 0;

	/* Pairs with bell_mark(): a bit that is set later is set before the flag is. */
	atomic_store(&rung->any, false);
	for (uint32_t i = 0; i < LCORE_QUEUES_MAX / 4096; i++) {
		uint64_t words = atomic_load(&rung->word[i]) != 0 ? atomic_exchange(&rung->word[i], 0) : 0;

		for (; words != 0; words &= words - 1) {
			uint32_t at_word = i * 64 + (uint32_t)__builtin_ctzll(words);
			uint64_t bits = atomic_exchange(&rung->place[at_word], 0);

			for (; bits != 0; bits &= bits - 1)
				frames += lcore_answer_one(lc, (uint16_t)(at_word * 64 + (uint32_t)__builtin_ctzll(bits)),
							   at);
		}
	}
	return frames;
}

/* --- before and after a sleep ------------------------------------------------------------------------------------ */

bool lcore_cool_all(struct lcore *lc, bool *all_wake)
{
	struct lcore_tiers *tiers = &lc->tiers;
	uint64_t now = rte_rdtsc();
	bool waiting = false;

	*all_wake = true;
	for (uint32_t i = tiers->hot_n; i-- > 0;) {
		struct lcore_hot *hot = &tiers->hot[i];
		struct port_rxq *q = hot->q;

		if (become_held(lc, hot->slot, now))
			continue;
		if (can_be_cold(q)) {
			waiting |= !become_cold(lc, hot->slot);
			continue;
		}
		hot->armed = true;
		waiting |= q->port->ops->arm(q);
		*all_wake &= q->wake_fd >= 0 && port_rxq_wakes(q);
	}
	for (uint32_t i = tiers->warm_n; i-- > 0;) {
		const struct lcore_warm *warm = &tiers->warm[i];

		if (can_be_cold(tiers->place[warm->slot].q)) {
			waiting |= !become_cold(lc, warm->slot);
			continue;
		}
		/* As in lcore_scan(). */
		mem_note_single(warm->word.at);
		waiting |= (guest_load16_again(warm->word.at) & warm->word.mask) != warm->word.idle;
		mem_note_single(NULL);
		*all_wake = false;
	}
	return !waiting;
}

void lcore_warm_up(struct lcore *lc)
{
	for (uint32_t i = 0; i < lc->tiers.hot_n; i++) {
		struct lcore_hot *hot = &lc->tiers.hot[i];

		if (hot->armed)
			hot->q->port->ops->disarm(hot->q);
		hot->armed = false;
	}
}
