/* SPDX-License-Identifier: BSD-3-Clause */
/* postcopy_lane ROUNDS STRETCH_MS: what it costs that a guest runs before its memory is there.
 *
 * One pair of guests, the victims, sends to each other both ways at a steady pace; a third receives from a
 * fourth, through the same lcore. The third arrives by postcopy: of its rings and first buffers all pages
 * are there, each later buffer lies on a page that is missing and comes 0.1, 10 or 1000 ms after the
 * switch asks for it, or never. Each such stretch stands beside a quiet one in which nothing is missing.
 * Prints a line of JSON for each: frames of the victims and their longest silence, frames of the
 * migrating guest, the lcore's longest round. Then, with nothing missing, what the migrating guest gets in
 * the lane and, after END, from the lcore: frames a second as fast as it goes, and how long one frame
 * takes with no other on the way.
 *
 * "wall" is time on the wall; "awake" leaves out the moments in which this program had no CPU: it shares
 * one with the switch's control thread, the lane and the thread that answers faults, unless there are three.
 * Needs VUSWITCH in the environment. Exit status 1: frames lost, late or twice.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fg_clock.h"
#include "fg_postcopy.h"
#include "load.h"

enum { WINDOW_MS = 300, TRIPS_MS = 300, WARM_MS = 100, MISSING_MIB = 96, PAGE = 4096 };
enum { BEAT_NS = 200000, A_BEAT = 16 }; /* the victims' pace: frames each way */
#define GPA (1ull << 45)

static const char *const ports[] = {"a", "b", "incoming", "peer", "sink", NULL};
static const struct load_layout layout = {"1 region", .pieces = 1, .regions = 1};

struct scene {
	struct fg_switch sw;
	struct load_guest a, b, incoming, peer, sink; /* the sink has no buffers, and is greeted */
	struct load_lane victims[2], to_incoming;
	struct fg_pager pager;
	bool share;
};

static struct scene scene;
static unsigned int stretch_ms;

/* Waits until the switch knows @n addresses beside the sink's: they pass through the control thread. Before that frames are
 * flooded. */
static int await_known(size_t n)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	size_t known = 0;

	while (known < n + 1) {
		json_t *answer = fg_switch_query(&scene.sw, "macs", NULL);

		known = json_array_size(json_object_get(answer, "macs"));
		json_decref(answer);
		if (fg_left_ms(deadline) == 0)
			return -ETIMEDOUT;
		fg_sleep_us(5000);
	}
	return 0;
}

/* --- the migrating guest --------------------------------------------------------------------------- */

/* It arrives, with @missing MiB for its receive buffers that are not there. */
static int arrive(unsigned int missing, long delay_us)
{
	static const uint16_t base[2];
	struct load_guest *g = &scene.incoming;
	int err = load_guest_prepare(g, &scene.sw, ports[2], &layout, 2);

	if (err == 0 && missing > 0)
		err = fg_memory_add(&g->mem, GPA, (uint64_t)missing << 20);
	if (err < 0)
		return err;
	load_guest_rings(g);
	load_lane_open(&scene.to_incoming, &scene.peer, g, 64);
	if (missing > 0) {
		g->elsewhere = (missing << 20) / PAGE;
		g->elsewhere_gpa = GPA;
		g->elsewhere_at = g->mem.region[1].map;
	}
	for (unsigned int i = 0; i < g->mem.n; i++) /* none of it is to be filled with a pattern */
		g->mem.region[i].used = g->mem.region[i].size;
	err = fg_pager_depart(&scene.pager, &g->mem, 0);
	if (err == 0)
		err = fg_postcopy_advise(&g->s, &scene.pager);
	if (err == 0)
		err = fg_postcopy_listen(&g->s);
	if (err == 0)
		err = fg_postcopy_start(&g->s, &scene.pager, base);
	if (err == 0)
		err = fg_pager_push_region(&scene.pager, 0);
	if (err == 0)
		err = load_guest_greet(g, &scene.sink);
	if (err == 0)
		err = await_known(4);
	fg_pager_set_delay(&scene.pager, delay_us);
	return err;
}

