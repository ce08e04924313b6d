/* SPDX-License-Identifier: BSD-3-Clause */
/* Sixteen ports at once pass descriptors whose close() sleeps, as many as each of them may have under way: X1. The control thread
 * answers, other ports work, and two victims lose nothing.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fg_linger.h"

enum { HOSTILE = 16, EACH = 4, LINGER_S = 60, WATCHED_MS = 2000 };

static struct fg_linger linger[HOSTILE * EACH];
static int sock[HOSTILE * EACH];

static void pass_all(void)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	siginfo_t info;

	for (unsigned int i = 0; i < HOSTILE * EACH; i++)
		OK(fg_linger_open(&linger[i], LINGER_S));
	/* Stopped once for all of them: a signal would wake a close() that sleeps. */
	kill(fixture.sw.pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, (id_t)fixture.sw.pid, &info, WSTOPPED), 0);
	for (unsigned int i = 0; i < HOSTILE * EACH; i++) {
		char port[8];

		snprintf(port, sizeof(port), "h%u", i / EACH);
		sock[i] = fg_wire_connect(fg_switch_socket(&fixture.sw, port), FG_WAIT_MS);
		assert_true(sock[i] >= 0);
		OK(fg_wire_send_raw(sock[i], &m, FG_HEADER_SIZE, &linger[i].fd, 1));
		close(linger[i].fd);
		linger[i].fd = -1;
	}
	kill(fixture.sw.pid, SIGCONT);
}

static json_int_t calls_lost(unsigned int number)
{
	char port[8];
	json_int_t lost;
	json_t *answer;

	snprintf(port, sizeof(port), "h%u", number);
	answer = fg_switch_query(&fixture.sw, "port", port);
	lost = json_integer_value(json_object_get(json_object_get(json_object_get(answer, "port"), "calls"), "lost"));
	json_decref(answer);
	return lost;
}

static void sixteen_ports_lose_their_calls(void **state)
{
	static struct fg_victims victims;

	OK(fg_victims_start(&victims, &fixture.sw, "v0", "v1"));
	pass_all();
	OK(fg_victims_run(&victims));
	assert_control_keeps_answering(&fixture.sw, WATCHED_MS);
	OK(fg_victims_pause(&victims));
	print_message("%llu frames, longest silence %llu us\n", (unsigned long long)victims.frames,
		      (unsigned long long)victims.longest_us);
	for (unsigned int i = 0; i < HOSTILE; i++)
		assert_int_equal(calls_lost(i), EACH);
	guest_close(guest_run("g0", NULL));
	fg_victims_stop(&victims);
	for (unsigned int i = 0; i < HOSTILE * EACH; i++) {
		fg_linger_release(&linger[i]);
		close(sock[i]);
	}
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "g0", "h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9", "h10",
					    "h11", "h12", "h13", "h14", "h15", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest cases[] = {
		TEST_CASE(sixteen_ports_lose_their_calls),
	};

	return fixture_main_on(&opt, "lost", CASES(cases));
}
