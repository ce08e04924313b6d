/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's end of the conversation with a lane that an attacker has taken over (tests/lane): what was not asked is
 * not believed, and ends it; no descriptor of its stays open, and no flood of it is read. */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "fg_socket.h"
#include "rcu.h"
#include "lane_process.h"
#include "lane_program.h"
#include "turn.h"

static struct {
	struct loop *loop;
	struct lane_process lane;
	bool ready, gone;
	char why[128];
	unsigned int answers[LANE_REQUESTS];
	int fds_before;
} t;

/* --- what is told ------------------------------------------------------------------------------------------------ */

static void on_ready(struct lane_process *lane)
{
	assert_ptr_equal(lane, &t.lane);
	t.ready = true;
}

static void on_answered(struct lane_process *lane VUS_UNUSED, const struct lane_message *message, int *fd VUS_UNUSED)
{
	assert_true(message->request < LANE_REQUESTS);
	assert_true(message->error <= 0);
	t.answers[message->request]++;
}

static void on_failed(struct lane_process *lane VUS_UNUSED, const char *why)
{
	snprintf(t.why, sizeof(t.why), "%s", why);
}

static void on_gone(struct lane_process *lane VUS_UNUSED)
{
	t.gone = true;
}

static const struct lane_process_events events = {
	.ready = on_ready,
	.answered = on_answered,
	.failed = on_failed,
	.gone = on_gone,
};

/* --- a lane and its end ------------------------------------------------------------------------------------------ */

/* One that says this after the first request. */
static void begin_as(const char *script)
{
	role_assert_control();
	memset(&t, 0, sizeof(t));
	t.loop = loop_create();
	assert_non_null(t.loop);
	lane_process_init(&t.lane, t.loop, script, &events);
	lane_process_start(&t.lane);
	TURN_UNTIL(t.loop, t.ready);
	t.fds_before = fg_open_fds();
}

static void end(void)
{
	role_assert_control();
	lane_process_kill(&t.lane);
	TURN_UNTIL(t.loop, t.gone);
	loop_destroy(t.loop);
}

