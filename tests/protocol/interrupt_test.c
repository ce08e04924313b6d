/* SPDX-License-Identifier: BSD-3-Clause */
/* Kicks and interrupts (virtio 1.2, 2.7.7 to 2.7.10): none is lost, none comes that the guest asked
 * not to have, and a switch that sleeps when idle wakes up for the first frame. The other
 * test cases rely on interrupts too: the fake guest never looks at a ring without one.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void send_one(struct guest *a, struct guest *b)
{
	static struct fg_flow flow = {.id = 800};
	uint8_t frame[80];

	fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
	OK(fg_nic_send(&a->nic, frame, sizeof(frame), NULL));
	OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
}

/* The switch has given @n buffers back that the driver has not yet taken. */
static void await_used(const struct fg_ring *r, uint16_t n)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while ((uint16_t)(fg_ring_used_idx(r) - r->last_used) < n && fg_left_ms(deadline) > 0)
		fg_sleep_us(200);
	assert_int_equal((uint16_t)(fg_ring_used_idx(r) - r->last_used), n);
	fg_sleep_us(2000); /* an interrupt, if any, comes after the index */
}

/* The switch falls asleep after about a millisecond of silence. Frames that come just before, just
 * then and just after all arrive, with no more kicks than it asked for. */
static void silence_of_any_length_is_survived(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);

	fg_victims_pause(&fixture.victims); /* so that it does fall asleep */
	for (unsigned int i = 0; i < 300; i++) {
		fg_sleep_us(i * 17 % 4001);
		assert_traffic(i % 2 ? a : b, i % 2 ? b : a, 1, 64 + i);
	}
	fg_sleep_us(300000);
	assert_traffic(a, b, 1, 64);
	OK(fg_victims_run(&fixture.victims));
}

/* The same without EVENT_IDX: flags instead of indexes. */
static void flags_instead_of_indexes_work(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct guest *a = guest_run("h0", &plain);
	struct guest *b = guest_run("h1", &plain);

	fg_victims_pause(&fixture.victims);
	for (unsigned int i = 0; i < 300; i++) {
		fg_sleep_us(i * 17 % 4001);
		assert_traffic(i % 2 ? a : b, i % 2 ? b : a, 1, 64 + i);
	}
	OK(fg_victims_run(&fixture.victims));
}

/* NO_INTERRUPT: buffers come back in silence. */
static void the_no_interrupt_flag_is_respected(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct guest *a = guest_run("h0", &plain);
	struct guest *b = guest_run("h1", &plain);
	uint8_t frame[2048];

	assert_traffic(a, b, 1, 100);
	__atomic_store_n(&b->nic.rx->avail->flags, FG_NO_INTERRUPT, __ATOMIC_SEQ_CST);
	fg_sleep_us(20000);
	fg_ring_take_interrupts(b->nic.rx);
	for (unsigned int i = 0; i < 20; i++)
		send_one(a, b);
	await_used(b->nic.rx, 20);
	assert_int_equal(fg_ring_take_interrupts(b->nic.rx), 0);
	__atomic_store_n(&b->nic.rx->avail->flags, 0, __ATOMIC_SEQ_CST);
	send_one(a, b);
	for (unsigned int i = 0; i < 21; i++)
		assert_int_equal(fg_nic_recv(&b->nic, frame, sizeof(frame), FG_WAIT_MS), 80);
	assert_true(fg_ring_take_interrupts(b->nic.rx) + b->nic.rx->interrupts > 0);
}

/* EVENT_IDX: no interrupt before the index the guest named, and one when it is passed. */
static void the_event_index_is_respected(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	struct fg_ring *rx = b->nic.rx;
	uint16_t *used_event = &rx->avail->ring[rx->num];

	assert_traffic(a, b, 1, 100);
	__atomic_store_n(used_event, (uint16_t)(rx->last_used + 9), __ATOMIC_SEQ_CST);
	fg_sleep_us(20000);
	fg_ring_take_interrupts(rx);
	for (unsigned int i = 0; i < 9; i++)
		send_one(a, b);
	await_used(rx, 9);
	assert_int_equal(fg_ring_take_interrupts(rx), 0);
	send_one(a, b);
	await_used(rx, 10);
	assert_int_equal(fg_ring_take_interrupts(rx), 1);
	for (unsigned int i = 0; i < 5; i++)
		send_one(a, b);
	await_used(rx, 15);
	assert_int_equal(fg_ring_take_interrupts(rx), 0);
}

/* The interrupt may change on a live ring: the old descriptor falls silent, the new one is
 * signalled once at once (something may have been missed), and for every frame after. */
static void the_interrupt_may_change(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);

	for (unsigned int i = 0; i < 100; i++) {
		int fresh = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		assert_true(fresh >= 0);
		OK(fg_request_fd(&b->s, FG_SET_VRING_CALL, 0, fresh));
		close(b->nic.rx->call);
		b->nic.rx->call = fresh;
		assert_int_equal(
			poll(&(struct pollfd){.fd = fresh, .events = POLLIN}, 1, FG_WAIT_MS), 1);
		assert_traffic(a, b, 2, 100);
	}
}

