/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver that does things out of order: kicks, the status register, features, the PCI command register, resets at any
 * moment, and floods. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "play.h"

enum {
	KICKS = 5000,
	FLOOD = 3200,
	BURST = 64,
	RESETS = 16,
	CONTROL_QUEUE = 4, /* behind two pairs */
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
};

static const struct desc good = {BUFFER, HEADER_LEN + FRAME_LEN, 0, 0};

static void send_one(struct play *play)
{
	ring_put(&play->tx, 0, good);
	ring_offer(&play->tx, 1);
}

/* As fast as it goes, each burst taken back before the next. */
static void flood(struct play *play, uint32_t frames, bool sources)
{
	uint8_t *source = (uint8_t *)memory_at(BUFFER) + HEADER_LEN + 6;

	play->tx.quiet = true;
	for (uint32_t sent = 0, taken = 0; sent < frames;) {
		for (uint32_t end = sent + BURST; sent < end; sent++) {
			if (sources) {
				source[4] = (uint8_t)(sent >> 8);
				source[5] = (uint8_t)sent;
			}
			send_one(play);
		}
		ring_kick(&play->tx);
		taken = ring_take(&play->tx, play->packed ? BURST : (uint16_t)sent, 1000);
		if (taken < (play->packed ? BURST : (uint16_t)sent))
			give_up("frames that come back");
	}
}

static void flood_plain(struct play *play, const struct hostile_case *c)
{
	(void)c;
	flood(play, FLOOD, false);
}

static void flood_sources(struct play *play, const struct hostile_case *c)
{
	(void)c;
	flood(play, FLOOD, true);
}

/* To everybody, so the guests beside this one receive them. */
static void flood_everybody(struct play *play, const struct hostile_case *c)
{
	(void)c;
	memset((uint8_t *)memory_at(BUFFER) + HEADER_LEN, 0xff, 6);
	flood(play, FLOOD, false);
}

static void kick_storm(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < KICKS; i++)
		device_kick(&play->device, (uint16_t)(i % 2));
}

static void kick_others(struct play *play, const struct hostile_case *c)
{
	static const uint16_t queues[] = {2, 3, 4, 5, 6, 63, 64, 127, 255};

	(void)c;
	for (int round = 0; round < 100; round++)
		for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
			device_kick(&play->device, queues[i]);
}

static void kick_before_running(struct play *play, const struct hostile_case *c)
{
	(void)c;
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	for (int i = 0; i < 10; i++)
		send_one(play);
	wait_ms(20);
	device_run(&play->device);
	ring_post(&play->rx, 10);
}

static void run_without_rings(struct play *play, const struct hostile_case *c)
{
	(void)c;
	device_run(&play->device);
	kick_others(play, c);
}

static void run_without_features(struct play *play, const struct hostile_case *c)
{
	(void)c;
	device_reset(&play->device);
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
	send_one(play);
}

static void run_again(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < 10; i++) {
		device_run(&play->device);
		device_status(&play->device, VIRTIO_CONFIG_S_FEATURES_OK);
	}
	send_one(play);
}

static void say_failed(struct play *play, const struct hostile_case *c)
{
	(void)c;
	device_status(&play->device, VIRTIO_CONFIG_S_FAILED);
	send_one(play);
}

static void features_later(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (unsigned int bit = 0; bit < 64; bit += 3)
		device_agree(&play->device, FEATURE(bit) | FEATURE(VIRTIO_F_VERSION_1));
	send_one(play);
}

static void master_off(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < 10; i++) {
		send_one(play);
		device_command(&play->device, COMMAND_MEMORY);
		ring_kick(&play->tx);
		device_command(&play->device, COMMAND_MEMORY | COMMAND_MASTER);
		send_one(play);
	}
}

static void decoding_off(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < 10; i++) {
		device_command(&play->device, COMMAND_MASTER);
		send_one(play);
		device_command(&play->device, COMMAND_MEMORY | COMMAND_MASTER);
		send_one(play);
	}
}

static void rings_moved(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < 20; i++) {
		play->tx.desc ^= 0x20000;
		play->rx.desc ^= 0x40000;
		ring_enable(&play->rx);
		ring_enable(&play->tx);
		send_one(play);
	}
}

static void size_changed(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (uint16_t size = 1; size <= 1024; size = (uint16_t)(size * 2)) {
		play->device.common->queue_select = 1;
		play->device.common->queue_size = size;
		send_one(play);
	}
}

/* A moment later each time, with both rings full. */
static void resets(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (unsigned int i = 0; i < RESETS; i++) {
		stage_set(play, 0, 0);
		stage_run(play);
		for (unsigned int frame = 0; frame < 10 * i; frame++)
			send_one(play);
		wait_ms(i % 4);
	}
}

static void reset_at_once(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < RESETS; i++) {
		stage_set(play, 0, 0);
		ring_enable(&play->rx);
		ring_enable(&play->tx);
		device_run(&play->device);
		play->device.common->device_status = 0;
	}
}

static void reset_storm(struct play *play, const struct hostile_case *c)
{
	(void)c;
	for (int i = 0; i < 500; i++)
		play->device.common->device_status = 0;
}

/* The numbers of pairs that a driver may not ask for, and two of which one has no rings. QEMU answers the control queue. */
static void pairs(struct play *play, const struct hostile_case *c)
{
	static const uint16_t numbers[] = {0, 2, 3, 1, 0x8000, 0xffff, 2, 1, 2};
	struct ring control;

	(void)c;
	ring_init(&control, &play->device, CONTROL_QUEUE, 64, play->packed);
	ring_enable(&control);
	stage_run(play);
	for (uint16_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint8_t *at = memory_at(TABLE);

		at[0] = VIRTIO_NET_CTRL_MQ;
		at[1] = VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET;
		memcpy(at + 2, &numbers[i], 2);
		ring_put(&control, 0, (struct desc){TABLE, 2, DESC_NEXT, 1});
		ring_put(&control, 1, (struct desc){TABLE + 2, 2, DESC_NEXT, 2});
		ring_put(&control, 2, (struct desc){TABLE + 64, 1, DESC_WRITE, 0});
		ring_offer(&control, 3);
		send_one(play);
		wait_ms(10);
	}
}

#define A(name, expect, function) {name, BOTH, expect, function, 0, 0, NULL, false}
#define BARE(name, expect, function) {name, BOTH, expect, function, 0, 0, NULL, true}

const struct hostile_case act_cases[] = {
	A("flood_of_frames", "sent 3200", flood_plain),
	A("flood_of_sources", "sent 3200", flood_sources),
	A("flood_to_everybody", "sent 3200", flood_everybody),
	A("kick_storm", "idle", kick_storm),
	A("kick_queues_that_are_not_there", "idle", kick_others),
	BARE("kick_before_running", "sent 10", kick_before_running),
	BARE("run_without_rings", "idle", run_without_rings),
	BARE("run_without_features", "any", run_without_features),
	A("run_again", "sent 1", run_again),
	A("say_failed", "sent 1", say_failed),
	A("features_while_running", "sent 1", features_later),
	A("bus_mastering_off_and_on", "any", master_off),
	A("memory_decoding_off_and_on", "sent 20", decoding_off),
	A("rings_moved_while_running", "any", rings_moved),
	A("size_changed_while_running", "sent 11", size_changed),
	BARE("reset_a_moment_later_each_time", "any", resets),
	BARE("reset_as_soon_as_it_runs", "idle", reset_at_once),
	A("reset_storm", "any", reset_storm),
	{"pairs_that_are_not_there", BOTH, "sent 9", pairs,
	 FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_MQ), 0, NULL, true},
	{0},
};
