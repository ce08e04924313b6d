/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings that lie where no ring can, over each other or in the buffers of frames, and of sizes that there are not (T7, V2). */
#include <string.h>

#include "play.h"

struct shape {
	uint64_t desc, driver, card; /* where the parts of the ring from the guest are; 0: the usual places */
	uint16_t size;		     /* 0: the usual one */
	bool own_bar;		     /* the descriptors are where the card's registers are */
};

static void shape(struct play *play, const struct hostile_case *c)
{
	const struct shape *shape = c->data;
	struct ring *ring = &play->tx;
	uint64_t desc = shape->own_bar ? play->device.bar : shape->desc;

	if (desc != 0)
		ring->desc = desc;
	if (shape->driver != 0)
		ring->driver = shape->driver;
	if (shape->card != 0)
		ring->card = shape->card;
	if (shape->size != 0)
		ring->size = shape->size;
	ring_enable(&play->rx);
	ring_enable(ring);
	device_run(&play->device);
	ring_post(&play->rx, RING_SIZE - 1);
	ring_kick(ring);
	wait_ms(50);
}

static void size_0(struct play *play, const struct hostile_case *c)
{
	(void)c;
	play->tx.size = 0;
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
	ring_kick(&play->tx);
}

/* Both rings are the same one: what is offered to receive into is also to be sent. */
static void same(struct play *play, const struct hostile_case *c)
{
	(void)c;
	play->tx.desc = play->rx.desc;
	play->tx.driver = play->rx.driver;
	play->tx.card = play->rx.card;
	stage_run(play);
	ring_kick(&play->tx);
}

/* Receive buffers are the ring to send from, so each frame to the guest is written over descriptors. */
static void receive_over(struct play *play, uint64_t at)
{
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
	ring_put(&play->tx, 0, (struct desc){BUFFER, HEADER_LEN + FRAME_LEN, 0, 0});
	ring_offer(&play->tx, 1);
	for (uint16_t i = 0; i < 100; i++) {
		ring_put(&play->rx, play->packed ? 0 : i, (struct desc){at, 1514 + HEADER_LEN, DESC_WRITE, 0});
		if (play->packed)
			ring_offer(&play->rx, 1);
		else
			ring_offer_head(&play->rx, i);
		ring_kick(&play->tx);
		wait_ms(1);
	}
	wait_ms(50);
}

static void receive_over_descriptors(struct play *play, const struct hostile_case *c)
{
	(void)c;
	receive_over(play, play->tx.desc);
}

static void receive_over_available(struct play *play, const struct hostile_case *c)
{
	(void)c;
	receive_over(play, play->tx.driver);
}

static void receive_over_own(struct play *play, const struct hostile_case *c)
{
	(void)c;
	receive_over(play, play->rx.desc);
}

static void receive_over_used(struct play *play, const struct hostile_case *c)
{
	(void)c;
	receive_over(play, play->rx.card);
}

/* What is sent are the rings. */
static void send_rings(struct play *play, const struct hostile_case *c)
{
	(void)c;
	stage_run(play);
	for (uint16_t i = 0; i < 64; i++) {
		uint64_t at = i % 2 == 0 ? play->tx.card : play->tx.desc;

		ring_put(&play->tx, 0, (struct desc){at, HEADER_LEN + FRAME_LEN, 0, 0});
		ring_offer(&play->tx, 1);
		ring_take(&play->tx, i + 1u, 20);
	}
}

#define SHAPE(...) (&(const struct shape){__VA_ARGS__})
#define S(name, formats, expect, ...) {name, formats, expect, shape, 0, 0, SHAPE(__VA_ARGS__), true}
#define TX_RING (RINGS + RING_STRIDE)

const struct hostile_case shape_cases[] = {
	S("ring_nowhere", BOTH, "stopped 1", .desc = WILD),
	S("ring_at_the_last_page", BOTH, "stopped 1", .desc = UINT64_MAX - 4095),
	S("ring_over_the_end_of_memory", BOTH, "stopped 1", .desc = MEMORY_END - 64),
	S("ring_in_own_registers", BOTH, "stopped 1", .own_bar = true),
	S("driver_part_nowhere", BOTH, "stopped 1", .driver = WILD),
	S("driver_part_over_the_end_of_memory", SPLIT, "stopped 1", .driver = MEMORY_END - 64),
	S("device_part_nowhere", BOTH, "stopped 1", .card = WILD),
	S("device_part_over_the_end_of_memory", SPLIT, "stopped 1", .card = MEMORY_END - 64),
	S("ring_at_an_odd_address", BOTH, "refused a part of the ring is misaligned", .desc = TX_RING + 1),
	S("driver_part_at_an_odd_address", BOTH, "refused a part of the ring is misaligned", .driver = TX_RING + 0x5001),
	S("device_part_at_an_odd_address", BOTH, "refused a part of the ring is misaligned", .card = TX_RING + 0x8001),
	S("ring_of_3", SPLIT, "refused the size of a ring is", .size = 3),
	S("packed_ring_of_3", PACKED, "idle", .size = 3),
	S("ring_of_32768", BOTH, "idle", .size = 32768),
	S("ring_of_65535", BOTH, "idle", .size = 65535),
	{"ring_of_0", BOTH, "idle", size_0, 0, 0, NULL, true},
	S("parts_all_in_one_place", BOTH, "any", .driver = TX_RING, .card = TX_RING),
	S("device_part_over_the_driver_part", BOTH, "any", .card = TX_RING + 0x5000),
	S("device_part_in_receive_buffers", BOTH, "any", .card = RX_BUFFERS),
	{"rings_are_the_same", BOTH, "fault 1 buffer of the wrong direction", same, 0, 0, NULL, true},
	{"receive_over_descriptors", BOTH, "any", receive_over_descriptors, 0, 0, NULL, true},
	{"receive_over_the_driver_part", BOTH, "any", receive_over_available, 0, 0, NULL, true},
	{"receive_over_its_own_descriptors", BOTH, "any", receive_over_own, 0, 0, NULL, true},
	{"receive_over_its_own_device_part", BOTH, "any", receive_over_used, 0, 0, NULL, true},
	{"send_the_rings", BOTH, "any", send_rings, 0, 0, NULL, true},
	{0},
};
