/* SPDX-License-Identifier: BSD-3-Clause */
/* Sixteen ports at once pass descriptors whose close() sleeps, as many as each of them may have under way: X1. The control thread
 * answers, other ports work, and two victims lose nothing.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fg_linger.h"

enum {
	HOSTILE = 16,
	EACH = 4,
	LINGER_S = 60,
	WATCHED_MS = 2000,
	/* A sixth of what it takes where such calls are waited for. With a sanitizer the end takes seconds on a busy machine. */
	ENDS_WITHIN_MS = 10000,
};

static struct fg_linger linger[HOSTILE * EACH];
static int sock[HOSTILE * EACH];

static void pass_all(const struct fg_switch *sw)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	siginfo_t info;

	for (unsigned int i = 0; i < HOSTILE * EACH; i++)
		OK(fg_linger_open(&linger[i], LINGER_S));
	/* Stopped once for all of them: a signal would wake a close() that sleeps. */
	kill(sw->pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, (id_t)sw->pid, &info, WSTOPPED), 0);
	for (unsigned int i = 0; i < HOSTILE * EACH; i++) {
		char port[8];

		snprintf(port, sizeof(port), "h%u", i / EACH);
		sock[i] = fg_wire_connect(fg_switch_socket(sw, port), FG_WAIT_MS);
		assert_true(sock[i] >= 0);
		OK(fg_wire_send_raw(sock[i], &m, FG_HEADER_SIZE, &linger[i].fd, 1));
		close(linger[i].fd);
		linger[i].fd = -1;
	}
	kill(sw->pid, SIGCONT);
}

static void release_all(void)
{
	for (unsigned int i = 0; i < HOSTILE * EACH; i++) {
		fg_linger_release(&linger[i]);
		close(sock[i]);
	}
}

static json_int_t calls_lost(const struct fg_switch *sw, unsigned int number)
{
	char port[8];
	json_int_t lost;
	json_t *answer;

	snprintf(port, sizeof(port), "h%u", number);
	answer = fg_switch_query(sw, "port", port);
	lost = json_integer_value(json_object_get(json_object_get(json_object_get(answer, "port"), "calls"), "lost"));
	json_decref(answer);
	return lost;
}

static void sixteen_ports_lose_their_calls(void **state)
{
	static struct fg_victims victims;
	uint64_t quiet_us, quiet_own_us;

	OK(fg_victims_start(&victims, &fixture.sw, "v0", "v1"));
	OK(fg_victims_run(&victims));
	fg_sleep_us(QUIET_MS * 1000);
	OK(fg_victims_pause(&victims));
	quiet_us = victims.longest_us;
	quiet_own_us = victims.longest_own_us;
	pass_all(&fixture.sw);
	OK(fg_victims_run(&victims));
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	OK(fg_victims_pause(&victims));
	tell_gaps(&victims, quiet_us, quiet_own_us);
	for (unsigned int i = 0; i < HOSTILE; i++)
		assert_int_equal(calls_lost(&fixture.sw, i), EACH);
	guest_close(guest_run("g0", NULL));
	fg_victims_stop(&victims);
	release_all();
}

/* It leaves them behind, and ends all the same. */
static void the_switch_ends_while_calls_are_lost(void **state)
{
	struct fg_switch sw;
	uint64_t from;

	/* It leaves accounts behind, and is not to wait for them. */
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
	OK(fg_switch_start(&sw, &fixture.opt));
	unsetenv("LSAN_OPTIONS");
	pass_all(&sw);
	for (unsigned int i = 0; i < HOSTILE; i++)
		while (calls_lost(&sw, i) < EACH)
			fg_sleep_us(10000);
	from = fg_now_us();
	OK(fg_switch_stop(&sw));
	print_message("%d lost calls, ended after %.0f ms\n", HOSTILE * EACH, (double)(fg_now_us() - from) / 1e3);
	if (fg_now_us() - from > ENDS_WITHIN_MS * 1000ull)
		fail_msg("it has not ended %d ms after SIGTERM", ENDS_WITHIN_MS);
	release_all();
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "g0", "h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9", "h10",
					    "h11", "h12", "h13", "h14", "h15", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest cases[] = {
		TEST_CASE(sixteen_ports_lose_their_calls),
		TEST_CASE(the_switch_ends_while_calls_are_lost),
	};

	return fixture_main_on(&opt, "lost", CASES(cases));
}
