/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything at random, for as long as one likes: scripts/soak. Guests come, are killed, plug memory, migrate and flood;
 * hostile ones pass what cannot be closed and offer rings that make no sense; the configuration is read again, and the switch is
 * stopped or killed and comes back. Two victims exchange frames all the while, at 70 % of what they could: E1, E2 and E6 hold for
 * them, to the frame, whenever they pause (each time the switch ends, and once a minute), and E5 for the switch.
 *
 *	soak [--minutes N | --seconds N] [--seed N]
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "dice.h"
#include "fg_linger.h"
#include "migration.h"

enum {
	LOAD_PERCENT = 70,
	MEASURED_MS = 1500,
	LOOK_S = 60,
	RSS_GROWS_KIB = 4096, /* from the first look after a start to any other before its end */
	REGIONS = 4,
	FLOOD_MS = 150,
	WAITERS = 200,
	QUESTIONS = 5,
};

static uint64_t seed, frames_all, sent_us; /* frames of victims, and how long they ran */
static int64_t began_ms, until_ms, look_ms, run_ms;
static unsigned int lives = 1;
static double longest_all_us, longest_answer_us;
static uint64_t rss_first_kib;
static bool rss_known, more_ports;
static char folder[] = "/tmp/vus-soak-XXXXXX", file[64], more_socket[64];

static uint64_t roll(uint64_t sides)
{
	return dice_of(&seed) % sides;
}

/* --- the victims' accounts -------------------------------------------------------------------------------------------- */

/* They have paused: since this switch began. Their bridge has no other port. */
static void settle_accounts(void)
{
	const char *const name[2] = {"v0", "v1"};
	struct account a[2];
	int64_t in = 0, out = 0;
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	do { /* a counter may follow its frame by a moment */
		in = out = 0;
		for (int i = 0; i < 2; i++) {
			read_account(name[i], &a[i]);
			in += a[i].rx_ok + a[i].copies + a[i].injected + a[i].mirrored;
			out += given(&a[i]);
		}
	} while (in != out && fg_left_ms(deadline) > 0);
	assert_int_equal(in, out);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(taken(&a[i]), fixture.victims.side[i].nic.returned);
		assert_int_equal(fixture.victims.side[i].nic.returned, fixture.victims.side[i].nic.sent);
	}
}

static void victims_pause(void)
{
	OK(fg_victims_pause(&fixture.victims));
	sent_us += (uint64_t)(fg_now_ms() - run_ms) * 1000;
	frames_all += fixture.victims.frames;
	if ((double)fixture.victims.longest_us > longest_all_us)
		longest_all_us = (double)fixture.victims.longest_us;
	settle_accounts();
}

static void victims_run(void)
{
	run_ms = fg_now_ms();
	OK(fg_victims_run(&fixture.victims));
}

static void measure_capacity(void)
{
	fixture.victims.rate = 0;
	fixture.victims.eager = true;
	OK(fg_victims_run(&fixture.victims));
	fg_sleep_us(MEASURED_MS * 1000);
	OK(fg_victims_pause(&fixture.victims));
	fixture.victims.eager = false;
	fixture.victims.rate = fixture.victims.frames * 1000 / MEASURED_MS * LOAD_PERCENT / 100;
	print_message("victims: %d frames a second at most, %d from here on\n",
		      (int)(fixture.victims.frames * 1000 / MEASURED_MS), (int)fixture.victims.rate);
}

/* --- what happens ------------------------------------------------------------------------------------------------------ */

static const char *some_port(void)
{
	return roll(2) ? "h0" : "h1";
}

static void guests_go(void)
{
	for (unsigned int i = 0; i < GUESTS; i++)
		guest_close(&fixture.guest[i]);
}

static void attach_and_talk(void)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);

	assert_traffic(a, b, 1 + (unsigned int)roll(50), 60 + roll(1400));
	assert_traffic(b, a, 1 + (unsigned int)roll(50), 60 + roll(1400));
	if (roll(2)) {
		guest_restart(a);
		assert_traffic(a, b, 5, 100);
	}
}

static void burst(struct fg_nic *nic, const uint8_t dst[6])
{
	uint8_t frame[1500];
	struct fg_flow flow = {.id = 3};

	for (unsigned int i = 0; i < 64 && fg_nic_room(nic, 2); i++) {
		fg_flow_build(&flow, dst, nic->mac, frame, 60 + roll(1400));
		if (fg_nic_queue(nic, frame, 60 + roll(1400), NULL) != 0)
			break;
	}
	fg_nic_flush(nic);
}

