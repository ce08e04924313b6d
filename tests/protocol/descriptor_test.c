/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors that come with messages: M4 and M5. Whatever a peer
 * sends along, in whatever number and with whatever byte, is used or closed.
 */
#include "exact.h"
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void open_null(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
}

static void close_all(const int *fds, unsigned int n)
{
	while (n > 0)
		close(fds[--n]);
}

/* M4. Descriptors that no request has, on every request: refused, and every one of them closed.
 */
static void surplus_descriptors_are_closed(void **state)
{
	int fds[253];

	open_null(fds, 253);
	for (unsigned int round = 0; round < 3; round++) {
		static const unsigned int counts[] = {1, 8, 253};

		for (unsigned int i = 0; i < N_EXACT; i++) {
			struct guest *g = guest_open("h0", NULL);
			struct fg_msg m = {.request = exact[i].request, .size = exact[i].size};
			enum verdict v = verdict_of(&g->s, &m, fds, counts[round]);

			/* One descriptor is legal on some: what comes then is their own affair. */
			if (counts[round] > 1)
				assert_no(v, fg_wire_name(m.request));
			assert_int_not_equal(v, V_SILENT);
			guest_close(g);
		}
	}
	close_all(fds, 253);
	assert_nothing_held();
}

/* M4. The descriptors of a message that fails for another reason, or never ends. */
static void descriptors_of_bad_messages_are_closed(void **state)
{
	int fds[8];

	open_null(fds, 8);
	for (unsigned int i = 0; i < 64; i++) {
		struct guest *g = guest_open("h0", NULL);
		struct fg_msg m = {.request = i % 4 == 0 ? FG_ADD_MEM_REG : FG_SET_MEM_TABLE,
				   .flags = FG_VERSION,
				   .size = i % 2 ? 3 : 0xffff,
				   .u64 = 8};
		/* every second one with its descriptors on the first byte of many */
		size_t sent = i % 3 == 0 ? 1 : FG_HEADER_SIZE + 3;

		OK(fg_wire_send_raw(g->s.sock, &m, sent, fds, 1 + i % 8));
		guest_close(g);
	}
	close_all(fds, 8);
	assert_nothing_held();
}

/* M4. Descriptors split over the pieces of one message: all collected or all refused, none lost. */
static void descriptors_may_come_with_any_byte(void **state)
{
	struct guest *g = guest_open("h0", NULL);
	struct fg_msg m = {.request = FG_SET_VRING_ERR,
			   .flags = FG_VERSION | FG_NEED_REPLY,
			   .size = 8,
			   .u64 = 0};
	struct fg_msg answer;

	OK(fg_wire_send_raw(g->s.sock, &m, 6, &g->s.ring[0].err, 1));
	fg_sleep_us(20000);
	OK(fg_wire_send_raw(g->s.sock, (char *)&m + 6, FG_HEADER_SIZE + 8 - 6, NULL, 0));
	OK(fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS));
	assert_int_equal(answer.u64, 0);
	/* One too many, in the second half. */
	OK(fg_wire_send_raw(g->s.sock, &m, 6, &g->s.ring[0].err, 1));
	fg_sleep_us(20000);
	if (fg_wire_send_raw(g->s.sock, (char *)&m + 6, FG_HEADER_SIZE + 8 - 6, &g->s.ring[1].err,
			     1) == 0 &&
	    fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS) == 0)
		assert_int_not_equal(answer.u64, 0);
}

/* M5. Bit 8 and the descriptor must agree; without both the call is legal. */
static void the_nofd_bit_decides(void **state)
{
	static const uint32_t requests[] = {FG_SET_VRING_KICK, FG_SET_VRING_CALL, FG_SET_VRING_ERR};

	for (unsigned int i = 0; i < 3; i++) {
		const char *name = fg_wire_name(requests[i]);
		struct guest *g = guest_run("h0", NULL);
		struct fg_msg neither = {.request = requests[i], .size = 8, .u64 = 0};
		struct fg_msg both = {.request = requests[i], .size = 8, .u64 = FG_NOFD};

		assert_no(verdict_of(&g->s, &neither, NULL, 0), name);
		guest_close(g);
		g = guest_run("h0", NULL);
		assert_no(verdict_of(&g->s, &both, &g->s.ring[0].err, 1), name);
		guest_close(g);
		g = guest_open("h0", NULL);
		assert_yes(verdict_of_u64(&g->s, requests[i], FG_NOFD | 1), name);
		guest_close(g);
	}
}

/* L5. Kicks and interrupts are eventfds. Anything else might block its reader or writer. */
static void only_eventfds_kick_and_interrupt(void **state)
{
	static const uint32_t requests[] = {FG_SET_VRING_KICK, FG_SET_VRING_CALL, FG_SET_VRING_ERR};
	int pipes[2], fds[6];

	OK(pipe2(pipes, O_CLOEXEC));
	fds[0] = pipes[0];
	fds[1] = pipes[1];
	fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[3] = fg_memory_file(4096);
	fds[4] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	fds[5] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (unsigned int i = 0; i < 6; i++) {
		assert_true(fds[i] >= 0);
		for (unsigned int r = 0; r < 3; r++) {
			struct guest *g = guest_run("h0", NULL);
			struct fg_msg m = {.request = requests[r], .size = 8, .u64 = 1};

			assert_no(verdict_of(&g->s, &m, &fds[i], 1), fg_wire_name(requests[r]));
			guest_close(g);
		}
		close(fds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(surplus_descriptors_are_closed),
		TEST_CASE(descriptors_of_bad_messages_are_closed),
		TEST_CASE(descriptors_may_come_with_any_byte),
		TEST_CASE(the_nofd_bit_decides),
		TEST_CASE(only_eventfds_kick_and_interrupt),
	};

	return fixture_main("descriptor", CASES(cases));
}
