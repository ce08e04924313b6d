/* SPDX-License-Identifier: BSD-3-Clause */
/* One of two lcores stands still in the middle of a burst. A request of a VM is answered if that lcore cannot hold its device,
 * and waits if it can: M14. The other lcore has the VM "good" and the victims, each pair on a bridge of its own.
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fg_halt.h"

/* An answer comes within the first; what waits for the lcore is watched for the second. */
enum { SOON_MS = 1000, WATCHED_MS = 300, TRIES_MAX = 50, FRAMES = 200 };

static struct guest *good, *held, *beside;
static pid_t halted;

/* Whether the poll set of lcore @index has a queue of @port. */
static bool polls(unsigned int index, const char *port)
{
	json_t *answer = fg_switch_query(&fixture.sw, "lcores", NULL);
	const json_t *set = json_object_get(json_array_get(json_object_get(answer, "lcores"), index), "polls"), *queue;
	bool found = false;
	size_t i;

	json_array_foreach(set, i, queue)
		found |= strcmp(json_string_value(json_object_get(queue, "port")), port) == 0;
	json_decref(answer);
	return found;
}

static void await_polled(unsigned int index, const char *port, bool polled)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (polls(index, port) != polled) {
		if (fg_left_ms(deadline) <= 0)
			fail_msg("%s %s polled by lcore %u", port, polled ? "is not" : "is", index + 1);
		fg_sleep_us(1000);
	}
}

/* A queue joins the lcore with the fewest queues: one port that goes again makes room at the second one. */
static int guests_spread(void **state)
{
	struct guest *other;

	if (fixture_open(state) != 0)
		return -1;
	OK(fg_victims_pause(&fixture.victims));
	fg_victims_stop(&fixture.victims);
	await_polled(0, "v0", false);
	await_polled(1, "v1", false);
	held = guest_run("h0", NULL);
	await_polled(0, "h0", true);
	good = guest_open_regions("good", NULL, 2);
	guest_start(good, NULL);
	await_polled(1, "good", true);
	beside = guest_run("h2", NULL);
	await_polled(0, "h2", true);
	other = guest_run("x", NULL);
	await_polled(1, "x", true);
	guest_run("h3", NULL);
	await_polled(0, "h3", true);
	guest_close(other);
	await_polled(1, "x", false);
	OK(fg_victims_start(&fixture.victims, &fixture.sw, "v0", "v1"));
	await_polled(1, "v0", true);
	await_polled(1, "v1", true);
	OK(fg_victims_run(&fixture.victims));
	return 0;
}

static void send_disable(struct guest *g, bool enable)
{
	const struct fg_msg m = {.request = FG_SET_VRING_ENABLE,
				 .flags = FG_VERSION | FG_NEED_REPLY,
				 .size = 8,
				 .state = {.index = 0, .num = enable}};

	OK(fg_wire_send(g->s.sock, &m, NULL, 0));
}

static bool is_answered(struct guest *g, int ms)
{
	struct fg_msg answer;

	return fg_wire_recv(g->s.sock, &answer, NULL, ms) >= 0;
}

/* The first lcore stands in a round, and a request to a port it delivers to waits. */
static void halt(void)
{
	uint8_t frame[1500];
	struct fg_flow flow = {.id = 77};

	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		int err;

		for (unsigned int n = 0; n < FRAMES; n++) {
			fg_flow_build(&flow, beside->nic.mac, held->nic.mac, frame, sizeof(frame));
			if (fg_nic_queue(&held->nic, frame, sizeof(frame), NULL) != 0)
				break;
		}
		fg_nic_flush(&held->nic);
		err = fg_halt(fixture.sw.pid, "worker-1", &halted);
		if (err == -EPERM)
			skip();
		OK(err);
		send_disable(beside, false);
		if (!is_answered(beside, WATCHED_MS))
			return;
		OK(fg_halt_end(halted));
		send_disable(beside, true);
		assert_true(is_answered(beside, FG_WAIT_MS));
		OK(fg_nic_drain_tx(&held->nic, FG_WAIT_MS));
	}
	fail_msg("the lcore was never in a burst");
}