/* A process of its own, in the middle of something. */
static void a_front_end_is_killed(void)
{
	const char *path = fg_switch_socket(&fixture.sw, some_port());
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct fg_memory mem;
		struct fg_session s;
		struct fg_nic nic;

		fg_memory_init(&mem);
		if (fg_memory_add(&mem, GUEST_GPA, GUEST_MEMORY) < 0 || fg_session_open(&s, path, &mem, NULL) != 0 ||
		    fg_session_start(&s) != 0 || fg_nic_init(&nic, &s, 0, 4000, NULL) != 0 || fg_nic_fill(&nic) != 0)
			_exit(1);
		for (;;) {
			burst(&nic, everybody);
			fg_nic_reap(&nic);
		}
	}
	fg_sleep_us(roll(60000));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void memory_comes_and_goes(void)
{
	struct guest *peer = guest_run("h1", NULL), *g = guest_open_regions("h0", NULL, REGIONS);
	const struct fg_nic_options opt = {.depth = 32, .region = 1};
	bool there[REGIONS] = {true, true, true, true};

	guest_start(g, &opt);
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int slot = 2 + (unsigned int)roll(2);

		if (there[slot])
			OK(fg_remove_region(&g->s, slot));
		else
			OK(fg_add_region(&g->s, slot));
		there[slot] = !there[slot];
		if (i % 20 == 0)
			assert_traffic(g, peer, 3, 300);
	}
}

static void a_guest_is_logged(void)
{
	struct guest *peer = guest_run("h1", NULL);
	struct guest *g = guest_run("h0", &(struct fg_options){.protocol = FG_PROTOCOL_DEFAULT | FG_P_LOG_SHMFD,
							       .features = FG_FEATURES_DEFAULT | FG_F_LOG_ALL});

	OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features & ~FG_F_LOG_ALL));
	for (unsigned int i = 1 + (unsigned int)roll(4); i > 0; i--) {
		struct fg_msg msg = {.request = FG_SET_LOG_BASE, .flags = FG_VERSION, .size = 16};
		int fd = fg_memory_file((GUEST_GPA + GUEST_MEMORY) / 4096 / 8);

		assert_true(fd >= 0);
		msg.log.size = (GUEST_GPA + GUEST_MEMORY) / 4096 / 8;
		OK(fg_wire_send(g->s.sock, &msg, &fd, 1));
		OK(fg_wire_recv(g->s.sock, &msg, NULL, FG_WAIT_MS));
		close(fd);
		OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features | FG_F_LOG_ALL));
		assert_traffic(peer, g, 10, 600);
		OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features & ~FG_F_LOG_ALL));
	}
}

/* It arrives; now and then it does not arrive as a whole. */
static void a_guest_migrates(void)
{
	const struct migration_options opt = {.regions = 2, .delay_us = 200};

	migration_arrive("h0", guest_run("h1", NULL), &opt);
	migration_traffic();
	migration_await(50);
	if (roll(4) == 0) {
		migration_abandon();
	} else {
		migration_end();
		migration_await(50);
		migration_drain();
		migration_check();
	}
	migration_close();
	await_lanes(0);
}

static void a_flood(void)
{
	struct guest *a = guest_run("h0", NULL);
	uint8_t nobody[6] = {2, 0xee, 0, 0, 0, 1};
	int64_t deadline = fg_deadline(FLOOD_MS);
	bool broadcast = roll(2) != 0;

	guest_run("h1", NULL);
	while (fg_left_ms(deadline) > 0) {
		burst(&a->nic, broadcast ? everybody : nobody);
		OK(fg_nic_reap(&a->nic));
	}
}

/* Its close() sleeps, with a message, or with a connection that is refused. */
static void what_cannot_be_closed(void)
{
	const struct fg_msg m = {.request = FG_GET_FEATURES, .flags = FG_VERSION};
	struct guest *g = guest_run("h0", NULL);
	int sock = fg_wire_connect(fg_switch_socket(&fixture.sw, "h0"), FG_WAIT_MS);
	struct fg_linger linger;

	assert_true(sock >= 0);
	OK(fg_linger_open(&linger, 60));
	kill(fixture.sw.pid, SIGSTOP);
	OK(fg_wire_send_raw(roll(2) ? sock : g->s.sock, &m, FG_HEADER_SIZE, &linger.fd, 1));
	close(linger.fd);
	kill(fixture.sw.pid, SIGCONT);
	fg_sleep_us(100000 + roll(100000));
	close(sock);
	guest_close(g);
	fg_linger_release(&linger);
}

/* Each of the switch's writes to it wakes, or looks at, all of them. */
static void an_interrupt_with_waiters(void)
{
	struct guest *a = guest_run("h0", NULL), *b = guest_run("h1", NULL);
	struct epoll_event event = {.events = EPOLLIN};
	int epoll[WAITERS];

	for (unsigned int i = 0; i < WAITERS; i++) {
		epoll[i] = epoll_create1(EPOLL_CLOEXEC);
		assert_true(epoll[i] >= 0);
		assert_int_equal(epoll_ctl(epoll[i], EPOLL_CTL_ADD, b->nic.rx->call, &event), 0);
	}
	assert_traffic(a, b, 20, 200);
	for (unsigned int i = 0; i < WAITERS; i++)
		close(epoll[i]);
}

