/* SPDX-License-Identifier: BSD-3-Clause */
/* What a conversation waits for has a name while it waits, and nothing is pending when it is over: every request that
 * needs the lcores, held up by one of them; an arrival by postcopy; and a front end that leaves in the middle of each. */
#include "vhu_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "frame_ref.h"
#include "lane_link.h"
#include "lane_program.h"
#include "rcu.h"
#include "turn.h"
#include "vhu_session.h"

enum { READER = 0 };
static const uint64_t PATIENCE_NS = 10 * NS_PER_S;

/* --- the counts -------------------------------------------------------------------------------------------------- */

static void test_begin_and_end(void **state)
{
	struct vhu_pending pending = {0};

	assert_false(vhu_pending_any(&pending));
	vhu_pending_begin(&pending, VHU_STEP_LCORES);
	vhu_pending_begin(&pending, VHU_STEP_LCORES);
	vhu_pending_move(&pending, VHU_STEP_LCORES, VHU_STEP_UNMAP);
	assert_int_equal(pending.n[VHU_STEP_LCORES], 1);
	assert_int_equal(pending.n[VHU_STEP_UNMAP], 1);
	vhu_pending_end(&pending, VHU_STEP_UNMAP);
	assert_true(vhu_pending_any(&pending));
	vhu_pending_end(&pending, VHU_STEP_LCORES);
	assert_false(vhu_pending_any(&pending));
	vhu_pending_begin(&pending, VHU_STEP_LANE_ANSWER);
	vhu_pending_begin(&pending, VHU_STEP_LANE_ANSWER);
	vhu_pending_drop(&pending, VHU_STEP_LANE_ANSWER);
	assert_false(vhu_pending_any(&pending));
}

static void test_every_step_has_its_words(void **state)
{
	for (unsigned int i = 0; i < VHU_STEPS; i++) {
		assert_non_null(vhu_step_text(i));
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(vhu_step_text(i), vhu_step_text(k));
	}
}

/* An end without a beginning asserts, and without assertions changes nothing. */
static void test_no_count_is_negative(void **state)
{
	struct vhu_pending pending = {0};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		vhu_pending_end(&pending, VHU_STEP_LCORES);
		_exit(vhu_pending_any(&pending) ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGABRT);
	else
		assert_int_equal(WEXITSTATUS(status), EXIT_SUCCESS);
}

/* --- requests that an lcore holds up ----------------------------------------------------------------------------- */

static const struct vhu_pending *pending(void)
{
	return &t.device->pending;
}

/* The conversation waits for nothing but this step, once or more. */
static void expect_only(enum vhu_step step)
{
	for (unsigned int i = 0; i < VHU_STEPS; i++)
		assert_int_equal(pending()->n[i] > 0, i == (unsigned int)step);
}

static void expect_nothing(void)
{
	assert_false(vhu_pending_any(pending()));
	assert_null(vhu_rig_status().waiting);
}

static void settle_until_nothing(void)
{
	TURN_UNTIL(t.loop, !vhu_pending_any(pending()));
	expect_nothing();
}

static void send_acked(uint32_t request, const void *payload, uint32_t size, int fd)
{
	front_send(&t.front, request, VHU_VERSION | VHU_FLAG_NEED_REPLY, payload, size, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static void send_u64(uint32_t request, uint64_t value, int fd)
{
	send_acked(request, &value, sizeof(value), fd);
}

static void send_state(uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhu_vring_state ring = {index, num};

	send_acked(request, &ring, sizeof(ring), -1);
}

static void send_removal(void)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};

	send_acked(VHU_REM_MEM_REG, &single, sizeof(single), -1);
}

static void send_table(void)
{
	const struct {
		uint32_t n, padding;
		struct vhu_memory_region region;
	} table = {.n = 1, .region = vhu_rig_whole};

	send_acked(VHU_SET_MEM_TABLE, &table, sizeof(table), front_memory());
}

static void send_log(void)
{
	const struct vhu_log_base base = {.size = 4096};
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4096), 0);
	send_acked(VHU_SET_LOG_BASE, &base, sizeof(base), fd);
}

