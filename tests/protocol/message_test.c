/* SPDX-License-Identifier: BSD-3-Clause */
/* The message parser against peers that cannot, or will not, speak properly: M1 to M3, M6,
 * M11, M12 and V11. The switch may say no in two ways, a negative
 * acknowledgement or hanging up; it may not wait, crash, or keep a descriptor.
 */
#include "exact.h"
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A message once begun must be complete within this (M1), and a little for the machine. */
enum { MESSAGE_DEADLINE_MS = 5000, SLACK_MS = 2500 };

/* Sends a header that announces @size bytes, and @sent bytes of zeros behind it. */
static enum verdict verdict_of_size(struct guest *g, uint32_t request, uint32_t size, uint32_t sent)
{
	struct fg_msg m = {.request = request, .flags = FG_VERSION | FG_NEED_REPLY, .size = size};
	struct fg_msg answer;
	int err;

	err = fg_wire_send_raw(g->s.sock, &m, FG_HEADER_SIZE + sent, NULL, 0);
	if (err == 0)
		err = fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS);
	if (err == -ETIMEDOUT)
		return V_SILENT;
	if (err < 0)
		return V_CLOSED;
	return answer.size == 8 && answer.u64 != 0 ? V_REFUSED : V_OK;
}

/* What is offered, and what may never be: QEMU agrees to protocol bits that it does not implement.
 */
static void the_right_features_are_offered(void **state)
{
	const uint64_t must = FG_F_VERSION_1 | FG_F_MRG_RXBUF | FG_F_MQ | FG_F_MTU |
			      FG_F_ANY_LAYOUT | FG_F_INDIRECT | FG_F_EVENT_IDX | FG_F_PROTOCOL |
			      1ull << 21;
	const uint64_t never = 1ull << 60 | 1ull << 57 | 1ull << 40 | 1ull << 38;
	const uint64_t protocol = FG_P_MQ | FG_P_RARP | FG_P_REPLY_ACK | FG_P_MTU | FG_P_MEM_SLOTS |
				  FG_P_STATUS | FG_P_RESET_DEVICE;
	const uint64_t protocol_never =
		1ull << 14 | 1ull << 17 | 1ull << 6 | 1ull << 7 | 1ull << 18;
	struct guest *g = guest_open("h0", NULL);

	assert_int_equal(g->s.offered & must, must);
	assert_int_equal(g->s.offered & never, 0);
	assert_int_equal(g->s.offered_protocol & protocol, protocol);
	assert_int_equal(g->s.offered_protocol & protocol_never, 0);
	assert_int_equal(g->s.max_slots, 509);
	assert_int_equal(g->s.max_pairs, 4);
}

/* M1. A front end that begins a message and does not end it is hung up on, and no other waits meanwhile. */
static void a_message_begun_must_end(void **state)
{
	const struct fg_msg m = {.request = FG_SET_VRING_NUM, .flags = FG_VERSION, .size = 8};
	struct guest *cut_header = guest_open("h0", NULL);
	struct guest *cut_payload = guest_open("h1", NULL);
	int64_t began = fg_now_ms();

	OK(fg_wire_send_raw(cut_header->s.sock, &m, 5, NULL, 0));
	OK(fg_wire_send_raw(cut_payload->s.sock, &m, FG_HEADER_SIZE, NULL, 0));
	assert_true(fg_wire_closed(cut_header->s.sock, MESSAGE_DEADLINE_MS + SLACK_MS));
	assert_true(fg_wire_closed(cut_payload->s.sock, SLACK_MS));
	assert_true(fg_now_ms() - began > MESSAGE_DEADLINE_MS / 2); /* and not at once */
}

/* M1. One byte at a time, but in time: a slow peer is a legal one. Too slow is not. */
static void a_message_may_come_byte_by_byte(void **state)
{
	struct guest *g = guest_open("h0", NULL);
	struct guest *slow = guest_open("h1", NULL);
	struct fg_msg m = {.request = FG_SET_VRING_NUM,
			   .flags = FG_VERSION | FG_NEED_REPLY,
			   .size = 8,
			   .state = {.num = 128}};
	struct fg_msg answer;
	int64_t began;

	for (int i = 0; i < FG_HEADER_SIZE + 8; i++) {
		OK(fg_wire_send_raw(g->s.sock, (const char *)&m + i, 1, NULL, 0));
		fg_sleep_us(2000);
	}
	OK(fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS));
	assert_int_equal(answer.u64, 0);

	began = fg_now_ms(); /* 20 bytes at one every half second: 10 s */
	for (int i = 0; i < FG_HEADER_SIZE + 8; i++) {
		if (fg_wire_send_raw(slow->s.sock, (const char *)&m + i, 1, NULL, 0) < 0)
			break;
		fg_sleep_us(500000);
	}
	assert_true(fg_wire_closed(slow->s.sock, SLACK_MS));
	assert_true(fg_now_ms() - began < MESSAGE_DEADLINE_MS + SLACK_MS);
}

