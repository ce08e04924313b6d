/* SPDX-License-Identifier: BSD-3-Clause */
/* Postcopy: pages that take their time, and pages that never come. The guest that asked for them waits;
 * nothing else does: not two guests on the same lcore, not the conversation of another port, not
 * the removal of the one that waits.
 */
#include "migration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SECOND_US = 1000000,
	/* What is to take 100 ms, on a machine that has other things to do. */
	SOON_MS = 2000,
	/* Less than the longest page takes: an lcore that waits for one is silent for longer. */
	SLOW_US = 2500000,
	SILENCE_US = 2000000,
	FEW = 3,
};

/* The victims' longest silence since they began, when they have stopped. */
static uint64_t victims_silence(void)
{
	OK(fg_victims_pause(&fixture.victims));
	return fixture.victims.longest_us;
}

static void assert_victims_went_on(void)
{
	uint64_t frames, silence = victims_silence();

	frames = fixture.victims.frames;
	print_message("victims: %llu frames, longest silence %llu us\n", (unsigned long long)frames,
		      (unsigned long long)silence);
	if (silence > SILENCE_US)
		fail_msg("the victims were silent for %llu us", (unsigned long long)silence);
	OK(fg_victims_run(&fixture.victims));
}

/* The first frames, one page after the other, each @delay_us late; @n of them while all that is said has
 * been answered, so that the thread that waits is one that moves frames. */
static void wait_for_pages(long delay_us, unsigned int n)
{
	uint64_t faults;

	migration_arrive("h0", guest_run("h1", NULL), &(struct migration_options){.delay_us = delay_us});
	faults = atomic_load(&migration.pager.faults);
	OK(fg_pager_await_faults(&migration.pager, faults + n, FG_WAIT_MS));
	assert_victims_went_on();
	fg_pager_set_delay(&migration.pager, 0);
	migration_traffic();
	migration_await(100);
	migration_end();
	migration_drain();
	migration_check();
}

static void victims_never_wait(void **state)
{
	wait_for_pages(100, 20);
	migration_close();
	guest_close(migration.peer);
	wait_for_pages(10000, 20);
	migration_close();
	guest_close(migration.peer);
	wait_for_pages(SLOW_US, 2);
}

/* No fault is answered. Much is sent to the guest meanwhile: its lane fills up, and frames are dropped there. */
static void victims_never_wait_for_what_never_comes(void **state)
{
	enum { MANY = 20000, LENGTH = 1000 };
	static uint8_t frame[LENGTH];
	struct guest *peer = guest_run("h1", NULL);
	struct fg_flow flow = {.id = 9};

	migration_arrive("h0", peer, &(struct migration_options){.delay_us = 1000});
	OK(fg_pager_await_faults(&migration.pager, 1, FG_WAIT_MS));
	await_known(migration.g);
	fg_pager_set_delay(&migration.pager, FG_NEVER_US);
	for (unsigned int i = 0; i < MANY; i++) {
		fg_flow_build(&flow, migration.g->nic.mac, peer->nic.mac, frame, LENGTH);
		while (fg_nic_send(&peer->nic, frame, LENGTH, NULL) == -EAGAIN)
			OK(fg_ring_wait(peer->nic.tx, FG_WAIT_MS));
	}
	OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS)); /* the sender is not held up either */
	fg_sleep_us(SLOW_US);
	assert_victims_went_on();
	migration_close();
	await_lanes(0);
}

/* The page comes after all, however late: what waited goes on, nothing was lost. */
static void what_waits_goes_on_when_the_page_comes(void **state)
{
	migration_arrive("h0", guest_run("h1", NULL), &(struct migration_options){.delay_us = FG_NEVER_US});
	fg_sleep_us(SECOND_US);
	assert_int_equal(atomic_load(&migration.pager.faults), 0);
	fg_pager_set_delay(&migration.pager, 0);
	migration_traffic();
	migration_await(200);
	migration_end();
	migration_drain();
	migration_check();
}