static void rings_without_sense(void)
{
	struct guest *g = guest_run("h0", NULL);

	for (unsigned int i = 0; i < 20; i++) {
		struct fg_ring *r = roll(2) ? g->nic.tx : g->nic.rx;

		for (unsigned int n = 0; n < 32; n++)
			fg_ring_desc(r, (uint16_t)roll(r->num),
				     roll(4) ? GUEST_GPA + roll(GUEST_MEMORY) : roll(UINT32_MAX) << 32,
				     (uint32_t)roll(roll(2) ? 3000 : UINT32_MAX), (uint16_t)roll(8), (uint16_t)roll(r->num));
		fg_ring_set_avail_idx(r, (uint16_t)(r->avail_idx + (roll(4) ? roll(r->num) : roll(65536))));
		fg_ring_kick_now(r);
		fg_sleep_us(roll(500));
		if (roll(4) == 0)
			guest_restart(g);
	}
}

static void half_a_message(void)
{
	struct fg_msg m = {.request = (uint32_t)roll(FG_REQUEST_MAX), .flags = FG_VERSION, .size = (uint32_t)roll(64)};
	int sock = fg_wire_connect(fg_switch_socket(&fixture.sw, some_port()), FG_WAIT_MS);

	assert_true(sock >= 0);
	fg_wire_send_raw(sock, &m, 1 + roll(FG_HEADER_SIZE + m.size), NULL, 0);
	fg_sleep_us(roll(20000));
	close(sock);
}

static void write_file(bool more)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fprintf(f, "bridges:\n  - {name: file}\nports:\n");
	fprintf(f, "  - {name: m0, type: vhost-user, bridge: file, socket: %s/m0.sock}\n", folder);
	if (more)
		fprintf(f, "  - {name: m1, type: vhost-user, bridge: file, socket: %s}\n", more_socket);
	assert_int_equal(fclose(f), 0);
}

/* A port of the file comes or goes. */
static void the_file_is_read_again(void)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	more_ports = !more_ports;
	write_file(more_ports);
	kill(fixture.sw.pid, SIGHUP);
	while ((access(more_socket, F_OK) == 0) != more_ports) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(1000);
	}
	fg_sleep_us(20000);
}

/* --- the switch ends and begins --------------------------------------------------------------------------------------- */

static void assert_flat(void)
{
	struct fg_usage now;

	if (!more_ports)
		assert_nothing_held();
	OK(fg_switch_usage(&fixture.sw, &now));
	if (!rss_known)
		rss_first_kib = now.rss_kib;
	rss_known = true;
	if (!now.sanitizer && now.rss_kib > rss_first_kib + RSS_GROWS_KIB)
		fail_msg("RSS grew from %d to %d KiB", (int)rss_first_kib, (int)now.rss_kib);
	print_message("%5.1f min  %2u switches  %9llu frames of victims, %d a second  RSS %llu KiB  %u descriptors  %u threads  "
		      "longest gap %.1f ms, answer %.1f ms\n",
		      (double)(fg_now_ms() - began_ms) / 6e4, lives, (unsigned long long)frames_all,
		      sent_us > 0 ? (int)(frames_all * 1000000 / sent_us) : 0,
		      (unsigned long long)now.rss_kib, now.fds, now.threads, longest_all_us / 1e3, longest_answer_us / 1e3);
}

