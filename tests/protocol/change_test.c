/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration is read again in the middle of a flood: receivers change their bridge and come back, one goes and comes, and
 * then the flooder itself changes. Each frame is accounted for once for each receiver that the bridge had, no buffer is lost, and
 * two victims on a bridge of their own lose nothing. It guards what always held: before a flood could be left in the middle, too.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"

enum { RECEIVERS = 12, CHANGES = 1, GOES = 5, ROUNDS = 24 };

static char folder[32] = "/tmp/vus-change-XXXXXX", file[64];

static void write_port(FILE *f, const char *name, const char *bridge)
{
	fprintf(f, "  - {name: %s, type: vhost-user, bridge: %s, storm-broadcast: off, socket: %s/%s.sock}\n", name, bridge,
		folder, name);
}

/* Some of the receivers, and the flooder, are on the one bridge or on the other; one is there or not. */
static void write_file(const char *changing, const char *flooder, bool there)
{
	FILE *f = fopen(file, "w");
	char name[8];

	assert_non_null(f);
	fprintf(f, "bridges:\n  - {name: br1}\n  - {name: br2}\nports:\n");
	write_port(f, "f", flooder);
	for (int i = 0; i < RECEIVERS; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		if (i != GOES || there)
			write_port(f, name, i % 3 == CHANGES ? changing : "br1");
	}
	assert_int_equal(fclose(f), 0);
}

static bool is_on(const char *port, const char *bridge)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const char *name = json_string_value(json_object_get(json_object_get(answer, "port"), "bridge"));
	bool is = bridge == NULL ? name == NULL : name != NULL && strcmp(name, bridge) == 0;

	json_decref(answer);
	return is;
}

/* It is read in the middle of what the switch does just then, and has been applied at the end. */
static void read_again(const char *changing, const char *flooder, bool there)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	write_file(changing, flooder, there);
	kill(fixture.sw.pid, SIGHUP);
	while (!is_on("r1", changing) || !is_on("f", flooder) || !is_on("r5", there ? "br1" : NULL)) {
		assert_true(fg_left_ms(deadline) > 0);
		fg_sleep_us(1000);
	}
}

/* One who floods all the time, from a thread of its own. */
struct flooder {
	struct guest *g;
	pthread_t thread;
	atomic_bool stops;
	atomic_llong sent;
	int error;
};

static void *flood(void *arg)
{
	struct flooder *f = arg;
	uint8_t frame[60] = {0};

	memcpy(frame, everybody, 6);
	memcpy(frame + 6, f->g->nic.mac, 6);
	while (!f->stops && f->error == 0) {
		for (; f->error == 0 && fg_nic_room(&f->g->nic, 1); f->sent++)
			f->error = fg_nic_queue(&f->g->nic, frame, sizeof(frame), NULL);
		fg_nic_flush(&f->g->nic);
		if (f->error == 0)
			f->error = fg_nic_reap(&f->g->nic);
	}
	if (f->error == 0)
		f->error = fg_nic_drain_tx(&f->g->nic, FG_WAIT_MS);
	return NULL;
}

/* Of the ports that stay: those that never change got each frame, and all of them together as many as the flooder's port says. */
static int64_t given_to_all(const struct account before[RECEIVERS], int64_t sent)
{
	int64_t sum = 0;

	for (int i = 0; i < RECEIVERS; i++) {
		struct account r;
		char name[8];

		if (i == GOES)
			continue;
		snprintf(name, sizeof(name), "r%d", i);
		r = since(name, &before[i]);
		sum += given(&r);
		if (sent >= 0 && i % 3 != CHANGES)
			assert_int_equal(given(&r), sent);
	}
	return sum;
}

static struct guest *guest_at(const char *port)
{
	struct guest *g = guest_idle();
	char path[64];

	snprintf(path, sizeof(path), "%s/%s.sock", folder, port);
	OK(fg_session_open(&g->s, path, &g->mem, NULL));
	snprintf(g->port, sizeof(g->port), "%s", port);
	guest_start(g, NULL);
	return g;
}

/* It goes on: without that nothing happens in the middle of it. */
static bool goes_on(struct flooder *f)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	long long before = f->sent;

	while (f->sent == before && fg_left_ms(deadline) > 0)
		fg_sleep_us(1000);
	return f->sent > before;
}

static void ports_change_in_the_middle_of_a_flood(bool flooder_too)
{
	struct account f0, now, r0[RECEIVERS];
	struct guest *staying, *changing;
	static struct flooder f;
	static struct fg_victims victims;
	bool flooded = true;
	char name[8];

	OK(fg_victims_start(&victims, &fixture.sw, "v0", "v1"));
	OK(fg_victims_run(&victims));
	read_again("br1", "br1", !flooder_too);
	f = (struct flooder){.g = guest_at("f")};
	staying = guest_at("r0");
	changing = guest_at("r1");
	read_account("f", &f0);
	for (int i = 0; i < RECEIVERS; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		if (i != GOES || !flooder_too)
			read_account(name, &r0[i]);
	}
	assert_int_equal(pthread_create(&f.thread, NULL, flood, &f), 0);
	for (int round = 0; round < ROUNDS; round++) {
		const char *one = round % 2 == 0 ? "br2" : "br1";

		read_again(flooder_too ? "br1" : one, flooder_too ? one : "br1", flooder_too ? false : round % 4 < 2);
		flooded = flooded && goes_on(&f);
	}
	f.stops = true;
	pthread_join(f.thread, NULL);
	assert_int_equal(f.error, 0);
	assert_true(flooded);
	now = since("f", &f0);
	print_message("%d frames, %d of them with nobody there, %d copies\n", (int)f.sent, (int)(f.sent - now.rx_ok),
		      (int)now.copies);
	assert_int_equal(taken(&now), f.sent);
	if (flooder_too)
		assert_int_equal(now.rx_ok + now.copies, given_to_all(r0, -1));
	else
		assert_in_range(now.rx_ok + now.copies - given_to_all(r0, f.sent), 0, f.sent); /* to the one that goes */
	OK(fg_victims_pause(&victims));
	assert_true(victims.frames > 0);
	fg_victims_stop(&victims);
	guest_close(f.g);
	guest_close(staying);
	guest_close(changing);
	read_again("br1", "br1", true);
}

static void receivers_change_in_the_middle_of_a_flood(void **state)
{
	ports_change_in_the_middle_of_a_flood(false);
}

static void the_flooder_changes_in_the_middle_of_its_flood(void **state)
{
	ports_change_in_the_middle_of_a_flood(true);
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", NULL};
	static const char *const args[] = {"--config", file, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	const struct CMUnitTest cases[] = {
		TEST_CASE(receivers_change_in_the_middle_of_a_flood),
		TEST_CASE(the_flooder_changes_in_the_middle_of_its_flood),
	};
	int status;

	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(file, sizeof(file), "%s/switch.yaml", folder);
	write_file("br1", "br1", true);
	status = fixture_main_on(&opt, "change", CASES(cases));
	unlink(file);
	rmdir(folder);
	return status;
}