/* `vusctl port` names the request and the one step it waits for. */
static void expect_waiting(const char *port, const char *request, const char *step)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const json_t *waiting = json_object_get(json_object_get(answer, "port"), "waiting");
	const json_t *steps = json_object_get(waiting, "for");

	assert_string_equal(json_string_value(json_object_get(waiting, "request")), request);
	assert_int_equal(json_array_size(steps), 1);
	assert_string_equal(json_string_value(json_array_get(steps, 0)), step);
	json_decref(answer);
}

static void expect_nothing_waiting(const char *port)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);

	assert_true(json_is_null(json_object_get(json_object_get(answer, "port"), "waiting")));
	json_decref(answer);
}

/* While one conversation waits for GET_VRING_BASE, all others go on; and it is answered when the
 * pages come. */
static void a_pause_waits_alone(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	struct fg_msg m = {.request = FG_GET_VRING_BASE, .flags = FG_VERSION, .size = 8};
	struct fg_msg answer;
	int err;

	migration_arrive("h0", peer, &(struct migration_options){.delay_us = FG_NEVER_US});
	fg_sleep_us(100000);
	m.state.index = 1;
	OK(fg_wire_send(migration.g->s.sock, &m, NULL, 0));
	for (unsigned int i = 0; i < 100; i++) {
		int64_t began = fg_now_ms();

		OK(fg_barrier(&peer->s));
		assert_true(fg_now_ms() - began < SOON_MS);
	}
	err = fg_wire_recv(migration.g->s.sock, &answer, NULL, 100);
	if (err == -ETIMEDOUT) {
		expect_waiting("h0", "GET_VRING_BASE", "lane to answer");
		fg_pager_set_delay(&migration.pager, 0);
		err = fg_wire_recv(migration.g->s.sock, &answer, NULL, SOON_MS);
	}
	OK(err);
	assert_int_equal(answer.request, FG_GET_VRING_BASE);
	expect_nothing_waiting("h0");
	assert_int_equal(answer.size, 8);
	assert_int_equal(answer.state.num, fg_ring_base(&migration.g->s.ring[1]));
	fg_pager_set_delay(&migration.pager, 0);
	OK(fg_start_ring(&migration.g->s, 1, (uint16_t)answer.state.num));
	migration_traffic();
	migration_await(100);
	migration_end();
	migration_drain();
	migration_check();
}

/* A pause waits for pages of frames that are in hand, and of no others, however many wait in the rings. */
static void a_pause_waits_for_one_burst(void **state)
{
	enum { LATE_US = 30000, IN_HAND = 80 };

	migration_arrive("h0", guest_run("h1", NULL),
		     &(struct migration_options){.delay_us = LATE_US, .waiting = 120});
	OK(fg_pager_await_faults(&migration.pager, 4, FG_WAIT_MS));
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t faults = atomic_load(&migration.pager.faults);
		int64_t began = fg_now_ms();

		OK(fg_stop_ring(&migration.g->s, i, &migration.base[i]));
		faults = atomic_load(&migration.pager.faults) - faults;
		print_message("ring %u stopped after %d ms and %llu pages\n", i,
			      (int)(fg_now_ms() - began), (unsigned long long)faults);
		assert_true(faults <= IN_HAND);
		assert_true(fg_now_ms() - began <= (int64_t)(faults + 2) * LATE_US / 1000 + SOON_MS);
	}
	fg_pager_set_delay(&migration.pager, 0);
	for (unsigned int i = 0; i < 2; i++)
		OK(fg_start_ring(&migration.g->s, i, migration.base[i]));
	migration_traffic();
	migration_await(100);
	migration_end();
	migration_drain();
	migration_check();
}

static uint64_t blocks(const struct guest *g)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < g->mem.n; i++) {
		struct stat st;

		OK(fstat(g->mem.region[i].fd, &st));
		n += (uint64_t)st.st_blocks;
	}
	return n;
}

/* Whether a front end gets as far as running rings with the memory it has. */
static bool may_run(struct guest *g, const char *port)
{
	int err;

	g->s.sock = fg_wire_connect(fg_switch_socket(&fixture.sw, port), FG_WAIT_MS);
	assert_true(g->s.sock >= 0);
	err = fg_negotiate(&g->s);
	if (err == 0)
		err = fg_send_features(&g->s);
	if (err == 0)
		err = fg_send_memory(&g->s);
	for (unsigned int i = 0; err == 0 && i < 2; i++)
		err = fg_start_ring(&g->s, i, migration.base[i]);
	return err == 0;
}