static void victims_again(void)
{
	uint64_t rate = fixture.victims.rate;

	OK(fg_victims_start(&fixture.victims, &fixture.sw, "v0", "v1"));
	fixture.victims.rate = rate;
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

/* By order, or by SIGKILL while a guest floods. The victims' frames are all accounted for before. */
static void the_switch_begins_anew(void)
{
	struct guest *g = guest_run("h0", NULL);
	uint64_t rate = fixture.victims.rate;
	bool killed = roll(2) != 0;

	victims_pause();
	burst(&g->nic, everybody);
	if (killed) {
		fg_switch_kill(&fixture.sw);
		assert_true(fg_wire_closed(fixture.victims.side[0].s.sock, FG_WAIT_MS));
	}
	fg_victims_stop(&fixture.victims);
	guests_go();
	if (more_ports) /* what is held is compared with a switch that has read the same file */
		write_file(more_ports = false);
	if (killed)
		OK(fg_switch_restart(&fixture.sw));
	else
		OK(fg_switch_stop(&fixture.sw));
	if (!killed)
		OK(fg_switch_start(&fixture.sw, &fixture.opt));
	lives++;
	rss_known = false;
	fixture.victims.rate = rate;
	victims_again();
	victims_run();
}

/* --- the run ---------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
	unsigned int weight;
} things[] = {
	{"attach", attach_and_talk, 8},
	{"kill -9 of a front end", a_front_end_is_killed, 8},
	{"hotplug", memory_comes_and_goes, 8},
	{"dirty log", a_guest_is_logged, 6},
	{"postcopy", a_guest_migrates, 4},
	{"flood", a_flood, 6},
	{"lingering socket", what_cannot_be_closed, 3},
	{"waiters", an_interrupt_with_waiters, 3},
	{"bad rings", rings_without_sense, 6},
	{"half a message", half_a_message, 6},
	{"reload", the_file_is_read_again, 4},
	{"restart", the_switch_begins_anew, 1},
};
enum { THINGS = sizeof(things) / sizeof(things[0]) };
static unsigned int done[THINGS];
static const char *now_doing = "the beginning"; /* NULL: all is well */

static unsigned int choose(void)
{
	unsigned int all = 0, at, i = 0;

	for (unsigned int k = 0; k < THINGS; k++)
		all += things[k].weight;
	at = (unsigned int)roll(all);
	while (at >= things[i].weight)
		at -= things[i++].weight;
	return i;
}

static void look(void)
{
	victims_pause();
	assert_flat();
	victims_run();
	look_ms = fg_now_ms() + LOOK_S * 1000;
}

/* Without its wait for a CPU. One that has had none for as long as a question may take is asked again. */
static void time_an_answer(void)
{
	double from = (double)fg_now_us(), waited = fg_cpu_of(fixture.sw.pid).waited_ms, took;
	json_t *answer = NULL;

	for (int i = 0; i < QUESTIONS && answer == NULL; i++)
		answer = fg_switch_query(&fixture.sw, "ports", NULL);
	took = (double)fg_now_us() - from - (fg_cpu_of(fixture.sw.pid).waited_ms - waited) * 1e3;
	if (answer == NULL || took > FG_STALL_MS * 1e3)
		fail_msg("the control socket: %s after %.0f ms in which it had a CPU, or wanted none",
			 answer != NULL ? "an answer" : "no answer", took / 1e3);
	json_decref(answer);
	if (took > longest_answer_us)
		longest_answer_us = took;
}

static void everything_at_random(void **state)
{
	OK(fg_victims_pause(&fixture.victims));
	measure_capacity();
	settle_accounts();
	assert_flat();
	victims_run();
	look_ms = fg_now_ms() + LOOK_S * 1000;
	while (fg_now_ms() < until_ms) {
		unsigned int i = choose();

		now_doing = things[i].name;
		things[i].run();
		done[i]++;
		guests_go();
		time_an_answer();
		if (fg_now_ms() >= look_ms)
			look();
	}
	if (more_ports)
		the_file_is_read_again();
	look();
	for (unsigned int i = 0; i < THINGS; i++)
		print_message("%6u  %s\n", done[i], things[i].name);
	now_doing = NULL;
}

static int close_case(void **state)
{
	if (now_doing != NULL)
		print_error("after %.1f min, at: %s\n", (double)(fg_now_ms() - began_ms) / 6e4, now_doing);
	return migration_close_case(state);
}

static uint64_t number_after(int argc, char **argv, const char *option, uint64_t otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return strtoull(argv[i + 1], NULL, 0);
	return otherwise;
}

int main(int argc, char **argv)
{
	static const char *const ports[] = {"v0,bridge=v", "v1,bridge=v", "h0,postcopy=on", "h1", NULL};
	static const char *const args[] = {"--config", file, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args, .lcores = "0@0,1@0,2@1"};
	const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(everything_at_random, migration_open_case, close_case),
	};
	uint64_t seconds = number_after(argc, argv, "--seconds", 60 * number_after(argc, argv, "--minutes", 5));
	char limit[24];
	int status;

	seed = number_after(argc, argv, "--seed", fg_now_us());
	printf("seed %llu, %llu s\n", (unsigned long long)seed, (unsigned long long)seconds);
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(file, sizeof(file), "%s/switch.yaml", folder);
	snprintf(more_socket, sizeof(more_socket), "%s/m1.sock", folder);
	write_file(false);
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)(seconds + seconds / 4 + 120));
	setenv("FIXTURE_LIMIT_S", limit, 1);
	fixture.with_victims = true;
	began_ms = fg_now_ms();
	until_ms = began_ms + (int64_t)seconds * 1000;
	status = fixture_main_on(&opt, "soak", CASES(cases));
	unlink(file);
	rmdir(folder);
	return status;
}
