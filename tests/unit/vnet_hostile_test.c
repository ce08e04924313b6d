/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that rewrites its rings, tables and indexes while we read them (V9): whatever it does, the switch lives, a
 * frame's head stays what it was, every frame is accounted for, and a well-behaved receiver beside it is well. Run this
 * under a sanitizer. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "clock.h"
#include "rig.h"
#include "vnet.h"

#define FEATURES                                                                                   \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_NET_F_MRG_RXBUF))

enum { SIZE = 64 };

/* Who sends and who receives: two ports never share a mapping. */
static struct rig sender, receiver;
static uint64_t table;

struct scribbler {
	struct ring *ring[2];
	atomic_bool stop;
};

/* Descriptors that are mostly right, so that much is walked, and sometimes anything. */
static void scribble(struct ring *ring, uint64_t *state)
{
	uint64_t *desc = (uint64_t *)(void *)rig_at(ring->rig, ring->desc + dice_of(state) % SIZE * 16);
	uint16_t *avail = (uint16_t *)(void *)rig_at(ring->rig, ring->avail);
	uint16_t *used = (uint16_t *)(void *)rig_at(ring->rig, ring->used);
	uint64_t flags = dice_of(state) % 64 == 0 ? dice_of(state) : dice_of(state) & (NEXT | WRITE);
	uint64_t addr = dice_of(state) % 64 == 0 ? dice_of(state) : RIG_SEAM - dice_of(state) % 4096;
	uint64_t len = dice_of(state) % 64 == 0 ? dice_of(state) : dice_of(state) % 2000;

	if (dice_of(state) % 16 == 0) {
		flags = INDIRECT;
		addr = table + dice_of(state) % 64 * 16;
		len = dice_of(state) % 70 * 16;
	}
	__atomic_store_n(desc, addr, __ATOMIC_RELAXED);
	__atomic_store_n(desc + 1, len | flags << 32 | (uint64_t)(dice_of(state) % SIZE) << 48,
			 __ATOMIC_RELAXED);
	__atomic_store_n(avail + 2 + dice_of(state) % SIZE, dice_of(state) % (SIZE + 1), __ATOMIC_RELAXED);
	__atomic_store_n(avail, dice_of(state), __ATOMIC_RELAXED);
	__atomic_store_n((uint64_t *)(void *)rig_at(ring->rig, table + dice_of(state) % 512 * 8),
			 dice_of(state) % 2 == 0 ? addr : len | (flags & 3) << 32, __ATOMIC_RELAXED);
	if (dice_of(state) % 256 == 0)
		__atomic_store_n(used + 1, dice_of(state), __ATOMIC_RELAXED);
}

static void *scribbler_main(void *arg)
{
	struct scribbler *scribbler = arg;
	uint64_t state = 42;

	while (!atomic_load_explicit(&scribbler->stop, memory_order_relaxed))
		for (int i = 0; i < 64; i++)
			scribble(scribbler->ring[i % 2], &state);
	return NULL;
}

/* Reads every frame twice: the head stays what it was whatever happens to the guest's memory. */
static void check_burst(void)
{
	static uint8_t heads[BURST_MAX][FRAME_HEAD];

	for (uint16_t i = 0; i < burst.n; i++) {
		assert_in_range(burst.frame[i].len, FRAME_LEN_MIN, FRAME_LEN_MAX);
		assert_in_range(burst.frame[i].head_len, FRAME_LEN_MIN, FRAME_HEAD);
		memcpy(heads[i], burst.frame[i].head, burst.frame[i].head_len);
	}
	for (uint16_t i = 0; i < burst.n; i++)
		assert_memory_equal(heads[i], burst.frame[i].head, burst.frame[i].head_len);
}

/* 64 buffers, all of which the driver keeps with the device. */
static void victim_open(struct ring *victim)
{
	uint64_t buffers = rig_alloc(&receiver, SIZE * 2048, 8);

	ring_open(victim, &receiver, SIZE, FEATURES, 0);
	for (uint16_t i = 0; i < SIZE; i++) {
		ring_desc(victim, i, buffers + i * 2048u, 2048, WRITE, 0);
		ring_offer(victim, i);
	}
	ring_show(victim);
}

static void victim_turn(struct ring *victim)
{
	uint32_t id, len;

	while (ring_take(victim, &id, &len)) {
		assert_true(id < SIZE && len > 0 && len <= 2048);
		ring_offer(victim, (uint16_t)id);
	}
	ring_show(victim);
	assert_int_equal(virtq_fault(&victim->q), VIRTQ_OK);
}