/* Two messages in one write, and one and a half: the stream has no borders. */
static void messages_may_come_together(void **state)
{
	struct guest *g = guest_open("h0", NULL);
	struct fg_msg ask = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct fg_msg answer;
	uint8_t both[3 * FG_HEADER_SIZE];

	for (int i = 0; i < 3; i++)
		memcpy(both + i * FG_HEADER_SIZE, &ask, FG_HEADER_SIZE);
	OK(fg_wire_send_raw(g->s.sock, both, 2 * FG_HEADER_SIZE + 7, NULL, 0));
	for (int i = 0; i < 2; i++) {
		OK(fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS));
		assert_int_equal(answer.u64, g->s.offered);
	}
	OK(fg_wire_send_raw(g->s.sock, both + 2 * FG_HEADER_SIZE + 7, 5, NULL, 0));
	OK(fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS));
	assert_int_equal(answer.u64, g->s.offered);
}

/* M2. More payload than any request has: refused before it is read. */
static void a_size_too_large_is_refused(void **state)
{
	static const uint32_t sizes[] = {4096, 0x7fffffff, 0x80000000, 0xffffffff};

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct guest *g = guest_open("h0", NULL);

		assert_no(verdict_of_size(g, FG_SET_VRING_NUM, sizes[i], 64), "an enormous size");
		guest_close(g);
	}
	for (unsigned int i = 0; i < N_EXACT; i++) {
		struct guest *g = guest_open("h0", NULL);
		uint32_t size = exact[i].size + 1;

		assert_no(verdict_of_size(g, exact[i].request, size, size),
			  fg_wire_name(exact[i].request));
		guest_close(g);
	}
}

/* M3. Less payload than the request has: refused, not read as zeros. */
static void a_size_too_small_is_refused(void **state)
{
	for (unsigned int i = 0; i < N_EXACT; i++) {
		for (uint32_t size = 0; size < exact[i].size; size += exact[i].size - 1) {
			struct guest *g = guest_open("h0", NULL);

			assert_no(verdict_of_size(g, exact[i].request, size, size),
				  fg_wire_name(exact[i].request));
			guest_close(g);
		}
	}
}

/* M6. Ring indexes are compared in full width. */
static void a_wild_ring_index_is_refused(void **state)
{
	static const uint32_t wild[] = {0x10000,    0x10001, 0x100, 0xffffffff,
					0x80000000, 32,	     33,    255};
	static const uint32_t requests[] = {FG_SET_VRING_NUM, FG_SET_VRING_BASE, FG_GET_VRING_BASE,
					    FG_SET_VRING_ENABLE, FG_SET_VRING_ADDR};

	for (unsigned int r = 0; r < sizeof(requests) / sizeof(requests[0]); r++) {
		for (unsigned int i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
			struct guest *g = guest_open("h0", NULL);
			struct fg_msg m = {.request = requests[r],
					   .size = requests[r] == FG_SET_VRING_ADDR ? 40 : 8,
					   .state = {.index = wild[i], .num = 1}};
			enum verdict v;

			m.flags = FG_VERSION | FG_NEED_REPLY;
			OK(fg_wire_send(g->s.sock, &m, NULL, 0));
			if (requests[r] ==
			    FG_GET_VRING_BASE) { /* there is only one way to say no */
				assert_true(fg_wire_closed(g->s.sock, FG_WAIT_MS));
			} else {
				struct fg_msg answer;
				int err = fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS);

				v = err == -ETIMEDOUT ? V_SILENT
				    : err < 0	      ? V_CLOSED
				    : answer.u64 != 0 ? V_REFUSED
						      : V_OK;
				assert_no(v, fg_wire_name(requests[r]));
			}
			guest_close(g);
		}
	}
	for (unsigned int i = 0; i < 2; i++) { /* the descriptors' requests carry it in 8 bits */
		struct guest *g = guest_open("h0", NULL);
		struct fg_msg m = {.request = FG_SET_VRING_KICK, .size = 8, .u64 = 0x10000 | i};

		assert_no(verdict_of(&g->s, &m, &g->s.ring[0].kick, 1), "SET_VRING_KICK");
		guest_close(g);
	}
}