static void send_log_all(void)
{
	send_u64(VHU_SET_FEATURES, vhu_rig_status().features | UINT64_C(1) << VHU_F_LOG_ALL, -1);
}

static void send_logged_address(void)
{
	const struct vhu_ring *ring = &t.device->ring[1];
	const struct vhu_vring_addr addr = {.index = 1, .flags = 1, .desc = ring->desc,
					    .avail = ring->avail, .used = ring->used, .log = GPA};

	send_acked(VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1);
}

static void send_kick(void)
{
	send_u64(VHU_SET_VRING_KICK, 1, eventfd(0, EFD_CLOEXEC));
}

static void send_disable(void)
{
	send_state(VHU_SET_VRING_ENABLE, 0, 0);
}

static void send_stop(void)
{
	send_state(VHU_GET_VRING_BASE, 1, 0);
}

static void send_size(void)
{
	send_state(VHU_SET_VRING_NUM, 1, 128);
}

static void send_reset(void)
{
	send_acked(VHU_RESET_DEVICE, NULL, 0, -1);
}

static void send_status(void)
{
	send_u64(VHU_SET_STATUS, 0, -1);
}

static const struct held_request {
	const char *name;
	void (*send)(void);
} held_requests[] = {
	{"REM_MEM_REG", send_removal},
	{"SET_MEM_TABLE", send_table},
	{"SET_LOG_BASE", send_log},
	{"SET_FEATURES", send_log_all},
	{"SET_VRING_ADDR", send_logged_address},
	{"SET_VRING_KICK", send_kick},
	{"SET_VRING_ENABLE", send_disable},
	{"GET_VRING_BASE", send_stop},
	{"SET_VRING_NUM", send_size},
	{"RESET_DEVICE", send_reset},
	{"SET_STATUS", send_status},
};

enum { HELD_REQUESTS = sizeof(held_requests) / sizeof(held_requests[0]) };

static void run_two_rings(void)
{
	vhu_rig_add_memory();
	front_ring(&t.front, 0, 256, UVA);
	front_ring(&t.front, 1, 256, UVA + 65536);
	assert_int_equal(t.ready, 3);
	expect_nothing();
}

/* Sent while an lcore does not pass: the request is named, and lcores are what it waits for. */
static void ref(const struct held_request *held)
{
	rcu_online(READER);
	held->send();
	assert_true(front_silent(&t.front));
	assert_string_equal(vhu_rig_status().waiting, held->name);
	expect_only(VHU_STEP_LCORES);
}

static void come_again(void)
{
	front_settle(t.loop);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
}

static void test_lcores_hold_up_a_request(void **state)
{
	struct vhu_message msg;

	for (unsigned int i = 0; i < HELD_REQUESTS; i++) {
		run_two_rings();
		ref(&held_requests[i]);
		rcu_offline(READER);
		assert_true(front_receive(&t.front, &msg));
		expect_nothing();
		front_hang_up(&t.front);
		settle_until_nothing();
		come_again();
	}
}

/* It is gone before the answer: no answer is sent, and what was begun is ended all the same. */
static void test_the_front_end_leaves_meanwhile(void **state)
{
	for (unsigned int i = 0; i < HELD_REQUESTS; i++) {
		run_two_rings();
		ref(&held_requests[i]);
		front_hang_up(&t.front);
		front_settle(t.loop);
		assert_null(vhu_rig_status().waiting);
		expect_only(VHU_STEP_LCORES);
		rcu_offline(READER);
		settle_until_nothing();
		assert_int_equal(t.ready, 0);
		assert_int_equal(vhu_rig_status().slots_used, 0);
		come_again();
	}
}

/* The port goes before the answer. */
static void test_the_port_goes_meanwhile(void **state)
{
	for (unsigned int i = 0; i < HELD_REQUESTS; i++) {
		run_two_rings();
		ref(&held_requests[i]);
		rcu_offline(READER);
		assert_int_equal(vhu_rig_tear_down(state), 0);
		assert_int_equal(vhu_rig_set_up_connected(state), 0);
	}
}

