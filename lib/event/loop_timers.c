/* SPDX-License-Identifier: BSD-3-Clause */
/* loop_timers.c: the timers of a loop, as a pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986): one is started in a time
 * that does not grow with how many run, and stopped or fired in one that grows with the logarithm. */
#include "clock.h"
#include "loop_private.h"

/* Descriptors get a turn after this, and a few timers. */
static const uint64_t RUN_NS = NS_PER_MS;
enum { RUN_LEAST = 16 };

/* Either may be NULL. Of two that are due at once, `first` stays in front. */
static struct loop_timer *meld(struct loop_timer *first, struct loop_timer *second)
{
	struct loop_timer *front = first, *behind = second;

	if (first == NULL || second == NULL)
		return first != NULL ? first : second;
	if (second->due_ns < first->due_ns) {
		front = second;
		behind = first;
	}
	behind->before = front;
	behind->next = front->child;
	if (behind->next != NULL)
		behind->next->before = behind;
	front->child = behind;
	return front;
}

/* What is behind one that goes: in pairs from the left, and these from the right. */
static struct loop_timer *meld_all(struct loop_timer *rest)
{
	struct loop_timer *pairs = NULL, *front = NULL;

	while (rest != NULL) {
		struct loop_timer *one = rest, *other = one->next, *pair;

		rest = other != NULL ? other->next : NULL;
		one->next = one->before = NULL;
		if (other != NULL)
			other->next = other->before = NULL;
		pair = meld(one, other);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs != NULL) {
		struct loop_timer *next = pairs->next;

		pairs->next = NULL;
		front = meld(front, pairs);
		pairs = next;
	}
	return front;
}

static void take_out(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer *behind = meld_all(timer->child);

	if (timer == loop->timers) {
		loop->timers = behind;
	} else {
		if (timer->before->child == timer)
			timer->before->child = timer->next;
		else
			timer->before->next = timer->next;
		if (timer->next != NULL)
			timer->next->before = timer->before;
		loop->timers = meld(loop->timers, behind);
	}
	timer->child = timer->next = timer->before = NULL;
	timer->due_ns = 0;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	if (timer->due_ns != 0)
		take_out(loop, timer);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns)
{
	loop_timer_stop(loop, timer);
	timer->due_ns = clock_ns() + delay_ns;
	loop->timers = meld(loop->timers, timer);
}

void loop_run_timers(struct loop *loop)
{
	uint64_t now = clock_ns();

	/* A timer started by one that fires is due after `now`, unless its delay was 0: bounded by `now` either way. */
	for (unsigned int run = 0; loop->timers != NULL && loop->timers->due_ns < now; run++) {
		struct loop_timer *timer = loop->timers;

		if (run >= RUN_LEAST && clock_ns() >= now + RUN_NS)
			return;
		take_out(loop, timer);
		timer->fire(timer);
	}
}
