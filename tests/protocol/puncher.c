/* SPDX-License-Identifier: BSD-3-Clause */
#include "puncher.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20 };
#define FILE_GPA (UINT64_C(1) << 40)

static void open_file(struct puncher *puncher, struct guest *g, unsigned int mib)
{
	*puncher = (struct puncher){.bytes = (uint64_t)mib * MIB, .g = g};
	puncher->fd = memfd_create("punched", MFD_CLOEXEC);
	assert_true(puncher->fd >= 0);
	assert_int_equal(ftruncate(puncher->fd, (off_t)puncher->bytes), 0);
}

/* Another page at the end of the file, which a punch reaches last. */
static void place_buffer(struct puncher *puncher, uint16_t slot)
{
	puncher->at = (puncher->at + 4096) % (puncher->bytes / 4);
	fg_ring_desc(puncher->g->nic.rx, slot, FILE_GPA + puncher->bytes - 4096 - puncher->at, PUNCHER_BUFFER, FG_DESC_WRITE, 0);
}

static void give_buffers(struct puncher *puncher)
{
	struct fg_ring *ring = puncher->g->nic.rx;
	uint16_t used = fg_ring_used_idx(ring);

	while ((uint16_t)(puncher->next - used) < ring->num) {
		uint16_t slot = puncher->next % ring->num;

		place_buffer(puncher, slot);
		ring->avail->ring[slot] = slot;
		puncher->next++;
	}
	__atomic_store_n(&ring->avail->idx, puncher->next, __ATOMIC_RELEASE);
}

static void *punch(void *arg)
{
	struct puncher *puncher = arg;
	uint64_t from = fg_now_us();

	fallocate(puncher->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)puncher->bytes);
	from = fg_now_us() - from;
	if (from > puncher->longest_us)
		puncher->longest_us = from;
	atomic_store(&puncher->done, true);
	return NULL;
}

void puncher_frame(uint8_t *frame, const struct guest *from, const struct guest *to)
{
	memset(frame, 0, 64);
	memcpy(frame, to->nic.mac, 6);
	memcpy(frame + 6, from->nic.mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

void puncher_punch(struct puncher *puncher, struct guest *a)
{
	uint8_t frame[64];
	pthread_t thread;

	assert_int_equal(fallocate(puncher->fd, 0, 0, (off_t)puncher->bytes), 0);
	puncher_frame(frame, a, puncher->g);
	atomic_store(&puncher->done, false);
	assert_int_equal(pthread_create(&thread, NULL, punch, puncher), 0);
	while (!atomic_load(&puncher->done)) {
		give_buffers(puncher);
		if (fg_nic_room(&a->nic, 2))
			fg_nic_send(&a->nic, frame, 60, NULL);
		fg_nic_reap(&a->nic);
		fg_sleep_us(500);
	}
	pthread_join(thread, NULL);
}

struct guest *puncher_begin(struct puncher *puncher, const char *from, const char *port, unsigned int mib)
{
	struct guest *a = guest_open(from, NULL), *b = guest_open(port, NULL);
	int slot;

	open_file(puncher, b, mib);
	slot = fg_memory_add_file(&b->mem, FILE_GPA, puncher->bytes, puncher->fd, 0);
	assert_true(slot > 0);
	guest_start(a, NULL);
	guest_start(b, &(struct fg_nic_options){.region = -1});
	settle(b, a);
	puncher->next = b->nic.rx->avail->idx;
	for (uint16_t slot = 0; slot < b->nic.rx->num; slot++)
		place_buffer(puncher, slot);
	return a;
}

void puncher_end(struct puncher *puncher)
{
	close(puncher->fd);
}
