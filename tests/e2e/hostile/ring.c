/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <string.h>

enum { DRIVER_PART = 0x5000, CARD_PART = 0x8000 };

void ring_init(struct ring *ring, struct device *device, uint16_t index, uint16_t size, bool packed)
{
	uint64_t at = RINGS + (uint64_t)index * RING_STRIDE;

	*ring = (struct ring){
		.device = device,
		.index = index,
		.size = size,
		.packed = packed,
		.desc = at,
		.driver = at + DRIVER_PART,
		.card = at + CARD_PART,
		.lap = true,
		.used_lap = true,
	};
	memset(memory_at(at), 0, RING_STRIDE);
}

void ring_enable(struct ring *ring)
{
	volatile struct virtio_pci_common_cfg *common = ring->device->common;

	common->queue_select = ring->index;
	common->queue_size = ring->size;
	common->queue_desc_lo = (uint32_t)ring->desc;
	common->queue_desc_hi = (uint32_t)(ring->desc >> 32);
	common->queue_avail_lo = (uint32_t)ring->driver;
	common->queue_avail_hi = (uint32_t)(ring->driver >> 32);
	common->queue_used_lo = (uint32_t)ring->card;
	common->queue_used_hi = (uint32_t)(ring->card >> 32);
	common->queue_enable = 1;
}

struct desc *ring_desc(struct ring *ring, uint16_t i)
{
	return (struct desc *)memory_at(ring->desc) + i;
}

struct packed_desc *ring_packed(struct ring *ring, uint16_t i)
{
	return (struct packed_desc *)memory_at(ring->desc) + i;
}

uint16_t *ring_avail(struct ring *ring)
{
	return memory_at(ring->driver);
}

uint16_t ring_used_index(struct ring *ring)
{
	return __atomic_load_n((uint16_t *)memory_at(ring->card) + 1, __ATOMIC_ACQUIRE);
}

static uint16_t lap_flags(bool lap)
{
	return lap ? PACKED_AVAIL : PACKED_USED;
}

void ring_put(struct ring *ring, uint16_t k, struct desc desc)
{
	uint16_t slot = ring->slot + k;
	bool lap = ring->lap;
	struct packed_desc *at;

	if (!ring->packed) {
		*ring_desc(ring, k) = desc;
		return;
	}
	if (slot >= ring->size) {
		slot -= ring->size;
		lap = !lap;
	}
	at = ring_packed(ring, slot);
	at->addr = desc.addr;
	at->len = desc.len;
	at->id = k;
	desc.flags |= lap_flags(lap);
	if (k == 0)
		ring->first_flags = desc.flags;
	else
		at->flags = desc.flags;
}

void ring_offer_head(struct ring *ring, uint16_t head)
{
	uint16_t *avail = ring_avail(ring);

	avail[2 + ring->offered % ring->size] = head;
	__atomic_store_n(&avail[1], ++ring->offered, __ATOMIC_RELEASE);
	if (!ring->quiet)
		ring_kick(ring);
}

void ring_offer(struct ring *ring, uint16_t n)
{
	if (!ring->packed) {
		ring_offer_head(ring, 0);
		return;
	}
	__atomic_store_n(&ring_packed(ring, ring->slot)->flags, ring->first_flags, __ATOMIC_RELEASE);
	ring->offered++;
	ring->slot += n;
	if (ring->slot >= ring->size) {
		ring->slot -= ring->size;
		ring->lap = !ring->lap;
	}
	if (!ring->quiet)
		ring_kick(ring);
}

void ring_kick(struct ring *ring)
{
	device_kick(ring->device, ring->index);
}

/* Of chains of one descriptor each. */
static unsigned int take_packed(struct ring *ring)
{
	unsigned int taken = 0;

	for (;;) {
		uint16_t flags = __atomic_load_n(&ring_packed(ring, ring->used_slot)->flags, __ATOMIC_ACQUIRE);

		if (((flags & PACKED_USED) != 0) != ring->used_lap ||
		    ((flags & PACKED_AVAIL) != 0) != ring->used_lap)
			return taken;
		taken++;
		if (++ring->used_slot == ring->size) {
			ring->used_slot = 0;
			ring->used_lap = !ring->used_lap;
		}
	}
}

unsigned int ring_take(struct ring *ring, unsigned int n, unsigned int ms)
{
	unsigned int taken = 0;

	for (unsigned int waited = 0;; waited++) {
		taken = ring->packed ? taken + take_packed(ring) : ring_used_index(ring);
		if (taken >= n || waited >= ms)
			return taken;
		wait_ms(1);
	}
}

void ring_post(struct ring *ring, uint16_t n)
{
	ring->quiet = true;
	for (uint16_t i = 0; i < n; i++) {
		struct desc desc = {RX_BUFFERS + (uint64_t)i * RX_STRIDE, RX_STRIDE, DESC_WRITE, 0};

		if (ring->packed) {
			ring_put(ring, 0, desc);
			ring_packed(ring, ring->slot)->id = i;
			ring_offer(ring, 1);
		} else {
			*ring_desc(ring, i) = desc;
			ring_offer_head(ring, i);
		}
	}
	ring->quiet = false;
	ring_kick(ring);
}
