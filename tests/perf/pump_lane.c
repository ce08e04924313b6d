/* SPDX-License-Identifier: BSD-3-Clause */
/* The lanes of pump.h: numbered frames, as many as fit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pump.h"

enum { AHEAD = 8 };

void pump_lane_set(struct pump_lane *lane, uint32_t len)
{
	lane->len = len;
	lane->buffers = pump_buffers(len);
	lane->window = lane->to->opt.ring / lane->buffers;
	if (lane->window > lane->from->opt.ring)
		lane->window = lane->from->opt.ring;
	pump_guest_set_len(lane->from, len);
}

/* A frame's number is the next, or there were some that will never come. */
static void check_number(struct pump_lane *lane, uint64_t number)
{
	uint64_t due = lane->received + lane->lost;

	if (number == due) {
		lane->received++;
	} else if (number > due && number < lane->sent) {
		lane->lost += number - due;
		lane->received++;
	} else {
		lane->disorder++;
	}
}

/* The first buffer of a frame. Returns how many it takes, 0 for a number no frame has. */
static uint32_t take_one(struct pump_lane *lane, const uint8_t *at, uint32_t n)
{
	uint64_t number;
	uint16_t buffers;

	memcpy(&buffers, at + 10, 2);
	if (buffers == 0 || buffers > n)
		return 0;
	memcpy(&number, at + lane->to->number_at, 8);
	check_number(lane, number);
	if (buffers != lane->buffers) /* it is not whole, or not one */
		lane->disorder++;
	if (lane->timed != NULL) {
		uint64_t stamp;

		memcpy(&stamp, at + lane->to->number_at + 8, 8);
		lane->timed(lane->context, stamp);
	}
	return buffers;
}

int pump_lane_take(struct pump_lane *lane)
{
	struct pump_ring *rx = lane->to->rx;
	int n = pump_ring_look(rx);
	uint32_t left, frames = 0;

	if (n <= 0)
		return n;
	for (int i = 0; i < n && i < AHEAD; i++)
		__builtin_prefetch(rx->at[(rx->fast.taken + (uint32_t)i) & rx->fast.mask]);
	for (left = (uint32_t)n; left > 0;) {
		uint32_t buffers;

		if (left > AHEAD) /* not beyond: those lines are the switch's */
			__builtin_prefetch(rx->at[(rx->fast.taken + AHEAD) & rx->fast.mask]);
		buffers = take_one(lane, rx->at[rx->fast.taken & rx->fast.mask], left);
		if (buffers == 0) /* the rest of a frame is still on its way */
			break;
		rx->fast.taken += buffers;
		left -= buffers;
		frames++;
	}
	pump_ring_post(rx, (uint32_t)n - left);
	return (int)frames;
}

static void put_number(const struct pump_lane *lane, uint8_t *at, uint64_t number)
{
	uint32_t macs = lane->from->opt.macs;

	memcpy(at + lane->from->number_at, &number, 8);
	if (macs > 1) {
		uint32_t turn = (uint32_t)(number % macs);

		memcpy(at + PUMP_HEADER + 2, &turn, 4);
		memcpy(at + PUMP_HEADER + 8, &turn, 4);
	}
	if (lane->timed != NULL) {
		uint64_t now = pump_ticks();

		memcpy(at + lane->from->number_at + 8, &now, 8);
	}
}

int pump_lane_send(struct pump_lane *lane, uint32_t most)
{
	struct pump_ring *tx = lane->from->tx;
	uint64_t on_way = pump_lane_on_way(lane);
	uint32_t room, n = (uint32_t)(on_way < lane->window ? lane->window - on_way : 0);
	int back = pump_ring_look(tx);

	if (back < 0)
		return back;
	tx->fast.taken += (uint32_t)back;
	room = fg_fast_room(&tx->fast);
	n = n < room ? n : room;
	n = n < most ? n : most;
	for (uint32_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			__builtin_prefetch(tx->at[(tx->fast.posted + i + AHEAD) & tx->fast.mask], 1);
		put_number(lane, tx->at[(tx->fast.posted + i) & tx->fast.mask], lane->sent + i);
	}
	lane->sent += n;
	pump_ring_post(tx, n);
	return (int)n;
}
