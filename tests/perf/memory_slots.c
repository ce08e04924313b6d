/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_slots ROUNDS: what it costs a switch that a guest's memory is 509 regions and not one.
 *
 * Pairs of guests on one lcore of the real switch, each pair with its memory told in another way; the
 * buffers lie in the same bytes of the same number of files. They take turns: in each round every pair
 * has a window with frames of every size. Prints a line of JSON for each window: what the receiver got,
 * and what a frame cost the lcore in cycles while it was busy. scripts/bench-memory makes the table.
 *
 * Needs VUSWITCH (the binary) in the environment. Exit status 1: frames lost, late or twice.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fg_clock.h"
#include "load.h"

enum { PIECES = 509, WARM_MS = 10, WINDOW_MS = 60 };

static const struct load_layout layouts[] = {
	{"1 region", .pieces = PIECES, .regions = 1},
	{"509 regions", .pieces = PIECES, .regions = PIECES},
	{"509 regions, 47-bit addresses", .pieces = PIECES, .regions = PIECES, .by_address = true},
	{"1 region, dirty log", .pieces = PIECES, .regions = 1, .logged = true},
	{"509 regions, dirty log", .pieces = PIECES, .regions = PIECES, .logged = true},
};
enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };
static const char *const ports[] = {"a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4", NULL};
static const uint32_t sizes[] = {64, 1518};

struct pair {
	struct load_guest from, to;
	struct load_lane lane;
};

/* What the lcores have counted. */
struct work {
	json_int_t frames, busy, idle;
};

static struct work look(const struct fg_switch *sw)
{
	json_t *answer = fg_switch_query(sw, "lcores", NULL);
	const json_t *lcore;
	struct work work = {0};
	size_t i;

	json_array_foreach(json_object_get(answer, "lcores"), i, lcore)
	{
		work.frames += json_integer_value(json_object_get(lcore, "frames"));
		work.busy += json_integer_value(json_object_get(lcore, "busy_cycles"));
		work.idle += json_integer_value(json_object_get(lcore, "idle_cycles"));
	}
	json_decref(answer);
	return work;
}

static int run_for(struct load_lane *lane, unsigned int ms)
{
	uint64_t end = load_now_ns() + ms * 1000000ull;
	int err = 0;

	while (err == 0 && load_now_ns() < end)
		for (int i = 0; err == 0 && i < 16; i++)
			err = load_lane_step(lane, true);
	return err;
}

static int window(const struct fg_switch *sw, struct pair *pair, unsigned int layout, uint32_t size)
{
	struct load_lane *lane = &pair->lane;
	struct work before, after;
	uint64_t began, received;
	int err = load_guest_introduce(&pair->to);

	lane->len = size;
	if (err == 0)
		err = run_for(lane, WARM_MS);
	before = look(sw);
	began = load_now_ns();
	received = lane->received;
	after = before;
	/* On a busy machine a window may pass between two bursts. */
	while (err == 0 && after.frames == before.frames && load_now_ns() - began < FG_WAIT_MS * UINT64_C(1000000)) {
		err = run_for(lane, WINDOW_MS);
		after = look(sw);
	}
	received = lane->received - received;
	began = load_now_ns() - began;
	if (err == 0)
		err = load_lane_drain(lane);
	if (err < 0 || after.frames == before.frames)
		return -1;
	printf("{\"bytes\": %u, \"layout\": \"%s\", \"mpps\": %.4f, \"cycles\": %.2f, \"idle\": %.3f}\n",
	       size, layouts[layout].name, (double)received * 1000 / (double)began,
	       (double)(after.busy - before.busy) / (double)(after.frames - before.frames),
	       (double)(after.idle - before.idle) /
		       (double)(after.idle - before.idle + after.busy - before.busy));
	fflush(stdout);
	return 0;
}

static int measure(const struct fg_switch *sw, struct pair *pairs, long rounds)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < LAYOUTS; i++) {
		err = load_guest_open(&pairs[i].from, sw, ports[2 * i], &layouts[i], 2 * i);
		if (err == 0)
			err = load_guest_open(&pairs[i].to, sw, ports[2 * i + 1], &layouts[i],
					      2 * i + 1);
		if (err == 0)
			err = load_guest_introduce(&pairs[i].to);
	}
	fg_sleep_us(50000); /* addresses pass through the control thread */
	for (unsigned int i = 0; err == 0 && i < LAYOUTS; i++)
		load_lane_open(&pairs[i].lane, &pairs[i].from, &pairs[i].to, sizes[0]);
	for (long round = 0; err == 0 && round < rounds; round++)
		for (unsigned int i = 0; err == 0 && i < 2 * LAYOUTS; i++)
			err = window(sw, &pairs[i % LAYOUTS], i % LAYOUTS, sizes[i / LAYOUTS]);
	return err;
}

int main(int argc, char **argv)
{
	static const char *const args[] = {"--busy-poll", NULL};
	static struct pair pairs[LAYOUTS];
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct fg_switch sw;
	int err;

	if (argc != 2 || atol(argv[1]) < 1) {
		fprintf(stderr, "usage: memory_slots ROUNDS\n");
		return 1;
	}
	err = fg_switch_start(&sw, &opt);
	if (err == 0 && load_pin() < 2)
		fprintf(stderr, "one CPU for everything: the figures mean nothing\n");
	if (err == 0)
		err = measure(&sw, pairs, atol(argv[1]));
	for (unsigned int i = 0; i < LAYOUTS; i++) {
		load_guest_close(&pairs[i].from);
		load_guest_close(&pairs[i].to);
	}
	return fg_switch_stop(&sw) < 0 || err < 0;
}
