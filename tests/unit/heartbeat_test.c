/* SPDX-License-Identifier: BSD-3-Clause */
/* The service manager hears of a switch whose lcores all move, and of no other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "heartbeat.h"
#include "loop.h"
#include "rcu.h"
#include "turn.h"

enum { READERS = 2, ALLOWED_MS = 60 };

static char folder[] = "/tmp/heartbeat_test.XXXXXX";
static struct loop *loop;
static struct heartbeat heartbeat;
static int manager;

/* The service manager's end. */
static int begin(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	role_assert_control();
	loop = loop_create();
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", folder);
	if (loop == NULL || rcu_init(READERS) != 0 || bind(manager, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "60000", 1);
	unsetenv("WATCHDOG_PID");
	for (unsigned int i = 0; i < READERS; i++)
		rcu_online(i);
	return 0;
}

static int end(void **state)
{
	role_assert_control();
	heartbeat_stop(&heartbeat);
	for (unsigned int i = 0; i < READERS; i++)
		rcu_offline(i);
	loop_destroy(loop);
	rcu_fini();
	unlink(getenv("NOTIFY_SOCKET"));
	close(manager);
	return 0;
}

/* Beats that have come since the last call. */
static unsigned int beats(void)
{
	char said[256];
	unsigned int n = 0;
	ssize_t len;

	while ((len = recv(manager, said, sizeof(said), 0)) > 0)
		n += len == (ssize_t)strlen("WATCHDOG=1") && memcmp(said, "WATCHDOG=1", (size_t)len) == 0;
	return n;
}

/* For so long, with the first lcores moving. */
static void turn_with(unsigned int moving, uint64_t ms)
{
	role_assert_control();
	for (uint64_t until = clock_ns() + ms * NS_PER_MS; clock_ns() < until;) {
		for (unsigned int i = 0; i < moving; i++)
			rcu_quiescent(i);
		loop_turn(loop, NS_PER_MS);
	}
}

static void a_switch_that_moves_is_told_of(void **state)
{
	unsigned int n = 0;

	role_assert_control();
	heartbeat_start(&heartbeat, loop);
	for (uint64_t limit = clock_ns() + 10 * NS_PER_S; n < 3 && clock_ns() < limit; n += beats())
		turn_with(READERS, ALLOWED_MS);
	assert_true(n >= 3);
}

static void one_that_stands_still_in_part_is_not(void **state)
{
	unsigned int n = 0;

	role_assert_control();
	heartbeat_start(&heartbeat, loop);
	turn_with(READERS - 1, 5 * ALLOWED_MS);
	assert_int_equal(beats(), 0);
	/* And it is, when that lcore moves again. */
	for (uint64_t limit = clock_ns() + 10 * NS_PER_S; n == 0 && clock_ns() < limit; n += beats())
		turn_with(READERS, ALLOWED_MS);
	assert_true(n > 0);
}

static void lcores_that_sleep_move(void **state)
{
	unsigned int n = 0;

	role_assert_control();
	heartbeat_start(&heartbeat, loop);
	for (unsigned int i = 0; i < READERS; i++)
		rcu_offline(i);
	for (uint64_t limit = clock_ns() + 10 * NS_PER_S; n < 3 && clock_ns() < limit; n += beats())
		turn_with(0, ALLOWED_MS);
	assert_true(n >= 3);
	for (unsigned int i = 0; i < READERS; i++)
		rcu_online(i);
}

static void nobody_has_asked(void **state)
{
	role_assert_control();
	setenv("WATCHDOG_PID", "1", 1);
	heartbeat_start(&heartbeat, loop);
	turn_with(READERS, 3 * ALLOWED_MS);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	heartbeat_start(&heartbeat, loop);
	turn_with(READERS, 3 * ALLOWED_MS);
	assert_int_equal(beats(), 0);
}

#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_switch_that_moves_is_told_of),
		TEST_CASE(one_that_stands_still_in_part_is_not),
		TEST_CASE(lcores_that_sleep_move),
		TEST_CASE(nobody_has_asked),
	};
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	failed = cmocka_run_group_tests_name("heartbeat", cases, NULL, NULL);
	rmdir(folder);
	return failed;
}