/* A guest may want none: frames arrive, nothing is signalled. */
static void a_ring_may_have_no_interrupt(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	uint8_t frame[2048];

	OK(fg_request_u64(&b->s, FG_SET_VRING_CALL, FG_NOFD | 0));
	fg_ring_take_interrupts(b->nic.rx);
	for (unsigned int i = 0; i < 10; i++)
		send_one(a, b);
	await_used(b->nic.rx, 10);
	assert_int_equal(fg_ring_take_interrupts(b->nic.rx), 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(fg_nic_recv(&b->nic, frame, sizeof(frame), FG_WAIT_MS), 80);
	OK(fg_request_fd(&b->s, FG_SET_VRING_CALL, 0, b->nic.rx->call));
	assert_traffic(a, b, 3, 100);
}

/* A driver that never kicks: legal when kicks come as NOFD, and then the switch looks by itself. */
static void a_ring_may_have_no_kick(void **state)
{
	struct guest *a = guest_open("h0", NULL);
	struct guest *b = guest_run("h1", NULL);

	OK(fg_send_features(&a->s));
	OK(fg_send_memory(&a->s));
	for (uint32_t i = 0; i < 2; i++) {
		fg_ring_reset(&a->s.ring[i], true);
		OK(fg_request_state(&a->s, FG_SET_VRING_NUM, i, 256));
		OK(fg_request_state(&a->s, FG_SET_VRING_BASE, i, 0));
		OK(fg_send_addr(&a->s, i));
		OK(fg_request_u64(&a->s, FG_SET_VRING_KICK, FG_NOFD | i));
		OK(fg_send_call(&a->s, i));
	}
	OK(fg_nic_init(&a->nic, &a->s, 0, 4712, NULL));
	OK(fg_nic_fill(&a->nic));
	fg_victims_pause(&fixture.victims);
	for (unsigned int i = 0; i < 20; i++) {
		fg_sleep_us(5000);
		assert_traffic(a, b, 1, 100);
		assert_traffic(b, a, 1, 100);
	}
	OK(fg_victims_run(&fixture.victims));
}

/* Frames posted before the kick descriptor is set are sent: the start looks at the ring. */
static void what_is_posted_before_the_start_is_sent(void **state)
{
	struct guest *a = guest_open("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 801};
	uint8_t frame[2048];

	OK(fg_send_features(&a->s));
	OK(fg_send_memory(&a->s));
	for (uint32_t i = 0; i < 2; i++)
		fg_ring_reset(&a->s.ring[i], true);
	OK(fg_nic_init(&a->nic, &a->s, 0, 4713, NULL));
	fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, 100);
	OK(fg_nic_queue(&a->nic, frame, 100, NULL));
	fg_ring_publish(a->nic.tx); /* and no kick */
	OK(fg_start_ring(&a->s, 0, 0));
	OK(fg_start_ring(&a->s, 1, 0));
	assert_int_equal(fg_nic_recv(&b->nic, frame, sizeof(frame), FG_WAIT_MS), 100);
	assert_true(fg_flow_check(&flow, frame, 100));
}

/* A6. A kick descriptor that is always readable costs other ports nothing. */
static void a_storm_of_kicks_costs_others_nothing(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	int64_t deadline = fg_deadline(500);

	while (fg_left_ms(deadline) > 0) {
		for (unsigned int i = 0; i < 1000; i++) {
			eventfd_write(a->nic.tx->kick, 0xffffff);
			eventfd_write(a->nic.rx->kick, 0xffffff);
		}
		assert_traffic(a, b, 1, 100);
	}
}

/* L5. An interrupt descriptor whose counter is at its end: writing it would wait for ever.
 */
static void a_full_interrupt_counter_blocks_no_lcore(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	struct guest *b = guest_run("h1", NULL);
	int full = eventfd(0, EFD_CLOEXEC); /* blocking, as a front end may leave it */

	assert_true(full >= 0);
	settle(b, a);
	OK(eventfd_write(full, 0xfffffffffffffffe));
	OK(fg_request_fd(&b->s, FG_SET_VRING_CALL, 0, full));
	OK(fg_request_fd(&a->s, FG_SET_VRING_CALL, 1, full));
	for (unsigned int i = 0; i < 50; i++) {
		uint8_t frame[80];
		struct fg_flow flow = {.id = 802};

		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, sizeof(frame));
		OK(fg_nic_send(&a->nic, frame, sizeof(frame), NULL));
		fg_sleep_us(500);
	}
	await_used(b->nic.rx, 50);
	OK(fg_session_stop(&b->s)); /* and it can be stopped */
	close(full);
}

/* Of a descriptor that the switch has made non-blocking, and whose flags are the front end's as well. */
static void make_it_block(int fd)
{
	uint64_t count;

	OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK));
	assert_true(eventfd_write(fd, 1) == 0 && read(fd, &count, sizeof(count)) == sizeof(count));
	OK(eventfd_write(fd, 0xfffffffffffffffe));
}