/* A front end that lost its connection before END comes back with an ordinary table of the same
 * memory, of which pages are still missing: touching them would make zeros of them. It is
 * turned away, told why, and nothing is touched; another machine is welcome. */
static void memory_that_is_half_there_is_never_touched(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	uint64_t allocated;

	migration_arrive("h0", peer, &(struct migration_options){.regions = 2, .delay_us = 1000});
	OK(fg_pager_await_faults(&migration.pager, FEW, FG_WAIT_MS));
	fg_pager_set_delay(&migration.pager, FG_NEVER_US);
	fg_session_drop(&migration.g->s);
	await_lanes(0);
	fg_pager_watch(&migration.pager, -1);
	/* A page that was on its way may still be placed, from our own side. */
	do {
		allocated = blocks(migration.g);
		fg_sleep_us(200000);
	} while (blocks(migration.g) != allocated);
	for (unsigned int i = 0; i < 3; i++) {
		bool runs = may_run(migration.g, "h0");

		fg_sleep_us(100000);
		if (blocks(migration.g) != allocated)
			fail_msg("%llu blocks became %llu", (unsigned long long)allocated,
				 (unsigned long long)blocks(migration.g));
		assert_false(runs);
		assert_non_null(strstr(port_state("h0"), "postcopy"));
		fg_session_drop(&migration.g->s);
	}
	assert_true(log_lines("postcopy") > 0);
	migration_abandon();
	guest_close(migration.g);
	assert_traffic(guest_run("h0", NULL), peer, 5, 300);
}

/* Disconnected with faults pending: the port is free at once, and nothing remains. */
static void a_connection_may_end_at_any_time(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	struct fg_usage before;

	OK(fg_switch_usage(&fixture.sw, &before));
	for (unsigned int i = 0; i < 12; i++) {
		int64_t began;

		migration_open("h0", peer,
			   &(struct migration_options){
				   .delay_us = i % 3 == 0 ? FG_NEVER_US : i % 3 == 1 ? 1000 : 0});
		if (i % 4 > 0)
			OK(fg_postcopy_advise(&migration.g->s, &migration.pager));
		if (i % 4 > 1)
			OK(fg_postcopy_listen(&migration.g->s));
		if (i % 4 > 2)
			migration_start();
		fg_sleep_us(i * 3000);
		began = fg_now_ms();
		fg_session_drop(&migration.g->s);
		await_lanes(0);
		assert_true(fg_now_ms() - began < SOON_MS);
		migration_close();
		assert_held_as(&before, 0);
	}
}

/* The front end dies at any of its messages. */
static void a_front_end_may_die_at_any_message(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	bool whole = false;

	for (int n = 0; n < 40 && !whole; n++) {
		int err;

		migration_open("h0", peer, &(struct migration_options){.regions = 2});
		fg_wire_fuse(n);
		err = fg_postcopy_advise(&migration.g->s, &migration.pager);
		if (err == 0)
			err = fg_postcopy_listen(&migration.g->s);
		if (err == 0)
			err = fg_postcopy_start(&migration.g->s, &migration.pager, migration.base);
		if (err == 0)
			err = fg_postcopy_end(&migration.g->s, &migration.pager);
		fg_wire_fuse(-1);
		whole = err == 0;
		migration_close();
		await_lanes(0);
	}
	assert_true(whole);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		MIGRATION_CASE(victims_never_wait),
		MIGRATION_CASE(victims_never_wait_for_what_never_comes),
		MIGRATION_CASE(what_waits_goes_on_when_the_page_comes),
		MIGRATION_CASE(a_pause_waits_alone),
		MIGRATION_CASE(a_pause_waits_for_one_burst),
		MIGRATION_CASE(memory_that_is_half_there_is_never_touched),
		MIGRATION_CASE(a_connection_may_end_at_any_time),
		MIGRATION_CASE(a_front_end_may_die_at_any_message),
	};

	return migration_main("postcopy, waiting", CASES(cases));
}
