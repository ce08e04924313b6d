/* SPDX-License-Identifier: BSD-3-Clause */
#include "lane_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sealed: a lane that truncated it would give our lcores a SIGBUS. Populated: no lcore takes a page fault for it. */
static int shared_open(struct lane_shared **shared)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("vuswitch-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *at = MAP_FAILED;
	int error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(**shared)) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0)
		at = mmap(NULL, sizeof(**shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED) {
		error = errno;
		close(fd);
		return -error;
	}
	*shared = at;
	return fd;
}

struct lane_link *lane_link_create(void)
{
	struct lane_link *link = calloc(1, sizeof(*link));
	int error;

	if (link == NULL)
		return NULL;
	link->rest_burst = aligned_alloc(_Alignof(struct burst),
					 (sizeof(struct burst) + 63) & ~(size_t)63);
	link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	link->memory_fd = link->wake_fd < 0 ? -errno : shared_open(&link->shared);
	if (link->rest_burst == NULL || link->memory_fd < 0) {
		error = link->rest_burst == NULL ? ENOMEM : -link->memory_fd;
		lane_link_destroy(link);
		errno = error;
		return NULL;
	}
	burst_turn_init(&link->turn);
	link->to_guest.ring = &link->shared->to_guest;
	link->from_guest.ring = &link->shared->from_guest;
	atomic_store(&link->shared->len_max, FRAME_LEN_MAX);
	return link;
}

void lane_link_destroy(struct lane_link *link)
{
	if (link == NULL)
		return;
	if (link->shared != NULL)
		munmap(link->shared, sizeof(*link->shared));
	if (link->memory_fd >= 0)
		close(link->memory_fd);
	if (link->wake_fd >= 0)
		close(link->wake_fd);
	free(link->rest_burst);
	free(link);
}

void lane_link_end(struct lane_link *link)
{
	/* What it wrote itself: where no record begins there is none to be read. Whether one does, lane_receive() finds
	 * out. Pairs with lane_done(), the lane's. */
	uint64_t tail = atomic_load_explicit(&link->shared->to_guest.tail, memory_order_acquire);

	link->rest = (struct lane_consumer){
		.ring = &link->shared->to_guest,
		.tail = tail,
		.next = tail,
		.broken = tail % LANE_RECORD_ALIGN != 0,
	};
	/* Pairs with ended(), which is read first at each turn. */
	atomic_store_explicit(&link->ended, true, memory_order_release);
}

/* The lane no longer writes to it: the tail is our lcores'. Pairs with lane_done(). */
static bool drained(const struct lane_shared_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_acquire) ==
	       atomic_load_explicit(&ring->tail, memory_order_acquire);
}

bool lane_link_passed_on(const struct lane_link *link)
{
	return drained(&link->shared->from_guest);
}

bool lane_link_delivered(const struct lane_link *link)
{
	return atomic_load(&link->rest.broken) || drained(&link->shared->to_guest);
}

uint64_t lane_link_undelivered(const struct lane_link *link)
{
	const struct port_counters *lane = &link->shared->counters;
	uint64_t handled = counted(&lane->tx_ok);

	for (int i = 0; i < TX_DROPS; i++)
		handled += counted(&lane->tx_drop[i]);
	/* Frames that were not there before one was cut up. */
	handled -= counted(&lane->tx_segments);
	return handled < link->to_guest.frames ? link->to_guest.frames - handled : 0;
}
