/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues that are quiet for as long as it takes to be looked at less, and then not at all: no frame waits for another. The
 * pauses lie around the moments at which an lcore goes from one to the other (lcore_tiers.h), and at which it falls asleep;
 * the lcore is kept awake by the victims in some cases, and sleeps in others. A7, A8.
 *
 * For split and packed rings, with and without EVENT_IDX, and with the dirty log on.
 */
#include "fixture.h"

#include <jansson.h>
#include <unistd.h>

#include "dice.h"

enum { FRAMES = 220, LATE_MS = 1000, PAGE = 4096, STEADY_MS = 300, STEADY_US = 80, PAUSE_MS = 10 };

static const uint64_t FORMS[] = {
	FG_FEATURES_DEFAULT,
	FG_FEATURES_DEFAULT & ~FG_F_EVENT_IDX,
	FG_FEATURES_DEFAULT | FG_F_PACKED,
	(FG_FEATURES_DEFAULT | FG_F_PACKED) & ~FG_F_EVENT_IDX,
};
enum { FORMS_N = sizeof(FORMS) / sizeof(FORMS[0]) };

/* Close to one of the thresholds, on either side; in microseconds. */
static uint32_t pause_us(void)
{
	static const uint32_t at[] = {0, 5, 10, 50, 100, 1000, 2000, 50000};
	uint32_t which = dice(64), base = at[which < 63 ? which % 7 : 7];

	return base - base / 8 + dice(base / 4 + 8);
}

/* One frame at a time, which has to be there within LATE_MS. */
static void send_and_wait(struct guest *from, struct guest *to, unsigned int frames)
{
	uint8_t frame[2048];
	struct fg_flow flow = {.id = 860};

	for (unsigned int i = 0; i < frames; i++) {
		uint32_t quiet = pause_us();

		if (quiet > 0)
			fg_sleep_us(quiet);
		fg_flow_build(&flow, to->nic.mac, from->nic.mac, frame, 80);
		OK(fg_nic_send(&from->nic, frame, 80, NULL));
		if (fg_nic_recv(&to->nic, frame, sizeof(frame), LATE_MS) != 80)
			fail_msg("frame %u, after %u us of silence, waits for ever", i, quiet);
		assert_true(fg_flow_check(&flow, frame, 80));
		OK(fg_nic_drain_tx(&from->nic, FG_WAIT_MS));
	}
	assert_true(fg_flow_whole(&flow));
}

/* Everything that is written to the guest is logged from now on, the used rings as well. */
static void log_all(struct guest *g)
{
	struct fg_msg msg = {.request = FG_SET_LOG_BASE, .flags = FG_VERSION, .size = 16};
	uint64_t size = ((GUEST_GPA + GUEST_MEMORY) / PAGE / 8 + 7) & ~7ull;
	int fd = fg_memory_file(size);

	assert_true(fd >= 0);
	msg.log.size = size;
	OK(fg_wire_send(g->s.sock, &msg, &fd, 1));
	OK(fg_wire_recv(g->s.sock, &msg, NULL, FG_WAIT_MS));
	close(fd);
	OK(fg_log_begin(&g->s));
}

static void every_form(bool awake, bool logged)
{
	if (!awake)
		fg_victims_pause(&fixture.victims);
	for (unsigned int i = 0; i < FORMS_N; i++) {
		struct fg_options opt = {.features = FORMS[i]};
		struct guest *a, *b;

		if (logged)
			opt.protocol = FG_PROTOCOL_DEFAULT | FG_P_LOG_SHMFD;
		a = guest_run("h0", &opt);
		b = guest_run("h1", &opt);
		settle(b, a);
		if (logged) {
			log_all(a);
			log_all(b);
		}
		send_and_wait(a, b, FRAMES);
		guest_close(a);
		guest_close(b);
	}
	if (!awake)
		OK(fg_victims_run(&fixture.victims));
}

static void no_frame_waits_while_the_lcore_is_awake(void **state)
{
	every_form(true, false);
}

static void no_frame_waits_while_it_sleeps(void **state)
{
	every_form(false, false);
}

static void no_frame_waits_with_a_dirty_log(void **state)
{
	every_form(true, true);
}

static void no_frame_waits_while_it_sleeps_with_a_dirty_log(void **state)
{
	every_form(false, true);
}

/* A queue that goes and comes back in any of its states. */
static void a_ring_that_stops_and_starts(void **state)
{
	for (unsigned int i = 0; i < FORMS_N; i++) {
		const struct fg_options opt = {.features = FORMS[i]};
		struct guest *a = guest_run("h0", &opt), *b = guest_run("h1", &opt);

		settle(b, a);
		for (unsigned int round = 0; round < 12; round++) {
			fg_sleep_us(pause_us() + (round % 4 == 0 ? 30000 : 0));
			guest_restart(a);
			send_and_wait(a, b, 3);
		}
		guest_close(a);
		guest_close(b);
	}
}

/* Without a kick descriptor there is nobody to wake an lcore; while it is awake the queue's word is looked at all the time. */
static void a_queue_without_a_kick(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);

	settle(b, a);
	OK(fg_request_u64(&a->s, FG_SET_VRING_KICK, FG_NOFD | 1));
	send_and_wait(a, b, FRAMES);
	fg_sleep_us(50000);
	send_and_wait(a, b, 1);
	fg_victims_pause(&fixture.victims);
	send_and_wait(a, b, FRAMES / 2);
	OK(fg_victims_run(&fixture.victims));
}

/* How often lcores have slept. */
static uint64_t sleeps(void)
{
	json_t *answer = fg_switch_query(&fixture.sw, "lcores", NULL), *lcore;
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "lcores"), i, lcore)
		sum += (uint64_t)json_integer_value(json_object_get(lcore, "sleeps"));
	json_decref(answer);
	return sum;
}

/* A kick is an exit of the VM: who sends thousands of frames a second is not made to while its lcore is awake. On a machine
 * that others use it is not always: once a sleep, then, and after a pause of this process in which the queue became cold. */
static void a_steady_sender_does_not_kick(void **state)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	int64_t end = fg_now_ms() + STEADY_MS, last = fg_now_ms();
	struct fg_flow flow = {.id = 861};
	unsigned int sent = 0;
	uint64_t kicks, may;
	uint8_t frame[2048];

	settle(b, a);
	kicks = a->nic.tx->kicks;
	may = 3 - sleeps();
	while (last < end) {
		fg_flow_build(&flow, b->nic.mac, a->nic.mac, frame, 80);
		OK(fg_nic_send(&a->nic, frame, 80, NULL));
		assert_int_equal(fg_nic_recv(&b->nic, frame, sizeof(frame), FG_WAIT_MS), 80);
		OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
		fg_sleep_us(STEADY_US);
		sent++;
		may += fg_now_ms() - last > PAUSE_MS;
		last = fg_now_ms();
	}
	may += sleeps();
	kicks = a->nic.tx->kicks - kicks;
	print_message("%u frames, %u kicks, which may be %u\n", sent, (unsigned int)kicks, (unsigned int)may);
	assert_true(kicks <= may);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(no_frame_waits_while_the_lcore_is_awake),
		TEST_CASE(no_frame_waits_while_it_sleeps),
		TEST_CASE(no_frame_waits_with_a_dirty_log),
		TEST_CASE(no_frame_waits_while_it_sleeps_with_a_dirty_log),
		TEST_CASE(a_ring_that_stops_and_starts),
		TEST_CASE(a_queue_without_a_kick),
		TEST_CASE(a_steady_sender_does_not_kick),
	};

	return fixture_main("quiet", CASES(cases));
}