/* More call descriptors than may wait to be closed: then the front end waits. */
static void test_too_many_call_descriptors(void **state)
{
	struct vhu_message msg;
	unsigned int sent;

	run_two_rings();
	rcu_online(READER);
	for (sent = 0; sent < 100 && !vhu_pending_any(pending()); sent++) {
		send_u64(VHU_SET_VRING_CALL, 1, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		front_settle(t.loop);
		if (!vhu_pending_any(pending()))
			assert_true(front_receive(&t.front, &msg));
	}
	assert_in_range(sent, 2, 99);
	assert_string_equal(vhu_rig_status().waiting, "SET_VRING_CALL");
	expect_only(VHU_STEP_LCORES);
	rcu_offline(READER);
	settle_until_nothing();
}

/* --- devices that read in place ---------------------------------------------------------------------------------- */

static void test_a_device_holds_up_a_removal(void **state)
{
	struct frame_ref *ref_7 = &vhu_device_virtq(t.device, 1)->refs->ref[7];
	struct vhu_message msg;

	vhu_rig_add_memory();
	ref_7->word = (uint32_t)rcu_own(&vhu_device_virtq(t.device, 1)->memory->map)->generation << 16;
	frame_ref_take(ref_7);
	send_removal();
	assert_true(front_silent(&t.front));
	assert_string_equal(vhu_rig_status().waiting, "REM_MEM_REG");
	expect_only(VHU_STEP_ZERO_COPY);
	frame_ref_drop(ref_7);
	assert_true(front_receive(&t.front, &msg));
	expect_nothing();
}

static void test_a_device_holds_up_a_ring(void **state)
{
	struct virtq *ring = vhu_device_virtq(t.device, 1);
	struct vhu_message msg;

	run_two_rings();
	frame_ref_users = 1;
	ring->referenced = true;
	send_stop();
	assert_true(front_silent(&t.front));
	assert_string_equal(vhu_rig_status().waiting, "GET_VRING_BASE");
	expect_only(VHU_STEP_ZERO_COPY);
	ring->referenced = false;
	assert_true(front_receive(&t.front, &msg));
	frame_ref_users = 0;
	expect_nothing();
}

/* --- postcopy ---------------------------------------------------------------------------------------------------- */

/* The lane of a port without a name agrees with everything (tests/lane), and is slow to listen. */
static int set_up_postcopy(void **state)
{
	struct vhu_config config = {.name = "", .mode = VHU_SERVER, .queue_pairs = 1};
	struct fail fail;

	vhu_rig_set_up(state);
	config.socket = t.path;
	assert_int_equal(vhu_rig_make_of(&config, &fail), 0);
	return 0;
}

#define POSTCOPY(name) cmocka_unit_test_setup_teardown(name, set_up_postcopy, vhu_rig_tear_down)

/* Turns the loop until nothing is pending, and looks for each step that was. */
static uint32_t steps_until_nothing(const char *name)
{
	uint64_t end = clock_ns() + PATIENCE_NS;
	uint32_t seen = 0;

	role_assert_control();
	/* What was sent has been read. */
	TURN_UNTIL(t.loop, !stream_has_bytes(&t.device->connection.stream));
	while (vhu_pending_any(pending()) && clock_ns() < end) {
		for (unsigned int step = 0; step < VHU_STEPS; step++)
			seen |= (uint32_t)(pending()->n[step] > 0) << step;
		if (name != NULL)
			assert_string_equal(vhu_rig_status().waiting, name);
		loop_turn(t.loop, NS_PER_MS / 10);
	}
	expect_nothing();
	return seen;
}

static void expect_answer(uint32_t request)
{
	struct vhu_message msg;

	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.header.request, request);
}

static void send_memory(void)
{
	const struct vhu_memory_single single = {.region = vhu_rig_whole};

	send_acked(VHU_ADD_MEM_REG, &single, sizeof(single), front_memory());
}

