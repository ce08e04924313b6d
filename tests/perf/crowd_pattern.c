/* SPDX-License-Identifier: BSD-3-Clause */
/* Who of the guests of crowd.h sends to whom. */
#include <errno.h>
#include <stdio.h>

#include "crowd.h"
#include "fg_clock.h"

enum { WINDOW_MIN = 4, FLOWS_MAX = 1 << 14, SETTLE_US = 200000, ASK_US = 500, ARRIVE_MS = 200, TRIES = 10 };

void crowd_hush(struct crowd *c)
{
	c->lanes = c->senders = c->receivers = 0;
	c->prepared = false;
	c->macs = 0;
}

static int complain(const char *what)
{
	fprintf(stderr, "crowd: %s\n", what);
	return -EINVAL;
}

static uint32_t add_lane(struct crowd *c, uint32_t from, uint32_t to, uint32_t window)
{
	c->lane[c->lanes] = (struct crowd_lane){.from = from, .to = to, .window = window > WINDOW_MIN ? window : WINDOW_MIN};
	return c->lanes++;
}

static void add_sender(struct crowd *c, uint32_t guest, unsigned int pair, uint32_t first, uint32_t n)
{
	c->prepared = false;
	c->sender[c->senders++] = (struct crowd_sender){.tx = &c->party.guest[guest].tx[pair], .first = first, .n = n};
}

static void add_receiver(struct crowd *c, uint32_t guest, unsigned int pair, bool sink)
{
	c->receiver[c->receivers++] = (struct crowd_receiver){.rx = &c->party.guest[guest].rx[pair], .sink = sink};
}

/* --- introductions ---------------------------------------------------------------------------------------------- */

/* One frame out of slot 0 of a fresh ring. */
static void speak(struct crowd *c, uint32_t guest)
{
	struct pump_ring *tx = &c->party.guest[guest].tx[0];
	uint32_t lane = add_lane(c, guest, guest, 1);

	tx->gpa[0] = tx->buffer_gpa[0];
	tx->at[0] = tx->buffer_at[0];
	crowd_write(c, tx, 0, lane, guest);
	for (uint32_t slot = 1; slot <= tx->fast.mask; slot++)
		tx->gpa[slot] = tx->buffer_gpa[slot];
	pump_ring_set_len(tx, PUMP_HEADER + c->len);
	pump_ring_post(tx, 1);
	crowd_hush(c);
}

/* Whether the frame of a guest has come back. */
static int answered(struct pump_ring *tx)
{
	int n = pump_ring_look(tx);

	tx->fast.taken += n > 0 ? (uint32_t)n : 0;
	return n < 0 ? n : tx->fast.taken == tx->fast.posted;
}

int crowd_introduce(struct crowd *c)
{
	int64_t deadline = fg_deadline(2 * FG_WAIT_MS);
	unsigned int waiting = 0;

	c->len = PUMP_FRAME_MIN;
	for (uint32_t i = 0; i < c->party.guests; i++)
		speak(c, i);
	while (waiting < c->party.guests) {
		int err = answered(&c->party.guest[waiting].tx[0]);

		if (err < 0)
			return err;
		waiting += err > 0;
		if (fg_left_ms(deadline) == 0)
			return complain("the switch does not take a guest's first frame");
	}
	fg_sleep_us(SETTLE_US); /* it learns on a thread of its own */
	for (uint32_t i = 0; i < c->party.guests; i++)
		pump_guest_fill(&c->party.guest[i]);
	return 0;
}

int crowd_ask(struct crowd *c, unsigned int ms)
{
	int64_t deadline = fg_deadline((int)ms);
	uint64_t asked = 0, longest = 0;

	while (fg_left_ms(deadline) > 0) {
		uint64_t began = fg_now_us(), features;
		int err = fg_ask_u64(&c->party.guest[0].s, FG_GET_FEATURES, &features);

		if (err < 0)
			return err;
		asked++;
		longest = fg_now_us() - began > longest ? fg_now_us() - began : longest;
		fg_sleep_us(ASK_US);
	}
	printf("{\"asked\": %llu, \"longest_us\": %llu}\n", (unsigned long long)asked, (unsigned long long)longest);
	return 0;
}

/* --- patterns ---------------------------------------------------------------------------------------------------- */

