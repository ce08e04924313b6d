/* SPDX-License-Identifier: BSD-3-Clause */
/* L6. Postcopy hands the front end a userfaultfd, and with it power over the address space it was made
 * in: its holder may stall any access there and fill what is missing with what it likes. Here it
 * does, knowing every address; and the lane itself turns against the switch, dies, or does not move.
 * It costs the one port. The victims on the same lcore lose nothing, and the next guest is served.
 */
#include "migration.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECOND_US = 1000000, DOWN_MS = 15000, PAGE = 4096, FILLED = 16 << 20 };

/* A mapping of the lane, as /proc tells. */
struct span {
	uint64_t from, to;
	char what[96]; /* permissions and name */
};
enum { SPANS_MAX = 256 };

static unsigned int spans_of(pid_t lane, struct span spans[SPANS_MAX])
{
	char path[64], line[512];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)lane);
	f = fopen(path, "r");
	while (f != NULL && n < SPANS_MAX && fgets(line, sizeof(line), f) != NULL) {
		int at = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %n", &spans[n].from, &spans[n].to, &at) != 2)
			continue;
		snprintf(spans[n++].what, sizeof(spans[0].what), "%s", line + at);
	}
	if (f != NULL)
		fclose(f);
	return n;
}

/* The one lane there is. */
static pid_t the_lane(void)
{
	pid_t lane = 0;

	await_lanes(1);
	assert_int_equal(lanes(&lane), 1);
	return lane;
}

/* A guest in the middle of its arrival, talking. */
static struct guest *arriving(long delay_us)
{
	struct guest *peer = guest_run("h1", NULL);

	migration_arrive("h0", peer, &(struct migration_options){.regions = 2, .delay_us = delay_us});
	OK(fg_pager_await_faults(&migration.pager, 1, FG_WAIT_MS));
	return peer;
}

/* The migrated guest is lost, and its port is open to others, on which @peer talks to them. */
static void assert_only_the_port_is_lost(struct guest *peer)
{
	struct guest *next;

	assert_true(fg_switch_alive(&fixture.sw));
	migration_close();
	await_lanes(0);
	next = guest_run("h0", NULL);
	assert_traffic(next, peer, 5, 300);
	assert_traffic(peer, next, 5, 300);
}

/* Lays hands on [from, to) of the lane: faults there are ours, and writes, where that is possible. */
static bool seize(int fd, uint64_t from, uint64_t to)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MISSING,
		UFFDIO_REGISTER_MODE_WP,
	};

	for (unsigned int i = 0; i < 3; i++) {
		struct uffdio_register reg = {.range = {.start = from, .len = to - from},
					      .mode = modes[i]};

		if (ioctl(fd, UFFDIO_REGISTER, &reg) == 0)
			return true;
	}
	return false;
}

/* Fills the missing ones of the first few thousand pages of [from, to) with @page. */
static unsigned int fill(int fd, uint64_t from, uint64_t to, const uint8_t *page)
{
	unsigned int n = 0;

	if (to - from > FILLED)
		to = from + FILLED;
	for (uint64_t at = from; at < to; at += PAGE) {
		struct uffdio_copy c = {.dst = at, .src = (uintptr_t)page, .len = PAGE};

		n += ioctl(fd, UFFDIO_COPY, &c) == 0;
	}
	return n;
}

