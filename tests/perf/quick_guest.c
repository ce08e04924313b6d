/* SPDX-License-Identifier: BSD-3-Clause */
#include "quick_guest.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	HUGE_PAGE = 2 << 20,
	PAGE = 64 << 10,       /* what regions are made of */
	SHIFTS = 32,	       /* regions do not begin with a buffer all: that would be one set of the cache */
	SHIFT = 37 * 64,
	SPACING = 2368,	       /* an mbuf of 2048 bytes with what DPDK keeps around it */
	SPACING_JUMBO = 16448, /* the same for a jumbo frame */
	RINGS = 128 << 10,     /* the beginning of the memory is the two rings' */
	MAC_AT = QG_HEADER,
	NUMBER_AT = QG_HEADER + 14,
};
#define BASE	 UINT64_C(0x100000000)
#define UVA	 UINT64_C(0x7f0000000000)
#define DISTANCE UINT64_C(0x4400000)

uint64_t qg_mac(uint32_t number, unsigned int side, uint32_t i)
{
	return 0x02 | (uint64_t)side << 8 | (uint64_t)(number & 0xffff) << 16 |
	       (uint64_t)(i & 0xffff) << 32;
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* Bytes of a region: one of them is all of the memory; of several, the first is the rings' and the others hold as many buffers
 * each. */
static uint64_t region_size(const struct qg_shape *shape)
{
	uint32_t spacing = shape->bytes > 2000 ? SPACING_JUMBO : SPACING, others = shape->regions - 1;
	uint64_t buffers = 2ull * shape->ring * spacing;

	if (others == 0)
		return (RINGS + buffers + PAGE - 1) & ~(PAGE - 1ull);
	buffers = (2ull * shape->ring + others - 1) / others * spacing + SHIFTS * SHIFT;
	return ((buffers > RINGS ? buffers : RINGS) + PAGE - 1) & ~(PAGE - 1ull);
}

/* Regions lie far from one another, as far as the guest knows. */
static uint64_t gpa_of(const struct qg_shape *shape, uint64_t offset)
{
	uint64_t size = region_size(shape);

	return BASE + offset / size * DISTANCE + offset % size;
}

static int map_memory(struct qg_guest *guest, const struct qg_shape *shape)
{
	uint64_t size = region_size(shape);
	struct mem_region region[MEM_SLOTS_MAX];
	uint8_t *at;

	guest->bytes = size * shape->regions + HUGE_PAGE;
	at = mmap(NULL, guest->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	madvise(at, guest->bytes, MADV_HUGEPAGE);
	guest->mapping = at;
	guest->memory = (uint8_t *)(((uintptr_t)at + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	for (uint32_t i = 0; i < shape->regions; i++)
		region[i] = (struct mem_region){
			.gpa = BASE + i * DISTANCE,
			.size = size,
			.uva = UVA + i * DISTANCE,
			.host = guest->memory + i * size,
		};
	guest->map = mem_map_of(region, shape->regions);
	if (guest->map == NULL)
		return -errno;
	rcu_set(&guest->table.map, guest->map);
	return 0;
}

/* In what order the buffers are used: a guest's are in none, and a processor that finds one in them fetches what the other
 * side is about to write. */
static void shuffle(uint16_t *order, uint32_t n)
{
	uint32_t dice = 1;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t with;

		dice = dice * 1664525 + 1013904223;
		with = (uint32_t)((uint64_t)dice * (i + 1) >> 32);
		order[i] = order[with];
		order[with] = (uint16_t)i;
	}
}

static void place_buffers(struct qg_guest *guest, const struct qg_shape *shape)
{
	uint32_t spacing = shape->bytes > 2000 ? SPACING_JUMBO : SPACING, others = shape->regions - 1;
	uint16_t order[2 * QG_RING_MAX] = {0};

	shuffle(order, 2u * shape->ring);
	guest->room = shape->bytes > 2000 ? 16384 : 2048;
	for (uint32_t i = 0; i < 2u * shape->ring; i++) {
		uint64_t offset = RINGS + (uint64_t)order[i] * spacing;
		uint64_t gpa;

		if (others > 0)
			offset = (1 + order[i] % others) * region_size(shape) +
				 order[i] / others * (uint64_t)spacing +
				 order[i] % others % SHIFTS * SHIFT;
		gpa = gpa_of(shape, offset);
		if (i % 2 == 0) {
			guest->tx_gpa[i / 2] = gpa;
			guest->tx_at[i / 2] = guest->memory + offset;
		} else {
			guest->rx_gpa[i / 2] = gpa;
			guest->rx_at[i / 2] = guest->memory + offset;
		}
		memset(guest->memory + offset, 0, shape->bytes + QG_HEADER);
	}
}

/* --- rings ------------------------------------------------------------------------------------------------------- */

/* The memory begins with the rings; `offset` is where this one does. */
static int ring_start(struct qg_guest *guest, const struct qg_shape *shape, uint64_t offset, struct fg_fast *ring,
		      struct virtq *q, struct virtq_conf **conf)
{
	const uint64_t avail = offset + 16u * QG_RING_MAX, used = avail + 4096;
	const struct virtq_setup setup = {
		.size = shape->ring,
		.desc_uva = UVA + offset,
		.avail_uva = UVA + avail,
		.used_uva = UVA + used,
		.features = UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_F_IN_ORDER |
			    UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF |
			    (uint64_t)shape->packed << VIRTIO_F_RING_PACKED,
		.call_fd = guest->call_fd,
	};

	role_assert_control();
	fg_fast_open(ring, (struct fg_vring){(void *)(guest->memory + offset), (void *)(guest->memory + avail),
					     (void *)(guest->memory + used), shape->ring, shape->packed});
	virtq_init(q, &guest->table, NULL);
	*conf = virtq_conf_create(&setup, guest->map);
	if (*conf == NULL)
		return -errno;
	virtq_start(q, *conf, shape->packed ? 0x80008000 : 0);
	return 0;
}

/* --- a guest ----------------------------------------------------------------------------------------------------- */

int qg_open(struct qg_guest *guest, const struct qg_shape *shape)
{
	int error;

	memset(guest, 0, sizeof(*guest));
	guest->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	error = guest->call_fd < 0 ? -errno : map_memory(guest, shape);
	if (error != 0)
		return error;
	place_buffers(guest, shape);
	error = ring_start(guest, shape, 0, &guest->tx, &guest->from, &guest->from_conf);
	return error != 0 ? error : ring_start(guest, shape, RINGS / 2, &guest->rx, &guest->to, &guest->to_conf);
}

void qg_close(struct qg_guest *guest)
{
	free(guest->to_conf);
	free(guest->from_conf);
	mem_map_free(guest->map);
	munmap(guest->mapping, guest->bytes);
	close(guest->call_fd);
}

static void post_buffer(struct qg_guest *guest)
{
	fg_fast_post(&guest->rx, guest->rx_gpa[guest->rx.posted & guest->rx.mask], guest->room, FG_DESC_WRITE);
}

/* --- a lane ------------------------------------------------------------------------------------------------------ */

void qg_lane_open(struct qg_lane *lane, struct qg_guest *from, struct qg_guest *to,
		  const struct qg_shape *shape, uint32_t number)
{
	*lane = (struct qg_lane){.from = from, .to = to, .shape = shape, .number = number};
	for (uint16_t i = 0; i < shape->ring; i++)
		post_buffer(to);
	fg_fast_show(&to->rx);
}

static int take_back(struct qg_guest *guest)
{
	int n = fg_fast_look(&guest->tx);

	guest->tx.taken += n > 0 ? (uint32_t)n : 0;
	return n < 0 ? n : 0;
}

static int take_frames(struct qg_lane *lane)
{
	struct qg_guest *guest = lane->to;
	int n = fg_fast_look(&guest->rx);
	uint32_t mask = guest->rx.mask;

	for (int i = 0; i < n; i++)
		__builtin_prefetch(guest->rx_at[(guest->rx.taken + (uint32_t)i) & mask]);
	for (int i = 0; i < n; i++) {
		uint64_t number;

		memcpy(&number, guest->rx_at[guest->rx.taken & mask] + NUMBER_AT, sizeof(number));
		if (number != lane->received ||
		    fg_fast_len(&guest->rx) != QG_HEADER + lane->shape->bytes) {
			fprintf(stderr, "frame %llu came where %llu was due\n",
				(unsigned long long)number, (unsigned long long)lane->received);
			return -EPROTO;
		}
		guest->rx.taken++;
		lane->received++;
		post_buffer(guest);
	}
	fg_fast_show(&guest->rx);
	return n < 0 ? n : 0;
}

static void write_frame(const struct qg_lane *lane, uint8_t *at)
{
	uint32_t host = lane->shape->macs > 2 ? (uint32_t)(lane->sent * 2654435761u) %
							(lane->shape->macs / 2)
					      : 0;
	uint64_t to = qg_mac(lane->number, 1, host), from = qg_mac(lane->number, 0, host);

	memcpy(at + MAC_AT, &to, 6);
	memcpy(at + MAC_AT + 6, &from, 6);
	memcpy(at + NUMBER_AT, &lane->sent, 8);
}

static void send_frames(struct qg_lane *lane)
{
	struct qg_guest *guest = lane->from;
	uint32_t mask = guest->tx.mask;
	uint64_t on_the_way = lane->sent - lane->received;
	uint32_t room = fg_fast_room(&guest->tx);
	uint32_t n = (uint32_t)(lane->shape->ring - on_the_way);

	if (n > room)
		n = room;
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(guest->tx_at[(guest->tx.posted + i) & mask], 1);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = guest->tx.posted & mask;

		write_frame(lane, guest->tx_at[slot]);
		fg_fast_post(&guest->tx, guest->tx_gpa[slot], QG_HEADER + lane->shape->bytes, 0);
		lane->sent++;
	}
	fg_fast_show(&guest->tx);
}

int qg_lane_step(struct qg_lane *lane, uint64_t now, bool send)
{
	int error;

	if (now != 0 && now < lane->next_look)
		return 0;
	lane->next_look = now + QG_LOOK_TICKS;
	error = take_back(lane->from);
	if (error == 0)
		error = take_frames(lane);
	if (error == 0 && send)
		send_frames(lane);
	return error;
}

void qg_lane_send(struct qg_lane *lane)
{
	if (take_back(lane->from) == 0)
		send_frames(lane);
}

int qg_collect(struct qg_guest *to, uint32_t bytes, _Atomic uint64_t *received, uint32_t n)
{
	int arrived = fg_fast_look(&to->rx);
	uint32_t mask = to->rx.mask;
	uint32_t fresh[QG_LANES_MAX] = {0};

	for (int i = 0; i < arrived; i++) {
		uint64_t number, lane;

		memcpy(&number, to->rx_at[to->rx.taken & mask] + NUMBER_AT, sizeof(number));
		lane = number / QG_LANE;
		if (lane >= n || fg_fast_len(&to->rx) != QG_HEADER + bytes ||
		    number != atomic_load_explicit(&received[lane], memory_order_relaxed) + fresh[lane])
			return -EPROTO;
		fresh[lane]++;
		to->rx.taken++;
		post_buffer(to);
	}
	fg_fast_show(&to->rx);
	/* Only now is there room for as many more. */
	for (uint32_t i = 0; i < n; i++)
		if (fresh[i] > 0)
			atomic_fetch_add_explicit(&received[i], fresh[i], memory_order_release);
	return arrived < 0 ? arrived : 0;
}
