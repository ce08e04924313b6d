/* SPDX-License-Identifier: BSD-3-Clause */
/* A kick descriptor in very many epoll sets: each write to it wakes them all, and who has its lock meanwhile holds up whoever
 * puts it into a set or takes it out (X5). The switch does both again and again: its control thread answers all the same and has
 * not much to do with it, and the victims, of the same lcore, lose nothing.
 */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fg_waiters.h"

enum {
	CHANGES = 24,
	/* What one may take of control. */
	CHANGE_MS = 4,
};

static struct fg_waiters waiters;
static atomic_bool stops;
static atomic_uint kicks;

/* Another CPU than control's, where there is one: who shares its CPU is not in the middle of a kick while it runs. */
static void leave_controls_cpu(void)
{
	cpu_set_t all, controls, others;

	CPU_ZERO(&controls);
	sched_getaffinity(0, sizeof(all), &all);
	sched_getaffinity(fixture.sw.pid, sizeof(controls), &controls);
	CPU_AND(&others, &all, &controls);
	CPU_XOR(&others, &others, &all);
	if (CPU_COUNT(&others) > 0)
		sched_setaffinity(0, sizeof(others), &others);
}

static void *kick_all_the_time(void *arg)
{
	int fd = *(int *)arg;

	leave_controls_cpu();
	while (!stops) {
		eventfd_write(fd, 1);
		kicks++;
	}
	return NULL;
}

static void send_ring_fd(struct guest *g, uint32_t request, unsigned int index, int fd)
{
	struct fg_msg m = {.request = request, .flags = FG_VERSION, .size = 8};

	m.u64 = index;
	if (fg_wire_send(g->s.sock, &m, &fd, 1) != 0)
		return; /* it was hung up on, which it may be */
}

/* Asks control until somebody has kicked twice more, and so the descriptor's lock was held once from one end to the other. */
static void ask_meanwhile(struct answers *answers)
{
	unsigned int until = kicks + 2;
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (kicks < until) {
		ask_control(&fixture.sw, answers);
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(2000);
	}
}

static void a_kick_descriptor_has_waiters(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct answers quiet = {0}, answers = {0};
	double quiet_ms, spent_ms, from_ms;
	int kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_t thread;

	assert_true(kick >= 0);
	OK(fg_waiters_open(&waiters, kick));
	stops = false;
	kicks = 0;
	assert_int_equal(pthread_create(&thread, NULL, kick_all_the_time, &kick), 0);
	from_ms = fg_cpu_of(fixture.sw.pid).ran_ms;
	for (unsigned int i = 0; i < CHANGES; i++)
		ask_meanwhile(&quiet);
	quiet_ms = fg_cpu_of(fixture.sw.pid).ran_ms - from_ms;
	from_ms += quiet_ms;
	for (unsigned int i = 0; i < CHANGES; i++) {
		send_ring_fd(g, FG_SET_VRING_KICK, 1, kick);
		ask_meanwhile(&answers);
	}
	spent_ms = fg_cpu_of(fixture.sw.pid).ran_ms - from_ms;
	stops = true;
	pthread_join(thread, NULL);
	print_message("slowest answer %.1f ms, %.1f ms without waiting for a CPU; %.1f and %.1f ms without changes; "
		      "control ran for %.0f ms, without %.0f ms\n",
		      answers.slowest_ms, answers.own_ms, quiet.slowest_ms, quiet.own_ms, spent_ms, quiet_ms);
	guest_close(g);
	fg_waiters_close(&waiters);
	close(kick);
	if (spent_ms > quiet_ms + quiet_ms / 4 + CHANGES * CHANGE_MS)
		fail_msg("the control thread ran for %.0f ms, %.0f ms without the changes", spent_ms, quiet_ms);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_kick_descriptor_has_waiters),
	};

	return fixture_main("kick", CASES(cases));
}