static void protect(int fd, uint64_t from, uint64_t to)
{
	struct uffdio_writeprotect wp = {
		.range = {.start = from, .len = to - from},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
}

/* Every mapping of the lane is seized, what is missing in it is filled with noise, the rest is
 * write-protected, and no fault is ever answered. */
static void the_userfaultfd_is_a_weapon(void **state)
{
	struct guest *peer = arriving(1000);
	pid_t lane = the_lane();
	struct span spans[SPANS_MAX];
	unsigned int n = spans_of(lane, spans), seized = 0, filled = 0;
	int fd = atomic_load(&migration.pager.theirs);
	uint8_t noise[PAGE];

	assert_true(n > 0 || geteuid() != 0);
	memset(noise, 0x41, sizeof(noise));
	migration_traffic();
	fg_pager_set_delay(&migration.pager, FG_NEVER_US);
	for (unsigned int i = 0; i < n; i++) {
		if (!seize(fd, spans[i].from, spans[i].to))
			continue;
		seized++;
		filled += fill(fd, spans[i].from, spans[i].to, noise);
		protect(fd, spans[i].from, spans[i].to);
	}
	/* and where nothing is: below the stack, beyond the heap, anywhere */
	for (uint64_t at = 1ull << 30; at < 1ull << 47; at += at / 2)
		seize(fd, at & ~(uint64_t)(PAGE - 1), (at + (1 << 20)) & ~(uint64_t)(PAGE - 1));
	print_message("%u of %u mappings seized, %u pages written\n", seized, n, filled);
	fg_sleep_us(SECOND_US);
	assert_only_the_port_is_lost(peer);
}

/* Closed as soon as it was given, or while faults are pending. */
static void the_userfaultfd_is_thrown_away(void **state)
{
	struct guest *peer;

	peer = arriving(1000);
	fg_pager_watch(&migration.pager, -1);
	fg_sleep_us(SECOND_US / 5);
	assert_only_the_port_is_lost(peer);
	guest_close(peer);
	for (unsigned int i = 0; i < GUESTS; i++)
		guest_close(&fixture.guest[i]);

	peer = guest_run("h1", NULL);
	migration_open("h0", peer, NULL);
	migration_listen();
	fg_pager_watch(&migration.pager, -1);
	migration_start();
	fg_sleep_us(SECOND_US / 5);
	assert_only_the_port_is_lost(peer);
}

/* The back end's address may be wrong in what the front end believes: pages go where none was requested. */
static void pages_come_to_the_wrong_place(void **state)
{
	struct guest *peer = arriving(1000);
	pid_t lane = the_lane();
	struct span spans[SPANS_MAX];
	unsigned int n = spans_of(lane, spans);
	int fd = atomic_load(&migration.pager.theirs);
	uint8_t noise[PAGE];

	memset(noise, 0xff, sizeof(noise)); /* ring addresses and lengths beyond everything */
	fg_pager_set_delay(&migration.pager, FG_NEVER_US);
	for (unsigned int i = 0; i < n; i++)
		fill(fd, spans[i].from, spans[i].to, noise);
	fg_sleep_us(SECOND_US / 2);
	assert_only_the_port_is_lost(peer);
}

/* The lane was taken over: it writes what it likes into all memory it shares with the switch, for
 * some time. Nothing that it says is believed. Needs the right to write another's memory. */
static void the_lane_turns_against_the_switch(void **state)
{
	struct guest *peer = arriving(1000);
	pid_t lane = the_lane();
	struct span spans[SPANS_MAX];
	unsigned int n = spans_of(lane, spans), scribbled = 0;
	int64_t deadline;
	char path[64];
	uint64_t seed = 88172645463325252ull;
	int mem;

	fg_pager_set_delay(&migration.pager, 0);
	migration_traffic();
	migration_await(20);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)lane);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem < 0)
		skip();
	deadline = fg_deadline(3000);
	while (fg_left_ms(deadline) > 0 && lanes(NULL) == 1) {
		for (unsigned int i = 0; i < n; i++) {
			uint64_t at;

			if (strncmp(spans[i].what, "rw-s", 4) != 0 ||
			    strstr(spans[i].what, "fake-guest") != NULL)
				continue;
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			/* the indexes lie at the beginning; the records are anywhere */
			at = seed % 4 == 0 ? (seed >> 8) % 512 : (seed >> 8) % (spans[i].to - spans[i].from);
			scribbled += pwrite(mem, &seed, 1 + seed % 8, (off_t)(spans[i].from + at)) > 0;
		}
	}
	close(mem);
	print_message("%u writes into shared memory\n", scribbled);
	assert_true(scribbled > 0);
	assert_only_the_port_is_lost(peer);
}

/* It is gone: the port goes down, says why, and needs a new connection. */
static void the_lane_is_killed(void **state)
{
	struct guest *peer;
	int64_t deadline;

	for (unsigned int round = 0; round < 6; round++) {
		peer = arriving(round % 2 == 0 ? 1000 : FG_NEVER_US * (round % 2));
		if (round % 3 == 0)
			migration_traffic();
		kill(the_lane(), SIGKILL);
		deadline = fg_deadline(FG_WAIT_MS);
		while (strstr(port_state("h0"), "lane") == NULL && fg_left_ms(deadline) > 0)
			fg_sleep_us(2000);
		print_message("%s\n", port_state("h0"));
		assert_non_null(strstr(port_state("h0"), "lane"));
		assert_only_the_port_is_lost(peer);
		for (unsigned int i = 0; i < GUESTS; i++)
			guest_close(&fixture.guest[i]);
	}
}

/* It is there and does not move. Neither a request nor the end of the connection waits for it. */
static void the_lane_is_stopped(void **state)
{
	struct guest *peer = arriving(1000);
	int64_t deadline = fg_deadline(DOWN_MS);

	migration_traffic();
	kill(the_lane(), SIGSTOP);
	while (strstr(port_state("h0"), "lane") == NULL && fg_left_ms(deadline) > 0)
		fg_sleep_us(20000);
	print_message("after %d ms: %s\n", DOWN_MS - fg_left_ms(deadline), port_state("h0"));
	assert_non_null(strstr(port_state("h0"), "lane"));
	assert_only_the_port_is_lost(peer);
	for (unsigned int i = 0; i < GUESTS; i++)
		guest_close(&fixture.guest[i]);

	peer = arriving(1000);
	kill(the_lane(), SIGSTOP);
	assert_only_the_port_is_lost(peer);
}