static void ask(enum lane_request request, uint32_t ring)
{
	role_assert_control();
	lane_process_ask(&t.lane, &(struct lane_message){.request = request, .ring = ring}, -1);
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void it_has_nothing_of_ours(void **state)
{
	cpu_set_t ours, its;

	begin_as("");
	assert_int_equal(sched_getaffinity(0, sizeof(ours), &ours), 0);
	assert_int_equal(sched_getaffinity(t.lane.pid, sizeof(its), &its), 0);
	assert_memory_equal(&ours, &its, sizeof(ours));
	/* Its standard ones and the socket. */
	assert_int_equal(fg_entries(t.lane.pid, "fd"), 4);
	/* No terminal, neither to be typed at nor to be ended by. */
	assert_int_equal(getsid(t.lane.pid), t.lane.pid);
	end();
	assert_string_equal(t.why, "");
}

/* All regions and rings at once, to one that is slow to listen. */
static void everything_can_be_asked_at_once(void **state)
{
	begin_as("");
	for (unsigned int i = 0; i < MEM_SLOTS_MAX; i++)
		ask(LANE_UNMAP, 0);
	for (unsigned int i = 0; i < VHOST_RINGS_MAX; i++)
		ask(LANE_RING_LEAVE, i);
	TURN_UNTIL(t.loop, t.answers[LANE_UNMAP] == MEM_SLOTS_MAX && t.answers[LANE_RING_LEAVE] == VHOST_RINGS_MAX);
	assert_string_equal(t.why, "");
	end();
}

/* What it may say of its own accord: that a ring that runs broke, once. */
static void a_broken_ring_is_heard(void **state)
{
	char script[96];

	snprintf(script, sizeof(script), "%d:3:0:0:1 %d:3:0:0:1 %d:3:0:0:100000", LANE_RING_RUN, LANE_RING_BROKEN,
		 LANE_RING_BROKEN);
	begin_as(script);
	ask(LANE_RING_RUN, 3);
	TURN_UNTIL(t.loop, t.gone);
	assert_int_equal(t.answers[LANE_RING_RUN], 1);
	assert_int_equal(t.answers[LANE_RING_BROKEN], 1);
	assert_string_equal(t.why, "the lane said what makes no sense");
	loop_destroy(t.loop);
}

struct lie {
	enum lane_request asked;
	unsigned int ring; /* of the request */
	unsigned int request, said_ring;
	int error;
	unsigned int fds, times;
};

static void unrequested_answers_are_refused(void **state)
{
	static const struct lie lies[] = {
		/* the answer of another request, which would have let something go on */
		{LANE_MAP, 0, LANE_RING_LEAVE, 0, 0, 0, 1},
		{LANE_MAP, 0, LANE_COMMIT, 0, 0, 0, 1},
		{LANE_COMMIT, 0, LANE_UFFD, 0, 0, 1, 1},
		{LANE_RING_LEAVE, 0, LANE_RING_LEAVE, 1, 0, 0, 1},
		/* floods */
		{LANE_COMMIT, 0, LANE_PING, 0, 0, 0, 100000},
		{LANE_COMMIT, 0, LANE_HELLO, 0, 0, 0, 1},
		{LANE_COMMIT, 0, LANE_RING_BROKEN, 0, 0, 0, 100000},
		{LANE_RING_RUN, 2, LANE_RING_BROKEN, 4, 0, 0, 1},
		{LANE_COMMIT, 0, LANE_UNMAP, 0, 0, 2, 1000},
		/* values that are none */
		{LANE_COMMIT, 0, LANE_COMMIT, 0, INT_MIN, 0, 1},
		{LANE_COMMIT, 0, LANE_COMMIT, 0, 1, 0, 1},
		{LANE_COMMIT, 0, LANE_COMMIT, VHOST_RINGS_MAX, 0, 0, 1},
		{LANE_COMMIT, 0, LANE_REQUESTS, 0, 0, 0, 1},
		{LANE_COMMIT, 0, UINT32_MAX, UINT32_MAX, 0, 2, 1},
		/* a userfaultfd that is not there */
		{LANE_UFFD, 0, LANE_UFFD, 0, 0, 0, 1},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const struct lie *lie = &lies[i];
		char script[96];

		snprintf(script, sizeof(script), "%u:%u:%d:%u:%u", lie->request, lie->said_ring, lie->error,
			 lie->fds, lie->times);
		begin_as(script);
		ask(lie->asked, lie->ring);
		TURN_UNTIL(t.loop, t.gone);
		if (strcmp(t.why, "the lane said what makes no sense") != 0)
			fail_msg("lie %zu: \"%s\"", i, t.why);
		for (unsigned int r = 0; r < LANE_REQUESTS; r++)
			assert_int_equal(t.answers[r], 0);
		loop_destroy(t.loop);
	}
}

static void its_descriptors_are_closed(void **state)
{
	char script[96];

	snprintf(script, sizeof(script), "%d:0:0:2:1 %d:0:0:1:1", LANE_COMMIT, LANE_UNMAP);
	begin_as(script);
	ask(LANE_COMMIT, 0);
	ask(LANE_UNMAP, 0);
	TURN_UNTIL(t.loop, t.answers[LANE_UNMAP] > 0);
	assert_int_equal(t.answers[LANE_COMMIT] + t.answers[LANE_UNMAP], 2);
	assert_int_equal(fg_open_fds(), t.fds_before);
	end();
}

/* A port more costs no userfaultfd, the end of which takes the longer the more is mapped: without a descriptor the answer is
 * what it was. */
static void the_kernel_is_asked_once(void **state)
{
	struct rlimit before, none;
	struct fail fail;
	int error = lane_program_possible(&fail);

	if (error != 0) {
		print_message("no lanes here: %s\n", fail.text);
		return;
	}
	OK(getrlimit(RLIMIT_NOFILE, &before));
	none = (struct rlimit){.rlim_max = before.rlim_max};
	OK(setrlimit(RLIMIT_NOFILE, &none));
	error = lane_program_possible(&fail);
	OK(setrlimit(RLIMIT_NOFILE, &before));
	assert_int_equal(error, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_is_asked_once),
		cmocka_unit_test(it_has_nothing_of_ours),
		cmocka_unit_test(everything_can_be_asked_at_once),
		cmocka_unit_test(a_broken_ring_is_heard),
		cmocka_unit_test(unrequested_answers_are_refused),
		cmocka_unit_test(its_descriptors_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