static void send_ring(void)
{
	const struct vhu_vring_addr addr = {.index = 0, .desc = UVA, .avail = UVA + 4096,
					    .used = UVA + 8192};
	const uint64_t index = 0;
	int kick = eventfd(0, EFD_CLOEXEC);

	front_set_state(&t.front, VHU_SET_VRING_NUM, 0, 256);
	front_set(&t.front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	front_set_state(&t.front, VHU_SET_VRING_ENABLE, 0, 1);
	front_send(&t.front, VHU_SET_VRING_KICK, VHU_VERSION | VHU_FLAG_NEED_REPLY, &index,
		   sizeof(index), &kick, 1);
	close(kick);
}

static void send_new_call(void)
{
	send_u64(VHU_SET_VRING_CALL, 0, eventfd(0, EFD_CLOEXEC));
}

static void send_ring_stop(void)
{
	send_state(VHU_GET_VRING_BASE, 0, 0);
}

static void send_commit(void)
{
	const uint64_t fine = 0;

	front_send(&t.front, VHU_ADD_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, &fine, sizeof(fine), NULL, 0);
}

static void send_advise(void)
{
	send_acked(VHU_POSTCOPY_ADVISE, NULL, 0, -1);
}

static void send_listen(void)
{
	send_acked(VHU_POSTCOPY_LISTEN, NULL, 0, -1);
}

static void send_end(void)
{
	send_acked(VHU_POSTCOPY_END, NULL, 0, -1);
}

#define STEP(step) (UINT32_C(1) << VHU_STEP_##step)

/* An arrival, and what it waits for at least. */
static const struct {
	uint32_t request;
	const char *name;
	void (*send)(void);
	uint32_t steps;
} arrival[] = {
	{VHU_POSTCOPY_ADVISE, "POSTCOPY_ADVISE", send_advise, STEP(LANE_START) | STEP(LANE_ANSWER)},
	{VHU_POSTCOPY_LISTEN, "POSTCOPY_LISTEN", send_listen, 0},
	{VHU_ADD_MEM_REG, "ADD_MEM_REG", send_memory, STEP(LANE_ANSWER)},
	{VHU_ADD_MEM_REG, "ADD_MEM_REG", send_commit, STEP(LANE_ANSWER)},
	{VHU_SET_VRING_KICK, "SET_VRING_KICK", send_ring, STEP(LANE_ANSWER)},
	{VHU_SET_VRING_CALL, "SET_VRING_CALL", send_new_call, STEP(LANE_ANSWER)},
	{VHU_GET_VRING_BASE, "GET_VRING_BASE", send_ring_stop, STEP(LANE_ANSWER)},
	{VHU_SET_VRING_KICK, "SET_VRING_KICK", send_ring, STEP(LANE_ANSWER)},
	{VHU_REM_MEM_REG, "REM_MEM_REG", send_removal, STEP(LANE_ANSWER)},
	{VHU_POSTCOPY_END, "POSTCOPY_END", send_end, STEP(LANE_ANSWER) | STEP(LANE_EXIT)},
};

enum { ARRIVAL = sizeof(arrival) / sizeof(arrival[0]) };

static void begin_arrival(void)
{
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
}

static void test_an_arrival(void **state)
{
	uint32_t seen;

	begin_arrival();
	for (unsigned int i = 0; i < ARRIVAL; i++) {
		arrival[i].send();
		seen = steps_until_nothing(arrival[i].name);
		assert_int_equal(seen & arrival[i].steps, arrival[i].steps);
		expect_answer(arrival[i].request);
	}
	assert_int_equal(t.lane_ends[true], 1);
	assert_null(t.link);
	assert_ptr_equal(t.device->datapath, &vhu_datapath_lcores);
}

/* Everything but END, and the lane leaves something that lcores have not taken when END comes. */
static void arrive_with_frames_left(void)
{
	begin_arrival();
	for (unsigned int i = 0; i + 1 < ARRIVAL; i++) {
		arrival[i].send();
		steps_until_nothing(arrival[i].name);
		expect_answer(arrival[i].request);
	}
	atomic_fetch_add(&t.link->shared->from_guest.head, 64);
	send_end();
	TURN_UNTIL(t.loop, pending()->n[VHU_STEP_LANE_FRAMES] > 0);
	expect_only(VHU_STEP_LANE_FRAMES);
	assert_string_equal(vhu_rig_status().waiting, "POSTCOPY_END");
}

/* Then the lcores have to leave the lane, too. */
static void test_frames_are_left_in_the_lane(void **state)
{
	role_assert_control();
	arrive_with_frames_left();
	rcu_online(READER);
	atomic_fetch_sub(&t.link->shared->from_guest.head, 64);
	assert_true(front_silent(&t.front));
	expect_only(VHU_STEP_LCORES);
	assert_string_equal(vhu_rig_status().waiting, "POSTCOPY_END");
	rcu_offline(READER);
	expect_answer(VHU_POSTCOPY_END);
	expect_nothing();
	assert_int_equal(t.lane_ends[true], 1);
}

static void test_the_front_end_leaves_with_frames_in_the_lane(void **state)
{
	role_assert_control();
	arrive_with_frames_left();
	front_hang_up(&t.front);
	steps_until_nothing(NULL);
	assert_int_equal(t.device->state, VHU_IDLE);
	assert_int_equal(t.lane_ends[false], 1);
}

/* After each message, answered or not, the front end is killed. */
static void test_an_arrival_breaks_off(void **state)
{
	role_assert_control();
	for (unsigned int last = 0; last < 2 * ARRIVAL; last++) {
		begin_arrival();
		for (unsigned int i = 0; i <= last / 2; i++) {
			arrival[i].send();
			if (i == last / 2 && last % 2 == 0)
				break;
			steps_until_nothing(NULL);
			expect_answer(arrival[i].request);
		}
		front_hang_up(&t.front);
		loop_turn(t.loop, 0);
		steps_until_nothing(NULL);
		assert_int_equal(t.device->state, VHU_IDLE);
		assert_null(t.link);
		assert_ptr_equal(t.device->datapath, &vhu_datapath_lcores);
		assert_int_equal(t.ready, 0);
	}
}

/* The lane's process is there, and has not said yet that it is in its sandbox. */
static void test_the_front_end_leaves_before_the_lane_is_ready(void **state)
{
	role_assert_control();
	for (unsigned int i = 0; i < 5; i++) {
		begin_arrival();
		send_advise();
		TURN_UNTIL(t.loop, t.device->postcopy.lane.ping.due_ns != 0 || pending()->n[VHU_STEP_LANE_ANSWER] > 0);
		front_hang_up(&t.front);
		vhu_session_end(t.device, "at once", false);
		steps_until_nothing(NULL);
		assert_int_equal(t.device->state, VHU_IDLE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin_and_end),
		cmocka_unit_test(test_every_step_has_its_words),
		cmocka_unit_test(test_no_count_is_negative),
		RIG_TEST_CONNECTED(test_lcores_hold_up_a_request),
		RIG_TEST_CONNECTED(test_the_front_end_leaves_meanwhile),
		RIG_TEST_CONNECTED(test_the_port_goes_meanwhile),
		RIG_TEST_CONNECTED(test_too_many_call_descriptors),
		RIG_TEST_CONNECTED(test_a_device_holds_up_a_removal),
		RIG_TEST_CONNECTED(test_a_device_holds_up_a_ring),
	};
	const struct CMUnitTest arrivals[] = {
		POSTCOPY(test_an_arrival),
		POSTCOPY(test_frames_are_left_in_the_lane),
		POSTCOPY(test_the_front_end_leaves_with_frames_in_the_lane),
		POSTCOPY(test_the_front_end_leaves_before_the_lane_is_ready),
		POSTCOPY(test_an_arrival_breaks_off),
	};
	struct fail fail;
	int failed = cmocka_run_group_tests_name("vhu_pending", tests, NULL, NULL);

	if (lane_program_possible(&fail) == 0)
		return failed + cmocka_run_group_tests_name("vhu_pending_postcopy", arrivals, NULL, NULL);
	printf("no postcopy here: %s\n", fail.text);
	return failed;
}