static bool state_says(const char *port, const char *what)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const json_t *state = json_object_get(json_object_get(answer, "port"), "state");
	bool says = json_is_string(state) && strstr(json_string_value(state), what) != NULL;

	json_decref(answer);
	return says;
}

static void assert_cut_off(struct guest *g)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	assert_true(fg_wire_closed(g->s.sock, FG_WAIT_MS));
	while (!state_says(g->port, "blocks whoever writes it")) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(2000);
	}
}

/* L5. The front end takes back that its interrupt does not block, and fills it. The write is broken off, and the port is
 * taken down; who has a queue on the same lcore waits some milliseconds at most, and loses nothing. */
static void an_interrupt_that_blocks_ends_its_port(void **state)
{
	struct guest *b = guest_run("h1", NULL);

	for (uint32_t ring = 0; ring < 2; ring++) {
		struct guest *a = guest_run("h0", NULL);
		struct guest *from = ring == 0 ? b : a, *to = ring == 0 ? a : b;
		struct fg_flow flow = {.id = 803};
		uint8_t frame[80];

		assert_traffic(a, b, 1, 100);
		make_it_block(a->s.ring[ring].call);
		a->s.ring[ring].avail->ring[a->s.ring[ring].num] = a->s.ring[ring].last_used;
		fg_flow_build(&flow, to->nic.mac, from->nic.mac, frame, sizeof(frame));
		OK(fg_nic_send(&from->nic, frame, sizeof(frame), NULL));
		assert_cut_off(a);
		guest_close(a);
	}
	print_message("the longest round of an lcore took %.0f us\n",
		      fg_longest_round_us(&fixture.sw, false));
}

/* The same with what the control thread writes: the error descriptor of a ring that broke. */
static void an_error_descriptor_that_blocks_ends_its_port(void **state)
{
	struct guest *a = guest_run("h0", NULL);
	int64_t began;

	make_it_block(a->s.ring[1].err);
	a->nic.tx->avail->idx = (uint16_t)(a->nic.tx->avail->idx + 30000);
	fg_ring_kick_now(a->nic.tx);
	began = fg_now_ms();
	assert_cut_off(a);
	print_message("cut off within %d ms\n", (int)(fg_now_ms() - began));
}

enum { CHANGES = 1000 };

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* QEMU 10.2 waits for the acknowledgement, with a vCPU, at each change of an interrupt's mask. It takes no longer than any other
 * question does, whatever the lcore has to do: the victims keep it busy. */
static void a_change_of_an_interrupt_waits_for_no_lcore(void **state)
{
	static uint64_t call[CHANGES], err[CHANGES], question[CHANGES];
	struct guest *g = guest_run("h0", NULL);

	for (unsigned int i = 0; i < CHANGES; i++) {
		uint64_t began = fg_now_us();

		OK(fg_barrier(&g->s));
		question[i] = fg_now_us() - began;
		began = fg_now_us();
		OK(fg_send_call(&g->s, i % 2));
		call[i] = fg_now_us() - began;
		began = fg_now_us();
		OK(fg_request_fd(&g->s, FG_SET_VRING_ERR, i % 2, g->s.ring[i % 2].err));
		err[i] = fg_now_us() - began;
		fg_sleep_us(300);
	}
	qsort(question, CHANGES, sizeof(question[0]), by_size);
	qsort(call, CHANGES, sizeof(call[0]), by_size);
	qsort(err, CHANGES, sizeof(err[0]), by_size);
	print_message("p50 / p99, us: call %lu / %lu, err %lu / %lu, any question %lu / %lu\n", call[CHANGES / 2],
		      call[CHANGES * 99 / 100], err[CHANGES / 2], err[CHANGES * 99 / 100], question[CHANGES / 2],
		      question[CHANGES * 99 / 100]);
	assert_true(call[CHANGES / 2] <= 3 * question[CHANGES / 2] + 50);
	assert_true(err[CHANGES / 2] <= 3 * question[CHANGES / 2] + 50);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(silence_of_any_length_is_survived),
		TEST_CASE(flags_instead_of_indexes_work),
		TEST_CASE(the_no_interrupt_flag_is_respected),
		TEST_CASE(the_event_index_is_respected),
		TEST_CASE(the_interrupt_may_change),
		TEST_CASE(a_change_of_an_interrupt_waits_for_no_lcore),
		TEST_CASE(a_ring_may_have_no_interrupt),
		TEST_CASE(a_ring_may_have_no_kick),
		TEST_CASE(what_is_posted_before_the_start_is_sent),
		TEST_CASE(a_storm_of_kicks_costs_others_nothing),
		TEST_CASE(a_full_interrupt_counter_blocks_no_lcore),
		TEST_CASE(an_interrupt_that_blocks_ends_its_port),
		TEST_CASE(an_error_descriptor_that_blocks_ends_its_port),
	};

	return fixture_main("interrupt", CASES(cases));
}
