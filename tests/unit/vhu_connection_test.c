/* SPDX-License-Identifier: BSD-3-Clause */
/* The framed reader and the bounded writer, over a socketpair whose other end does as it likes. */
#include <stdbool.h>

#include "fg_socket.h"
#include "vhu_front.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rcu.h"
#include "turn.h"
#include "vhu_connection.h"
#include "vus_limits.h"

static struct {
	struct loop *loop;
	struct vhu_connection connection;
	struct front front;
	unsigned int fds;
	/* What came. */
	unsigned int messages, ends;
	struct vhu_message last;
	struct disposal_account *account;
	bool orderly, suspend, close;
	char why[128];
} t;

static void on_message(struct vhu_connection *connection, struct vhu_message *msg)
{
	role_assert_control();
	t.messages++;
	t.last = *msg;
	if (t.suspend)
		vhu_connection_suspend(connection);
	if (t.close)
		vhu_connection_close(connection);
}

static void on_end(struct vhu_connection *connection, const char *why, bool orderly)
{
	assert_false(vhu_connection_is_open(connection));
	t.ends++;
	t.orderly = orderly;
	strncpy(t.why, why, sizeof(t.why) - 1);
}

static const struct vhu_connection_events events = {on_message, on_end};

static int set_up(void **state)
{
	int pair[2];

	memset(&t, 0, sizeof(t));
	role_assert_control();
	assert_int_equal(rcu_init(1), 0);
	t.fds = fg_open_fds();
	t.loop = loop_create();
	assert_non_null(t.loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	t.front = (struct front){.loop = t.loop, .fd = pair[0]};
	t.account = disposal_account_create(t.loop, "test");
	assert_non_null(t.account);
	vhu_connection_init(&t.connection, t.loop, t.account, &events);
	assert_int_equal(vhu_connection_open(&t.connection, pair[1]), 0);
	return 0;
}

static int tear_down(void **state)
{
	role_assert_control();
	vhu_connection_close(&t.connection);
	if (t.front.fd >= 0)
		close(t.front.fd);
	disposal_account_put(t.account);
	loop_destroy(t.loop);
	assert_int_equal(fg_open_fds_await((int)t.fds), t.fds);
	return 0;
}

static const struct {
	struct vhu_header header;
	struct vhu_vring_state state;
} num = {{VHU_SET_VRING_NUM, VHU_VERSION, 8}, {1, 256}};

static void write_bytes(const void *bytes, size_t n)
{
	assert_int_equal(send(t.front.fd, bytes, n, MSG_NOSIGNAL), n);
	front_settle(t.loop);
}

static void test_byte_by_byte(void **state)
{
	for (unsigned int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(num); i++)
			write_bytes((const uint8_t *)&num + i, 1);
	assert_int_equal(t.messages, 3);
	assert_int_equal(t.last.payload.state.num, 256);
	assert_int_equal(t.connection.deadline.due_ns, 0);
}

static void test_many_in_one_piece(void **state)
{
	uint8_t bytes[101 * sizeof(num)];

	for (unsigned int i = 0; i < 101; i++)
		memcpy(bytes + i * sizeof(num), &num, sizeof(num));
	write_bytes(bytes, sizeof(bytes) - 7);
	assert_int_equal(t.messages, 100);
	write_bytes(bytes + sizeof(bytes) - 7, 7);
	assert_int_equal(t.messages, 101);
}

static void test_deadline(void **state)
{
	uint64_t due;

	role_assert_control();
	write_bytes(&num, 5);
	due = t.connection.deadline.due_ns;
	assert_true(due > clock_ns() + 4 * NS_PER_S && due <= clock_ns() + 5 * NS_PER_S);
	/* More bytes do not buy more time. */
	write_bytes((const uint8_t *)&num + 5, 9);
	assert_int_equal(t.connection.deadline.due_ns, due);
	loop_timer_start(t.loop, &t.connection.deadline, 0);
	front_settle(t.loop);
	assert_int_equal(t.ends, 1);
	assert_false(t.orderly);
	assert_non_null(strstr(t.why, "did not finish it within 5 s"));
}

static void test_nothing_remains_of_the_message_before(void **state)
{
	struct vhu_message big = {.header = {VHU_SET_MEM_TABLE, VHU_VERSION, 8 + 8 * 32}};

	memset(&big.payload, 0xee, sizeof(big.payload));
	front_send(&t.front, VHU_SET_MEM_TABLE, 0, &big.payload, 8 + 8 * 32, NULL, 0);
	front_settle(t.loop);
	write_bytes(&num, sizeof(num));
	assert_int_equal(t.messages, 2);
	for (size_t i = 8; i < sizeof(t.last.payload); i++)
		assert_int_equal(t.last.payload.raw[i], 0);
}

/* However the pieces fall, descriptors belong to the message whose bytes they came with, and are closed with it. */
static void test_descriptors(void **state)
{
	unsigned int before = fg_open_fds_settled();
	int fds[VHU_FDS_MAX + 1];

	for (unsigned int i = 0; i <= VHU_FDS_MAX; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	front_send(&t.front, VHU_SET_OWNER, 0, NULL, 0, fds, VHU_FDS_MAX);
	front_send(&t.front, VHU_SET_OWNER, 0, NULL, 0, NULL, 0);
	front_settle(t.loop);
	assert_int_equal(t.messages, 2);
	assert_int_equal(t.last.fds.n, 0);
	front_send(&t.front, VHU_SET_OWNER, 0, NULL, 0, fds, 3);
	front_settle(t.loop);
	assert_int_equal(t.last.fds.n, 3);
	assert_int_equal(fg_open_fds_await((int)(before + VHU_FDS_MAX + 1)), before + VHU_FDS_MAX + 1);
	front_send(&t.front, VHU_SET_OWNER, 0, NULL, 0, fds, VHU_FDS_MAX + 1);
	front_settle(t.loop);
	assert_int_equal(t.ends, 1);
	assert_non_null(strstr(t.why, "more file descriptors"));
	for (unsigned int i = 0; i <= VHU_FDS_MAX; i++)
		close(fds[i]);
	/* Our end of the connection. */
	assert_int_equal(fg_open_fds_await((int)(before - 1)), before - 1);
}

static void test_bad_headers(void **state)
{
	static const struct vhu_header bad[] = {
		{VHU_SET_VRING_NUM, VHU_VERSION, UINT32_MAX},
		{VHU_SET_VRING_NUM, VHU_VERSION, 0},
		{VHU_GET_FEATURES, VHU_VERSION | VHU_FLAG_REPLY, 0},
		{VHU_GET_FEATURES, 0, 0},
		{UINT32_MAX, VHU_VERSION, UINT32_MAX},
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (i > 0)
			set_up(state);
		write_bytes(&bad[i], sizeof(bad[i]));
		assert_int_equal(t.ends, 1);
		assert_int_equal(t.messages, 0);
		if (i + 1 < sizeof(bad) / sizeof(bad[0]))
			tear_down(state);
	}
}

static void test_end_between_and_in_messages(void **state)
{
	write_bytes(&num, sizeof(num));
	front_hang_up(&t.front);
	assert_int_equal(t.ends, 1);
	assert_true(t.orderly);
	tear_down(state);
	set_up(state);
	write_bytes(&num, sizeof(num) - 1);
	front_hang_up(&t.front);
	assert_int_equal(t.ends, 1);
	assert_false(t.orderly);
}

static void test_suspended(void **state)
{
	role_assert_control();
	t.suspend = true;
	write_bytes(&num, sizeof(num));
	write_bytes(&num, sizeof(num));
	assert_int_equal(t.messages, 1);
	vhu_connection_resume(&t.connection);
	front_settle(t.loop);
	assert_int_equal(t.messages, 2);
	/* Suspended again; that the peer leaves is noticed nevertheless. */
	front_hang_up(&t.front);
	assert_int_equal(t.ends, 1);
}

static void test_closed_inside_a_message(void **state)
{
	t.close = true;
	write_bytes(&num, sizeof(num));
	assert_int_equal(t.messages, 1);
	assert_int_equal(t.ends, 0);
	assert_true(front_closed(&t.front));
}

/* A peer that does not read: answers are kept, in order, up to a bound. */
static void test_bounded_answers(void **state)
{
	const struct vhu_header header = {VHU_GET_FEATURES, VHU_VERSION | VHU_FLAG_REPLY, 8};
	uint64_t sent = 0, got = 0;
	struct vhu_message msg;
	int error;

	role_assert_control();
	while ((error = vhu_connection_send(&t.connection, &header, &sent)) == 0)
		sent++;
	assert_int_equal(error, -ENOBUFS);
	assert_true(sent > 100 && sent < 1000000);
	while (got < sent && front_receive(&t.front, &msg))
		assert_int_equal(msg.payload.u64, got++);
	assert_int_equal(got, sent);
	TURN_UNTIL(t.loop, t.connection.stream.queued == 0);
}

static int sleeping[2]; /* a pipe: reading from it sleeps while its other end is open */

static void run_sleep(struct disposal_job *job)
{
	char byte;

	(void)!read(sleeping[0], &byte, 1);
}

/* While all calls are lost nothing is read; what waits is read when one comes back; and the next connection begins anew. */
static void test_account_without_room(void **state)
{
	static struct disposal_job job[DISPOSAL_THREADS];
	int pair[2];

	role_assert_control();
	assert_int_equal(pipe2(sleeping, O_CLOEXEC), 0);
	for (unsigned int i = 0; i < DISPOSAL_THREADS; i++) {
		job[i] = (struct disposal_job){.run = run_sleep};
		disposal_start(t.account, &job[i]);
	}
	TURN_UNTIL(t.loop, disposal_full(t.account));
	vhu_connection_room_changed(&t.connection);
	front_send(&t.front, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	front_settle(t.loop);
	assert_int_equal(t.messages, 0);
	vhu_connection_close(&t.connection);
	close(sleeping[1]);
	TURN_UNTIL(t.loop, !disposal_full(t.account));
	close(t.front.fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	t.front.fd = pair[0];
	assert_int_equal(vhu_connection_open(&t.connection, pair[1]), 0);
	front_send(&t.front, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	TURN_UNTIL(t.loop, t.messages == 1);
	close(sleeping[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_byte_by_byte),
		TEST(test_many_in_one_piece),
		TEST(test_deadline),
		TEST(test_nothing_remains_of_the_message_before),
		TEST(test_descriptors),
		TEST(test_bad_headers),
		TEST(test_end_between_and_in_messages),
		TEST(test_suspended),
		TEST(test_closed_inside_a_message),
		TEST(test_bounded_answers),
		TEST(test_account_without_room),
	};

	return cmocka_run_group_tests_name("vhu_connection", tests, NULL, NULL);
}
