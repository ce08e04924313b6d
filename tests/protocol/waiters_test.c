/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors and connections in very many epoll sets: a call on one of them does not block and takes long, since it wakes them
 * all (X5). The control thread answers all the same, and the victims lose nothing.
 *
 * Such a call has the CPU it is made on to itself. So the switch's control thread and its lcore share one, and what it calls slow
 * is made on the other.
 */
#include "fixture.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "fg_waiters.h"

enum {
	CHANGES = 24,
	/* Each is read, and answered: two calls. */
	QUESTIONS = 8,
	WATCHED_MS = 1500,
	/* Of a connection that is turned away: each wakes them all as the connection is closed. */
	UNREAD = 12,
	/* Others may want the CPU that the close is made on. */
	CLOSED_MS = 30000,
	/* Of an answer. */
	BOUND_MS = 10,
};

static struct fg_waiters waiters;
static cpu_set_t controls; /* the CPU of the switch's control thread, or all of ours */

/* What one call costs that wakes them all. */
static double cost_ms(int fd)
{
	double from = fg_cpu_of(getpid()).ran_ms;

	eventfd_write(fd, 1);
	return fg_cpu_of(getpid()).ran_ms - from;
}

/* Beside the answers, for how long control ran at most until it gave one, in ms. */
struct asked {
	struct answers answers;
	double ran_ms;
};

/* Asks control again and again. It had run for `ran` ms before it had anything to do. */
static struct asked ask_again_and_again(double ran)
{
	uint64_t end = fg_now_us() + WATCHED_MS * 1000;
	struct asked asked = {.ran_ms = 0};
	cpu_set_t ours;

	/* Where control is: the other CPU is busy with what we have prepared. */
	assert_int_equal(sched_getaffinity(0, sizeof(ours), &ours), 0);
	OK(sched_setaffinity(0, sizeof(controls), &controls));
	while (fg_now_us() < end) {
		double now;

		ask_control(&fixture.sw, &asked.answers);
		now = fg_cpu_of(fixture.sw.pid).ran_ms;
		asked.ran_ms = now - ran > asked.ran_ms ? now - ran : asked.ran_ms;
		ran = now;
		fg_sleep_us(5000);
	}
	OK(sched_setaffinity(0, sizeof(ours), &ours));
	return asked;
}

/* A sanitizer's allocator and its new threads take time of their own. */
static double bound_ms(void)
{
	return fixture.before.sanitizer ? 20 * BOUND_MS : BOUND_MS;
}

static void assert_answers(struct asked asked)
{
	print_message("slowest answer %.1f ms, %.1f ms without waiting for a CPU; control ran for %.1f ms at most\n",
		      asked.answers.slowest_ms, asked.answers.own_ms, asked.ran_ms);
	if (asked.answers.own_ms > bound_ms() || asked.ran_ms > bound_ms())
		fail_msg("the slowest answer took %.1f ms, and control ran for %.1f ms before one", asked.answers.own_ms,
			 asked.ran_ms);
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
	double calls_ms, from_ms, quiet_ms, spent_ms;
	struct asked asked;

	OK(fg_waiters_open(&waiters, call));
	calls_ms = CHANGES * cost_ms(call);
	from_ms = fg_cpu_of(fixture.sw.pid).ran_ms;
	ask_again_and_again(from_ms);
	quiet_ms = fg_cpu_of(fixture.sw.pid).ran_ms - from_ms;
	from_ms += quiet_ms;
	for (unsigned int i = 0; i < CHANGES; i++)
		send_ring_fd(g, FG_SET_VRING_CALL, 0, call);
	asked = ask_again_and_again(from_ms);
	spent_ms = fg_cpu_of(fixture.sw.pid).ran_ms - from_ms;
	print_message("control ran for %.0f ms, without the calls %.0f ms; the calls take %.0f ms\n", spent_ms, quiet_ms,
		      calls_ms);
	assert_answers(asked);
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

/* No call of these is under way any more. */
static void await_closed(const char *port, const char *calls)
{
	int64_t deadline = fg_deadline(CLOSED_MS);
	json_int_t running;

	do {
		json_t *answer = fg_switch_query(&fixture.sw, "port", port);

		running = json_integer_value(
			json_object_get(json_object_get(json_object_get(answer, "port"), calls), "running"));
		json_decref(answer);
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(5000);
	} while (running > 0);
}

/* Each message is read and answered, which wakes them all, by threads that may be lost; the first call that takes long is the
 * last. */
static void a_connection_has_waiters(void **state)
{
	const struct fg_msg question = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_run("h0", NULL);
	struct asked asked;
	double from_ms;

	OK(fg_waiters_open(&waiters, g->s.sock));
	from_ms = fg_cpu_of(fixture.sw.pid).ran_ms;
	for (unsigned int i = 0; i < QUESTIONS && fg_wire_send_raw(g->s.sock, &question, FG_HEADER_SIZE, NULL, 0) == 0; i++)
		;
	asked = ask_again_and_again(from_ms);
	assert_answers(asked);
	if (is_connected("h0"))
		fail_msg("h0 is still connected after %d questions", QUESTIONS);
	assert_last_error("h0", "a call on its connection took");
	await_closed("h0", "calls");
	guest_close(g);
	fg_waiters_close(&waiters);
	while (number_of("h0", "down_for_ms") > 0)
		fg_sleep_us(20000);
}

/* A second connection is turned away. Each of its messages that was not read wakes them all once more as it is closed, and then
 * none is accepted for a while; who has the port keeps it.
 */
static void a_refused_connection_has_waiters(void **state)
{
	const struct fg_msg question = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct asked asked;
	double from_ms = fg_cpu_of(fixture.sw.pid).ran_ms;

	/* Before it is connected, as it is turned away soon. */
	OK(fg_waiters_open(&waiters, sock));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fg_switch_socket(&fixture.sw, "v0"));
	assert_int_equal(connect(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	for (unsigned int i = 0; i < UNREAD; i++)
		OK(fg_wire_send_raw(sock, &question, FG_HEADER_SIZE, NULL, 0));
	asked = ask_again_and_again(from_ms);
	assert_answers(asked);
	await_closed("v0", "calls_refused");
	if (number_of("v0", "down_for_ms") == 0)
		fail_msg("the next connection is accepted at once");
	assert_true(is_connected("v0"));
	close(sock);
	fg_waiters_close(&waiters);
}

/* The control thread and the lcore on the first of our CPUs. */
static void leave_a_cpu_spare(void)
{
	char lcores[32];
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(controls), &controls) != 0 || getenv("FG_LCORES") != NULL)
		return;
	while (!CPU_ISSET(cpu, &controls))
		cpu++;
	CPU_ZERO(&controls);
	CPU_SET(cpu, &controls);
	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", cpu, cpu);
	setenv("FG_LCORES", lcores, 1);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_call_descriptor_has_waiters),
		TEST_CASE(a_connection_has_waiters),
		TEST_CASE(a_refused_connection_has_waiters),
	};

	leave_a_cpu_spare();

	return fixture_main("waiters", CASES(cases));
}