static int leave(void)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	/* Nothing is on its way any more, or it would be flooded when the switch forgets the address. */
	fg_pager_set_delay(&scene.pager, 0);
	if (load_lane_drain(&scene.to_incoming) < 0)
		return -EIO;
	fg_session_drop(&scene.incoming.s);
	fg_pager_fini(&scene.pager);
	load_guest_close(&scene.incoming);
	while (scene.peer.tx.taken != scene.peer.tx.posted)
		if (load_take_back(&scene.peer) < 0 || fg_left_ms(deadline) == 0)
			return -ETIMEDOUT;
	return 0;
}

/* --- traffic --------------------------------------------------------------------------------------- */

static int step(uint64_t *beat)
{
	uint64_t now = load_now_ns();
	int err = 0;

	for (unsigned int i = 0; i < 2; i++) {
		struct load_lane *v = &scene.victims[i];

		v->window = now >= *beat ? A_BEAT : 0;
		err = err == 0 ? load_lane_step(v, now >= *beat) : err;
	}
	if (now >= *beat)
		*beat = now - *beat > BEAT_NS ? now + BEAT_NS : *beat + BEAT_NS;
	if (err == 0)
		err = load_lane_step(&scene.to_incoming, true);
	if (scene.share) /* others have their turn now, not at the end of ours */
		sched_yield();
	return err;
}

static int stretch(const char *name, unsigned int missing, long delay_us)
{
	static struct load_gaps wall, awake;
	uint64_t beat = load_now_ns(), began, frames = 0, pages = 0;
	int err = arrive(missing, delay_us);

	memset(&wall, 0, sizeof(wall));
	memset(&awake, 0, sizeof(awake));
	for (began = load_now_ns(); err == 0 && load_now_ns() - began < WARM_MS * 1000000ull;)
		err = step(&beat);
	for (unsigned int i = 0; i < 2; i++) {
		scene.victims[i].wall = &wall;
		scene.victims[i].awake = &awake;
		load_lane_restart(&scene.victims[i]);
		frames -= scene.victims[i].received;
	}
	pages -= scene.to_incoming.received;
	fg_longest_round_us(&scene.sw, true);
	for (began = load_now_ns(); err == 0 && load_now_ns() - began < stretch_ms * 1000000ull;)
		err = step(&beat);
	began = load_now_ns() - began;
	for (unsigned int i = 0; i < 2; i++)
		frames += scene.victims[i].received;
	pages += scene.to_incoming.received;
	if (err == 0)
		printf("{\"pages\": \"%s\", \"victims_per_s\": %.0f, \"incoming_per_s\": %.0f, \"faults\": %llu, "
		       "\"wall_us\": [%.1f, %.1f], \"awake_us\": [%.1f, %.1f], \"round_us\": %.1f}\n",
		       name, (double)frames * 1e9 / (double)began, (double)pages * 1e9 / (double)began,
		       atomic_load(&scene.pager.faults), (double)load_gaps_at(&wall, 0.999) / 1000,
		       (double)wall.longest_ns / 1000, (double)load_gaps_at(&awake, 0.999) / 1000,
		       (double)awake.longest_ns / 1000, fg_longest_round_us(&scene.sw, true));
	fflush(stdout);
	return err < 0 ? err : leave();
}

/* --- the migrating guest's own rate ---------------------------------------------------------------- */

static int run_for(struct load_lane *lane, unsigned int ms)
{
	uint64_t end = load_now_ns() + ms * 1000000ull;
	int err = 0;

	while (err == 0 && load_now_ns() < end) {
		err = load_lane_step(lane, true);
		if (scene.share)
			sched_yield();
	}
	return err;
}