/* Killed at each step of the way. */
static void the_lane_is_killed_early(void **state)
{
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int step = 0; step < 3; step++) {
		migration_open("h0", peer, NULL);
		OK(fg_postcopy_advise(&migration.g->s, &migration.pager));
		if (step > 0)
			OK(fg_postcopy_listen(&migration.g->s));
		if (step > 1)
			migration_start();
		kill(the_lane(), SIGKILL);
		fg_sleep_us(50000 * step);
		/* whatever is said now is answered, or the connection ends; nothing hangs */
		if (fg_postcopy_say_end(&migration.g->s) == -ETIMEDOUT)
			fail_msg("END after the lane was killed: no answer");
		migration_close();
		await_lanes(0);
	}
	assert_traffic(guest_run("h0", NULL), peer, 5, 300);
}

/* END, and LISTEN at once, on the same connection: while what was kept in the lane before waits for rings that never
 * run. The switch is left with nothing of either. */
static void one_lane_upon_another(void **state)
{
	struct guest *peer = guest_run("h1", NULL);
	struct fg_usage before, now;
	int64_t deadline;

	OK(fg_switch_usage(&fixture.sw, &before));
	for (unsigned int round = 0; round < 5; round++) {
		unsigned int lanes_had = 0;

		migration_open("h0", peer, NULL);
		while (lanes_had < 4 && fg_postcopy_advise(&migration.g->s, &migration.pager) == 0 &&
		       fg_postcopy_listen(&migration.g->s) == 0 && fg_postcopy_say_end(&migration.g->s) == 0)
			lanes_had++;
		assert_true(lanes_had > 0);
		migration_close();
		await_lanes(0);
	}
	deadline = fg_deadline(FG_WAIT_MS);
	do
		OK(fg_switch_usage(&fixture.sw, &now));
	while (now.fds > before.fds && fg_left_ms(deadline) > 0);
	assert_int_equal(now.fds, before.fds);
	assert_traffic(guest_run("h0", NULL), peer, 5, 300);
}

/* In a process of its own: a whole front end. Ends only by being killed. */
static void be_a_front_end(const char *path, int tell)
{
	static struct fg_memory mem;
	static struct fg_session s;
	static struct fg_pager pager;
	const struct fg_options opt = {.protocol = MIGRATION_PROTOCOL};
	const uint16_t base[2] = {0};

	fg_memory_init(&mem);
	if (fg_memory_add(&mem, GUEST_GPA, 4 << 20) >= 0 && fg_session_open(&s, path, &mem, &opt) == 0 &&
	    fg_pager_depart(&pager, &mem, 50000) == 0 && fg_postcopy_advise(&s, &pager) == 0 &&
	    fg_postcopy_listen(&s) == 0 && fg_postcopy_start(&s, &pager, base) == 0 &&
	    fg_pager_await_faults(&pager, 1, FG_WAIT_MS) == 0)
		(void)!write(tell, "x", 1);
	for (;;)
		pause();
}

/* kill -9, with faults pending that only it could have answered. */
static void the_front_end_is_killed(void **state)
{
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int round = 0; round < 5; round++) {
		int ends[2];
		char said;
		pid_t pid;

		OK(pipe(ends));
		pid = fork();
		if (pid == 0)
			be_a_front_end(fg_switch_socket(&fixture.sw, "h0"), ends[1]);
		assert_true(pid > 0);
		close(ends[1]);
		assert_int_equal(read(ends[0], &said, 1), 1);
		close(ends[0]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		await_lanes(0);
	}
	assert_traffic(guest_run("h0", NULL), peer, 5, 300);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		MIGRATION_CASE(the_userfaultfd_is_a_weapon),
		MIGRATION_CASE(the_userfaultfd_is_thrown_away),
		MIGRATION_CASE(pages_come_to_the_wrong_place),
		MIGRATION_CASE(the_lane_turns_against_the_switch),
		MIGRATION_CASE(the_lane_is_killed),
		MIGRATION_CASE(the_lane_is_killed_early),
		MIGRATION_CASE(the_lane_is_stopped),
		MIGRATION_CASE(one_lane_upon_another),
		MIGRATION_CASE(the_front_end_is_killed),
	};

	return migration_main("postcopy, abused", CASES(cases));
}
