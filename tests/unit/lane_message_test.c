/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages between the switch and a lane, and what is no message: nothing is believed of it, and nothing stays open. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#include "cases.h"
#include "fg_socket.h"
#include "lane_message.h"

enum { MANY = 8 };

static int ends[2], fds[MANY], got_fds[LANE_FDS_MAX], opened;
static unsigned int n;
static struct lane_message got;

/* Descriptors are taken from the lowest: one that stays open moves the next. */
static int lowest(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static int begin(void **state)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	for (int i = 0; i < MANY; i++)
		fds[i] = eventfd((unsigned int)i, EFD_CLOEXEC | EFD_NONBLOCK);
	opened = lowest();
	return 0;
}

static int end(void **state)
{
	close(ends[0]);
	close(ends[1]);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	return 0;
}

static int receive(void)
{
	memset(&got, 0xa5, sizeof(got));
	return lane_message_receive(ends[1], &got, got_fds, &n, MSG_DONTWAIT);
}

static void messages_arrive_one_by_one(void **state)
{
	const struct lane_message map = {.request = LANE_MAP, .ring = 3, .region = {.gpa = 1, .delta = 6}};
	const struct lane_message ping = {.request = LANE_PING, .error = -EIO};
	uint64_t value;

	assert_int_equal(receive(), -EAGAIN);
	assert_int_equal(lane_message_send(ends[0], &map, fds + 4, 2, 0), 0);
	assert_int_equal(lane_message_send(ends[0], &ping, NULL, 0, 0), 0);
	assert_int_equal(receive(), 1);
	assert_memory_equal(&got, &map, sizeof(map));
	assert_int_equal(n, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(got_fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(read(got_fds[i], &value, sizeof(value)), sizeof(value));
		assert_int_equal(value, 4 + i);
		close(got_fds[i]);
	}
	assert_int_equal(receive(), 1);
	assert_memory_equal(&got, &ping, sizeof(ping));
	assert_int_equal(n, 0);
	close(ends[0]);
	assert_int_equal(receive(), 0);
	assert_int_equal(n, 0);
}

static void send_raw(const void *at, size_t size, unsigned int n_fds)
{
	assert_int_equal(fg_socket_send(ends[0], at, size, fds, n_fds), size);
}

static void wrong_sizes_are_no_messages(void **state)
{
	uint8_t bytes[sizeof(struct lane_message) + 4096] = {LANE_PING};
	static const size_t sizes[] = {1, 4, sizeof(got) - 1, sizeof(got) + 1, sizeof(bytes)};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned int with = 0; with <= LANE_FDS_MAX; with++) {
			send_raw(bytes, sizes[i], with);
			assert_int_equal(receive(), -EBADMSG);
			assert_int_equal(n, 0);
			assert_int_equal(lowest(), opened);
		}
	/* An empty one looks like the end, and is treated so. */
	send_raw(bytes, 0, 0);
	assert_int_equal(receive(), 0);
}

static void too_many_descriptors_are_closed(void **state)
{
	const struct lane_message ping = {.request = LANE_PING};

	for (unsigned int with = LANE_FDS_MAX + 1; with <= MANY; with++) {
		send_raw(&ping, sizeof(ping), with);
		assert_int_equal(receive(), -EBADMSG);
		assert_int_equal(n, 0);
		assert_int_equal(lowest(), opened);
	}
}

/* What cannot be sent is reported, and the sender does not wait. */
static void a_reader_that_does_not_read(void **state)
{
	const struct lane_message ping = {.request = LANE_PING};
	int error = 0;

	for (int i = 0; i < 100000 && error == 0; i++)
		error = lane_message_send(ends[0], &ping, NULL, 0, MSG_DONTWAIT);
	assert_int_equal(error, -EAGAIN);
	close(ends[1]);
	/* Reported once that what it had not read is lost, and then that the peer is gone. */
	lane_message_send(ends[0], &ping, NULL, 0, MSG_DONTWAIT);
	assert_int_equal(lane_message_send(ends[0], &ping, NULL, 0, MSG_DONTWAIT), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_arrive_one_by_one, begin, end),
		cmocka_unit_test_setup_teardown(wrong_sizes_are_no_messages, begin, end),
		cmocka_unit_test_setup_teardown(too_many_descriptors_are_closed, begin, end),
		cmocka_unit_test_setup_teardown(a_reader_that_does_not_read, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
