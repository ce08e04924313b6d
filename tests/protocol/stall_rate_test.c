/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of an lcore a front end gets that holds it in every way it can, and comes back each time it may: X3, X5.
 *
 * It punches its file while frames are delivered there, and the next time its interrupt has waiters. However it goes about it,
 * what lcores waited for it is what its port may use up at once, what is forgotten meanwhile, and the call that was under way
 * when that was used up: over ten minutes a hundredth of one lcore. $VUSWITCH_STALL_S says for how long, 12 s if it does not.
 */
#include "fg_waiters.h"
#include "puncher.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECONDS = 12,
	HOLE_MIB = 1024,
	/* The defaults: memory-wait and interrupt-wait, and what is forgotten of each in a second. */
	MEMORY_MS = 1500,
	MEMORY_RATE_MS = 5,
	INTERRUPT_MS = 300,
	INTERRUPT_RATE_MS = 2,
	/* A watchdog that looks every 4 ms, and threads that wait for a CPU. */
	UNSEEN_PERCENT = 10,
};

static int64_t number_of(const char *key)
{
	return fg_counter(&fixture.sw, "h2", key);
}

/* How long the lcore, which polls, has neither run nor waited for a CPU: it slept in a page fault. */
static int64_t slept_us(void)
{
	uint64_t ran = 0, waited = 0;
	char path[320], name[32] = "";
	struct dirent *entry;
	DIR *folder;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)fixture.sw.pid);
	folder = opendir(path);
	assert_non_null(folder);
	while (ran == 0 && (entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)fixture.sw.pid, entry->d_name);
		file = fopen(path, "r");
		if (file == NULL || fscanf(file, "%31s", name) != 1)
			name[0] = '\0';
		if (file != NULL)
			fclose(file);
		if (strstr(name, "worker") == NULL)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)fixture.sw.pid, entry->d_name);
		file = fopen(path, "r");
		assert_non_null(file);
		assert_int_equal(fscanf(file, "%" SCNu64 " %" SCNu64, &ran, &waited), 2);
		fclose(file);
	}
	closedir(folder);
	assert_true(ran > 0);
	return (int64_t)fg_now_us() - (int64_t)((ran + waited) / 1000);
}

/* Sessions of it: until it is hung up on, or the time is over. They return how long the longest call took. */
static uint64_t attack_by_memory(uint64_t until)
{
	struct puncher puncher;
	struct guest *a = puncher_begin(&puncher, "h0", "h2", HOLE_MIB);

	while (is_connected("h2") && fg_now_us() < until)
		puncher_punch(&puncher, a);
	puncher_end(&puncher);
	guest_close(puncher.g);
	guest_close(a);
	return puncher.longest_us;
}

static uint64_t attack_by_interrupts(uint64_t until)
{
	static struct fg_waiters waiters;
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h2", NULL);
	uint8_t frame[64], got[PUNCHER_BUFFER];

	settle(b, a);
	puncher_frame(frame, a, b);
	OK(fg_waiters_open(&waiters, b->nic.rx->call));
	while (is_connected("h2") && fg_now_us() < until) {
		if (fg_nic_room(&a->nic, 2))
			fg_nic_send(&a->nic, frame, 60, NULL);
		fg_nic_reap(&a->nic);
		while (fg_nic_recv(&b->nic, got, sizeof(got), 0) > 0)
			;
	}
	fg_waiters_close(&waiters);
	guest_close(b);
	guest_close(a);
	return 0; /* its calls are milliseconds */
}

static void it_gets_what_its_port_may_use_up(void **state)
{
	const char *asked = getenv("VUSWITCH_STALL_S");
	uint64_t seconds = asked != NULL ? strtoul(asked, NULL, 10) : SECONDS;
	uint64_t began = fg_now_us(), until = began + seconds * UINT64_C(1000000);
	uint64_t longest_us = 0, allowed, took;
	int64_t slept = slept_us(), interrupts;
	unsigned int sessions = 0;

	while (fg_now_us() < until) {
		if (number_of("down_for_ms") > 0) {
			fg_sleep_us(20000);
			continue;
		}
		took = sessions++ % 2 == 0 ? attack_by_memory(until) : attack_by_interrupts(until);
		longest_us = took > longest_us ? took : longest_us;
	}
	slept = (slept_us() - slept) / 1000;
	took = (fg_now_us() - began) / 1000;
	interrupts = number_of("interrupt_wait_ms");
	print_message("%u times in %.0f s: the lcore slept in page faults for %" PRId64 " ms, %" PRId64 " charged, and %" PRId64
		      " ms went to interrupts; %.2f %% of an lcore; the longest punch took %.0f ms\n",
		      sessions, (double)took / 1e3, slept, number_of("memory_wait_ms"), interrupts,
		      (double)(slept + interrupts) * 100 / (double)took, (double)longest_us / 1e3);
	allowed = MEMORY_MS + INTERRUPT_MS + (MEMORY_RATE_MS + INTERRUPT_RATE_MS) * took / 1000 + longest_us / 1000;
	if (slept + interrupts > (int64_t)(allowed + allowed * UNSEEN_PERCENT / 100))
		fail_msg("lcores waited for %" PRId64 " ms in memory and %" PRId64 " ms in interrupts, allowed were %" PRIu64,
			 slept, interrupts, allowed);
	assert_true(sessions > 0 && number_of("sent_down") > 0);
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "h0", "h1", "h2", NULL};
	/* A polling lcore sleeps nowhere but in page faults. */
	static const char *const args[] = {"--busy-poll", NULL};
	const struct CMUnitTest cases[] = {
		TEST_CASE(it_gets_what_its_port_may_use_up),
	};

	fixture.with_victims = true;
	return fixture_main_on(&(struct fg_switch_options){.ports = ports, .args = args}, "stall_rate", CASES(cases));
}