/* The index alone moves in step with us, or a busy machine would see nothing but rings that ran too far: as far as the
 * ring has entries, and now and then further. */
static void advance(struct ring *ring)
{
	uint16_t *avail = (uint16_t *)(void *)rig_at(ring->rig, ring->avail + 2);
	uint16_t last, room;

	role_assert_lcore();
	last = ring->q.dp.last_avail;
	room = (uint16_t)(SIZE - (*avail - last));
	if (dice(500) == 0)
		room = SIZE + 1;
	else if (room > 0 && room <= SIZE)
		room = (uint16_t)dice(room + 1u);
	__atomic_store_n(avail, (uint16_t)(*avail + room), __ATOMIC_RELEASE);
}

/* Notes why a ring broke, and starts it again where its available index is now. */
static void mend(struct ring *ring, unsigned int *faults)
{
	uint16_t *avail = (uint16_t *)(void *)rig_at(ring->rig, ring->avail + 2);
	uint16_t *used = (uint16_t *)(void *)rig_at(ring->rig, ring->used + 2);
	uint16_t base = __atomic_load_n(avail, __ATOMIC_ACQUIRE);

	role_assert_control();
	faults[virtq_fault(&ring->q)]++;
	if (virtq_fault(&ring->q) == VIRTQ_OK)
		return;
	__atomic_store_n(used, base, __ATOMIC_RELEASE);
	virtq_start(&ring->q, ring->conf, base);
}

/* Whether each kind of harm was met that this guest can do. */
static bool met_all(const unsigned int *faults)
{
	for (int i = VIRTQ_FAULT_AVAIL_INDEX; i < VIRTQ_FAULT_PIECES; i++)
		if (faults[i] == 0)
			return false;
	return true;
}

static void a_guest_that_never_stops_writing(void **state)
{
	static struct ring from, to, victim;
	struct scribbler scribbler = {.ring = {&from, &to}};
	struct port_counters out = {0}, in = {0}, victims = {0};
	unsigned int faults[VIRTQ_FAULTS] = {0};
	uint64_t end = clock_ns() + 2 * NS_PER_S, given = 0;
	struct frame *frames[BURST_MAX];
	pthread_t thread;

	role_assert_lcore();
	ring_open(&from, &sender, SIZE, FEATURES, 0);
	ring_open(&to, &receiver, SIZE, FEATURES, 0);
	table = rig_alloc(&sender, 4096, 16);
	assert_int_equal(rig_alloc(&receiver, 4096, 16), table);
	victim_open(&victim);
	/* Headers of zeros, or everything would be dropped for what it asks. */
	memset(rig_at(&sender, RIG_SEAM - 4096), 0, 4096);
	memset(rig_at(&sender, RIG_SEAM), 0, 4096);
	assert_int_equal(pthread_create(&thread, NULL, scribbler_main, &scribbler), 0);
	while (clock_ns() < end && (given < 100000 || !met_all(faults))) {
		uint16_t n;

		advance(&from);
		advance(&to);
		n = vnet_receive(&from.q, &burst, BURST_MAX, &in);
		check_burst();
		for (uint16_t i = 0; i < n; i++)
			frames[i] = &burst.frame[i];
		if (n > 0) {
			vnet_deliver(&to.q, frames, n, 9018, &out);
			vnet_deliver(&victim.q, frames, n, FRAME_LEN_MAX, &victims);
			vnet_complete(&from.q, &burst);
		}
		given += n;
		victim_turn(&victim);
		mend(&from, faults);
		mend(&to, faults);
	}
	atomic_store(&scribbler.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(counted(&in.rx_ok), 0);
	assert_int_equal(counted(&out.tx_ok) + drops_of_tx(&out), given);
	assert_int_equal(counted(&victims.tx_ok) + drops_of_tx(&victims), given);
	assert_int_equal(counted(&victims.tx_drop[TX_DROP_BROKEN]), 0);
	assert_true(given > 0);
	ring_close(&from);
	ring_close(&to);
	ring_close(&victim);
}

static int open_rig(void **state)
{
	rig_open(&sender);
	rig_open(&receiver);
	return 0;
}

static int close_rig(void **state)
{
	rig_close(&sender);
	rig_close(&receiver);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_naming_twice(a_guest_that_never_stops_writing),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
