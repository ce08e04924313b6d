/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors in very many epoll sets: a call on one of them does not block and takes long, since it wakes them all (X5). The
 * control thread answers all the same, and the victims lose nothing.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fg_waiters.h"

enum {
	CHANGES = 24,
	/* Each is read, and answered: two calls. */
	QUESTIONS = 200,
	WATCHED_MS = 1500,
	/* What such calls may take of control until it hangs up. */
	BOUND_MS = 50,
};

static struct fg_waiters waiters;

/* CPU time of a thread so far, in ms: of the control thread of the switch, whose number is the process's, or our own. */
static double cpu_ms(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu", &ns), 1);
	fclose(f);
	return (double)ns / 1e6;
}

/* What one call costs that wakes them all. */
static double cost_ms(int fd)
{
	double from = cpu_ms(getpid());

	eventfd_write(fd, 1);
	return cpu_ms(getpid()) - from;
}

/* Asks control for its ports, again and again; returns how long the slowest answer took, in ms. */
static double ask_control(void)
{
	uint64_t end = fg_now_us() + WATCHED_MS * 1000;
	double slowest = 0;

	while (fg_now_us() < end) {
		uint64_t from = fg_now_us();
		json_t *answer = fg_switch_query(&fixture.sw, "ports", NULL);
		double ms = (double)(fg_now_us() - from) / 1e3;

		assert_non_null(answer);
		json_decref(answer);
		slowest = ms > slowest ? ms : slowest;
		fg_sleep_us(5000);
	}
	return slowest;
}

static void send_ring_fd(struct guest *g, uint32_t request, unsigned int index, int fd)
{
	struct fg_msg m = {.request = request, .flags = FG_VERSION, .size = 8};

	m.u64 = index;
	OK(fg_wire_send(g->s.sock, &m, &fd, 1));
}

/* Control rings each new call descriptor once, as the old one's interrupts may have been lost. It makes none of these calls
 * itself: however many share its CPU, it spends less than a quarter of their time beyond what the questions alone cost.
 */
static void a_call_descriptor_has_waiters(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	double calls_ms, from_ms, quiet_ms, spent_ms, slowest_ms;

	OK(fg_waiters_open(&waiters, call));
	calls_ms = CHANGES * cost_ms(call);
	from_ms = cpu_ms(fixture.sw.pid);
	ask_control();
	quiet_ms = cpu_ms(fixture.sw.pid) - from_ms;
	from_ms += quiet_ms;
	for (unsigned int i = 0; i < CHANGES; i++)
		send_ring_fd(g, FG_SET_VRING_CALL, 0, call);
	slowest_ms = ask_control();
	spent_ms = cpu_ms(fixture.sw.pid) - from_ms;
	print_message("slowest answer %.1f ms, control ran for %.0f ms, without the calls %.0f ms; the calls take %.0f ms\n",
		      slowest_ms, spent_ms, quiet_ms, calls_ms);
	if (spent_ms - quiet_ms > calls_ms / 4)
		fail_msg("the control thread ran for %.0f ms, %.0f ms without the calls", spent_ms, quiet_ms);
	guest_close(g);
	fg_waiters_close(&waiters);
	close(call);
}

static json_int_t number_of(const char *port, const char *key)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	json_int_t number = json_integer_value(json_object_get(json_object_get(answer, "port"), key));

	json_decref(answer);
	return number;
}

static bool is_connected(const char *port)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	bool connected = json_is_true(json_object_get(json_object_get(answer, "port"), "connected"));

	json_decref(answer);
	return connected;
}

static void assert_last_error(const char *port, const char *words)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const char *why = json_string_value(json_object_get(json_object_get(answer, "port"), "last_error"));

	if (why == NULL || strstr(why, words) == NULL)
		fail_msg("%s: \"%s\", not \"%s\"", port, why != NULL ? why : "", words);
	json_decref(answer);
}

/* Control's reads and replies wake them all. It makes them itself, but no more than its bound allows, and then hangs up. */
static void a_connection_has_waiters(void **state)
{
	const struct fg_msg question = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_run("h0", NULL);
	double from_ms, quiet_ms, spent_ms, slowest_ms;

	OK(fg_waiters_open(&waiters, g->s.sock));
	from_ms = cpu_ms(fixture.sw.pid);
	ask_control();
	quiet_ms = cpu_ms(fixture.sw.pid) - from_ms;
	from_ms += quiet_ms;
	for (unsigned int i = 0; i < QUESTIONS && fg_wire_send_raw(g->s.sock, &question, FG_HEADER_SIZE, NULL, 0) == 0; i++)
		;
	slowest_ms = ask_control();
	spent_ms = cpu_ms(fixture.sw.pid) - from_ms;
	print_message("slowest answer %.1f ms, control ran for %.0f ms, without the calls %.0f ms; charged %lld ms\n",
		      slowest_ms, spent_ms, quiet_ms, (long long)number_of("h0", "control_wait_ms"));
	if (is_connected("h0"))
		fail_msg("h0 is still connected after %d questions, for which the control thread ran for %.0f ms", QUESTIONS,
			 spent_ms - quiet_ms);
	assert_last_error("h0", "its connection kept the control thread busy for");
	assert_in_range(number_of("h0", "control_wait_ms"), BOUND_MS, 3 * BOUND_MS);
	guest_close(g);
	fg_waiters_close(&waiters);
	while (number_of("h0", "down_for_ms") > 0)
		fg_sleep_us(20000);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_call_descriptor_has_waiters),
		TEST_CASE(a_connection_has_waiters),
	};

	return fixture_main("waiters", CASES(cases));
}