/* Which queue of a guest one frame of a lane arrives at, -EAGAIN: it was dropped, or -errno. */
static int try_once(struct crowd *c, struct crowd_sender *s, struct crowd_lane *lane)
{
	struct pump_guest *to = &c->party.guest[lane->to];
	int64_t deadline = fg_deadline(ARRIVE_MS);
	int err = crowd_send(c, s, 1);

	while (err >= 0 && fg_left_ms(deadline) > 0) {
		for (unsigned int q = 0; err >= 0 && q < to->opt.pairs; q++) {
			struct crowd_receiver r = {.rx = &to->rx[q]};

			err = crowd_take(c, &r);
			if (err > 0)
				return (int)q;
		}
	}
	lane->lost += crowd_on_way(lane);
	return err < 0 ? err : -EAGAIN;
}

/* A switch may drop what is for a page that it has not used before. */
static int try_flow(struct crowd *c, struct crowd_sender *s, struct crowd_lane *lane)
{
	int at = -EAGAIN;

	for (int i = 0; i < TRIES && at == -EAGAIN; i++)
		at = try_once(c, s, lane);
	return at == -EAGAIN ? complain("a frame did not arrive") : at;
}

/* Finds a flow for lane number @number that arrives at queue @queue. */
static int find_flow(struct crowd *c, struct crowd_sender *s, uint32_t number, unsigned int queue)
{
	struct crowd_lane *lane = &c->lane[number];

	for (lane->flow = 0; lane->flow < FLOWS_MAX; lane->flow++) {
		int at;

		for (uint32_t slot = 0; slot <= s->tx->fast.mask; slot++) {
			s->tx->at[slot] = s->tx->buffer_at[slot];
			crowd_write(c, s->tx, slot, number, lane->from);
		}
		at = try_flow(c, s, lane);
		if (at < 0 || at == (int)queue)
			return at < 0 ? at : 0;
	}
	return complain("no flow arrives at that queue");
}

int crowd_pair(struct crowd *c, uint32_t one, uint32_t other, unsigned int queues)
{
	int err = 0;

	if (queues == 0 || queues > c->party.opt.pairs || one >= c->party.guests || other >= c->party.guests)
		return complain("pair: there is no such guest or queue");
	c->timed = false;
	for (unsigned int i = 0; i < 2 * queues; i++) {
		uint32_t from = i % 2 == 0 ? one : other, to = i % 2 == 0 ? other : one;

		add_sender(c, from, i / 2, add_lane(c, from, to, c->party.opt.ring), 1);
		add_receiver(c, to, i / 2, false);
	}
	crowd_prepare(c, PUMP_FRAME_MIN);
	for (unsigned int i = 0; err == 0 && c->party.opt.pairs > 1 && i < 2 * queues; i++)
		err = find_flow(c, &c->sender[c->senders - 2 * queues + i], c->sender[c->senders - 2 * queues + i].first, i / 2);
	c->prepared = c->party.opt.pairs == 1;
	return err;
}

int crowd_fan(struct crowd *c, uint32_t n)
{
	uint32_t first = c->lanes;

	if (n == 0 || n >= c->party.guests || c->party.opt.ring % n != 0)
		return complain("fan: as many receivers as guests, and they divide the ring");
	for (uint32_t i = 1; i <= n; i++) {
		add_lane(c, 0, i, c->party.opt.ring);
		add_receiver(c, i, 0, false);
	}
	add_sender(c, 0, 0, first, n);
	return 0;
}

int crowd_star(struct crowd *c, uint32_t n)
{
	if (n < 2 || n > c->party.guests)
		return complain("star: there are not so many guests");
	for (uint32_t i = 1; i < n; i++)
		add_sender(c, i, 0, add_lane(c, i, 0, c->party.opt.ring / (n - 1)), 1);
	add_receiver(c, 0, 0, false);
	return 0;
}

int crowd_flood(struct crowd *c, uint32_t from, uint32_t n)
{
	if (from + n >= c->party.guests)
		return complain("flood: there are not so many guests");
	add_sender(c, from, 0, CROWD_FLOOD, from);
	for (uint32_t i = 1; i <= n; i++)
		add_receiver(c, from + i, 0, true);
	return 0;
}