/* As fast as it goes, and then one at a time. */
static int rate(const char *by, const char *way, struct load_lane *lane, uint32_t len)
{
	static struct load_gaps trips;
	uint64_t began, frames;
	int err;

	lane->len = len;
	lane->window = LOAD_RING;
	err = run_for(lane, WARM_MS);
	frames = lane->received;
	began = load_now_ns();
	if (err == 0)
		err = run_for(lane, WINDOW_MS);
	frames = lane->received - frames;
	began = load_now_ns() - began;
	if (err == 0)
		err = load_lane_drain(lane);
	lane->window = 1;
	memset(&trips, 0, sizeof(trips));
	lane->wall = &trips;
	load_lane_restart(lane);
	if (err == 0)
		err = run_for(lane, TRIPS_MS);
	if (err == 0)
		err = load_lane_drain(lane);
	lane->wall = NULL;
	if (err == 0)
		printf("{\"by\": \"%s\", \"way\": \"%s\", \"bytes\": %u, \"mpps\": %.4f, \"trip_us\": [%.1f, %.1f, %.1f]}\n",
		       by, way, len, (double)frames * 1000 / (double)began,
		       (double)load_gaps_at(&trips, 0.5) / 1000,
		       (double)load_gaps_at(&trips, 0.99) / 1000, (double)trips.longest_ns / 1000);
	fflush(stdout);
	return err;
}

static int rates(const char *by, struct load_lane *from_incoming)
{
	static const uint32_t sizes[] = {64, 1518};
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < 2; i++) {
		err = rate(by, "to the guest", &scene.to_incoming, sizes[i]);
		if (err == 0)
			err = rate(by, "from the guest", from_incoming, sizes[i]);
	}
	return err;
}

static int own_rates(void)
{
	struct load_lane from_incoming;
	int err = arrive(0, 0);

	load_lane_open(&from_incoming, &scene.incoming, &scene.peer, 64);
	if (err == 0)
		err = rates("lane", &from_incoming);
	if (err == 0)
		err = fg_postcopy_end(&scene.incoming.s, &scene.pager);
	if (err == 0)
		err = rates("lcore", &from_incoming);
	return err < 0 ? err : leave();
}

int main(int argc, char **argv)
{
	static const char *const args[] = {"--busy-poll", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct load_guest *const others[] = {&scene.a, &scene.b, &scene.peer, &scene.sink};
	long rounds = argc == 3 ? atol(argv[1]) : 0;
	int err;

	stretch_ms = argc == 3 ? (unsigned int)atoi(argv[2]) : 0;
	if (rounds < 1 || stretch_ms == 0) {
		fprintf(stderr, "usage: postcopy_lane ROUNDS STRETCH_MS\n");
		return 1;
	}
	err = fg_switch_start(&scene.sw, &opt);
	scene.share = load_pin() < 3;
	for (unsigned int i = 0; err == 0 && i < 4; i++)
		err = load_guest_open(others[i], &scene.sw, ports[i < 2 ? i : i + 1], &layout, i + 10);
	for (unsigned int i = 0; err == 0 && i < 4; i++)
		err = load_guest_introduce(others[i]);
	if (err == 0)
		err = await_known(3);
	load_lane_open(&scene.victims[0], &scene.a, &scene.b, 64);
	load_lane_open(&scene.victims[1], &scene.b, &scene.a, 1518);
	for (long i = 0; err == 0 && i < rounds; i++) {
		static const struct {
			const char *name;
			long delay_us;
		} late[] = {{"0.1 ms", 100}, {"10 ms", 10000}, {"1000 ms", 1000000}, {"never", FG_NEVER_US}};

		for (unsigned int k = 0; err == 0 && k < 4; k++) {
			err = stretch("all there", 0, 0);
			if (err == 0)
				err = stretch(late[k].name, MISSING_MIB, late[k].delay_us);
		}
		if (err == 0)
			err = own_rates();
	}
	for (unsigned int i = 0; i < 4; i++)
		load_guest_close(others[i]);
	return fg_switch_stop(&scene.sw) < 0 || err < 0;
}