static void let_go(void)
{
	assert_false(is_answered(beside, 1));
	OK(fg_victims_pause(&fixture.victims));
	print_message("victims: longest gap %d us\n", (int)fixture.victims.longest_us);
	assert_true(fixture.victims.longest_us < SOON_MS * 1000);
	OK(fg_halt_end(halted));
	assert_true(is_answered(beside, FG_WAIT_MS));
	send_disable(beside, true);
	assert_true(is_answered(beside, FG_WAIT_MS));
	OK(fg_victims_run(&fixture.victims));
}

/* Run while the lcore stands; it took so long. */
static void assert_soon(const char *what, int64_t began)
{
	int64_t took = fg_now_ms() - began;

	if (took > SOON_MS) {
		fg_halt_end(halted);
		fail_msg("%s of a VM took %d ms while an lcore stood that cannot hold its device", what, (int)took);
	}
	print_message("%s: %d ms\n", what, (int)took);
}

#define SOON(what, request)                                                                        \
	do {                                                                                       \
		int64_t began = fg_now_ms();                                                       \
		OK(request);                                                                       \
		assert_soon(what, began);                                                          \
	} while (0)

static void requests_wait_for_no_other_lcore(void **state)
{
	uint16_t base;

	halt();
	SOON("REM_MEM_REG", fg_remove_region(&good->s, 1));
	SOON("ADD_MEM_REG", fg_add_region(&good->s, 1));
	SOON("SET_VRING_ENABLE 0", fg_request_state(&good->s, FG_SET_VRING_ENABLE, 0, 0));
	SOON("SET_VRING_ENABLE 1", fg_request_state(&good->s, FG_SET_VRING_ENABLE, 0, 1));
	for (int i = 0; i < 10; i++)
		SOON("SET_VRING_CALL", fg_send_call(&good->s, 0));
	SOON("GET_VRING_BASE", fg_ask_base(&good->s, 0, &base));
	SOON("GET_VRING_BASE", fg_ask_base(&good->s, 1, &base));
	let_go();
}

/* Its rings end and begin, its front end goes and comes, and the guest's frames are taken all the while. */
static void rings_and_connections_wait_for_no_other_lcore(void **state)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9};
	int64_t began;

	halt();
	for (int i = 0; i < 3; i++) {
		began = fg_now_ms();
		guest_restart(good);
		OK(fg_nic_send(&good->nic, frame, sizeof(frame), NULL));
		OK(fg_nic_drain_tx(&good->nic, FG_WAIT_MS));
		assert_soon("the restart of the rings", began);
	}
	began = fg_now_ms();
	guest_close(good);
	good = guest_run("good", NULL);
	OK(fg_nic_send(&good->nic, frame, sizeof(frame), NULL));
	OK(fg_nic_drain_tx(&good->nic, FG_WAIT_MS));
	assert_soon("a new connection", began);
	let_go();
}

int main(void)
{
	static const char *const ports[] = {"v0,bridge=v",     "v1,bridge=v",	 "h0,bridge=held", "h2,bridge=held",
					    "h3,bridge=held", "good,bridge=own", "x,bridge=own",   "h1,bridge=held", NULL};
	/* An lcore that sleeps is waited for by nobody, and one that may sleep is asleep soon after its last frame. */
	static const char *const args[] = {"--busy-poll", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args, .lcores = "0@0,1@0,2@1"};
	const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(requests_wait_for_no_other_lcore, guests_spread, fixture_check),
		cmocka_unit_test_setup_teardown(rings_and_connections_wait_for_no_other_lcore, guests_spread, fixture_check),
	};

	fixture.with_victims = true;
	return fixture_main_on(&opt, "readers", CASES(cases));
}