/* V11. A ring has a power of two descriptors, 32768 at most. */
static void ring_sizes_are_powers_of_two(void **state)
{
	static const uint32_t bad[] = {0,	3,	    65535,	32769, 65536,
				       0x10100, 0x80000000, 0xffffffff, 255};
	static const uint32_t good[] = {1, 2, 64, 1024, 32768};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct guest *g = guest_open("h0", NULL);

		assert_no(verdict_of_state(&g->s, FG_SET_VRING_NUM, 1, bad[i]), "SET_VRING_NUM");
		guest_close(g);
	}
	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct guest *g = guest_open("h0", NULL);

		assert_yes(verdict_of_state(&g->s, FG_SET_VRING_NUM, 1, good[i]), "SET_VRING_NUM");
		guest_close(g);
	}
}

/* M11. What is no request is refused if an answer is wanted, else hung up on. */
static void unknown_requests_are_refused(void **state)
{
	static const uint32_t unknown[] = {26, 27, 33, 46, 200, 0x7fffffff, 0x80000000, 0xffffffff};

	for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct guest *g = guest_open("h0", NULL);
		struct fg_msg m = {.request = unknown[i], .size = 8};

		assert_no(verdict_of(&g->s, &m, NULL, 0), "an unknown request");
		guest_close(g);
		g = guest_open("h0", NULL);
		m.flags = FG_VERSION;
		OK(fg_wire_send(g->s.sock, &m, NULL, 0));
		assert_true(fg_wire_closed(g->s.sock, FG_WAIT_MS));
		guest_close(g);
	}
}

/* M11. Only version 1 and only requests. */
static void wrong_flags_end_the_connection(void **state)
{
	static const uint32_t flags[] = {0, 2, 3, FG_VERSION | FG_REPLY,
					 FG_VERSION | FG_REPLY | FG_NEED_REPLY};

	for (unsigned int i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct guest *g = guest_open("h0", NULL);
		struct fg_msg m = {.request = FG_GET_FEATURES, .flags = flags[i]};

		OK(fg_wire_send_raw(g->s.sock, &m, FG_HEADER_SIZE, NULL, 0));
		assert_true(fg_wire_closed(g->s.sock, FG_WAIT_MS));
		guest_close(g);
	}
}

/* Id 0 is what one release of QEMU sends in place of an acknowledgement: ignored, not fatal. */
static void request_none_is_ignored(void **state)
{
	struct guest *g = guest_open("h0", NULL);
	struct fg_msg m = {.request = FG_NONE, .flags = FG_VERSION, .size = 8};

	OK(fg_wire_send(g->s.sock, &m, NULL, 0));
	OK(fg_barrier(&g->s));
}

/* M12. A front end that never reads its replies is hung up on once the bounded queue of answers is full; at
 * no time does the switch wait for him. */
static void a_peer_that_does_not_listen_is_hung_up_on(void **state)
{
	struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_open("h0", NULL);
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	int err = 0;

	while (err != -ECONNRESET && fg_left_ms(deadline) > 0) {
		ssize_t n = send(g->s.sock, &m, FG_HEADER_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			fg_sleep_us(1000);
		else if (n < 0)
			err = -ECONNRESET;
	}
	assert_int_equal(err, -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(the_right_features_are_offered),
		TEST_CASE(a_message_begun_must_end),
		TEST_CASE(a_message_may_come_byte_by_byte),
		TEST_CASE(messages_may_come_together),
		TEST_CASE(a_size_too_large_is_refused),
		TEST_CASE(a_size_too_small_is_refused),
		TEST_CASE(a_wild_ring_index_is_refused),
		TEST_CASE(ring_sizes_are_powers_of_two),
		TEST_CASE(unknown_requests_are_refused),
		TEST_CASE(wrong_flags_end_the_connection),
		TEST_CASE(request_none_is_ignored),
		TEST_CASE(a_peer_that_does_not_listen_is_hung_up_on),
	};

	return fixture_main("message", CASES(cases));
}
