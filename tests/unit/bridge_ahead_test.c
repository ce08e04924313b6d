/* SPDX-License-Identifier: BSD-3-Clause */
/* A burst for many ports in turn: what the driver is told before each port's turn, and that nothing else changes by it. */
#include <stdlib.h>
#include <string.h>

#include "bridge_rig.h"
#include "cases.h"
#include "dice.h"

/* What the ports were told, in order. */
static struct event {
	unsigned int port, step; /* PORT_AHEAD_STEPS: its turn */
	uint32_t number; /* of its first frame */
	uint16_t n;
} events[BURST_MAX * (PORT_AHEAD_STEPS + 1)];
static unsigned int events_n;

static struct port_ops watched;
static void (*record)(struct port *port, struct lcore_ctx *lcore, struct frame **frames, uint16_t n);

static void note(struct port *to, unsigned int step, struct frame *const *frames, uint16_t n)
{
	uint32_t number;

	assert_true(events_n < sizeof(events) / sizeof(events[0]));
	memcpy(&number, frames[0]->head + 14, sizeof(number));
	events[events_n++] = (struct event){.port = to->id, .step = step, .number = number, .n = n};
}

static void deliver(struct port *to, struct lcore_ctx *lcore, struct frame **frames, uint16_t n)
{
	note(to, PORT_AHEAD_STEPS, frames, n);
	record(to, lcore, frames, n);
}

/* Keeps in `ahead` what a driver would: which steps there have been. */
static void watch_ahead(struct port *to, enum port_ahead_step step, struct frame *const *frames, uint16_t n,
			struct port_ahead *ahead)
{
	if (step == PORT_AHEAD_QUEUE)
		*ahead = (struct port_ahead){.queue = to};
	assert_ptr_equal(ahead->queue, to);
	assert_int_equal(ahead->step[0]++, step);
	note(to, step, frames, n);
}

static int open_many(void **state)
{
	open_bridge(PORTS_MANY, 0);
	watched = *port[0].port.ops;
	record = watched.deliver;
	watched.deliver = deliver;
	watched.ahead = watch_ahead;
	for (unsigned int i = 0; i < PORTS_MANY; i++) {
		put(&ctx[0], home((i + 1) % PORTS_MANY), home(i));
		forward(&port[i]);
	}
	learn();
	for (unsigned int i = 0; i < PORTS_MANY; i++) {
		port[i].port.ops = &watched;
		port[i].n = 0;
	}
	events_n = 0;
	return 0;
}

static int close_many(void **state)
{
	close_bridge(PORTS_MANY);
	return 0;
}

/* A burst of a frame each for the ports from 1 on. */
static void send_to(unsigned int ports)
{
	events_n = 0;
	for (unsigned int i = 1; i <= ports; i++)
		put(&ctx[0], home(i), home(0));
	forward(&port[0]);
}

/* Each port's steps come in order and before its turn, with the frame of that turn, and other ports' turns between any two. */
static void steps_come_turns_before(void **state)
{
	enum { TO = PORTS_MANY - 1 };
	unsigned int turns = 0, next[PORTS_MANY] = {0}, turn_of_last[PORTS_MANY] = {0};

	send_to(TO);
	assert_int_equal(events_n, TO * (PORT_AHEAD_STEPS + 1));
	for (unsigned int i = 0; i < events_n; i++) {
		const struct event *event = &events[i];
		unsigned int p = event->port;

		assert_int_equal(event->step, next[p]++);
		assert_int_equal(event->n, 1);
		if (event->step > 0 && turns > 0)
			assert_true(turns > turn_of_last[p]);
		turn_of_last[p] = turns;
		if (event->step < PORT_AHEAD_STEPS)
			continue;
		turns++;
		assert_int_equal(p, turns); /* they have their turns in the order of the frames */
		assert_int_equal(port[p].n, 1);
		assert_int_equal(port[p].log[0], event->number);
	}
	assert_int_equal(turns, TO);
}

/* A burst for one port or for few is delivered at once. */
static void few_are_told_nothing(void **state)
{
	for (unsigned int n = 1; n <= 8; n++) {
		send_to(n);
		assert_int_equal(events_n, n);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(events[i].step, PORT_AHEAD_STEPS);
	}
}

/* Ports of a driver that has no such function, between others. */
static void some_have_no_ahead(void **state)
{
	static struct port_ops plain;
	enum { TO = PORTS_MANY - 1 };

	plain = watched;
	plain.ahead = NULL;
	for (unsigned int i = 1; i <= TO; i += 2)
		port[i].port.ops = &plain;
	send_to(TO);
	assert_int_equal(events_n, TO + TO / 2 * PORT_AHEAD_STEPS);
	for (unsigned int i = 1; i <= TO; i++)
		assert_int_equal(port[i].n, 1);
}

/* Every frame arrives, in order from any port to any other, and the accounts are exact (E2): one that is to go back to where it
 * came from is dropped. */
static void any_bursts_arrive(void **state)
{
	uint64_t given = PORTS_MANY;

	for (int round = 0; round < 2000; round++) {
		unsigned int n = 1 + dice(BURST_MAX), to[BURST_MAX];
		uint32_t first = 0;

		events_n = 0;
		for (unsigned int i = 0; i < n; i++) {
			to[i] = dice(PORTS_MANY);
			first = put(&ctx[0], home(to[i]), home(0)) - i;
		}
		forward(&port[0]);
		given += n;
		for (unsigned int p = 0; p < PORTS_MANY; p++) {
			uint32_t at = 0;

			for (unsigned int i = 0; p > 0 && i < n; i++)
				if (to[i] == p)
					assert_int_equal(port[p].log[at++], first + i);
			assert_int_equal(port[p].n, at);
			port[p].n = 0;
		}
	}
	balanced(PORTS_MANY, given);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, open_many, close_many)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(steps_come_turns_before),
		case_of(few_are_told_nothing),
		case_of(some_have_no_ahead),
		case_of(any_bursts_arrive),
	};

	return bridge_rig_run(CASES(tests));
}
