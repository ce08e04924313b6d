/* SPDX-License-Identifier: BSD-3-Clause */
/* The lanes of crowd.h: frames of which all but a number was written before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crowd.h"

/* In the first line of a buffer: the headers of virtio-net, Ethernet and IPv4, and then what is ours. */
enum { IP_AT = PUMP_HEADER + 14, STAMP_AT = IP_AT + 20, NUMBER_AT = STAMP_AT + 8, LANE_AT = NUMBER_AT + 4, AHEAD = 8 };

static void put_mac(uint8_t *at, uint32_t guest)
{
	const uint8_t mac[6] = {0x02, 0, 0, 0, (uint8_t)(guest >> 8), (uint8_t)guest};

	memcpy(at, mac, 6);
}

void crowd_write(const struct crowd *c, struct pump_ring *tx, uint32_t slot, uint32_t lane, uint32_t from)
{
	const struct crowd_lane *l = lane == CROWD_FLOOD ? NULL : &c->lane[lane];
	const uint32_t flow = l == NULL ? 0 : l->flow, len = c->len - 14;
	const uint8_t ip[20] = {0x45, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0x40, 0, 64, 253, 0, 0,
				10, (uint8_t)(flow >> 16), (uint8_t)(flow >> 8), (uint8_t)flow, 198, 18, 0, 1};
	const uint16_t number = (uint16_t)lane;
	uint8_t *at = tx->buffer_at[slot];

	memset(at, 0, PUMP_HEADER);
	if (l == NULL)
		memset(at + PUMP_HEADER, 0xff, 6);
	else
		put_mac(at + PUMP_HEADER, l->to);
	put_mac(at + PUMP_HEADER + 6, from);
	at[IP_AT - 2] = 0x08;
	at[IP_AT - 1] = 0;
	memcpy(at + IP_AT, ip, sizeof(ip));
	memcpy(at + LANE_AT, &number, 2);
}

void crowd_prepare(struct crowd *c, uint32_t len)
{
	if (c->prepared && c->len == len)
		return;
	c->len = len;
	c->prepared = true;
	for (unsigned int i = 0; i < c->senders; i++) {
		const struct crowd_sender *s = &c->sender[i];
		struct pump_ring *tx = s->tx;

		for (uint32_t slot = 0; slot <= tx->fast.mask; slot++) {
			uint32_t lane = s->first == CROWD_FLOOD ? CROWD_FLOOD : s->first + slot % s->n;

			tx->gpa[slot] = tx->buffer_gpa[slot];
			tx->at[slot] = tx->buffer_at[slot];
			crowd_write(c, tx, slot, lane, s->first == CROWD_FLOOD ? s->n : c->lane[lane].from);
		}
		pump_ring_set_len(tx, PUMP_HEADER + len);
	}
}

static uint32_t room(const struct crowd *c, const struct crowd_sender *s, uint32_t most)
{
	uint32_t n = fg_fast_room(&s->tx->fast);

	if (s->first != CROWD_FLOOD && s->n == 1) {
		const struct crowd_lane *lane = &c->lane[s->first];
		uint64_t on_way = crowd_on_way(lane), left = on_way < lane->window ? lane->window - on_way : 0;

		n = n < left ? n : (uint32_t)left;
	}
	return n < most ? n : most;
}

/* The frame in a slot gets its number. False: its lane is full, so nothing goes behind it either. */
static bool number(struct crowd *c, const struct crowd_sender *s, uint32_t slot)
{
	struct crowd_lane *lane = &c->lane[s->first + (s->n == 1 ? 0 : slot % s->n)];
	uint8_t *at = s->tx->at[slot];
	const uint32_t n = (uint32_t)lane->sent;

	if (crowd_on_way(lane) >= lane->window)
		return false;
	lane->sent++;
	memcpy(at + NUMBER_AT, &n, 4);
	if (c->macs > 0) {
		const uint32_t mac = n % c->macs;

		at[PUMP_HEADER + 7] = 1; /* no guest has it */
		memcpy(at + PUMP_HEADER + 8, &mac, 4);
	}
	if (c->timed) {
		uint64_t now = pump_ticks();

		memcpy(at + STAMP_AT, &now, 8);
	}
	return true;
}

int crowd_send(struct crowd *c, struct crowd_sender *s, uint32_t most)
{
	struct pump_ring *tx = s->tx;
	int back = pump_ring_look(tx);
	uint32_t n, i = 0;

	if (back < 0)
		return back;
	tx->fast.taken += (uint32_t)back;
	n = room(c, s, most);
	if (s->first == CROWD_FLOOD) {
		c->floods += n;
		i = n;
	}
	for (; i < n; i++) {
		if (i + AHEAD < n)
			__builtin_prefetch(tx->at[(tx->fast.posted + i + AHEAD) & tx->fast.mask], 1);
		if (!number(c, s, (tx->fast.posted + i) & tx->fast.mask))
			break;
	}
	pump_ring_post(tx, i);
	return (int)i;
}

/* A frame's number is the next of its lane, or there were some that will never come. */
static void check_number(struct crowd *c, const uint8_t *at)
{
	struct crowd_lane *lane;
	uint32_t got, ahead;
	uint16_t which;

	memcpy(&which, at + LANE_AT, 2);
	memcpy(&got, at + NUMBER_AT, 4);
	if (which >= c->lanes)
		return; /* somebody's flood */
	lane = &c->lane[which];
	ahead = got - (uint32_t)(lane->received + lane->lost);
	if (ahead < crowd_on_way(lane)) {
		lane->lost += ahead;
		lane->received++;
	} else {
		lane->disorder++;
	}
	if (c->timed) {
		uint64_t stamp;

		memcpy(&stamp, at + STAMP_AT, 8);
		pump_watch_count(&c->watch, stamp);
	}
}

int crowd_take(struct crowd *c, struct crowd_receiver *r)
{
	struct pump_ring *rx = r->rx;
	int n = pump_ring_look(rx);

	if (n <= 0)
		return n;
	r->frames += (uint32_t)n;
	for (int i = 0; !r->sink && i < n && i < AHEAD; i++)
		__builtin_prefetch(rx->at[(rx->fast.taken + (uint32_t)i) & rx->fast.mask]);
	for (int i = 0; !r->sink && i < n; i++) {
		if (i + AHEAD < n) /* not beyond: those lines are the switch's */
			__builtin_prefetch(rx->at[(rx->fast.taken + (uint32_t)i + AHEAD) & rx->fast.mask]);
		check_number(c, rx->at[(rx->fast.taken + (uint32_t)i) & rx->fast.mask]);
	}
	rx->fast.taken += (uint32_t)n;
	pump_ring_post(rx, (uint32_t)n);
	return n;
}
